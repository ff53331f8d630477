"""Between a `Record` and a row of `gameday_events`. Reading is a tight loop: consoles and debriefs read it all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from gameday.errors import StoreError
from gameday.exercise.events import REGISTRY
from gameday.exercise.record import JournalError, Record, body_of, event_from
from gameday.store.errors import StoreCorrupt


def json_text(value: Any, what: str) -> str:
    """ASCII JSON. What is no JSON value is kept as its `repr` rather than refused: a fact is worth more than its form.

    Raises:
        StoreError: nothing can be made of it (a cycle, a number of thousands of digits).
    """
    try:
        return json.dumps(value, separators=(",", ":"), default=repr)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{what} can't be written as JSON: {error}") from error


def plain(text: str) -> str:
    """`text` as any database takes it: a NUL or half a surrogate pair (a terminal's odd bytes) is spelled out."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def row_of(exercise: str, record: Record) -> dict[str, Any]:
    return {
        "exercise": exercise,
        "seq": record.seq,
        "wall": record.wall,
        "clock": record.clock,
        "recorded": record.recorded,
        "epoch": record.epoch,
        "source": plain(record.source),
        "actor": plain(record.actor),
        "kind": record.kind,
        "body": json_text(body_of(record.event), f"event {record.kind!r}"),
    }


COLUMNS = ("seq", "wall", "clock", "recorded", "epoch", "source", "actor", "kind", "body")
"""In this order `records_from` wants a row."""


def records_from(rows: Iterable[Sequence[Any]], exercise: str) -> list[Record]:
    """The records of rows as read from the store.

    Raises:
        StoreCorrupt: a row that can't be read; names it.
    """
    loads = json.loads
    made: list[Record] = []
    add = made.append
    for seq, wall, clock, recorded, epoch, source, actor, kind, text in rows:
        try:
            body = loads(text)
            try:
                event = REGISTRY[kind](**body)
            except (KeyError, TypeError):
                # The slow way: leaves out what a newer version added, or says what is wrong.
                event = event_from(kind, body)
        except (JournalError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise StoreCorrupt(f"record {seq} of exercise {exercise} can't be read: {error}") from error
        add(Record(seq, wall, clock, recorded, epoch, source, actor, event))
    return made
