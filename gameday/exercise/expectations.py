"""What became of each expectation: machine ones as the engine judged them, human ones from stamps and updates.

Human times are judged with pauses left out (nobody can respond while the room stands still); `took` includes them.
Nobody is marked down for what could not be observed: unattended, not yet due at an abort or at the end, or without the
milestone to count from, an expectation is "not observed", which is neither met nor failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from gameday.exercise.state import Exercise, ExpectationState, Moment, Note
from gameday.exercise.timings import Landmark, firing_since, frozen_at, landmarks
from gameday.scenario.duration import format_duration

if TYPE_CHECKING:
    from gameday.scenario.models import Expectation, Scenario

Judgement = Literal["pending", "met", "late", "missed", "not_observed"]


def expectation_name(expectation: Expectation) -> str:
    """What people call it: its own name, or what it waits for, in words."""
    if expectation.name:
        return expectation.name
    if expectation.alert:
        return f"alert {expectation.alert}"
    if expectation.milestone:
        return expectation.milestone
    if expectation.update:
        return f"updates to {expectation.update}"
    if expectation.check is not None and expectation.check.name:
        return expectation.check.name
    return "check"


def judge_expectations(exercise: Exercise, now_clock: float) -> list[ExpectationState]:
    """One state for each of the scenario's expectations, in order, as things stand at `now_clock` (seconds).

    After the end nothing is pending. `missed` of a running exercise turns into `late` where it still comes.
    """
    if exercise.scenario is None:
        return []
    marks = landmarks(exercise)
    judged = []
    for index, expectation in enumerate(exercise.scenario.expect):
        known = exercise.expectations[index] if index < len(exercise.expectations) else ExpectationState(index)
        if expectation.milestone is not None:
            judged.append(_milestone(exercise, index, expectation, marks, now_clock))
        elif expectation.update is not None:
            judged.append(_updates(exercise, index, expectation, marks, now_clock))
        elif known.state == "pending" and exercise.ended is not None:
            judged.append(ExpectationState(index, "not_observed", "it was not judged before the end", None, known.at))
        else:
            judged.append(known)
    return judged


Unseen = Mapping[str, tuple[float, str]]
"""Alerts that could not be seen to fire: name -> (clock since which, why)."""


def awaited_until(exercise: Exercise, now_clock: float) -> float | None:
    """The clock until which an alert or a check that is expected may still come in time; None where none may."""
    return max((due for _, due in awaited(exercise, now_clock)), default=None)


def awaited(exercise: Exercise, now_clock: float) -> list[tuple[Expectation, float]]:
    """The alerts and checks that are expected and may still come in time, each with the clock until which it may."""
    if exercise.scenario is None:
        return []
    return [(expectation, due) for expectation, due in _dues(exercise, exercise.scenario, now_clock) if due > now_clock]


def _dues(exercise: Exercise, scenario: Scenario, now_clock: float) -> Iterator[tuple[Expectation, float]]:
    marks = landmarks(exercise)
    for expectation, known in zip(scenario.expect, exercise.expectations, strict=True):
        machine = expectation.alert or expectation.check
        base = marks.get(expectation.of)
        if machine and known.state == "pending" and base is not None and expectation.within is not None:
            paused = exercise.paused_seconds(base.at.clock, now_clock)
            yield expectation, base.at.clock + expectation.within + paused


def judge_at_the_end(exercise: Exercise, now_clock: float, unseen: Unseen | None = None) -> list[ExpectationState]:
    """`judge_expectations` for an exercise that ends at `now_clock`: nothing is pending any more.

    What a machine was to show is missed where it could have been shown and was not. It could not where the milestone to
    count from was never reached (a fault that did not take hold raises no alert: that is the fault's failure, not the
    alert's), where the exercise was aborted, and where its facilitator closed it before that was due. Nor is anything
    known of an alert that is among `unseen` since before it was due.
    """
    if exercise.scenario is None:
        return []
    marks = landmarks(exercise)
    began = exercise.started or Moment(now_clock, 0.0)
    ended = replace(exercise, ended=Moment(began.wall + now_clock - began.clock, now_clock))
    return [
        _machine_at_the_end(exercise, expectation, known, marks, now_clock, unseen or {})
        if (expectation.alert or expectation.check) and known.state == "pending"
        else state
        for expectation, known, state in zip(
            exercise.scenario.expect, exercise.expectations, judge_expectations(ended, now_clock), strict=True
        )
    ]


def _machine_at_the_end(
    exercise: Exercise,
    expectation: Expectation,
    known: ExpectationState,
    marks: dict[str, Landmark],
    now_clock: float,
    unseen: Unseen,
) -> ExpectationState:
    base = marks.get(expectation.of)
    if exercise.timeline_started is None:
        return replace(known, state="not_observed", detail="it was over before it began")
    if base is None:
        return replace(known, state="not_observed", detail=_without_base(exercise, expectation))
    if exercise.abort is not None:
        return replace(known, state="not_observed", detail="aborted before it came")
    spent = now_clock - base.at.clock - exercise.paused_seconds(base.at.clock, now_clock)
    if exercise.closing and expectation.within is not None and spent <= expectation.within:
        why = f"closed {_short(spent)} after {expectation.of}, before it was due"
        return replace(known, state="not_observed", detail=why)
    since, why = unseen.get(expectation.alert or "", (now_clock, ""))
    if since < now_clock and (expectation.within is None or since - base.at.clock < expectation.within):
        return replace(known, state="not_observed", detail=why)
    what = f"{expectation.alert} did not fire" if expectation.alert else "it did not come to hold"
    target = f", target {format_duration(expectation.within)}" if expectation.within is not None else ""
    return replace(known, state="missed", detail=f"{what} in the {_short(spent)} after {expectation.of}{target}")


def _without_base(exercise: Exercise, expectation: Expectation) -> str:
    """Why there was nothing to count from, as far as that is known."""
    fired = firing_since(exercise, expectation.alert) if expectation.alert else None
    beside = f"; {expectation.alert} fired all the same" if fired is not None else ""
    if expectation.of != "impact":
        return f"there was no {expectation.of} to count from{beside}"
    begun = [fault.entry for fault in exercise.faults.values() if fault.injecting is not None]
    if not begun:
        return f"there was no impact to count from: no fault was injected{beside}"
    return f"there was no impact to count from: {', '.join(begun)} did not take hold{beside}"


def updates_to(exercise: Exercise, audience: str) -> list[Note]:
    """Status updates that went to `audience` (an update to nobody in particular counts for all), oldest first."""
    wanted = audience.strip().casefold()
    notes = [
        note
        for note in exercise.notes
        if note.category == "update" and note.audience.strip().casefold() in ("", "everybody", wanted)
    ]
    return sorted(notes, key=lambda note: note.at.clock)


def update_window(
    exercise: Exercise, marks: dict[str, Landmark], of: str, now_clock: float
) -> tuple[float, float] | None:
    """The clock interval in which updates are due: from `of` to resolved, abort, end or now; None before it opens."""
    if of not in marks:
        return None
    stops = [now_clock]
    if "resolved" in marks:
        stops.append(marks["resolved"].at.clock)
    if exercise.ended is not None:
        stops.append(exercise.ended.clock)
    if (frozen := frozen_at(exercise)) is not None:
        stops.append(frozen)
    start = marks[of].at.clock
    return start, max(start, min(stops))


def _milestone(
    exercise: Exercise, index: int, expectation: Expectation, marks: dict[str, Landmark], now_clock: float
) -> ExpectationState:
    name = str(expectation.milestone)
    reached, base = marks.get(name), marks.get(expectation.of)
    if reached is not None and reached.source == "alert" and not exercise.attended:
        return ExpectationState(
            index, "not_observed", f"{reached.event}, but it reached nobody: unattended", None, reached.at
        )
    stop, cause = _stop(exercise, now_clock)
    if reached is not None and cause == "abort" and reached.at.clock > stop:
        late_by = reached.at.clock - stop
        reached, suffix = None, f"; it came {_short(late_by)} after the abort, when the clocks had stopped"
    else:
        suffix = ""
    if reached is None:
        return _unreached(exercise, index, expectation, base, (stop, cause), suffix)
    if expectation.within is None:
        return ExpectationState(index, "met", "", _took(base, reached), reached.at)
    if base is None and cause == "now":
        return ExpectationState(index, "pending", f"waits for {expectation.of} to count from", None, reached.at)
    if base is None:
        return ExpectationState(index, "not_observed", f"there was no {expectation.of} to count from", None, reached.at)
    took, counted = _seconds(exercise, base, reached)
    paused = f", {_short(counted)} without pauses" if took - counted >= 0.5 else ""
    state: Judgement = "met" if counted <= expectation.within else "late"
    detail = f"{_short(took)} after {expectation.of}{paused}, target {format_duration(expectation.within)}"
    if counted < 0 and _disturbed(exercise, reached.at.clock):
        detail = f"{_short(-took)} before {expectation.of} was confirmed"
    elif counted < 0:
        # Nothing had been touched: what was stamped there answers to nothing, and meets nothing.
        state, detail = "not_observed", f"out of order: {_short(-took)} before {expectation.of}; check the time"
    return ExpectationState(index, state, detail, took, reached.at)


def _disturbed(exercise: Exercise, clock: float) -> bool:
    """Whether an injection had begun: its effect is confirmed only afterwards, and may have been seen before."""
    return any(fault.injecting is not None and fault.injecting.clock <= clock for fault in exercise.faults.values())


def _unreached(
    exercise: Exercise,
    index: int,
    expectation: Expectation,
    base: Landmark | None,
    stopped: tuple[float, str],
    suffix: str,
) -> ExpectationState:
    stop, cause = stopped
    partial = exercise.partial(str(expectation.milestone))
    partly = f"; partly after {_short(partial.at.clock - base.at.clock)}" if partial and base else ""
    if not exercise.attended:
        return ExpectationState(index, "not_observed", "unattended: nobody was asked to respond")
    if base is not None and expectation.within is not None:
        spent = stop - base.at.clock - exercise.paused_seconds(base.at.clock, stop)
        if spent > expectation.within:
            detail = f"not reached in {_short(spent)}, target {format_duration(expectation.within)}{partly}{suffix}"
            return ExpectationState(index, "missed", detail)
    if cause == "abort":
        return ExpectationState(index, "not_observed", f"aborted before it was due{partly}{suffix}")
    if cause == "now":
        return ExpectationState(index, "pending")
    if base is None:
        return ExpectationState(index, "not_observed", f"there was no {expectation.of} to count from{partly}")
    if expectation.within is None:
        return ExpectationState(index, "missed", f"not reached{partly}")
    return ExpectationState(index, "not_observed", f"the exercise ended before it was due{partly}")


def _updates(
    exercise: Exercise, index: int, expectation: Expectation, marks: dict[str, Landmark], now_clock: float
) -> ExpectationState:
    sent = updates_to(exercise, str(expectation.update))
    cause = _stop(exercise, now_clock)[1]
    window = update_window(exercise, marks, expectation.of, now_clock)
    if not exercise.attended and not sent:
        return ExpectationState(index, "not_observed", "unattended: nobody was asked to respond")
    if window is None:
        if cause == "now":
            return ExpectationState(index, "pending")
        return ExpectationState(index, "not_observed", f"there was no {expectation.of} to count from")
    inside = [note for note in sent if window[0] <= note.at.clock <= window[1]]
    breaches = overdue(exercise, expectation, window, inside)
    first = inside[0].at.clock - window[0] if inside else None
    count = f"{len(inside)} update{'' if len(inside) == 1 else 's'}"
    at = inside[-1].at if inside else None
    if breaches:
        worst = max(breaches)
        detail = f"{count}; {len(breaches)} overdue, the longest silence {_short(worst)}"
        return ExpectationState(index, "late" if inside else "missed", detail, first, at)
    if cause == "now" and "resolved" not in marks:
        return ExpectationState(index, "pending", count if inside else "", first, at)
    if not inside:
        return ExpectationState(index, "not_observed", "none was due before it was over")
    return ExpectationState(index, "met", count, first, at)


def overdue(exercise: Exercise, expectation: Expectation, window: tuple[float, float], sent: list[Note]) -> list[float]:
    """The silences in `window` that were longer than allowed, seconds, pauses left out."""
    points = [window[0], *(note.at.clock for note in sent), window[1]]
    silences = [end - start - exercise.paused_seconds(start, end) for start, end in pairwise(points)]
    allowed = [expectation.every or float("inf")] * len(silences)
    if expectation.within is not None:
        allowed[0] = min(allowed[0], expectation.within)
    return [silence for silence, limit in zip(silences, allowed, strict=True) if silence > limit]


def _stop(exercise: Exercise, now_clock: float) -> tuple[float, str]:
    if (frozen := frozen_at(exercise)) is not None:
        return frozen, "abort"
    if exercise.ended is not None:
        return exercise.ended.clock, "end"
    return now_clock, "now"


def _seconds(exercise: Exercise, base: Landmark, reached: Landmark) -> tuple[float, float]:
    took = reached.at.clock - base.at.clock
    return took, took - exercise.paused_seconds(base.at.clock, reached.at.clock)


def _took(base: Landmark | None, reached: Landmark) -> float | None:
    return None if base is None else reached.at.clock - base.at.clock


def _short(seconds: float) -> str:
    """`42s`, `1m20s`; below ten seconds with a tenth: `1.1s`; below one `350ms`."""
    if 1 <= abs(seconds) < 10:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    return format_duration(round(seconds) if abs(seconds) >= 10 else round(seconds, 1))
