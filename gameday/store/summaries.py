"""One row per exercise: what lists, warnings and the choice of an exercise need without reading a journal."""

from __future__ import annotations

import re
import time
from typing import Literal

from gameday.frozen import frozen
from gameday.store.address import Address
from gameday.store.connection import Connection, Row
from gameday.store.errors import Ambiguous, NoSuchExercise
from gameday.store.holder import Holder, Lease

Status = Literal["running", "paused", "interrupted", "completed", "failed", "aborted", "leaked", "refused"]
UNDER_WAY = "status IN ('running', 'paused')"
LEASE = ("epoch", "pid", "start_ticks", "host", "boot_id", "renewed_at")
"""In this order `lease_from` wants a row."""


@frozen
class Summary:
    id: str
    scenario: str
    """The scenario's name, e.g. `payment-outage`."""
    title: str
    target: str
    environment: str
    attended: bool
    status: str
    """A `Status`. It says what was written last; whether the writer lives, `lease` says."""
    started_at: float
    """Unix seconds, as `ended_at`."""
    ended_at: float | None
    verdict: str | None
    exit_code: int | None
    unrecovered: int
    """Faults that may still disturb the target: live ones and leaked ones."""
    last_seq: int
    lease: Lease

    @property
    def engine_alive(self) -> bool:
        return self.lease.held(time.time())


_SUMMARY = tuple(name for name in Summary.__annotations__ if name != "lease")


def lease_from(exercise: str, row: Row) -> Lease:
    epoch, pid, start_ticks, host, boot_id, renewed_at = row
    holder = None if pid is None else Holder(pid, start_ticks, host, boot_id)
    return Lease(exercise=exercise, epoch=epoch, holder=holder, renewed_at=renewed_at)


def listed(connection: Connection, where: str = "", limit: int | None = None, **values: str) -> list[Summary]:
    """Newest first; `where`: a condition, its values in `values`."""
    query = f"SELECT {', '.join(_SUMMARY + LEASE)} FROM gameday_exercises"
    if where:
        query += f" WHERE {where}"
    query += " ORDER BY started_at DESC, id DESC"
    if limit is not None:
        query += " LIMIT :most"
    found = []
    for row in connection.rows(query, **values, most=limit):
        said = dict(zip(_SUMMARY, row, strict=False))
        # SQLite has no boolean.
        said["attended"] = bool(said["attended"])
        found.append(Summary(**said, lease=lease_from(said["id"], row[len(_SUMMARY) :])))
    return found


def one(connection: Connection, exercise: str, address: Address) -> Summary:
    found = listed(connection, "id = :id", id=exercise)
    if not found:
        raise missing(connection, exercise, address)
    return found[0]


def missing(connection: Connection, wanted: str, address: Address) -> NoSuchExercise:
    """The error that names the ids nearest to `wanted`."""
    import difflib

    known = [id_ for (id_,) in connection.rows("SELECT id FROM gameday_exercises ORDER BY started_at DESC LIMIT 1000")]
    return NoSuchExercise(wanted, address.shown, difflib.get_close_matches(wanted, known, n=3, cutoff=0.5))


def resolve(connection: Connection, wanted: str | None, address: Address) -> str:
    """The id meant by an id, by the beginning of one, or by nothing (the latest that runs, else the latest)."""
    if not wanted:
        found = listed(connection, UNDER_WAY, limit=1) or listed(connection, limit=1)
        if not found:
            raise NoSuchExercise("", address.shown)
        return found[0].id
    pattern = re.sub("([/%_])", r"/\1", wanted) + "%"
    query = "SELECT id FROM gameday_exercises WHERE id LIKE :pattern ESCAPE '/' ORDER BY id"
    # SQLite compares without case here; an id is taken as typed.
    matches = [str(id_) for (id_,) in connection.rows(query, pattern=pattern) if id_.startswith(wanted)]
    if wanted in matches:
        return wanted
    if not matches:
        raise missing(connection, wanted, address)
    if len(matches) > 1:
        raise Ambiguous(wanted, matches)
    return matches[0]
