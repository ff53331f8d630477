"""Outage by a Service that points at nothing: its selector gets one more label, which no pod has.

The pods go on as they are. What is open already stays open; new connections find no endpoint and are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gameday.cluster.afterwards import theirs
from gameday.cluster.api import Api, Where
from gameday.cluster.marks import ABSENT, OUTAGE, label_value, pointer, prepared, value_at
from gameday.cluster.resources import (
    ALL,
    ENDPOINT_SLICES,
    NAMESPACES,
    PODS,
    REPLICASETS,
    SERVICES,
    WORKLOADS,
    labels_of,
    meta,
    named,
    right,
)
from gameday.cluster.services import (
    Pod,
    Service,
    Workload,
    as_workload,
    check_namespace,
    check_owned,
    check_unprotected,
    list_pods,
    owner_of,
    workload_of,
)
from gameday.engine.ports import Call, Json, Plan
from gameday.faults.kubernetes.changes import ROOM as CHANGES
from gameday.faults.kubernetes.changes import Struck, changeable, check_pods, kept_by_others, marks_undone
from gameday.targets.selectors import as_text

_ROOM = "gameday.faults.kubernetes.service_outage"
KEY = OUTAGE
"""The label that no pod has."""
_OF_SERVICE = "kubernetes.io/service-name"
_MANAGER = "endpointslice.kubernetes.io/managed-by"


def needs(its: Service) -> list[str]:
    space = its.namespace
    runs = [its.workload_resource] if its.workload else [REPLICASETS, *WORKLOADS.values()]
    return [
        *(right("get", each, space) for each in runs),
        right("get", NAMESPACES),
        right("get", SERVICES, space),
        right("list", PODS, space),
        right("list", ENDPOINT_SLICES, space),
        right("patch", SERVICES, space),
    ]


def _workload(api: Api, its: Service, pods: Sequence[Pod]) -> Workload | None:
    """What runs the pods behind the Service; the target may not name it. Raise ValueError where that is protected."""
    runs = workload_of(api, its) if its.workload else owner_of(api, pods) if pods else None
    if runs is not None and its.workload and its.selector:
        check_owned(its, runs, list_pods(api, its.namespace, its.selector))
    if runs is not None:
        check_unprotected(runs.shown, runs.labels, None)
    return runs


def _before(selector: Mapping[str, str], ready: int, runs: Workload | None) -> dict[str, Json]:
    """What the verification holds against what is there afterwards."""
    whose = {"kind": runs.resource.kind, "name": runs.name, "replicas": runs.replicas} if runs is not None else None
    return {"selector": dict(selector), "ready": ready, "runs": whose}


def plan(
    api: Api, its: Service, target: Mapping[str, Json], context: Mapping[str, Json], permissions: Sequence[str]
) -> Plan:
    """See `gameday.engine.ports.Backend.plan`."""
    check_namespace(api, its.namespace)
    if not its.service:
        raise ValueError(
            f"which Service others reach {its.name} by is not known: say so under "
            f'[targets.{target["name"]}.services.{its.name}], service = "…"'
        )
    thing = changeable(api, SERVICES, its.namespace, its.service, target, context)
    what = named(SERVICES, its.namespace, its.service)
    spec = thing.get("spec") or {}
    selector = spec.get("selector") or {}
    if spec.get("type") == "ExternalName":
        raise ValueError(
            f"{what} is of type ExternalName and stands for {spec.get('externalName')}: it has no pods to take away"
        )
    if not selector:
        raise ValueError(f"{what} has no selector (its endpoints are written by hand): there is none to change")
    at = pointer("spec", "selector", KEY)
    if value_at(thing, at) != ABSENT:
        raise ValueError(f"{what} has {KEY} in its selector already, as a fault would leave it: take it out first")
    pods = list_pods(api, its.namespace, as_text({"matchLabels": selector}))
    check_pods(f"an outage of {what}", pods, target)
    runs = _workload(api, its, pods)
    ready, _ = _endpoints(api, its.namespace, its.service)
    if not ready:
        raise ValueError(f"{what} has no ready endpoint now, so nothing would change")
    after = label_value(f"{context['exercise']}-{context['fault']}")
    struck = Struck(SERVICES, its.namespace, thing, ({"path": at, "before": ABSENT, "after": after},))
    where = target["settings"]["cluster"]
    change: dict[str, Json] = {"where": where, "objects": [struck.to_json(target, context)]}
    return Plan(
        summary=f"outage of {its.name}: {what} points at nothing",
        targets=(f"{what} ({ready} ready endpoints)",),
        objects=(struck.key,),
        inject=Call(f"{CHANGES}:inject_marks", change),
        undo=Call(f"{CHANGES}:undo_marks", change),
        standing=Call(f"{CHANGES}:marks_stand", change),
        undone_by="taking that label out of its selector",
        effective_when="the Service has no ready endpoint",
        recovered_when=(
            "its selector is without that label, and as many endpoints are ready as before, or as are wanted by now"
        ),
        effective=Call(f"{_ROOM}:effective", {"where": where, "namespace": its.namespace, "name": its.service}),
        recovered=Call(f"{_ROOM}:recovered", {**change, "before": _before(selector, ready, runs)}, timeout=15.0),
        commands=struck.by_hand(where, context),
        notes=(
            f"all {len(pods)} pods behind it lose what comes through it; they themselves go on, and limits.pods and "
            f"limits.percent don't count them",
            "connections that are open stay open, and what goes to pods past the Service goes on",
            *kept_by_others(thing),
        ),
        permissions=tuple(permissions),
    )


def _endpoints(api: Api, namespace: str, name: str) -> tuple[int, list[str]]:
    """How many addresses of a Service are ready, and by whom slices with such are managed, other than the cluster."""
    ready: set[str] = set()
    foreign: dict[str, None] = {}
    for part in api.items(ENDPOINT_SLICES, namespace, selector=f"{_OF_SERVICE}={name}"):
        manager = labels_of(part).get(_MANAGER, "nobody")
        for endpoint in part.get("endpoints") or ():
            # Absent means yes.
            if (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            whose = endpoint.get("targetRef") or {}
            ready.add(str(whose.get("uid") or (endpoint.get("addresses") or [""])[0]))
            if manager != "endpointslice-controller.k8s.io":
                foreign[f"{meta(part)['name']} (managed by {manager})"] = None
    return len(ready), list(foreign)


def effective(where: Where, namespace: str, name: str) -> dict[str, Json]:
    """Whether the Service has no ready endpoint left."""
    ready, foreign = _endpoints(prepared(where), namespace, name)
    what = named(SERVICES, namespace, name)
    if not ready:
        return {"holds": True, "evidence": f"{what} has no ready endpoint"}
    by = f"; some are in {', '.join(foreign)}, which don't follow its selector" if foreign else ""
    return {"holds": False, "evidence": f"{what} still has {ready} ready endpoints{by}"}


def recovered(
    where: Where, objects: Sequence[Mapping[str, Any]], before: Mapping[str, Any] | None = None
) -> dict[str, Json]:
    """Whether the selector has nothing of the fault, every ready pod is an endpoint again, and as many are ready as
    before the fault; fewer where fewer are wanted by now. `before`: see `_before`.

    Whatever somebody else has changed since is told; where that is why there are too few, nothing of ours is left.
    """
    undone = marks_undone(where, objects)
    if not undone["holds"]:
        return undone
    api = prepared(where)
    (one,) = objects
    what = named(SERVICES, one["namespace"], one["name"])
    thing = api.get(SERVICES, one["namespace"], one["name"])
    if thing is None:
        return theirs(f"{what} was deleted by somebody else since")
    now = (thing.get("spec") or {}).get("selector") or {}
    was = (before or {}).get("selector", now)
    staying = [pod for pod in list_pods(api, one["namespace"], as_text({"matchLabels": now})) if not pod.leaving]
    pods = [pod for pod in staying if pod.ready] if now else []
    ready, _ = _endpoints(api, one["namespace"], one["name"])
    changed, wanted, ours = [], len(staying), False
    if now != was:
        changed.append(f"its selector was changed by somebody else since: {_json(was)} -> {_json(now)}")
    elif before is not None and before["runs"] is not None:
        more, wanted, ours = _since(api, one["namespace"], before["runs"])
        changed += more
    least = max(1, min(before["ready"] if before is not None else 1, wanted))
    first = f"{what} has nothing of the fault any more" if now != was else str(undone["evidence"])
    counts = f"{ready} ready endpoints, {len(pods)} ready pods"
    # Endpoints lag behind pods that are on their way out.
    back = ready >= max(least, len(pods)) and len(staying) >= least
    if back or (ours and ready >= len(pods)):
        return {"holds": True, "evidence": "; ".join([first, *changed, counts])}
    said = "; ".join([first, *changed, f"{counts}, and {before['ready'] if before is not None else 'some'} before"])
    return theirs(said) if changed and ready >= len(pods) else {"holds": False, "evidence": said}


def _since(api: Api, namespace: str, runs: Mapping[str, Any]) -> tuple[list[str], int, bool]:
    """What became of what runs the pods: what others changed, how many pods it is to have, and whether a fault of
    gameday's stands on it, whose own verification has the last word then."""
    what = named(ALL[runs["kind"]], namespace, runs["name"])
    there = api.get(ALL[runs["kind"]], namespace, runs["name"])
    if there is None:
        return [f"{what} was deleted by somebody else since"], 0, False
    now = as_workload(ALL[runs["kind"]], there)
    wanted = now.replicas
    if now.marked:
        words = f"{what} is to have {wanted} replicas now, {runs['replicas']} before: {now.marked} stands on it"
        return [words], wanted, True
    if wanted == runs["replicas"]:
        return [], wanted, False
    return [f"{what} was scaled by somebody else since: {runs['replicas']} -> {wanted} replicas"], wanted, False


def _json(selector: Mapping[str, str]) -> str:
    return json.dumps(dict(selector), sort_keys=True, separators=(",", ":"))
