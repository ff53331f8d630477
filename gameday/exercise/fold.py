"""`fold`: from what happened to how things stand. Pure, and total: it never fails on any prefix of any journal.

An event that makes no sense where it stands (an undo of a fault nobody armed) changes nothing here; the journal still
shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from gameday.exercise import events as ev
from gameday.exercise import turns
from gameday.exercise.record import Record
from gameday.exercise.state import (
    Abort,
    ActionItem,
    AlertState,
    Breach,
    ConditionState,
    EntryState,
    Exercise,
    ExpectationState,
    FaultState,
    Gap,
    Moment,
    Note,
    Stamp,
    WorkloadState,
)
from gameday.exercise.strikes import passed_once_more

if TYPE_CHECKING:
    from gameday.scenario.models import Scenario

V = TypeVar("V")


def fold(records: Iterable[Record], start: Exercise | None = None) -> Exercise:
    """The exercise after `records`, applied to `start` (an empty one by default; one that knows its scenario already
    needs not read it)."""
    exercise = start if start is not None else Exercise()
    for record in records:
        exercise = apply(exercise, record)
    return exercise


def apply(exercise: Exercise, record: Record) -> Exercise:
    """The exercise after one more record."""
    at = Moment(record.wall, record.clock)
    changed = _exercise_event(exercise, record, at)
    return replace(changed, last_seq=record.seq, epoch=max(changed.epoch, record.epoch))


def _with(mapping: Mapping[str, V], key: str, value: V) -> MappingProxyType[str, V]:
    return MappingProxyType({**mapping, key: value})


def _scenario(data: Any) -> Scenario | None:
    # Here and not above: an engine that begins has its scenario from whoever checked it.
    from pydantic import ValidationError

    from gameday.scenario.models import Scenario

    try:
        return Scenario.model_validate(data)
    except (ValidationError, RecursionError):
        # A journal of another version: everything but the script can still be shown.
        return None


def _exercise_event(x: Exercise, record: Record, at: Moment) -> Exercise:
    event = record.event
    match event:
        case ev.ConditionSampled():
            before = x.conditions.get(event.name)
            since = before.since if before is not None and before.state == event.state else at
            sampled = ConditionState(event.name, event.state, event.value, event.answer, event.detail, at, since)
            return replace(x, conditions=_with(x.conditions, event.name, sampled))
        case ev.ExerciseStarted():
            return _started(x, event, at)
        case ev.EngineStarted():
            phase = x.phase
            if phase != "ended" and x.abort is not None:
                # An abort outlives the engine that began it: whoever takes over never goes on with the script.
                phase = "aborting"
            elif phase == "interrupted":
                phase = "running" if x.timeline_started else "ready"
            return replace(
                x,
                engine_pid=event.pid,
                guardian_pid=event.guardian,
                host=event.host,
                phase=phase,
                consoles=0,
                consoles_since=at,
                # A check that the engine before had under way will never be judged: it is to be asked again.
                steady_phase=None,
                entries=_asked_again(x),
            )
        case ev.EngineLost():
            # Its guardian's clerk says so, and `recover` again: that is one loss.
            losses = x.engine_losses + (x.phase != "interrupted")
            lost = replace(x, engine_pid=None, engine_losses=losses)
            return lost if x.phase == "ended" else replace(lost, phase="interrupted", paused=x.paused or at)
        case ev.GuardianLost() | ev.ClockJumped() | ev.Warned() | ev.CheckAnswered():
            return x
        case ev.TargetObserved(what="whole" | "not_whole" | "recent"):
            return replace(x, workloads=_with(x.workloads, event.thing, _observed(x, event, at)))
        case ev.TargetObserved():
            return x
        case ev.ConsolesChanged():
            return replace(x, consoles=event.count, consoles_since=at)
        case ev.SteadyStateBegan():
            checking = replace(x, steady_phase=event.phase)
            return checking if x.phase in ("ended", "aborting") else replace(checking, phase=event.phase)
        case ev.SteadyStateJudged():
            if event.phase == "after":
                return replace(x, steady_phase=None, steady_after=event.held)
            phase = "ready" if x.phase == "before" else x.phase
            return replace(x, phase=phase, steady_phase=None, steady_before=event.held)
        case ev.TimelineStarted():
            return replace(
                x, phase="running" if x.phase in ("new", "before", "ready") else x.phase, timeline_started=at
            )
        case ev.Paused():
            return replace(x, paused=x.paused or at)
        case ev.Continued():
            if x.paused is None:
                return x
            return replace(x, paused=None, pauses=(*x.pauses, (x.paused.clock, at.clock)))
        case ev.AbortBegan():
            abort = x.abort or Abort(at, event.reason, event.by, event.condition, event.seen_clock)
            return replace(x, phase="aborting" if x.phase != "ended" else x.phase, abort=abort)
        case ev.CloseRequested():
            return replace(x, closing=True)
        case ev.ExerciseEnded():
            return replace(
                x,
                phase="ended",
                ended=at,
                verdict=event.verdict,
                exit_code=event.exit_code,
                reason=event.reason,
                engine_pid=None,
            )
        case (
            ev.EntryReleased()
            | ev.EntrySkipped()
            | ev.InjectDelivered()
            | ev.ProbeAsked()
            | ev.ProbeAnswered()
            | ev.FaultPlanned()
            | ev.FaultRefused()
            | ev.FaultArmed()
            | ev.FaultInjecting()
            | ev.FaultInjected()
            | ev.FaultFailed()
            | ev.FaultEffective()
            | ev.FaultFaded()
            | ev.FaultStandsAgain()
            | ev.FaultStriking()
            | ev.FaultRepeated()
            | ev.FaultUndoing()
            | ev.UndoSent()
            | ev.UndoFailed()
            | ev.FaultRecovered()
            | ev.FaultLeaked()
        ):
            return _script_event(x, event, at)
        case _:
            return _people_event(x, record, at)


def _started(x: Exercise, event: ev.ExerciseStarted, at: Moment) -> Exercise:
    scenario = x.scenario if x.scenario is not None else _scenario(event.scenario)
    entries: dict[str, EntryState] = {}
    expectations: tuple[ExpectationState, ...] = ()
    conditions: dict[str, ConditionState] = {}
    if scenario is not None:
        entries = {name: EntryState(name) for name in map(scenario.entry_id, range(len(scenario.timeline)))}
        expectations = tuple(ExpectationState(index) for index in range(len(scenario.expect)))
        conditions = {condition.name: ConditionState(condition.name) for condition in scenario.abort_when}
    return replace(
        x,
        id=event.exercise,
        name=event.name,
        scenario=scenario,
        target=event.target,
        attended=event.attended,
        seed=event.seed,
        started=at,
        consoles_since=at,
        entries=MappingProxyType(entries),
        expectations=expectations,
        conditions=MappingProxyType(conditions),
    )


def _observed(x: Exercise, event: ev.TargetObserved, at: Moment) -> WorkloadState:
    known = x.workloads.get(event.thing, WorkloadState(event.thing))
    services = tuple(dict.fromkeys((*known.services, *_texts(event.services))))
    if event.what == "recent":
        return replace(known, services=services, recent=(*known.recent, (event.at, event.text)))
    broken = known.broken
    breaches = known.breaches
    if event.what == "not_whole" and broken is None:
        breaches = (*breaches, Breach(at, event.text))
    elif event.what == "whole" and broken is not None:
        breaches = (*breaches[:-1], replace(broken, over=at, outcome=event.text))
    return replace(known, services=services, watched=True, breaches=breaches)


def _asked_again(x: Exercise) -> MappingProxyType[str, EntryState]:
    """The entries, with those checks pending again that an engine before this one asked and never had answered."""
    asked = [name for name, entry in x.entries.items() if entry.stage == "started" and name not in x.faults]
    return MappingProxyType({**x.entries, **{name: EntryState(name) for name in asked}}) if asked else x.entries


def _entry(x: Exercise, name: str, **changes: Any) -> Exercise:
    state = x.entries.get(name, EntryState(name))
    return replace(x, entries=_with(x.entries, name, replace(state, **changes)))


def _fault(x: Exercise, name: str, **changes: Any) -> Exercise:
    state = x.faults.get(name)
    if state is None:
        return x
    return replace(x, faults=_with(x.faults, name, replace(state, **changes)))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else ()


def _script_event(x: Exercise, event: ev.Event, at: Moment) -> Exercise:
    match event:
        case ev.EntryReleased():
            known = x.entries.get(event.entry)
            return x if known is not None and known.stage != "pending" else _entry(x, event.entry, stage="released")
        case ev.EntrySkipped():
            known = x.entries.get(event.entry)
            if known is not None and known.stage not in ("pending", "released"):
                return x
            return _entry(x, event.entry, stage="skipped", reason=event.reason)
        case ev.InjectDelivered():
            return _entry(x, event.entry, stage="done", done=at)
        case ev.ProbeAsked():
            return _entry(x, event.entry, stage="started")
        case ev.ProbeAnswered():
            return _entry(x, event.entry, stage="done", done=at, held=event.held)
        case _:
            return _fault_event(x, event, at)


def _fault_event(x: Exercise, event: ev.Event, at: Moment) -> Exercise:
    """A live fault stays live until it has recovered or leaked, whatever else is said of it."""
    fault = x.faults.get(getattr(event, "entry", ""))
    match event:
        case ev.FaultPlanned() if fault is None or not (fault.live or fault.stage == "leaked"):
            planned = FaultState(event.entry, event.fault, planned=at)
            return _entry(replace(x, faults=_with(x.faults, event.entry, planned)), event.entry, stage="started")
        case ev.FaultRefused() if fault is not None and fault.stage == "planned":
            refused = _fault(x, event.entry, stage="refused", error=event.error, ended=at)
            return _entry(refused, event.entry, stage="done", done=at, reason=event.error)
        case ev.FaultArmed() if fault is None or fault.stage not in ("injecting", "effective", "undoing"):
            return _armed(x, event, at)
    if fault is None:
        return x
    unrecovered = fault.live or fault.stage == "leaked"
    match event:
        case ev.FaultInjecting() if fault.stage != "planned":
            stage = "injecting" if fault.stage not in ("effective", "undoing") else fault.stage
            return _fault(x, event.entry, stage=stage, injecting=at)
        case ev.FaultFaded() if fault.stage == "effective":
            gone = {"faded_evidence": event.evidence, "faded_replaced": event.replaced}
            return _fault(x, event.entry, faded=fault.faded or at, **gone)
        case ev.FaultStandsAgain() if fault.stage == "effective" and fault.faded is not None:
            gap = Gap(fault.faded, at, fault.faded_evidence, fault.faded_replaced)
            again = {"faded": None, "faded_evidence": "", "faded_replaced": False}
            return _fault(x, event.entry, gaps=(*fault.gaps, gap), **again)
        case ev.FaultInjected():
            return _fault(x, event.entry, strikes=fault.strikes + 1)
        case ev.FaultStriking():
            # One that was announced before, and never told of, stays one that may have come.
            lost = (*fault.maybe, ", ".join(fault.striking)) if fault.striking else fault.maybe
            return _fault(x, event.entry, striking=_texts(event.targets), struck=tuple(event.objects), maybe=lost)
        case ev.FaultRepeated(evidence=said) if said.startswith(turns.MAY_HAVE):
            maybe = (*fault.maybe, said.removeprefix(turns.MAY_HAVE))
            return _fault(x, event.entry, striking=(), maybe=maybe)
        case ev.FaultRepeated(evidence=said):
            known = _fault(x, event.entry, striking=(), struck=())
            if said.startswith(turns.CALLED_OFF):
                return known
            if said.startswith(turns.NOT_THIS_TIME):
                passed = passed_once_more(fault.passed, said.removeprefix(turns.NOT_THIS_TIME))
                return _fault(known, event.entry, passed=passed)
            return _fault(known, event.entry, strikes=fault.strikes + 1)
        case ev.FaultEffective() if unrecovered:
            now = "effective" if fault.stage == "injecting" else fault.stage
            return _fault(x, event.entry, stage=now, effective=at, evidence=event.evidence)
        case ev.FaultFailed():
            return _fault(x, event.entry, error=event.error)
        case ev.FaultUndoing() if unrecovered:
            return _fault(x, event.entry, stage="undoing", undo_reason=event.reason)
        case ev.UndoSent():
            return _fault(x, event.entry, undo_sent=fault.undo_sent or at, attempts=event.attempt)
        case ev.UndoFailed():
            return _fault(x, event.entry, undo_error=event.error, attempts=event.attempt)
        case ev.FaultRecovered() if unrecovered:
            unwell = {"unwell": event.unwell, "error": event.unwell} if event.unwell else {}
            done = _fault(x, event.entry, stage="recovered", ended=at, cleared=event.evidence, **unwell)
            return _entry(done, event.entry, stage="done", done=at)
        case ev.FaultLeaked() if unrecovered:
            commands = _texts(event.commands)
            leaked = _fault(x, event.entry, stage="leaked", ended=at, error=event.error, commands=commands)
            return _entry(leaked, event.entry, stage="done", done=at, reason="leaked")
        case _:
            return x


def _armed(x: Exercise, event: ev.FaultArmed, at: Moment) -> Exercise:
    plan = event.plan
    fault = replace(
        x.faults.get(event.entry, FaultState(event.entry, event.fault)),
        stage="armed",
        armed=at,
        ended=None,
        summary=str(plan.get("summary", "")),
        targets=_texts(plan.get("targets")),
        objects=_texts(plan.get("objects")),
        commands=_texts(plan.get("commands")),
        plan=plan,
        one_shot=event.one_shot,
        duration=event.duration,
    )
    return _entry(replace(x, faults=_with(x.faults, event.entry, fault)), event.entry, stage="started")


def _people_event(x: Exercise, record: Record, at: Moment) -> Exercise:
    event = record.event
    match event:
        case ev.MilestoneReached():
            stamp = Stamp(
                record.seq,
                event.milestone,
                at,
                record.recorded,
                event.partial,
                record.source,
                record.actor,
                event.note,
                event.detection,
            )
            return replace(x, stamps=(*x.stamps, stamp))
        case ev.MilestoneWithdrawn():
            return replace(x, stamps=tuple(stamp for stamp in x.stamps if stamp.seq != event.stamp))
        case ev.NoteTaken():
            note = Note(record.seq, at, event.text, event.category, event.audience, record.actor)
            return replace(x, notes=(*x.notes, note))
        case ev.NoteClassified():
            changed = (replace(n, category=event.category) if n.seq == event.note else n for n in x.notes)
            return replace(x, notes=tuple(changed))
        case ev.HintGiven():
            return replace(x, hints=(*x.hints, (event.entry, at)))
        case ev.RoleTaken():
            people = tuple(dict.fromkeys((*x.roles.get(event.role, ()), event.who)))
            return replace(x, roles=_with(x.roles, event.role, people))
        case ev.AlertSeen():
            known = x.alerts.get(event.alert)
            fired = known.fired if known is not None else at
            firings = known.firings if known is not None else ()
            if event.state == "firing" and (known is None or known.state != "firing"):
                firings = (*firings, at)
            alert = AlertState(event.alert, event.state, at, fired, event.summary, firings)
            return replace(x, alerts=_with(x.alerts, event.alert, alert))
        case ev.ExpectationJudged():
            if not 0 <= event.index < len(x.expectations):
                return x
            judged = ExpectationState(event.index, event.state, event.detail, event.took, at)
            return replace(x, expectations=tuple(judged if e.index == event.index else e for e in x.expectations))
        case ev.ActionAdded():
            item = ActionItem(event.action, event.what, event.owner, event.due, event.verify, at, retest=event.retest)
            return replace(x, actions=_with(x.actions, event.action, item))
        case ev.ActionClosed():
            action = x.actions.get(event.action)
            if action is None:
                return x
            return replace(x, actions=_with(x.actions, event.action, replace(action, closed=at, how=event.how)))
        case _:
            return x
