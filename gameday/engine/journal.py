"""The engine's hold on the journal: events become records at once, in memory; a thread makes them durable.

Nothing that undoes a fault waits for this thread. What must be durable before something is touched (arming) awaits
`durable`. A store that is locked is waited for; one that is full, read-only or gone is left, and the rest is spilled.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from gameday.engine.ports import Json
from gameday.engine.processes import boot_clock
from gameday.exercise.events import Event, ExerciseEnded
from gameday.exercise.fold import apply
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise


class WriteRefused(Exception):
    """Base of what a journal port may raise."""


class WriteLater(WriteRefused):
    """Locked by somebody: try again."""


class WriteImpossible(WriteRefused):
    """Full, read-only, damaged or gone: spill instead."""


class WriterReplaced(WriteRefused):
    """Another epoch writes this journal now: stop at once."""


class JournalPort(Protocol):
    """The store, as the engine needs it. Called from one thread of the engine's, never from its loop."""

    def write(self, records: Sequence[Record], *, status: str, unrecovered: int) -> None: ...

    def spill(self, records: Sequence[Record]) -> None: ...

    def renew(self) -> None: ...


PATIENCE = 30.0
"""Seconds a locked store is waited for before its records are spilled."""
RENEWAL = 5.0
BREATH = 0.02
"""Seconds between two tries at a store that is locked."""


class Journal:
    """Appends events of one exercise under one epoch."""

    def __init__(
        self,
        port: JournalPort,
        exercise: Exercise,
        *,
        epoch: int,
        boot: float,
        on_trouble: Callable[[WriteRefused], None],
        on_record: Callable[[Record], None] | None = None,
    ) -> None:
        """`boot` is CLOCK_BOOTTIME at clock zero. `on_trouble` is called in the loop when the store is left."""
        self.exercise = exercise
        self.epoch = epoch
        self._port = port
        self._boot = boot
        self._on_trouble = on_trouble
        self._on_record = on_record
        self._loop = asyncio.get_running_loop()
        self._pending: deque[tuple[Record, str, int]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._spilling = False
        self._written = exercise.last_seq
        self._waiters: list[tuple[int, asyncio.Future[bool]]] = []
        self._thread = threading.Thread(target=self._write_on, name="journal", daemon=True)
        self._thread.start()

    def now(self) -> float:
        """Seconds on the exercise's clock."""
        return boot_clock() - self._boot

    def clock_of(self, boot: float) -> float:
        """A reading of CLOCK_BOOTTIME, of any process of this machine, as seconds on the exercise's clock."""
        return boot - self._boot

    def wall(self) -> float:
        return time.time()

    def append(
        self,
        event: Event,
        *,
        source: str = "engine",
        actor: str = "",
        wall: float | None = None,
        clock: float | None = None,
    ) -> Record:
        """Make `event` part of what is known, now; durable soon after. `wall`, `clock`: when it happened."""
        recorded = time.time()
        record = Record(
            seq=self.exercise.last_seq + 1,
            wall=recorded if wall is None else wall,
            clock=self.now() if clock is None else clock,
            recorded=recorded,
            epoch=self.epoch,
            source=source,
            actor=actor,
            event=event,
        )
        self.exercise = apply(self.exercise, record)
        with self._wake:
            self._pending.append((record, status_of(self.exercise), len(self.exercise.unrecovered)))
            self._wake.notify()
        if self._on_record is not None:
            self._on_record(record)
        return record

    async def durable(self, seq: int) -> bool:
        """Wait until record `seq` is written; False where it only could be spilled."""
        if self._written >= seq:
            return not self._spilling
        future: asyncio.Future[bool] = self._loop.create_future()
        self._waiters.append((seq, future))
        self._loop.call_soon(self._settle)
        return await future

    async def close(self) -> bool:
        """Write what is left; True where all of it is in the store."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)
        return not self._spilling

    # --- the writing thread ----------------------------------------------------------------------------------------

    def _write_on(self) -> None:
        renewed = time.monotonic()
        while True:
            with self._wake:
                if not self._pending and not self._closing:
                    self._wake.wait(RENEWAL)
                if not self._pending and self._closing:
                    return
                batch = list(self._pending)
            if batch:
                self._write(batch)
                with self._wake:
                    for _ in batch:
                        self._pending.popleft()
                self._written = batch[-1][0].seq
                self._notify(self._settle)
            if time.monotonic() - renewed >= RENEWAL and not self._spilling:
                renewed = time.monotonic()
                self._try(self._port.renew)

    def _write(self, batch: list[tuple[Record, str, int]]) -> None:
        records = [record for record, _, _ in batch]
        _, status, unrecovered = batch[-1]
        until = time.monotonic() + PATIENCE
        while not self._spilling:
            try:
                self._port.write(records, status=status, unrecovered=unrecovered)
                return
            except WriteLater as trouble:
                if time.monotonic() >= until:
                    self._leave(trouble)
                else:
                    time.sleep(BREATH)
            except WriteRefused as trouble:
                self._leave(trouble)
            except Exception as error:  # noqa: BLE001 - this thread must not die: whoever awaits it would wait forever
                self._leave(WriteImpossible(f"{type(error).__name__}: {error}"))
        try:
            self._port.spill(records)
        except Exception as error:  # noqa: BLE001 - as above; the log is the last place there is
            self._to_the_log(records, error)

    def _to_the_log(self, records: Sequence[Record], error: Exception) -> None:
        try:
            for record in records:
                sys.stderr.write(f"engine: not journaled ({type(error).__name__}: {error}): {record!r}\n")
            sys.stderr.flush()
        except OSError:
            # Not even the log. Every fault has been told to be undone when the store was left.
            return

    def _try(self, renew: Callable[[], None]) -> None:
        try:
            renew()
        except WriteLater:
            return  # busy: the next renewal is soon, and a write renews as well
        except WriteRefused as trouble:
            self._leave(trouble)
        except Exception as error:  # noqa: BLE001 - as in `_write`
            self._leave(WriteImpossible(f"{type(error).__name__}: {error}"))

    def _leave(self, trouble: WriteRefused) -> None:
        self._spilling = True
        self._notify(self._on_trouble, trouble)

    def _notify(self, function: Callable[..., None], *args: Json) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return

    def _settle(self) -> None:
        waiting, self._waiters = self._waiters, []
        for seq, future in waiting:
            if self._written < seq:
                self._waiters.append((seq, future))
            elif not future.done():
                future.set_result(not self._spilling)


def status_of(exercise: Exercise) -> str:
    """The word under which `gameday list` shows it."""
    if exercise.phase == "ended":
        return exercise.verdict or "completed"
    if exercise.phase in ("interrupted", "aborting"):
        return exercise.phase if exercise.phase == "interrupted" else "running"
    return "paused" if exercise.paused is not None else "running"


def ended(record: Record) -> bool:
    return isinstance(record.event, ExerciseEnded)
