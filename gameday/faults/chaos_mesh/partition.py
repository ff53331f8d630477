"""Network partition and dependency outage: a NetworkChaos that drops packets.

Rules are set in the pods' own networks, so what is cut is what these pods send and are sent. A dependency outside of
the cluster has no pods: there the rules are set in those who call it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gameday.cluster.api import Api
from gameday.cluster.marks import prepared
from gameday.cluster.resources import NETWORK_CHAOS, right
from gameday.cluster.services import (
    Pod,
    Service,
    check_namespace,
    pods_of,
    service,
)
from gameday.cluster.shares import Choice, check_limits, choose, look, whole_of
from gameday.engine.ports import Json
from gameday.faults.asked import read
from gameday.faults.chaos_mesh.experiment import Share, lasting, planned, reads, selected, writes
from gameday.faults.chaos_mesh.feeling import silent
from gameday.faults.declaration import Incapable
from gameday.frozen import frozen

if TYPE_CHECKING:
    from gameday.faults.dependency_outage import DependencyOutageParameters
    from gameday.faults.network_partition import Direction, NetworkPartitionParameters

_DIRECTIONS = {"in": "from", "out": "to", "both": "both"}
_ALL = Share()
_SEEN_FROM_THERE: dict[Direction, Direction] = {"in": "out", "out": "in", "both": "both"}


@frozen
class _Cut:
    """Whose packets are dropped, to or from whom, as seen from the first."""

    pods_of: tuple[Service, ...]
    direction: Direction
    from_pods_of: Service | None = None
    from_hosts: tuple[str, ...] = ()
    share: Share = _ALL
    """Of the pods of the first; all of them unless said."""


def is_inside(its: Service) -> bool:
    """Whether its pods are known; else it can only be named by its hosts."""
    return bool(its.workload or its.selector)


def _cut(target: Mapping[str, Json], its: Service, other: Service | None, direction: Direction) -> _Cut:
    """Raises ValueError where neither side is known to have pods, or hosts."""
    if is_inside(its):
        if other is None:
            return _Cut((its,), direction)
        if is_inside(other):
            return _Cut((its,), direction, from_pods_of=other)
        check_outside(other)
        return _Cut((its,), direction, from_hosts=other.external)
    check_outside(its)
    if other is not None and not is_inside(other):
        raise ValueError(f"{its.name} and {other.name} are both outside of the cluster: nothing can be set there")
    callers = (other,) if other is not None else _callers(target, its)
    return _Cut(callers, _SEEN_FROM_THERE[direction], from_hosts=its.external)


def check_outside(its: Service) -> None:
    """Raise ValueError where neither pods nor hosts of it are known."""
    if not its.external:
        raise ValueError(
            f"which pods are those of {its.name} is not known: say so under {its.table}, "
            f'workload = "deployment/…" or selector = "app=…", or where it is outside of the cluster, external = ["…"]'
        )


def _callers(target: Mapping[str, Json], its: Service) -> tuple[Service, ...]:
    """Who may call a dependency outside: every service of the target that has pods."""
    others = (service(target, name) for name in target["settings"]["services"] if name != its.name)
    found = tuple(one for one in others if is_inside(one))
    if not found:
        raise ValueError(
            f"{its.name} is outside of the cluster, and no service of {target['name']} has pods to call it"
        )
    return found


# --- what is needed and planned ---------------------------------------------------------------------------------------


def needs_partition(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    return _needs(_asked_partition(target, params))


def needs_outage(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    return _needs(_asked_outage(target, params))


def _needs(cut: _Cut) -> list[str]:
    sides = [*cut.pods_of, *([cut.from_pods_of] if cut.from_pods_of is not None else [])]
    home = cut.pods_of[0].namespace
    # Chaos Mesh asks for this in every namespace whose pods an experiment names.
    also = [right("create", NETWORK_CHAOS, side.namespace) for side in sides if side.namespace != home]
    found = [*(one for side in sides for one in reads(side)), *writes(NETWORK_CHAOS, home), *also]
    return list(dict.fromkeys(found))


def _asked_partition(target: Mapping[str, Json], params: Mapping[str, Json]) -> _Cut:
    asked: NetworkPartitionParameters = read(params)
    other = service(target, asked.from_) if asked.from_ is not None else None
    its = service(target, asked.service)
    share = Share(asked.count, asked.percent)
    if not share.everything and not is_inside(its):
        raise ValueError(f"{its.name} is outside of the cluster and has no pods there: leave count and percent away")
    return replace(_cut(target, its, other, asked.direction), share=share)


def _asked_outage(target: Mapping[str, Json], params: Mapping[str, Json]) -> _Cut:
    asked: DependencyOutageParameters = read(params)
    its = service(target, asked.service)
    if asked.mode == "refused" or asked.by in ("service", "scale"):
        raise Incapable(
            f"dependency-outage on {its.name}: Chaos Mesh drops packets, so that callers hang, and nothing is refused: "
            "say mode: blackhole, and no by"
        )
    return _cut(target, its, None, "in")


def plan_partition(
    target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]
) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: NetworkPartitionParameters = read(params)
    whom = asked.from_ or "everybody"
    ways = {"both": "", "in": ", only what it is sent", "out": ", only what it sends"}
    summary = f"{asked.service} is cut off from {whom}{ways[asked.direction]}"
    cut = _asked_partition(target, params)
    # Where some of its pods are left, it answers.
    cut_off = asked.service if asked.from_ is None and cut.share.everything else None
    return _plan("network-partition", cut, cut_off, summary, target, context)


def plan_outage(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: DependencyOutageParameters = read(params)
    cut = _asked_outage(target, params)
    summary = f"outage of {asked.service} (blackhole)"
    if cut.from_hosts:
        summary += f" for {', '.join(one.name for one in cut.pods_of)}"
    return _plan("dependency-outage", cut, asked.service, summary, target, context)


def _plan(
    fault: str,
    cut: _Cut,
    cut_off: str | None,
    summary: str,
    target: Mapping[str, Json],
    context: Mapping[str, Json],
) -> dict[str, Json]:
    """`cut_off`: the service that nobody reaches meanwhile."""
    api = prepared(target["settings"]["cluster"])
    duration = lasting(fault, context)
    choice = _pods_of(api, fault, cut.pods_of, target, context, cut.share)
    spec: dict[str, Json] = {
        **selected(choice),
        "action": "partition",
        "direction": _DIRECTIONS[cut.direction],
        "duration": duration,
    }
    notes, others, feeling = [], None, None
    if cut.from_pods_of is not None:
        others = _pods_of(api, fault, (cut.from_pods_of,), target, context)
        spec["target"] = selected(others)
        notes.append(f"at the other end, {cut.from_pods_of.name}: {others.words()}")
        _check_together(fault, choice, others, target, context)
    elif cut.from_hosts:
        spec["externalTargets"] = list(cut.from_hosts)
        notes.append("host names are looked up once, when it begins: addresses that they lead to later are reached")
    else:
        notes.append("the kubelet can't probe these pods either: they stop being ready, and may be restarted")
        feeling = silent(target["names"].get(cut_off))
    return planned(
        NETWORK_CHAOS,
        cut.pods_of[0],
        spec,
        choice,
        target,
        context,
        summary=summary,
        permissions=_needs(cut),
        notes=notes,
        feeling=feeling,
        others=others,
    )


def _pods_of(
    api: Api,
    fault: str,
    services: Sequence[Service],
    target: Mapping[str, Json],
    context: Mapping[str, Json],
    share: Share = _ALL,
) -> Choice:
    """A share of the pods of these services that may be touched, each pod once, within every namespace's limits.

    Raises:
        ValueError: the limits don't allow as many, or there are none.
    """
    found: Choice | None = None
    where = f"{fault} on {', '.join(one.name for one in services)}"
    for namespace in sorted({one.namespace for one in services}):
        check_namespace(api, namespace)
        space = look(api, namespace, context)
        pods: dict[str, Pod] = {}
        whole: dict[str, Pod] = {}
        wanted = 0
        for its in (one for one in services if one.namespace == namespace):
            own, runs = pods_of(api, its, space.pods)
            fresh = [pod for pod in own if pod.uid not in pods]
            alone = runs is not None and len(fresh) == len(own)
            wanted += runs.replicas if runs is not None and alone else sum(pod.counts for pod in fresh)
            pods |= {pod.uid: pod for pod in own}
            whole |= {pod.uid: pod for pod in whole_of(space, own, runs)}
        choice = choose(
            where,
            sorted(pods.values(), key=lambda pod: pod.name),
            count=share.count,
            percent=share.percent,
            everything=share.everything,
            context=context,
            target=target,
            space=space,
            whole=list(whole.values()),
            wanted=wanted,
            lasting=True,
        )
        found = choice if found is None else _check_together(where, found, choice, target, context)
    assert found is not None
    return found


def _check_together(
    where: str, one: Choice, other: Choice, target: Mapping[str, Json], context: Mapping[str, Json]
) -> Choice:
    """Both as one. Raises ValueError where the limits allow each, and not both."""
    both = replace(
        one,
        pods=(*one.pods, *other.pods),
        total=one.total + other.total,
        in_namespace=one.in_namespace + other.in_namespace,
        left_out=(*one.left_out, *other.left_out),
        whole=(*one.whole, *other.whole),
        spaces=tuple({space.namespace: space for space in (*one.spaces, *other.spaces)}.values()),
    )
    check_limits(where, len(both.pods), both.pods, both.whole, both.total, both.spaces, context, target, lasting=True)
    return both
