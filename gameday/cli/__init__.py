"""The command line, and the processes it starts: here everything is put together.

Most of a short command's time is importing, and part of that is Python's garbage collector, which looks in vain through
what is imported and stays. It is told to wait until that is over.
"""

from __future__ import annotations

import gc

gc.set_threshold(100_000, 20, 20)


def collect_little_by_little() -> None:
    """For what goes on for long, and must not stand still for long: from now on, and never what is there by now."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
