"""Finding the processes of one test by a mark in their environment, and waiting for something to become true."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def wait_for(look: Callable[[], T], within: float, what: str, every: float = 0.02) -> T:
    """The first true thing `look` returns, asked every `every` seconds; fails the test after `within` seconds."""
    until = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= until:
            raise AssertionError(f"not within {within:g} s: {what}; the last look gave {found!r}")
        time.sleep(every)


def kill_together(pids: Iterable[int]) -> None:
    """SIGKILL all in the same moment: whoever is left would undo what the others left, as it should."""
    everybody = list(pids)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def carrying(mark: str) -> dict[int, str]:
    """Living processes whose environment holds `mark` (`NAME=value`): pid -> command line."""
    needle = b"\0" + mark.encode() + b"\0"
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if needle not in b"\0" + (folder / "environ").read_bytes():
                continue
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state not in "ZX":
            found[int(folder.name)] = command
    return found
