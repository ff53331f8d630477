"""From the answer with a breach to the first undo at the target, with everything in the way that may be in the way.

Three injections block (a Python action asleep, a process that ignores every signal, a request that is never answered),
a fourth fault is in effect, and this process holds the store locked for writing. The clock starts where the target was
about to write the answer with the breach, and stops where it read the first byte of the first undo. In between lie the
moments that the journal knows, so the figure is also shown in its parts.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from typing import Any

from benchmarks.exercises import Running, exercise, fault, put, repeat, scenario, silence, sleeper, stubborn
from benchmarks.figures import Figure
from benchmarks.lab import Lab
from gameday.exercise import events as ev

ROUNDS = 100
LIMIT = 0.020
SETTLE = 0.3
"""Seconds between the last look at the exercise and the breach, so that looking is not measured."""
PARTS = (
    "  answered → seen by the engine",
    "  seen → first undo sent by its worker",
    "  sent → arrived",
)


def measure(rounds: int, quick: bool) -> list[Figure]:
    parts: list[list[float]] = []
    values = repeat(rounds, "abort", lambda: once(parts))
    columns = [list(column) for column in zip(*parts, strict=True)]
    return [
        Figure("gameday: breach answered → first undo arrives", values, LIMIT),
        *(Figure(name, column) for name, column in zip(PARTS, columns, strict=True)),
    ]


def once(parts: list[list[float]]) -> float:
    """One exercise; seconds. Adds the parts of it to `parts`."""
    with exercise(_document) as (lab, running):
        running.wait_live(injecting=3, effective=1)
        lab.first("PUT", "/state/stubborn")
        lab.first("GET", "/slow")
        lab.first("PUT", "/state/effective")
        lock = sqlite3.connect(running.store, isolation_level=None, timeout=30.0)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            time.sleep(SETTLE)
            lab.check_untouched()
            lab.break_health()
            undone = lab.first_undo()
        finally:
            lock.close()
        running.finish(3)
        sent = lab.breach_sent()
        moments = [sent, *_between(running), undone]
        parts.append([after - before for before, after in itertools.pairwise(moments)])
        return undone - sent


def _between(running: Running) -> list[float]:
    """CLOCK_BOOTTIME of: breach seen, first undo sent."""
    records = running.records()
    first = records[0].event
    assert isinstance(first, ev.ExerciseStarted)
    seen = next(record.event.seen_clock for record in records if isinstance(record.event, ev.AbortBegan))
    assert seen is not None
    sent = min(record.clock for record in records if isinstance(record.event, ev.UndoSent))
    return [first.boot + clock for clock in (seen, sent)]


def _document(lab: Lab) -> dict[str, Any]:
    return scenario(
        fault("sleeping", sleeper()),
        fault("stubborn", stubborn(lab, "stubborn")),
        fault("socket", silence()),
        fault("effective", put("effective")),
    )
