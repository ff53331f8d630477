"""Rollout break on the plain API: a bad image, or bad environment values, in a workload's pod template.

No more than what is changed is written down: neither the journal nor the mark on the object gets to know the other
variables of the container.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gameday.cluster import history, returned
from gameday.cluster.api import Api, Where
from gameday.cluster.marks import prepared
from gameday.cluster.places import ABSENT, Change, pointer
from gameday.cluster.resources import ALL, NAMESPACES, PODS, REPLICASETS, STATEFULSETS, WORKLOADS, meta, right
from gameday.cluster.services import (
    Service,
    Workload,
    as_pod,
    as_workload,
    check_namespace,
    list_pods,
    service,
)
from gameday.cluster.shares import some_of
from gameday.engine.ports import Call, Json, Plan
from gameday.faults.asked import read
from gameday.faults.kubernetes.changes import ROOM as CHANGES
from gameday.faults.kubernetes.changes import Struck, changeable, check_pods, kept_by_others, marks_undone, side_of
from gameday.faults.kubernetes.scale_outage import running, tidied, whole

if TYPE_CHECKING:
    from gameday.faults.rollout_break import RolloutBreakParameters

_ROOM = "gameday.faults.kubernetes.rollout_break"
_TAG = "gameday-broken"
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_PATIENCE = 5.0
"""Seconds that a container may run without being ready, as every one does for a moment."""
_STARTING = ("ContainerCreating", "PodInitializing", "")


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    its = service(target, read(params).service)
    space = its.namespace
    kinds = [its.workload_resource] if its.workload else list(WORKLOADS.values())
    found = [right("get", NAMESPACES), right("list", PODS, space)]
    found += [] if its.workload else [right("get", REPLICASETS, space)]
    found += [right(verb, kind, space) for kind in kinds for verb in ("get", "patch")]
    rights = [*found, *history.needs(kinds, space), *returned.needs(kinds, space)]
    return list(dict.fromkeys(rights))


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: RolloutBreakParameters = read(params)
    its = service(target, asked.service)
    where = f"rollout-break of {its.name}"
    rights = needs(target, params)
    api = prepared(target["settings"]["cluster"])
    runs, thing = _workload(api, where, its, target, context)
    pods = list_pods(api, runs.namespace, runs.selector)
    check_pods(where, pods, target)
    down = _taken_down(runs, thing)
    if down:
        side_of(api, pods, runs, runs.namespace, context).check(where, context, target, number=down)
    index, container = _container(where, thing, asked.container)
    changes, broken = _changes(where, index, container, asked)
    kept = history.before(api, runs.resource, runs.namespace, runs.uid, history.like(container["name"], broken))
    # In the mark too: with the journal lost, nothing else tells which revisions are somebody else's.
    struck = Struck(runs.resource, runs.namespace, thing, tuple(changes), None if kept is None else tuple(kept))
    cluster = target["settings"]["cluster"]
    args: dict[str, Json] = {"where": cluster, "objects": [struck.to_json(target, context)]}
    pods_of_it: dict[str, Json] = {
        "namespace": runs.namespace,
        "selector": runs.selector,
        "container": str(container["name"]),
        "broken": broken,
    }
    what = _words(broken)
    return Plan(
        summary=f"broken rollout of {its.name}: container {container['name']} of {runs.shown} gets {what}",
        targets=(f"{runs.shown}, container {container['name']}",),
        objects=(struck.key,),
        inject=Call(f"{CHANGES}:inject_marks", args),
        undo=Call(f"{CHANGES}:undo_marks", args),
        standing=Call(f"{CHANGES}:marks_stand", args),
        effective=Call(f"{_ROOM}:effective", {"where": cluster, **pods_of_it, "checked": bool(context.get("checked"))}),
        recovered=Call(f"{_ROOM}:recovered", {**args, "pods": pods_of_it, "kept": kept}, timeout=30.0),
        commands=struck.by_hand(cluster, context),
        notes=(
            f"its strategy takes down {down or 'none'} of {runs.replicas} old pods while the rollout hangs",
            "PodDisruptionBudgets are not asked by a rollout",
            "its revision is taken out of the rollout history afterwards, where a plain `kubectl rollout undo` finds it"
            if kept is not None
            else "it stays in the rollout history, where `kubectl rollout undo` finds it afterwards: name the revision "
            "that is meant; `gameday recover --target` finds what came back",
            *(["what these variables hold now is written into the journal, to put it back"] if asked.env else []),
            *kept_by_others(thing),
        ),
        permissions=tuple(rights),
        takes=some_of(runs.namespace, runs.selector, down) if down else (),
    ).to_json()


def _workload(
    api: Api, where: str, its: Service, target: Mapping[str, Json], context: Mapping[str, Json]
) -> tuple[Workload, dict[str, Json]]:
    """What runs the service, where a rollout of it begins at once, hangs, and comes back by itself.

    Raises:
        ValueError: it would not.
    """
    check_namespace(api, its.namespace)
    found = running(api, its)
    thing = changeable(api, found.resource, found.namespace, found.name, target, context)
    runs, spec = as_workload(found.resource, thing), thing.get("spec") or {}
    if spec.get("paused"):
        raise ValueError(
            f"{where}: {runs.shown} is paused, so nothing would be rolled out: `kubectl rollout resume` it"
        )
    if runs.replicas == 0:
        raise ValueError(f"{where}: {runs.shown} has no replicas now, so nothing would be rolled out")
    if not runs.whole:
        raise ValueError(f"{where}: {runs.words()}; it has to be whole before, and in no rollout")
    if runs.resource is STATEFULSETS:
        strategy = spec.get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            raise ValueError(f"{where}: {runs.shown} rolls out by OnDelete, so nothing would be rolled out")
        if int((strategy.get("rollingUpdate") or {}).get("partition") or 0) >= runs.replicas:
            raise ValueError(f"{where}: the partition of {runs.shown} keeps all its pods from being rolled out")
        if spec.get("podManagementPolicy") != "Parallel":
            raise ValueError(
                f"{where}: {runs.shown} starts its pods in order (podManagementPolicy: OrderedReady), and such a one "
                f"does not come back by itself from a rollout that hangs: its broken pod must be deleted by hand"
            )
    return runs, thing


def _taken_down(runs: Workload, thing: Mapping[str, Any]) -> int:
    """How many of the old pods go before new ones are ready."""
    spec = thing.get("spec") or {}
    if runs.resource is STATEFULSETS:
        rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        return max(1, _number(rolling.get("maxUnavailable", 1), runs.replicas, up=False))
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return runs.replicas
    rolling = strategy.get("rollingUpdate") or {}
    missing = _number(rolling.get("maxUnavailable", "25%"), runs.replicas, up=False)
    surge = _number(rolling.get("maxSurge", "25%"), runs.replicas, up=True)
    # Where both come to nothing the controller takes one.
    return missing if missing or surge else 1


def _number(said: Any, of: int, *, up: bool) -> int:
    """`25%` or a number, of so many pods."""
    if isinstance(said, str) and said.endswith("%"):
        hundredths = int(said[:-1]) * of
        return min(of, -(-hundredths // 100) if up else hundredths // 100)
    return min(of, int(said))


def _container(where: str, thing: Mapping[str, Any], wanted: str | None) -> tuple[int, dict[str, Any]]:
    """The container that is meant, and which one of its pod it is.

    Raises:
        ValueError: there is none of this name, or there are several and nothing says which.
    """
    template = thing["spec"]["template"]
    containers = template["spec"]["containers"]
    names = [str(one["name"]) for one in containers]
    name = wanted or (meta(template).get("annotations") or {}).get(_DEFAULT_CONTAINER)
    if name is None and len(names) == 1:
        (name,) = names
    if name is None:
        raise ValueError(f"{where}: its pods have several containers: say `container`, one of {', '.join(names)}")
    if name not in names:
        raise ValueError(f"{where}: its pods have no container {name!r}: there is {', '.join(names)}")
    return names.index(name), containers[names.index(name)]


# --- what is changed -------------------------------------------------------------------------------------------------


def _changes(
    where: str, index: int, container: Mapping[str, Any], asked: RolloutBreakParameters
) -> tuple[list[Change], dict[str, Json]]:
    """The changes to the template, and what shows a pod that has them: `{"image": …}` or `{"env": {…}}`.

    Names are among them with the same value before and after, so that it is seen when containers or variables move.
    """
    at = ("spec", "template", "spec", "containers", index)
    name = container["name"]
    found: list[Change] = [{"path": pointer(*at, "name"), "before": name, "after": name}]
    if asked.env is None:
        before = str(container.get("image") or "")
        image = asked.image or broken_image(before)
        if image == before:
            raise ValueError(f"{where}: {name} has the image {image} already, so nothing would change")
        found.append({"path": pointer(*at, "image"), "before": before, "after": image})
        return found, {"image": image}
    there = list(container.get("env") or ())
    if not there:
        # An empty list and none are the same to the API server, which keeps none.
        made = [_variable(key, value) for key, value in asked.env.items()]
        found.append({"path": pointer(*at, "env"), "before": dict(ABSENT), "after": made})
        return found, {"env": dict(asked.env)}
    new = len(there)
    for key, value in asked.env.items():
        places = [number for number, one in enumerate(there) if one["name"] == key]
        if not places:
            item = _variable(key, value)
            found.append({"path": pointer(*at, "env", new), "before": dict(ABSENT), "after": item})
            new += 1
            continue
        # Where a name stands twice, the last one counts.
        now = there[places[-1]]
        if now == _variable(key, value):
            raise ValueError(f"{where}: {key} of {name} has this value already, so nothing would change")
        found.append({"path": pointer(*at, "env", places[-1]), "before": now, "after": _variable(key, value)})
    return found, {"env": dict(asked.env)}


def _variable(key: str, value: str) -> dict[str, str]:
    """As the API server keeps it: it leaves an empty value out."""
    return {"name": key, "value": value} if value else {"name": key}


def broken_image(image: str) -> str:
    """The same image with a tag that does not exist: `host:5000/shop/web:1.4@sha256:…` -> `…/web:gameday-broken`."""
    bare = image.partition("@")[0]
    folder, slash, last = bare.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}:{_TAG}"


def _words(broken: Mapping[str, Any]) -> str:
    if "image" in broken:
        return f"the image {broken['image']}"
    return f"other values of {', '.join(broken['env'])}"


# --- verification ----------------------------------------------------------------------------------------------------


def _with_it(
    api: Api, namespace: str, selector: str, container: str, broken: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The pods, not on their way out, that were made from the changed template."""
    for pod in api.items(PODS, namespace, selector=selector):
        if "deletionTimestamp" in meta(pod):
            continue
        for one in (pod.get("spec") or {}).get("containers") or ():
            if one.get("name") == container and history.is_broken(one, broken):
                yield pod


