"""What the exercise does not tell: said aloud, so that silence is not read as success."""

from __future__ import annotations

from gameday.debrief.gather import Gathered
from gameday.debrief.view import Debrief
from gameday.debrief.words import count
from gameday.exercise.state import Exercise


def unknowns(exercise: Exercise, view: Debrief, seen: Gathered) -> tuple[str, ...]:
    """One sentence for each thing that is not known."""
    said: list[str] = []
    if exercise.scenario is None:
        said.append("The scenario in this journal can't be read by this version, so nothing is judged against it.")
    if exercise.ended is None:
        said.append("The exercise has not ended: everything here is as far as the journal goes.")
    if not exercise.attended and any(e.by == "people" for e in view.expectations):
        said.append("How people would have responded: it ran unattended, and responses are never made up.")
    unobserved = [
        e for e in view.expectations if e.state == "not_observed" and (exercise.attended or e.by == "machine")
    ]
    said += [f"Whether this would have been met: {e.text}{f' ({e.detail})' if e.detail else ''}." for e in unobserved]
    if exercise.attended and view.impact.seconds is not None:
        missing = [row.to_event for row in view.timings if row.state == "not reached" and not row.partial]
        said += [f"When it was {event}: not reached, or not stamped." for event in dict.fromkeys(missing)]
    for fault in view.faults:
        if fault.injected and not fault.effective and fault.stage != "refused":
            said.append(f"Whether fault {fault.entry} ever took hold: nothing confirmed it.")
        if fault.stage == "leaked":
            said.append(f"In what state fault {fault.entry} left its targets.")
    for condition in view.conditions:
        if condition.unanswered:
            times = f"{condition.unanswered} of {count(condition.samples, 'sample')}"
            said.append(f"What “{condition.name}” was {times}: there was no usable answer.")
    if exercise.timeline_started and exercise.steady_before is None and exercise.faults:
        said.append("Whether the system was healthy before: no steady state was judged.")
    if exercise.ended and exercise.timeline_started and exercise.steady_after is None and exercise.faults:
        said.append("Whether the system is healthy again: no steady state was judged afterwards.")
    if seen.pauses and any(pause.end is None for pause in seen.pauses):
        said.append("How long the last pause lasts: it has not ended.")
    loose = sum(note.category == "unclassified" for note in view.notes)
    if loose:
        said.append(f"What {count(loose, 'note')} {'is' if loose == 1 else 'are'} worth: not classified yet.")
    return tuple(said)
