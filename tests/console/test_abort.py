"""The abort key: from every screen, over every dialog, out of half a note; first the abort, then the panel."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gameday.console.app import Console
from gameday.console.screens.aborting import AbortPanel, clear_rows
from gameday.console.screens.debrief import Debrief
from gameday.console.screens.run import Run
from gameday.console.starting import Starting
from gameday.engine import requests as r
from gameday.errors import StoreError
from gameday.exercise import events as e
from gameday.exercise.fold import fold

from . import states
from .journal import running
from .stage import SMALL, Held, HeldFeed, played, post, stage, until, words

OVER: dict[str, tuple[str, ...]] = {
    "the run": (),
    "leave": ("q",),
    "end": ("e",),
    "start a fault": ("i",),
    "skip": ("down", "k"),
    "classify": ("c",),
    "role": ("w",),
    "whom to undo": ("x",),
    "undo": ("x",),
    "where to look": ("l",),
    "an entry in full": ("enter",),
    "something said": ("s",),
    "help": ("question_mark",),
    "half a note": ("n", *"two peo"),
    "half a role": ("w", "1", *"sa"),
    "the abort panel": ("ctrl+x",),
}


async def _abort_over(name: str, keys: tuple[str, ...], key: str) -> None:
    journal = running() if name in ("start a fault", "undo") else states.two_faults()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press(*keys)
        await pilot.pause()
        before = len(feed.aborts)
        await pilot.press(key)
        await until(pilot, lambda: len(feed.aborts) == before + 1)
        await until(pilot, lambda: isinstance(app.screen, AbortPanel) and "guardian" in words(app))
        assert feed.aborts[-1] == ("aborted in the console", "dana"), name
        assert feed.sent == [], name
        await pilot.press("escape")
        if name == "half a note":
            await pilot.press(*"ple", "enter")
            await until(pilot, lambda: feed.sent)
            assert feed.sent == [r.TakeNote("two people")]


@played
@pytest.mark.long
async def test_abort_works_over_everything_and_asks_nothing() -> None:
    for index, (name, keys) in enumerate(OVER.items()):
        await _abort_over(name, keys, ("ctrl+x", "f9")[index % 2])


@played
async def test_an_abort_waits_for_no_store() -> None:
    """The store is locked, a request hangs in it, and the reader too."""
    journal = running()
    hang = threading.Event()

    class Hanging(HeldFeed):
        def poll(self) -> list[object]:  # type: ignore[override]
            hang.wait(20)
            return []

        def send(self, request: r.Request) -> None:
            hang.wait(20)
            super().send(request)

    feed = Hanging(journal.records)
    app = Console(feed, clocks=Held(130.0).clocks, who="dana")  # type: ignore[arg-type]
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("g", "n", *"half", "ctrl+x")
        await until(pilot, lambda: feed.aborts)
        await until(pilot, lambda: "guardian" in words(app))
        assert feed.sent == []
        hang.set()


@played
async def test_the_panel_says_of_each_fault_whether_it_is_confirmed() -> None:
    journal = states.two_faults()
    feed = HeldFeed(journal.records)
    app, held = stage(feed, Held(192.0))
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("ctrl+x")
        held.clock = 192.4
        await post(pilot, states.aborting().records)
        shown = words(app)
        assert "CONFIRMED CLEAR    payments-dark  after 210 ms" in shown
        assert "NOT CONFIRMED      slow-checkout  undoing, 400 ms so far" in shown
        assert "1 of 2 confirmed clear" in shown
        await post(pilot, states.leaked().records)
        shown = words(app)
        assert "NOT CLEAR, ACT NOW slow-checkout" in shown and "curl -X POST" in shown


@played
async def test_an_abort_that_does_not_go_out_says_so() -> None:
    class Cut(HeldFeed):
        def abort(self, reason: str, by: str) -> str:
            raise ConnectionRefusedError("no guardian answers")

    journal = running()
    app, _ = stage(Cut(journal.records))
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("ctrl+x")
        await until(pilot, lambda: "DID NOT GO OUT" in words(app))
        assert "no guardian answers" in words(app)


@pytest.mark.parametrize("key", ["f8", "exclamation_mark"])
@played
async def test_this_is_real(key: str) -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press(key)
        await until(pilot, lambda: feed.aborts)
        assert feed.aborts == [("this is a real incident", "dana")]
        await until(pilot, lambda: "THIS IS REAL" in words(app))
        assert app.clipboard.startswith("The exercise is over: this is a real incident.")


@played
async def test_abort_while_it_is_being_started() -> None:
    journal = running()
    feed = HeldFeed(journal.records)
    go = threading.Event()

    def start(_: Path, __: Starting) -> HeldFeed:
        assert go.wait(20)
        return feed

    app = Console(
        scenarios=lambda: states.CARDS,
        preview=lambda _: states.preview(),
        start=start,
        who="dana",
        clocks=Held(1.0).clocks,
        pumping=False,
    )
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "proxy payments" in words(app))
        await pilot.press("f5", "ctrl+x")
        assert feed.aborts == []
        go.set()
        await until(pilot, lambda: feed.aborts)
        assert feed.aborts == [("aborted while it was starting", "dana")]
        await until(pilot, lambda: isinstance(app.screen, AbortPanel))


@played
async def test_the_debrief_comes_when_nobody_types_and_no_panel_is_open() -> None:
    journal = states.two_faults()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed, report=lambda ident: f"reports/{ident}.html")
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("n", *"half", "ctrl+x")
        await post(pilot, states.aborted().records)
        await until(pilot, lambda: "2 of 2 confirmed clear" in words(app))
        assert isinstance(app.screen, AbortPanel)
        await pilot.press("escape")
        await pilot.pause(0.4)
        assert isinstance(app.screen, Run) and "half" in words(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, Debrief))
        await until(pilot, lambda: "reports/payment-outage-7f3a.html" in words(app))
        await pilot.press("q")
    assert app.unwritten == ["half"], "what nobody could write down is not thrown away"


@played
async def test_after_the_end_nothing_offers_an_abort_and_a_note_can_still_be_written() -> None:
    journal = states.aborted()
    feed = HeldFeed(journal.records)
    taken: list[tuple[str, str, float]] = []
    reports: list[str] = []

    def report(ident: str) -> str:
        reports.append(ident)
        return f"reports/{ident}.html"

    app, held = stage(feed, report=report, afterwards=lambda *note: taken.append(note))
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await until(pilot, lambda: isinstance(app.screen, Debrief) and "reports/" in words(app))
        assert "ABORT " not in words(app) and "n still writes one" in words(app)
        await pilot.press("ctrl+x")
        await until(pilot, lambda: "IT IS OVER" in words(app))
        await pilot.press("escape")
        await until(pilot, lambda: "OVER, ABORTED" in words(app))
        shown = " ".join(words(app).replace("█", " ").split())
        assert "reports/payment-outage-7f3a.html" in shown
        assert "gameday action add payment-outage-7f3a" in shown
        assert "^X" not in shown and "ENDED, ABORTED" in shown
        await pilot.press("f", "n", *"late")
        begun = held.clocks.wall()
        held.clock += 7
        await pilot.press("enter")
        await until(pilot, lambda: "NOTED: after the end: late" in words(app))
        await until(pilot, lambda: len(reports) == 2)
        await pilot.press("ctrl+x")
        await until(pilot, lambda: "IT IS OVER" in words(app))
    assert taken == [("payment-outage-7f3a", "late", begun)]
    assert (feed.sent, feed.aborts, app.unwritten) == ([], [], [])


@played
async def test_after_an_end_with_a_fault_that_stands_the_abort_is_still_there() -> None:
    journal = states.leaked()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await until(pilot, lambda: isinstance(app.screen, Debrief))
        assert "^X ABORT" in words(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, Run) and "^X ABORT" in words(app))
        await pilot.press("ctrl+x")
        await until(pilot, lambda: feed.aborts)


@played
async def test_a_note_that_comes_after_the_end_and_finds_no_place_is_kept() -> None:
    def locked(*_: object) -> None:
        raise StoreError("database is locked by process 4242")

    journal = states.aborted()
    app, _ = stage(HeldFeed(journal.records), afterwards=locked)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await until(pilot, lambda: isinstance(app.screen, Debrief))
        await pilot.press("n", *"late", "enter")
        await until(pilot, lambda: "NOT WRITTEN DOWN: database is locked" in words(app))
    assert (app.unwritten, app.clipboard) == (["late"], "late")


@played
async def test_a_note_that_comes_after_the_end_is_kept() -> None:
    journal = states.two_faults()
    feed = HeldFeed(journal.records)
    app, _ = stage(feed)
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("n", *"half", "ctrl+x")
        await post(pilot, states.aborted().records)
        await pilot.press("escape", *" of it", "enter")
        await pilot.pause()
        assert feed.sent == []
        assert (app.unwritten, app.clipboard) == (["half of it"], "half of it")


def test_a_fault_that_was_clear_before_is_told_as_such() -> None:
    journal = running()
    journal.add(e.FaultRecovered("payments-dark", "accepts connections"), at=140.0)
    rows = clear_rows(fold(journal.records), pressed=150.0, now=151.0)
    assert [(row.verdict, row.detail) for row in rows] == [("CONFIRMED CLEAR", "was clear before")]


def test_how_long_it_takes_is_told_in_seconds_from_one_on() -> None:
    exercise = fold(states.aborting().records)
    pressed = 100.0
    assert [row.detail for row in clear_rows(exercise, pressed, pressed + 8.983)][-1] == "undoing, 9.0 s so far"
