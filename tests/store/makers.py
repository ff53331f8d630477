"""Records and waiting, for the store's tests and for the processes they start."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gameday.exercise import events as ev
from gameday.exercise.record import Record

T0 = 1_790_000_000.0
ACTORS = Path(__file__).with_name("actors.py")


def record(seq: int, event: ev.Event, epoch: int = 1, **changes: Any) -> Record:
    fields = {"wall": T0 + seq, "clock": float(seq), "recorded": T0 + seq, "source": "engine", "actor": ""}
    return Record(seq=seq, epoch=epoch, event=event, **{**fields, **changes})


def started(exercise: str, at: float = T0, **changes: Any) -> Record:
    event = ev.ExerciseStarted(
        exercise=exercise,
        name="payment-outage",
        path="scenarios/payment-outage.yaml",
        scenario={"title": "The payment provider goes dark"},
        scenario_hash="0" * 64,
        target={"name": "sandbox", "kind": "sandbox", "environment": "sandbox"},
        attended=False,
        seed=7,
        boot=12.5,
        boot_id="b",
    )
    return record(1, event, wall=at, **changes)


def note(seq: int, text: str = "seen", epoch: int = 1) -> Record:
    return record(seq, ev.NoteTaken(text), epoch)


def armed(seq: int, entry: str = "f1", epoch: int = 1) -> Record:
    return record(seq, ev.FaultArmed(entry, "latency", {"summary": "s"}, False, 30.0), epoch)


def recovered(seq: int, entry: str = "f1", epoch: int = 1) -> Record:
    return record(seq, ev.FaultRecovered(entry, "flow is back"), epoch)


def ended(seq: int, verdict: Any = "completed", epoch: int = 1) -> Record:
    return record(seq, ev.ExerciseEnded(verdict, 0, "through"), epoch)


def wait_until(holds: Callable[[], Any], what: str, within: float = 10.0) -> Any:
    deadline = time.monotonic() + within
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {within:g} s for {what}"
        time.sleep(0.01)
