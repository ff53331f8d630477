"""Faults of a cluster that a Toxiproxy does which stands in front of its services: the same as on a target of its own.

Nothing in the cluster is asked or changed, so neither rights nor limits of pods matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gameday.cluster.services import service
from gameday.engine.ports import Json
from gameday.faults import dependency_outage, latency


def plan_latency(
    target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]
) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    return _through(latency.plan, target, params, context)


def plan_outage(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    return _through(dependency_outage.plan, target, params, context)


def _through(
    how: Callable[..., dict[str, Any]],
    target: Mapping[str, Json],
    params: Mapping[str, Json],
    context: Mapping[str, Json],
) -> dict[str, Json]:
    """`how`, for the service's proxy, which may go by another name."""
    its = service(target, str(params["service"]))
    proxy = its.proxy or its.name
    names = {name: address for name, address in target["names"].items() if name != proxy}
    address = target["names"].get(its.name)
    if address is not None:
        names[proxy] = address
    seen = {**target, "services": [*target["services"], proxy], "names": names}
    made = how(seen, {**params, "service": proxy}, context)
    summary = made["summary"] if proxy == its.name else f"{made['summary']}, the proxy of {its.name}"
    notes = [f"only what goes through proxy {proxy} at {target['settings']['proxy']} notices"]
    if address is not None and address.startswith(("http://", "https://")):
        notes.append(f"verified by requests to {address}, which has to lead through that proxy, too")
    return {**made, "summary": summary, "notes": notes}
