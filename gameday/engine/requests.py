"""What somebody may ask of a running engine. Rows in the inbox; the engine turns them into events.

Abort has a way of its own (socket, signal); its row here is only the fallback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gameday.exercise.events import NoteClass
from gameday.frozen import asdict, frozen


@frozen
class Mark:
    """Stamp a milestone that happened `ago` seconds before the request was made."""

    milestone: str
    ago: float = 0.0
    partial: bool = False
    note: str = ""
    detection: str | None = None


@frozen
class Withdraw:
    stamp: int
    reason: str = ""


@frozen
class Move:
    """Stamp again what was stamped too late, `by` seconds earlier, and withdraw the late one: both or neither."""

    stamp: int
    by: float


@frozen
class TakeNote:
    text: str
    category: NoteClass = "unclassified"
    audience: str = ""
    ago: float = 0.0


@frozen
class Classify:
    note: int
    category: NoteClass


@frozen
class Release:
    """Let a manual or waiting entry go now."""

    entry: str


@frozen
class Skip:
    entry: str
    reason: str = ""


@frozen
class Improvise:
    """Tell people something that is not in the script."""

    text: str
    audience: tuple[str, ...] = ()


@frozen
class Hint:
    entry: str


@frozen
class UndoNow:
    """Take one fault away before its time."""

    entry: str


@frozen
class TakeRole:
    role: str
    who: str


@frozen
class Pause:
    reason: str = ""


@frozen
class Continue:
    pass


@frozen
class Close:
    """The facilitator ends the exercise."""


@frozen
class Abort:
    reason: str = ""


Request = (
    Mark
    | Withdraw
    | Move
    | TakeNote
    | Classify
    | Release
    | Skip
    | Improvise
    | Hint
    | UndoNow
    | TakeRole
    | Pause
    | Continue
    | Close
    | Abort
)
_BY_NAME: dict[str, type[Any]] = {
    cls.__name__.lower(): cls
    for cls in (
        Mark,
        Withdraw,
        Move,
        TakeNote,
        Classify,
        Release,
        Skip,
        Improvise,
        Hint,
        UndoNow,
        TakeRole,
        Pause,
        Continue,
        Close,
        Abort,
    )
}


def to_json(request: Request) -> dict[str, Any]:
    """E.g. `{"ask": "mark", "milestone": "detected", "ago": 60.0, ...}`."""
    return {"ask": type(request).__name__.lower(), **asdict(request)}


def from_json(data: Mapping[str, Any]) -> Request:
    """The inverse; raises `ValueError` where `ask` is unknown or a field is missing or too many."""
    rest = dict(data)
    name = str(rest.pop("ask", ""))
    if name not in _BY_NAME:
        raise ValueError(f"unknown request {name!r}; known: {', '.join(sorted(_BY_NAME))}")
    if isinstance(rest.get("audience"), list):
        rest["audience"] = tuple(rest["audience"])
    try:
        made: Request = _BY_NAME[name](**rest)
    except TypeError as error:
        raise ValueError(f"request {name!r}: {error}") from None
    return made
