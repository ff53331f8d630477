"""The client's side of a guardian's control socket: abort and attach without the store."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any


class ControlError(OSError):
    """The guardian can't be reached."""


def socket_path(exercise: str, store: str) -> Path:
    """Where the guardian of `exercise` listens; short, since a socket's path may not exceed about 100 bytes."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/gameday-{os.getuid()}")
    if len(str(base)) > 60:
        base = Path(f"/tmp/gameday-{os.getuid()}")
    digest = hashlib.sha256(store.encode()).hexdigest()[:8]
    return base / "gameday" / f"{exercise}-{digest}.sock"


class Control:
    """One connection. Attached consoles keep it open: the guardian counts them."""

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        self.path = path
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(timeout)
        self._buffer = b""
        try:
            self._sock.connect(str(path))
        except OSError as error:
            self._sock.close()
            raise ControlError(f"no guardian answers at {path}: {error.strerror or error}") from None

    def attach(self, who: str, *, owner: bool = False) -> dict[str, Any]:
        """Count as a console from now on until `close`. An `owner` is the command of an unattended run."""
        return self._ask({"do": "attach", "who": who, "owner": owner})

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
