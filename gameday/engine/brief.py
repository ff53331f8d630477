"""What a guardian is started with, and how that reaches it. Loads little: who starts one needs nothing of it."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from gameday.frozen import asdict, field, frozen

HANDED = -2
"""For a descriptor: it comes through the socket that the process has inherited for that (`hand_over`, `handed`)."""


@frozen
class Config:
    """What a guardian is started with."""

    exercise: str
    socket: str
    """Path of the control socket."""
    engine: list[str] = field(default_factory=list)
    """Command of the engine; `{fd}` becomes its end of the link. Empty: `link` is used."""
    link: int = -1
    """Descriptor of an inherited socket to an engine that runs already (a rescue)."""
    clerk: list[str] = field(default_factory=list)
    """Command that writes down what the guardian did alone; gets facts as JSON on stdin."""
    after: dict[str, Any] | None = None
    """A `Call` to run when all is over, e.g. to take down a sandbox that this run brought up."""
    target_claim: int = -1
    """Descriptor of the claim to the target, inherited or `HANDED`; guardian, engine and undo workers hold it."""
    owned: bool = False
    """The command that reads our stdout started an unattended run: it ends, the run ends."""
    heartbeat: float = 2.0
    """Seconds without a beat after which the engine counts as frozen."""
    preload: list[str] = field(default_factory=list)
    """Modules imported before the first fork; `module:function text` is called with the text as well."""
    payload: dict[str, Any] = field(default_factory=dict)
    """Handed to the engine as it is."""


@frozen
class Ahead:
    """What a guardian can begin with before it is known what it is to do: the start of its engine."""

    engine: list[str]
    """Command of the engine; `{fd}` becomes its end of the link."""
    hand: int
    """Inherited socket through which both get the claim to the target, once that is known."""


def as_line(config: Config) -> bytes:
    """The configuration as a guardian reads it from its stdin."""
    return json.dumps(asdict(config)).encode() + b"\n"


def hand() -> tuple[socket.socket, socket.socket]:
    """Two ends for `hand_over` and `handed`: what is sent at once is received at once, by whoever reads first."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def hand_over(end: socket.socket, descriptor: int) -> None:
    """Let one process at the other end have `descriptor` too: the same open file, with the locks on it."""
    socket.send_fds(end, [b"!"], [descriptor])


def handed(inherited: int, what: int) -> int:
    """The descriptor that was handed over through the socket `inherited`, if `what` is `HANDED`, else `what`.

    The socket is closed. No child of ours inherits either.

    Raises:
        OSError: none came.
    """
    with socket.socket(fileno=inherited) as end:
        if what != HANDED:
            return what
        said, descriptors, _, _ = socket.recv_fds(end, 1, 1, socket.MSG_CMSG_CLOEXEC)
    if not said or not descriptors:
        raise OSError("no descriptor was handed over")
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]
