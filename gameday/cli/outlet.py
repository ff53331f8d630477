"""Output that outlives its reader, for the commands that see to faults.

`gameday run … | head -1`, a full disk under a log, a terminal that is gone: none of that may end a command halfway that
has faults to undo. What can't be written is lost, and the command goes on to its end and its exit code. All other
commands stop quietly when nobody reads any more.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO


class Outlet(io.FileIO):
    """A file descriptor that takes everything; once it can't be written to, it leads nowhere."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            _lost.add(self.fileno())
            return memoryview(data).nbytes


_lost: set[int] = set()


def outlive() -> None:
    """Have stdout and stderr of this process outlive whoever reads them."""
    if sys.stdout is sys.__stdout__ and sys.stdout is not None:
        sys.stdout = _outliving(sys.stdout)
    if sys.stderr is sys.__stderr__ and sys.stderr is not None:
        sys.stderr = _outliving(sys.stderr)


def _outliving(stream: TextIO) -> TextIO:
    stream.flush()
    raw = Outlet(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, errors=stream.errors, line_buffering=True, write_through=True
    )


def is_lost(number: int) -> bool:
    """Whether something could not be written to descriptor `number` (1 stdout, 2 stderr)."""
    return number in _lost
