"""`gameday validate` against PyYAML's C loader alone, whole processes, on the same 1,000 scenario files.

The files are variations of the shipped scenarios. Both processes run alternately; the figure is the ratio of their
times, pair by pair, interpreter start and imports included in both. The limit is 2. Wall time is what a person waits;
processor time says the same where other work on the machine gets in between.

    python benchmarks/validate.py [--files 1000] [--runs 15]
"""

from __future__ import annotations

import argparse
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 2.0
ROOT = Path(__file__).resolve().parent.parent
BASELINE = """
import os, sys, yaml
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            yaml.load(file.read(), Loader=yaml.CSafeLoader)
"""
WORDS = ("alert", "bridge", "cache", "deploy", "export", "failover", "gateway", "host", "incident", "journal", "key")


def variation(text: str, number: int, chance: random.Random) -> str:
    """The same scenario with another title, other words in its texts, and other times."""

    def word(_: re.Match[str]) -> str:
        return chance.choice(WORDS)

    lines = []
    for line in text.splitlines():
        if line.startswith("title:"):
            line = f"title: Scenario {number}, {' '.join(chance.sample(WORDS, 4))}"
        elif line.startswith("      ") and ":" not in line and '"' not in line:
            line = re.sub(r"\b(the|and|that|is)\b", word, line)
        line = re.sub(r"delay: (\d+)s", lambda found: f"delay: {int(found[1]) + chance.randrange(9)}s", line)
        lines.append(line)
    return "\n".join(lines) + "\n"


def write_files(folder: Path, count: int) -> int:
    """Write `count` files; their size in bytes."""
    shipped = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "scenarios").rglob("*.yaml"))]
    chance = random.Random(1)
    size = 0
    for number in range(count):
        text = variation(shipped[number % len(shipped)], number, chance)
        path = folder / f"team-{number % 20}" / f"scenario-{number}.yaml"
        path.parent.mkdir(exist_ok=True)
        size += path.write_text(text, encoding="utf-8")
    return size


def measure(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return took, used.ru_utime + used.ru_stime


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--files", type=int, default=1000)
    options.add_argument("--runs", type=int, default=15)
    asked = options.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as name:
        size = write_files(Path(name), asked.files)
        ours = [sys.executable, "-m", "gameday", "validate", name]
        alone = [sys.executable, "-c", BASELINE, name]
        measure(ours), measure(alone)  # Byte code and the page cache, once.
        pairs = [(measure(alone), measure(ours)) for _ in range(asked.runs)]
    print(f"{asked.files} scenario files, {size / asked.files / 1000:.1f} kB each, {asked.runs} pairs of processes")
    for index, clock in enumerate(("wall", "processor")):
        base = statistics.median(alone[index] for alone, _ in pairs)
        mine = statistics.median(ours[index] for _, ours in pairs)
        ratios = [ours[index] / alone[index] for alone, ours in pairs]
        print(
            f"{clock:9} time   CSafeLoader alone {base:5.2f} s   gameday validate {mine:5.2f} s"
            f"   ratio p50 {percentile(ratios, 0.5):.2f}   p99 {percentile(ratios, 0.99):.2f}   limit {LIMIT:g}"
        )
        worst = max(worst, percentile(ratios, 0.5))
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
