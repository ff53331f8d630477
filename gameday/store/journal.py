"""Writing and reading the events of an exercise. Each function works inside the caller's transaction.

The append is the hot path: one UPDATE that checks and renews the lease, finds the journal's end where it must be and
brings the summary up to date; one INSERT. Everything else here happens only when that UPDATE met no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from gameday.errors import StoreError
from gameday.exercise.events import (
    ExerciseEnded,
    ExerciseStarted,
    FaultArmed,
    FaultLeaked,
    FaultRecovered,
    FaultRefused,
    kind_of,
)
from gameday.exercise.record import Record
from gameday.store.address import Address
from gameday.store.codec import COLUMNS, plain, records_from, row_of
from gameday.store.connection import Connection
from gameday.store.errors import ExerciseExists, JournalGap, LeaseLost, StoreGone
from gameday.store.holder import Holder
from gameday.store.tables import EVENTS, assigned, insert_into

_TURNING = (FaultArmed, FaultRecovered, FaultRefused, FaultLeaked)
"""Events that change how many faults are not recovered."""
_READ = f"SELECT {', '.join(COLUMNS)} FROM gameday_events WHERE exercise = :exercise"
_WRITE = insert_into("gameday_events", EVENTS)


def create(connection: Connection, record: Record, holder: Holder, now: float) -> int:
    event = record.event
    if not isinstance(event, ExerciseStarted) or record.seq != 1:
        raise StoreError(f"a journal begins with exercise_started as record 1, not with {record.kind} {record.seq}")
    if connection.row("SELECT id FROM gameday_exercises WHERE id = :id", id=event.exercise):
        raise ExerciseExists(f"exercise {event.exercise} exists already: its id must be new")
    row = {
        "id": event.exercise,
        "scenario": plain(event.name),
        "title": plain(str(event.scenario.get("title") or event.name)),
        "target": plain(str(event.target.get("name") or "none")),
        "environment": plain(str(event.target.get("environment") or "")),
        "attended": event.attended,
        "status": "running",
        "started_at": record.wall,
        "unrecovered": 0,
        "last_seq": 1,
        "epoch": 1,
        "renewed_at": now,
        **holder_columns(holder),
    }
    connection.run(insert_into("gameday_exercises", row), **row)
    connection.run_each(_WRITE, [row_of(event.exercise, record)])
    return 1


def holder_columns(holder: Holder | None) -> dict[str, Any]:
    if holder is None:
        return {"pid": None, "start_ticks": None, "host": None, "boot_id": None}
    return {
        "pid": holder.pid,
        "start_ticks": holder.start_ticks,
        "host": plain(holder.host),
        "boot_id": holder.boot_id,
    }


def append(
    connection: Connection,
    address: Address,
    exercise: str,
    epoch: int,
    records: Sequence[Record],
    *,
    status: str | None,
    unrecovered: int | None,
    now: float,
) -> None:
    for before, after in pairwise(records):
        if after.seq != before.seq + 1:
            raise StoreError(f"records {before.seq} and {after.seq} of {exercise} don't follow each other")
    rows = [row_of(exercise, record) for record in records]
    changes = _summary_changes(records, status, unrecovered)
    if records:
        changes["last_seq"] = records[-1].seq
    changes["renewed_at"] = now
    claim = f"UPDATE gameday_exercises SET {assigned(changes)} WHERE id = :id AND epoch = :held"
    values = {**changes, "id": exercise, "held": epoch}
    if records:
        claimed = connection.run(f"{claim} AND last_seq = :before", **values, before=records[0].seq - 1)
    else:
        claimed = connection.run(claim, **values)
    if claimed != 1:
        rows = _not_yet_written(connection, address, exercise, epoch, rows)
        connection.run(claim, **values)
    if rows:
        connection.run_each(_WRITE, rows)
    if unrecovered is None and any(isinstance(record.event, _TURNING) for record in records):
        count = len(unrecovered_entries(connection, exercise))
        connection.run("UPDATE gameday_exercises SET unrecovered = :count WHERE id = :id", count=count, id=exercise)


def _summary_changes(records: Sequence[Record], status: str | None, unrecovered: int | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for record in records:
        if isinstance(record.event, ExerciseEnded):
            changes["ended_at"] = record.wall
            changes["verdict"] = changes["status"] = record.event.verdict
            changes["exit_code"] = record.event.exit_code
    if status is not None:
        changes["status"] = status
    if unrecovered is not None:
        changes["unrecovered"] = unrecovered
    return changes


def _not_yet_written(
    connection: Connection, address: Address, exercise: str, epoch: int, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Why the claim met nothing. A caller that never heard whether its last append went through may send it again:
    rows that stand there already, to the letter, are left out.
    """
    query = f"SELECT epoch, last_seq FROM gameday_exercises WHERE id = :id {connection.for_update}"
    found = connection.row(query, id=exercise)
    if found is None:
        raise StoreGone(
            f"{address.shown} knows no exercise {exercise} any more: it was removed or replaced while in use"
        )
    current, last_seq = found
    if current != epoch:
        raise LeaseLost(exercise, epoch, current)
    if not rows:
        return rows
    first = rows[0]["seq"]
    if first > last_seq + 1:
        raise JournalGap(exercise, last_seq, first)
    old = [row for row in rows if row["seq"] <= last_seq]
    query = f"SELECT {', '.join(EVENTS)} FROM gameday_events WHERE exercise = :exercise AND seq >= :first"
    found_there = connection.rows(f"{query} ORDER BY seq LIMIT :most", exercise=exercise, first=first, most=len(old))
    there = [dict(zip(EVENTS, row, strict=True)) for row in found_there]
    if there != old or last_seq > rows[-1]["seq"]:
        raise LeaseLost(exercise, epoch, current, f"record {first} is there already, written by somebody else")
    return rows[len(old) :]


def unrecovered_entries(connection: Connection, exercise: str) -> list[str]:
    """Entries whose fault was armed and is neither recovered nor known to have touched nothing."""
    open_entries: dict[str, None] = {}
    for record in of_kinds(connection, exercise, [kind_of(event) for event in _TURNING]):
        event = record.event
        if isinstance(event, FaultArmed | FaultLeaked):
            open_entries[event.entry] = None
        elif isinstance(event, FaultRecovered | FaultRefused):
            open_entries.pop(event.entry, None)
    return list(open_entries)


def of_kinds(connection: Connection, exercise: str, kinds: Sequence[str]) -> list[Record]:
    """Records of these kinds alone, in order; reads no other record's body."""
    values = {f"kind_{number}": kind for number, kind in enumerate(kinds)}
    # NULL is nothing's kind.
    among = ", ".join(f":{name}" for name in values) or "NULL"
    rows = connection.rows(f"{_READ} AND kind IN ({among}) ORDER BY seq", exercise=exercise, **values)
    return records_from(rows, exercise)


def read(connection: Connection, exercise: str, after: int, limit: int | None) -> list[Record]:
    query = f"{_READ} AND seq > :after ORDER BY seq"
    if limit is not None:
        query += " LIMIT :most"
    return records_from(connection.rows(query, exercise=exercise, after=after, most=limit), exercise)
