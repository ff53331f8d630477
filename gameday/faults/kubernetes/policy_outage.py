"""Outage by a NetworkPolicy of our own that lets nothing in to a service's pods, which go on as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gameday.cluster.api import Api
from gameday.cluster.services import Service, check_namespace
from gameday.cluster.shares import all_of
from gameday.engine.ports import Call, Json, Plan
from gameday.faults.kubernetes import policies
from gameday.faults.kubernetes.changes import ROOM as CHANGES
from gameday.faults.kubernetes.changes import check_pods, pods_behind, side_of


def plan(
    api: Api, its: Service, target: Mapping[str, Json], context: Mapping[str, Json], permissions: Sequence[str]
) -> Plan:
    """See `gameday.engine.ports.Backend.plan`."""
    where = f"outage of {its.name} by policy"
    check_namespace(api, its.namespace)
    pods, runs, selector = pods_behind(api, its)
    check_pods(where, pods, target)
    share = side_of(api, pods, runs, its.namespace, context).check(where, context, target, lasting=True)
    policies.check_alone(api, its.namespace, pods, ["Ingress"])
    address = policies.verified_by(where, its, target, context)
    cluster = target["settings"]["cluster"]
    made = [policies.policy(context, its.namespace, policies.selecting(selector, target), ["Ingress"])]
    ours = policies.whose(made)
    seen: dict[str, Json] = {"where": cluster, "objects": ours, "address": address}
    return Plan(
        summary=f"outage of {its.name}: a NetworkPolicy lets nothing in to its {len(pods)} pods",
        targets=tuple(pod.shown for pod in pods),
        objects=policies.keys(made),
        inject=Call(f"{CHANGES}:inject_made", {"where": cluster, "objects": made}),
        undo=Call(f"{CHANGES}:undo_made", {"where": cluster, "objects": ours}),
        standing=Call(f"{CHANGES}:made_stand", {"where": cluster, "objects": ours}),
        undone_by=policies.undone_by(made),
        effective_when=policies.effective_when(address),
        recovered_when=policies.recovered_when(made, address),
        effective=Call(f"{policies.ROOM}:effective", seen),
        recovered=Call(f"{policies.ROOM}:recovered", seen, timeout=15.0),
        commands=policies.commands(cluster, made),
        notes=(
            share.words(),
            "connections that are open may go on, as the cluster's network has it",
        ),
        permissions=tuple(permissions),
        takes=all_of(its.namespace, selector),
    )
