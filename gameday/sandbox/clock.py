"""The two clocks of the sandbox, so that its ledger can be compared with anybody's to the millisecond.

`boot` counts through suspend and is the same in all processes of a machine; `wall` is for people. Nothing here
sleeps or formats.
"""

import time

_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot() -> float:
    """Seconds since the machine started, suspend included (where the system has no such clock: monotonic)."""
    return time.clock_gettime(_BOOT)


def wall() -> float:
    """Unix seconds, UTC."""
    return time.time()
