"""What the screens look like at both sizes: pictures, taken with clocks that stand still."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from gameday.console.app import Console

from . import states
from .journal import Journal, running
from .stage import BIG, SMALL, Held, HeldFeed, drawn, played, post, stage, until, words


class Picture(SingleFileSnapshotExtension):
    file_extension = "svg"
    _write_mode = WriteMode.TEXT


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(Picture)


SHOWN: dict[str, tuple[Callable[[], Journal], tuple[str, ...], dict[str, Any], float | None]] = {
    "running": (running, (), {}, None),
    "two-faults": (states.two_faults, (), {}, None),
    "half-a-note": (running, ("n", *"two people"), {}, None),
    "production": (states.production, (), {}, None),
    "paused": (states.paused, (), {}, 200.0),
    "interrupted": (states.interrupted, (), {"engine_alive": False}, None),
    "unreachable": (running, (), {"trouble": "database is locked by process 4242", "waiting": 2}, None),
    "leave": (running, ("q",), {}, None),
    "help": (running, ("question_mark",), {}, None),
    "abort": (states.aborting, ("ctrl+x",), {}, 192.0),
    "real": (states.aborting, ("exclamation_mark",), {}, 192.0),
    "aborted": (states.aborted, (), {}, None),
    "leaked": (states.leaked, (), {}, None),
}


STILL = tuple(name for name, (_, keys, _, _) in SHOWN.items() if not keys and name not in ("aborted", "leaked"))


@pytest.mark.parametrize("size", [BIG, SMALL], ids=["120x40", "80x24"])
@played
async def test_states_of_the_run(size: tuple[int, int], picture: SnapshotAssertion) -> None:
    app, held = stage(HeldFeed(running().records))
    async with app.run_test(size=size) as pilot:
        for name in STILL:
            make, _, more, clock = SHOWN[name]
            journal = make()
            held.clock = clock if clock is not None else journal.clock
            await post(pilot, journal.records, **more)
            assert await drawn(pilot) == picture(name=name)


@pytest.mark.parametrize("size", [BIG, SMALL], ids=["120x40", "80x24"])
@pytest.mark.parametrize("name", [name for name in SHOWN if name not in STILL])
@played
async def test_over_the_run(name: str, size: tuple[int, int], picture: SnapshotAssertion) -> None:
    make, keys, more, clock = SHOWN[name]
    journal = make()
    app, _ = stage(HeldFeed(journal.records), Held(clock) if clock is not None else None)
    async with app.run_test(size=size) as pilot:
        await post(pilot, journal.records, **more)
        await pilot.press(*keys)
        if name in ("abort", "real"):
            await until(pilot, lambda: "undo sent to 1 fault" in words(app))
        assert await drawn(pilot) == picture


@pytest.mark.parametrize("size", [BIG, SMALL], ids=["120x40", "80x24"])
@played
async def test_pick_and_preview(size: tuple[int, int], picture: SnapshotAssertion) -> None:
    app = Console(scenarios=lambda: states.CARDS, preview=lambda _: states.preview(), start=_never, who="dana")
    async with app.run_test(size=size) as pilot:
        assert await drawn(pilot) == picture(name="pick")
        await pilot.press("enter")
        await until(pilot, lambda: "proxy payments" in words(app))
        assert await drawn(pilot) == picture(name="preview")


@pytest.mark.parametrize("size", [BIG, SMALL], ids=["120x40", "80x24"])
@played
async def test_preview_of_production(size: tuple[int, int], picture: SnapshotAssertion) -> None:
    made = states.preview("production", "shop-eu")
    app = Console(scenarios=lambda: states.CARDS, preview=lambda _: made, start=_never, who="dana")
    async with app.run_test(size=size) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: "PRODUCTION" in words(app))
        assert await drawn(pilot) == picture


def _never(_: Path) -> Any:
    raise AssertionError("nothing was to be started")


@played
async def test_without_colours_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = states.leaked()
    told = []
    for no_color in ("", "1"):
        monkeypatch.setenv("NO_COLOR", no_color)
        app, _ = stage(HeldFeed(journal.records))
        async with app.run_test(size=BIG) as pilot:
            await post(pilot, journal.records)
            await until(pilot, lambda app=app: "NOT UNDONE" in words(app))
            told.append(words(app))
            coloured = await drawn(pilot)
    assert told[0] == told[1]
    colours = {colour.lower() for colour in re.findall(r"(?:fill|stroke): ?(#[0-9a-fA-F]{6})", coloured)}
    colours -= {"#ff5f57", "#febc2e", "#28c840", "#c5c8c6"}  # the picture's own frame
    assert colours and all(colour[1:3] == colour[3:5] == colour[5:7] for colour in colours), "grey only"


@played
async def test_everything_that_matters_stays_visible_on_a_small_screen() -> None:
    journal = states.two_faults()
    app, _ = stage(HeldFeed(journal.records))
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        for view in ("Timeline", "Journal", "Notes"):
            shown = words(app)
            for part in (
                view,
                "SANDBOX",
                "14:33:10 UTC",
                "+03:10",
                "RUNNING",
                "payments-dark",
                "2:21 left",
                "slow-checkout",
                "1:51 left",
                "0% headroom",
                "diagnosed    missing",
                "next in 17:21",
                "^X ABORT",
            ):
                assert part in shown, (view, part)
            await pilot.press("tab")
            await pilot.pause()


@played
async def test_a_screen_below_a_dialog_learns_of_a_new_size() -> None:
    journal = running()
    app, _ = stage(HeldFeed(journal.records))
    async with app.run_test(size=SMALL) as pilot:
        await post(pilot, journal.records)
        await pilot.press("q")
        await pilot.resize_terminal(*BIG)
        await pilot.press("escape")
        await pilot.pause()
        shown = words(app)
        assert "Journal" in shown and "Timeline" in shown and "Notes" in shown


@played
@pytest.mark.long
async def test_on_a_tiny_terminal_the_faults_and_the_abort_stay_in_sight() -> None:
    journal = states.two_faults()
    app, _ = stage(HeldFeed(journal.records))
    async with app.run_test(size=(60, 20)) as pilot:
        await post(pilot, journal.records)
        shown = words(app)
        for part in ("SANDBOX", "RUNNING", "payments-dark", "2:21 left", "slow-checkout", "1:51 left", "^X ABORT"):
            assert part in shown, part
        assert "acknowledged +1:03" in shown and "OPEN mitigated 12:21 left" in " ".join(shown.split())
        # Help, dialogs and half a note at any size, and back: nothing falls over.
        for keys in (("question_mark",), ("l",), ("x",), ("n", "a"), ("s",), ("c",), ("f8",)):
            await pilot.press(*keys)
            for size in ((20, 5), (1, 1), (60, 20), (140, 40), (60, 20)):
                await pilot.resize_terminal(*size)
            await pilot.press("escape")
        await until(pilot, lambda: "^X ABORT" in words(app) and "payments-dark" in words(app))


@pytest.mark.parametrize("size", [(60, 20), BIG])
@played
async def test_an_entry_is_read_in_full_with_one_key(size: tuple[int, int]) -> None:
    journal = running()
    app, _ = stage(HeldFeed(journal.records))
    async with app.run_test(size=size) as pilot:
        await post(pilot, journal.records)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "inject vp-asks" in words(app))
        inside = [line.split("┃")[1] for line in words(app).splitlines() if line.count("┃") == 2]
        shown = " ".join(" ".join(inside).split())
        for part in ("in 1:25", "joins and asks for a timeline.", "incident-commander", "time of the next update."):
            assert part in shown, shown
