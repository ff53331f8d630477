"""The console's only door to an exercise: read the journal, ask for things, abort.

The console decides nothing. `LiveFeed` is the door to a real one; a test's feed is another adapter. Every method may
block (a locked store, a slow disk), so `pump` calls them from threads of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from gameday.engine.requests import Abort, Close, Continue, Request, to_json
from gameday.errors import RefusedError, StoreError
from gameday.exercise import events as e
from gameday.exercise.record import Record
from gameday.store.holder import Holder, Lease

PATIENCE = 1.0
"""Seconds that the engine is given to say no to a request; what it says later shows in the journal alone."""


class Feed(Protocol):
    exercise: str

    def poll(self) -> list[Record]:
        """Records that are new since the last call, in order.

        Raises:
            StoreError: the journal can't be read now; the next call goes on where this one would have.
        """

    def send(self, request: Request) -> None:
        """Put `request` into the inbox.

        Raises:
            StoreError: it is not in the inbox; it may be sent again.
            RefusedError: the engine said no; sending it again is no use.
        """

    def abort(self, reason: str, by: str) -> str:
        """Have every fault undone, whatever state the store is in; what was done, in words.

        Raises:
            OSError, StoreError: no way led to the engine or the guardian.
        """

    def engine_alive(self) -> bool: ...

    def guardian_alive(self) -> bool:
        """Whether anybody is left who undoes; True where that can't be told from here."""

    def close(self) -> None: ...


class JournalStore(Protocol):
    """What a live feed needs of the store; used from two threads at once."""

    def records(self, exercise: str, after: int = 0) -> Iterable[Record]: ...

    def post(self, exercise: str, request: dict[str, Any], *, source: str, actor: str, wall: float) -> int: ...

    def answer_of(self, row_id: int) -> dict[str, Any] | None: ...

    def data_version(self) -> int: ...

    def lease(self, exercise: str) -> Lease: ...

    def close(self) -> None: ...


class ControlLine(Protocol):
    """One connection to the guardian's Unix socket; what can't be reached raises `OSError`."""

    def attach(self, who: str) -> Any:
        """Count as a console until `close`."""

    def abort(self, reason: str, by: str) -> Mapping[str, Any]: ...

    def poke(self) -> None: ...

    def close(self) -> None: ...


