"""One pass over the journal for what the folded state does not keep: rows, samples, reasons, evidence.

The state says how things stand; a debrief also tells how they came about. Linear in events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gameday.debrief.conditions import Samples
from gameday.debrief.observed import ObservedRows
from gameday.debrief.timeline import row_of, when
from gameday.debrief.view import CheckView, Hint, Interval, Row, When
from gameday.debrief.words import clean, line, number
from gameday.engine.held import ONCE_MORE
from gameday.exercise import events as ev
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.exercise.turns import MAY_HAVE, NOT_THIS_TIME
from gameday.frozen import field, slotted

_LOST = "the engine was lost: "
INTERRUPTIONS = ("engine_lost", "guardian_lost", "clock_jumped", "warned")


@slotted
class Gathered:
    start: ev.ExerciseStarted | None = None
    rows: list[Row] = field(default_factory=list)
    samples: dict[str, Samples] = field(default_factory=dict)
    injected: dict[str, When] = field(default_factory=dict)
    recovered_evidence: dict[str, str] = field(default_factory=dict)
    failed: dict[str, list[int]] = field(default_factory=dict)
    """Sequence numbers of the events that tell why a fault did not take hold, by entry."""
    passed: dict[str, list[int]] = field(default_factory=dict)
    """Those of turns that a fault which strikes again and again let pass, by entry."""
    maybe: dict[str, list[int]] = field(default_factory=dict)
    """Those of strikes of which nobody knows whether they came through."""
    striking: dict[str, Record] = field(default_factory=dict)
    """The last that was announced of a fault which strikes again and again."""
    once_more: dict[str, int] = field(default_factory=dict)
    """How often an undo that had worked was sent again, by entry: no attempt that failed went before it."""
    checks: list[CheckView] = field(default_factory=list)
    pauses: list[Interval] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)
    resolved_alerts: dict[str, When] = field(default_factory=dict)
    withdrawn: dict[int, str] = field(default_factory=dict)
    seqs: dict[str, list[int]] = field(default_factory=dict)
    """Sequence numbers of the events of each kind; with `:entry`, `:name` or `:index` behind the kind also of that one
    thing."""
    warnings: dict[str, list[int]] = field(default_factory=dict)
    """Sequence numbers of each warning, by its text."""
    last_word: float | None = None
    """Clock of the last event that an engine wrote before it was lost."""


def gather(records: Sequence[Record], exercise: Exercise) -> Gathered:
    found = Gathered()
    for record in records:
        if isinstance(record.event, ev.MilestoneWithdrawn):
            found.withdrawn[record.event.stamp] = record.event.reason
    states: dict[str, str] = {}
    open_pause: list[Interval] = []
    engine: float | None = None
    observed = ObservedRows(found.rows)
    for record in records:
        event = record.event
        if record.source == "engine":
            engine = record.clock
        if isinstance(event, ev.ConditionSampled):
            samples = found.samples.get(event.name)
            if samples is None:
                samples = found.samples[event.name] = Samples()
            samples.add(record, event)
        else:
            if isinstance(event, ev.EngineLost) and found.last_word is None:
                found.last_word = engine
            _note(found, record, event, open_pause)
        if isinstance(event, ev.TargetObserved):
            observed.add(record, event)
        row = row_of(record, exercise.scenario, states, found.withdrawn)
        if row is not None:
            found.rows.append(row)
    for fault in exercise.faults.values():
        if fault.striking and (last := found.striking.get(fault.entry)) is not None:
            # Whatever was killed then, nobody lived to tell what became of it.
            found.maybe.setdefault(fault.entry, []).append(last.seq)
            what = line(", ".join(fault.striking))
            text = f"Fault {line(fault.entry, 80)} about to strike again, and may have: {what}"
            at = when(last.wall, last.clock)
            found.rows.append(Row(seq=last.seq, at=at, lane="system", kind=last.kind, text=text, actor="", late=0.0))
    found.pauses.extend(_at_the_end(open_pause, exercise))
    # What was backdated stands where it happened.
    found.rows.sort(key=lambda row: (row.at.clock, row.seq))
    return found


def _note(found: Gathered, record: Record, event: ev.Event, open_pause: list[Interval]) -> None:
    kind = record.kind
    found.seqs.setdefault(kind, []).append(record.seq)
    about = getattr(event, "entry", None) or getattr(event, "alert", None) or getattr(event, "milestone", None)
    about = about or getattr(event, "thing", None)
    if isinstance(event, ev.ExpectationJudged):
        about = str(event.index)
    if about is not None:
        found.seqs.setdefault(f"{kind}:{about}", []).append(record.seq)
    at = when(record.wall, record.clock)
    match event:
        case ev.ExerciseStarted():
            found.start = event
        case ev.FaultInjected(entry=entry):
            found.injected.setdefault(entry, at)
        case ev.FaultRecovered(entry=entry, evidence=evidence):
            found.recovered_evidence[entry] = line(evidence)
        case ev.UndoFailed(entry=entry, error=error) if error == ONCE_MORE:
            found.once_more[entry] = found.once_more.get(entry, 0) + 1
        case ev.FaultRepeated(entry=entry, evidence=evidence) if evidence.startswith(NOT_THIS_TIME):
            found.passed.setdefault(entry, []).append(record.seq)
        case ev.FaultRepeated(entry=entry, evidence=evidence) if evidence.startswith(MAY_HAVE):
            found.maybe.setdefault(entry, []).append(record.seq)
        case ev.FaultStriking(entry=entry):
            found.striking[entry] = record
        case ev.FaultFailed(entry=entry) | ev.FaultRefused(entry=entry):
            found.failed.setdefault(entry, []).append(record.seq)
        case ev.Warned(text=text):
            found.warnings.setdefault(line(text), []).append(record.seq)
        case ev.CheckAnswered():
            found.checks.append(_check(event, at))
        case ev.Paused(reason=reason) | ev.EngineLost(reason=reason):
            if not open_pause:
                why = line(reason) if kind == "paused" else f"{_LOST}{line(reason)}"
                open_pause.append(Interval(start=at, end=None, seconds=None, reason=why))
        case ev.Continued():
            if open_pause:
                pause = open_pause.pop()
                found.pauses.append(replace(pause, end=at, seconds=round(record.clock - pause.start.clock, 6)))
        case ev.HintGiven(entry=entry, text=text):
            found.hints.append(Hint(at=at, entry=line(entry, 80), text=clean(text)))
        case ev.AlertSeen(alert=alert, state="resolved"):
            found.resolved_alerts[alert] = at
        case ev.AlertSeen(alert=alert):
            found.resolved_alerts.pop(alert, None)
        case _:
            pass


def _at_the_end(open_pause: list[Interval], exercise: Exercise) -> list[Interval]:
    """A pause that nobody ended lasted to the end of the exercise. An engine's loss that ended it was no pause."""
    if exercise.ended is None:
        return open_pause
    end = when(exercise.ended.wall, exercise.ended.clock)
    return [
        replace(pause, end=end, seconds=round(max(0.0, end.clock - pause.start.clock), 6))
        for pause in open_pause
        if not pause.reason.startswith(_LOST)
    ]


def _check(event: ev.CheckAnswered, at: When) -> CheckView:
    answer = event.answer if isinstance(event.answer, dict) else {}
    if answer.get("kind", "value") == "value":
        value = answer.get("value")
        status = answer.get("status")
        said = f"status {status}" if status is not None and value in (None, status) else number(value)
        if isinstance(value, str) and not event.held:
            # What failed may be text that looks like what was wanted: "true" is not true.
            said = f'"{said}"'
    else:
        detail = line(answer.get("detail") or "", 300)
        said = f"no answer ({line(answer.get('kind'), 40)}{f': {detail}' if detail else ''})"
    return CheckView(
        phase=event.phase,
        name=line(event.name, 200),
        wanted=line(event.wanted, 200),
        answer=said,
        held=event.held,
        at=at,
    )
