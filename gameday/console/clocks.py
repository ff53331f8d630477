"""The clocks the console shows, and where it reads them; tests put their own in.

The exercise's clock counts through suspend (CLOCK_BOOTTIME). Where the journal was begun on another boot or another
machine, the wall clock stands in for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


def boottime() -> float:
    """Seconds since boot, suspend included; monotonic where the platform has no such clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(clock) if clock is not None else time.monotonic()


def this_boot() -> str:
    """The id of this boot; empty where the platform has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Clocks:
    wall: Callable[[], float] = time.time
    """Unix seconds."""
    boot: Callable[[], float] = boottime
    """Seconds since boot."""
    boot_id: str = field(default_factory=this_boot)


@dataclass(frozen=True, slots=True)
class ClockZero:
    """Where an exercise's clock began, on both clocks."""

    wall: float
    boot: float
    boot_id: str

    def now(self, clocks: Clocks) -> float:
        """Seconds on the exercise's clock."""
        if self.boot_id and self.boot_id == clocks.boot_id:
            return clocks.boot() - self.boot
        return clocks.wall() - self.wall
