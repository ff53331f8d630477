"""Latency: a NetworkChaos that delays what a service's pods send."""

from __future__ import annotations

from collections.abc import Mapping

from gameday.cluster.marks import prepared
from gameday.cluster.resources import NETWORK_CHAOS
from gameday.cluster.services import service
from gameday.engine.ports import Json
from gameday.faults.chaos_mesh.experiment import Share, chosen, lasting, planned, reads, selected, writes
from gameday.faults.chaos_mesh.feeling import late
from gameday.faults.latency import LatencyParameters
from gameday.faults.toxiproxy import front_door
from gameday.scenario.duration import format_duration

_PROBES = 1.0
"""Seconds that a kubelet's probe waits unless its workload says otherwise."""


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    its = service(target, LatencyParameters.model_validate(params).service)
    return [*reads(its), *writes(NETWORK_CHAOS, its.namespace)]


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked = LatencyParameters.model_validate(params)
    its = service(target, asked.service)
    if asked.direction == "request":
        raise ValueError(
            f"latency on {its.name}: Chaos Mesh delays what pods send, so the answers of a service and not the "
            "requests to it: say direction: response, or use Toxiproxy"
        )
    duration = lasting("latency", context)
    share = Share(percent=round(asked.share * 100, 6)) if asked.share < 1 else Share(count=asked.count)
    choice = chosen(prepared(target["settings"]["cluster"]), "latency", its, share, target, context)
    delay, jitter = round(asked.delay * 1000), round(asked.jitter * 1000)
    spec = {
        **selected(choice),
        "action": "delay",
        "direction": "to",
        "delay": {"latency": f"{delay}ms", "jitter": f"{jitter}ms", "correlation": "0"},
        "duration": duration,
    }
    notes = ["all that these pods send is late, their own requests to others too"]
    if asked.share < 1:
        notes.append(
            "a share of connections can't be had by Chaos Mesh: it is this share of the pods, and all of theirs"
        )
    if asked.delay + asked.jitter >= _PROBES:
        notes.append("answers to the kubelet's probes are late, too: pods may stop being ready, or be restarted")
    slow = max(asked.delay - asked.jitter, asked.delay / 2) * 0.9
    varies = f" ± {format_duration(asked.jitter)}" if asked.jitter else ""
    some = f", {len(choice.pods)} of {choice.total} pods" if not share.everything else ""
    return planned(
        NETWORK_CHAOS,
        its,
        spec,
        choice,
        target,
        context,
        summary=f"latency {format_duration(asked.delay)}{varies} on {its.name}{some}",
        permissions=needs(target, params),
        notes=notes,
        feeling=late(front_door(target, its.name), slow, len(choice.pods) / choice.total),
    )
