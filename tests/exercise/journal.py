"""Lists of events for the pure core; times are seconds on the exercise's clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gameday.exercise import events as ev
from gameday.exercise.fold import fold
from gameday.exercise.record import Record, from_json
from gameday.exercise.state import Exercise

START = 1_795_000_000.0
GOLDEN = Path(__file__).with_name("golden_1432.jsonl")

Step = tuple[float, ev.Event]


def golden_records() -> list[Record]:
    return [from_json(json.loads(line)) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]


def script(**parts: Any) -> dict[str, Any]:
    """A scenario with one fault `dark`, unless `parts` says otherwise."""
    timeline = [{"id": "dark", "at": "10s", "fault": "latency", "with": {}, "for": "5m"}]
    return {"version": 1, "title": "t", "timeline": timeline, **parts}


def started(attended: bool = True, **parts: Any) -> ev.ExerciseStarted:
    target = {"name": "sandbox", "kind": "sandbox", "environment": "sandbox"}
    return ev.ExerciseStarted("x1", "t", "t.yaml", script(**parts), "0" * 64, target, attended, 1, 0.0, "boot")


def exercise(*steps: Step, attended: bool = True, late: float = 0.0, **parts: Any) -> Exercise:
    """The exercise after `started` and `steps`, each a (clock, event)."""
    all_steps: list[Step] = [(0.0, started(attended, **parts)), (0.0, ev.TimelineStarted()), *steps]
    return fold(
        Record(seq, START + clock, clock, START + clock + late, 1, "engine", "", event)
        for seq, (clock, event) in enumerate(all_steps, 1)
    )


def fault(entry: str, effective: float, *, undo: float | None = None, recovered: float | None = None) -> list[Step]:
    """A fault's life up to where the times given end."""
    steps: list[Step] = [
        (effective - 3, ev.FaultPlanned(entry, "latency")),
        (effective - 2, ev.FaultArmed(entry, "latency", {"summary": "slow"}, False, 300.0)),
        (effective - 1, ev.FaultInjecting(entry)),
        (effective, ev.FaultEffective(entry, "slow")),
    ]
    if undo is not None:
        steps += [(undo, ev.FaultUndoing(entry, "")), (undo, ev.UndoSent(entry, 1))]
    if recovered is not None:
        steps.append((recovered, ev.FaultRecovered(entry, "fast")))
    return steps


def stamp(milestone: str, **more: Any) -> ev.MilestoneReached:
    return ev.MilestoneReached(milestone, **more)
