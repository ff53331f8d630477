"""What became of the action items of earlier exercises: reads their journals, and nothing of them but action items."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gameday.debrief.view import PreviousAction
from gameday.debrief.words import clean, day, line
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.exercise.state import ActionItem

if TYPE_CHECKING:
    from gameday.store.store import Store

_LOOKED_AT = 50
"""Earlier exercises whose action items are looked at, the newest first."""


def previous_actions(store: Store, records: Sequence[Record]) -> tuple[PreviousAction, ...]:
    """The action items of earlier exercises of the same scenario, and of any that named this scenario to show it.

    The oldest first. `records` is the journal of the exercise that the debrief is about.
    """
    if not records:
        return ()
    first = records[0]
    ident, name = getattr(first.event, "exercise", ""), getattr(first.event, "name", "")
    summaries = [one for one in store.exercises(_LOOKED_AT * 2) if one.started_at < first.wall and one.id != ident]
    earlier = {one.id: one for one in reversed(summaries[:_LOOKED_AT])}
    journals = store.records_of_kinds(list(earlier), ("action_added", "action_closed"))
    return tuple(
        _previous(exercise, earlier[exercise].scenario, earlier[exercise].started_at, item, first.wall)
        for exercise, found in journals.items()
        for item in fold(found).actions.values()
        if name in (earlier[exercise].scenario, item.retest)
    )


def _previous(exercise: str, scenario: str, started: float, item: ActionItem, now: float) -> PreviousAction:
    """As things stand in the earlier journal, with the age that it had when this exercise began."""
    still = item.closed is None
    return PreviousAction(
        exercise=line(exercise, 120),
        scenario=line(scenario, 120),
        held=day(started),
        action=line(item.action, 40),
        what=clean(item.what),
        owner=line(item.owner, 120),
        due=line(item.due, 40),
        open=still,
        how=clean(item.how),
        days=max(0, round((min(now, item.closed.wall if item.closed else now) - item.added.wall) / 86400)),
        overdue=still and item.due < datetime.fromtimestamp(now, UTC).date().isoformat(),
    )
