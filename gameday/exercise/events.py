"""Everything that can happen in an exercise, one frozen class each; the journal is a list of these.

Fields are JSON values only, so that an event survives any store. An event is never changed or deleted: a correction is
a new event that names the old one by its sequence number. Times are the envelope's (`Record`); a field called
`..._clock` holds seconds on the exercise's clock.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any, Literal

from gameday.frozen import frozen

Json = Any


@frozen
class Event:
    """Base of all events."""


# --- the exercise itself -------------------------------------------------------------------------------------------


@frozen
class ExerciseStarted(Event):
    """The first event of every journal: carries all that is needed to read the rest."""

    exercise: str
    name: str
    """The scenario file's stem, e.g. `payment-outage`."""
    path: str
    scenario: dict[str, Json]
    """The scenario as JSON with parameters and target names filled in; secrets only as references."""
    scenario_hash: str
    """sha256 of the file's bytes, hex."""
    target: dict[str, Json]
    """`TargetInfo` as JSON."""
    attended: bool
    seed: int
    boot: float
    """CLOCK_BOOTTIME at clock zero, seconds."""
    boot_id: str
    """Which boot that clock belongs to; on another boot the wall clock takes over."""
    parameters: dict[str, Json] = field(default_factory=dict)
    version: str = ""
    after: dict[str, Json] | None = None
    """What a guardian runs when everything is over, a `Call` as JSON: it takes down what was brought up for this."""


@frozen
class EngineStarted(Event):
    pid: int
    guardian: int
    host: str
    resumed: bool = False


@frozen
class EngineLost(Event):
    """The guardian, or `gameday recover`, found the engine dead or frozen and took over."""

    reason: str


@frozen
class GuardianLost(Event):
    reason: str


@frozen
class ConsolesChanged(Event):
    count: int


@frozen
class SteadyStateBegan(Event):
    phase: Literal["before", "after"]


@frozen
class CheckAnswered(Event):
    phase: Literal["before", "after"]
    index: int
    name: str
    held: bool
    answer: dict[str, Json]
    """`Answer` as JSON."""
    wanted: str
    """The tolerance in words."""


@frozen
class SteadyStateJudged(Event):
    phase: Literal["before", "after"]
    held: bool


@frozen
class TimelineStarted(Event):
    """`at:` counts from here."""


@frozen
class Paused(Event):
    reason: str


@frozen
class Continued(Event):
    pass


@frozen
class ClockJumped(Event):
    """The machine was suspended for about this many seconds."""

    seconds: float


@frozen
class Warned(Event):
    text: str


@frozen
class CloseRequested(Event):
    """The facilitator closes the exercise; what still lives is undone first."""


@frozen
class ExerciseEnded(Event):
    """The last event of the run itself; only follow-up (notes, actions) may come after it."""

    verdict: Literal["completed", "failed", "aborted", "leaked", "refused"]
    exit_code: int
    reason: str


# --- the script ----------------------------------------------------------------------------------------------------


@frozen
class EntryReleased(Event):
    """The facilitator let a `manual` (or a waiting) entry go now."""

    entry: str


@frozen
class EntrySkipped(Event):
    entry: str
    reason: str


@frozen
class InjectDelivered(Event):
    entry: str
    text: str
    audience: list[str] = field(default_factory=list)
    due_clock: float | None = None
    """When it was due; None for a manual one."""


@frozen
class ProbeAsked(Event):
    """A check of the timeline is due and being asked."""

    entry: str
    due_clock: float | None = None


@frozen
class ProbeAnswered(Event):
    """What a check of the timeline brought back. `held`: None where nothing says what the answer must be."""

    entry: str
    name: str
    held: bool | None
    answer: dict[str, Json]
    """`Answer` as JSON."""
    wanted: str = ""
    """The tolerance in words."""


@frozen
class HintGiven(Event):
    entry: str
    text: str


# --- faults: planned → armed → injecting → effective → undoing → recovered | leaked -----------------------------------


@frozen
class FaultPlanned(Event):
    """The fault is due: its targets are being resolved. Nothing is touched yet."""

    entry: str
    fault: str
    due_clock: float | None = None


@frozen
class FaultRefused(Event):
    """It could not be planned or armed; nothing was touched."""

    entry: str
    error: str


@frozen
class FaultArmed(Event):
    """Durable before anything is touched: with `plan` alone the fault can be undone and verified."""

    entry: str
    fault: str
    plan: dict[str, Json]
    """`Plan` as JSON."""
    one_shot: bool
    duration: float | None
    """Seconds it may live once effective; None for a one-shot."""


@frozen
class FaultInjecting(Event):
    entry: str
    pid: int = 0
    """Process group of the inject worker."""


@frozen
class FaultInjected(Event):
    """The injection returned. Whether it took hold is another question."""

    entry: str
    output: Json = None


@frozen
class FaultFailed(Event):
    """The injection failed, or did not take hold (`not effective`); it is undone all the same."""

    entry: str
    error: str


@frozen
class FaultEffective(Event):
    entry: str
    evidence: str


