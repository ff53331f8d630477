"""The state of an exercise: frozen values that `fold` makes out of events. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from gameday.frozen import frozen

if TYPE_CHECKING:
    from gameday.scenario.models import Scenario

Json = Any
Stage = Literal["planned", "armed", "injecting", "effective", "undoing", "recovered", "leaked", "refused"]
LIVE: frozenset[str] = frozenset({"armed", "injecting", "effective", "undoing"})
"""Stages in which the target may be disturbed."""

Phase = Literal["new", "before", "ready", "running", "aborting", "after", "open", "interrupted", "ended"]
"""`before`/`after`: steady state being checked; `ready`: it held, or not, nothing started yet;
`open`: through, waits for the facilitator to close; `interrupted`: the engine died, everything was undone."""


@frozen
class Moment:
    """A point in time: `wall` in unix seconds UTC, `clock` in seconds on the exercise's clock."""

    wall: float
    clock: float


@frozen
class Gap:
    """A time in which a fault was seen not to stand, by the moments at which that was seen."""

    since: Moment
    back: Moment
    evidence: str
    replaced: bool = False
    """Nobody took it away: what it was in was made anew."""


@frozen
class FaultState:
    entry: str
    name: str
    stage: Stage = "planned"
    summary: str = ""
    targets: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    one_shot: bool = False
    duration: float | None = None
    plan: dict[str, Json] | None = None
    planned: Moment | None = None
    armed: Moment | None = None
    injecting: Moment | None = None
    effective: Moment | None = None
    undo_sent: Moment | None = None
    """The first one."""
    ended: Moment | None = None
    """Recovered, leaked or refused."""
    attempts: int = 0
    undo_reason: str = ""
    evidence: str = ""
    """What showed that it was effective."""
    cleared: str = ""
    """What showed that it was gone."""
    error: str = ""
    """Why it was refused, failed, did not take hold, or leaked."""
    unwell: str = ""
    """Recovered, with nothing of it left: by what change of somebody else's it is not as it was all the same."""
    undo_error: str = ""
    """What the last failed undo said, even if a later one held."""
    commands: tuple[str, ...] = ()
    strikes: int = 0
    """How often it struck, the first time included."""
    striking: tuple[str, ...] = ()
    """What it was about to strike once more; empty once it is known what became of that."""
    struck: tuple[Json, ...] = ()
    """The same as the verification of recovery knows it; also where nobody knows whether it came through."""
    maybe: tuple[str, ...] = ()
    """Of which strikes nobody knows whether they came through; see `strikes`."""
    faded: Moment | None = None
    """Since when it was seen not to stand any more, though it was to last; None where it stands, or nobody looks."""
    faded_evidence: str = ""
    faded_replaced: bool = False
    """Nobody took it away: what it was in was made anew."""
    gaps: tuple[Gap, ...] = ()
    """Times before in which it was seen not to stand, oldest first."""
    passed: Mapping[str, int] = field(default_factory=dict)
    """Why it let turns pass, where it strikes again and again, and how often each; see `strikes`."""

    @property
    def live(self) -> bool:
        return self.stage in LIVE

    def stood(self, end: Moment | None) -> tuple[tuple[Moment, Moment | None], ...]:
        """When it stood: from when it was confirmed effective until it was gone, or else `end`, without the gaps."""
        if self.effective is None:
            return ()
        begins = (self.effective, *(gap.back for gap in self.gaps))
        ends = (*(gap.since for gap in self.gaps), self.faded or end)
        return tuple(zip(begins, ends, strict=True))


EntryStage = Literal["pending", "released", "started", "done", "skipped"]


@frozen
class EntryState:
    entry: str
    stage: EntryStage = "pending"
    done: Moment | None = None
    """An inject was delivered; a check was answered; a fault has recovered, leaked or was refused."""
    reason: str = ""
    held: bool | None = None
    """Of a check that says what the answer must be: whether it was that."""


@frozen
class Stamp:
    """A milestone as reached. Several may stand for one milestone; see `Exercise.milestone`."""

    seq: int
    milestone: str
    at: Moment
    recorded: float
    partial: bool
    source: str
    actor: str
    note: str = ""
    detection: str | None = None


@frozen
class Note:
    seq: int
    at: Moment
    text: str
    category: str
    audience: str
    actor: str


@frozen
class ConditionState:
    name: str
    state: Literal["unknown", "ok", "breaching", "tripped", "held"] = "unknown"
    value: Json = None
    answer: str = ""
    detail: str = ""
    at: Moment | None = None
    since: Moment | None = None
    """When the present state began."""


@frozen
class ExpectationState:
    index: int
    state: Literal["pending", "met", "late", "missed", "not_observed"] = "pending"
    detail: str = ""
    took: float | None = None
    at: Moment | None = None


@frozen
class AlertState:
    alert: str
    state: Literal["firing", "resolved"]
    at: Moment
    """When the present state was seen."""
    fired: Moment
    """When it was first seen firing in this exercise."""
    summary: str = ""
    firings: tuple[Moment, ...] = ()
    """Each time that it began to fire, oldest first."""


