"""The debrief as data: everything the formats show, and nothing about how it looks.

One frozen tree of plain dataclasses (ten thousand rows cost little), built by `build.build_debrief`. It is also the
public JSON format, so a field that goes away or changes its meaning raises `FORMAT`. Durations are seconds; `wall` is
unix seconds (UTC); `clock` is seconds since the exercise began, pauses included.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from gameday.frozen import frozen

FORMAT = 1
Level = Literal["high", "medium", "low", "good"]
Lane = Literal["system", "response"]
Judged = Literal["pending", "met", "late", "missed", "not_observed"]


@frozen(kw_only=True)
class When:
    wall: float
    clock: float
    utc: str


@frozen(kw_only=True)
class Headline:
    verdict: Annotated[str, Field(description="completed, failed, aborted, leaked, refused, running or interrupted.")]
    level: Literal["good", "warn", "bad"]
    sentence: str
    findings: Annotated[tuple[str, ...], Field(description="The most important ones, at most three.")]
    risk: Annotated[str, Field(description="The highest risk in one sentence.")]


@frozen(kw_only=True)
class Overview:
    id: str
    name: str
    title: str
    description: str
    category: str
    severity: str
    severity_why: str
    difficulty: str
    objectives: tuple[str, ...]
    runbook: str
    target: str
    kind: str
    environment: str
    attended: bool
    parameters: dict[str, Any]
    scenario_path: str
    scenario_hash: str
    version: str
    host: str
    started: When | None
    ended: When | None
    duration: float | None
    exit_code: int | None
    reason: str


@frozen(kw_only=True)
class Person:
    role: str
    who: tuple[str, ...]


@frozen(kw_only=True)
class Interval:
    start: When
    end: When | None
    seconds: float | None
    reason: str


@frozen(kw_only=True)
class Hint:
    at: When
    entry: str
    text: str


@frozen(kw_only=True)
class TargetTime:
    """`within` counts from `of`; `tick` is the same counted from the timing's own start, where both were reached."""

    within: float
    of: str
    tick: float | None
    state: Judged


@frozen(kw_only=True)
class TimingRow:
    key: str
    name: str
    from_event: str
    to_event: str
    state: Literal["measured", "not reached", "not applicable", "frozen", "out of order"]
    start: When | None
    end: When | None
    wall: float | None
    running: Annotated[float | None, Field(description="`wall` without pauses.")]
    partial: bool
    hinted: bool
    counts: Annotated[bool, Field(description="May enter a median across exercises.")]
    target: TargetTime | None
    note: str


@frozen(kw_only=True)
class MilestoneView:
    """A milestone as reached: stamped, or read from what the machines did."""

    milestone: str
    event: str
    at: When
    source: Literal["stamp", "fault", "inject", "alert"]
    actor: str
    note: str
    partial: bool
    counts: Annotated[bool, Field(description="False: partial, or another came before; it is in no timing.")]


@frozen(kw_only=True)
class AbortRow:
    entry: str
    seen: float | None
    undo_sent: float | None
    recovered: float | None
    to_undo: float | None
    to_recovered: float | None
    undo_to_recovered: float | None
    state: Literal["recovered", "leaked", "not recovered", "already undoing"]
    note: str


@frozen(kw_only=True)
class AbortView:
    at: When
    reason: str
    by: str
    condition: str
    seen_event: str
    faults: tuple[AbortRow, ...]


@frozen(kw_only=True)
class Row:
    """One line of the timeline."""

    seq: int
    at: When
    lane: Lane
    kind: str
    text: str
    actor: str
    late: Annotated[float, Field(description="Seconds between happening and being written down.")]


@frozen(kw_only=True)
class WholeView:
    """When a workload that a fault touched was whole again, as the target said."""

    thing: Annotated[str, Field(description="What it is on the target, e.g. `deployment shop/checkout`.")]
    services: tuple[str, ...]
    state: Literal["whole again", "not whole", "stayed whole"]
    from_event: str
    start: Annotated[When | None, Field(description="The first sign of the fault's impact on it.")]
    end: When | None
    seconds: Annotated[float | None, Field(description="From `start` to `end`, on our own clock.")]
    text: str
    longest_of: Annotated[
        int, Field(description="Of a fault that struck more than once: of so many times this is the longest; else 0.")
    ]


@frozen(kw_only=True)
class BreachView:
    """A time in which a workload was not whole."""

    start: When
    end: When | None
    seconds: float | None
    text: str
    outcome: str


@frozen(kw_only=True)
class RecentRollout:
    """A rollout of before the exercise. The time is the target's own."""

    wall: float | None
    utc: str
    text: str


@frozen(kw_only=True)
class WorkloadView:
    thing: str
    services: tuple[str, ...]
    watched: Annotated[bool, Field(description="The target said whether it is whole.")]
    breaches: tuple[BreachView, ...]
    recent: tuple[RecentRollout, ...]


@frozen(kw_only=True)
class FaultView:
    entry: str
    name: str
    summary: str
    stage: str
    one_shot: bool
    duration: float | None
    targets: tuple[str, ...]
    objects: tuple[str, ...]
    armed: When | None
    injecting: When | None
    injected: When | None
    effective: When | None
    faded: Annotated[When | None, Field(description="Seen not to stand any more, before its undo.")]
    gaps: Annotated[tuple[Interval, ...], Field(description="When it was seen not to stand, and to stand again.")]
    undo_sent: When | None
    ended: When | None
    attempts: int
    undo_reason: str
    evidence: str
    recovered_evidence: str
    strikes: Annotated[str, Field(description="Of one that strikes again and again: how often not, and why.")]
    error: str
    commands: tuple[str, ...]
    whole: Annotated[
        tuple[WholeView, ...], Field(description="Workloads that it touched, where the target watches them.")
    ]


