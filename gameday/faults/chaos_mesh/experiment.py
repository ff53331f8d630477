"""What faults that are experiments of Chaos Mesh have in common: the pods they are for, the object, its calls.

Which pods is decided here, by our limits, protections and seed; Chaos Mesh is given their names. It looks for its pods
once, so names lose nothing: pods that come later are not hit by a label selector either.

The object is made with its pause on, which injects nothing, and then set to work (see `gameday.cluster.creations`).
It always has a duration: longer than the fault is to last, so that our undo comes first, and Chaos Mesh ends it by
itself where nobody is left to do so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gameday.cluster import creations, experiments
from gameday.cluster.api import Api, Where
from gameday.cluster.errors import Unreachable
from gameday.cluster.marks import pointer, prepared
from gameday.cluster.resources import ALL, EVENTS, NAMESPACES, PODS, REPLICASETS, WORKLOADS, Resource, right
from gameday.cluster.services import (
    Pod,
    Service,
    check_namespace,
    list_pods,
    pods_of,
    protection,
)
from gameday.cluster.shares import Choice, choose, survey, these, whole_of
from gameday.cluster.standing import stands as experiment_stands
from gameday.engine.ports import Call, Json, Plan
from gameday.faults.chaos_mesh.feeling import Feeling, felt
from gameday.faults.declaration import Incapable, own_name, verdict
from gameday.frozen import frozen

_ROOM = "gameday.faults.chaos_mesh.experiment"
SPARE = 30.0
"""Seconds that an experiment's duration is longer than the fault's; it is counted from the object's creation."""
_PATIENCE = 2.0
"""Seconds in which an undo waits for the recovery before it deletes. Well below any recovery limit: what has not
recovered by then is held by Chaos Mesh's finalizer, and the verification sees to it, and says how far it is."""
_UNPAUSE = [{"op": "replace", "path": pointer("metadata", "annotations", experiments.PAUSE), "value": "false"}]


@frozen
class Share:
    """How many of a service's pods: as in `services.choose`; nothing said means all of them."""

    count: int | None = None
    percent: float | None = None
    instance: str | None = None

    @property
    def everything(self) -> bool:
        return self.count is None and self.percent is None and self.instance is None


def chosen(
    api: Api,
    fault: str,
    its: Service,
    share: Share,
    target: Mapping[str, Json],
    context: Mapping[str, Json],
    kept: Callable[[Pod], str] = lambda pod: "",
    lasting: bool = True,
) -> Choice:
    """The pods that a fault is for. `kept`, `lasting`: see `choose`.

    Raises:
        ValueError: the limits of the scenario or the target don't allow as many, or there are none.
    """
    check_namespace(api, its.namespace)
    pods, runs, space = survey(api, its, context)
    where = f"{fault} on {its.name}"
    whole = whole_of(space, pods, runs)
    if share.instance is not None:
        names = ", ".join(pod.name for pod in pods)
        pods = [pod for pod in pods if pod.name == share.instance]
        if not pods:
            raise ValueError(f"{where}: no pod of it is called {share.instance!r}; there is {names}")
    return choose(
        where,
        pods,
        count=share.count,
        percent=share.percent,
        everything=share.everything,
        context=context,
        target=target,
        space=space,
        whole=whole,
        wanted=runs.replicas if runs is not None else 0,
        kept=kept,
        lasting=lasting,
    )


def reads(its: Service) -> list[str]:
    """The rights that finding a service's pods needs."""
    found = [right("list", PODS, its.namespace), right("get", NAMESPACES)]
    if its.workload:
        return [*found, right("get", its.workload_resource, its.namespace)]
    return [*found, *(right("get", each, its.namespace) for each in (REPLICASETS, *WORKLOADS.values()))]


def writes(resource: Resource, namespace: str) -> list[str]:
    """The rights that an experiment's own object needs, from its making to its end."""
    verbs = ("create", "get", "patch", "delete")
    return [*(right(verb, resource, namespace) for verb in verbs), right("list", EVENTS, namespace)]


def selected(choice: Choice) -> dict[str, Json]:
    """These very pods, as Chaos Mesh wants to be told."""
    pods: dict[str, list[str]] = {}
    for pod in choice.pods:
        pods.setdefault(pod.namespace, []).append(pod.name)
    return {"selector": {"namespaces": sorted(pods), "pods": pods}, "mode": "all"}


