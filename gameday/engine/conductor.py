"""The conductor: runs one exercise. Asks `decide`, acts, turns what comes back into events.

It does no I/O of its own beyond the ports it is given. The abort is `abort()`: the first line sends, the rest records.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from gameday.engine import asking
from gameday.engine import decide as do
from gameday.engine.fault_life import FaultLife
from gameday.engine.following import Confirmed, Follower, follow, last_word
from gameday.engine.inbox import Inbox, InboxPort
from gameday.engine.journal import Journal, WriteRefused, WriterReplaced
from gameday.engine.link import Link
from gameday.engine.ports import Json, Plan, Prober
from gameday.engine.processes import boot_clock
from gameday.engine.watching import ConditionWatch, delays
from gameday.exercise import events as ev
from gameday.exercise.expectations import judge_at_the_end
from gameday.exercise.state import Exercise
from gameday.frozen import field, frozen

DEAF = 8
"""Unanswered beats, of four in a heartbeat, after which the guardian counts as frozen."""
RESCUES = 3
"""Guardians that are started after the first one."""
ANSWERING = 5.0
"""Seconds that requests which were taken are given to be answered when it is over."""
SUSPENDED = 2.0
"""A jump of CLOCK_BOOTTIME against CLOCK_MONOTONIC of more seconds than this means that the machine slept."""


@frozen
class Ports:
    """All that the conductor needs from outside."""

    prober: Prober
    inbox: InboxPort
    alerts: Callable[[], Awaitable[asking.Alerts]] | None = None
    """What Alertmanager says now; None where the target has none."""
    followers: Sequence[Follower] = ()
    """Calls that go on for as long as the exercise does."""
    rescue: Callable[[], Awaitable[Link]] | None = None
    """Starts another guardian when the first one died."""
    as_now: Callable[[Plan], Plan] = lambda plan: plan
    """A plan of the journal, which an earlier version may have written, as this one carries it out."""
    validated: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """What is known of the timeline's faults ahead of their planning, by entry: see `plan_request.plan_call`."""


