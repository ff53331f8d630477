"""Network partition: a service is cut off from everybody, or from one other service."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from gameday.engine.ports import Backend
from gameday.faults.declaration import FaultDeclaration
from gameday.faults.parameters import Parameters, Service

Direction = Literal["both", "in", "out"]


class NetworkPartitionParameters(Parameters):
    # `from` is no name that Python lets a field have.
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    service: Service
    from_: Annotated[
        Service | None,
        Field(alias="from", description="The other service; without it the service is cut off from everybody."),
    ] = None
    direction: Annotated[
        Direction,
        Field(description="in: what the service is sent; out: what it sends itself; both. As seen from `service`."),
    ] = "both"
    count: Annotated[
        int | None,
        Field(ge=1, strict=True, description="By Chaos Mesh: this many instances of `service`, chosen at random."),
    ] = None
    percent: Annotated[
        float | None,
        Field(gt=0, le=100, strict=True, description="By Chaos Mesh: this share of them, rounded down."),
    ] = None

    @model_validator(mode="after")
    def _two_sides(self) -> Self:
        if self.from_ == self.service:
            raise ValueError(f"{self.service} can't be cut off from itself: name another service under from")
        if self.count is not None and self.percent is not None:
            raise ValueError("only one of count and percent can be given")
        return self


DECLARATION = FaultDeclaration(
    name="network-partition",
    summary="A service is cut off from everybody, or from one other",
    parameters=NetworkPartitionParameters,
    one_shot=False,
    services=("service", "from"),
    description=(
        "Both sides are healthy, and neither hears the other: packets vanish, nothing is refused. Callers without a "
        "timeout hang, and what elects a leader may elect two."
    ),
    example="""\
at: 30s
fault: network-partition
with: {service: payments, from: checkout}
for: 5m
effective:
  http: {url: "${checkout}/pay"}
  expect: {status: [502, 503, 504]}
""",
    backends={
        "kubernetes/api": Backend(
            plan="gameday.faults.kubernetes.network_partition:plan",
            needs="gameday.faults.kubernetes.network_partition:needs",
            touches="one NetworkPolicy of the fault's own for each side that is cut off",
            undone_by="deleting those policies",
            effective_when=(
                "the policies are set, and the service's address no longer answers from here, or this entry's own "
                "`effective` check holds"
            ),
            recovered_when="the policies are gone, and the address answers again where it was asked",
            permissions=(
                "get namespaces",
                "list pods",
                "list, get, create, patch, delete networkpolicies.networking.k8s.io",
                "get deployments.apps, statefulsets.apps, replicasets.apps",
                "get services, where nothing but a Service is known",
            ),
        ),
        "kubernetes/chaos-mesh": Backend(
            plan="gameday.faults.chaos_mesh.partition:plan_partition",
            needs="gameday.faults.chaos_mesh.partition:needs_partition",
            touches="pods, by name: one NetworkChaos of the fault's own, which drops what they send each other",
            undone_by="pausing the NetworkChaos, waiting until it has recovered, deleting it",
            effective_when=(
                "Chaos Mesh says AllInjected, and every one of these pods is Injected; where the service has an "
                "address, and nobody is to reach it, it doesn't answer"
            ),
            recovered_when="the NetworkChaos is gone, which Chaos Mesh lets it be only when all pods have recovered",
            permissions=(
                "list pods",
                "get deployments.apps, statefulsets.apps, replicasets.apps",
                "get namespaces",
                "list events",
                "create, get, patch, delete networkchaos.chaos-mesh.org",
            ),
        ),
    },
)