def effective(
    where: Where, namespace: str, selector: str, container: str, broken: Mapping[str, Any], checked: bool
) -> dict[str, Json]:
    """Whether a pod with the change is there and is not ready; with a check of the entry's own, whether it runs."""
    pods = list(_with_it(prepared(where), namespace, selector, container, broken))
    if not pods:
        return {"holds": False, "evidence": f"no pod with {_words(broken)} is there yet"}
    said = [(str(meta(pod)["name"]), _trouble(pod, container)) for pod in pods]
    for name, trouble in said:
        if trouble:
            return {"holds": True, "evidence": f"new pod {name}: {trouble}"}
    names = ", ".join(name for name, _ in said)
    if checked and all(as_pod(pod).running for pod in pods):
        return {"holds": True, "evidence": f"new pods run with {_words(broken)}: {names}"}
    if all(as_pod(pod).ready for pod in pods):
        return {"holds": False, "evidence": f"new pods are ready, {_words(broken)} breaks nothing: {names}"}
    return {"holds": False, "evidence": f"new pods are starting: {names}"}


def _trouble(pod: Mapping[str, Any], container: str) -> str:
    """Why a container does not come up, or ""."""
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        if one.get("name") != container or one.get("ready"):
            continue
        state = one.get("state") or {}
        waiting = state.get("waiting") or {}
        if str(waiting.get("reason") or "") not in _STARTING:
            said = " ".join(str(waiting.get("message") or "").split())[:200]
            return f"{waiting['reason']}{f', {said}' if said else ''}"
        ended = state.get("terminated") or (one.get("lastState") or {}).get("terminated") or {}
        if ended:
            return f"its container ended with {ended.get('exitCode')} ({ended.get('reason') or 'no reason'})"
        runs_for = time.time() - _unix((state.get("running") or {}).get("startedAt"))
        if "running" in state and runs_for > _PATIENCE:
            return f"it runs for {runs_for:.0f} s and is not ready"
    return ""


