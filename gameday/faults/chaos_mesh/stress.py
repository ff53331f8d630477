"""CPU and memory stress: a StressChaos, which runs stressors inside of the pods' own limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gameday.cluster.marks import prepared
from gameday.cluster.resources import STRESS_CHAOS
from gameday.cluster.services import service
from gameday.engine.ports import Json
from gameday.faults.asked import read
from gameday.faults.chaos_mesh.experiment import Share, chosen, lasting, planned, reads, selected, writes

if TYPE_CHECKING:
    from gameday.faults.cpu_stress import CpuStressParameters, StressParameters
    from gameday.faults.memory_stress import MemoryStressParameters


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    its = service(target, str(params["service"]))
    return [*reads(its), *writes(STRESS_CHAOS, its.namespace)]


def plan_cpu(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: CpuStressParameters = read(params)
    stressors = {"cpu": {"workers": asked.workers, "load": asked.load}}
    what = f"{asked.workers} × {asked.load} % of a processor"
    notes = ("a CPU limit of the container holds for the stress, too: then it is the service that gets less",)
    return _plan("cpu-stress", asked, stressors, what, notes, target, params, context)


def plan_memory(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: MemoryStressParameters = read(params)
    stressors = {"memory": {"workers": asked.workers, "size": asked.size}}
    what = f"{asked.workers} × {asked.size} of memory"
    notes = (
        "it counts towards the container's memory limit: beyond that the kernel kills the stress, or the service",
        "a size in % is of the memory of the node, or of the container's limit where it has one",
    )
    return _plan("memory-stress", asked, stressors, what, notes, target, params, context)


def _plan(
    fault: str,
    asked: StressParameters,
    stressors: Mapping[str, Json],
    what: str,
    notes: tuple[str, ...],
    target: Mapping[str, Json],
    params: Mapping[str, Json],
    context: Mapping[str, Json],
) -> dict[str, Json]:
    its = service(target, asked.service)
    some = asked.all or asked.percent is not None or asked.instance is not None
    share = Share(asked.count if some else asked.count or 1, asked.percent, asked.instance)
    spec: dict[str, Json] = {"stressors": dict(stressors), "duration": lasting(fault, context)}
    choice = chosen(prepared(target["settings"]["cluster"]), fault, its, share, target, context)
    spec |= selected(choice)
    if asked.container is not None:
        spec["containerNames"] = [asked.container]
    else:
        notes = (*notes, "in the first container of each pod; container: names another")
    return planned(
        STRESS_CHAOS,
        its,
        spec,
        choice,
        target,
        context,
        summary=f"{what} taken in {', '.join(pod.name for pod in choice.pods)} of {its.name}",
        permissions=needs(target, params),
        notes=notes,
    )
