"""The console's only door to an exercise: read the journal, ask for things, abort.

The console decides nothing. `LiveFeed` is the door to a real one; a test's feed is another adapter. Every method may
block (a locked store, a slow disk), so `pump` calls them from threads of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from gameday.engine.requests import Abort, Request, to_json
from gameday.errors import StoreError
from gameday.exercise import events as e
from gameday.exercise.record import Record


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
        """

    def abort(self, reason: str, by: str) -> str:
        """Have every fault undone, whatever state the store is in; what was done, in words.

        Raises:
            OSError, StoreError: no way led to the engine or the guardian.
        """

    def engine_alive(self) -> bool: ...

    def close(self) -> None: ...


class JournalStore(Protocol):
    """What a live feed needs of the store."""

    def records(self, exercise: str, after: int = 0) -> Iterable[Record]: ...

    def post(self, exercise: str, request: dict[str, Any], *, source: str, actor: str, wall: float) -> int: ...

    def data_version(self) -> int: ...

    def close(self) -> None: ...


class ControlLine(Protocol):
    """The client side of the guardian's Unix socket."""

    def attach(self, who: str) -> Any:
        """Hold the line: the guardian counts whoever does as a console."""

    def abort(self, reason: str, by: str) -> Mapping[str, Any]: ...

    def close(self) -> None: ...


class LiveFeed:
    """The feed of a real exercise: its store, and the guardian's socket for what must not depend on the store.

    Without `control` (read-only, or nothing runs any more) it only reads.
    """

    def __init__(
        self, store: JournalStore, exercise: str, control: ControlLine | None = None, *, who: str = ""
    ) -> None:
        self.exercise = exercise
        self._store = store
        self._control = control
        self._who = who
        self._after = 0
        self._version: int | None = None
        self._engine: _Process | None = None
        self._attached = False

    def poll(self) -> list[Record]:
        self._attach()
        version = self._store.data_version()
        if version == self._version:
            return []
        found = list(self._store.records(self.exercise, after=self._after))
        self._version = version
        for record in found:
            self._after = record.seq
            if isinstance(record.event, e.EngineStarted):
                self._engine = _Process(record.event.pid, record.event.host)
            elif isinstance(record.event, e.EngineLost | e.ExerciseEnded):
                self._engine = None
        return found

    def _attach(self) -> None:
        if self._control is None or self._attached:
            return
        try:
            self._control.attach(self._who)
        except OSError:
            # Nobody listens (yet, or any more). The guardian would count us if it were there; try again next time.
            return
        self._attached = True

    def send(self, request: Request) -> None:
        self._store.post(self.exercise, to_json(request), source="console", actor=self._who, wall=time.time())

    def abort(self, reason: str, by: str) -> str:
        told = []
        if self._control is not None:
            try:
                answer = self._control.abort(reason, by)
            except OSError as error:
                told.append(f"the guardian's socket did not answer ({error})")
            else:
                return _said(answer)
        if self._engine is not None and self._engine.alive():
            try:
                os.kill(self._engine.pid, signal.SIGTERM)
            except OSError as error:
                told.append(f"the engine could not be signalled ({error})")
            else:
                return "; ".join(
                    [*told, f"sent SIGTERM to the engine (pid {self._engine.pid}), which undoes everything"]
                )
        try:
            self.send(Abort(reason))
        except StoreError as error:
            raise StoreError("; ".join([*told, f"nor could it be put into the inbox: {error}"])) from error
        return "; ".join([*told, "left in the inbox for the engine, if there is one"])

    def engine_alive(self) -> bool:
        return self._engine is not None and self._engine.alive()

    def close(self) -> None:
        if self._control is not None:
            self._control.close()
        self._store.close()


def _said(answer: Mapping[str, Any]) -> str:
    for key in ("text", "message", "done", "said"):
        if isinstance(answer.get(key), str):
            return f"by the guardian's socket: {answer[key]}"
    return "the guardian has it, by its socket"


class _Process:
    """A process by its id and its start time, so that a number that was given out again is not taken for it."""

    def __init__(self, pid: int, host: str) -> None:
        self.pid = pid
        self._here = not host or host == socket.gethostname()
        self._born = _start_time(pid) if self._here else None

    def alive(self) -> bool:
        if not self._here:
            # On another machine nobody can tell from here; the journal will.
            return True
        return self._born is not None and _start_time(self.pid) == self._born


def _start_time(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot, as text; None where it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
