"""`kill -9` of the engine while an injection that ignores SIGTERM is in flight: how soon does the first undo arrive?

The clock starts just before the kill and stops where the target read the first byte of the first undo. The same for the
guardian: then the undo workers are on their own, each noticing by the end of its pipe.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from benchmarks.exercises import exercise, fault, repeat, scenario, stubborn
from benchmarks.figures import Figure
from benchmarks.lab import Lab, boot_clock
from gameday.exercise.state import Exercise

ROUNDS = 60
LIMIT = 0.050
SETTLE = 0.3
"""Seconds between the last look at the exercise and the blow, so that looking is not measured."""


def measure(rounds: int, quick: bool) -> list[Figure]:
    engine = repeat(rounds, "kill -9 of the engine", lambda: strike(lambda x: x.engine_pid, signal.SIGKILL))
    guardian = repeat(rounds, "kill -9 of the guardian", lambda: strike(lambda x: x.guardian_pid, signal.SIGKILL))
    return [
        Figure("engine killed → first undo arrives", engine, LIMIT),
        Figure("guardian killed → first undo arrives", guardian),
    ]


def strike(victim: Callable[[Exercise], int | None], blow: signal.Signals) -> float:
    """One exercise: seconds from the blow to the first undo."""
    with exercise(document) as (lab, running):
        state = running.wait_live(injecting=1)
        lab.first("PUT", "/state/stubborn")
        pid = victim(state)
        assert pid is not None
        time.sleep(SETTLE)
        lab.check_untouched()
        struck = boot_clock()
        os.kill(pid, blow)
        undone = lab.first_undo()
        running.finish(3)
        return undone - struck


def document(lab: Lab) -> dict[str, Any]:
    return scenario(fault("stubborn", stubborn(lab, "stubborn")))
