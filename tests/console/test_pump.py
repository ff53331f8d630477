"""The threads between feed and screen: they read, repeat what could not be written, and never hold an abort up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from textual.message import Message

from gameday.console.pump import AbortAnswered, Pump, RequestRefused, SnapshotArrived
from gameday.engine import requests as r
from gameday.errors import RefusedError

from .journal import running
from .stage import Held, HeldFeed


class Inbox:
    """What the screen would be told."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, message: Message) -> None:
        self.messages.append(message)

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]

    @property
    def last(self) -> Any:
        return self.of(SnapshotArrived)[-1].snapshot


def wait(true: Callable[[], Any], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def feed() -> HeldFeed:
    return HeldFeed(running().records)


@pytest.fixture
def pump(feed: HeldFeed, inbox: Inbox) -> Iterator[Pump]:
    made = Pump(feed, inbox, Held(130.0).clocks, interval=0.01)
    made.start()
    yield made
    made.stop()
    assert feed.closed


def test_nothing_new_is_no_message(pump: Pump, feed: HeldFeed, inbox: Inbox) -> None:
    wait(lambda: inbox.of(SnapshotArrived))
    assert inbox.last.exercise.last_seq == len(feed.records)
    count = len(inbox.messages)
    pump.send(r.Pause(), 1130.0)
    wait(lambda: feed.sent)
    assert len(inbox.messages) == count


def test_a_locked_store_is_told_and_got_over(pump: Pump, feed: HeldFeed, inbox: Inbox) -> None:
    wait(lambda: inbox.of(SnapshotArrived))
    feed.locked.set()
    wait(lambda: inbox.last.trouble == "database is locked by process 4242")
    pump.send(r.Mark("diagnosed"), 1125.0)
    pump.send(r.TakeNote("slow"), 1126.0)
    wait(lambda: inbox.last.waiting == 2)
    pump.abort("now", "dana", 1129.0)
    wait(lambda: feed.aborts == [("now", "dana")])
    feed.locked.clear()
    wait(lambda: len(feed.sent) == 2)
    assert feed.sent == [r.Mark("diagnosed", ago=5.0), r.TakeNote("slow", ago=4.0)], "in order, with their own times"
    wait(lambda: not inbox.last.trouble and not inbox.last.waiting)
    assert inbox.last.exercise.last_seq == len(feed.records)
    (answered,) = inbox.of(AbortAnswered)
    assert answered.went and answered.took == 1.0


def test_a_feed_that_breaks_is_trouble_and_no_end(inbox: Inbox) -> None:
    class Broken(HeldFeed):
        broken = True

        def poll(self) -> Any:
            if self.broken:
                raise ValueError("the journal holds an event 'new_kind' that is unknown here")
            return super().poll()

    feed = Broken(running().records)
    pump = Pump(feed, inbox, Held().clocks, interval=0.01)
    pump.start()
    wait(lambda: inbox.of(SnapshotArrived))
    assert "unknown here" in inbox.last.trouble
    feed.broken = False
    wait(lambda: not inbox.last.trouble)
    pump.stop()


def test_a_refused_request_is_told_and_not_repeated(inbox: Inbox) -> None:
    class Refusing(HeldFeed):
        def send(self, request: r.Request) -> None:
            super().send(request)
            raise RefusedError("there is no entry 'x'")

    feed = Refusing()
    pump = Pump(feed, inbox, Held().clocks, interval=0.01)
    pump.start()
    pump.send(r.Release("x"), 0.0)
    pump.send(r.Pause(), 0.0)
    wait(lambda: len(feed.sent) == 2)
    pump.stop()
    assert [refused.error for refused in inbox.of(RequestRefused)] == ["there is no entry 'x'"] * 2


def test_leaving_does_not_wait_for_a_store_that_hangs(inbox: Inbox) -> None:
    hang = threading.Event()

    class Hanging(HeldFeed):
        def poll(self) -> Any:
            hang.wait(30)
            return []

        def send(self, request: r.Request) -> None:
            hang.wait(30)

    pump = Pump(Hanging(), inbox, Held().clocks)
    pump.start()
    pump.send(r.Pause(), 0.0)
    began = time.monotonic()
    pump.stop(patience=0.05)
    assert time.monotonic() - began < 5
    hang.set()
