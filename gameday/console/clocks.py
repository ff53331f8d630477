"""The clocks the console shows, and where it reads them; tests put their own in.

The exercise's clock counts through suspend (CLOCK_BOOTTIME). Where the journal was begun on another boot or another
machine, the wall clock stands in for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from gameday.engine.processes import boot_clock, boot_id
from gameday.frozen import field, frozen


@frozen
class Clocks:
    wall: Callable[[], float] = time.time
    """Unix seconds."""
    boot: Callable[[], float] = boot_clock
    """Seconds since boot."""
    boot_id: str = field(default_factory=boot_id)


@frozen
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
