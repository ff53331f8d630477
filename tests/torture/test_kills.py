"""Parts of a running exercise are killed with `kill -9`, or frozen, at random moments.

Whatever was hit: by the sandbox's own ledger every fault is gone (or the exercise ends as leaked, exit 4), no injection
comes after the last undo, the journal is whole, and no process is left.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from gameday.sandbox import control, ledger
from tests.support import processes
from tests.support.runs import Place, parent

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
)

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
limits: {{duration: 40s, recovery: 20s}}
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
    command = place.start("run", "scenario.yaml", "--target", "sandbox", "--unattended")
    engine = processes.wait_for(lambda: place.pids("engine_process"), 60, "an engine", every=0.1)[0]
    if dice.random() < 0.8:
        # Mostly while it runs; sometimes while it only begins.
        processes.wait_for(place.begun, 60, "a journal")
    if victim == "inject worker" or dice.random() < 0.4:
        # With the injection that ignores SIGTERM in flight, for sure.
        processes.wait_for(lambda: place.pids("slow_injection.py") or command.poll() is not None, 60, "an injection")
        wait = dice.uniform(0.0, delay / 2)
    # The moment itself is what is drawn; there is no event to wait for.
    time.sleep(wait)
    _strike(victim, place, command.pid, engine, box)
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
    if victim not in ("command", "engine and guardian"):
        assert code == state.exit_code, told
        assert code in (0, 1, 3), told


def _strike(victim: str, place: Place, command: int, engine: int, box: control.Sandbox) -> None:
    guardian = place.guardian()
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
