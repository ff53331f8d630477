"""Disk latency: an IOChaos, for which Chaos Mesh lays a file system of its own over a volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gameday.cluster.marks import prepared
from gameday.cluster.resources import IO_CHAOS
from gameday.cluster.services import service
from gameday.engine.ports import Json
from gameday.faults.asked import read
from gameday.faults.chaos_mesh.experiment import Share, chosen, lasting, planned, reads, selected, writes
from gameday.scenario.duration import format_duration

if TYPE_CHECKING:
    from gameday.faults.disk_latency import DiskLatencyParameters


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    its = service(target, read(params).service)
    return [*reads(its), *writes(IO_CHAOS, its.namespace)]


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: DiskLatencyParameters = read(params)
    its = service(target, asked.service)
    share = Share(asked.count, asked.percent, asked.instance)
    spec: dict[str, Json] = {
        "action": "latency",
        "volumePath": asked.volume,
        "delay": f"{round(asked.delay * 1000)}ms",
        "percent": round(asked.share * 100),
        "duration": lasting("disk-latency", context),
    }
    choice = chosen(prepared(target["settings"]["cluster"]), "disk-latency", its, share, target, context)
    spec |= selected(choice)
    if asked.files is not None:
        spec["path"] = asked.files
    notes = ["Chaos Mesh stops the container's processes for a moment, at the beginning and at the end"]
    if asked.container is not None:
        spec["containerNames"] = [asked.container]
    else:
        notes.append("in the first container of each pod; container: names another")
    some = f", {asked.share:.0%} of operations" if asked.share < 1 else ""
    return planned(
        IO_CHAOS,
        its,
        spec,
        choice,
        target,
        context,
        summary=f"{asked.volume} of {its.name} slower by {format_duration(asked.delay)}{some}",
        permissions=needs(target, params),
        notes=notes,
    )
