"""DNS failure: names that a service looks up are not found, or lead somewhere else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gameday.engine.ports import Backend
from gameday.faults.declaration import FaultDeclaration
from gameday.faults.supervised import InstanceParameters

HostName = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9_?][A-Za-z0-9_?.-]*\*?)$", max_length=253)]


class DnsFailureParameters(InstanceParameters):
    """Of every instance, unless `count`, `percent` or `instance` say which."""

    names: Annotated[
        tuple[HostName, ...],
        Field(description="Host names that it holds for, ? for one letter, * at the end; all of them unless said."),
    ] = ()
    answer: Annotated[
        Literal["error", "random"], Field(description="Look-ups fail, or are answered with a random address.")
    ] = "error"


DECLARATION = FaultDeclaration(
    name="dns-failure",
    summary="A service can't look up names",
    parameters=DnsFailureParameters,
    one_shot=False,
    description=(
        "The instances of a service ask for a name and get an error, or a wrong address. What is connected stays so: "
        "it is new connections that fail, so the fault creeps in as pools are refilled. Of every instance, unless "
        "`count`, `percent` or `instance` say which."
    ),
    example="""\
at: 30s
fault: dns-failure
with: {service: checkout, names: ["payments.example.com"]}
for: 3m
""",
    backends={
        "kubernetes/chaos-mesh": Backend(
            plan="gameday.faults.chaos_mesh.dns:plan",
            needs="gameday.faults.chaos_mesh.dns:needs",
            touches="pods, by name: one DNSChaos of the fault's own",
            undone_by="pausing the DNSChaos, waiting until it has recovered, deleting it",
            effective_when="Chaos Mesh says AllInjected, and every one of these pods is Injected",
            recovered_when="the DNSChaos is gone, which Chaos Mesh lets it be only when all pods have recovered",
            permissions=(
                "list pods",
                "get deployments.apps, statefulsets.apps, replicasets.apps",
                "get namespaces",
                "list events",
                "create, get, patch, delete dnschaos.chaos-mesh.org",
            ),
        ),
    },
)