@frozen(kw_only=True)
class Point:
    """One bucket of samples: lowest and highest value in it."""

    clock: float
    low: float
    high: float


@frozen(kw_only=True)
class ConditionView:
    name: str
    rule: Annotated[str, Field(description="What trips it, in words.")]
    threshold: Annotated[tuple[float, ...], Field(description="Lines to draw; empty where the rule has no number.")]
    every: float
    samples: int
    breaching: Annotated[int, Field(description="Samples that were in breach, on the way to tripping or tripped.")]
    unanswered: Annotated[int, Field(description="Samples that brought no usable value.")]
    worst: str
    headroom: Annotated[
        float | None,
        Field(description="What was left to the threshold at the worst value, as a share; 0 or less: past it."),
    ]
    state: str
    tripped: When | None
    points: tuple[Point, ...]
    gaps: Annotated[tuple[float, ...], Field(description="Clock times without a usable answer, decimated.")]


@frozen(kw_only=True)
class CheckView:
    phase: Literal["before", "after"]
    name: str
    wanted: str
    answer: str
    held: bool
    at: When


@frozen(kw_only=True)
class ExpectationView:
    index: int
    text: str
    by: Literal["machine", "people"]
    state: Judged
    took: float | None
    detail: str


@frozen(kw_only=True)
class AlertView:
    alert: str
    fired: When
    resolved: When | None
    summary: str
    after_impact: float | None
    expected: bool


@frozen(kw_only=True)
class Detection:
    event: str
    source: str
    seconds: float | None


@frozen(kw_only=True)
class Silence:
    """A silence that was too long: a clock interval, and its length without pauses."""

    start: float
    end: float
    seconds: float


@frozen(kw_only=True)
class Cadence:
    audience: str
    every: float | None
    within: float | None
    window: Annotated[tuple[float, float] | None, Field(description="Clock interval in which updates were due.")]
    sent: tuple[float, ...]
    breaches: tuple[Silence, ...]
    excessive: bool
    asked: Annotated[bool, Field(description="An expectation names this audience.")]


@frozen(kw_only=True)
class NoteView:
    seq: int
    at: When
    category: str
    audience: str
    actor: str
    text: str


@frozen(kw_only=True)
class Impact:
    """How long the target was disturbed, as far as the journal knows."""

    seconds: float | None
    since: Annotated[str, Field(description="The event that it is counted from, in words; empty where there was none.")]
    until: str
    budget_share: Annotated[
        float | None, Field(description="Of 43.2 minutes (99.9 % over 30 days), had it hit every user.")
    ]
    stretches: Annotated[int, Field(description="In how many stretches, with calm between them.")]


@frozen(kw_only=True)
class Finding:
    rule: str
    level: Level
    title: str
    detail: str
    advice: str
    evidence: Annotated[tuple[int, ...], Field(description="Sequence numbers in the journal.")]


@frozen(kw_only=True)
class Suggestion:
    """What the language linter proposes; it changes nothing."""

    where: str
    seq: int | None
    found: str
    advice: str


@frozen(kw_only=True)
class ActionView:
    action: str
    what: str
    owner: str
    due: str
    verify: str
    retest: str
    open: bool
    how: str


@frozen(kw_only=True)
class PreviousAction:
    """An action item of an earlier exercise, seen from the start of this one."""

    exercise: str
    scenario: str
    held: Annotated[str, Field(description="The day of the earlier exercise, UTC.")]
    action: str
    what: str
    owner: str
    due: str
    open: bool
    how: str
    days: Annotated[int, Field(description="Days that it was open, until it was closed or this exercise began.")]
    overdue: bool


@frozen(kw_only=True)
class Debrief:
    headline: Headline
    overview: Overview
    people: tuple[Person, ...]
    participants: Annotated[tuple[str, ...], Field(description="Whoever held a role, stamped or wrote something.")]
    pauses: tuple[Interval, ...]
    hints: tuple[Hint, ...]
    interruptions: Annotated[tuple[Row, ...], Field(description="Lost engines and guardians, suspends, warnings.")]
    milestones: tuple[MilestoneView, ...]
    timings: tuple[TimingRow, ...]
    abort: AbortView | None
    timeline: tuple[Row, ...]
    faults: tuple[FaultView, ...]
    workloads: tuple[WorkloadView, ...]
    conditions: tuple[ConditionView, ...]
    steady_state: tuple[CheckView, ...]
    steady_before: bool | None
    steady_after: bool | None
    expectations: tuple[ExpectationView, ...]
    detection: Detection | None
    alerts: tuple[AlertView, ...]
    cadence: tuple[Cadence, ...]
    impact: Impact
    notes: tuple[NoteView, ...]
    findings: tuple[Finding, ...]
    actions: tuple[ActionView, ...]
    previous: tuple[PreviousAction, ...]
    language: tuple[Suggestion, ...]
    unknown: tuple[str, ...]
    journal: Annotated[
        tuple[dict[str, Any], ...], Field(description="The records, whole, as they stand in the journal.")
    ]
    format: int = FORMAT
