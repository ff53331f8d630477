"""Signals to exactly one process: the one that was resolved, never another that was given the same pid later.

A process is its pid *and* its start time in clock ticks. Where the system has pidfds (Linux 5.3) the signal goes
through one; elsewhere the start time is compared right before. Which processes, and why, is not known here.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from gameday.engine.ports import Json

_open: dict[tuple[int, int], int] = {}
"""pidfds of processes that an undo has in hand already, by pid and start."""


def state(pid: int, start: int) -> str | None:
    """The kernel's state letter of this very process (`T`: stopped), or None if it is gone; a zombie is gone."""
    if sys.platform != "linux":
        return _state_by_ps(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in parentheses, and may itself hold any character.
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" or int(fields[19]) != start else fields[0]


def _state_by_ps(pid: int) -> str | None:
    """The same where there is no /proc, and so no start time to compare."""
    import subprocess

    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, timeout=2, check=False
    )
    letter = found.stdout.strip()[:1]
    return None if letter in ("", "Z") else letter


def hold(pid: int, start: int) -> None:
    """Open a pidfd for this very process, so that a later `send` is a single system call. Nothing if it is gone."""
    if (pid, start) in _open or not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        # Gone, or a kernel or container without pidfds: then `send` looks at the start time and signals by pid.
        return
    # Looked at after opening: from here on the descriptor means this process, whoever has the pid.
    if state(pid, start) is None:
        os.close(descriptor)
    else:
        _open[pid, start] = descriptor


def send(pid: int, start: int, number: signal.Signals) -> bool:
    """Signal this very process; False if it is gone. Raises PermissionError if that isn't allowed."""
    hold(pid, start)
    try:
        # A zombie takes signals too, and does nothing with them.
        if state(pid, start) is None:
            return False
        if (pid, start) in _open:
            signal.pidfd_send_signal(_open[pid, start], number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def named(instance: Mapping[str, Json]) -> str:
    """An instance as people read it: `checkout-1 (pid 4711)`."""
    return f"{instance['name']} (pid {instance['pid']})"
