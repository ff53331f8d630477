"""Dependency outage on the plain API: which of its three ways is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gameday.cluster.marks import prepared
from gameday.cluster.services import Service, service
from gameday.engine.ports import Json
from gameday.faults.asked import read
from gameday.faults.declaration import Incapable
from gameday.faults.kubernetes import policies, policy_outage, scale_outage, service_outage
from gameday.faults.planning import instead

if TYPE_CHECKING:
    from gameday.faults.dependency_outage import DependencyOutageParameters, Way


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    asked: DependencyOutageParameters = read(params)
    its = service(target, asked.service)
    match way(asked, its, target):
        case "service":
            return service_outage.needs(its)
        case "scale":
            return scale_outage.needs(its)
        case "policy":
            return policies.needs(its)


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: DependencyOutageParameters = read(params)
    its = service(target, asked.service)
    chosen = way(asked, its, target)
    rights = needs(target, params)
    api = prepared(target["settings"]["cluster"])
    match chosen:
        case "service":
            return service_outage.plan(api, its, target, context, rights).to_json()
        case "scale":
            return scale_outage.plan(api, its, target, context, rights).to_json()
        case "policy":
            return policy_outage.plan(api, its, target, context, rights).to_json()


def way(asked: DependencyOutageParameters, its: Service, target: Mapping[str, Json]) -> Way:
    """How the outage is made: as asked, else by what `mode` means, else by what is known of the service.

    Raises:
        ValueError: it runs outside of the cluster, or nothing is known of it that an outage could be made with.
    """
    if not (its.service or its.workload or its.selector):
        if its.external:
            raise Incapable(
                f"{its.name} is outside of the cluster ({', '.join(its.external)}): a NetworkPolicy can't take one "
                f"destination away without touching other traffic. {instead('dependency-outage', target)}"
            )
        raise ValueError(
            f"what {its.name} is in the cluster is not known: say so under {its.table}, "
            f'service = "…" or workload = "deployment/…"'
        )
    if asked.by is not None:
        return asked.by
    if asked.mode == "blackhole":
        return "policy"
    return "service" if its.service else "scale"