@frozen
class Breach:
    """A time in which a workload was not whole, by the moments at which that was heard of."""

    begun: Moment
    text: str
    """How it was when that began, e.g. `2 of 3 pods ready`."""
    over: Moment | None = None
    outcome: str = ""


@frozen
class WorkloadState:
    """What the target says of something that services are made of, e.g. `deployment shop/checkout`."""

    thing: str
    services: tuple[str, ...] = ()
    watched: bool = False
    """It was said whether it is whole; before that nothing is known of it."""
    breaches: tuple[Breach, ...] = ()
    """Each time that it was not whole, oldest first."""
    recent: tuple[tuple[float | None, str], ...] = ()
    """Rollouts of before the exercise: wall time that the target gives, and what it was."""

    @property
    def broken(self) -> Breach | None:
        """The breach that lasts; None while it is whole, as far as is known."""
        return self.breaches[-1] if self.breaches and self.breaches[-1].over is None else None


@frozen
class Abort:
    at: Moment
    reason: str
    by: str
    condition: str | None
    seen: float | None
    """Clock at which the breach was in hand, or a person's abort arrived; None where nobody can say."""


@frozen
class ActionItem:
    action: str
    what: str
    owner: str
    due: str
    verify: str
    added: Moment
    closed: Moment | None = None
    how: str = ""
    retest: str = ""
    """The scenario that will show it."""


def _empty() -> Any:
    return MappingProxyType({})


@frozen
class Exercise:
    """Everything that is known after some prefix of the journal. Mappings are read-only and in order of appearance."""

    id: str = ""
    name: str = ""
    scenario: Scenario | None = None
    target: dict[str, Json] = field(default_factory=dict)
    attended: bool = False
    seed: int = 0
    phase: Phase = "new"
    started: Moment | None = None
    timeline_started: Moment | None = None
    ended: Moment | None = None
    verdict: str | None = None
    exit_code: int | None = None
    reason: str = ""
    last_seq: int = 0
    epoch: int = 0
    engine_pid: int | None = None
    guardian_pid: int | None = None
    host: str = ""
    consoles: int = 0
    consoles_since: Moment | None = None
    """When the number of attached consoles last changed."""
    paused: Moment | None = None
    pauses: tuple[tuple[float, float], ...] = ()
    """Finished pauses as clock intervals."""
    entries: MappingProxyType[str, EntryState] = field(default_factory=_empty)
    faults: MappingProxyType[str, FaultState] = field(default_factory=_empty)
    conditions: MappingProxyType[str, ConditionState] = field(default_factory=_empty)
    expectations: tuple[ExpectationState, ...] = ()
    alerts: MappingProxyType[str, AlertState] = field(default_factory=_empty)
    workloads: MappingProxyType[str, WorkloadState] = field(default_factory=_empty)
    """By what they are called; those of which something was heard as a whole."""
    stamps: tuple[Stamp, ...] = ()
    """Not withdrawn, in order of recording."""
    notes: tuple[Note, ...] = ()
    hints: tuple[tuple[str, Moment], ...] = ()
    roles: MappingProxyType[str, tuple[str, ...]] = field(default_factory=_empty)
    steady_before: bool | None = None
    steady_after: bool | None = None
    steady_phase: Literal["before", "after"] | None = None
    """The check that is under way."""
    abort: Abort | None = None
    closing: bool = False
    engine_losses: int = 0
    actions: MappingProxyType[str, ActionItem] = field(default_factory=_empty)

    @property
    def through(self) -> bool:
        """Every entry of the timeline is done or skipped."""
        return all(entry.stage in ("done", "skipped") for entry in self.entries.values())

    @property
    def live_faults(self) -> tuple[FaultState, ...]:
        return tuple(fault for fault in self.faults.values() if fault.live)

    @property
    def unrecovered(self) -> tuple[FaultState, ...]:
        """Faults that may still disturb the target: live ones and leaked ones."""
        return tuple(fault for fault in self.faults.values() if fault.live or fault.stage == "leaked")

    def milestone(self, name: str) -> Stamp | None:
        """The stamp that counts: the earliest that is not partial (a correction withdraws the wrong one first)."""
        found = [stamp for stamp in self.stamps if stamp.milestone == name and not stamp.partial]
        return min(found, key=lambda stamp: stamp.at.clock) if found else None

    def partial(self, name: str) -> Stamp | None:
        found = [stamp for stamp in self.stamps if stamp.milestone == name and stamp.partial]
        return min(found, key=lambda stamp: stamp.at.clock) if found else None

    def paused_seconds(self, start: float, end: float) -> float:
        """How much of the clock interval [start, end] was spent in pause, seconds."""
        spans = self.pauses if self.paused is None else (*self.pauses, (self.paused.clock, max(end, self.paused.clock)))
        return sum(max(0.0, min(end, stop) - max(start, begin)) for begin, stop in spans)
