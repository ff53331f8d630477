"""The live feed against a real store and a real guardian's socket."""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gameday.console.feed import LiveFeed
from gameday.engine import requests as r
from gameday.engine.control import Control
from gameday.engine.peers import Peer, Peers
from gameday.errors import RefusedError, StoreError
from gameday.exercise import events as e
from gameday.store import Holder, open_store
from gameday.store.store import Store

from .journal import Journal
from .test_pump import wait

ID = "payment-outage-7f3a"


class Door:
    """A guardian's socket, with the answers of a guardian."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[dict[str, Any]] = []
        self._selector = selectors.DefaultSelector()
        self.peers = Peers(self._selector, path, self._answer, lambda peer: None)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _answer(self, peer: Peer, message: dict[str, Any]) -> dict[str, Any]:
        if message["do"] == "attach":
            peer.attached = message["who"]
        self.asked.append(message)
        return {"ok": True, "undoing": ["payments-dark"]}

    def _serve(self) -> None:
        while not self._over.is_set():
            for key, _ in self._selector.select(0.02):
                key.data(None)

    def close(self) -> None:
        self._over.set()
        self._thread.join(5)
        for peer in self.peers._peers.values():
            peer.sock.close()
        self.peers.close()
        self._selector.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path / "g.sock")
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "journals.db")) as opened:
        yield opened


def write(store: Store, journal: Journal, after: int = 0, *, engine: int | None = None) -> None:
    """`engine`: the pid of the one that holds the lease; this process, if not given."""
    records = journal.records[after:]
    if after == 0:
        store.create(records[0], Holder.mine(engine))
        records = records[1:]
    store.append(ID, 1, records)


def feed_of(tmp_path: Path, door: Door | None = None) -> LiveFeed:
    return LiveFeed(
        lambda: open_store(str(tmp_path / "journals.db"), create=False),
        ID,
        (lambda: Control(door.path)) if door is not None else None,
        who="dana",
    )


def test_it_reads_what_is_new_and_counts_as_a_console(tmp_path: Path, store: Store, door: Door) -> None:
    journal = Journal().start()
    write(store, journal)
    feed = feed_of(tmp_path, door)
    assert feed.poll() == journal.records
    assert feed.poll() == []
    assert door.peers.consoles == 1
    known = len(journal.records)
    journal.steady()
    write(store, journal, known)
    assert feed.poll() == journal.records[known:]
    feed.close()
    wait(lambda: door.peers.consoles == 0)


def test_before_there_is_a_store_it_is_trouble_and_then_it_works(tmp_path: Path) -> None:
    feed = feed_of(tmp_path)
    with pytest.raises(StoreError):
        feed.poll()
    journal = Journal().start()
    with open_store(str(tmp_path / "journals.db")) as opened:
        write(opened, journal)
    assert feed.poll() == journal.records
    feed.close()


def test_requests_reach_the_inbox_and_a_no_is_told(tmp_path: Path, store: Store, door: Door) -> None:
    write(store, Journal().start())
    feed = feed_of(tmp_path, door)
    answers = iter([{"ok": True, "seq": 4}, {"ok": False, "error": "there is no entry 'x'"}])

    def engine() -> None:
        for answer in answers:
            rows: list[Any] = []
            while not rows:
                rows = list(store.take(ID, 1))
            taken.extend(rows)
            store.answer(rows[0].id, answer)

    taken: list[Any] = []
    thread = threading.Thread(target=engine)
    thread.start()
    feed.send(r.Mark("diagnosed", ago=3.0))
    with pytest.raises(RefusedError, match="no entry 'x'"):
        feed.send(r.Release("x"))
    thread.join(10)
    assert [(row.source, row.actor) for row in taken] == [("console", "dana")] * 2
    assert r.from_json(taken[0].request) == r.Mark("diagnosed", ago=3.0)
    assert [message["do"] for message in door.asked].count("poke") == 2
    feed.close()


def test_abort_goes_by_the_socket_then_by_signal_then_by_the_inbox(tmp_path: Path, store: Store, door: Door) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as engine:
        journal = Journal()
        journal.start()
        journal.add(e.EngineStarted(engine.pid, 1, socket.gethostname()))
        write(store, journal, engine=engine.pid)
        feed = feed_of(tmp_path, door)
        feed.poll()
        assert feed.engine_alive() and feed.guardian_alive()
        assert feed.abort("burning", "dana") == "the guardian is undoing payments-dark"
        assert door.asked[-1] == {"do": "abort", "reason": "burning", "by": "dana"}
        door.close()
        assert f"sent SIGTERM to the engine (pid {engine.pid})" in feed.abort("burning", "dana")
        assert engine.wait(10) == -15
        assert not feed.engine_alive() and not feed.guardian_alive()
        assert "left in the inbox" in feed.abort("burning", "dana")
        (row,) = store.take(ID, 1)
        assert r.from_json(row.request) == r.Abort("burning")
        feed.close()


def test_abort_signals_nobody_who_only_has_the_number_of_the_engine(tmp_path: Path, store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        journal = Journal()
        journal.start()
        journal.add(e.EngineStarted(bystander.pid, 1, socket.gethostname()))
        records = journal.records
        there = Holder.mine(bystander.pid)
        store.create(records[0], replace(there, start_ticks=there.start_ticks - 1))
        store.append(ID, 1, records[1:])
        feed = feed_of(tmp_path)
        feed.poll()
        assert "left in the inbox" in feed.abort("burning", "dana")
        assert bystander.stdin is not None
        bystander.stdin.close()
        # It was not terminated: it came to its own end.
        assert bystander.wait(10) == 1
        feed.close()


def test_a_process_with_the_number_of_the_engine_is_not_the_engine(tmp_path: Path, store: Store) -> None:
    """The number was given out again: the lease knows when the engine was started, and this one was at another time."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        journal = Journal().start()
        journal.add(e.EngineStarted(bystander.pid, 1, socket.gethostname()))
        there = Holder.mine(bystander.pid)
        store.create(journal.records[0], there)
        store.append(ID, 1, journal.records[1:])
        feed = feed_of(tmp_path)
        feed.poll()
        assert feed.engine_alive(), "by number and start"
        feed.close()
        store.release_lease(ID, 1)
        store.take_lease(ID, replace(there, start_ticks=there.start_ticks - 1))
        feed = feed_of(tmp_path)
        feed.poll()
        assert not feed.engine_alive(), "by number alone"
        with pytest.raises(RefusedError, match="no engine runs"):
            feed.send(r.TakeNote("to nobody"))
        feed.close()
        assert bystander.stdin is not None
        bystander.stdin.close()


