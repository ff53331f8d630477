"""Outage by a Service that points at nothing: its selector gets one more label, which no pod has.

The pods go on as they are. What is open already stays open; new connections find no endpoint and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gameday.cluster.api import Api, Where
from gameday.cluster.marks import ABSENT, label_value, pointer, prepared, value_at
from gameday.cluster.resources import (
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
    check_namespace,
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
KEY = "gameday.dev/outage"
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


def _check_workload(api: Api, its: Service, pods: Sequence[Pod]) -> None:
    """Raise ValueError where what runs the pods behind the Service is protected; the target may not name it."""
    runs = workload_of(api, its) if its.workload else owner_of(api, pods) if pods else None
    if runs is not None:
        check_unprotected(runs.shown, runs.labels, None)


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
    _check_workload(api, its, pods)
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
        recovered_when="the selector is as it was, and there are as many ready endpoints as ready pods",
        effective=Call(f"{_ROOM}:effective", {"where": where, "namespace": its.namespace, "name": its.service}),
        recovered=Call(f"{_ROOM}:recovered", change, timeout=15.0),
        commands=struck.by_hand(where),
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


def recovered(where: Where, objects: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """Whether the selector is as it was, and every ready pod is an endpoint again."""
    undone = marks_undone(where, objects)
    if not undone["holds"]:
        return undone
    api = prepared(where)
    (one,) = objects
    thing = api.get(SERVICES, one["namespace"], one["name"])
    if thing is None:
        return undone
    selector = as_text({"matchLabels": (thing.get("spec") or {}).get("selector") or {}})
    pods = [pod for pod in list_pods(api, one["namespace"], selector) if pod.ready and not pod.leaving]
    ready, _ = _endpoints(api, one["namespace"], one["name"])
    return {
        "holds": ready >= len(pods),
        "evidence": f"{undone['evidence']}; {ready} ready endpoints, {len(pods)} ready pods",
    }
