"""DNS failure: a DNSChaos, for which Chaos Mesh points the pods at its own DNS server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gameday.cluster.marks import prepared
from gameday.cluster.resources import DNS_CHAOS
from gameday.cluster.services import service
from gameday.engine.ports import Json
from gameday.faults.asked import read
from gameday.faults.chaos_mesh.experiment import Share, chosen, lasting, planned, reads, selected, writes

if TYPE_CHECKING:
    from gameday.faults.dns_failure import DnsFailureParameters


def needs(target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """See `gameday.engine.ports.Backend.needs`."""
    its = service(target, read(params).service)
    return [*reads(its), *writes(DNS_CHAOS, its.namespace)]


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked: DnsFailureParameters = read(params)
    its = service(target, asked.service)
    share = Share(asked.count, asked.percent, asked.instance)
    spec: dict[str, Json] = {"action": asked.answer, "duration": lasting("dns-failure", context)}
    choice = chosen(prepared(target["settings"]["cluster"]), "dns-failure", its, share, target, context)
    spec |= selected(choice)
    if asked.names:
        spec["patterns"] = list(asked.names)
    of = ", ".join(asked.names) if asked.names else "all names"
    how = "fails" if asked.answer == "error" else "leads to random addresses"
    return planned(
        DNS_CHAOS,
        its,
        spec,
        choice,
        target,
        context,
        summary=f"DNS of {of} {how} for {its.name}",
        permissions=needs(target, params),
        notes=(
            "needs Chaos Mesh's own DNS server (its Helm value dnsServer.create)",
            "connections that are open already, and names that a program keeps, go on working",
        ),
    )
