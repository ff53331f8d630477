"""From the list of files to a running exercise; production wants its name, and a refusal touches nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from gameday.console.app import Console
from gameday.console.preview_model import PreviewModel
from gameday.console.screens.pick import Pick
from gameday.console.screens.preview import Preview
from gameday.console.screens.run import Run
from gameday.console.starting import Starting
from gameday.errors import RefusedError

from . import states
from .journal import running
from .stage import SMALL, HeldFeed, played, until, words


class Started:
    """Remembers what was started."""

    def __init__(self, error: str = "") -> None:
        self.paths: list[Path] = []
        self.error = error
        self.feed = HeldFeed(running().records)

    def __call__(self, path: Path, _: Starting) -> HeldFeed:
        self.paths.append(path)
        if self.error:
            raise RefusedError(self.error)
        return self.feed


def console(start: Started, model: PreviewModel | None = None, **more: Any) -> Console:
    made = model or states.preview()
    return Console(scenarios=lambda: states.CARDS, preview=lambda _: made, start=start, who="dana", **more)


@played
async def test_type_to_filter_look_and_start() -> None:
    start = Started()
    app = console(start)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press(*"leaked")
        await pilot.pause()
        assert "Credentials leaked" in words(app) and "payment provider" not in words(app)
        await pilot.press("escape", *"payment", "enter")
        await until(pilot, lambda: "proxy payments" in words(app))
        shown = words(app)
        assert "NO ANSWER" in shown and "undone by" in shown
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, Run))
        assert start.paths == [states.CARDS[0].path]
        await until(pilot, lambda: "payments-dark" in words(app))


@played
async def test_a_broken_file_is_not_opened() -> None:
    start = Started()
    app = console(start)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press(*"broken", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Pick)
        assert "unknown key 'timelime'" in words(app)


@played
async def test_production_wants_its_name() -> None:
    start = Started()
    app = console(start, states.preview("production", "shop-eu"))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "▲▲ PRODUCTION ▲▲" in words(app))
        await pilot.press("f5", *"shop-us", "f5")
        await pilot.pause()
        assert start.paths == []
        await pilot.press(*["backspace"] * 2, *"eu", "f5")
        await until(pilot, lambda: start.paths)


@played
async def test_what_is_refused_is_not_started() -> None:
    start = Started()
    app = console(start, states.preview(refusals=("production needs --confirm shop-eu",)))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "REFUSED" in words(app))
        await pilot.press("f5", "enter")
        await pilot.pause()
        assert start.paths == []
        assert isinstance(app.screen, Pick), "Enter was on Cancel"


@played
async def test_a_start_that_fails_says_why() -> None:
    start = Started("another exercise runs on this target")
    app = console(start)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "proxy payments" in words(app))
        await pilot.press("f5")
        await until(pilot, lambda: "another exercise runs" in words(app))
        assert isinstance(app.screen, Preview)
        await pilot.press("escape", "ctrl+c")
        await pilot.pause()
    assert app.return_value == "ended"


@played
async def test_nothing_runs_so_there_is_nothing_to_abort() -> None:
    start = Started()
    app = console(start, first=states.CARDS[0].path)
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "proxy payments" in words(app))
        await pilot.press("ctrl+x")
        await pilot.pause()
        assert isinstance(app.screen, Preview)
        assert start.feed.aborts == []


@played
async def test_what_a_start_waits_for_is_shown_and_an_abort_ends_the_waiting() -> None:
    aborted = threading.Event()

    def start(_: Path, starting: Starting) -> HeldFeed:
        starting.say("watching for another 60 s whether exercise x-1 renews its claim")
        starting.go_on()
        assert aborted.wait(20)
        starting.go_on()
        raise AssertionError("it went on")

    app = Console(scenarios=lambda: states.CARDS, preview=lambda _: states.preview(), start=start, who="dana")
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "proxy payments" in words(app))
        await pilot.press("f5")
        await until(pilot, lambda: "STARTING  watching for another 60 s" in words(app))
        await pilot.press("ctrl+x")
        aborted.set()
        await until(pilot, lambda: "it was called off before it began" in words(app))
        assert "Nothing was touched" in words(app)
        await pilot.press("escape", "ctrl+c")
        await pilot.pause()
    assert app.return_value == "ended"
