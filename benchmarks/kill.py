"""`kill -9` of the engine while an injection that ignores SIGTERM is in flight: how soon does the first undo arrive?

The clock starts just before the kill and stops where the target read the first byte of the first undo. The same for the
guardian: then the undo workers are on their own, each noticing by the end of its pipe.

Nobody can know of a process's death before the kernel has freed its memory, which on a busy machine takes longer than
all that follows. So that is shown, too: a process with the engine's imports and nothing to do is killed, and the end of
its socket waited for.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.exercises import exercise, fault, repeat, scenario, stubborn
from benchmarks.figures import Figure
from benchmarks.lab import ROOT, Lab, boot_clock
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
        Figure("  a process of the engine's size killed → its socket's end", repeat(rounds, "a death", death)),
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


_IDLE = """
import socket, sys, time
import gameday.cli.engine_process
from gameday.probes.fetching import make_client
client = make_client()
link = socket.socket(fileno=int(sys.argv[1]))
link.send(b"r")
time.sleep(60)
"""


def death() -> float:
    """Seconds from `kill -9` of an idle process with the engine's imports until its socket ends."""
    ours, theirs = socket.socketpair()
    with ours:
        command = [sys.executable, "-c", _IDLE, str(theirs.fileno())]
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        theirs.close()
        ours.recv(1)
        time.sleep(SETTLE)
        struck = boot_clock()
        process.kill()
        try:
            ours.recv(1)
        except ConnectionResetError:
            pass  # an end, too
        ended = boot_clock()
        process.wait()
    return ended - struck


def document(lab: Lab) -> dict[str, Any]:
    return scenario(fault("stubborn", stubborn(lab, "stubborn")))
