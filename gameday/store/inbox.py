"""Requests to a running engine, and its answers, inside the caller's transaction. What they mean is the engine's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from gameday.errors import StoreError
from gameday.store.address import Address
from gameday.store.codec import json_text, plain
from gameday.store.errors import StoreCorrupt
from gameday.store.summaries import missing
from gameday.store.tables import exercises, inbox


@dataclass(frozen=True, slots=True)
class InboxRow:
    id: int
    exercise: str
    request: dict[str, Any]
    source: str
    actor: str
    wall: float
    """When it was asked: unix seconds."""


def post(
    connection: Connection,
    address: Address,
    exercise: str,
    request: dict[str, Any],
    *,
    source: str,
    actor: str,
    wall: float,
) -> int:
    if not connection.execute(select(exercises.c.id).where(exercises.c.id == exercise)).first():
        raise missing(connection, exercise, address)
    row = {
        "exercise": exercise,
        "request": json_text(request, "the request"),
        "source": plain(source),
        "actor": plain(actor),
        "wall": wall,
    }
    made = connection.execute(insert(inbox).values(**row)).inserted_primary_key
    assert made is not None
    return int(made[0])


def waiting(connection: Connection, exercise: str) -> bool:
    query = select(inbox.c.id).where(inbox.c.exercise == exercise, inbox.c.taken_at.is_(None)).limit(1)
    return connection.execute(query).first() is not None


def take(connection: Connection, exercise: str, limit: int, now: float) -> list[InboxRow]:
    columns = (inbox.c.id, inbox.c.exercise, inbox.c.request, inbox.c.source, inbox.c.actor, inbox.c.wall)
    query = select(*columns).where(inbox.c.exercise == exercise, inbox.c.taken_at.is_(None)).order_by(inbox.c.id)
    rows = [
        InboxRow(id_, of, _loaded(request, id_), source, actor, wall)
        for id_, of, request, source, actor, wall in connection.execute(query.limit(limit))
    ]
    taken = update(inbox).where(inbox.c.id.in_([row.id for row in rows])).values(taken_at=now)
    connection.execute(taken)
    return rows


def answer(connection: Connection, row_id: int, given: dict[str, Any]) -> None:
    text = json_text(given, "the answer")
    if connection.execute(update(inbox).where(inbox.c.id == row_id).values(answer=text)).rowcount != 1:
        raise StoreError(f"there is no request {row_id} to answer")


def answer_of(connection: Connection, row_id: int) -> dict[str, Any] | None:
    text = connection.execute(select(inbox.c.answer).where(inbox.c.id == row_id)).scalar_one_or_none()
    return None if text is None else _loaded(text, row_id)


def _loaded(text: str, row_id: int) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise StoreCorrupt(f"request {row_id} in the inbox can't be read: {error}") from error
    if not isinstance(found, dict):
        raise StoreCorrupt(f"request {row_id} in the inbox is no JSON object")
    return found
