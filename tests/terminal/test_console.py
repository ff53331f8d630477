"""The console in a real terminal, with real keys, on the real sandbox: what it stamps is what the debrief says."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.exercise.events import MilestoneReached, MilestoneWithdrawn
from gameday.sandbox import control, ledger
from tests.support.processes import wait_for
from tests.support.runs import Place
from tests.terminal.terminal import Terminal

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")

SCENARIO = """
version: 1
title: Payments go dark
roles: [incident-commander]
timeline:
  - {id: dark, at: 500ms, fault: dependency-outage, with: {service: payments}, for: 10m}
  - {id: call, manual: true, inject: Support calls.}
expect:
  - {milestone: acknowledged, within: 5m}
abort_when:
  - {name: the storefront is down, http: {url: "${storefront}/health"}, unless: {status: 200}, for: 20s}
limits: {duration: 30m}
"""
TALK = """
version: 1
title: Talk it through
target: none
roles: [incident-commander]
timeline:
  - {id: begin, at: 0s, inject: The shop is slow.}
  - {id: call, manual: true, inject: Support calls.}
"""
CLOSE_ENOUGH = 1.5
"""Seconds between a key and its stamp on a busy machine; a stamp taken when the engine got around to it is later."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("GAMEDAY_SANDBOX_RATE", "5")
    made = Place(tmp_path, extra={"GAMEDAY_SANDBOX": str(tmp_path / "box"), "GAMEDAY_SANDBOX_RATE": "5"})
    made.write("scenario.yaml", SCENARIO)
    control.up(tmp_path / "box")
    yield made
    made.clean_up()
    control.down(tmp_path / "box")


@pytest.fixture
def terminal(place: Place) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "gameday", "run", "scenario.yaml", "--target", "sandbox"]
    opened = Terminal(command, place.environment, str(place.folder), (120, 40))
    opened.shows("What will be touched (1)")
    opened.press("F5")
    opened.shows("RUNNING", within=90)
    opened.shows("EFFECTIVE")
    yield opened
    opened.close()


def test_stamps_that_stay_and_abort_from_inside_a_dialog(terminal: Terminal, place: Place) -> None:
    detected = terminal.press("2")
    place.wait_until("detected", lambda x: x.milestone("detected"))
    acknowledged = terminal.press("3")
    place.wait_until("acknowledged", lambda x: x.milestone("acknowledged"))
    state = place.exercise()
    assert acknowledged - state.started.wall < 60, "the exercise is younger than a minute"
    terminal.press("-")
    terminal.shows("NOT MOVED")
    told = terminal.shows("the stamp stays")
    assert "--ago" in told
    assert "goes back by" not in told
    terminal.press("q")
    terminal.shows("Leave the console?")
    pressed = terminal.press("C-x")
    terminal.shows("CONFIRMED CLEAR")
    debrief = _leave(terminal, place)

    stamps = _stamps(debrief)
    assert 0 <= stamps["detected"] - detected < CLOSE_ENOUGH
    assert 0 <= stamps["acknowledged"] - acknowledged < CLOSE_ENOUGH
    assert not any(record.kind == "milestone_withdrawn" for record in place.records())
    _abort_is_the_ledgers(debrief, place, pressed)