@frozen
class FaultFaded(Event):
    """What the fault had made or changed was found to be gone while it was to last: somebody took it away. It is undone
    in its time all the same."""

    entry: str
    evidence: str
    replaced: bool = False
    """Nobody took it away: the pods that it was in were made anew, by a rollout say."""


@frozen
class FaultStandsAgain(Event):
    """After `FaultFaded`, or after a warning that part of it had gone: it is there again."""

    entry: str
    evidence: str


@frozen
class FaultStriking(Event):
    """A fault that goes on is about to strike once more; durable before anything is touched. `FaultRepeated` follows.
    Where none does it may have struck."""

    entry: str
    targets: list[str]
    objects: list[Json] = field(default_factory=list)
    """The same as its verification of recovery knows them."""


@frozen
class FaultRepeated(Event):
    """A fault that goes on struck once more; or let the turn pass, since it could not within its limits, or may have
    struck, or was stopped before: see `turns`."""

    entry: str
    evidence: str


@frozen
class FaultUndoing(Event):
    entry: str
    reason: str


@frozen
class UndoSent(Event):
    entry: str
    attempt: int


@frozen
class UndoFailed(Event):
    """One attempt failed; another follows until the recovery limit."""

    entry: str
    attempt: int
    error: str


@frozen
class FaultRecovered(Event):
    entry: str
    evidence: str
    unwell: str = ""
    """Why what it was on is not as it was all the same: by somebody else's change, which is not ours to undo."""


@frozen
class FaultLeaked(Event):
    """Undo failed for good: somebody has to act, with `commands`."""

    entry: str
    error: str
    commands: list[str] = field(default_factory=list)


# --- what the machines saw -----------------------------------------------------------------------------------------


@frozen
class ConditionSampled(Event):
    """One answer to one abort condition. `breaching` is on its way to tripping (`for:` / `consecutive:`)."""

    name: str
    state: Literal["ok", "breaching", "tripped", "held"]
    value: Json = None
    answer: str = "value"
    """`Answer.kind`."""
    detail: str = ""


REAL_INCIDENT = "this is a real incident"
"""The reason of an abort that says nothing about the exercise: something else burns."""


@frozen
class AbortBegan(Event):
    """Undo was sent before this was written. `seen_clock`: when the answer with the breach was in hand, or
    when a person's abort arrived."""

    reason: str
    by: str
    condition: str | None = None
    seen_clock: float | None = None


@frozen
class AlertSeen(Event):
    alert: str
    state: Literal["firing", "resolved"]
    summary: str = ""
    starts_at: float | None = None
    """Wall time the alert's source gives for its start."""


@frozen
class TargetObserved(Event):
    """What the target itself says of what happens in it: evidence, not the response of people."""

    what: Literal["event", "restart", "unready", "ready", "gone", "new", "rollout", "whole", "not_whole", "recent"]
    """`whole` / `not_whole`: the workload as a whole; `recent`: a rollout from before the exercise."""
    thing: str
    """What it is about, e.g. `deployment shop/checkout`."""
    text: str
    at: float | None = None
    """Wall time that the target gives for it, unix seconds: evidence, and no clock of ours."""
    services: list[str] = field(default_factory=list)
    """Names of the target's services that this is about."""


@frozen
class ExpectationJudged(Event):
    """`index` in the scenario's `expect`, from 0. `took`: seconds from its base milestone, pause included."""

    index: int
    state: Literal["met", "late", "missed", "not_observed"]
    detail: str = ""
    took: float | None = None


# --- what the people did -------------------------------------------------------------------------------------------


@frozen
class MilestoneReached(Event):
    milestone: str
    partial: bool = False
    note: str = ""
    detection: str | None = None
    """For `detected`: what saw it first: monitoring, user, person."""


@frozen
class MilestoneWithdrawn(Event):
    """`stamp`: sequence number of the `MilestoneReached` that was a mistake."""

    stamp: int
    reason: str = ""


NoteClass = Literal["unclassified", "observation", "decision", "update", "evidence", "surprise", "role"]


@frozen
class NoteTaken(Event):
    text: str
    category: NoteClass = "unclassified"
    audience: str = ""
    """With category `update`: whom it went to."""


@frozen
class NoteClassified(Event):
    note: int
    """Sequence number of the `NoteTaken`."""
    category: NoteClass


@frozen
class RoleTaken(Event):
    role: str
    who: str


# --- what came out -------------------------------------------------------------------------------------------------


@frozen
class ActionAdded(Event):
    action: str
    """Short id, `A1`, `A2` … within the exercise."""
    what: str
    owner: str
    due: str
    """ISO date."""
    verify: str = ""
    """How somebody will know that it is done."""
    retest: str = ""
    """Name of the scenario that will show it."""


@frozen
class ActionClosed(Event):
    action: str
    how: str = ""


def kind_of(event: Event | type[Event]) -> str:
    """The name under which an event stands in the journal: `FaultArmed` -> `fault_armed`."""
    return _KINDS[event if isinstance(event, type) else type(event)]


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


REGISTRY: dict[str, type[Event]] = {
    _snake(name): thing
    for name, thing in list(globals().items())
    if isinstance(thing, type) and issubclass(thing, Event) and thing is not Event
}
_KINDS: dict[type[Event], str] = {cls: kind for kind, cls in REGISTRY.items()}
