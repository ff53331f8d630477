"""What the guardian needs of the operating system: parents, sessions, groups, start times. Linux first.

A pid alone names nothing: it is used again. Wherever a process is remembered, its start time is remembered with it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform == "linux"
_PROC = Path("/proc")


def boot_clock() -> float:
    """Seconds on a clock that counts through suspend."""
    if _LINUX:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def boot_id() -> str:
    """Which boot this is; empty where the platform does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _prctl(option: int, value: int) -> None:
    if not _LINUX:
        return
    # Here and not above: it is asked for by guardians, before they fork, and by nobody else.
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def become_subreaper() -> None:
    """Orphans below this process become its children, so that it can reap them. Linux only; elsewhere nothing."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Have the kernel SIGKILL this process when its parent, `parent`, dies; exit if it is dead already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None where there is none (or no /proc)."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def alive(pid: int, start: int | None) -> bool:
    """Whether that very process runs (a zombie does not)."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError | ProcessLookupError) and _PROC.is_dir():
            return False
        # No /proc, or no descriptor to read it by, which says nothing of that process.
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    fields = stat[stat.rindex(b")") + 2 :].split()
    return fields[0] not in (b"Z", b"X") and (start is None or int(fields[19]) == start)


def stopped(pid: int, start: int | None) -> bool:
    """Whether that very process was stopped by a signal (SIGSTOP, Ctrl-Z); one that sleeps, or waits, is not."""
    fields = _stat(pid)
    return fields is not None and fields[0] == b"T" and (start is None or int(fields[19]) == start)


def parent_of(pid: int) -> int | None:
    """The parent's pid; None where there is no such process (or no /proc)."""
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def _stat(pid: int) -> list[bytes] | None:
    """Fields of `/proc/PID/stat` from the third on, the state."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    return stat[stat.rindex(b")") + 2 :].split()


def kill_group(group: int) -> None:
    """SIGKILL a whole process group; one that is gone is fine.

    One that is not ours to kill (a program that changed its user) stays, and `group_alive` goes on to say so.
    """
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def group_alive(group: int) -> bool:
    """Whether the group has any member that is not a zombie of ours."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def group_runs(group: int) -> bool:
    """As `group_alive`, but zombies don't count: as pid 1, an application may never reap what was left to it."""
    if not group_alive(group):
        return False
    if not _PROC.is_dir():
        return True
    found = (_stat(int(folder.name)) for folder in _PROC.glob("[0-9]*"))
    return any(int(each[2]) == group and each[0] not in (b"Z", b"X") for each in found if each is not None)


# --- marks ---------------------------------------------------------------------------------------------------------
#
# What an injection starts may leave its process group, its session and its parent. Two things stay with it: the
# environment it was exec'ed with, and its resource limits. The limit used is one that limits nothing: real-time CPU
# microseconds without a blocking call, set to decades. Programs may clear the first, and a fork without an exec never
# shows it; hardly any program touches the second.


def _odd_limit(marker: str) -> int:
    return (1 << 50) + int.from_bytes(hashlib.sha256(marker.encode()).digest()[:5])


def carry(name: str, value: str) -> None:
    """Mark this process, and whatever it will start, as `NAME=value`."""
    os.environ[name] = value
    if not _LINUX:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    if hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_RTTIME, (_odd_limit(f"{name}={value}"), hard))


def marked(*markers: str) -> list[tuple[int, str]]:
    """Processes that carry one of the markers (`NAME=value`), and which. One look at the process table.

    Raises:
        OSError: the process table can't be read now.
    """
    odd = {_odd_limit(marker): marker for marker in markers}
    needles = {b"\0%b\0" % marker.encode(): marker for marker in markers}
    found = []
    for name in [folder.name for folder in _PROC.iterdir()] if _PROC.is_dir() else ():
        if not name.isdigit():
            continue
        try:
            marker = odd.get(resource.prlimit(int(name), resource.RLIMIT_RTTIME)[0])
            if marker is None:
                environment = _environment(name)
                marker = next((marker for needle, marker in needles.items() if needle in environment), None)
            if marker is not None and alive(int(name), None):
                found.append((int(name), marker))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            # Gone meanwhile, or not ours to read: not one of ours then.
    return found


def _environment(name: str) -> bytes:
    # Without any object around it, since this is asked of every process there is.
    descriptor = os.open(f"/proc/{name}/environ", os.O_RDONLY)
    try:
        whole = b"\0"
        while chunk := os.read(descriptor, 1 << 16):
            whole += chunk
        return whole
    finally:
        os.close(descriptor)


def kill_marked(*markers: str) -> set[str]:
    """SIGKILL every process that carries one of `markers`, but not this one; the markers that were found.

    Raises:
        OSError: see `marked`.
    """
    seen = set()
    for pid, marker in marked(*markers):
        if pid == os.getpid():
            continue
        seen.add(marker)
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    return seen
