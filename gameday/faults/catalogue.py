"""All faults that there are. To add one: its file, and one line here.

Importing this loads declarations only; what a fault needs in order to run is loaded where it runs.
"""

from __future__ import annotations

from gameday.faults import (
    cpu_stress,
    dependency_outage,
    disk_latency,
    dns_failure,
    error_rate,
    latency,
    memory_stress,
    network_partition,
    node_cordon,
    pod_freeze,
    pod_kill,
    rollout_break,
)
from gameday.faults.declaration import FaultDeclaration

_DECLARATIONS = (
    pod_kill.DECLARATION,
    pod_freeze.DECLARATION,
    latency.DECLARATION,
    dependency_outage.DECLARATION,
    error_rate.DECLARATION,
    dns_failure.DECLARATION,
    cpu_stress.DECLARATION,
    memory_stress.DECLARATION,
    disk_latency.DECLARATION,
    network_partition.DECLARATION,
    node_cordon.DECLARATION,
    rollout_break.DECLARATION,
)


def catalogue() -> dict[str, FaultDeclaration]:
    """The portable faults by the name that stands in a scenario, e.g. `latency`."""
    return {declaration.name: declaration for declaration in _DECLARATIONS}


def all_faults() -> dict[str, FaultDeclaration]:
    """The same and `activity`, which is no portable fault: it does the same on every target, or fails."""
    from gameday.faults import activity

    return {**catalogue(), activity.DECLARATION.name: activity.DECLARATION}
