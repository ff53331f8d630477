"""What people ask for, as events. The engine is the only writer; a request that can't be met is answered with why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gameday.engine import requests as rq
from gameday.exercise import events as ev
from gameday.frozen import frozen
from gameday.scenario.duration import format_duration
from gameday.scenario.problems import nearest

if TYPE_CHECKING:
    from gameday.engine.conductor import Conductor

EVERY = 0.2
SLACK = 2.0
"""Seconds before its beginning that still count as its beginning: two clocks and a journey lie between."""


@frozen
class Asked:
    """A row of the inbox."""

    row: int
    request: dict[str, Any]
    source: str
    actor: str
    wall: float
    """When it was asked, unix seconds."""


class InboxPort(Protocol):
    """Blocking calls, made from a thread."""

    def take(self) -> Sequence[Asked]: ...

    def answer(self, row: int, answer: dict[str, Any]) -> None: ...


class Refusal(Exception):
    """A request that makes no sense as things stand; the text goes back to whoever asked."""


def before_its_start(milestone: str, clock: float, by: float, now: float, *, partial: bool = False) -> str:
    """Why a stamp at `clock` can't go back by `by` seconds, as a sentence for a person; "" where it can.

    Nothing of an exercise happened before it began, and a stamp put at its beginning instead would stand at a time
    that nobody said: before the impact, say, where it counts for nothing. All times are seconds, `now` on the
    exercise's clock too.
    """
    if by <= clock:
        return ""
    partly = " --partial" if partial else ""
    ago = format_duration(max(1, round(now - clock / 2)))
    return (
        f"the exercise was only {clock:.0f} s old then: the stamp stays; "
        f"gameday mark {milestone}{partly} --ago {ago} says another time"
    )


class Inbox:
    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self.look = asyncio.Event()
        self.busy = asyncio.Lock()
        """Held while requests that were taken have not been answered."""

    async def follow(self) -> None:
        while True:
            await self.meet_all()
            self.look.clear()
            try:
                await asyncio.wait_for(self.look.wait(), EVERY)
            except TimeoutError:
                continue

    async def meet_all(self) -> None:
        """Take what there is, and answer it."""
        async with self.busy:
            for asked in await asyncio.to_thread(self._c.ports.inbox.take):
                answer = self.meet(asked)
                await asyncio.to_thread(self._c.ports.inbox.answer, asked.row, answer)

    def meet(self, asked: Asked) -> dict[str, Any]:
        """Turn one request into events; `{"ok": true, "seq": …}` or `{"ok": false, "error": …}`."""
        try:
            request = rq.from_json(asked.request)
            if isinstance(request, rq.Move):
                return {"ok": True, "seq": self._move(request, asked)}
            event, ago = self._event(request)
            self._no_earlier_than_the_start(asked.wall - ago)
        except (Refusal, ValueError) as error:
            return {"ok": False, "error": str(error)}
        if isinstance(request, rq.Abort):
            self._c.abort(request.reason or "a person aborted", by=asked.actor or asked.source)
            return {"ok": True}
        assert event is not None
        wall = asked.wall - ago
        now = self._c.journal.now()
        clock = max(0.0, min(now, now - (self._c.journal.wall() - wall)))
        seq = self._c.append(event, source=asked.source, actor=asked.actor, wall=wall, clock=clock)
        if isinstance(request, rq.UndoNow):
            self._c.link.undo([request.entry], event.reason if isinstance(event, ev.FaultUndoing) else "")
        return {"ok": True, "seq": seq}

    def _move(self, request: rq.Move, asked: Asked) -> int:
        """The earlier stamp first: whatever dies in between, none is lost."""
        stamp = next((stamp for stamp in self._c.exercise.stamps if stamp.seq == request.stamp), None)
        if stamp is None:
            raise Refusal(f"there is no stamp {request.stamp} to move")
        by = max(0.0, request.by)
        if why := before_its_start(stamp.milestone, stamp.at.clock, by, self._c.journal.now(), partial=stamp.partial):
            raise Refusal(why)
        again = ev.MilestoneReached(stamp.milestone, stamp.partial, stamp.note, stamp.detection)
        envelope = {"source": asked.source, "actor": asked.actor}
        seq = self._c.append(again, clock=stamp.at.clock - by, wall=stamp.at.wall - by, **envelope)
        self._c.append(ev.MilestoneWithdrawn(stamp.seq, f"moved back by {format_duration(round(by))}"), **envelope)
        return seq

    def _no_earlier_than_the_start(self, wall: float) -> None:
        started = self._c.exercise.started
        if started is not None and wall < started.wall - SLACK:
            raise Refusal(f"that was {started.wall - wall:.0f} s before the exercise began")

    def _event(self, request: rq.Request) -> tuple[ev.Event | None, float]:
        x = self._c.exercise
        match request:
            case rq.Abort():
                return None, 0.0
            case rq.Mark():
                if not request.milestone.strip():
                    raise Refusal("a milestone needs a name")
                stamp = ev.MilestoneReached(request.milestone, request.partial, request.note, request.detection)
                return stamp, max(0.0, request.ago)
            case rq.Withdraw():
                if request.stamp not in {stamp.seq for stamp in x.stamps}:
                    raise Refusal(f"there is no stamp {request.stamp} to take back")
                return ev.MilestoneWithdrawn(request.stamp, request.reason), 0.0
            case rq.TakeNote():
                return ev.NoteTaken(request.text, request.category, request.audience), max(0.0, request.ago)
            case rq.Classify():
                if request.note not in {note.seq for note in x.notes}:
                    raise Refusal(f"there is no note {request.note}")
                return ev.NoteClassified(request.note, request.category), 0.0
            case rq.Improvise():
                return ev.InjectDelivered(f"improvised-{x.last_seq + 1}", request.text, list(request.audience)), 0.0
            case rq.TakeRole():
                return ev.RoleTaken(request.role, request.who), 0.0
            case _:
                return self._script(request), 0.0

    def _script(self, request: rq.Request) -> ev.Event:
        x = self._c.exercise
        match request:
            case rq.Release() | rq.Skip():
                state = x.entries.get(request.entry)
                if state is None:
                    hint = nearest(request.entry, x.entries) or f"it has {', '.join(x.entries)}"
                    raise Refusal(f"the scenario has no entry {request.entry!r}: {hint}")
                if state.stage != "pending":
                    raise Refusal(f"{request.entry!r} is {state.stage} already")
                if isinstance(request, rq.Release):
                    return ev.EntryReleased(request.entry)
                return ev.EntrySkipped(request.entry, request.reason or "skipped by the facilitator")
            case rq.Hint():
                return self._hint(request.entry)
            case rq.UndoNow():
                fault = x.faults.get(request.entry)
                if fault is None or fault.stage not in ("armed", "injecting", "effective"):
                    raise Refusal(f"no live fault {request.entry!r} to undo")
                return ev.FaultUndoing(request.entry, "the facilitator took it away")
            case rq.Pause():
                if x.paused is not None:
                    raise Refusal("it is paused already")
                return ev.Paused(request.reason or "the facilitator paused")
            case rq.Continue():
                if x.paused is None:
                    raise Refusal("it is not paused")
                return ev.Continued()
            case rq.Close():
                if not x.attended:
                    raise Refusal("an unattended exercise ends by itself; abort it to stop it now")
                return ev.CloseRequested()
            case _:
                raise Refusal(f"{type(request).__name__} can't be asked for here")

    def _hint(self, entry: str) -> ev.Event:
        scenario = self._c.exercise.scenario
        assert scenario is not None
        for index, scripted in enumerate(scenario.timeline):
            if scenario.entry_id(index) == entry and (scripted.hint or scripted.notes):
                return ev.HintGiven(entry, scripted.hint or scripted.notes or "")
        raise Refusal(f"the scenario has no hint for {entry!r}")
