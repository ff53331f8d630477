"""A world without processes: turns what `decide` asks for into events, on a clock that jumps to whatever is next."""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gameday.engine import decide as do
from gameday.exercise import events as ev
from gameday.exercise.fold import apply, fold
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.scenario.models import Scenario


@dataclass(frozen=True)
class Behaviour:
    """What one fault does; seconds from the step before. None: that step fails."""

    plan: float | None = 0.1
    inject: float | None = 0.1
    effective: float | None = 0.5
    undo: float | None = 0.2
    one_shot: bool = False


@dataclass
class World:
    """Runs one scenario to its end. `inputs`: what people and machines do, as (clock, event)."""

    scenario: dict[str, Any]
    attended: bool = False
    inputs: Sequence[tuple[float, ev.Event]] = ()
    faults: dict[str, Behaviour] = field(default_factory=dict)
    before: bool = True
    after: bool = True
    now: float = 0.0
    asked: list[tuple[float, do.Action]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    decisions: int = 0

    def __post_init__(self) -> None:
        self._count = itertools.count()
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self.x = Exercise()
        Scenario.model_validate(self.scenario)
        self.happens(ev.ExerciseStarted("x", "n", "p", self.scenario, "h", {}, self.attended, 1, 0.0, "b"))
        self.happens(ev.EngineStarted(1, 2, "h"))
        for at, event in self.inputs:
            self.later(at, functools.partial(self._input, event))

    # --- time ------------------------------------------------------------------------------------------------------

    def happens(self, event: ev.Event, clock: float | None = None) -> None:
        at = self.now if clock is None else clock
        record = Record(self.x.last_seq + 1, 1e9 + at, at, 1e9 + self.now, 1, "engine", "", event)
        self.records.append(record)
        self.x = apply(self.x, record)
        self._follow(event)

    def _input(self, event: ev.Event) -> None:
        """As the inbox would: what makes no sense as things stand is refused."""
        if isinstance(event, ev.FaultUndoing):
            fault = self.x.faults.get(event.entry)
            if fault is None or fault.stage not in ("armed", "injecting", "effective"):
                return
        self.happens(event)

    def later(self, after: float, then: Callable[[], None]) -> None:
        heapq.heappush(self._coming, (self.now + after, next(self._count), then))

    def run(self, until: float = float("inf")) -> World:
        """Until the exercise has ended, or nothing is left to happen before clock `until`."""
        while self.x.phase != "ended":
            decision = do.decide(self.x, self.now)
            self.decisions += 1
            assert self.decisions < 20_000, "decide never comes to rest"
            for action in decision.actions:
                self._perform(action)
            if decision.actions:
                continue
            coming = [at for at in (decision.wake, self._coming[0][0] if self._coming else None) if at is not None]
            if not coming or min(coming) > until:
                self.now = max(self.now, until) if until != float("inf") else self.now
                return self
            assert decision.wake is None or decision.wake > self.now, "asked to wake in the past"
            self.now = max(self.now, min(coming))
            while self._coming and self._coming[0][0] <= self.now:
                heapq.heappop(self._coming)[2]()
        assert fold(self.records).verdict == self.x.verdict
        return self

    def sleeps(self, seconds: float) -> None:
        """The machine is suspended: the clock counts on, nothing runs; on waking the script is paused from before."""
        before = self.now
        self.now += seconds
        self.happens(ev.ClockJumped(seconds))
        if self.attended:
            self.happens(ev.Paused("the machine was suspended"), clock=before)
        else:
            self._abort("the machine was suspended", "engine")

    # --- what the conductor and the guardian would do --------------------------------------------------------------

    def _perform(self, action: do.Action) -> None:
        self.asked.append((self.now, action))
        match action:
            case do.CheckSteadyState():
                held = self.before if action.phase == "before" else self.after
                self.happens(ev.SteadyStateBegan(action.phase))  # type: ignore[arg-type]
                self.later(0.3, lambda: self.happens(ev.SteadyStateJudged(action.phase, held)))  # type: ignore[arg-type]
            case do.StartTimeline():
                self.happens(ev.TimelineStarted())
            case do.Deliver():
                self.happens(ev.InjectDelivered(action.entry, action.text, list(action.audience), action.due))
            case do.Ask():
                self.happens(ev.ProbeAsked(action.entry, action.due))
            case do.StartFault():
                self._begin(action)
            case do.Undo():
                self._undo(action.entry, action.reason)
            case do.Skip():
                self.happens(ev.EntrySkipped(action.entry, action.reason))
            case do.PauseScript():
                self.happens(ev.Paused(action.reason))
            case do.AbortAll():
                self._abort(action.reason, action.by)
            case do.Finish():
                self.happens(ev.ExerciseEnded(action.verdict, action.exit_code, action.reason))  # type: ignore[arg-type]

    def _begin(self, action: do.StartFault) -> None:
        self.happens(ev.FaultPlanned(action.entry, "latency", action.due))
        does = self.does(action.entry)
        self.later(0.0 if does.plan is None else does.plan, lambda: self._arm(action.entry))

    def does(self, entry: str) -> Behaviour:
        return self.faults.get(entry, Behaviour())

    def _arm(self, entry: str) -> None:
        does = self.does(entry)
        if does.plan is None or self.x.phase == "aborting":
            self.happens(ev.FaultRefused(entry, "no such target"))
            return
        if self.x.closing:
            self.happens(ev.FaultRefused(entry, do.CLOSED_BEFORE))
            return
        assert self.x.scenario is not None
        index = next(i for i in range(len(self.x.scenario.timeline)) if self.x.scenario.entry_id(i) == entry)
        duration = self.x.scenario.timeline[index].for_
        self.happens(ev.FaultArmed(entry, "latency", {"summary": entry}, does.one_shot, duration))
        self.happens(ev.FaultInjecting(entry, 1))
        self.later(does.inject or 0.1, lambda: self._injected(entry))

    def _injected(self, entry: str) -> None:
        does = self.does(entry)
        if self.x.faults[entry].stage != "injecting":
            return
        if does.inject is None:
            self.happens(ev.FaultFailed(entry, "refused by the target"))
            return
        self.happens(ev.FaultInjected(entry))
        self.later(does.effective or 0.5, lambda: self._effective(entry))

    def _effective(self, entry: str) -> None:
        if self.x.faults[entry].stage != "injecting":
            return
        failed = ev.FaultFailed(entry, "not effective: nothing changed")
        self.happens(failed if self.does(entry).effective is None else ev.FaultEffective(entry, "seen"))

    def _undo(self, entry: str, reason: str) -> None:
        if reason == do.UNSEEN:
            self.happens(ev.FaultFailed(entry, reason))
        self.happens(ev.FaultUndoing(entry, reason))

    def _follow(self, event: ev.Event) -> None:
        if isinstance(event, ev.FaultUndoing) and self.x.faults[event.entry].stage == "undoing":
            self.happens(ev.UndoSent(event.entry, 1))
            delay = self.does(event.entry).undo
            gone = ev.FaultRecovered(event.entry, "gone") if delay is not None else ev.FaultLeaked(event.entry, "stuck")
            self.later(60.0 if delay is None else delay, lambda: self.happens(gone))
        if isinstance(event, ev.AbortBegan):
            for fault in self.x.live_faults:
                if fault.stage != "undoing":
                    self._undo(fault.entry, event.reason)

    def _abort(self, reason: str, by: str) -> None:
        if self.x.abort is None:
            self.happens(ev.AbortBegan(reason, by))

    # --- what came of it -------------------------------------------------------------------------------------------

    def at(self, kind: type[ev.Event], entry: str | None = None) -> list[float]:
        """Clocks of the events of a kind (of one entry), rounded to ms."""
        return [
            round(record.clock, 3)
            for record in self.records
            if isinstance(record.event, kind) and entry in (None, getattr(record.event, "entry", None))
        ]

    def skipped(self) -> dict[str, str]:
        return {r.event.entry: r.event.reason for r in self.records if isinstance(r.event, ev.EntrySkipped)}

    @property
    def result(self) -> tuple[str | None, int | None]:
        return self.x.verdict, self.x.exit_code
