"""Latency: a NetworkChaos that delays what a service's pods send, to everybody or to one other service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gameday.cluster.api import Api
from gameday.cluster.marks import prepared
from gameday.cluster.resources import NETWORK_CHAOS, right
from gameday.cluster.services import Service, check_namespace, service
from gameday.cluster.shares import Choice
from gameday.engine.ports import Json
from gameday.faults.asked import read
from gameday.faults.chaos_mesh.experiment import (
    Share,
    at_the_far_end,
    chosen,
    lasting,
    planned,
    reads,
    selected,
    writes,
)
from gameday.faults.chaos_mesh.feeling import late
from gameday.faults.chaos_mesh.partition import check_outside, is_inside
from gameday.faults.declaration import Incapable
from gameday.faults.toxiproxy import front_door
from gameday.scenario.duration import format_duration

if TYPE_CHECKING:
    from gameday.faults.latency import LatencyParameters

_PROBES = 1.0
"""Seconds that a kubelet's probe waits unless its workload says otherwise."""


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    asked: LatencyParameters = read(params)
    its = service(target, asked.service)
    found = [*reads(its), *writes(NETWORK_CHAOS, its.namespace)]
    if asked.to is not None and is_inside(other := service(target, asked.to)):
        found += reads(other)
        if other.namespace != its.namespace:
            # Chaos Mesh asks for this in every namespace whose pods an experiment names.
            found.append(right("create", NETWORK_CHAOS, other.namespace))
    return list(dict.fromkeys(found))


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: LatencyParameters = read(params)
    its = service(target, asked.service)
    if asked.direction == "request":
        raise Incapable(
            f"latency on {its.name}: Chaos Mesh delays what pods send, so the answers of a service and not the "
            "requests to it: say direction: response, or use Toxiproxy"
        )
    duration = lasting("latency", context)
    share = Share(percent=round(asked.share * 100, 6)) if asked.share < 1 else Share(count=asked.count)
    api = prepared(target["settings"]["cluster"])
    choice = chosen(api, "latency", its, share, target, context)
    delay, jitter = round(asked.delay * 1000), round(asked.jitter * 1000)
    spec: dict[str, Json] = {
        **selected(choice),
        "action": "delay",
        "direction": "to",
        "delay": {"latency": f"{delay}ms", "jitter": f"{jitter}ms", "correlation": "0"},
        "duration": duration,
    }
    others = _to(api, spec, service(target, asked.to), target) if asked.to is not None else None
    if asked.to is None:
        notes = ["all that these pods send is late, their own requests to others too"]
    else:
        notes = [f"only what these pods send to {asked.to} is late, and of its own traffic nothing else"]
        if others is None:
            notes.append("host names are looked up once, when it begins: what goes to later addresses is not late")
        else:
            ends = f"{len(others.pods)} of {others.total} pods"
            notes.append(f"at the other end, {asked.to}: {ends}, to which nothing is done")
            if "externalTargets" not in spec:
                table = service(target, asked.to).table
                notes.append(f'what goes through a Service is not late: say which under {table}, service = "…"')
        if not context.get("checked"):
            notes.append("whether callers feel it is not looked at: an `effective:` check of this entry would")
    if asked.share < 1:
        notes.append(
            "a share of connections can't be had by Chaos Mesh: it is this share of the pods, and all of theirs"
        )
    if asked.to is None and asked.delay + asked.jitter >= _PROBES:
        notes.append("answers to the kubelet's probes are late, too: pods may stop being ready, or be restarted")
    slow = max(asked.delay - asked.jitter, asked.delay / 2) * 0.9
    varies = f" ± {format_duration(asked.jitter)}" if asked.jitter else ""
    whither = f" to {asked.to}" if asked.to is not None else ""
    some = f", {len(choice.pods)} of {choice.total} pods" if not share.everything else ""
    return planned(
        NETWORK_CHAOS,
        its,
        spec,
        choice,
        target,
        context,
        summary=f"latency {format_duration(asked.delay)}{varies} on {its.name}{whither}{some}",
        permissions=needs(target, params),
        notes=notes,
        # Who asks it from here may not meet what it sends elsewhere.
        feeling=None if asked.to else late(front_door(target, its.name), slow, len(choice.pods) / choice.total),
        others=others,
        only_named=True,
    )


def _to(api: Api, spec: dict[str, Json], other: Service, target: Mapping[str, Json]) -> Choice | None:
    """Put the other end into `spec`; the pods there, or None where it is outside of the cluster.

    Raises:
        ValueError: neither its pods nor its hosts are known.
    """
    if not is_inside(other):
        check_outside(other)
        spec["externalTargets"] = list(other.external)
        return None
    check_namespace(api, other.namespace)
    others = at_the_far_end(api, other, target)
    spec["target"] = selected(others)
    if other.service:
        # Its rules go by addresses, and what is sent to a Service still has that one's address where they are set.
        spec["externalTargets"] = [f"{other.service}.{other.namespace}.svc"]
    return others