class Conductor:
    def __init__(self, journal: Journal, link: Link, ports: Ports, *, heartbeat: float) -> None:
        self.journal = journal
        self.link = link
        self.ports = ports
        self.confirmed = Confirmed(ports.followers)
        """Until when the target is ours for certain."""
        self.deaf: set[str] = set()
        """Followers that hear nothing of the target now."""
        self._beat_every = heartbeat / 4
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults = FaultLife(self)
        self._inbox = Inbox(self)
        self._exit: int | None = None
        self._left = False
        self._rescues = 0
        self._offset = boot_clock() - time.monotonic()
        self.unseen: Mapping[str, tuple[float, str]] = {}
        """Expected alerts that can't be seen to fire, as `judge_at_the_end` takes them."""
        self._awake = journal.now()
        """Clock when the machine was last known not to have slept."""

    @property
    def exercise(self) -> Exercise:
        return self.journal.exercise

    def append(self, event: ev.Event, **envelope: Any) -> int:
        """Record an event and have the loop look again; its sequence number."""
        seq = self.journal.append(event, **envelope).seq
        self._changed.set()
        return seq

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the loop. Should it raise, the exercise is aborted: nothing fails in silence."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.abort(f"internal error: {type(error).__name__}: {error}", by="engine")

    def _callback_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The same for what the loop itself calls: it would only log it."""
        loop.default_exception_handler(context)
        error = context.get("exception")
        if "handle" in context and not self._left:
            self.abort(f"internal error: {type(error).__name__}: {error}", by="engine")

    # --- the abort -------------------------------------------------------------------------------------------------

    def abort(self, reason: str, *, by: str, condition: str | None = None, seen: float | None = None) -> None:
        """Undo everything, then write down why. `seen`: clock at which the breach was in hand."""
        self.link.undo_all(reason)
        if self.exercise.abort is None and self.exercise.phase != "ended":
            self.append(ev.AbortBegan(reason, by, condition, seen))

    # --- the loop --------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Until the exercise has ended; its exit code."""
        self._begin()
        self.start(self._watch_suspend())
        for follower in self.ports.followers:
            self.start(follow(self, follower))
        self.start(self._inbox.follow())
        await self._faults.undo_orphans()
        if self.exercise.timeline_started is not None:
            self._watch_target()
        heard = False
        while self._exit is None:
            self._changed.clear()
            self._notice_sleep()
            decision = do.decide(self.exercise, self.journal.now())
            if not heard and any(isinstance(action, do.Finish) for action in decision.actions):
                # What was asked for before the end still counts, and may change what there is to judge.
                heard = True
                await self._hear_out(self._inbox.meet_all())
                await last_word(self)
                continue
            for action in decision.actions:
                self._perform(action)
            if self._exit is None and not decision.actions:
                await self._wait(decision.wake)
        return await self._farewell(self._exit)

    async def recover(self) -> int:
        """Only undo what the journal calls live, and verify it; 0, or 4 where something leaked.

        An unattended exercise ends with it; an attended one is left as interrupted, to be gone on with or closed.
        """
        self._begin()
        await self._faults.undo_orphans()
        while self.exercise.live_faults:
            self._changed.clear()
            await self._wait(None)
        leaked = bool(self.exercise.unrecovered)
        if self.exercise.phase != "ended" and (leaked or not self.exercise.attended):
            # Notes and stamps that nobody took while there was no engine.
            await self._hear_out(self._inbox.meet_all())
            if self.exercise.abort is None:
                self.append(ev.AbortBegan("the engine died", "recover"))
            self._finish()
        elif self.exercise.phase != "ended":
            self.append(ev.EngineLost("recovered; waits to be gone on with or closed"), source="recover")
        self._exit = 4 if leaked else 0
        return await self._farewell(self._exit)

    def _begin(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._callback_failed)
        self._beat()
        self.link.ready()

    async def _wait(self, wake: float | None) -> None:
        patience = 60.0 if wake is None else max(0.0, wake - self.journal.now())
        try:
            await asyncio.wait_for(self._changed.wait(), patience)
        except TimeoutError:
            return

    def _beat(self) -> None:
        """Until the goodbye: the journal may have to wait for its store long after the exercise has ended."""
        if self._left:
            return
        if self.link.unanswered >= DEAF:
            self.link.give_up()
        self.link.beat()
        asyncio.get_running_loop().call_later(self._beat_every, self._beat)

    async def _farewell(self, code: int) -> int:
        # Who asked for the end gets the answer, unless the store keeps it from being written.
        await self._hear_out(self._inbox.busy.acquire())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        whole = await self.journal.close()
        await self.ports.prober.close()
        code = code if whole or code == 4 else max(code, 1)
        self._left = True
        self.link.bye(code)
        return code

    async def _hear_out(self, answering: Awaitable[object]) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(answering, ANSWERING)

    def _perform(self, action: do.Action) -> None:
        match action:
            case do.CheckSteadyState():
                self.append(ev.SteadyStateBegan(action.phase))  # type: ignore[arg-type]
                self.start(self._check_steady_state(action.phase))
            case do.StartTimeline():
                self.append(ev.TimelineStarted())
                self._watch_target()
            case do.Deliver():
                self.append(ev.InjectDelivered(action.entry, action.text, list(action.audience), action.due))
            case do.Ask():
                self.append(ev.ProbeAsked(action.entry, action.due))
                self.start(asking.ask_entry(self, action.entry))
            case do.StartFault():
                self._faults.begin(action.entry, action.due)
            case do.Undo():
                self._faults.undo(action.entry, action.reason)
            case do.Skip():
                self.append(ev.EntrySkipped(action.entry, action.reason))
            case do.PauseScript():
                self.append(ev.Paused(action.reason))
            case do.AbortAll():
                self.abort(action.reason, by=action.by)
            case do.Finish():
                self._finish()

    def _finish(self) -> None:
        """Judge what is still open, then say what the exercise came to."""
        for state in judge_at_the_end(self.exercise, self.journal.now(), self.unseen):
            if self.exercise.expectations[state.index].state == "pending":
                judged = ev.ExpectationJudged(state.index, state.state, state.detail, state.took)  # type: ignore[arg-type]
                self.append(judged)
        last = do.verdict(self.exercise) if self.exercise.steady_before is not False else do.REFUSED
        self.append(ev.ExerciseEnded(last.verdict, last.exit_code, last.reason))  # type: ignore[arg-type]
        self._exit = last.exit_code

    # --- what is watched -------------------------------------------------------------------------------------------

    def _watch_target(self) -> None:
        scenario = self.exercise.scenario
        assert scenario is not None
        for condition, delay in zip(scenario.abort_when, delays(scenario.abort_when), strict=True):
            watch = ConditionWatch(condition, self.ports.prober, self.journal.now, self.append)
            self.start(self._watch(watch, delay))
        if self.ports.alerts is not None:
            self.start(asking.watch_alerts(self, self.ports.alerts))
        for index, expectation in enumerate(scenario.expect):
            if expectation.check is not None:
                self.start(asking.watch_expected_check(self, index, expectation))

    async def _watch(self, watch: ConditionWatch, delay: float) -> None:
        breach = await watch.until_tripped(delay)
        self.abort(breach.reason, by=watch.name, condition=watch.name, seen=breach.seen)

    async def _check_steady_state(self, phase: str) -> None:
        held = await asking.check_steady_state(self, phase)
        self.append(ev.SteadyStateJudged(phase, held))  # type: ignore[arg-type]

    async def _watch_suspend(self) -> None:
        """Notice a sleep also while nothing else wakes the loop."""
        while True:
            await asyncio.sleep(0.25)
            self._notice_sleep()

    def _notice_sleep(self) -> None:
        """A lid that was closed: faults past their time are due at once, since the clock counted on.

        Asked before every decision: what became due during the sleep must not be started by the first of them.
        """
        before = self._awake
        jumped = boot_clock() - time.monotonic() - self._offset
        if jumped > SUSPENDED:
            self._offset += jumped
            self.append(ev.ClockJumped(round(jumped, 1)))
            self._after_sleep(before)
        self._awake = self.journal.now()

    def _after_sleep(self, before: float) -> None:
        reason = "the machine was suspended"
        if not self.exercise.attended:
            self.abort(reason, by="engine")
        elif self.exercise.paused is None and self.exercise.timeline_started is not None:
            # From before the sleep on, so that what would have been due meanwhile does not burst now.
            self.append(ev.Paused(reason), clock=before)

    # --- what the guardian and the store say -----------------------------------------------------------------------

    def guardian_said(self, fact: dict[str, Any]) -> None:
        if "abort" in fact:
            by = str(fact.get("by", "")) or "a person"
            if self.exercise.abort is None and self.exercise.phase != "ended":
                seen = self.journal.clock_of(float(fact["boot"]))
                self.append(ev.AbortBegan(str(fact["abort"]), by, seen_clock=seen), source="guardian", actor=by)
        elif "consoles" in fact:
            self.append(ev.ConsolesChanged(int(fact["consoles"])), source="guardian")
        elif "poke" in fact:
            self._inbox.look.set()
        elif "fact" in fact:
            self._faults.guardian_said(fact)

    def guardian_lost(self) -> None:
        """The undo workers undo on their own; a new guardian makes sure of it and verifies."""
        if self._exit is None:
            self.append(ev.GuardianLost("the guardian died, or was frozen and killed"))
            self.abort("the guardian died", by="engine")
            self.start(self._rescue())

    async def _rescue(self) -> None:
        self._rescues += 1
        if self.ports.rescue is None or self._rescues > RESCUES:
            self._nobody_verifies("the guardian died, and there is no other")
            return
        try:
            self.link = await self.ports.rescue()
        except OSError as error:
            self._nobody_verifies(f"the guardian died, and no other could be started: {error}")
            return
        await self._faults.hold_again()
        self.link.undo_all("the guardian died")

    def _nobody_verifies(self, error: str) -> None:
        """The undo workers have been left to themselves. What they achieved nobody knows, and so it is said."""
        for fault in self.exercise.live_faults:
            self.append(ev.FaultLeaked(fault.entry, error, list(fault.commands)))

    def journal_trouble(self, trouble: WriteRefused) -> None:
        """The journal can't be written any more: a fault that nobody can write about must not stand."""
        reason = f"the journal can't be written: {trouble}"
        self.abort(reason, by="engine")
        if isinstance(trouble, WriterReplaced):
            self._exit = 4
            self._changed.set()

    def stopped_by(self, name: str) -> None:
        """SIGINT, SIGTERM or SIGHUP reached the engine."""
        if self.exercise.live_faults or not self.exercise.attended:
            self.abort(f"the engine received {name}", by=name)
        elif not self.exercise.closing:
            self.append(ev.CloseRequested(), actor=name)
