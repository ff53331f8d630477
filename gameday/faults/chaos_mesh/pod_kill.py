"""Pod kill: a PodChaos. It knows no pause: Chaos Mesh kills what it selects as soon as it sees the object.

So the pods are marked first, one by one, each on condition that it is still the one that was looked at, and the
PodChaos selects by that mark alone. The undo takes the marks off. A PodChaos that a slow server makes after that finds
nobody; so does one that meets another pod of the same name.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gameday.cluster import creations, experiments
from gameday.cluster.afterwards import degraded, when, whole_again, without_pods, worse
from gameday.cluster.anew import not_made_anew, unsure
from gameday.cluster.api import Api, Where
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.kubectl import kubectl
from gameday.cluster.marks import pointer, prepared
from gameday.cluster.resources import DISRUPTION_BUDGETS, POD_CHAOS, PODS, labels_of, meta, right
from gameday.cluster.services import Service, as_pod, budgets, pods_of, protection, service
from gameday.cluster.shares import Choice, killed
from gameday.engine.ports import Call, Json, Plan
from gameday.faults.asked import read
from gameday.faults.chaos_mesh.experiment import SPARE, Share, chosen, reads, writes
from gameday.faults.declaration import Incapable, own_name, verdict

if TYPE_CHECKING:
    from gameday.faults.pod_kill import PodKillParameters

_ROOM = "gameday.faults.chaos_mesh.pod_kill"
MARK = experiments.KILL
_MARK_AT = pointer("metadata", "labels", MARK)
_TRIES = 5
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between looking whether Chaos Mesh has found the pods."""


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    its = service(target, read(params).service)
    marking = [right(verb, PODS, its.namespace) for verb in ("get", "patch")]
    return [*reads(its), right("list", DISRUPTION_BUDGETS, its.namespace), *marking, *writes(POD_CHAOS, its.namespace)]


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: PodKillParameters = read(params)
    its = service(target, asked.service)
    if asked.every is not None or asked.evict:
        what = "every" if asked.every is not None else "evict"
        raise Incapable(f"pod-kill on {its.name}: Chaos Mesh can't do {what}; the Kubernetes API can: engine api")
    where: Where = target["settings"]["cluster"]
    api = prepared(where)
    some = asked.all or asked.percent is not None or asked.instance is not None
    share = Share(asked.count if some else asked.count or 1, asked.percent, asked.instance)
    choice = chosen(api, "pod-kill", its, share, target, context, not_made_anew, lasting=False)
    everybody, runs = pods_of(api, its)
    before = degraded(everybody, runs)
    name = creations.object_name(own_name(context))
    pods = [{"name": pod.name, "namespace": pod.namespace, "uid": pod.uid} for pod in choice.pods]
    own = creations.our_labels(context)
    made = {
        "apiVersion": POD_CHAOS.api_version,
        "kind": POD_CHAOS.kind,
        "metadata": {"name": name, "namespace": its.namespace, "labels": own},
        "spec": {
            "action": "pod-kill",
            "mode": "all",
            "gracePeriod": round(asked.grace or 0),
            "selector": {"namespaces": [its.namespace], "labelSelectors": {MARK: name}},
            "duration": f"{SPARE:g}s",
        },
    }
    place: dict[str, Json] = {"where": where, "namespace": its.namespace, "name": name}
    wanted = runs.replicas if runs is not None else choice.total
    slim = {"name": target["name"], "kind": target["kind"], "settings": target["settings"]}
    return Plan(
        summary=f"kill {', '.join(pod.name for pod in choice.pods)} of {its.name}",
        targets=tuple(pod.shown for pod in choice.pods),
        objects=(f"pods:{its.namespace}/{its.name}",),
        inject=Call(
            f"{_ROOM}:inject",
            {"where": where, "made": made, "pods": pods, "opt_in": target["settings"].get("opt_in")},
            timeout=30.0,
        ),
        undo=Call(f"{_ROOM}:undo", {**place, "own": own}, timeout=15.0),
        effective=Call(f"{_ROOM}:effective", {**place, "pods": pods}),
        recovered=Call(
            f"{_ROOM}:recovered",
            {**place, "service": {"target": slim, "name": its.name}, "wanted": wanted, "before": before},
            timeout=30.0,
        ),
        commands=_by_hand(where, its.namespace, name),
        among=choice.among,
        notes=(
            choice.words(),
            *(f"left out: {text}" for text in choice.left_out),
            *([] if before is None else [worse(before)]),
            *unsure(choice.pods),
            *_budgets(api, its, choice),
            *(() if asked.grace else ("they are given no time to end; grace: gives them some",)),
            f"each gets the label {MARK} first, by which Chaos Mesh finds it",
        ),
        permissions=tuple(dict.fromkeys(needs(target, params))),
        passes=True,
        takes=killed(choice.pods, runs),
        recovered_when="" if before is None else f"when the PodChaos is gone, and {when(before)}",
    ).to_json()


def _budgets(api: Api, its: Service, choice: Choice) -> Iterator[str]:
    for budget in budgets(api, its.namespace, choice.pods):
        allows = f"allows {budget.allowed} of its pods to be disrupted now"
        yield f"PodDisruptionBudget {budget.name} {allows}; Chaos Mesh does not ask it"


def _by_hand(where: Where, namespace: str, name: str) -> tuple[str, ...]:
    unmark = shlex.join([*kubectl(where, namespace), "label", "pods", "-l", f"{MARK}={name}", f"{MARK}-"])
    return (creations.delete_by_hand(where, POD_CHAOS, namespace, name), unmark)