def test_an_abort_needs_no_store(tmp_path: Path, door: Door) -> None:
    feed = feed_of(tmp_path, door)
    assert feed.abort("burning", "dana") == "the guardian is undoing payments-dark"
    door.close()
    with pytest.raises(StoreError, match="no guardian answers"):
        feed.abort("burning", "dana")
    feed.close()


def test_going_on_after_an_interruption_wakes_an_engine_first(tmp_path: Path, store: Store) -> None:
    journal = Journal().start()
    journal.add(e.EngineLost("no heartbeat"), at=5.0)
    write(store, journal)
    woken: list[int] = []
    feed = LiveFeed(lambda: open_store(str(tmp_path / "journals.db"), create=False), ID, wake=lambda: woken.append(1))
    feed.poll()
    feed.send(r.TakeNote("lost"))
    assert not woken
    feed.send(r.Continue())
    assert woken
    feed.close()


def test_what_no_engine_takes_any_more_is_told(tmp_path: Path, store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as engine:
        engine.wait(10)
    journal = Journal().start()
    journal.add(e.EngineStarted(engine.pid, 1, socket.gethostname()))
    journal.add(e.ExerciseEnded("completed", 0, "done as hoped"), at=9.0)
    write(store, journal)
    feed = feed_of(tmp_path)
    feed.poll()
    with pytest.raises(RefusedError, match="no engine runs"):
        feed.send(r.TakeNote("too late"))
    feed.close()