@pytest.mark.long
def test_a_stamp_goes_back_by_exactly_a_minute(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("scenario.yaml", TALK)
    command = [sys.executable, "-m", "gameday", "run", "scenario.yaml"]
    opened = Terminal(command, place.environment, str(place.folder), (120, 40))
    try:
        opened.shows("Nothing will be touched")
        opened.press("F5")
        opened.shows("RUNNING", within=90)
        begun = place.wait_until("begun", lambda x: x.entries["begin"].stage == "done")
        impact = begun.entries["begin"].done.wall
        wait_for(lambda: time.time() > impact + 62, 80, "more than a minute since the first inject", every=0.2)
        pressed = opened.press("2")
        late = place.wait_until("detected", lambda x: x.milestone("detected")).milestone("detected")
        opened.press("-")
        opened.shows("the last stamp goes back by 1 min")
        place.wait_until("moved", lambda x: x.milestone("detected").seq != late.seq)
        assert place.call("close").returncode == 0
        # Before the console knows of it, it would ask whether to leave.
        opened.shows("Where to go next")
        debrief = _leave(opened, place, code=0)
    finally:
        opened.close()
        place.clean_up()
    assert 0 <= late.at.wall - pressed < CLOSE_ENOUGH
    stamped = _stamps(debrief)["detected"]
    assert stamped == pytest.approx(late.at.wall - 60, abs=0.01)
    assert abs(stamped - (pressed - 60)) < CLOSE_ENOUGH
    assert stamped > impact
    events = {record.seq: record.event for record in place.records()}
    assert isinstance(events[late.seq], MilestoneReached), "what was stamped first stays in the journal"
    withdrawn = [event for event in events.values() if isinstance(event, MilestoneWithdrawn)]
    assert withdrawn == [MilestoneWithdrawn(late.seq, "moved back by 1m")]


def test_abort_from_a_half_typed_note(terminal: Terminal, place: Place) -> None:
    terminal.press("n")
    terminal.type("the pool is ex")
    terminal.shows("the pool is ex")
    pressed = terminal.press("C-x")
    terminal.shows("CONFIRMED CLEAR")
    terminal.press("Escape")
    screen = terminal.shows("the pool is ex")
    assert "note" in screen, "the half-typed note is where it was"
    terminal.press("Escape")
    debrief = _leave(terminal, place)
    _abort_is_the_ledgers(debrief, place, pressed)
    assert [note.text for note in place.exercise().notes] == ["the pool is ex"], "what was typed is not lost"


def test_the_console_killed_and_opened_again(terminal: Terminal, place: Place) -> None:
    """The terminal goes away; the exercise goes on, and `watch` finds it."""
    place.wait_until("a console", lambda x: x.consoles == 1)
    terminal.close()
    state = place.wait_until("no console", lambda x: x.consoles == 0)
    assert state.faults["dark"].stage == "effective"
    again = Terminal([sys.executable, "-m", "gameday", "watch"], place.environment, str(place.folder), (80, 24))
    try:
        again.shows("SANDBOX")
        place.wait_until("a console", lambda x: x.consoles == 1)
        again.press("C-x")
        again.shows("CONFIRMED CLEAR")
        place.wait_until("ended", lambda x: x.phase == "ended", within=90)
        again.press("Escape")
        again.shows("Where to go next")
        again.press("q")
        again.shows("EXIT 0")
        (page,) = (place.folder / "reports").glob("*.html")
        assert page.name in again.screen(), "whoever ends it gets the debrief, and is told where it is"
    finally:
        again.close()
    assert ledger.standing(ledger.read(place.folder / "box")) == []
    place.gone()


def _leave(terminal: Terminal, place: Place, code: int = 3) -> dict[str, Any]:
    """Wait for the end, leave the console; the debrief as JSON."""
    place.wait_until("ended", lambda x: x.phase == "ended", within=90)
    terminal.press("C-c")
    terminal.shows(f"EXIT {code}")
    (path,) = (place.folder / "reports").glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _stamps(debrief: dict[str, Any]) -> dict[str, float]:
    """When each milestone happened, unix seconds, as the debrief's timings have it."""
    ends = {"tta": "acknowledged", "ttd": "detected"}
    return {ends[one["key"]]: one["end"]["wall"] for one in debrief["timings"] if one["key"] in ends and one["end"]}


def _abort_is_the_ledgers(debrief: dict[str, Any], place: Place, pressed: float) -> None:
    lines = ledger.read(place.folder / "box")
    assert ledger.standing(lines) == []
    arrived = min(
        line.wall for line in lines if line.what == "proxy-enabled" and line.detail.get("proxy") == "payments"
    )
    (fault,) = debrief["abort"]["faults"]
    zero = debrief["abort"]["at"]["wall"] - debrief["abort"]["at"]["clock"]
    asked, sent, recovered = (zero + fault[key] for key in ("seen", "undo_sent", "recovered"))
    assert 0 <= asked - pressed < CLOSE_ENOUGH
    # What the journal says of the undo lies around what the proxy itself wrote down (its clock: to the millisecond).
    assert sent - 0.005 <= arrived <= recovered + 0.005
