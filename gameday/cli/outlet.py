"""Output that outlives its reader, for the commands that see to faults.

`gameday run … | head -1`, a full disk under a log, a terminal that is gone: none of that may end a command halfway that
has faults to undo. What can't be written is lost, and the command goes on to its end and its exit code. All other
commands stop: quietly when nobody reads any more, and with a word about it where the output can't be written.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, TextIO

from gameday.errors import UsageError


class Patient(io.FileIO):
    """A file descriptor that waits for its reader, also where somebody else has made it non-blocking."""

    def write(self, data: Any, /) -> int:
        while (written := super().write(data)) is None:
            select.select([], [self], [])
        return written


class Outlet(Patient):
    """A file descriptor that takes everything; once it can't be written to, it leads nowhere."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            lead_nowhere(self.fileno())
            _lost.add(self.fileno())
            return memoryview(data).nbytes


class CheckedOutlet(Patient):
    """A file descriptor for commands that have nothing to see to: what their reader can't have, they don't go on with.

    Raises:
        UsageError: data can't be written. Of talk (stderr) nothing is raised: there is nowhere left to say it.
    """

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            # What waits in buffers must not fail again when the interpreter ends.
            lead_nowhere(self.fileno())
            if self.fileno() == _STDERR:
                return memoryview(data).nbytes
            raise UsageError(f"the output can't be written: {error.strerror or error}") from None


_STDERR = 2


def lead_nowhere(number: int) -> None:
    """From now on descriptor `number` takes everything, and nobody gets it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


_lost: set[int] = set()


def must_be_written() -> None:
    """Have this process notice, and say in one line, that its stdout can't be written."""
    if sys.stdout is sys.__stdout__ and sys.stdout is not None:
        sys.stdout = _through(CheckedOutlet, sys.stdout, at_once=sys.stdout.line_buffering)
    if sys.stderr is sys.__stderr__ and sys.stderr is not None:
        sys.stderr = _through(CheckedOutlet, sys.stderr, at_once=True)


def outlive() -> None:
    """Have stdout and stderr of this process outlive whoever reads them."""
    if _is_ours(sys.stdout, sys.__stdout__):
        sys.stdout = _through(Outlet, sys.stdout, at_once=True)
    if _is_ours(sys.stderr, sys.__stderr__):
        sys.stderr = _through(Outlet, sys.stderr, at_once=True)


def _is_ours(stream: TextIO | None, original: TextIO | None) -> bool:
    """Whether `stream` is the process's own, and not something that somebody put in its place."""
    if stream is None:
        return False
    return stream is original or isinstance(getattr(getattr(stream, "buffer", None), "raw", None), CheckedOutlet)


def _through(kind: type[io.FileIO], stream: TextIO, *, at_once: bool) -> TextIO:
    """`stream` again, through `kind`; `at_once`: line by line."""
    stream.flush()
    raw = kind(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=at_once,
        write_through=at_once,
    )


def is_lost(number: int) -> bool:
    """Whether something could not be written to descriptor `number` (1 stdout, 2 stderr)."""
    return number in _lost
