"""A command that was started with a standard stream closed (`>&-`, some supervisors): it gets one that leads nowhere.

Else the next file that is opened would get the number of the stream, and what is printed would go into it.
"""

from __future__ import annotations

import os
import sys


def open_closed() -> None:
    """Open those of the standard streams that are closed. To be called before anything else is opened."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one, since those below are open by now.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
