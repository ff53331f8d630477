"""A console on a stage: a feed that records what reaches it, and clocks that stand still unless moved."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from gameday.console.app import Console
from gameday.console.clocks import Clocks
from gameday.console.pump import SnapshotArrived
from gameday.console.snapshot import Reader
from gameday.engine.requests import Request
from gameday.errors import StoreError
from gameday.exercise.record import Record

from .journal import ZERO

BIG = (120, 40)
SMALL = (80, 24)


class HeldFeed:
    """A feed in memory. What is put into `records` is polled; what is sent and aborted is kept."""

    def __init__(self, records: Iterable[Record] = (), exercise: str = "payment-outage-7f3a") -> None:
        self.exercise = exercise
        self.records = list(records)
        self.sent: list[Request] = []
        self.aborts: list[tuple[str, str]] = []
        self.alive = True
        self.guarded = True
        self.closed = False
        self.locked = threading.Event()
        """While set, the store is locked: polls and requests fail, the abort does not care."""
        self._given = 0

    def poll(self) -> list[Record]:
        if self.locked.is_set():
            raise StoreError("database is locked by process 4242")
        found = self.records[self._given :]
        self._given += len(found)
        return found

    def send(self, request: Request) -> None:
        if self.locked.is_set():
            raise StoreError("database is locked by process 4242")
        self.sent.append(request)

    def abort(self, reason: str, by: str) -> str:
        self.aborts.append((reason, by))
        return "by the guardian's socket: undo sent to 1 fault"

    def engine_alive(self) -> bool:
        return self.alive

    def guardian_alive(self) -> bool:
        return self.guarded

    def close(self) -> None:
        self.closed = True


@dataclass
class Held:
    """Clocks that move only when told."""

    clock: float = 0.0
    """Seconds on the exercise's clock."""
    clocks: Clocks = field(init=False)

    def __post_init__(self) -> None:
        self.clocks = Clocks(
            wall=lambda: ZERO + self.clock, boot=lambda: 1000.0 + self.clock, boot_id="boot-of-the-test"
        )


def stage(feed: HeldFeed, held: Held | None = None, **more: Any) -> tuple[Console, Held]:
    """A console that polls nothing by itself (see `post`) and whose clock stands where the journal ends."""
    held = held or Held(feed.records[-1].recorded - ZERO if feed.records else 0.0)
    return Console(feed, clocks=held.clocks, who="dana", pumping=False, **more), held


async def post(pilot: Pilot[Any], records: Iterable[Record], **more: Any) -> None:
    """Give the console what its reading thread would have: one snapshot of all `records`."""
    reader = Reader()
    reader.take(records)
    pilot.app.post_message(SnapshotArrived(reader.snapshot(**more)))
    await pilot.pause()


async def until(pilot: Pilot[Any], true: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until `true()`, in the app's own time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        await pilot.pause(0.01)


async def drawn(pilot: Pilot[Any]) -> str:
    """The screen as a picture, once all that was still to be laid out and painted is: two in a row are the same."""
    for typed in pilot.app.screen.query("Input, TextArea"):
        # On a busy machine the picture is taken half a second later, and the cursor would be in its dark half.
        assert isinstance(typed, Input | TextArea)
        typed.cursor_blink = False
    before, now = "", pilot.app.export_screenshot(simplify=True)
    while before != now:
        await pilot.pause(0.02)
        before, now = now, pilot.app.export_screenshot(simplify=True)
    return now


def played(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: Any, **more: Any) -> None:
        asyncio.run(test(*args, **more))

    return run


def words(app: Console) -> str:
    """What stands on the screen, line by line, without colours."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


def flowing(app: Console) -> str:
    """The screen's letters alone, for a text that is broken into rows somewhere."""
    letters = "".join(strip.text for strip in app.screen._compositor.render_strips())
    return "".join(letter for letter in letters if letter not in " █│┃")
