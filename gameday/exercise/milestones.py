"""When a milestone was reached, by a person's stamp or by what the machines saw. Pure.

Impact is a fault confirmed effective (tabletop: the opening inject delivered); detected is the first alert or report,
as incident-response practice counts them.
"""

from __future__ import annotations

from gameday.exercise.state import Exercise, Moment

HUMAN = frozenset({"acknowledged", "diagnosed", "mitigated", "resolved"})
"""Milestones that only a person can reach."""


def reached(exercise: Exercise, milestone: str) -> Moment | None:
    """The moment that counts for `milestone`, or None while it is not reached."""
    stamp = exercise.milestone(milestone)
    if stamp is not None:
        return stamp.at
    if milestone == "impact":
        return _impact(exercise)
    if milestone == "detected":
        fired = [alert.fired for alert in exercise.alerts.values()]
        return min(fired, key=lambda moment: moment.clock) if fired else None
    return None


def _impact(exercise: Exercise) -> Moment | None:
    effective = [fault.effective for fault in exercise.faults.values() if fault.effective is not None]
    if effective:
        return min(effective, key=lambda moment: moment.clock)
    if exercise.scenario is None or any(entry.fault for entry in exercise.scenario.timeline):
        return None
    told = [entry.done for entry in exercise.entries.values() if entry.done is not None and entry.stage == "done"]
    return min(told, key=lambda moment: moment.clock) if told else None
