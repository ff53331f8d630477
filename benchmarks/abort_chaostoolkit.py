"""The same case under Chaos Toolkit, beside gameday's.

A breach is answered while an action blocks in `sleep`; the rollback is a DELETE at the same lab, the strategy `always`.
Easier than what gameday is measured with: one blocking action, nothing that ignores signals, no locked store.

- *continuous hypothesis*: `--hypothesis-strategy continuously --fail-fast`, asked ten times a second.
- *safeguards*: the control of chaostoolkit-addons, its probe repeated ten times a second; with the action in the
  foreground, and in the background.

The addons are not a part of gameday's environment; they get one of their own (`.venv-chaostoolkit`, made when it is
first needed, with the Chaos Toolkit of this environment). Where that can't be made, the rows say why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import abort
from benchmarks.exercises import repeat
from benchmarks.figures import Figure, talk
from benchmarks.lab import ROOT, Lab

ROUNDS = 10
BLOCKS = 10
"""Seconds that the action blocks."""
QUICK = 2
BREACH = 0.5
"""Seconds from the action's start to the breach."""
EVERY = 0.1
VENV = ROOT / ".venv-chaostoolkit"
Experiment = dict[str, Any]


def measure(rounds: int, quick: bool) -> list[Figure]:
    blocks = QUICK if quick else BLOCKS
    left = f"the action had {blocks - BREACH:g} s left to block"
    chaos, why = _with_addons(install=not quick)
    plain = Path(sys.executable).with_name("chaos")
    ours = [] if quick else repeat(rounds, "gameday", lambda: abort.once([]))
    rows = [Figure("gameday", ours, abort.LIMIT, note="see abort" if quick else "")]
    cases: list[tuple[str, Path | None, Callable[[str, int], Experiment], list[str]]] = [
        ("Chaos Toolkit, continuous hypothesis, fail-fast", plain, _hypothesis, _CONTINUOUSLY),
        ("Chaos Toolkit, safeguards", chaos, _safeguards, []),
        ("Chaos Toolkit, safeguards, action in the background", chaos, _background, []),
    ]
    for name, program, make, options in cases[:1] if quick else cases:
        if program is None:
            rows.append(Figure(name, [], note=why))
            continue
        values, notes = [], set()
        for number in range(rounds):
            value, note = once(program, make, options, blocks)
            notes |= {note} if note else set()
            values += [value] if value is not None else []
            talk(f"  {name}: round {number + 1} of {rounds}: {note or f'{(value or 0) * 1000:.0f} ms'}")
        rows.append(Figure(name, values, note="; ".join([left, *sorted(notes)])))
    return rows


def once(
    program: Path, make: Callable[[str, int], Experiment], options: list[str], blocks: int
) -> tuple[float | None, str]:
    """One `chaos run`: seconds from the breach to the rollback; None, and why, where no rollback came at all."""
    with tempfile.TemporaryDirectory(prefix="gameday-bench-") as name, Lab(folder := Path(name)) as lab:
        (folder / "experiment.json").write_text(json.dumps(make(lab.url, blocks)))
        command = [str(program), "run", "--rollback-strategy", "always", *options, "experiment.json"]
        with (folder / "said").open("wb") as said:
            process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=said, stderr=said
            )
        try:
            lab.first("PUT", "/state/begun")
            time.sleep(BREACH)
            lab.check_untouched()
            lab.break_health()
            process.wait(blocks + 30)
        finally:
            process.kill()
            process.wait()
        undone = lab.lines("DELETE", "/state/")
        if not undone:
            return None, "no rollback came: " + (folder / "said").read_text()[-300:].strip()
        return undone[0]["arrived"] - lab.breach_sent(), ""


_CONTINUOUSLY = ["--hypothesis-strategy", "continuously", "--hypothesis-frequency", str(EVERY), "--fail-fast"]


def _hypothesis(url: str, blocks: int) -> Experiment:
    title = {"title": "the target is healthy", "probes": [_health(url)]}
    return {**_experiment(url, [_put(url), _block(blocks)]), "steady-state-hypothesis": title}


def _safeguards(url: str, blocks: int) -> Experiment:
    return {**_experiment(url, [_put(url), _block(blocks)]), "controls": [_control(url)]}


def _background(url: str, blocks: int) -> Experiment:
    action = {**_block(blocks), "background": True}
    return {**_experiment(url, [_put(url), action]), "controls": [_control(url)]}


def _experiment(url: str, method: list[dict[str, Any]]) -> Experiment:
    undo = {"type": "http", "url": f"{url}/state/begun", "method": "DELETE"}
    return {
        "title": "the same case",
        "description": "an action blocks while the target breaks",
        "method": method,
        "rollbacks": [{"type": "action", "name": "undo", "provider": undo}],
    }


def _put(url: str) -> dict[str, Any]:
    provider = {"type": "http", "url": f"{url}/state/begun", "method": "PUT"}
    return {"type": "action", "name": "begin", "provider": provider}


def _block(blocks: int) -> dict[str, Any]:
    provider = {
        "type": "python",
        "module": "benchmarks.activities",
        "func": "sleep",
        "arguments": {"seconds": blocks},
    }
    return {"type": "action", "name": "block", "provider": provider}


def _health(url: str) -> dict[str, Any]:
    provider = {"type": "http", "url": f"{url}/health", "timeout": 2}
    return {"type": "probe", "name": "health", "tolerance": 200, "provider": provider}


def _control(url: str) -> dict[str, Any]:
    arguments = {"probes": [{**_health(url), "frequency": EVERY}]}
    module = "chaosaddons.controls.safeguards"
    return {"name": "safeguards", "provider": {"type": "python", "module": module, "arguments": arguments}}


def _with_addons(*, install: bool) -> tuple[Path | None, str]:
    """The `chaos` of an environment that has the addons, or None and why there is none."""
    chaos = VENV / "bin" / "chaos"
    python = VENV / "bin" / "python"
    if not chaos.exists():
        if not install:
            return None, f"{VENV.name} is not there; a long run makes it"
        talk(f"  making {VENV.name}")
        venv.create(VENV, with_pip=True, clear=True)
        same = [f"{name}=={version(name)}" for name in ("chaostoolkit", "chaostoolkit-lib")]
        done = _call(python, "-m", "pip", "install", "--quiet", *same, "chaostoolkit-addons", "setuptools<81")
        if done.returncode:
            return None, f"chaostoolkit-addons can't be installed: {done.stderr.strip()[-300:]}"
    done = _call(python, "-c", "import chaosaddons.controls.safeguards")
    if done.returncode:
        return None, f"chaosaddons.controls.safeguards can't be imported: {done.stderr.strip()[-300:]}"
    return chaos, ""


def _call(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(python), *arguments], capture_output=True, text=True, check=False, timeout=300)
