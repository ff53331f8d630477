"""The sentence for whoever comes into the room and asks how it stands. Pure."""

from __future__ import annotations

from gameday.console.outlook import condition_rows, expectation_rows, milestone_rows, phase_words
from gameday.console.times import clean, count_text, span_text, wall_text
from gameday.exercise.state import Exercise

REAL_SENTENCE = (
    "The exercise is over: this is a real incident. All injected faults are being undone. "
    "Respond as usual from now on; nothing more comes from the game day."
)


def summary(exercise: Exercise, now: float, wall: float) -> str:
    """One line: what, where, since when, how bad, what is reached, what is missing, how close to the stop."""
    scenario = exercise.scenario
    severity = f", {scenario.severity}" if scenario is not None and scenario.severity else ""
    environment = str(exercise.target.get("environment", "unknown"))
    title = clean(scenario.title) if scenario is not None else exercise.name
    phase = phase_words(exercise, now=now)
    head = f"{wall_text(wall)} UTC, EXERCISE “{title}” ({environment}{severity})"
    parts = [f"{head}: {phase.word.lower()}, {span_text(now)} in"]
    live = exercise.live_faults
    names = f" ({', '.join(fault.entry for fault in live)})" if live else ""
    parts.append(f"{count_text(len(live), 'fault')} live{names}" if live else "no fault is live")
    rows = milestone_rows(exercise)
    reached = [f"{row.milestone} {row.after or row.when}" for row in rows if not row.missing]
    missing = [row.milestone for row in rows if row.missing]
    if reached:
        parts.append("reached: " + ", ".join(reached))
    if missing and exercise.phase != "ended":
        parts.append("not yet: " + ", ".join(missing))
    shares = [row.share for row in condition_rows(exercise, {}) if row.share is not None]
    if shares and exercise.phase != "ended":
        parts.append(f"headroom to abort {min(shares):.0%}")
    parts += [f"{row.name} {row.when}" for row in expectation_rows(exercise, now) if row.when.startswith("next in")]
    return "; ".join(parts) + "."
