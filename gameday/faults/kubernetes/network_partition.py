"""Network partition on the plain API, by NetworkPolicies of our own.

From everybody: one that lets nothing in, out, or both. From one other service: one on the side that is called, that
lets in every pod but those of the caller. Nothing is ever allowed that was denied: see `policies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gameday.cluster.api import Api, Where
from gameday.cluster.marks import prepared
from gameday.cluster.services import Pod, Service, check_namespace, service
from gameday.cluster.shares import all_of, check_limits
from gameday.engine.ports import Call, Json, Plan
from gameday.faults.asked import read
from gameday.faults.declaration import Incapable
from gameday.faults.kubernetes import policies
from gameday.faults.kubernetes.changes import ROOM as CHANGES
from gameday.faults.kubernetes.changes import Side, check_pods, pods_behind, side_of
from gameday.faults.planning import instead
from gameday.frozen import frozen

if TYPE_CHECKING:
    from gameday.faults.network_partition import NetworkPartitionParameters

_KINDS: dict[str, list[policies.Kind]] = {"in": ["Ingress"], "out": ["Egress"], "both": ["Ingress", "Egress"]}
_WORDS = {"in": "what it is sent", "out": "what it sends", "both": "both directions"}


@frozen
class _Side:
    """A service, and its pods as they are now."""

    its: Service
    pods: tuple[Pod, ...]
    selector: str
    share: Side


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    asked: NetworkPartitionParameters = read(params)
    names = [name for name in (asked.service, asked.from_) if name is not None]
    return policies.needs(*(service(target, name) for name in names))


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: NetworkPartitionParameters = read(params)
    where = f"network-partition of {asked.service}"
    if asked.count is not None or asked.percent is not None:
        raise Incapable(f"{where}: a NetworkPolicy is for all of its pods: count and percent need Chaos Mesh")
    rights = needs(target, params)
    api = prepared(target["settings"]["cluster"])
    own = _side(api, service(target, asked.service), target, context)
    if asked.from_ is None:
        touched = [own]
        kinds = _KINDS[asked.direction]
        policies.check_alone(api, own.its.namespace, own.pods, kinds)
        made = [policies.policy(context, own.its.namespace, policies.selecting(own.selector, target), kinds)]
        summary = f"{own.its.name} is cut off from everybody ({_WORDS[asked.direction]})"
        notes = ["what it sends includes its questions to DNS"] if "Egress" in kinds else []
    else:
        other = _side(api, service(target, asked.from_), target, context)
        # Whoever is called has the policy, so what comes from elsewhere is named in one place, and what goes out to
        # nodes and the API server stays as it is.
        pairs = [(own, other)] if asked.direction == "in" else [(other, own)]
        pairs = [(own, other), (other, own)] if asked.direction == "both" else pairs
        touched = [called for called, _ in pairs]
        made = [_denied(api, called, caller, target, context) for called, caller in pairs]
        summary = f"{own.its.name} is cut off from {other.its.name} ({_WORDS[asked.direction]})"
        called = " and ".join(side.its.name for side in touched)
        notes = [
            f"what reaches the pods of {called} from outside of the cluster's pods is cut off too",
            f"no policy rules what comes in to the pods of {called}, or this would be refused; one that somebody adds "
            "while it lasts, or that is for pods that come later alone, is opened by ours until the undo",
        ]
        for namespace in dict.fromkeys(side.its.namespace for side in touched):
            notes += policies.beyond(api, namespace)
    for side in touched:
        check_pods(where, side.pods, target)
        share = side.share.check(where, context, target, lasting=True)
        notes.append(f"{side.its.name}: {share.words()}")
    if len(touched) > 1:
        _check_together(where, [side.share for side in touched], context, target)
    seen_from_here = asked.from_ is None and asked.direction != "out"
    address = policies.verified_by(where, own.its, target, context, by_address=seen_from_here)
    cluster = target["settings"]["cluster"]
    ours = policies.whose(made)
    seen: dict[str, Json] = {"where": cluster, "objects": ours, "address": address}
    return Plan(
        summary=summary,
        targets=tuple(pod.shown for side in touched for pod in side.pods),
        objects=policies.keys(made),
        inject=_inject(cluster, made, touched, alone=asked.from_ is None),
        undo=Call(f"{CHANGES}:undo_made", {"where": cluster, "objects": ours}),
        effective=Call(f"{policies.ROOM}:effective", seen),
        recovered=Call(f"{policies.ROOM}:recovered", seen, timeout=15.0),
        standing=Call(f"{CHANGES}:made_stand", {"where": cluster, "objects": ours}),
        undone_by=policies.undone_by(made),
        effective_when=policies.effective_when(address),
        recovered_when=policies.recovered_when(made, address),
        commands=policies.commands(cluster, made),
        notes=(
            *notes,
            "connections that are open may go on, as the cluster's network has it",
        ),
        permissions=tuple(rights),
        takes=tuple(one for side in touched for one in all_of(side.its.namespace, side.selector)),
    ).to_json()


def _check_together(where: str, sides: Sequence[Side], context: Mapping[str, Json], target: Mapping[str, Json]) -> None:
    """Raise ValueError where the limits allow each, and not all."""
    check_limits(
        where,
        sum(len(side.pods) for side in sides),
        [pod for side in sides for pod in side.pods],
        [pod for side in sides for pod in side.whole],
        sum(side.total for side in sides),
        list({side.space.namespace: side.space for side in sides}.values()),
        context,
        target,
        lasting=True,
    )


def _inject(where: Where, made: Sequence[Mapping[str, Json]], touched: Sequence[_Side], *, alone: bool) -> Call:
    """Such as let nothing through can open nothing."""
    args: dict[str, Json] = {"where": where, "objects": list(made)}
    if alone:
        return Call(f"{CHANGES}:inject_made", args)
    called = [{"namespace": side.its.namespace, "selector": side.selector} for side in touched]
    return Call(f"{policies.ROOM}:inject_denying", {**args, "called": called}, timeout=20.0)


def _side(api: Api, its: Service, target: Mapping[str, Json], context: Mapping[str, Json]) -> _Side:
    if its.external and not (its.workload or its.selector or its.service):
        raise Incapable(
            f"{its.name} is outside of the cluster ({', '.join(its.external)}): a NetworkPolicy can't take one "
            f"destination away without touching other traffic. {instead('network-partition', target)}"
        )
    check_namespace(api, its.namespace)
    pods, runs, selector = pods_behind(api, its)
    return _Side(its, tuple(pods), selector, side_of(api, pods, runs, its.namespace, context))


def _denied(
    api: Api, called: _Side, caller: _Side, target: Mapping[str, Json], context: Mapping[str, Json]
) -> dict[str, Json]:
    """A policy by which the pods of `called` let in all pods but those of `caller`."""
    policies.check_alike(api, called.its.namespace, called.pods)
    return policies.policy(
        context,
        called.its.namespace,
        policies.selecting(called.selector, target),
        ["Ingress"],
        allowed=policies.all_but(caller.selector, caller.its.namespace),
        suffix=f"-{called.its.name}",
    )
