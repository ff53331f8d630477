"""Who writes a journal, and whether that process still lives.

A process id alone proves nothing, since ids are used again: start time and boot stand beside it. Holds no SQL.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from gameday.engine.processes import alive, boot_id, start_ticks

RENEWED_WITHIN = 30.0
"""Seconds: a holder on another machine counts as alive if it wrote or renewed within them."""


@dataclass(frozen=True, slots=True)
class Holder:
    pid: int
    start_ticks: int
    """Start time of the process in clock ticks since boot (`/proc/PID/stat`, field 22)."""
    host: str
    boot_id: str

    @classmethod
    def mine(cls, pid: int | None = None) -> Holder:
        """This process, or another one on this machine."""
        pid = os.getpid() if pid is None else pid
        return cls(pid=pid, start_ticks=start_ticks(pid) or 0, host=socket.gethostname(), boot_id=boot_id())

    def alive(self, renewed_at: float, now: float) -> bool:
        """Whether it runs; `renewed_at` and `now` in unix seconds.

        On this host and boot the process table knows. Of a former boot nothing lives. Of another host all that is
        known is when it last wrote.
        """
        if self.host != socket.gethostname():
            return now - renewed_at < RENEWED_WITHIN
        return self.boot_id == boot_id() and alive(self.pid, self.start_ticks or None)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one journal. Every append names its epoch; taking the lease makes a new one."""

    exercise: str
    epoch: int
    holder: Holder | None
    """None once released."""
    renewed_at: float
    """Unix seconds; every append renews too."""

    def held(self, now: float) -> bool:
        return self.holder is not None and self.holder.alive(self.renewed_at, now)
