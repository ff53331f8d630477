"""Outage by scaling what runs a service to nothing, and back to what it was.

Its pods are deleted and made anew, so the service is back no sooner than it can start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gameday.cluster import returned
from gameday.cluster.afterwards import scaled_away, theirs
from gameday.cluster.api import Api, Where
from gameday.cluster.marks import prepared, value_at
from gameday.cluster.resources import ALL, AUTOSCALERS, NAMESPACES, PODS, REPLICASETS, WORKLOADS, meta, named, right
from gameday.cluster.services import (
    Service,
    Workload,
    as_workload,
    check_namespace,
    check_owned,
    list_pods,
    pods_of,
    workload,
    workload_of,
)
from gameday.cluster.shares import scaled
from gameday.engine.ports import Call, Json, Plan
from gameday.faults.kubernetes.changes import ROOM as CHANGES
from gameday.faults.kubernetes.changes import (
    Struck,
    changeable,
    check_pods,
    kept_by_others,
    marks_undone,
    side_of,
)

_ROOM = "gameday.faults.kubernetes.scale_outage"
_REPLICAS = "/spec/replicas"


def needs(its: Service) -> list[str]:
    space = its.namespace
    kinds = [its.workload_resource] if its.workload else list(WORKLOADS.values())
    found = [right("get", NAMESPACES), right("list", PODS, space), right("list", AUTOSCALERS, space)]
    if not its.workload:
        found.append(right("get", REPLICASETS, space))
    found += [right(verb, kind, space) for kind in kinds for verb in ("get", "patch")]
    return found + returned.needs(kinds, space)


def running(api: Api, its: Service) -> Workload:
    """What runs a service, by name or from its pods.

    Raises:
        ValueError: nothing says so, or no single Deployment or StatefulSet does.
    """
    if its.workload or not its.selector:
        runs = workload_of(api, its)
        if its.selector:
            check_owned(its, runs, list_pods(api, its.namespace, its.selector))
        return runs
    _, found = pods_of(api, its)
    if found is None:
        raise ValueError(f"the pods of {its.name} ({its.selector}) are not of one Deployment or StatefulSet")
    return found


def plan(
    api: Api, its: Service, target: Mapping[str, Json], context: Mapping[str, Json], permissions: Sequence[str]
) -> Plan:
    """See `gameday.engine.ports.Backend.plan`."""
    check_namespace(api, its.namespace)
    found = running(api, its)
    thing = changeable(api, found.resource, found.namespace, found.name, target, context)
    runs = as_workload(found.resource, thing)
    where = f"outage of {its.name} by scale"
    if runs.replicas == 0:
        raise ValueError(f"{where}: {runs.shown} has no replicas now, so nothing would change")
    if not runs.whole:
        raise ValueError(
            f"{where}: {runs.words()}; it has to be whole before, or nobody could tell when it is whole again"
        )
    check_kept(runs, thing)
    pods = list_pods(api, runs.namespace, runs.selector)
    check_pods(where, pods, target)
    share = side_of(api, pods, runs, runs.namespace, context).check(where, context, target)
    change: dict[str, Json] = {"path": _REPLICAS, "before": value_at(thing, _REPLICAS), "after": 0}
    struck = Struck(runs.resource, runs.namespace, thing, (change,))
    cluster = target["settings"]["cluster"]
    args: dict[str, Json] = {"where": cluster, "objects": [struck.to_json(target, context)]}
    return Plan(
        summary=f"outage of {its.name}: {runs.shown} scaled from {runs.replicas} to 0",
        targets=(runs.shown, *(pod.shown for pod in pods)),
        objects=(struck.key,),
        inject=Call(f"{CHANGES}:inject_marks", args),
        undo=Call(f"{CHANGES}:undo_marks", args),
        standing=Call(f"{CHANGES}:marks_stand", args),
        undone_by=f"setting the replicas back to {runs.replicas}",
        effective_when="no pod of the workload is left but such as are on their way out",
        recovered_when="the replicas are as they were, and the workload is whole",
        effective=Call(
            f"{_ROOM}:effective",
            {"where": cluster, "namespace": runs.namespace, "selector": runs.selector, "name": runs.shown},
        ),
        recovered=Call(f"{_ROOM}:recovered", args, timeout=30.0),
        commands=struck.by_hand(cluster, context),
        notes=(
            share.words(),
            "its pods are deleted, with all that they keep in memory or emptyDir; PodDisruptionBudgets are not asked",
            "it is back when its pods have started: limits.recovery must be longer than its start-up takes",
            *_autoscalers(api, runs),
            *kept_by_others(thing),
        ),
        permissions=tuple(permissions),
        takes=scaled(runs),
    )


def check_kept(runs: Workload, thing: Mapping[str, Any]) -> None:
    """Raise ValueError where scaling down deletes volumes: nothing brings them back."""
    spec = thing.get("spec") or {}
    kept = (spec.get("persistentVolumeClaimRetentionPolicy") or {}).get("whenScaled", "Retain")
    if kept == "Delete" and spec.get("volumeClaimTemplates"):
        raise ValueError(
            f"{runs.shown} deletes its volumes when it is scaled down "
            f"(persistentVolumeClaimRetentionPolicy.whenScaled: Delete), which can't be undone: use by: service or "
            f"by: policy"
        )


def _autoscalers(api: Api, runs: Workload) -> Iterator[str]:
    for scaler in api.items(AUTOSCALERS, runs.namespace):
        aim = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
        if (aim.get("kind"), aim.get("name")) == (runs.resource.kind, runs.name):
            yield (
                f"HorizontalPodAutoscaler {meta(scaler)['name']} scales it: it stops at 0 replicas, and goes on when "
                f"they are back"
            )


def effective(where: Where, namespace: str, selector: str, name: str) -> dict[str, Json]:
    """Whether no pod is left but such as are on their way out."""
    pods = list_pods(prepared(where), namespace, selector)
    staying = [pod.name for pod in pods if not pod.leaving]
    if staying:
        return {"holds": False, "evidence": f"{name} still has {', '.join(staying)}"}
    leaving = f"; {len(pods)} on the way out" if pods else ""
    return {"holds": True, "evidence": f"{name} has no pod left{leaving}"}


def recovered(where: Where, objects: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """Whether the replicas are as before, and all of them ready."""
    undone = marks_undone(where, objects)
    if not undone["holds"]:
        return undone
    (one,) = objects
    api = prepared(where)
    found = whole(api, one, undone)
    there = api.get(ALL[one["kind"]], one["namespace"], one["name"]) if found["holds"] else None
    return found if there is None else tidied(api, one, found, there)


def tidied(api: Api, one: Mapping[str, Any], found: Mapping[str, Json], there: Mapping[str, Any]) -> dict[str, Json]:
    """`found`, which is that it is whole; where it is, no copy of the mark is left that a rollback would bring back, or
    it is said."""
    left = returned.without_copies(api, ALL[one["kind"]], there, one["mark"]) if found["holds"] else ""
    return {**found, "evidence": f"{found['evidence']}; {left}"} if left else dict(found)


def whole(api: Api, one: Mapping[str, Any], undone: Mapping[str, Json]) -> dict[str, Json]:
    """`undone`, and whether the workload is whole; one that somebody has scaled to nothing is not."""
    runs = workload(api, ALL[one["kind"]], one["namespace"], one["name"])
    if runs is None:
        return theirs(f"{named(ALL[one['kind']], one['namespace'], one['name'])} was deleted by somebody else since")
    if runs.replicas == 0:
        # No fault begins where there are none.
        away = scaled_away(runs)
        return {**away, "evidence": f"{undone['evidence']}; {away['evidence']}"}
    if not runs.whole:
        return {"holds": False, "evidence": f"not whole: {runs.words()}"}
    # Its status lags behind pods that have just been deleted.
    pods = list_pods(api, runs.namespace, runs.selector)
    ready = sum(pod.ready and not pod.leaving for pod in pods)
    if ready < runs.replicas:
        return {"holds": False, "evidence": f"{ready} of {runs.replicas} pods of {runs.shown} are ready"}
    return {"holds": True, "evidence": f"{undone['evidence']}; {ready} of {runs.replicas} pods are ready"}