def _unix(said: str | None) -> float:
    return datetime.fromisoformat(said).timestamp() if said else time.time()


def recovered(
    where: Where, objects: Sequence[Mapping[str, Any]], pods: Mapping[str, Any], kept: Sequence[str] | None = None
) -> dict[str, Json]:
    """Whether the template is as before, no pod with the change is left, and the workload is whole.

    Where it is, the broken revision is taken out of the history; `kept`: those like it that are not ours, None where
    nobody could look.
    """
    undone = marks_undone(where, objects)
    if not undone["holds"]:
        return undone
    api = prepared(where)
    left = [str(meta(pod)["name"]) for pod in _with_it(api, **pods)]
    if left:
        return {"holds": False, "evidence": f"pods with the change are still there: {', '.join(left)}"}
    (one,) = objects
    found = whole(api, one, undone)
    there = api.get(ALL[one["kind"]], one["namespace"], one["name"]) if found["holds"] else None
    if there is None:
        return found
    if kept is None:
        return tidied(api, one, found, there)
    ours = {"container": pods["container"], "broken": pods["broken"]}
    out = history.taken_out(api, ALL[one["kind"]], one["namespace"], there, history.like(**ours), kept)
    said = {"holds": out["holds"], "evidence": "; ".join(filter(None, [found["evidence"], out["evidence"]]))}
    return tidied(api, one, said, there)
