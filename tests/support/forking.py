"""`gameday` commands as processes of their own that need not import everything anew: a fork of one that has.

Most of what a short command costs is the import of its libraries, and the suite calls some hundreds of them. Here a
server, one for each worker of the test run, imports the libraries once and forks for every command. The child gets the
arguments, folder, environment, streams and `sys.path` that `python -m gameday` would have, and `/proc` shows it with
them; it runs `gameday/__main__.py` as `__main__`, and ends as an interpreter ends.

It is no place to prove how a command starts (what is imported when, closed streams, signals in the first moment) or how
it is killed: tests of that start the real thing.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
ROOM = 32_000
"""Bytes that are kept for a child's environment in /proc."""
KEPT = ("PYTHON", "LC_", "LANG", "TZ", "LD_")
"""Variables that count when an interpreter starts: with other ones than the server has, a real one is started."""
IMPORTED = (
    "gameday.cli.action",
    "gameday.cli.ahead",
    "gameday.cli.doctor",
    "gameday.cli.export",
    "gameday.cli.following",
    "gameday.cli.history",
    "gameday.cli.import_",
    "gameday.cli.launching",
    "gameday.cli.manifests",
    "gameday.cli.new",
    "gameday.cli.preflight",
    "gameday.cli.preview",
    "gameday.cli.recover",
    "gameday.cli.report",
    "gameday.cli.respond",
    "gameday.cli.resuming",
    "gameday.cli.run",
    "gameday.cli.schema",
    "gameday.cli.staging",
    "gameday.cli.validate",
    "gameday.cli.watch",
    "gameday.store.store",
)

_servers: dict[int, socket.socket] = {}


class Forked:
    """A command that runs, with the little of `subprocess.Popen` that tests ask of it."""

    def __init__(self, line: list[str], *, cwd: Path, env: Mapping[str, str], out: IO[bytes], err: IO[bytes]) -> None:
        self.args = line
        self.returncode: int | None = None
        self._line, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as request, open(os.devnull, "rb") as nothing:
            request.write(json.dumps({"line": line, "cwd": str(cwd), "env": dict(env)}).encode())
            request.flush()
            files = [theirs, request, nothing, out, err]
            socket.send_fds(_server(), [b"!"], [one.fileno() for one in files])
        told = self._line.recv(8)
        assert told, "the server of forks has died"
        self.pid = int.from_bytes(told, "little")

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                told = self._line.recv(8)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            assert told, "the server of forks has died"
            self.returncode = int.from_bytes(told, "little", signed=True)
            # Only now may its number be given to another process.
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = Forked | subprocess.Popen[bytes]


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    out: IO[bytes],
    err: IO[bytes],
    anew: bool = False,
) -> Process:
    """Start `gameday ARGUMENTS`, without anything on its stdin; `anew`: as a new interpreter."""
    line = [sys.executable, "-m", "gameday", *arguments]
    if anew or _starts_otherwise(env):
        return subprocess.Popen(line, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    return Forked(line, cwd=cwd, env=env, out=out, err=err)


def call(
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    anew: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `gameday ARGUMENTS` to its end.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout` seconds, and was killed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        env = os.environ if env is None else env
        process = start(arguments, cwd=cwd or Path.cwd(), env=env, out=out, err=err, anew=anew)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return subprocess.CompletedProcess(process.args, code, _read(out), _read(err))


def _starts_otherwise(env: Mapping[str, str]) -> bool:
    names = {name for name in {*env, *os.environ} if name.startswith(KEPT) and name != "PYTHONPATH"}
    return any(env.get(name) != os.environ.get(name) for name in names)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _server() -> socket.socket:
    """The line to this process's server; it ends when the line does."""
    if os.getpid() not in _servers:
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forking", str(theirs.fileno()), "-" * ROOM],
            cwd=ROOT,
            env={**os.environ, "ROOM": "-" * ROOM},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        _servers[os.getpid()] = ours
        atexit.register(_end, process, ours)
    return _servers[os.getpid()]


def _end(process: subprocess.Popen[bytes], line: socket.socket) -> None:
    line.close()
    process.wait(10)


# --- the server ------------------------------------------------------------------------------------------------------


def serve(line: socket.socket) -> None:
    """Fork for every request until the line's other end is closed. Returns in the children, as what they are to be."""
    given = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    path = [one for one in sys.path[1:] if one not in given]
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    own = dict(os.environ)
    waker, wakes = socket.socketpair()
    for end in (waker, wakes):
        end.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: dict[int, socket.socket] = {}
    told: dict[socket.socket, int] = {}
    while True:
        ready, _, _ = select.select([line, waker, *told], [], [])
        for starter in ready:
            if starter in told:
                # It has heard how the child ended, and let go.
                os.waitpid(told.pop(starter), 0)
                starter.close()
        if waker in ready:
            waker.recv(4096)
        for pid in [pid for pid in children if _has_ended(pid, children[pid])]:
            told[children[pid]] = pid
            del children[pid]
        if line not in ready:
            continue
        word, files, _, _ = socket.recv_fds(line, 1, 5)
        if not word:
            sys.exit()
        pid = os.fork()
        if not pid:
            request = json.loads(os.pread(files[1], os.fstat(files[1]).st_size, 0))
            return _become(request, files[2:], own, path)
        for file in files[1:]:
            os.close(file)
        children[pid] = socket.socket(fileno=files[0])
        children[pid].sendall(pid.to_bytes(8, "little"))


def _has_ended(pid: int, starter: socket.socket) -> bool:
    """Whether a child has ended; then its starter is told how. Its number stays taken."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return False
    code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
    try:
        starter.sendall(code.to_bytes(8, "little", signed=True))
    except OSError:
        pass  # nobody wants to know
    return True


def _become(request: dict[str, Any], streams: list[int], own: dict[str, str], path: list[str]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
    os.chdir(request["cwd"])
    for name in own:
        del os.environ[name]
    # Nothing points there any more.
    _show(request["line"], request["env"])
    os.environ.update(request["env"])
    given = [one for one in request["env"].get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = [request["cwd"], *given, *path]
    importlib.invalidate_caches()
    sys.argv = ["-m", *request["line"][3:]]
    for name, number in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        new = io.TextIOWrapper(
            open(number, "wb", closefd=False),  # noqa: SIM115 - it lives as long as the process
            encoding=old.encoding,
            errors=old.errors,
            line_buffering=number == 2,
            write_through=old.write_through,
        )
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def _show(line: Sequence[str], env: Mapping[str, str]) -> None:
    """Have /proc show this command line and this environment, where the server's own stand."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    line_start, line_end, env_start, env_end = map(int, fields[45:49])
    for start, end, words in (
        (line_start, line_end, line),
        (env_start, env_end, [f"{name}={value}" for name, value in env.items()]),
    ):
        text = b"".join(os.fsencode(word) + b"\0" for word in words)
        assert len(text) < end - start, "there is no room for it"
        ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("gameday", run_name="__main__", alter_sys=True)
