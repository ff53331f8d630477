"""The `process` probe: run a program without a shell, and take its exit code or its output.

It runs in a session of its own, so that on timeout, on cancellation and at its normal end everything it started is
killed with it. The group is killed while its leader, finished or not, is still unreaped: until then nobody else can be
given its number. What it prints beyond `LARGEST_OUTPUT` is read and thrown away; a full pipe would block it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from typing import IO, Any

from gameday.engine.ports import Answer
from gameday.probes.answers import NoAnswer, answer_of, excerpt, seconds

LARGEST_OUTPUT = 64 * 1024
"""Bytes of stdout that are kept."""
_LARGEST_TALK = 4096
_LONGEST_DEATH = 1.0
"""Seconds that a killed process may take to end; then it is left to be reaped later."""
_LAST_WORDS = 0.2
"""Seconds to wait for the end of output once the program itself has ended: a child of it may hold the pipe open."""


async def ask(probe: Mapping[str, Any], client: object = None) -> Answer:
    """Ask `probe` (a `ProcessProbe` in JSON, secrets revealed).

    The value is its exit code (minus the signal where one killed it), or what it printed, stripped.

    Raises:
        NoAnswer: `unreachable` where it had to be killed, `error` where it can't be started, or where output was wanted
            and it failed; `no_data` where it printed nothing.
    """
    command = [str(part) for part in probe.get("command") or []]
    wants_output = probe.get("read") == "stdout"
    within = seconds(probe.get("timeout"), 10.0)
    if not command:
        raise NoAnswer("error", "the command is empty")
    environment = {**os.environ, **{str(name): str(value) for name, value in (probe.get("env") or {}).items()}}
    child = _started(command, environment)
    assert child.stdout is not None and child.stderr is not None
    with _Stream(child.stdout, LARGEST_OUTPUT) as printed, _Stream(child.stderr, _LARGEST_TALK) as talk:
        try:
            async with asyncio.timeout(within):
                await _ended(child.pid)
                await asyncio.wait({printed.finished, talk.finished}, timeout=_LAST_WORDS if wants_output else 0)
        except TimeoutError:
            raise NoAnswer("unreachable", f"not done within {within:.3g} s, killed{_said(talk)}") from None
        finally:
            await _kill(child)
    code = child.returncode
    if not wants_output:
        return answer_of(code, detail=excerpt(talk.text or printed.text))
    if code != 0:
        raise NoAnswer("error", f"exit code {code}{_said(talk)}")
    text = printed.text.strip()
    if not text:
        raise NoAnswer("no_data", f"it printed nothing{_said(talk)}")
    return answer_of(text, detail=f"cut after {LARGEST_OUTPUT} bytes" if printed.more else "")


def _started(command: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it holds what no command line can"
        raise NoAnswer("error", f"{excerpt(command[0])} can't be started: {reason}") from None


class _Stream:
    """One output of a running program, read as it comes, kept up to a limit."""

    def __init__(self, pipe: IO[bytes], limit: int) -> None:
        self._pipe, self._limit, self._kept = pipe, limit, bytearray()
        self.more = False
        self._loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._take)

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")

    def _take(self) -> None:
        try:
            piece = os.read(self._pipe.fileno(), LARGEST_OUTPUT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        room = self._limit - len(self._kept)
        self._kept += piece[:room]
        self.more = self.more or len(piece) > room
        if not piece:
            self.close()

    def close(self) -> None:
        if not self._pipe.closed:
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
        if not self.finished.done():
            self.finished.set_result(None)

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _ended(pid: int) -> None:
    """Return when process `pid`, a child of ours, has ended; it stays unreaped."""
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError):
        # No pidfd here (macOS, an old kernel): look again and again.
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            await asyncio.sleep(0.02)
        return
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def told() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(handle, told)
    try:
        await ended
    finally:
        loop.remove_reader(handle)
        os.close(handle)


async def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the whole group, then reap its leader."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # macOS refuses to signal a group that consists of nothing but a zombie.
        child.kill()
    try:
        # Not a blocking wait: a process stuck in the kernel on a dead disk outlives SIGKILL, and the loop must go on.
        async with asyncio.timeout(_LONGEST_DEATH):
            await _ended(child.pid)
    finally:
        child.poll()


def _said(talk: _Stream) -> str:
    return f"; it said: {excerpt(talk.text)}" if talk.text.strip() else ""
