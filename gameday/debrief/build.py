"""From the journal to the debrief: the one place where all parts of the view come together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gameday.debrief.conditions import condition_views
from gameday.debrief.findings import find
from gameday.debrief.gather import INTERRUPTIONS, Gathered, gather
from gameday.debrief.headline import headline
from gameday.debrief.lint import lint_debrief
from gameday.debrief.observed import whole_views, workload_views
from gameday.debrief.response import (
    action_views,
    alert_views,
    cadences,
    detection,
    impact_of,
    milestone_views,
    note_views,
    participants,
)
from gameday.debrief.script import expectation_words
from gameday.debrief.timeline import when
from gameday.debrief.unknowns import unknowns
from gameday.debrief.view import (
    AbortRow,
    AbortView,
    Debrief,
    ExpectationView,
    FaultView,
    Interval,
    Overview,
    Person,
    PreviousAction,
    TargetTime,
    TimingRow,
    When,
)
from gameday.debrief.words import clean, line
from gameday.exercise.events import ConditionSampled
from gameday.exercise.expectations import judge_expectations
from gameday.exercise.fold import fold
from gameday.exercise.record import Record, to_json
from gameday.exercise.state import Exercise, ExpectationState, FaultState, Moment
from gameday.exercise.strikes import strikes_text
from gameday.exercise.timings import Landmark, Timing, abort_timings, landmarks, timings


def build_debrief(records: Sequence[Record], previous: Sequence[PreviousAction] = ()) -> Debrief:
    """The debrief of the exercise whose journal is `records`; any prefix of a journal will do.

    `previous`: the action items of earlier exercises (`previous.previous_actions`). The same arguments give the same
    debrief: nothing is read from the clock, the machine or the settings.
    """
    # Samples change nothing but the state of their condition, which is gathered below; they are most of a journal.
    exercise = fold(record for record in records if not isinstance(record.event, ConditionSampled))
    seen = gather(records, exercise)
    now = max((record.clock for record in records), default=0.0)
    judged = judge_expectations(exercise, now)
    view = Debrief(
        headline=headline(exercise, (), seen),
        overview=_overview(exercise, seen),
        people=tuple(
            Person(role=line(role, 80), who=tuple(line(who, 120) for who in people))
            for role, people in exercise.roles.items()
        ),
        participants=participants(exercise),
        pauses=tuple(seen.pauses),
        hints=tuple(seen.hints),
        interruptions=tuple(row for row in seen.rows if row.kind in INTERRUPTIONS),
        milestones=milestone_views(exercise),
        timings=_timings(exercise, judged),
        abort=_abort(exercise),
        timeline=(),
        faults=tuple(_fault(exercise, fault, seen) for fault in exercise.faults.values()),
        workloads=workload_views(exercise),
        conditions=condition_views(exercise.scenario, seen.samples),
        steady_state=tuple(seen.checks),
        steady_before=exercise.steady_before,
        steady_after=exercise.steady_after,
        expectations=_expectations(exercise, judged),
        detection=detection(exercise),
        alerts=alert_views(exercise, seen),
        cadence=cadences(exercise, now),
        impact=impact_of(exercise),
        notes=note_views(exercise),
        findings=(),
        actions=action_views(exercise),
        previous=tuple(previous),
        language=(),
        unknown=(),
        journal=(),
    )
    findings = find(exercise, view, seen)
    return replace(
        view,
        headline=headline(exercise, findings, seen),
        timeline=tuple(seen.rows),
        findings=findings,
        language=lint_debrief(exercise),
        unknown=unknowns(exercise, view, seen),
        journal=tuple(to_json(record) for record in records),
    )


def _moment(at: Moment | None) -> When | None:
    return None if at is None else when(at.wall, at.clock)


def _overview(exercise: Exercise, seen: Gathered) -> Overview:
    script, start, target = exercise.scenario, seen.start, exercise.target
    parameters = start.parameters if start else {}
    return Overview(
        id=line(exercise.id, 120),
        name=line(exercise.name, 120),
        title=line((script.title if script else exercise.name) or "Exercise", 300),
        description=clean(script.description or "") if script else "",
        category=(script.category or "") if script else "",
        severity=line(script.severity or "", 40) if script else "",
        severity_why=clean(script.severity_why or "") if script else "",
        difficulty=(script.difficulty or "") if script else "",
        objectives=tuple(clean(text) for text in script.objectives) if script else (),
        runbook=line(script.runbook or "", 500) if script else "",
        target=line(target.get("name", "none"), 120),
        kind=line(target.get("kind", "none"), 40),
        environment=line(target.get("environment", ""), 80),
        attended=exercise.attended,
        parameters={line(name, 80): line(value, 200) for name, value in parameters.items()},
        scenario_path=line(start.path, 500) if start else "",
        scenario_hash=line(start.scenario_hash, 80) if start else "",
        version=line(start.version, 40) if start else "",
        host=line(exercise.host, 120),
        started=_moment(exercise.started),
        ended=_moment(exercise.ended),
        duration=exercise.ended.clock - exercise.started.clock if exercise.ended and exercise.started else None,
        exit_code=exercise.exit_code,
        reason=line(exercise.reason),
    )


def _timings(exercise: Exercise, judged: list[ExpectationState]) -> tuple[TimingRow, ...]:
    marks = landmarks(exercise)
    rows = []
    for timing in timings(exercise):
        goal = None
        if timing.target is not None:
            goal = TargetTime(
                within=timing.target.within,
                of=timing.target.of,
                tick=_tick(exercise, timing, marks.get(timing.target.of)),
                state=judged[timing.target.index].state,
            )
        note = timing.note
        if goal is not None and timing.state == "not applicable" and goal.state in ("met", "late", "missed"):
            # It was judged by another moment than the one that this time would be counted from.
            note += f"; that it is {goal.state} stands among the expectations: it counts from {goal.of}"
            goal = None
        rows.append(
            TimingRow(
                key=timing.key,
                name=timing.name,
                from_event=line(timing.from_event, 300),
                to_event=line(timing.to_event, 300),
                state=timing.state,
                start=_moment(timing.start),
                end=_moment(timing.end),
                wall=_exact(timing.wall),
                running=_exact(timing.running),
                partial=timing.partial,
                hinted=timing.hinted,
                counts=timing.counts,
                target=goal,
                note=line(note, 300),
            )
        )
    return tuple(rows)


def _tick(exercise: Exercise, timing: Timing, base: Landmark | None) -> float | None:
    if timing.target is None or timing.start is None or base is None:
        return None
    ahead = timing.start.clock - base.at.clock
    low, high = sorted((base.at.clock, timing.start.clock))
    paused = exercise.paused_seconds(low, high)
    return _exact(timing.target.within - (ahead - paused if ahead >= 0 else ahead + paused))


def _exact(seconds: float | None) -> float | None:
    """Without the dust of subtracting floats; clocks are not better than a microsecond."""
    return None if seconds is None else round(seconds, 6)


def _abort(exercise: Exercise) -> AbortView | None:
    abort = exercise.abort
    if abort is None:
        return None
    rows = abort_timings(exercise)
    return AbortView(
        at=when(abort.at.wall, abort.at.clock),
        # `aborted by Ada` is what stands there when nobody gave a reason.
        reason="" if abort.reason == f"aborted by {abort.by}" else line(abort.reason),
        by=line(abort.by, 120),
        condition=line(abort.condition or "", 200),
        seen_event=line(rows[0].seen_event, 300) if rows else "",
        faults=tuple(
            AbortRow(
                entry=line(row.entry, 80),
                seen=row.seen,
                undo_sent=row.undo_sent,
                recovered=row.recovered,
                to_undo=_exact(row.to_undo),
                to_recovered=_exact(row.to_recovered),
                undo_to_recovered=_exact(row.undo_to_recovered),
                state=row.state,
                note=line(row.note, 300),
            )
            for row in rows
        ),
    )


def _fault(exercise: Exercise, fault: FaultState, seen: Gathered) -> FaultView:
    return FaultView(
        entry=line(fault.entry, 80),
        name=line(fault.name, 80),
        summary=line(fault.summary),
        stage=fault.stage,
        one_shot=fault.one_shot,
        duration=fault.duration,
        targets=tuple(line(target, 200) for target in fault.targets),
        objects=tuple(line(thing, 200) for thing in fault.objects),
        armed=_moment(fault.armed),
        injecting=_moment(fault.injecting),
        injected=seen.injected.get(fault.entry),
        effective=_moment(fault.effective),
        faded=_moment(fault.faded),
        gaps=tuple(
            Interval(
                start=when(gap.since.wall, gap.since.clock),
                end=when(gap.back.wall, gap.back.clock),
                seconds=round(gap.back.clock - gap.since.clock, 6),
                reason=line(gap.evidence),
            )
            for gap in fault.gaps
        ),
        undo_sent=_moment(fault.undo_sent),
        ended=_moment(fault.ended),
        attempts=max(0, fault.attempts - seen.once_more.get(fault.entry, 0)),
        undo_reason=line(fault.undo_reason),
        evidence=line(fault.evidence),
        recovered_evidence=seen.recovered_evidence.get(fault.entry, ""),
        strikes=line(strikes_text(fault), 1000),
        error=line(fault.error),
        commands=tuple(clean(command) for command in fault.commands),
        whole=whole_views(exercise, fault.entry),
    )


def _expectations(exercise: Exercise, judged: list[ExpectationState]) -> tuple[ExpectationView, ...]:
    if exercise.scenario is None:
        return ()
    return tuple(
        ExpectationView(
            index=state.index,
            text=expectation_words(expectation),
            by="machine" if expectation.alert or expectation.check else "people",
            state=state.state,
            took=state.took,
            detail=line(state.detail),
        )
        for expectation, state in zip(exercise.scenario.expect, judged, strict=True)
    )
