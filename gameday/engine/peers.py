"""The guardian's door for people: a Unix socket for consoles and commands. Counts consoles; knows no faults."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gameday.engine.control import distrust, make_ours
from gameday.frozen import slotted

_MOST = 200
"""Connections at a time, but never more than a quarter of all descriptors, since workers need some too. One more, and
the oldest that is no console has to go: an abort must always get in."""
_LONGEST = 65536
"""Bytes of one request; whoever sends more is cut off."""


@slotted
class Peer:
    """One connection."""

    sock: socket.socket
    buffer: bytes = b""
    attached: str | None = None


def claim(path: Path, wait: float) -> int | None:
    """The right to be the guardian that listens at `path`; a descriptor to keep open, or None where another has it.

    A second guardian must never take the first one's socket away: an abort would go to the wrong one. The kernel gives
    the claim back when its holder dies, so a dead guardian's is free; `wait` (seconds) for one that is just dying.

    Raises:
        PermissionError: others can put sockets where ours would be.
    """
    make_ours(path.parent)
    name = path.with_suffix(".lock")
    until = time.monotonic() + wait
    while True:
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if name.exists() and os.path.samestat(os.fstat(lock), name.stat()):
                return lock
            # Its holder removed it just now, at its end: what we hold is a file that nobody else will look at.
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(lock)
                return None
            time.sleep(0.02)
        os.close(lock)


def release(path: Path) -> None:
    """Leave no trace of the claim to `path`. Its holder is about to end; the kernel takes the claim back then."""
    with contextlib.suppress(FileNotFoundError):
        path.with_suffix(".lock").unlink()


def clear_dead(folder: Path) -> list[Path]:
    """Take away what guardians that were killed left in `folder`: their sockets, and the files of their claims.

    One that lives, or stands still, has its claim, and keeps both. A folder that is not ours is left alone.
    """
    if not folder.is_dir() or distrust(folder) is not None:
        return []
    cleared = []
    # Claims to targets lie there too. By them it is told whether anybody is left, so their files stay.
    ours = [one for one in folder.iterdir() if one.suffix in (".sock", ".lock") and not one.name.startswith("target-")]
    for path in sorted({one.with_suffix(".sock") for one in ours}):
        try:
            claimed = claim(path, wait=0.0)
        except OSError:
            # Not ours, or no lock at all: it harms nobody.
            continue
        if claimed is None:
            continue
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        release(path)
        os.close(claimed)
        cleared.append(path)
    return cleared


class Peers:
    """Listens at `path`; `ask` answers a request, `gone` hears of a peer that left."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        path: Path,
        ask: Callable[[Peer, dict[str, Any]], dict[str, Any]],
        gone: Callable[[Peer], None],
    ) -> None:
        self._selector = selector
        self._path = path
        self._ask = ask
        self._gone = gone
        self._peers: dict[int, Peer] = {}
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(128)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._connect)

    @property
    def consoles(self) -> int:
        return sum(peer.attached is not None for peer in self._peers.values())

    def close(self) -> None:
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _connect(self, _: Any) -> None:
        try:
            sock, _address = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # No descriptor is left. The listener stays readable, so this is tried again at once.
            self._make_room()
            return
        if len(self._peers) >= min(_MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4):
            self._make_room()
        sock.setblocking(False)
        peer = Peer(sock)
        self._peers[sock.fileno()] = peer
        self._selector.register(sock, selectors.EVENT_READ, lambda _: self._read(peer))

    def _make_room(self) -> None:
        idle = next((peer for peer in self._peers.values() if peer.attached is None), None)
        if idle is not None:
            self._drop(idle)

    def _read(self, peer: Peer) -> None:
        try:
            chunk = peer.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        peer.buffer += chunk
        if not chunk or len(peer.buffer) > _LONGEST:
            self._drop(peer)
            return
        while b"\n" in peer.buffer:
            line, peer.buffer = peer.buffer.split(b"\n", 1)
            self._reply(peer, self._answer(peer, line))

    def _answer(self, peer: Peer, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return {"error": "not JSON"}
        return self._ask(peer, message) if isinstance(message, dict) else {"error": "not an object"}

    def _reply(self, peer: Peer, answer: dict[str, Any]) -> None:
        try:
            peer.sock.send(json.dumps(answer).encode() + b"\n")
        except OSError:
            self._drop(peer)

    def _drop(self, peer: Peer) -> None:
        if self._peers.pop(peer.sock.fileno(), None) is not None:
            self._selector.unregister(peer.sock)
            peer.sock.close()
            self._gone(peer)
