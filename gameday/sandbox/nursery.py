"""Begets the sandbox's processes by forking, since a Python that has imported everything starts in no time that way.

The nursery is a process that does nothing else: it is forked from the supervisor before that runs an event loop, so its
children inherit no loop, no thread and no connection. They are born through a middle process that leaves at once; the
kernel then makes them children of the supervisor (a subreaper), which so learns of their freezes and deaths directly.

Linux only, and dispensable: where there is no nursery (any more), processes are started by `launch`.
"""

import ctypes
import gc
import json
import os
import signal
import socket
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from gameday.sandbox.launch import VARIABLE
from gameday.sandbox.processes import die_with
from gameday.sandbox.shop import PARTS

_LARGEST = 200_000
_PATIENCE = 1.0
_PR_SET_NAME = 15


class Barren(Exception):
    """The nursery is gone or doesn't answer."""


class Nursery:
    """The supervisor's side: asks for processes."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self._pid = pid
        self._channel = channel

    def beget(self, module: str, label: str, settings: str, log: Path, ready: int) -> int:
        """Have a process begin as a child of the supervisor; returns its pid. Raises Barren, once and for all."""
        request = json.dumps({"module": module, "label": label, "settings": settings, "log": str(log)}).encode()
        try:
            socket.send_fds(self._channel, [request], [ready])
            answer = self._channel.recv(100)
        except OSError as error:
            self._end()
            raise Barren(f"the nursery doesn't answer: {error}") from error
        if not answer:
            raise Barren("the nursery is gone")
        return int(answer)

    def _end(self) -> None:
        # Should it only be frozen, it must not act on the request later.
        try:
            os.kill(self._pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def found(not_for_children: list[int]) -> Nursery:
    """Fork the nursery. Its children have what is open now, except those descriptors."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        for descriptor in not_for_children:
            os.close(descriptor)
        _beget_for_ever(theirs, supervisor)
    theirs.close()
    ours.settimeout(_PATIENCE)
    return Nursery(pid, ours)


def _beget_for_ever(channel: socket.socket, supervisor: int) -> NoReturn:
    die_with(supervisor)
    _be_called("nursery", "")
    for part in PARTS.values():
        import_module(f"gameday.sandbox.{part.module}")
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, _LARGEST, 1)
        if not request:
            os._exit(0)
        middle = os.fork()
        if middle == 0:
            pid = os.fork()
            if pid == 0:
                channel.close()
                _become(json.loads(request), descriptors[0], supervisor)
            channel.send(str(pid).encode())
            os._exit(0)
        os.close(descriptors[0])
        os.waitpid(middle, 0)


def _become(request: dict[str, Any], ready: int, supervisor: int) -> NoReturn:
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    _be_called(request["module"], request["label"])
    # The middle process is about to leave; then the supervisor is the parent, or somebody further up if it is dead.
    deadline = time.monotonic() + _PATIENCE
    while os.getppid() != supervisor and time.monotonic() < deadline:
        time.sleep(0.0002)
    os.environ[VARIABLE] = json.dumps({**json.loads(request["settings"]), "ready": ready})
    try:
        import_module(f"gameday.sandbox.{request['module']}").start()
    except BaseException:  # noqa: BLE001 - whatever happens, this process must not go on as a second nursery
        traceback.print_exc()
    finally:
        os._exit(1)


def _be_called(module: str, label: str) -> None:
    """Show in `ps` and `top` what this process is: write over its own command line, where the kernel reads it."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, (label or module).encode()[:15], 0, 0, 0)
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    title = f"gameday.sandbox.{module}\0{label}".encode()[: end - start - 1]
    ctypes.memmove(start, title.ljust(end - start, b"\0"), end - start)
