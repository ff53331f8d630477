"""Parts of a running exercise are killed with `kill -9`, or frozen, at random moments.

Whatever was hit: by the sandbox's own ledger every fault is gone (or the exercise ends as leaked, exit 4), no injection
comes after the last undo, the journal is whole, and no process is left.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gameday.sandbox import control, ledger
from tests.support import processes
from tests.support.runs import Place, parent
from tests.terminal.terminal import Terminal

SLOW = Path(processes.__file__).with_name("slow_injection.py")
VICTIMS = (
    "engine",
    "guardian",
    "command",
    "inject worker",
    "undo worker",
    "engine frozen",
    "proxy",
    "payments",
    "engine and guardian",
    "engine, store locked",
    "console",
    "terminal",
)
ATTENDED = ("console", "terminal")

SCENARIO = """
version: 1
title: Killed at a random moment
timeline:
  - {{at: 100ms, fault: latency, with: {{service: payments, delay: 120ms}}, for: 2s}}
  - {{at: 200ms, fault: dependency-outage, with: {{service: inventory, mode: refused}}, for: 2s}}
  - {{at: 300ms, fault: pod-freeze, with: {{service: checkout, count: 1}}, for: 1500ms}}
  - id: slow
    at: 400ms
    fault: activity
    activity:
      type: process
      path: "{python}"
      arguments: ["{slow}", "{proxy}", checkout, slow-{tag}, "{delay}"]
      timeout: 30
    undo: {{type: http, method: DELETE, url: "{proxy}/proxies/checkout/toxics/slow-{tag}", timeout: 3}}
    recovered: {{http: {{url: "{proxy}/proxies/checkout/toxics/slow-{tag}"}}, expect: {{status: 404}}}}
    for: 1s
abort_when:
  - {{name: errors, measure: error-rate, above: 2, every: 500ms, no_data: ok}}
