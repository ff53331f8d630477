"""What the target said of itself, as few rows as tell it: the timeline is for reading, the journal has every line.

Whole or not, rollouts and restarts have a row each. Single pods and events of one service that come close together are
one row with their numbers. Rollouts of before stand with their workload, not in the timeline. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from gameday.debrief.timeline import when
from gameday.debrief.view import BreachView, RecentRollout, Row, When, WholeView, WorkloadView
from gameday.debrief.words import clean, line, span, time_of_day, utc
from gameday.exercise import events as ev
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise, Moment
from gameday.exercise.wholeness import whole_again
from gameday.frozen import field, slotted

GAP = 5.0
"""Seconds without a word after which a new row begins."""
LONGEST = 30.0
"""Seconds that one row may stand for."""
_APART = 5.0
"""Seconds between the target's clock and ours from which its time is shown."""
_DETAILS = {"new": "new", "ready": "ready", "unready": "not ready", "gone": "gone"}
_REASONS = 3


@slotted
class _Group:
    place: int
    """Index of its row."""
    first: Record
    last: float
    alone: str
    """Its text while there is nothing else in it."""
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


@slotted
class ObservedRows:
    """Adds what was observed to `rows`, in the order of the journal."""

    rows: list[Row]
    groups: dict[tuple[str, ...], _Group] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Workloads that are not whole."""

    def add(self, record: Record, event: ev.TargetObserved) -> None:
        if event.what not in (*_DETAILS, "event", "recent"):
            # What comes after it is not told before it.
            self.groups.pop(_key(event), None)
        if event.what in ("whole", "not_whole"):
            self._state(record, event)
        elif event.what in ("rollout", "restart"):
            self._row(record, _text(record, event))
        elif event.what != "recent":
            self._detail(record, event)

    def _row(self, record: Record, text: str) -> None:
        at = when(record.wall, record.clock)
        self.rows.append(Row(seq=record.seq, at=at, lane="system", kind=record.kind, text=text, actor="", late=0.0))

    def _state(self, record: Record, event: ev.TargetObserved) -> None:
        before = event.thing in self.broken
        if event.what == "not_whole" and not before:
            self.broken.add(event.thing)
            self._row(record, f"{line(event.thing, 200)} is not whole: {line(event.text)}")
        elif event.what == "whole" and before:
            self.broken.discard(event.thing)
            self._row(record, _text(record, event))

    def _detail(self, record: Record, event: ev.TargetObserved) -> None:
        key = _key(event)
        group = self.groups.get(key)
        ended = group is None or record.clock - group.last > GAP or record.clock - group.first.clock > LONGEST
        if group is None or ended:
            group = self.groups[key] = _Group(len(self.rows), record, record.clock, _text(record, event))
            self._row(record, group.alone)
        group.last = record.clock
        if event.what in _DETAILS:
            group.counts[event.what] += 1
        else:
            group.reasons[line(event.text, 120).partition(":")[0]] += 1
        self.rows[group.place] = replace(self.rows[group.place], text=_group_text(key, group))


def _key(event: ev.TargetObserved) -> tuple[str, ...]:
    return tuple(event.services) or (event.thing,)


def _group_text(key: tuple[str, ...], group: _Group) -> str:
    if group.counts.total() + group.reasons.total() == 1:
        return group.alone
    parts = [f"{group.counts[what]} {words}" for what, words in _DETAILS.items() if group.counts[what]]
    pods = f"pods {', '.join(parts)}" if parts else ""
    shown = [reason for reason, _ in group.reasons.most_common()]
    more = f" and {len(shown) - _REASONS} other reasons" if len(shown) > _REASONS else ""
    events = f"events {', '.join(shown[:_REASONS])}{more}" if shown else ""
    took = group.last - group.first.clock
    within = f", within {span(took)}" if took >= 1 else ""
    return f"{line(', '.join(key), 200)}: {'; '.join(part for part in (pods, events) if part)}{within}"


def _text(record: Record, event: ev.TargetObserved) -> str:
    apart = event.at is not None and abs(event.at - record.wall) > _APART
    told = f", at {time_of_day(event.at)} by the target's clock" if apart and event.at is not None else ""
    return f"{line(event.thing, 200)}: {line(event.text)}{told}"


# --- workloads -------------------------------------------------------------------------------------------------------


def workload_views(exercise: Exercise) -> tuple[WorkloadView, ...]:
    """Everything that was said of workloads as a whole."""
    return tuple(
        WorkloadView(
            thing=line(one.thing, 200),
            services=_names(one.services),
            watched=one.watched,
            breaches=tuple(
                BreachView(
                    start=when(breach.begun.wall, breach.begun.clock),
                    end=None if breach.over is None else when(breach.over.wall, breach.over.clock),
                    seconds=None if breach.over is None else round(breach.over.clock - breach.begun.clock, 6),
                    text=line(breach.text),
                    outcome=line(breach.outcome),
                )
                for breach in one.breaches
            ),
            recent=tuple(
                RecentRollout(wall=at, utc="" if at is None else utc(at), text=clean(text)) for at, text in one.recent
            ),
        )
        for one in exercise.workloads.values()
    )


def whole_views(exercise: Exercise, entry: str) -> tuple[WholeView, ...]:
    """When what one fault touched was whole again."""
    return tuple(
        WholeView(
            thing=line(one.thing, 200),
            services=_names(one.services),
            state=one.state,
            from_event=line(one.from_event, 300),
            start=_moment(one.start),
            end=_moment(one.end),
            seconds=None if one.seconds is None else round(one.seconds, 6),
            text=line(one.text),
            longest_of=one.longest_of,
        )
        for one in whole_again(exercise)
        if one.entry == entry
    )


def _names(services: Iterable[str]) -> tuple[str, ...]:
    return tuple(line(name, 80) for name in services)


def _moment(at: Moment | None) -> When | None:
    return None if at is None else when(at.wall, at.clock)
