"""`python -m benchmarks [NAME…]`: measure, print tables, and with `--json FILE` leave the figures for a machine.

Figures are percentiles over many rounds, or ratios within one run; none of them is a test. The exit code is 1 where a
limit was missed, so that a person who asked sees it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import subprocess
import sys
import time
from typing import Any

from benchmarks.figures import Figure, machine, machine_line, table, talk
from benchmarks.lab import ROOT

MEASURED = {
    "abort": "breach answered → first undo at the target, injections blocking, store locked",
    "abort_chaostoolkit": "the same case under Chaos Toolkit",
    "kill": "kill -9 of the engine, of the guardian → first undo at the target",
    "freeze": "engine stopped by SIGSTOP → first undo at the target",
    "dispatch": "due → dispatched, 200 timeline entries, 20 probes at 1 s",
    "startup": "gameday --help against chaos --help",
    "pod_kill": "process start → pod gone, gameday run --unattended against chaos run",
    "preview_pods": "preview of 6,000 pods against the raw list and json.loads",
}
"""Name of the module here → what it measures."""
SCRIPTS = {
    "validate": "gameday validate against PyYAML's C loader alone",
    "debrief": "a debrief of 10,000 events",
}
"""Programs of their own, which print their own tables."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what gameday promises.")
    names = {**MEASURED, **SCRIPTS}
    listed = "; ".join(f"{name}: {what}" for name, what in names.items())
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run (default: all). {listed}")
    parser.add_argument("--rounds", type=int, help="rounds of each, instead of its own number")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that it works")
    parser.add_argument("--json", metavar="FILE", help="write the figures, with every single value")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in names]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(names)}")
    # Stopped from outside, a round still takes its processes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found: list[dict[str, Any]] = []
    good = True
    for name in asked.names or names:
        if name in SCRIPTS:
            good &= _script(name, found)
        else:
            good &= _measure(name, asked.rounds, asked.quick, found)
    if asked.json:
        with open(asked.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
            file.write("\n")
    return 0 if good else 1


def _measure(name: str, rounds: int | None, quick: bool, found: list[dict[str, Any]]) -> bool:
    module = importlib.import_module(f"benchmarks.{name}")
    rounds = rounds or (2 if quick else module.ROUNDS)
    talk(f"{name}: {MEASURED[name]}")
    naps = 20 if quick else 150
    before = machine(naps)
    figures: list[Figure] = module.measure(rounds, quick)
    after = machine(naps)
    print(f"{name}: {MEASURED[name]}")
    print(table(figures))
    print(f"  before: {machine_line(before)}\n  after:  {machine_line(after)}\n", flush=True)
    rows = [figure.to_json() for figure in figures]
    found.append({"name": name, "at": time.time(), "before": before, "after": after, "figures": rows})
    return all(figure.verdict != "MISSED" for figure in figures)


def _script(name: str, found: list[dict[str, Any]]) -> bool:
    before = machine()
    print(f"{name}: {SCRIPTS[name]}", flush=True)
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    after = machine()
    print(f"{done.stdout}  before: {machine_line(before)}\n  after:  {machine_line(after)}\n", flush=True)
    at = time.time()
    found.append(
        {"name": name, "at": at, "before": before, "after": after, "said": done.stdout, "exit": done.returncode}
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
