"""What the sandbox asks of the operating system about processes, and how its own die together.

A process is known by its pid *and* its start time, since pids are used again. Nothing here decides what to start or
kill.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def stat(pid: int) -> tuple[str, int] | None:
    """The state letter and the start time (clock ticks after boot) of a process, or None if there is none.

    Where there is no /proc the start time is 0 and the state "R" as long as the process exists.
    """
    if sys.platform != "linux":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return "R", 0
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in parentheses and may itself hold spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[19])


def start_ticks(pid: int) -> int:
    """When the process started, in clock ticks after boot; 0 if it is gone."""
    found = stat(pid)
    return found[1] if found else 0


def is_alive(pid: int, start: int) -> bool:
    """Whether this very process still runs (a zombie doesn't)."""
    found = stat(pid)
    return found is not None and found[0] not in "ZX" and found[1] == start


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl refused")


def die_with(parent: int) -> None:
    """Have the kernel kill this process, frozen or not, as soon as its parent is gone. Leaves at once if it already
    is.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Have processes whose parent dies become children of this one, so that they are reaped here."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def carrying(variable: str, word: str) -> list[int]:
    """The live processes in whose environment this `NAME=value` stands, and in whose command line a word begins so."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # Gone meanwhile, or somebody else's.
        state = stat(pid)
        named = any(one.startswith(word.encode()) for one in words)
        if named and variable.encode() in environment and state is not None and state[0] not in "ZX":
            found.append(pid)
    return found
