"""Memory stress: instances of a service have less memory than they are used to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gameday.engine.ports import Backend
from gameday.faults.cpu_stress import PERMISSIONS, StressParameters
from gameday.faults.declaration import FaultDeclaration


class MemoryStressParameters(StressParameters):
    size: Annotated[
        str,
        Field(
            pattern=r"^([1-9]\d*[KMGT]i?B|(100|[1-9]\d?)%)$",
            description="How much memory each stressor takes: 256MB, 1GiB, or 50%.",
        ),
    ]


DECLARATION = FaultDeclaration(
    name="memory-stress",
    summary="Instances of a service are short of memory",
    parameters=MemoryStressParameters,
    one_shot=False,
    description=(
        "Something inside of the instances takes memory and keeps it, as a leak does: caches shrink, garbage "
        "collection runs more often, and at the limit the kernel kills what it finds."
    ),
    example="""\
at: 30s
fault: memory-stress
with: {service: checkout, count: 1, size: 256MB}
for: 3m
""",
    backends={
        "kubernetes/chaos-mesh": Backend(
            plan="gameday.faults.chaos_mesh.stress:plan_memory",
            needs="gameday.faults.chaos_mesh.stress:needs",
            touches="pods, by name: one StressChaos of the fault's own",
            undone_by="pausing the StressChaos, waiting until it has recovered, deleting it",
            effective_when="Chaos Mesh says AllInjected, and every one of these pods is Injected",
            recovered_when="the StressChaos is gone, which Chaos Mesh lets it be only when all pods have recovered",
            permissions=PERMISSIONS,
        ),
    },
)
