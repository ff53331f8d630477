"""What a benchmark hands back, and how it is printed: n, p50, p99, max, the limit, and the machine it ran on."""

from __future__ import annotations

import math
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: the same thing measured again and again. Seconds are shown as milliseconds, ratios as they are."""

    name: str
    values: list[float]
    limit: float | None = None
    """In seconds, or as a ratio; None where it is only of interest."""
    judged: Literal["p50", "p99", "max"] = "p99"
    """Which of its numbers the limit is about."""
    unit: Literal["s", "ratio"] = "s"
    note: str = ""

    def at(self, which: str) -> float:
        share = {"p50": 0.5, "p99": 0.99, "max": 1.0}[which]
        return statistics.median(self.values) if which == "p50" else percentile(self.values, share)

    @property
    def verdict(self) -> str:
        if not self.values:
            return "not measured"
        if self.limit is None:
            return ""
        return "met" if self.at(self.judged) <= self.limit else "MISSED"

    def to_json(self) -> dict[str, Any]:
        numbers = {which: self.at(which) for which in ("p50", "p99", "max")} if self.values else {}
        return {
            "name": self.name,
            "unit": self.unit,
            "n": len(self.values),
            **numbers,
            "limit": self.limit,
            "judged": self.judged,
            "verdict": self.verdict,
            "note": self.note,
            "values": self.values,
        }


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank: never an invented value)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def table(figures: list[Figure]) -> str:
    """Rows as plain text."""
    rows = [("", "n", "p50", "p99", "max", "limit", "")]
    for figure in figures:
        numbers = [_shown(figure.at(which), figure) for which in ("p50", "p99", "max")] if figure.values else ["-"] * 3
        limit = "" if figure.limit is None else f"{figure.judged} ≤ {_shown(figure.limit, figure)}"
        rows.append((figure.name, str(len(figure.values)), *numbers, limit, figure.verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.ljust(width) if column in (0, 6) else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    notes = [f"  {figure.name}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([*lines, *notes])


def _shown(value: float, figure: Figure) -> str:
    if figure.unit == "ratio":
        return f"{value:.2f}"
    return f"{value * 1000:,.1f} ms" if value < 0.9995 else f"{value * 1000:,.0f} ms"


def machine(naps: int = 150) -> dict[str, Any]:
    """What the figures depend on besides the code: cores, load, Python, and how late a sleeper wakes right now."""
    late = wake_lateness(naps)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load": [round(each, 2) for each in os.getloadavg()],
        "python": platform.python_version(),
        "kernel": platform.release(),
        "wake_late_p50": statistics.median(late),
        "wake_late_p99": percentile(late, 0.99),
        "wake_late_max": max(late),
    }


def wake_lateness(count: int, nap: float = 0.005) -> list[float]:
    """How much later than asked a sleeping process runs again: what this machine adds to any figure by itself."""
    late = []
    for _ in range(count):
        due = time.monotonic() + nap
        time.sleep(nap)
        late.append(time.monotonic() - due)
    return late


def machine_line(found: dict[str, Any]) -> str:
    load = " ".join(f"{each:g}" for each in found["load"])
    late = f"p50 {found['wake_late_p50'] * 1000:.1f}, p99 {found['wake_late_p99'] * 1000:.1f}"
    return (
        f"{found['cores']} cores, load average {load}, Python {found['python']}; "
        f"a sleeper wakes late by {late}, max {found['wake_late_max'] * 1000:.1f} ms"
    )


def talk(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)
