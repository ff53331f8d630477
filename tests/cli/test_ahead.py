"""Guardian and engine are started before it is known whether there will be an exercise; often there is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameday.probes import needed
from tests.support.processes import wait_for
from tests.support.runs import Place

SCENARIO = """\
version: 1
title: A rehearsal
timeline:
  - at: 0s
    inject: A customer calls.
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, anew=True)
    made.write("scenario.yaml", SCENARIO)
    yield made
    made.clean_up()


def logs(place: Place) -> list[Path]:
    return list((place.folder / "state").rglob("*.log"))


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (("missing.yaml",), "missing.yaml", 2),
        (("scenario.yaml", "--set", "nothing=1"), "nothing", 2),
        (("scenario.yaml", "--target", "nowhere"), "nowhere", 2),
        (("scenario.yaml", "--reports", "/proc/reports"), "no place for the debrief", 2),
        (("scenario.yaml", "--no-such-option"), "--no-such-option", 2),
        (("scenario.yaml", "--seed", "seven"), "'seven' is not a valid integer", 2),
    ],
)
def test_a_run_that_does_not_begin_leaves_no_process_and_no_log(
    place: Place, words: tuple[str, ...], says: str, code: int
) -> None:
    done = place.call("run", *words, "--unattended")
    assert done.returncode == code and says in done.stderr, done.stderr
    place.gone()
    assert logs(place) == [] and not place.begun()


def test_they_are_started_before_the_command_has_read_its_options_and_never_for_its_help(place: Place) -> None:
    done = place.call("run", "scenario.yaml", "--unattended", "--help")
    assert done.returncode == 0 and not (place.folder / "state").exists(), "nothing was started to show a help"
    code = (
        "import sys; from gameday.cli import ahead; late = ('click', 'gameday.cli.main', 'dataclasses', 'json')\n"
        "with ahead.begun_early(['run', 'x.yaml', '--unattended']):\n"
        "    assert ahead._early[0].process.poll() is None, 'they wait'\n"
        "    print([name for name in late if name in sys.modules])\n"
    )
    place.write("early.py", code)
    early = subprocess.run(
        [sys.executable, "-P", "early.py"],
        cwd=place.folder,
        env=place.environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert early.stdout.strip() == "['json']", early.stderr
    place.gone()
    assert logs(place) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_command_that_is_stopped_before_it_has_told_them_takes_them_along(place: Place, number: int) -> None:
    # A scenario that can't be read to its end keeps the command at reading it.
    os.mkfifo(place.folder / "never.yaml")
    process = place.start("run", "never.yaml", "--unattended")
    wait_for(lambda: place.pids("-m gameday.cli.engine_process"), 20, "an engine that waits")
    process.send_signal(number)
    process.wait(20)
    place.gone()
    assert not place.begun() and "Traceback" not in place.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_from_the_first_moment_of_an_exercise_on_aborts_it(place: Place, number: int) -> None:
    place.write("scenario.yaml", SCENARIO.replace("at: 0s", "at: 1h"))
    process = place.start("run", "scenario.yaml", "--unattended")
    wait_for(place.begun, 20, "the beginning of a journal")
    process.send_signal(number)
    assert process.wait(30) == 3, place.said()
    assert place.exercise().phase == "ended"
    place.gone()


def test_the_claim_is_held_by_those_who_were_started_before_it_was_known(place: Place) -> None:
    """It was handed to them: when the command is gone, another run must still be refused."""
    place.write("gameday.toml", '[targets.shop]\nkind = "other"\nenvironment = "test"\n')
    place.write(
        "scenario.yaml", SCENARIO.replace("at: 0s", "at: 30s").replace("version: 1", "version: 1\ntarget: shop")
    )
    process = place.start("run", "scenario.yaml", "--plain")
    try:
        wait_for(lambda: "START" in place.said(), 20, "an exercise")
        guardian = place.guardian()
        (engine,) = place.pids("-m gameday.cli.engine_process")
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        other = place.call("run", "scenario.yaml", "--unattended", "--store", str(place.folder / "other.db"))
        assert other.returncode == 5 and "another exercise runs on shop" in other.stderr, other.stderr
        assert guardian is not None
        for pid in (guardian, engine):
            holders = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            assert any(path.endswith(".lock") and "target-" in path for path in holders), holders
    finally:
        for pid in place.pids("-m gameday."):
            os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize(
    ("probe", "wanted"),
    [
        ("tcp: {address: 'localhost:1'}, unless: {equals: true}", []),
        ("process: {command: ['true'], read: stdout}, matches: never", ["judge"]),
        ("http: {url: 'http://localhost:1'}, unless: {status: 200}", ["fetching", "judge"]),
        ("measure: error-rate, above: 1", ["fetching", "judge"]),
    ],
)
def test_an_engine_that_waits_loads_what_the_scenario_asks_with_and_nothing_else(probe: str, wanted: list[str]) -> None:
    import yaml

    document = {"abort_when": [yaml.safe_load(f"{{name: x, {probe}}}")], "timeline": [{"check": None}]}
    assert needed(document) == [f"gameday.probes.{each}:prepare" for each in wanted]
    code = (
        "import sys\n"
        "from gameday.cli import engine_process\n"
        "assert engine_process._told() == sys.argv[1]\n"
        "print([name for name in ('httpx', 'regex') if name in sys.modules])\n"
    )
    told = json.dumps({"mode": "new"}) + "\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, told],
        input=json.dumps({"prepare": needed(document)}) + "\n" + told,
        capture_output=True,
        text=True,
        timeout=30,
    )
    expected = [name for name, of in (("httpx", "fetching"), ("regex", "judge")) if of in wanted]
    assert done.stdout.strip() == str(expected), done.stderr
