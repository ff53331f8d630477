"""The machine was suspended in the middle of an exercise.

It can't be suspended here, and a time namespace can't be moved under a running process. So the one clock that counts on
while a machine sleeps is replaced, in every process of the run, by one that can be put forward.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gameday.exercise.state import Exercise
from tests.endings.judging import assert_ended, assert_undone
from tests.endings.scripts import activity, script
from tests.support.runs import Place, Target, kinds

CLOCK = """
import os, time

real = time.clock_gettime

def clock_gettime(clock):
    now = real(clock)
    if clock == time.CLOCK_BOOTTIME:
        with open(os.environ["GAMEDAY_TEST_SLEPT"]) as file:
            now += float(file.read())
    return now

time.clock_gettime = clock_gettime
"""
HOUR = 3600.0
LIMITS = {"duration": "10h", "recovery": "5s", "unattended": "1m"}
BEGIN = {"id": "begin", "at": "0s", "inject": "It begins."}
LATER = {"id": "later", "at": "30m", "inject": "Half an hour later."}
LAST = {"id": "last", "at": "31m", "inject": "And another minute."}


@pytest.fixture
def sleep(place: Place) -> Callable[[float], None]:
    """Have the machine "sleep": CLOCK_BOOTTIME goes on by so many seconds, CLOCK_MONOTONIC does not."""
    site, slept = place.folder / "site", place.folder / "slept"
    site.mkdir()
    (site / "sitecustomize.py").write_text(CLOCK)
    slept.write_text("0")
    place.extra |= {
        "PYTHONPATH": f"{site}{os.pathsep}{Path(__file__).parents[2]}",
        "GAMEDAY_TEST_SLEPT": str(slept),
    }

    def sleep_for(seconds: float) -> None:
        fresh = place.folder / "slept.new"
        fresh.write_text(str(seconds))
        fresh.replace(slept)

    return sleep_for


def begun(place: Place, *arguments: str, timeline: list[dict[str, Any]], fault: bool) -> Any:
    place.write("scenario.yaml", script(*timeline, limits=LIMITS))
    process = place.start("run", "scenario.yaml", "--target", "lab", *arguments)

    def ready(x: Exercise) -> bool:
        attached = not x.attended or x.consoles > 0
        standing = not fault or ("broken" in x.faults and x.faults["broken"].effective is not None)
        return bool(x.timeline_started and attached and standing)

    place.wait_until("begun", ready)
    return process


def delivered(x: Exercise) -> list[str]:
    return [name for name, entry in x.entries.items() if entry.stage == "done" and name not in x.faults]


def test_attended_with_a_live_fault(place: Place, target: Target, sleep: Callable[[float], None]) -> None:
    """Past its time, so undone at once; then paused, and what was due meanwhile does not burst."""
    process = begun(place, "--plain", timeline=[BEGIN, activity(lasts="1h"), LATER, LAST], fault=True)
    sleep(2 * HOUR)
    state = place.wait_until("undone and paused", lambda x: x.paused and x.faults["broken"].stage == "recovered")
    assert state.abort is None
    assert state.faults["broken"].undo_reason == "its time is over"
    assert_undone(target, ["broken"])
    jumped = next(record.event for record in place.records() if record.kind == "clock_jumped")
    assert getattr(jumped, "seconds", 0) == pytest.approx(2 * HOUR, abs=5)
    assert place.call("continue").returncode == 0
    going = place.wait_until("going on", lambda x: not x.paused)
    assert delivered(going) == ["begin"], "the rest of the script has shifted"
    assert place.call("close").returncode == 0
    ended = assert_ended(place, process.wait(60), 0)
    assert delivered(ended) == ["begin"]


def test_attended_with_no_live_fault(place: Place, sleep: Callable[[float], None]) -> None:
    process = begun(place, "--plain", timeline=[BEGIN, LATER, LAST], fault=False)
    sleep(2 * HOUR)
    state = place.wait_until("paused", lambda x: x.paused)
    assert delivered(state) == ["begin"], "nothing bursts"
    assert place.call("close").returncode == 0
    assert_ended(place, process.wait(60), 0)


def test_unattended(place: Place, target: Target, sleep: Callable[[float], None]) -> None:
    following = activity("following", at="40m", lasts="1h")
    process = begun(place, "--unattended", timeline=[BEGIN, activity(lasts="1h"), LATER, following], fault=True)
    sleep(2 * HOUR)
    ended = assert_ended(place, process.wait(60), 3)
    assert ended.abort is not None and "suspended" in ended.abort.reason
    assert "clock_jumped" in kinds(place.records())
    assert_undone(target, ["broken"])
    assert delivered(ended) == ["begin"]
    assert not target.requests("PUT", "/state/following"), "nothing is injected after waking"
    place.gone()
