"""The engine stopped by SIGSTOP, as in a deadlock: how soon does the first undo arrive?

The clock starts just before the SIGSTOP. The guardian counts from the engine's last sign of life, which came up to a
quarter of the heartbeat earlier (it beats four times in one, and more often while it has something to say). So the undo
comes between three quarters of a heartbeat and one heartbeat after the stop, plus what is shown as the excess: that may
well be negative, and the limit is about it.
"""

from __future__ import annotations

import signal

from benchmarks.exercises import repeat
from benchmarks.figures import Figure
from benchmarks.kill import strike
from gameday.cli.launching import HEARTBEAT

ROUNDS = 40
LIMIT = 0.050


def measure(rounds: int, quick: bool) -> list[Figure]:
    whole = repeat(rounds, "SIGSTOP of the engine", lambda: strike(lambda x: x.engine_pid, signal.SIGSTOP))
    return [
        Figure("engine frozen → first undo arrives", whole, HEARTBEAT + LIMIT, judged="max"),
        Figure("  the same less a heartbeat", [each - HEARTBEAT for each in whole], LIMIT, judged="max"),
    ]
