"""A command that the tests fork is the command: what it says, where it looks, how it ends and is killed."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support import forking
from tests.support.runs import Place

TALK = "version: 1\ntitle: Talk\ntimeline:\n  - {at: 0s, inject: Talk.}\n  - {manual: true, inject: More.}\n"


@pytest.mark.parametrize(
    "words", [["list"], ["mark", "detectd"], ["mrak"], ["validate", "talk.yaml", "none.yaml"], ["report", "--help"]]
)
def test_it_says_the_same_and_ends_the_same(words: list[str], place: Place) -> None:
    place.write("talk.yaml", TALK)
    forked = place.call(*words)
    place.anew = True
    anew = place.call(*words)
    assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_it_is_found_by_its_mark_and_its_line_and_dies_of_what_kills_it(place: Place) -> None:
    place.write("talk.yaml", TALK)
    process = place.start("run", "talk.yaml", "--plain")
    assert isinstance(process, forking.Forked)
    place.wait_until("begun", lambda x: x.entries)
    assert place.pids("-m gameday run talk.yaml --plain") == [process.pid]
    assert set(_environment(process.pid)) == {f"{name}={value}" for name, value in place.environment.items()}
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    assert process.poll() is None
    process.kill()
    assert process.wait(10) == process.poll() == -signal.SIGKILL
    said = place.call("close")
    assert said.returncode == 0, said.stderr
    place.gone()


def test_with_other_settings_of_the_interpreter_it_is_none(place: Place) -> None:
    place.extra["PYTHONUTF8"] = "0"
    process = place.start("list")
    assert isinstance(process, subprocess.Popen)
    assert process.wait(20) == place.call("list").returncode == 0


def _environment(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").decode().split("\0")
