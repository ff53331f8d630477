"""Parts of a running exercise are killed with `kill -9`, or frozen, at random moments.

Whatever was hit: by the sandbox's own ledger every fault is gone (or the exercise ends as leaked, exit 4), no injection
comes after the last undo, the journal is whole, and no process is left.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gameday.exercise.fold import fold
from gameday.exercise.state import Exercise
from gameday.sandbox import control, ledger
from gameday.store import open_store
from tests.support import processes
from tests.torture.conftest import Run

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
    activity: {{type: process, path: "{python}", arguments: ["{slow}", "{proxy}", checkout, slow-{tag}, "{delay}"], timeout: 30}}
    undo: {{type: http, method: DELETE, url: "{proxy}/proxies/checkout/toxics/slow-{tag}", timeout: 3}}
    recovered: {{http: {{url: "{proxy}/proxies/checkout/toxics/slow-{tag}"}}, expect: {{status: 404}}}}
    for: 1s
abort_when:
  - {{name: errors, measure: error-rate, above: 2, every: 500ms, no_data: ok}}
limits: {{duration: 40s, recovery: 20s}}
"""


def test_kill(kill: int, start: Callable[..., Run], box: control.Sandbox, tmp_path: Path) -> None:
    dice = random.Random(kill)
    victim = VICTIMS[kill % len(VICTIMS)]
    delay = round(dice.uniform(0.1, 1.5), 2)
    wait = dice.uniform(0.0, 2.5)
    begun = time.clock_gettime(time.CLOCK_BOOTTIME)
    text = SCENARIO.format(python=sys.executable, slow=SLOW, proxy=box.proxy, tag=f"k{kill}", delay=delay)
    run = start(text)
    engine = processes.wait_for(lambda: _pid(run, "engine_process"), 20, "an engine")
    # The moment itself is what is drawn; there is no event to wait for.
    time.sleep(wait)
    _strike(victim, run, engine, box)
    try:
        code = run.process.wait(90)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{victim} at {wait:.2f} s: the command did not end\n{_said(run)}")
    run.gone()
    state = _journal(run)
    if victim == "engine and guardian":
        recovered = subprocess.run(
            [sys.executable, "-m", "gameday", "recover"], env=run.environment, cwd=run.folder, capture_output=True, text=True
        )
        assert recovered.returncode == 0, recovered.stderr
        state = _journal(run)
    _assert_clear(box, begun, f"k{kill}", f"{victim} at {wait:.2f} s: exit {code}\n{_said(run)}")
    assert state.phase == "ended", f"{victim} at {wait:.2f} s\n{_said(run)}"
    assert not state.unrecovered, _said(run)
    if victim in ("engine", "guardian", "engine frozen", "engine, store locked"):
        assert code == (state.exit_code if state.exit_code is not None else 4), _said(run)
        assert code in (0, 3), _said(run)


def _pid(run: Run, words: str) -> int | None:
    return next((pid for pid, command in run.processes().items() if words in command), None)


def _guardian(run: Run) -> int | None:
    """The guardian and its workers have the same command line; the guardian's parent is not one of them."""
    same = {pid for pid, command in run.processes().items() if "gameday.engine.guardian" in command}
    return next((pid for pid in same if _parent(pid) not in same), None)


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _strike(victim: str, run: Run, engine: int, box: control.Sandbox) -> None:
    guardian = _guardian(run)
    workers = [pid for pid in run.processes() if guardian is not None and _parent(pid) == guardian and pid != engine]
    slow = _pid(run, "slow_injection")
    match victim:
        case "engine":
            _kill(engine)
        case "guardian":
            _kill(guardian)
        case "command":
            _kill(run.process.pid)
        case "inject worker":
            _kill(_parent(slow) if slow is not None else None)
        case "undo worker":
            for pid in workers[:1]:
                _kill(pid)
        case "engine frozen":
            _kill(engine, signal.SIGSTOP)
        case "engine and guardian":
            _kill(guardian)
            _kill(engine)
        case "engine, store locked":
            lock = sqlite3.connect(run.store, isolation_level=None)
            lock.execute("BEGIN EXCLUSIVE")
            _kill(engine)
            time.sleep(1.0)  # the lock outlives the engine, as a backup's would
            lock.close()
        case "proxy" | "payments":
            _kill(_sandbox_pid(box, victim))


def _sandbox_pid(box: control.Sandbox, part: str) -> int | None:
    carrying = processes.carrying(f"GAMEDAY_SANDBOX={box.state_dir}")
    found = (pid for pid, command in carrying.items() if f"gameday.sandbox.{part}" in command)
    return next(found, None)


def _kill(pid: int | None, number: int = signal.SIGKILL) -> None:
    if pid is not None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it had just ended by itself


def _journal(run: Run) -> Exercise:
    with open_store(str(run.store)) as store:
        ident = store.resolve(None)
        records = store.records(ident)
    assert [record.seq for record in records] == list(range(1, len(records) + 1)), "the journal has a gap"
    return fold(records)


def _said(run: Run) -> str:
    logs = [path.read_text() for path in (run.folder / "state" / "gameday" / "logs").glob("*.log")]
    return "\n".join([(run.folder / "err").read_text(), *logs])


def _assert_clear(box: control.Sandbox, begun: float, tag: str, told: str) -> None:
    lines = ledger.read(box.state_dir)
    assert ledger.standing(lines) == [], told
    slow = [line for line in lines if line.boot >= begun and line.detail.get("toxic") == f"slow-{tag}"]
    injected = [line.boot for line in slow if line.what == "toxic-added"]
    requests = [line for line in lines if line.boot >= begun and line.what == "request"]
    undone = [r.boot for r in requests if r.detail["method"] == "DELETE" and r.detail["path"].endswith(f"slow-{tag}")]
    assert not injected or (undone and max(undone) > max(injected)), f"an injection came after the last undo\n{told}"
