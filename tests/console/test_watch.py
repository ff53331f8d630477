"""`gameday watch`: lines without a terminal, a light import, and a journal of any length."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gameday.console.screens.run import Run
from gameday.console.widgets.journal import JournalView
from gameday.exercise import events as e
from gameday.store import open_store
from tests.support import forking

from . import states
from .journal import Journal
from .stage import BIG, HeldFeed, played, post, stage, words
from .test_live_feed import write


def gameday(*words_: str, store: Path) -> subprocess.CompletedProcess[str]:
    return forking.call([*words_, "--store", str(store)])


def test_watch_plain_tells_a_finished_exercise_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "journals.db"
    with open_store(str(path)) as store:
        write(store, states.aborted())
    told = gameday("watch", "payment", "--plain", "--read-only", store=path)
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    lines = told.stdout.splitlines()
    assert lines[0].startswith("14:30:00 +00:00 START  The payment provider goes dark at peak")
    assert lines[-1] == "14:33:15 +03:15 END    ABORTED (exit 3): aborted in the console"


def test_watch_without_a_terminal_or_an_exercise_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journals.db"
    told = gameday("watch", store=path)
    assert told.returncode != 0 and str(path) in told.stderr
    with open_store(str(path)) as store:
        write(store, states.aborted())
    told = gameday("watch", store=path)
    assert told.returncode == 2 and "gameday watch --plain" in told.stderr


def test_the_command_loads_no_textual_until_it_needs_it() -> None:
    code = (
        "import sys, gameday.cli.watch, gameday.console.plain; print('textual' in sys.modules, 'rich' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout == "False False\n"


@played
async def test_twenty_thousand_events() -> None:
    journal = Journal().start().steady()
    for index in range(20_000):
        journal.clock = 2.0 + index * 0.1
        journal.add(e.Warned(f"event {index}"))
    app, _ = stage(HeldFeed(journal.records))
    async with app.run_test(size=BIG) as pilot:
        await post(pilot, journal.records)
        await pilot.pause()
        assert "event 19999" in words(app) and "event 19900" not in words(app)
        await pilot.press("pageup")
        await pilot.pause()
        assert "event 19999" not in words(app) and "event 19970" in words(app)
        # What comes now does not tear whoever reads away; going to the end follows again.
        journal.add(e.Warned("one more"))
        await post(pilot, journal.records)
        assert "event 19970" in words(app) and "one more" not in words(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "one more" in words(app)
        assert isinstance(app.screen, Run)
        assert len(app.screen.query_one(JournalView).lines) > 20_000
