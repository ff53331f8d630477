"""Questions to an SQLite store that change nothing in it, so that every command can ask: what stands, what runs?

Reads only; a store that is not there, locked or of another schema has nothing to say here (opening it properly does).
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from gameday.frozen import frozen
from gameday.store.holder import Holder

_QUERY = """
SELECT id, scenario, target, unrecovered, pid, start_ticks, host, boot_id, renewed_at
FROM gameday_exercises WHERE unrecovered > 0 ORDER BY started_at
"""


_BUSY = "SELECT 1 FROM gameday_exercises WHERE unrecovered > 0 OR status IN ('running', 'paused') LIMIT 1"

LOCKED = 0.5
"""Seconds to wait for whoever has it locked: a fault that stands must not go unsaid for a write that takes a while."""


@frozen
class Standing:
    """Faults of one exercise that nobody looks after."""

    exercise: str
    scenario: str
    target: str
    faults: int


def standing(path: Path) -> list[Standing]:
    """Exercises in the store at `path` with faults that are not recovered and whose engine does not live."""
    if not path.is_file() or path.stat().st_size == 0:
        # The log beside an empty file would be gone once SQLite has opened it.
        return []
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=LOCKED)
        try:
            rows = connection.execute(_QUERY).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return []
    found = []
    for exercise, scenario, target, faults, pid, ticks, host, boot, renewed in rows:
        if pid is None or not Holder(pid, ticks, host, boot).alive(renewed, time.time()):
            found.append(Standing(exercise, scenario, target, faults))
    return found


def idle(path: Path) -> bool:
    """Whether the store at `path` surely has no exercise under way and no fault that stands; in doubt False."""
    try:
        if path.stat().st_size == 0:
            return False
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=LOCKED)
        try:
            return connection.execute(_BUSY).fetchone() is None
        finally:
            connection.close()
    except (sqlite3.Error, OSError, ValueError):
        return False
