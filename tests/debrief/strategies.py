"""Journals of any events in any order: what a debrief must bear, not what an engine would write."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

from hypothesis import strategies as st

from gameday.exercise import events as ev
from gameday.exercise.record import Record
from gameday.scenario.models import MILESTONES
from tests.debrief.journals import EVENING, started

NAMES = st.sampled_from(["payments-dark", "slow-inventory", "peak-hour", "support", "nobody", ""])
TEXT = st.text(max_size=20)
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "entry": NAMES,
    "milestone": st.sampled_from(MILESTONES),
    "name": st.sampled_from(["too many failed checkouts", "orders per minute collapse", "else"]),
    "plan": st.fixed_dictionaries({"summary": TEXT, "targets": st.lists(TEXT, max_size=2)}),
    "value": st.none() | st.floats() | st.integers() | TEXT | st.booleans(),
    "answer": st.sampled_from(["value", "nan", "unreachable"]),
    "index": st.integers(-1, 6),
    "stamp": st.integers(0, 30),
    "note": TEXT,
    "seconds": st.floats(0, 1e6),
    "starts_at": st.none(),
    "text": TEXT,
    "role": st.sampled_from(["incident-commander", "technical-lead"]),
}
KINDS = [cls for cls in ev.REGISTRY.values() if cls is not ev.ExerciseStarted]


def _field(cls: type[ev.Event], name: str, hint: Any) -> st.SearchStrategy[Any]:
    if cls is ev.CheckAnswered and name == "answer":
        return st.fixed_dictionaries({"kind": st.sampled_from(["value", "error"]), "value": SPECIAL["value"]})
    if cls is ev.NoteClassified and name == "note":
        return st.integers(0, 30)
    if name in SPECIAL:
        return SPECIAL[name]
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from(typing.get_args(hint))
    if hint is float or hint == float | None:
        return st.floats(0, 1e5)
    return {
        bool: st.booleans(),
        int: st.integers(0, 10),
        str: TEXT,
        str | None: st.none() | TEXT,
        list[str]: st.lists(TEXT, max_size=2),
    }.get(hint, st.none())


def _event(cls: type[ev.Event]) -> st.SearchStrategy[ev.Event]:
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{f.name: _field(cls, f.name, hints[f.name]) for f in dataclasses.fields(cls)})


EVENTS = st.one_of([_event(cls) for cls in KINDS])


@st.composite
def journals(draw: st.DrawFn) -> list[Record]:
    """A beginning and up to thirty events; clocks mostly rise, some are backdated."""
    records: list[Record] = []
    clock = 0.0
    first: ev.Event = started(attended=draw(st.booleans()))
    for event in [first, *draw(st.lists(EVENTS, max_size=30))]:
        clock += draw(st.floats(0, 500))
        at = clock - draw(st.sampled_from([0.0, 0.0, 0.0, 90.0]))
        records.append(
            Record(
                len(records) + 1,
                EVENING + at,
                at,
                EVENING + clock,
                1,
                "engine",
                draw(st.sampled_from(["", "Ada"])),
                event,
            )
        )
    return records
