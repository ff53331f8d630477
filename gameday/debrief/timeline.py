"""The journal as two lanes: what the system did, what the people did. One row per thing worth reading.

Samples of abort conditions become a row only where their state changes; steady-state checks, consoles and
bookkeeping stay in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping

from gameday.debrief.script import expectation_words, is_fault
from gameday.debrief.view import Lane, Row, When
from gameday.debrief.words import clean, line, number, span, utc
from gameday.engine.decide import PASSES
from gameday.engine.held import ONCE_MORE
from gameday.engine.ports import BUT_UNWELL
from gameday.exercise import events as ev
from gameday.exercise import turns
from gameday.exercise.record import Record
from gameday.exercise.values import in_short
from gameday.scenario.models import Scenario


def when(wall: float, clock: float) -> When:
    return When(wall=wall, clock=clock, utc=utc(wall))


def row_of(
    record: Record, scenario: Scenario | None, states: dict[str, str], withdrawn: Mapping[int, str]
) -> Row | None:
    """The row for `record`, or None. `states` remembers the last state of each condition between calls."""
    event = record.event
    if isinstance(event, ev.ConditionSampled):
        before = states.get(event.name, "ok")
        states[event.name] = event.state
        if event.state == before:
            return None
        said: tuple[Lane, str] | None = ("system", _condition(event))
    else:
        said = _system(event, scenario) or _people(record, event, withdrawn) or _script(event, scenario)
    if said is None:
        return None
    late = max(0.0, record.recorded - record.wall)
    return Row(
        seq=record.seq,
        at=when(record.wall, record.clock),
        lane=said[0],
        kind=record.kind,
        text=said[1],
        actor=line(record.actor, 120),
        late=late if late >= 1 else 0.0,
    )


def _condition(event: ev.ConditionSampled) -> str:
    name = line(event.name, 200)
    value = number(event.value) if event.answer == "value" else f"no value ({line(event.detail or event.answer, 200)})"
    words = {"ok": "back to normal", "breaching": "in breach", "tripped": "tripped", "held": "held: no usable answer"}
    return f"Abort condition “{name}” {words.get(event.state, event.state)}: {value}"


def _system(event: ev.Event, scenario: Scenario | None) -> tuple[Lane, str] | None:
    text: str | None = None
    match event:
        case ev.TimelineStarted():
            text = "The timeline began"
        case ev.SteadyStateJudged() if scenario is not None and not scenario.steady_state:
            text = None  # nothing was asked, so nothing held
        case ev.SteadyStateJudged(phase=phase, held=held):
            moment = "before the exercise" if phase == "before" else "afterwards"
            text = f"Steady state {moment}: {'held' if held else 'did not hold'}"
        case ev.AbortBegan(reason=reason, by=by, condition=condition):
            whose = f", “{line(condition, 200)}” tripped" if condition else f" by {line(by, 120)}" if by else ""
            text = f"ABORT{whose}: {line(reason)}"
        case ev.AlertSeen(alert=alert, state=state, summary=summary):
            about = f": {line(summary)}" if summary else ""
            text = f"Alert {line(alert, 200)} {'fired' if state == 'firing' else 'resolved'}{about}"
        case ev.TargetObserved():
            text = None  # see `observed`: several of them may be one row
        case ev.ExpectationJudged(state="not_observed"):
            text = None  # nothing happened; it stands among the expectations
        case ev.ExpectationJudged(index=index, state=state, detail=detail):
            known = scenario is not None and 0 <= index < len(scenario.expect)
            what = expectation_words(scenario.expect[index]) if scenario is not None and known else f"no. {index + 1}"
            text = f"Expectation {state.replace('_', ' ')}: {what}{f' – {line(detail)}' if detail else ''}"
        case ev.EngineStarted(resumed=resumed):
            text = "The engine started again after it was lost" if resumed else None
        case ev.EngineLost(reason=reason):
            text = f"The engine was lost: {line(reason)}"
        case ev.GuardianLost(reason=reason):
            text = f"The guardian was lost: {line(reason)}"
        case ev.ClockJumped(seconds=seconds):
            text = f"The machine was suspended for about {span(seconds)}"
        case ev.Warned(text=warning):
            text = f"Warning: {clean(warning)}"
        case ev.ExerciseEnded(verdict=verdict, reason=reason):
            text = f"The exercise ended: {verdict}{f' ({line(reason)})' if reason else ''}"
        case _:
            text = _fault(event)
    return None if text is None else ("system", text)


def _fault(event: ev.Event) -> str | None:
    match event:
        case ev.FaultRefused(entry=entry, error=error):
            return f"Fault {line(entry, 80)} refused, nothing was touched: {line(error)}"
        case ev.FaultArmed(entry=entry, plan=plan):
            return f"Fault {line(entry, 80)} armed: {line(plan.get('summary', ''))}"
        case ev.FaultInjecting(entry=entry):
            return f"Fault {line(entry, 80)} being injected"
        case ev.FaultFailed(entry=entry, error=error):
            return f"Fault {line(entry, 80)} did not take hold: {line(error)}"
        case ev.FaultEffective(entry=entry, evidence=evidence):
            return f"Fault {line(entry, 80)} confirmed effective{f': {line(evidence)}' if evidence else ''}"
        case ev.FaultFaded(entry=entry, evidence=evidence):
            return f"Fault {line(entry, 80)} did not stand any more{f': {line(evidence)}' if evidence else ''}"
        case ev.FaultStandsAgain(entry=entry, evidence=evidence):
            return f"Fault {line(entry, 80)} stood again{f': {line(evidence)}' if evidence else ''}"
        case ev.FaultRepeated(entry=entry, evidence=evidence) if evidence.startswith(turns.NOT_THIS_TIME):
            return f"Fault {line(entry, 80)} did not strike again: {line(evidence.removeprefix(turns.NOT_THIS_TIME))}"
        case ev.FaultRepeated(entry=entry, evidence=evidence) if evidence.startswith(turns.CALLED_OFF):
            whom = line(evidence.removeprefix(turns.CALLED_OFF))
            return f"Fault {line(entry, 80)} stopped before it struck again: {whom}"
        case ev.FaultRepeated(entry=entry, evidence=evidence) if evidence.startswith(turns.MAY_HAVE):
            return f"Fault {line(entry, 80)} may have struck again: {line(evidence.removeprefix(turns.MAY_HAVE))}"
        case ev.FaultRepeated(entry=entry, evidence=evidence):
            return f"Fault {line(entry, 80)} struck again{f': {line(evidence)}' if evidence else ''}"
        case ev.FaultUndoing(entry=entry, reason=reason) if reason.startswith(PASSES):
            return f"Fault {line(entry, 80)} {line(reason.removeprefix('it '))}"
        case ev.FaultUndoing(entry=entry, reason=reason):
            return f"Fault {line(entry, 80)} being undone{f': {line(reason)}' if reason else ''}"
        case ev.UndoSent(entry=entry, attempt=attempt):
            return f"Undo of {line(entry, 80)} sent{f', attempt {attempt}' if attempt > 1 else ''}"
        case ev.UndoFailed(error=error) if error == ONCE_MORE:
            return None  # the second undo stands as its attempt
        case ev.UndoFailed(entry=entry, error=error) if error.startswith(BUT_UNWELL):
            return f"Fault {line(entry, 80)} undone: {line(error)}"
        case ev.UndoFailed(entry=entry, attempt=attempt, error=error):
            return f"Undo of {line(entry, 80)} failed, attempt {attempt}: {line(error)}"
        case ev.FaultRecovered(entry=entry, unwell=unwell) if unwell:
            left = "nothing of it is left, and it is not as it was before"
            return f"Fault {line(entry, 80)} undone, {left}: {line(unwell)}"
        case ev.FaultRecovered(entry=entry, evidence=evidence):
            return f"Fault {line(entry, 80)} recovered{f': {line(evidence)}' if evidence else ''}"
        case ev.FaultLeaked(entry=entry, error=error):
            return f"Fault {line(entry, 80)} LEAKED, it is not recovered: {line(error)}"
        case _:
            return None


def _people(record: Record, event: ev.Event, withdrawn: Mapping[int, str]) -> tuple[Lane, str] | None:
    match event:
        case ev.MilestoneReached(milestone=milestone, partial=partial, note=note, detection=detection):
            via = f" by {detection}" if detection else ""
            gone = " (withdrawn)" if record.seq in withdrawn else ""
            text = f"{line(milestone, 60).capitalize()}{' in part' if partial else ''}{via}{gone}"
            return "response", f"{text}{f': {clean(note)}' if note else ''}"
        case ev.MilestoneWithdrawn(stamp=stamp, reason=reason):
            return "response", f"Stamp #{stamp} withdrawn{f': {line(reason)}' if reason else ''}"
        case ev.NoteTaken(text=text, category=category, audience=audience):
            to = f" to {line(audience, 80)}" if audience else ""
            label = "Note" if category == "unclassified" else category.capitalize()
            return "response", f"{label}{to}: {clean(text)}"
        case ev.RoleTaken(role=role, who=who):
            return "response", f"{line(who, 120)} took the role {line(role, 80)}"
        case ev.HintGiven(entry=entry, text=text):
            return "response", f"Hint given ({line(entry, 80)}): {clean(text)}"
        case ev.Paused(reason=reason):
            return "response", f"Paused{f': {line(reason)}' if reason else ''}"
        case ev.Continued():
            return "response", "Continued"
        case ev.CloseRequested():
            return "response", "The facilitator closed the exercise"
        case _:
            return None


def _script(event: ev.Event, scenario: Scenario | None) -> tuple[Lane, str] | None:
    match event:
        case ev.InjectDelivered(text=text, audience=audience):
            to = f" to {', '.join(line(who, 60) for who in audience)}" if audience else ""
            return "response", f"Inject{to}: {clean(text)}"
        case ev.ProbeAnswered(name=name, held=held, answer=answer, wanted=wanted):
            found = answer if isinstance(answer, dict) else {}
            said = found.get("value") if found.get("kind", "value") == "value" else found.get("detail") or "no answer"
            judged = "" if held is None else f" {'holds' if held else 'does NOT hold'} (wanted {line(wanted, 200)})"
            return "system", f"Check {line(name, 120)}{judged}: {line(in_short(said, 300))}"
        case ev.EntryReleased(entry=entry):
            return "response", f"The facilitator released {line(entry, 80)}"
        case ev.EntrySkipped(entry=entry, reason=reason):
            what = "Fault" if is_fault(scenario, entry) else "Inject"
            return "response", f"{what} {line(entry, 80)} skipped{f': {line(reason)}' if reason else ''}"
        case _:
            return None
