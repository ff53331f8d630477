"""Guardian and engine that both stand still, stopped by a signal or dead: nobody undoes but who comes upon them.

They are killed, so that the undo workers see the end of their pipe and undo, and another engine verifies it.
"""

from __future__ import annotations

import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from gameday.cli.resuming import resume
from gameday.engine.control import socket_path
from gameday.engine.processes import alive, parent_of, start_ticks, stopped
from gameday.errors import GamedayError
from gameday.faults.processes import send
from gameday.store import Holder

STILL = 10.0
"""Seconds for which both must have stood still before it is taken for more than a moment's pause."""
_ENDING = 5.0


class Standstill:
    """Asked again and again by whoever waits for an exercise: whether guardian and engine stand still for good."""

    def __init__(self, guardian: int) -> None:
        self._guardian = guardian
        self._start = start_ticks(guardian)
        self._since: float | None = None

    def lasts(self, holder: Callable[[], Holder | None]) -> bool:
        """`holder` tells who has the journal's lease, None where nobody has, or it can't be asked now."""
        if not stopped(self._guardian, self._start) or not _stands_still(holder()):
            self._since = None
            return False
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        return now - self._since >= STILL


def _stands_still(engine: Holder | None) -> bool:
    return engine is not None and (not engine.runs_here() or engine.stopped())


def end_frozen(exercise: str, url: str, holder: Holder | None) -> list[str]:
    """SIGKILL the guardian and the engine if both stand still (stopped by a signal, or dead); what was killed.

    Then the undo workers are alone, and undo. Where the engine runs, nothing is done: it sees to its guardian itself.
    """
    engine = (holder.pid, holder.start_ticks) if holder is not None and holder.runs_here() else None
    if engine is not None and not stopped(*engine):
        return []
    guardian = _guardian(socket_path(exercise, url), engine)
    named = {"the guardian": guardian, "the engine": engine}
    frozen = {name: process for name, process in named.items() if process is not None and stopped(*process)}
    workers = _alike(guardian[0]) if guardian is not None and "the guardian" in frozen else []
    for process in frozen.values():
        send(*process, signal.SIGKILL)
    for worker in workers:
        # Stopped along with the guardian, they could not undo. (Injections died with it.)
        send(*worker, signal.SIGCONT)
    until = time.monotonic() + _ENDING
    while any(alive(*process) for process in frozen.values()) and time.monotonic() < until:
        time.sleep(0.01)
    return [f"{name} (pid {process[0]})" for name, process in frozen.items()]


def _guardian(path: Path, engine: tuple[int, int] | None) -> tuple[int, int] | None:
    """Pid and start of the guardian: it listens at `path`, be it that it never answers, or is the engine's parent."""
    pid = 0
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1.0)
        try:
            line.connect(str(path))
            pid = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        except OSError:
            # Nobody listens, or too many wait there already.
            pid = (parent_of(engine[0]) if engine is not None else None) or 0
    start = start_ticks(pid) if pid > 0 and b"gameday.engine.guardian" in _command(pid) else None
    return None if start is None else (pid, start)


def _alike(parent: int) -> list[tuple[int, int]]:
    """Forks of a process that are its children: pid and start."""
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    children = [pid for pid in pids if parent_of(pid) == parent and _command(pid) == _command(parent)]
    return [(pid, start) for pid in children if (start := start_ticks(pid)) is not None]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def recover_rest(exercise: str, url: str) -> str:
    """Have another engine undo and verify what is left; what was done, in words."""
    try:
        resume(exercise, url, mode="recover")
    except GamedayError as error:
        return f"its undos go on alone, and nobody verifies them ({error}). Run: gameday recover {exercise}"
    return "its undos went out at once, and another engine verifies them"
