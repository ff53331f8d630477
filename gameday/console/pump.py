"""Threads between the feed and the screen, so that a locked store never stops a key or a repaint.

Three ways, none of which waits for another: reading (ten times a second), sending (in order, repeated until it is
written down), and aborting (a thread for each key press, at once). All of them answer by messages; nothing here
touches a widget.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from textual.message import Message

from gameday.console.clocks import Clocks
from gameday.console.feed import Feed
from gameday.console.snapshot import Reader, Snapshot
from gameday.engine.requests import Mark, Request, TakeNote
from gameday.errors import GamedayError, StoreError
from gameday.frozen import frozen

INTERVAL = 0.1
"""Seconds between two looks into the journal."""
AGAIN = 0.5
"""Seconds until a request that could not be written is tried again."""


@dataclass
class SnapshotArrived(Message):
    snapshot: Snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotArrived)


@dataclass
class RequestRefused(Message):
    """The request is lost: it can't be put into the inbox, now or later."""

    request: Request
    error: str


@dataclass
class AbortAnswered(Message):
    text: str
    went: bool
    """False where no way led anywhere."""
    took: float
    """Seconds from the key to the answer."""


@frozen
class _Outgoing:
    request: Request
    pressed: float
    """Boot clock of the key press, seconds."""


class Pump:
    """Owns the feed from `start` to `stop`."""

    def __init__(
        self, feed: Feed, deliver: Callable[[Message], Any], clocks: Clocks, interval: float = INTERVAL
    ) -> None:
        self._feed = feed
        self._deliver = deliver
        self._clocks = clocks
        self._interval = interval
        self._outgoing: queue.SimpleQueue[_Outgoing | None] = queue.SimpleQueue()
        self._asked = 0
        """Counted by the screen's thread only, as `_settled` is by the sender's only."""
        self._settled = 0
        self._stuck = False
        self._over = threading.Event()
        # Daemons: a store that hangs must not keep the terminal when the facilitator leaves.
        self._threads = [
            threading.Thread(target=self._read, name="console-read", daemon=True),
            threading.Thread(target=self._write, name="console-send", daemon=True),
        ]

    def start(self, *, reading: bool = True) -> None:
        """Begin; without `reading` only requests and aborts go out."""
        if reading:
            self._threads[0].start()
        self._threads[1].start()

    def stop(self, patience: float = 1.0) -> None:
        """Let the feed go; waits at most `patience` seconds for requests on their way."""
        self._outgoing.put(None)
        self._threads[1].join(patience)
        self._over.set()
        if self._threads[0].ident is not None:
            self._threads[0].join(patience)
        else:
            self._feed.close()

    def send(self, request: Request, pressed: float) -> None:
        """Ask for something; `pressed` is the boot clock at the key press, from which `ago` is counted."""
        self._asked += 1
        self._outgoing.put(_Outgoing(request, pressed))

    def abort(self, reason: str, by: str, pressed: float) -> None:
        threading.Thread(target=self._abort, args=(reason, by, pressed), name="console-abort", daemon=True).start()

    def _abort(self, reason: str, by: str, pressed: float) -> None:
        try:
            text, went = self._feed.abort(reason, by), True
        except Exception as error:  # noqa: BLE001 - whatever it is, the facilitator must read it
            text, went = _said(error), False
        self._deliver(AbortAnswered(text, went, self._clocks.boot() - pressed))

    def _read(self) -> None:
        reader = Reader()
        shown: tuple[object, ...] | None = None
        while not self._over.is_set():
            trouble = ""
            try:
                reader.take(self._feed.poll())
                alive = self._feed.engine_alive()
                guarded = alive or self._feed.guardian_alive()
            except Exception as error:  # noqa: BLE001 - shown as trouble; a blind console is worse than a repeated look
                alive = guarded = True
                trouble = _said(error)
            waiting = self._asked - self._settled if self._stuck else 0
            state = (reader.exercise.last_seq, alive, guarded, trouble, waiting)
            if state != shown:
                shown = state
                now = reader.snapshot(engine_alive=alive, guardian_alive=guarded, trouble=trouble, waiting=waiting)
                self._deliver(SnapshotArrived(now))
            self._over.wait(self._interval)
        self._feed.close()

    def _write(self) -> None:
        while (outgoing := self._outgoing.get()) is not None:
            while not self._over.is_set():
                try:
                    self._feed.send(self._aged(outgoing))
                except StoreError:
                    # Not written: the journal is locked or full. The banner counts it as waiting.
                    self._stuck = True
                    self._over.wait(AGAIN)
                    continue
                except Exception as error:  # noqa: BLE001 - repeating it would not help; the facilitator is told
                    self._deliver(RequestRefused(outgoing.request, _said(error)))
                break
            self._settled += 1
            self._stuck = self._stuck and self._settled < self._asked

    def _aged(self, outgoing: _Outgoing) -> Request:
        request = outgoing.request
        if isinstance(request, Mark | TakeNote):
            return replace(request, ago=request.ago + max(0.0, self._clocks.boot() - outgoing.pressed))
        return request


def _said(error: Exception) -> str:
    """Errors that are meant for people as they are, others with their name."""
    return str(error) if isinstance(error, GamedayError | OSError) else f"{type(error).__name__}: {error}"
