"""The client's side of a guardian's control socket: abort and attach without the store.

Also which folders are ours, since the socket may have to lie in a place that all users of the machine share.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import stat
import sys
from pathlib import Path
from typing import Any

_said: set[str] = set()
"""What was said once need not be said at every try."""


class ControlError(OSError):
    """The guardian can't be reached."""


def socket_path(exercise: str, store: str) -> Path:
    """Where the guardian of `exercise` listens; short, since a socket's path may not exceed about 100 bytes."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/gameday-{os.getuid()}")
    if len(str(base)) > 60:
        base = Path(f"/tmp/gameday-{os.getuid()}")
    digest = hashlib.sha256(store.encode()).hexdigest()[:8]
    return base / "gameday" / f"{exercise}-{digest}.sock"


def distrust(folder: Path) -> str | None:
    """Why nothing in `folder` may be believed, or None; also None where it is not there yet.

    It has to be ours, no link, and writable by nobody else; so has its parent where everybody could have made that, as
    below /tmp. What is found in such folders says what is undone, by running it.
    """
    try:
        shared = folder.parent.parent.stat().st_mode & 0o002
        return _distrust(folder) or (_distrust(folder.parent) if shared else None)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"{folder} can't be looked at: {error.strerror or error}"


def _distrust(folder: Path) -> str | None:
    try:
        found = folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    reason = _foreign(folder, found)
    if reason is None and found.st_mode & 0o022:
        reason = f"{folder} can be written by others (`chmod 700` it, if all in there is yours)"
    return reason


def foreign(path: Path) -> str | None:
    """Why a file in a folder of ours is not ours, or None.

    Raises:
        FileNotFoundError: it is gone.
    """
    return _foreign(path, path.lstat())


def _foreign(path: Path, found: os.stat_result) -> str | None:
    if stat.S_ISLNK(found.st_mode):
        return f"{path} is a symbolic link"
    if found.st_uid != os.getuid():
        return f"{path} belongs to somebody else"
    return None


def make_ours(folder: Path) -> None:
    """Make `folder`, for us alone, or see that it is.

    Raises:
        PermissionError: it was there and is not ours.
        OSError: it can't be made.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    for place in (folder.parent, folder):
        # One of ours that a loose umask left open to our group. What others put there meanwhile stays theirs.
        named = place == folder or place.name == f"gameday-{os.getuid()}"
        found = place.lstat()
        # With the sticky bit it was meant for everybody, like /tmp, which is root's own.
        loose = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        if named and loose and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            place.chmod(stat.S_IMODE(found.st_mode) & ~0o022)
    reason = distrust(folder)
    if reason is not None:
        raise PermissionError(f"{reason}, so it is not used")


def say_ignored(reason: str) -> None:
    """To stderr, once for each reason; never raises."""
    if reason in _said:
        return
    _said.add(reason)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"gameday: ignored, since {reason}\n")


class Control:
    """One connection. Attached consoles keep it open: the guardian counts them."""

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        self.path = path
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(timeout)
        self._buffer = b""
        reason = distrust(path.parent)
        with contextlib.suppress(OSError):
            reason = reason or foreign(path)
        if reason is not None:
            self._sock.close()
            say_ignored(reason)
            raise ControlError(f"whoever listens at {path} is not believed: {reason}")
        try:
            self._sock.connect(str(path))
        except OSError as error:
            self._sock.close()
            raise ControlError(f"no guardian answers at {path}: {error.strerror or error}") from None

    def attach(self, who: str) -> dict[str, Any]:
        """Count as a console from now on until `close`."""
        return self._ask({"do": "attach", "who": who})

    def abort(self, reason: str, by: str) -> dict[str, Any]:
        """Undo everything now; `undoing` in the answer: the entries whose undo was sent. On a connection of its own,
        so that it waits for nothing that another thread has asked on this one."""
        with Control(self.path) as line:
            return line._ask({"do": "abort", "reason": reason, "by": by})

    def faults(self) -> dict[str, str]:
        """Entry -> stage, as the guardian holds them."""
        return dict(self._ask({"do": "faults"})["faults"])

    def poke(self) -> None:
        """Have the engine look into its inbox now."""
        self._ask({"do": "poke"})

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            self._sock.sendall(json.dumps(message).encode() + b"\n")
            while b"\n" not in self._buffer:
                chunk = self._sock.recv(65536)
                if not chunk:
                    raise ControlError(f"the guardian at {self.path} went away")
                self._buffer += chunk
        except OSError as error:
            raise ControlError(f"the guardian at {self.path} does not answer: {error.strerror or error}") from None
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ControlError(str(answer["error"]))
        return answer

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
