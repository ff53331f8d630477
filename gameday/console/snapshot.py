"""What the screens are drawn from: one frozen picture of the exercise, made off the screen's thread.

`Reader` folds new records into it. Widgets see snapshots only; they never see the feed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from gameday.console.clocks import Clocks, ClockZero
from gameday.console.wording import Sentence, describe
from gameday.exercise import events as e
from gameday.exercise.fold import apply
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.frozen import field, frozen

SAMPLES = 40
"""Answers of an abort condition that are kept for its curve."""


@frozen
class JournalLine:
    seq: int
    wall: float
    clock: float
    sentence: Sentence


@frozen
class Snapshot:
    exercise: Exercise = field(default_factory=Exercise)
    journal: tuple[JournalLine, ...] = ()
    samples: Mapping[str, tuple[float | None, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Abort condition -> its last numbers, oldest first; None where there was no number."""
    zero: ClockZero | None = None
    engine_alive: bool = True
    guardian_alive: bool = True
    """Asked only once the engine is gone."""
    trouble: str = ""
    """Why the journal can't be read at the moment; what is shown is then old."""
    waiting: int = 0
    """Requests that are not written down yet."""

    def clock(self, clocks: Clocks) -> float:
        """Now on the exercise's clock, seconds; it stands still once the exercise has ended."""
        if self.exercise.ended is not None:
            return self.exercise.ended.clock
        return self.zero.now(clocks) if self.zero is not None else 0.0


class Reader:
    """Makes snapshots out of records. Used by one thread; what it hands out is frozen."""

    def __init__(self) -> None:
        self.exercise = Exercise()
        self._journal: tuple[JournalLine, ...] = ()
        self._samples: dict[str, deque[float | None]] = {}
        self._zero: ClockZero | None = None

    def take(self, records: Iterable[Record]) -> None:
        told: list[JournalLine] = []
        for record in records:
            event = record.event
            sentence = describe(record, self.exercise)
            if sentence is not None:
                told.append(JournalLine(record.seq, record.wall, record.clock, sentence))
            if isinstance(event, e.ConditionSampled):
                curve = self._samples.setdefault(event.name, deque(maxlen=SAMPLES))
                curve.append(_number(event))
            elif isinstance(event, e.ExerciseStarted):
                self._zero = ClockZero(record.wall - record.clock, event.boot, event.boot_id)
            self.exercise = apply(self.exercise, record)
        if told:
            self._journal = (*self._journal, *told)

    def snapshot(
        self, *, engine_alive: bool = True, guardian_alive: bool = True, trouble: str = "", waiting: int = 0
    ) -> Snapshot:
        return Snapshot(
            exercise=self.exercise,
            journal=self._journal,
            samples=MappingProxyType({name: tuple(curve) for name, curve in self._samples.items()}),
            zero=self._zero,
            engine_alive=engine_alive,
            guardian_alive=guardian_alive,
            trouble=trouble,
            waiting=waiting,
        )


def _number(event: e.ConditionSampled) -> float | None:
    value = event.value
    if event.answer != "value" or not isinstance(value, int | float):
        return None
    return float(value)
