"""Node cordon: nodes take no new pods, as before maintenance, or when an autoscaler can't follow."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StrictInt, model_validator

from gameday.engine.ports import Backend
from gameday.faults.declaration import FaultDeclaration
from gameday.faults.parameters import Parameters, Service


class NodeCordonParameters(Parameters):
    service: Annotated[
        Service | None, Field(description="Nodes that run pods of this service; drawn by the run's seed.")
    ] = None
    node: Annotated[str | None, Field(min_length=1, description="This very node.")] = None
    count: Annotated[StrictInt, Field(ge=1, description="How many of the service's nodes.")] = 1

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> Self:
        if (self.node is None) == (self.service is None):
            raise ValueError("name a node, or a service whose pods' nodes are meant: one of the two")
        if self.node is not None and self.count != 1:
            raise ValueError("count goes with service: a node that is named is one")
        return self


DECLARATION = FaultDeclaration(
    name="node-cordon",
    summary="Nodes take no new pods",
    parameters=NodeCordonParameters,
    one_shot=False,
    description=(
        "What runs on the nodes goes on, and no pod is placed there any more: whatever is killed or scaled up "
        "meanwhile has to fit elsewhere. On its own it does little; together with pod-kill it shows whether the rest "
        "has room."
    ),
    example="""\
at: 30s
fault: node-cordon
with: {service: checkout, count: 1}
for: 5m
""",
    backends={
        "kubernetes/api": Backend(
            plan="gameday.faults.kubernetes.node_cordon:plan",
            needs="gameday.faults.kubernetes.node_cordon:needs",
            touches="nodes: spec.unschedulable; never all that take pods, nor more of them than limits.percent allows",
            undone_by="taking spec.unschedulable away again",
            effective_when="every one of the nodes is unschedulable",
            recovered_when="every one of the nodes is as it was",
            permissions=(
                "get, list, patch nodes (in the whole cluster: nodes are in no namespace)",
                "with service: list pods; get deployments.apps, statefulsets.apps, replicasets.apps, services, "
                "namespaces",
            ),
        ),
    },
)