class LiveFeed:
    """The feed of a real exercise: its store, and the guardian's socket for what must not depend on the store."""

    def __init__(
        self,
        store: Callable[[], JournalStore],
        exercise: str,
        connect: Callable[[], ControlLine] | None = None,
        *,
        who: str = "",
        wake: Callable[[], None] | None = None,
    ) -> None:
        """`store` opens the store (tried again where it fails), `connect` a line to the guardian; without `connect`
        it is no console, only a reader. `wake` starts an engine again for an exercise that was interrupted."""
        self.exercise = exercise
        self._open = store
        self._connect = connect
        self._who = who
        self._wake = wake
        self._opening = threading.Lock()
        self._store: JournalStore | None = None
        self._line: ControlLine | None = None
        self._after = 0
        self._version: int | None = None
        self._engine: Holder | None = None
        self._host = ""
        self._started = False
        self._interrupted = False

    # --- reading -----------------------------------------------------------------------------------------------------

    def poll(self) -> list[Record]:
        self._attach()
        store = self._opened()
        version = store.data_version()
        if version == self._version:
            return []
        found = list(store.records(self.exercise, after=self._after))
        started = any(isinstance(record.event, e.EngineStarted) for record in found)
        holder = store.lease(self.exercise).holder if started else None
        again = self._after > 0 and started
        self._version = version
        for record in found:
            self._after = record.seq
            self._note(record.event, holder)
        if again:
            # Another engine has another guardian, and that one does not know us yet.
            self._hang_up()
            self._attach()
        return found

    def _note(self, event: e.Event, holder: Holder | None) -> None:
        if isinstance(event, e.EngineStarted):
            # The event names a pid, and that may be somebody else's by now. Who it was stands in the lease; if the
            # lease is another's already, or nobody's, this engine is gone.
            self._started, self._interrupted, self._host = True, False, event.host
            self._engine = holder if holder is not None and holder.pid == event.pid else None
        elif isinstance(event, e.EngineLost):
            self._engine, self._interrupted = None, True

    def _opened(self) -> JournalStore:
        with self._opening:
            if self._store is None:
                self._store = self._open()
            return self._store

    def _attach(self) -> None:
        if self._connect is None or self._line is not None:
            return
        try:
            line = self._connect()
        except OSError:
            # Nobody listens, yet or any more. A guardian that comes counts us when we are back, in a moment.
            return
        try:
            line.attach(self._who)
        except OSError:
            line.close()
            return
        self._line = line

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def engine_alive(self) -> bool:
        if self._engine is None:
            return False
        # On another machine nobody can tell from here; the journal will.
        return self._engine.host != socket.gethostname() or self._engine.runs_here()

    def guardian_alive(self) -> bool:
        if self._connect is None or self._host != socket.gethostname():
            return True
        try:
            self._connect().close()
        except OSError:
            return False
        return True

    # --- asking ------------------------------------------------------------------------------------------------------

    def send(self, request: Request) -> None:
        wall = time.time()
        store = self._opened()
        if self._interrupted and self._wake is not None and isinstance(request, Continue | Close):
            self._wake()
        row = store.post(self.exercise, to_json(request), source="console", actor=self._who, wall=wall)
        self._poke()
        answer = _answer(store, row)
        if answer is None and self._started and not self._interrupted and not self.engine_alive():
            raise RefusedError("no engine runs any more to take it")
        if answer is not None and not answer.get("ok"):
            raise RefusedError(str(answer.get("error") or "the engine said no"))

    def _poke(self) -> None:
        if self._connect is None:
            return
        try:
            line = self._connect()
        except OSError:
            # The engine looks into its inbox by itself; this would only have been quicker.
            return
        try:
            line.poke()
        except OSError:
            return
        finally:
            line.close()

    def abort(self, reason: str, by: str) -> str:
        told = []
        if self._connect is not None:
            try:
                line = self._connect()
                try:
                    answer = line.abort(reason, by)
                finally:
                    line.close()
            except OSError as error:
                told.append(str(error))
            else:
                names = ", ".join(map(str, answer.get("undoing", ())))
                return f"the guardian is undoing {names}" if names else "the guardian knows; no fault was live"
        holder = self._holder(told)
        if holder is not None and holder.stopped():
            told.append(f"the engine (pid {holder.pid}) was stopped and takes no signal: gameday abort {self.exercise}")
        elif holder is not None and holder.runs_here():
            try:
                os.kill(holder.pid, signal.SIGTERM)
            except OSError as error:
                told.append(f"the engine could not be signalled: {error}")
            else:
                return "; ".join([*told, f"sent SIGTERM to the engine (pid {holder.pid}), which undoes everything"])
        try:
            self._opened().post(
                self.exercise, to_json(Abort(reason)), source="console", actor=by or self._who, wall=time.time()
            )
        except StoreError as error:
            raise StoreError("; ".join([*told, f"nor could it be put into the inbox: {error}"])) from error
        return "; ".join([*told, f"left in the inbox; if no engine takes it: gameday recover {self.exercise}"])

    def _holder(self, told: list[str]) -> Holder | None:
        """The engine, by the lease: number, start, host and boot. A number alone may be somebody else's by now."""
        try:
            return self._opened().lease(self.exercise).holder
        except StoreError as error:
            told.append(f"who the engine is could not be read: {error}")
            return None

    def close(self) -> None:
        self._hang_up()
        with self._opening:
            if self._store is not None:
                self._store.close()


def _answer(store: JournalStore, row: int) -> dict[str, Any] | None:
    """What the engine said to the request, if it does so soon."""
    until = time.monotonic() + PATIENCE
    answer = None
    while answer is None and time.monotonic() < until:
        try:
            answer = store.answer_of(row)
        except StoreError:
            # It was written, and that is what matters; it must not be sent twice.
            return {"ok": True}
        if answer is None:
            time.sleep(0.02)
    return answer