# --- as calls --------------------------------------------------------------------------------------------------------


def inject(where: Where, made: Mapping[str, Any], pods: Sequence[Mapping[str, str]], opt_in: str | None) -> Json:
    """Mark these very pods, then make the PodChaos that selects what is marked.

    Raises:
        RuntimeError: one of them is gone or protected by now; nobody is killed.
        Refused, Unreachable: see `Api.ask`.
    """
    api = prepared(where)
    name, namespace = str(made["metadata"]["name"]), str(made["metadata"]["namespace"])
    for pod in pods:
        _mark(api, pod, name, opt_in)
    creations.make(api, POD_CHAOS, made, [])
    _nudge(api, namespace, name)
    return {"evidence": f"PodChaos {namespace}/{name} is made for {', '.join(pod['name'] for pod in pods)}"}


def _mark(api: Api, pod: Mapping[str, str], name: str, opt_in: str | None) -> None:
    namespace, what = pod["namespace"], f"pod {pod['namespace']}/{pod['name']}"
    for left in reversed(range(_TRIES)):
        there = api.get(PODS, namespace, pod["name"])
        if there is None or as_pod(there).uid != pod["uid"] or as_pod(there).leaving:
            raise RuntimeError(f"{what} was gone before it was killed")
        if why := protection(labels_of(there), opt_in, pod["name"]) or not_made_anew(as_pod(there)):
            raise RuntimeError(f"{what} may not be touched any more: {why}")
        patch: list[dict[str, Json]] = [
            {"op": "test", "path": "/metadata/uid", "value": pod["uid"]},
            # What protects it may come between looking and marking.
            {"op": "test", "path": "/metadata/resourceVersion", "value": meta(there)["resourceVersion"]},
        ]
        if not labels_of(there):
            patch.append({"op": "add", "path": "/metadata/labels", "value": {}})
        patch.append({"op": "add", "path": _MARK_AT, "value": name})
        try:
            api.patch(PODS, namespace, pod["name"], patch)
            return
        except Refused as refused:
            if refused.status not in (404, 409, 422) or not left:
                raise


def _nudge(api: Api, namespace: str, name: str) -> None:
    """Have Chaos Mesh look again, should it have looked before it knew of the marks: it does with every change."""
    for number, pause in enumerate(_PAUSES):
        time.sleep(pause)
        there = api.get(POD_CHAOS, namespace, name)
        if there is None or experiments.records(there) or "deletionTimestamp" in meta(there):
            return
        if not (there.get("status") or {}).get("conditions"):
            # It has not looked at all so far.
            continue
        try:
            api.patch(POD_CHAOS, namespace, name, [{"op": "add", "path": experiments.NUDGED_AT, "value": str(number)}])
        except Refused as refused:
            if refused.status not in (404, 409, 422):
                raise


def effective(where: Where, namespace: str, name: str, pods: Sequence[Mapping[str, str]]) -> dict[str, Json]:
    """Whether Chaos Mesh says so, and those very pods are gone, or on their way."""
    api = prepared(where)
    there = api.get(POD_CHAOS, namespace, name)
    if there is None:
        return verdict(False, f"PodChaos {namespace}/{name} is not there any more")
    found = experiments.injected(there, [f"{pod['namespace']}/{pod['name']}" for pod in pods])
    if not found["holds"]:
        said = experiments.complaints(api, POD_CHAOS, namespace, name)[-2:]
        return verdict(False, "; ".join([str(found["evidence"]), *said]))
    still = []
    for pod in pods:
        now = api.get(PODS, pod["namespace"], pod["name"])
        if now is not None and as_pod(now).uid == pod["uid"] and not as_pod(now).leaving:
            still.append(pod["name"])
    if still:
        return verdict(False, f"Chaos Mesh says AllInjected, yet still there: {', '.join(still)}")
    return verdict(True, f"AllInjected; gone: {', '.join(pod['name'] for pod in pods)}")


def prepare_undo(where: Where, namespace: str, name: str, own: Mapping[str, str]) -> None:
    prepared(where).warm_up()


def undo(where: Where, namespace: str, name: str, own: Mapping[str, str]) -> None:
    """Take the marks off what still lives, and the PodChaos away. Legal from every state."""
    api = prepared(where)
    # Also where the PodChaos itself never came about.
    experiments.unmark(api, namespace, name)
    experiments.end(api, POD_CHAOS, namespace, name, own, patience=0.0)


def recovered(
    where: Where,
    namespace: str,
    name: str,
    service: Mapping[str, Any],
    wanted: int,
    before: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """Whether the PodChaos is gone, and the service has as many ready pods again as it should; where it was degraded
    `before`, as it had then.

    With the PodChaos and the marks gone, whoever lives and is not leaving stays: also one that was to be killed.
    """
    from gameday.cluster.services import service as find

    api = prepared(where)
    try:
        ended = experiments.ended(api, POD_CHAOS, namespace, name)
        if not ended["holds"]:
            return ended
        its = find(service["target"], service["name"])
        try:
            _, runs = pods_of(api, its, afterwards=True)
        except ValueError as error:
            whole = without_pods(api, its, wanted) or verdict(False, str(error))
        else:
            whole = whole_again(api, runs, its, wanted, before)
    except (ValueError, Unreachable) as error:
        return verdict(False, str(error))
    return {**whole, "evidence": f"PodChaos {namespace}/{name} is gone; {whole['evidence']}"}
