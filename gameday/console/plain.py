"""One line per event, for screen readers, logs and unattended runs: what the console shows, without the console.

`14:32:05 +00:31 FAULT  outage is EFFECTIVE: connection refused`. Times: wall clock in UTC, then the exercise's clock.
Pure functions; no Textual. Who prints decides where (an exercise's talk goes to stderr).
"""

from __future__ import annotations

from collections.abc import Iterable

from gameday.console.outlook import waiting
from gameday.console.times import clock_text, day_text, wall_text
from gameday.console.wording import describe
from gameday.exercise import events as e
from gameday.exercise.fold import apply
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise


def lines(record: Record, exercise: Exercise) -> str | None:
    """The line for `record`, or None where it is no news (an abort condition that answers as it did before).

    `exercise` is the state just *before* this record: that is what makes a change of state visible, and where the name
    of a withdrawn stamp still stands.
    """
    sentence = describe(record, exercise)
    if sentence is None:
        return None
    text = sentence.text
    if isinstance(record.event, e.ExerciseStarted):
        text += f"; {day_text(record.wall)}, times are UTC"
    elif record.actor and isinstance(record.event, _BY_PEOPLE):
        text += f" (by {record.actor})"
    return f"{wall_text(record.wall)} {clock_text(record.clock)} {sentence.word:<6} {text}"


_BY_PEOPLE = (
    e.MilestoneReached,
    e.MilestoneWithdrawn,
    e.NoteTaken,
    e.EntryReleased,
    e.EntrySkipped,
    e.HintGiven,
    e.Paused,
    e.Continued,
    e.CloseRequested,
)


def follow(exercise: Exercise, records: Iterable[Record]) -> tuple[Exercise, list[str]]:
    """The state after `records`, and the lines that tell them; for a loop that polls a journal."""
    told = []
    for record in records:
        line = lines(record, exercise)
        if line is not None:
            told.append(line)
        exercise = apply(exercise, record)
        if isinstance(record.event, e.SteadyStateJudged) and (still := waiting(exercise, record.clock)) is not None:
            # Nothing happens now for a time, and no event says so.
            things, until = still
            text = f"the timeline is through; waiting for {things}, until {clock_text(until)} at the latest"
            told.append(f"{wall_text(record.wall)} {clock_text(record.clock)} {'WAIT':<6} {text}")
    return exercise, told
