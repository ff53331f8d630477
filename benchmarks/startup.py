"""`gameday --help` against `chaos --help`: whole processes, in turns, so that both meet the same machine."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure

ROUNDS = 30
LIMIT = 0.35


def measure(rounds: int, quick: bool) -> list[Figure]:
    ours, theirs = [_beside("gameday"), "--help"], [_beside("chaos"), "--help"]
    with tempfile.TemporaryDirectory() as folder:
        for command in (ours, theirs):
            took(command, folder)  # byte code and the page cache, once
        pairs = [(took(ours, folder), took(theirs, folder)) for _ in range(rounds)]
    mine, chaos = [one for one, _ in pairs], [other for _, other in pairs]
    ratio = statistics.median(mine) / statistics.median(chaos)
    return [
        Figure("gameday --help", mine),
        Figure("chaos --help", chaos),
        Figure("ratio of the medians", [ratio], LIMIT, judged="p50", unit="ratio"),
        Figure("ratio, pair by pair", [one / other for one, other in pairs], unit="ratio"),
    ]


def took(command: list[str], folder: str) -> float:
    """Wall seconds of one whole process. (`chaos` writes a log where it stands: hence a folder.)"""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _beside(name: str) -> str:
    """The script of this environment, not of whatever PATH says."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: install the project with its libraries (make install)")
    return str(path)