limits: {{duration: 40s, recovery: 20s, unattended: 1s}}
"""


def test_kill(kill: int, place: Place, box: control.Sandbox) -> None:
    dice = random.Random(kill)
    victim = VICTIMS[kill % len(VICTIMS)]
    delay = round(dice.uniform(0.1, 1.5), 2)
    wait = dice.uniform(0.0, 2.5)
    begun = time.clock_gettime(time.CLOCK_BOOTTIME)
    place.write(
        "scenario.yaml", SCENARIO.format(python=sys.executable, slow=SLOW, proxy=box.proxy, tag=f"k{kill}", delay=delay)
    )
    if victim in ATTENDED and shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    if victim in ATTENDED:
        code, told = _in_a_terminal(victim, wait, place)
    else:
        command = place.start("run", "scenario.yaml", "--target", "sandbox", "--unattended")
        wait = _moment(victim, dice, delay, wait, place, command)
        _strike(victim, place, command.pid, box)
        code = command.wait(90)
        told = f"{victim} at {wait:.2f} s: exit {code}\n{place.said()}"
    place.gone()
    if not place.begun():
        # Struck before the journal had begun: nothing was started, and it said so.
        assert code in (5, -9), told
        _assert_clear(box, begun, f"k{kill}", told)
        return
    if victim == "engine and guardian":
        recovered = place.call("recover")
        assert recovered.returncode == 0, recovered.stderr + told
    records = place.records()
    assert [record.seq for record in records] == list(range(1, len(records) + 1)), "the journal has a gap"
    _assert_clear(box, begun, f"k{kill}", told)
    state = place.exercise()
    assert state.phase == "ended", told
    assert not state.unrecovered, told
    if victim not in ("command", "engine and guardian", *ATTENDED):
        assert code == state.exit_code, told
        assert code in (0, 1, 3), told


def _moment(
    victim: str, dice: random.Random, delay: float, wait: float, place: Place, command: subprocess.Popen[bytes]
) -> float:
    """Sleep until the moment that was drawn; how many seconds that was after the event it counts from."""
    processes.wait_for(lambda: place.pids("-m gameday.cli.engine_process"), 60, "an engine", every=0.1)
    if dice.random() < 0.8:
        # Mostly while it runs; sometimes while it only begins.
        processes.wait_for(place.begun, 60, "a journal")
    if victim == "inject worker" or dice.random() < 0.4:
        # With the injection that ignores SIGTERM in flight, for sure.
        processes.wait_for(lambda: place.pids("slow_injection.py") or command.poll() is not None, 60, "an injection")
        wait = dice.uniform(0.0, delay / 2)
    # The moment itself is what is drawn; there is no event to wait for.
    time.sleep(wait)
    return wait


def _in_a_terminal(victim: str, wait: float, place: Place) -> tuple[int | None, str]:
    """Run it attended, and strike the console, or the terminal that it is in; no exit code can be had."""
    line = [sys.executable, "-m", "gameday", "run", "scenario.yaml", "--target", "sandbox"]
    terminal = Terminal(line, place.environment, str(place.folder), (120, 40))
    try:
        terminal.shows("What will be touched")
        terminal.press("F5")
        processes.wait_for(place.begun, 60, "a journal")
        time.sleep(wait)
        told = f"{victim} at {wait:.2f} s\n{terminal.screen()}"
        if victim == "console":
            # The shell and tmux itself have these words in their command lines too.
            (console,) = [pid for pid, words in place.processes().items() if words.startswith(" ".join(line))]
            _kill(console)
            terminal.shows("EXIT 137")
        else:
            terminal.close()
        state = place.wait_until("ended or paused", lambda x: x.phase == "ended" or (x.paused and not x.live_faults))
    finally:
        terminal.close()
    if state.phase != "ended":
        # Every fault was over before anybody missed the console: it waits for people, who end it.
        assert place.call("abort").returncode == 0, told
    return None, f"{told}\n{place.said()}"


def _strike(victim: str, place: Place, command: int, box: control.Sandbox) -> None:
    guardian = place.guardian()
    engine = next(iter(place.pids("-m gameday.cli.engine_process")), None)
    slow = next(iter(place.pids("slow_injection.py")), None)
    match victim:
        case "engine":
            _kill(engine)
        case "guardian":
            _kill(guardian)
        case "command":
            _kill(command)
        case "inject worker":
            assert slow is not None, "nothing is in flight, so nothing is struck"
            _kill(parent(slow))
        case "undo worker":

            def workers() -> list[int]:
                return [pid for pid in place.processes() if parent(pid) == guardian and pid != engine]

            _kill(processes.wait_for(workers, 20, "an undo worker")[0])
        case "engine frozen":
            _kill(engine, signal.SIGSTOP)
        case "engine and guardian":
            _kill(guardian)
            _kill(engine)
        case "engine, store locked":
            lock = sqlite3.connect(place.store, isolation_level=None)
            lock.execute("BEGIN EXCLUSIVE")
            _kill(engine)
            time.sleep(1.0)  # the lock outlives the engine, as a backup's would
            lock.close()
        case "proxy" | "payments":
            _kill(_sandbox_pid(box, victim))


def _sandbox_pid(box: control.Sandbox, part: str) -> int | None:
    found = processes.carrying(f"GAMEDAY_SANDBOX={box.state_dir}").items()
    return next((pid for pid, command in found if f"gameday.sandbox.{part}" in command), None)


def _kill(pid: int | None, number: int = signal.SIGKILL) -> None:
    if pid is not None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it had just ended by itself


def _assert_clear(box: control.Sandbox, begun: float, tag: str, told: str) -> None:
    lines = ledger.read(box.state_dir)
    assert ledger.standing(lines) == [], told
    slow = [line for line in lines if line.boot >= begun and line.detail.get("toxic") == f"slow-{tag}"]
    injected = [line.boot for line in slow if line.what == "toxic-added"]
    requests = [line for line in lines if line.boot >= begun and line.what == "request"]
    undone = [r.boot for r in requests if r.detail["method"] == "DELETE" and r.detail["path"].endswith(f"slow-{tag}")]
    assert not injected or (undone and max(undone) > max(injected)), f"an injection came after the last undo\n{told}"