def at_the_far_end(api: Api, its: Service, target: Mapping[str, Json]) -> Choice:
    """The pods of a service to which something is done without anything being done to them: no limit counts those.

    Raises:
        ValueError: there are none, or all are protected.
    """
    opt_in = target["settings"].get("opt_in")
    pods, _ = pods_of(api, its)
    why = {pod.name: "it is being deleted" if pod.leaving else protection(pod.labels, opt_in, pod.name) for pod in pods}
    left_out = tuple(f"{name}: {reason}" for name, reason in why.items() if reason)
    free = tuple(pod for pod in pods if not why[pod.name])
    if not free:
        raise ValueError(f"no pod of {its.name} may be touched ({'; '.join(left_out[:5])})")
    return Choice(free, len(pods), len(pods), left_out)


def lasting(fault: str, context: Mapping[str, Json]) -> str:
    """The experiment's duration, as Chaos Mesh wants it.

    Raises:
        ValueError: the fault has none; without one nobody would end it should we be gone.
    """
    duration = context.get("duration")
    if duration is None:
        raise Incapable(f"{fault} by Chaos Mesh needs to know how long: add for: to its entry")
    return f"{math.ceil(float(duration) + SPARE)}s"


def manifest(
    resource: Resource, namespace: str, context: Mapping[str, Json], spec: Mapping[str, Json]
) -> dict[str, Json]:
    """The experiment as it is made: with its pause on."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": creations.object_name(own_name(context)),
            "namespace": namespace,
            "labels": creations.our_labels(context),
            "annotations": {experiments.PAUSE: "true"},
        },
        "spec": dict(spec),
    }


def planned(
    resource: Resource,
    its: Service,
    spec: Mapping[str, Json],
    choice: Choice,
    target: Mapping[str, Json],
    context: Mapping[str, Json],
    *,
    summary: str,
    permissions: Sequence[str],
    notes: Sequence[str] = (),
    feeling: Feeling | None = None,
    others: Choice | None = None,
    only_named: bool = False,
) -> dict[str, Json]:
    """The `Plan`, as JSON, of a fault that is one experiment. `others`: the pods at the other end of it; `only_named`:
    nothing is done to those."""
    namespace = its.namespace
    where: Where = target["settings"]["cluster"]
    made = manifest(resource, namespace, context, spec)
    name = made["metadata"]["name"]
    place: dict[str, Json] = {"where": where, "kind": resource.kind, "namespace": namespace, "name": name}
    own = {**place, "own": made["metadata"]["labels"]}
    named = [*choice.pods, *(others.pods if others is not None else ())]
    pods = list(choice.pods) if only_named else named
    far = tuple(pod.shown for pod in others.pods) if others is not None and not only_named else ()
    checked = [_named(pod) for pod in named]
    # What goes by addresses that are named beside those pods goes on whoever comes and goes there.
    sides = [choice.pods, *([others.pods] if others is not None and "externalTargets" not in spec else ())]
    ends = [[{**_named(pod), "restarts": pod.restarts} for pod in side] for side in sides]
    asked = f", and requests to {feeling['door']} show it" if feeling is not None else ""
    return Plan(
        summary=summary,
        targets=tuple(pod.shown for pod in pods),
        objects=(f"pods:{namespace}/{its.name}",),
        inject=Call(
            f"{_ROOM}:inject",
            {"where": where, "made": made, "pods": checked, "opt_in": target["settings"].get("opt_in")},
            timeout=30.0,
        ),
        undo=Call(f"{_ROOM}:undo", own, timeout=_PATIENCE + 10.0),
        effective=Call(
            f"{_ROOM}:effective",
            # It has a record of those at the other end, too.
            {**place, "pods": [f"{pod.namespace}/{pod.name}" for pod in named], "feeling": feeling},
        ),
        recovered=Call(f"{_ROOM}:recovered", {**place, "pods": checked}, timeout=20.0),
        standing=Call(f"{_ROOM}:stands", {**own, "duration": spec["duration"], "ends": ends}),
        commands=experiments.by_hand(where, resource, namespace, name),
        among=(*choice.among, *far) if choice.among else (),
        effective_when=f"Chaos Mesh says AllInjected, and of every one of these pods Injected{asked}",
        notes=(
            choice.words(),
            *(f"left out: {text}" for text in choice.left_out),
            *(f"left out: {text}" for text in (others.left_out if others is not None else ())),
            *notes,
            "pods that come while it lasts are not hit",
            f"Chaos Mesh ends it by itself {spec['duration']} after it began, should nobody else do",
        ),
        permissions=tuple(dict.fromkeys(permissions)),
        takes=these(pods),
    ).to_json()


def _named(pod: Pod) -> dict[str, Json]:
    return {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid}


# --- as calls --------------------------------------------------------------------------------------------------------


def inject(where: Where, made: Mapping[str, Any], pods: Sequence[Mapping[str, str]], opt_in: str | None) -> Json:
    """Look once more whether these pods are those that were planned with, then make the experiment and set it to work.

    Raises:
        RuntimeError: one of them is gone, or may not be touched any more; nothing was made.
        Refused, Unreachable: see `Api.ask`.
    """
    api = prepared(where)
    check_still(api, pods, opt_in)
    creations.make(api, ALL[made["kind"]], made, _UNPAUSE)
    return {"evidence": f"{made['kind']} {made['metadata']['namespace']}/{made['metadata']['name']} is made and set"}


def check_still(api: Api, pods: Sequence[Mapping[str, str]], opt_in: str | None) -> None:
    """Raise RuntimeError where one of these is gone, another by now, or protected."""
    for namespace in sorted({pod["namespace"] for pod in pods}):
        there = {pod.name: pod for pod in list_pods(api, namespace)}
        for pod in (pod for pod in pods if pod["namespace"] == namespace):
            now = there.get(pod["name"])
            if now is None or now.uid != pod["uid"] or now.leaving:
                raise RuntimeError(f"pod {namespace}/{pod['name']} is gone since it was looked at; nothing was done")
            if why := protection(now.labels, opt_in, now.name):
                raise RuntimeError(f"pod {namespace}/{pod['name']} may not be touched any more: {why}")


def effective(
    where: Where, kind: str, namespace: str, name: str, pods: Sequence[str], feeling: Feeling | None
) -> dict[str, Json]:
    """Whether Chaos Mesh says that all these pods have it, and where there is an address, whether it can be felt."""
    api = prepared(where)
    there = api.get(ALL[kind], namespace, name)
    if there is None:
        return verdict(False, f"{kind} {namespace}/{name} is not there any more")
    found = experiments.injected(there, pods)
    if not found["holds"]:
        said = experiments.complaints(api, ALL[kind], namespace, name)[-2:]
        # "Failed to apply chaos: …" says what the pod's record says.
        fresh = [text for text in said if text.partition(": ")[2] not in found["evidence"]]
        return verdict(False, "; ".join([str(found["evidence"]), *fresh]))
    if feeling is None:
        return found
    also = felt(feeling)
    return verdict(also["holds"], f"{found['evidence']}; {also['evidence']}")


def stands(
    where: Where,
    kind: str,
    namespace: str,
    name: str,
    own: Mapping[str, str],
    duration: str,
    ends: Sequence[Sequence[Mapping[str, Any]]],
) -> dict[str, Json]:
    """Whether it still stands, all of it or in part: see `gameday.cluster.standing`."""
    return experiment_stands(prepared(where), ALL[kind], namespace, name, own, duration, ends)


def prepare_undo(where: Where, kind: str, namespace: str, name: str, own: Mapping[str, str]) -> None:
    prepared(where).warm_up()


def undo(where: Where, kind: str, namespace: str, name: str, own: Mapping[str, str]) -> None:
    """Pause it, wait for its recovery, delete it: see `experiments.end`."""
    experiments.end(prepared(where), ALL[kind], namespace, name, own, patience=_PATIENCE)


def recovered(
    where: Where, kind: str, namespace: str, name: str, pods: Sequence[Mapping[str, str]] = ()
) -> dict[str, Json]:
    """Whether it is gone, which Chaos Mesh lets it be only when all of it has recovered."""
    try:
        return experiments.ended(prepared(where), ALL[kind], namespace, name, pods)
    except Unreachable as error:
        return verdict(False, str(error))
