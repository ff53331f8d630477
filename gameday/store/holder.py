"""Who writes a journal, and whether that process still lives.

A process id alone proves nothing, since ids are used again: start time and boot stand beside it. Holds no SQL.
"""

from __future__ import annotations

import os
import socket

from gameday.engine.processes import alive, boot_id, start_ticks, stopped
from gameday.frozen import frozen

RENEWED_WITHIN = 30.0
"""Seconds: a holder on another machine counts as alive if it wrote or renewed within them."""
FROZEN_AFTER = 15.0
"""Seconds: a holder that was stopped and has not renewed for so long (three times) counts as frozen, not as alive."""
SKEW = 60.0
"""Seconds that another machine's clock may be ahead. A lease renewed later than that proves nothing."""


@frozen
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

    def runs_here(self) -> bool:
        """Whether this very process is on this host, be it stopped. Only such a one may be sent a signal."""
        return self.host == socket.gethostname() and self.boot_id == boot_id() and alive(self.pid, self._start)

    def stopped(self) -> bool:
        """Whether it is on this host, and was stopped (SIGSTOP): it does nothing, and takes no signal but SIGKILL."""
        return self.runs_here() and stopped(self.pid, self._start)

    def alive(self, renewed_at: float, now: float) -> bool:
        """Whether it runs; `renewed_at` and `now` in unix seconds.

        On this host and boot the process table knows. Of a former boot nothing lives. Of another host all that is
        known is when it last wrote. One that is stopped for long can look after nothing; its lease's age alone says
        no such thing, since a machine that was suspended, or a store that can't be written, makes it old as well.
        """
        if self.host != socket.gethostname():
            return _lately(renewed_at, now, RENEWED_WITHIN)
        return self.runs_here() and (_lately(renewed_at, now, FROZEN_AFTER) or not self.stopped())

    @property
    def _start(self) -> int | None:
        return self.start_ticks or None


def _lately(renewed_at: float, now: float, within: float) -> bool:
    return -SKEW <= now - renewed_at < within


@frozen
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
