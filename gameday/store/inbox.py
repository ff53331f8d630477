"""Requests to a running engine, and its answers, inside the caller's transaction. What they mean is the engine's."""

from __future__ import annotations

import json
from typing import Any

from gameday.errors import StoreError
from gameday.frozen import frozen
from gameday.store.address import Address
from gameday.store.codec import json_text, plain
from gameday.store.connection import Connection
from gameday.store.errors import StoreCorrupt
from gameday.store.summaries import missing
from gameday.store.tables import insert_into


@frozen
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
    if not connection.row("SELECT id FROM gameday_exercises WHERE id = :id", id=exercise):
        raise missing(connection, exercise, address)
    row = {
        "exercise": exercise,
        "request": json_text(request, "the request"),
        "source": plain(source),
        "actor": plain(actor),
        "wall": wall,
    }
    return connection.add(insert_into("gameday_inbox", row), **row)


def waiting(connection: Connection, exercise: str) -> bool:
    query = "SELECT id FROM gameday_inbox WHERE exercise = :exercise AND taken_at IS NULL LIMIT 1"
    return connection.row(query, exercise=exercise) is not None


def take(connection: Connection, exercise: str, limit: int, now: float) -> list[InboxRow]:
    query = (
        "SELECT id, exercise, request, source, actor, wall FROM gameday_inbox "
        "WHERE exercise = :exercise AND taken_at IS NULL ORDER BY id LIMIT :most"
    )
    rows = [
        InboxRow(id_, of, _loaded(request, id_), source, actor, wall)
        for id_, of, request, source, actor, wall in connection.rows(query, exercise=exercise, most=limit)
    ]
    # Just these: on a server one with a smaller number may have come meanwhile.
    taken = "UPDATE gameday_inbox SET taken_at = :now WHERE id = :id"
    connection.run_each(taken, [{"now": now, "id": row.id} for row in rows])
    return rows


def answer(connection: Connection, row_id: int, given: dict[str, Any]) -> None:
    text = json_text(given, "the answer")
    if connection.run("UPDATE gameday_inbox SET answer = :text WHERE id = :id", text=text, id=row_id) != 1:
        raise StoreError(f"there is no request {row_id} to answer")


def answer_of(connection: Connection, row_id: int) -> dict[str, Any] | None:
    text = connection.value("SELECT answer FROM gameday_inbox WHERE id = :id", id=row_id)
    return None if text is None else _loaded(text, row_id)


def _loaded(text: str, row_id: int) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise StoreCorrupt(f"request {row_id} in the inbox can't be read: {error}") from error
    if not isinstance(found, dict):
        raise StoreCorrupt(f"request {row_id} in the inbox is no JSON object")
    return found
