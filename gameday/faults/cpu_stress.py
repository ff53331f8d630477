"""CPU stress: instances of a service have to share their processors with something busy."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StrictBool, model_validator

from gameday.engine.ports import Backend
from gameday.faults.declaration import FaultDeclaration
from gameday.faults.supervised import InstanceParameters

PERMISSIONS = (
    "list pods",
    "get deployments.apps, statefulsets.apps, replicasets.apps",
    "get namespaces",
    "list events",
    "create, get, patch, delete stresschaos.chaos-mesh.org",
)


class StressParameters(InstanceParameters):
    """Which instances, and how many stressors in each."""

    all: Annotated[StrictBool, Field(description="Every instance that may be touched.")] = False
    workers: Annotated[int, Field(ge=1, le=256, strict=True, description="How many stressors in each instance.")] = 1
    container: Annotated[
        str | None, Field(min_length=1, description="On Kubernetes: this container of the pods; the first unless said.")
    ] = None

    @model_validator(mode="after")
    def _all_or_some(self) -> Self:
        given = [name for name in ("count", "percent", "instance") if getattr(self, name) is not None]
        if self.all and given:
            raise ValueError(f"only one of all and {given[0]} can be given")
        return self


class CpuStressParameters(StressParameters):
    load: Annotated[
        int, Field(ge=1, le=100, strict=True, description="Percent of a processor that each stressor takes.")
    ] = 100


DECLARATION = FaultDeclaration(
    name="cpu-stress",
    summary="Instances of a service are short of processor time",
    parameters=CpuStressParameters,
    one_shot=False,
    description=(
        "Something inside of the instances uses the processor that the service needs, as a runaway thread or a noisy "
        "neighbour does: it answers, later and later. Autoscalers that go by CPU take it for load."
    ),
    example="""\
at: 30s
fault: cpu-stress
with: {service: checkout, percent: 50, workers: 2, load: 80}
for: 3m
""",
    backends={
        "kubernetes/chaos-mesh": Backend(
            plan="gameday.faults.chaos_mesh.stress:plan_cpu",
            needs="gameday.faults.chaos_mesh.stress:needs",
            touches="pods, by name: one StressChaos of the fault's own",
            undone_by="pausing the StressChaos, waiting until it has recovered, deleting it",
            effective_when="Chaos Mesh says AllInjected, and every one of these pods is Injected",
            recovered_when="the StressChaos is gone, which Chaos Mesh lets it be only when all pods have recovered",
            permissions=PERMISSIONS,
        ),
    },
)
