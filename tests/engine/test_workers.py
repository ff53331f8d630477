"""A worker runs one call, whatever that is, and says what came of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from gameday.engine.processes import group_alive, group_runs

from .rig import Rig, call, wait_until


def test_a_result_comes_back_as_it_is(rig: Rig) -> None:
    value = {"a": [1, 2.5, None, True, "ü\u2028\n"], "b": {}}
    assert rig.run("echo", value=value)["output"] == value
    rig.end()


def test_a_result_of_50_mb_becomes_a_note(rig: Rig) -> None:
    answer = rig.run("big", size=50_000_000)
    assert answer["ok"] and len(answer["output"]) < 200 and "50" in answer["output"]
    rig.end()


def test_a_result_near_the_limit_comes_back_whole(rig: Rig) -> None:
    assert len(rig.run("big", size=999_000)["output"]) == 999_000
    rig.end()


def test_results_that_json_can_not_say(rig: Rig) -> None:
    assert "a set" in rig.run("unspeakable")["output"]
    assert rig.run("unicode")["output"] == "half a pair: \ud800"
    rig.end()


def test_failures_say_why(rig: Rig) -> None:
    assert "TypeError" in rig.run("echo", nothing=1)["error"]
    assert "tried to exit: enough" in rig.run("exiting")["error"]
    assert "died" in rig.run("leaving")["error"]
    missing = rig.ask(do="run", call={"name": "nowhere:f", "args": {}, "timeout": 5.0}, poll=None)
    assert "ModuleNotFoundError" in missing["error"]
    rig.end()


def test_a_worker_that_closes_its_pipe_is_killed(rig: Rig) -> None:
    answer = rig.run("closing_with_child", world=str(rig.world))
    assert not answer["ok"]
    wait_until(lambda: not rig.children(), "the worker and its child to be gone")
    rig.end()


def test_a_worker_past_its_time_is_killed_with_all_it_started(rig: Rig) -> None:
    answer = rig.run("leaving_a_child_behind", timeout=0.5)
    assert not answer["ok"] and "timeout" in answer["error"]
    wait_until(lambda: not rig.children(), "the worker and its escaped child to be gone")
    rig.end()


def test_a_killed_worker_is_an_answer(rig: Rig) -> None:
    ident = rig.begin(do="run", call=call("asleep"), poll=None)
    [pid] = wait_until(rig.children, "the worker")
    os.kill(pid, signal.SIGKILL)
    assert "killed" in rig.answer(ident)["error"]
    rig.end()


def test_polling_ends_when_it_holds(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "there"
    ident = rig.begin(do="run", call=call("waiting_until", path=str(path)), poll=10.0)
    wait_until(rig.children, "the worker")
    path.touch()
    assert rig.answer(ident, within=5.0)["output"] == {"holds": True, "evidence": "looked"}
    rig.end()


def test_polling_ends_with_its_window(rig: Rig, tmp_path: Path) -> None:
    answer = rig.run("waiting_until", path=str(tmp_path / "never"), poll=0.3)
    assert answer["ok"] and answer["output"]["holds"] is False
    rig.end()


def test_workers_under_way_end_with_the_guardian(rig: Rig) -> None:
    rig.begin(do="run", call=call("asleep"), poll=None)
    wait_until(rig.children, "the worker")
    rig.process.kill()
    wait_until(lambda: not rig.left(), "the worker to be gone")


def test_a_group_of_zombies_does_not_run() -> None:
    """A pid 1 that reaps nothing leaves them there for ever."""
    process = subprocess.Popen(["true"], start_new_session=True)
    wait_until(lambda: " Z " in Path(f"/proc/{process.pid}/stat").read_text(), "a zombie")
    assert group_alive(process.pid)
    assert not group_runs(process.pid)
    process.wait()
    assert not group_runs(process.pid)
    assert group_runs(os.getpgrp())


def test_who_can_open_nothing_takes_nobody_for_dead() -> None:
    look = (
        "import os, resource, sys\n"
        "from gameday.engine.processes import alive, start_ticks\n"
        "parent, start = os.getppid(), start_ticks(os.getppid())\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "print(alive(parent, start), alive(2**22 - 1, None))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    assert done.stdout == "True False\n", done.stderr
