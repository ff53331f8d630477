"""One row per exercise: what lists, warnings and the choice of an exercise need without reading a journal."""

from __future__ import annotations

import difflib
import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from gameday.store.address import Address
from gameday.store.errors import Ambiguous, NoSuchExercise
from gameday.store.holder import Holder, Lease
from gameday.store.tables import exercises

Status = Literal["running", "paused", "interrupted", "completed", "failed", "aborted", "leaked", "refused"]
UNDER_WAY = ("running", "paused")


@dataclass(frozen=True, slots=True)
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


def lease_from(row: RowMapping) -> Lease:
    holder = None
    if row["pid"] is not None:
        holder = Holder(row["pid"], row["start_ticks"], row["host"], row["boot_id"])
    return Lease(exercise=row["id"], epoch=row["epoch"], holder=holder, renewed_at=row["renewed_at"])


def _summary_from(row: RowMapping) -> Summary:
    names = (name for name in Summary.__dataclass_fields__ if name != "lease")
    return Summary(**{name: row[name] for name in names}, lease=lease_from(row))


def listed(connection: Connection, *wanted: ColumnElement[bool], limit: int | None = None) -> list[Summary]:
    """Newest first."""
    query = select(exercises).where(*wanted).order_by(exercises.c.started_at.desc(), exercises.c.id.desc())
    return [_summary_from(row) for row in connection.execute(query.limit(limit)).mappings()]


def one(connection: Connection, exercise: str, address: Address) -> Summary:
    row = connection.execute(select(exercises).where(exercises.c.id == exercise)).mappings().one_or_none()
    if row is None:
        raise missing(connection, exercise, address)
    return _summary_from(row)


def missing(connection: Connection, wanted: str, address: Address) -> NoSuchExercise:
    """The error that names the ids nearest to `wanted`."""
    known = connection.execute(select(exercises.c.id).order_by(exercises.c.started_at.desc()).limit(1000)).scalars()
    return NoSuchExercise(wanted, address.shown, difflib.get_close_matches(wanted, list(known), n=3, cutoff=0.5))


def resolve(connection: Connection, wanted: str | None, address: Address) -> str:
    """The id meant by an id, by the beginning of one, or by nothing (the latest that runs, else the latest)."""
    if not wanted:
        found = listed(connection, exercises.c.status.in_(UNDER_WAY), limit=1) or listed(connection, limit=1)
        if not found:
            raise NoSuchExercise("", address.shown)
        return found[0].id
    # SQLite compares without case here; an id is taken as typed.
    query = select(exercises.c.id).where(exercises.c.id.startswith(wanted, autoescape=True)).order_by(exercises.c.id)
    matches = [id_ for id_ in connection.execute(query).scalars() if id_.startswith(wanted)]
    if wanted in matches:
        return wanted
    if not matches:
        raise missing(connection, wanted, address)
    if len(matches) > 1:
        raise Ambiguous(wanted, matches)
    return str(matches[0])
