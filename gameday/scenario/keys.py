"""Keys of a scenario file that several rooms know by name, and what an entry is called. Imports no models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gameday.scenario.models import Entry

PROBES = ("http", "prometheus", "metrics", "tcp", "process", "measure", "activity")
"""Of a probe: exactly one says what is asked."""
TOLERANCES = ("equals", "above", "below", "between", "matches", "status")
"""Of a tolerance: what an answer must be."""
NoDataRule = Literal["trip", "ok", "hold"]
NO_DATA: NoDataRule = "trip"
"""What it counts as that there is no number, where nothing is said of it."""


def entry_name(entry: Entry, index: int) -> str:
    """The id of timeline entry `index` (from 0): its own, or `fault-3`, `inject-3`, `check-3` counted from 1."""
    return entry.id or f"{'fault' if entry.fault else 'check' if entry.check else 'inject'}-{index + 1}"
