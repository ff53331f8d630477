"""The envelope of an event: when it happened, when that was written down, by whom; and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gameday.exercise.events import REGISTRY, Event, kind_of
from gameday.frozen import field_names, frozen


class JournalError(ValueError):
    """A stored event that can't be read; says which one and what to do."""


@frozen
class Record:
    """One line of the journal."""

    seq: int
    """1, 2, 3 … without a gap within an exercise."""
    wall: float
    """When it happened: unix seconds, UTC."""
    clock: float
    """When it happened: seconds on the exercise's clock (counts through suspend and through pauses)."""
    recorded: float
    """When it was written down: unix seconds. Later than `wall` for what was backdated."""
    epoch: int
    """The lease epoch of its writer."""
    source: str
    """Which process: engine, guardian, recover, console, cli."""
    actor: str
    """Which person or condition, or empty."""
    event: Event

    @property
    def kind(self) -> str:
        return kind_of(self.event)


def body_of(event: Event) -> dict[str, Any]:
    """The event's own fields as JSON."""
    return {name: getattr(event, name) for name in _FIELDS[type(event)]}


_FIELDS: dict[type[Event], tuple[str, ...]] = {cls: field_names(cls) for cls in REGISTRY.values()}


def event_from(kind: str, body: Mapping[str, Any]) -> Event:
    """The event of `kind` with the fields in `body`; fields that a newer version added are left out.

    Raises:
        JournalError: an unknown kind, or a field that is missing.
    """
    cls = REGISTRY.get(kind)
    if cls is None:
        raise JournalError(f"the journal holds an event {kind!r} that is unknown here: use a newer gameday")
    names = _FIELDS[cls]
    try:
        return cls(**{name: value for name, value in body.items() if name in names})
    except TypeError as error:
        raise JournalError(f"event {kind!r} in the journal is incomplete: {error}") from None


def to_json(record: Record) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "wall": record.wall,
        "clock": record.clock,
        "recorded": record.recorded,
        "epoch": record.epoch,
        "source": record.source,
        "actor": record.actor,
        "kind": record.kind,
        "body": body_of(record.event),
    }


def from_json(data: Mapping[str, Any]) -> Record:
    try:
        return Record(
            seq=int(data["seq"]),
            wall=float(data["wall"]),
            clock=float(data["clock"]),
            recorded=float(data["recorded"]),
            epoch=int(data["epoch"]),
            source=str(data["source"]),
            actor=str(data["actor"]),
            event=event_from(data["kind"], data["body"]),
        )
    except KeyError as error:
        raise JournalError(f"a record in the journal has no {error}") from None
