"""Disk latency: what instances of a service read from a volume, or write to it, takes longer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gameday.engine.ports import Backend
from gameday.faults.declaration import FaultDeclaration
from gameday.faults.supervised import InstanceParameters
from gameday.scenario.fields import Duration

_Path = Annotated[str, Field(pattern="^/", max_length=1024)]


class DiskLatencyParameters(InstanceParameters):
    """Of every instance, unless `count`, `percent` or `instance` say which."""

    volume: Annotated[_Path, Field(description="Where the volume is mounted in the instances, e.g. /var/lib/data.")]
    delay: Annotated[Duration, Field(ge=0.001, description="How much longer each read or write takes.")]
    share: Annotated[float, Field(ge=0.01, le=1, strict=True, description="Share of the operations, 0.01 to 1.")] = 1.0
    files: Annotated[_Path | None, Field(description="Only these files of it: a pattern, e.g. /var/lib/data/*.")] = None
    container: Annotated[
        str | None, Field(min_length=1, description="On Kubernetes: this container of the pods; the first unless said.")
    ] = None


DECLARATION = FaultDeclaration(
    name="disk-latency",
    summary="A service's disk is slow",
    parameters=DiskLatencyParameters,
    one_shot=False,
    description=(
        "Reads and writes on one volume take longer, as on a disk that fails, or one that others use up. Databases "
        "feel it first: what waits for a write keeps its locks meanwhile. Of every instance, unless `count`, `percent` "
        "or `instance` say which."
    ),
    example="""\
at: 30s
fault: disk-latency
with: {service: orders-db, count: 1, volume: /var/lib/data, delay: 100ms, share: 0.5}
for: 3m
""",
    backends={
        "kubernetes/chaos-mesh": Backend(
            plan="gameday.faults.chaos_mesh.disk:plan",
            needs="gameday.faults.chaos_mesh.disk:needs",
            touches="pods, by name: one IOChaos of the fault's own, which delays what is read and written on a volume",
            undone_by="pausing the IOChaos, waiting until it has recovered, deleting it",
            effective_when="Chaos Mesh says AllInjected, and every one of these pods is Injected",
            recovered_when="the IOChaos is gone, which Chaos Mesh lets it be only when all pods have recovered",
            permissions=(
                "list pods",
                "get deployments.apps, statefulsets.apps, replicasets.apps",
                "get namespaces",
                "list events",
                "create, get, patch, delete iochaos.chaos-mesh.org",
            ),
        ),
    },
)
