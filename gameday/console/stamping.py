"""Stamps that can be moved and taken back while they are still on their way to the journal and back.

A stamp is an event and never changes: moving it means withdrawing it and stamping again, earlier. The keys come faster
than the journal answers, so what is wanted is remembered here until the stamp is seen. Pure: no clock, no I/O.
"""

from __future__ import annotations

from dataclasses import replace

from gameday.engine.inbox import before_its_start
from gameday.engine.requests import Mark, Move, Request, Withdraw
from gameday.exercise.state import Exercise, Stamp
from gameday.frozen import frozen

NEAR = 1.5
"""Seconds by which a stamp that comes back may differ from the one that was sent."""
MACHINES = frozenset({"engine", "guardian", "recover"})


@frozen
class _Sent:
    milestone: str
    partial: bool
    at: float
    """Clock it was stamped for, seconds."""
    after: int
    """Last sequence number seen when it was sent."""
    shift: float = 0.0
    """Seconds by which it shall be moved back once it is seen."""
    undo: bool = False


@frozen
class Stamping:
    """Immutable; each method returns the next one and what is to be sent now."""

    sent: _Sent | None = None
    gone: frozenset[int] = frozenset()
    """Stamps whose withdrawal is on its way."""

    def stamp(
        self, exercise: Exercise, milestone: str, now: float, *, partial: bool = False
    ) -> tuple[Stamping, list[Request]]:
        return replace(self, sent=_Sent(milestone, partial, now, exercise.last_seq)), [Mark(milestone, 0.0, partial)]

    def back(self, exercise: Exercise, seconds: float) -> tuple[Stamping, list[Request]]:
        """Move the last stamp `seconds` into the past."""
        if self.sent is not None:
            return replace(self, sent=replace(self.sent, shift=self.sent.shift + seconds)), []
        last = last_stamp(exercise, self.gone)
        return self._move(exercise, last, seconds) if last is not None else (self, [])

    def before_its_start(self, exercise: Exercise, seconds: float, now: float) -> str:
        """Why the last stamp can't be moved `seconds` further into the past; "" where it can, or where there is none.

        `now` is the exercise's clock, seconds.
        """
        if (sent := self.sent) is not None:
            return before_its_start(sent.milestone, sent.at, sent.shift + seconds, now, partial=sent.partial)
        last = last_stamp(exercise, self.gone)
        if last is None:
            return ""
        return before_its_start(last.milestone, last.at.clock, seconds, now, partial=last.partial)

    def undo(self, exercise: Exercise) -> tuple[Stamping, list[Request]]:
        """Take the last stamp back."""
        if self.sent is not None:
            return replace(self, sent=replace(self.sent, undo=True)), []
        last = last_stamp(exercise, self.gone)
        return self._withdraw(last.seq) if last is not None else (self, [])

    def seen(self, exercise: Exercise) -> tuple[Stamping, list[Request]]:
        """A newer state is here: if the stamp on its way is in it, do what was wanted meanwhile."""
        sent = self.sent
        if sent is None:
            return self, []
        stamp = next((stamp for stamp in exercise.stamps if stamp.seq > sent.after and _same(stamp, sent)), None)
        if stamp is None:
            return self, []
        if sent.undo:
            return self._withdraw(stamp.seq)
        if sent.shift:
            return self._move(exercise, stamp, sent.shift)
        return replace(self, sent=None), []

    def refused(self, request: Request) -> Stamping:
        """`request` will never be seen: nothing waits for it any more, and the stamp it is about is as before."""
        match request:
            case Mark(milestone) if self.sent is not None and self.sent.milestone == milestone:
                return replace(self, sent=None)
            case Move(stamp):
                return Stamping(None, self.gone - {stamp})
            case Withdraw(stamp):
                return replace(self, gone=self.gone - {stamp})
            case _:
                return self

    def _withdraw(self, stamp: int) -> tuple[Stamping, list[Request]]:
        return Stamping(None, self.gone | {stamp}), [Withdraw(stamp, "undone in the console")]

    def _move(self, exercise: Exercise, stamp: Stamp, seconds: float) -> tuple[Stamping, list[Request]]:
        sent = _Sent(stamp.milestone, stamp.partial, stamp.at.clock - seconds, exercise.last_seq)
        return Stamping(sent, self.gone | {stamp.seq}), [Move(stamp.seq, seconds)]


def last_stamp(exercise: Exercise, gone: frozenset[int] = frozenset()) -> Stamp | None:
    """The stamp a person set last, those in `gone` left out."""
    found = (stamp for stamp in reversed(exercise.stamps) if stamp.source not in MACHINES and stamp.seq not in gone)
    return next(found, None)


def _same(stamp: Stamp, sent: _Sent) -> bool:
    return stamp.milestone == sent.milestone and stamp.partial == sent.partial and abs(stamp.at.clock - sent.at) < NEAR
