"""Events are known at once and durable soon after; whatever becomes of the store, nothing and nobody is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.engine import journal as module
from gameday.engine.journal import Journal, WriteImpossible, WriteLater, WriteRefused, WriterReplaced
from gameday.exercise import events as ev
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.store import Holder, open_store
from gameday.store.port import StoreJournal
from gameday.store.spill import spilled
from gameday.store.store import Store

STARTED = ev.ExerciseStarted("e", "n", "p", {"version": 1, "title": "t"}, "h", {}, False, 1, 0.0, "b")


class Desk:
    """A journal of exercise `e` over a real store."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.spill = folder / "spill"
        self.spill.mkdir()
        self.url = f"sqlite:///{self.path}"
        self.store: Store = open_store(self.url, busy=0.1)
        first = Record(1, 1e9, 0.0, 1e9, 1, "engine", "", STARTED)
        self.epoch = self.store.create(first, Holder.mine())
        self.first = fold([first])
        self.trouble: list[WriteRefused] = []

    def journal(self, **more: Any) -> Journal:
        port = more.pop("port", None) or StoreJournal(self.store, "e", self.epoch, [self.spill])
        return Journal(port, self.first, epoch=self.epoch, boot=0.0, on_trouble=self.trouble.append, **more)

    def stored(self) -> list[ev.Event]:
        with open_store(self.url) as other:
            return [record.event for record in other.records("e", after=1)]

    def spilled(self) -> list[int]:
        return [record.seq for lot in spilled(self.spill) for record in lot.records]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def locked(desk: Desk) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Lock the store from another process; a line on its stdin lets go."""
    running: list[subprocess.Popen[str]] = []

    def lock() -> subprocess.Popen[str]:
        command = [sys.executable, str(Path(__file__).with_name("locking.py")), str(desk.path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        return process

    yield lock
    for process in running:
        process.kill()
        process.communicate()


def note(n: int) -> ev.NoteTaken:
    return ev.NoteTaken(f"note {n}")


def test_an_event_is_known_at_once_and_durable_when_awaited(desk: Desk) -> None:
    async def run() -> None:
        seen: list[Record] = []
        journal = desk.journal(on_record=seen.append)
        record = journal.append(note(1), source="console", actor="me", wall=5.0, clock=-3.0)
        assert (record.seq, record.wall, record.clock, record.actor) == (2, 5.0, -3.0, "me")
        assert journal.exercise.notes[0].text == "note 1" and seen == [record]
        assert await journal.durable(record.seq)
        assert desk.stored() == [note(1)]
        assert await journal.durable(1), "what was there before is durable"
        assert await journal.close()

    asyncio.run(run())


def test_records_are_written_in_order_and_durable_in_order(desk: Desk) -> None:
    async def run() -> None:
        journal = desk.journal()
        done: list[int] = []

        async def wait(seq: int) -> None:
            assert await journal.durable(seq)
            stored = {event.text for event in desk.stored() if isinstance(event, ev.NoteTaken)}
            assert {f"note {n}" for n in range(2, seq + 1)} <= stored
            done.append(seq)

        waiting = []
        for n in range(2, 60):
            waiting.append(asyncio.create_task(wait(journal.append(note(n)).seq)))
            if n % 7 == 0:
                await asyncio.sleep(0.005)
        await asyncio.gather(*waiting)
        assert done == sorted(done) and await journal.close()

    asyncio.run(run())
    assert desk.stored() == [note(n) for n in range(2, 60)]


def test_closing_writes_what_is_left(desk: Desk) -> None:
    async def run() -> None:
        journal = desk.journal()
        for n in range(500):
            journal.append(note(n))
        assert await journal.close()

    asyncio.run(run())
    assert desk.stored() == [note(n) for n in range(500)] and desk.spilled() == []


def test_a_locked_store_is_waited_for_and_the_loop_goes_on(desk: Desk, locked: Callable[[], Any]) -> None:
    async def run() -> None:
        journal = desk.journal()
        other = locked()
        record = journal.append(note(1))
        durable = asyncio.create_task(journal.durable(record.seq))
        worst = 0.0
        for _ in range(40):
            before = time.monotonic()
            await asyncio.sleep(0.01)
            worst = max(worst, time.monotonic() - before)
            journal.append(note(2))
        assert not durable.done() and worst < 0.5
        other.stdin.write("\n")
        other.stdin.flush()
        assert await asyncio.wait_for(durable, 10.0)
        assert await journal.close()

    asyncio.run(run())
    assert len(desk.stored()) == 41 and desk.trouble == []


def test_a_store_that_stays_locked_is_left_and_the_rest_is_spilled(
    desk: Desk, locked: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)

    async def run() -> None:
        journal = desk.journal()
        assert await journal.durable(journal.append(note(1)).seq)
        locked()
        assert not await asyncio.wait_for(journal.durable(journal.append(note(2)).seq), 10.0)
        assert not await journal.durable(journal.append(note(3)).seq)
        assert [type(trouble) for trouble in desk.trouble] == [WriteLater]
        assert journal.exercise.notes[-1].text == "note 3"
        assert not await journal.close()

    asyncio.run(run())
    assert desk.spilled() == [3, 4]


def test_a_writer_that_was_replaced_stops_at_once(desk: Desk) -> None:
    async def run() -> None:
        journal = desk.journal()
        with open_store(desk.url) as other:
            other.take_lease("e", Holder.mine(), force=True)
        assert not await asyncio.wait_for(journal.durable(journal.append(note(1)).seq), 10.0)
        assert [type(trouble) for trouble in desk.trouble] == [WriterReplaced]
        assert not await journal.close()

    asyncio.run(run())
    assert desk.stored() == [] and desk.spilled() == [2]


def test_a_replaced_writer_hears_of_it_even_when_it_writes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWAL", 0.05)

    async def run() -> None:
        journal = desk.journal()
        with open_store(desk.url) as other:
            other.take_lease("e", Holder.mine(), force=True)
        async with asyncio.timeout(10.0):
            while not desk.trouble:
                await asyncio.sleep(0.01)
        await journal.close()

    asyncio.run(run())
    assert isinstance(desk.trouble[0], WriterReplaced)


def test_a_store_that_can_not_be_written_any_more_is_left(desk: Desk) -> None:
    async def run() -> None:
        journal = desk.journal()
        assert await journal.durable(journal.append(note(1)).seq)
        for path in desk.path.parent.glob("store.db*"):
            path.unlink()
        assert not await asyncio.wait_for(journal.durable(journal.append(note(2)).seq), 10.0)
        assert [type(trouble) for trouble in desk.trouble] == [WriteImpossible]
        assert not await journal.close()

    asyncio.run(run())
    assert desk.spilled() == [3]


@pytest.mark.parametrize("text", ["half a pair: \ud800", "nul \x00 nul", "line\u2028end", "x" * 2_000_000])
def test_texts_that_are_hard_to_store(desk: Desk, text: str) -> None:
    async def run() -> None:
        journal = desk.journal()
        await asyncio.wait_for(journal.durable(journal.append(ev.NoteTaken(text)).seq), 10.0)
        assert await journal.durable(journal.append(note(2)).seq)
        assert await journal.close()

    asyncio.run(run())
    assert desk.stored() == [ev.NoteTaken(text), note(2)]


def test_a_port_that_breaks_altogether_is_loud_and_ends(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def write(self, records: Any, *, status: str, unrecovered: int) -> None:
            raise MemoryError("no room")

        def spill(self, records: Any) -> None:
            raise RuntimeError("no room either")

        def renew(self) -> None:
            raise AssertionError

    async def run() -> None:
        journal = desk.journal(port=Broken())
        assert not await asyncio.wait_for(journal.durable(journal.append(note(1)).seq), 10.0)
        assert not await asyncio.wait_for(journal.close(), 10.0)

    asyncio.run(run())
    assert isinstance(desk.trouble[0], WriteImpossible)
    assert "note 1" in capfd.readouterr().err
