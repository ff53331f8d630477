"""A guardian and its engine that are started before it is known what they are to do, so that they are ready by then.

Loads little: what starts here is to begin while everything else is still being imported. `gameday run` starts them
before it has read its own options.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from gameday.cli.interpreter import PYTHON
from gameday.exercise.ids import new_exercise_id

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = [*PYTHON, "-m", "gameday.cli.engine_process", "{fd}"]


def state_folder() -> Path:
    """Where logs, and records that the store would not take, are kept."""
    from pathlib import Path

    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "gameday"


def log_path(exercise: str) -> Path:
    return state_folder() / "logs" / f"{exercise}.log"


def log_of(exercise: str) -> Path:
    """The log of an exercise that is about to start; its folder is made."""
    log = log_path(exercise)
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return log


def start_guardian(output: IO[bytes], inherited: list[int]) -> subprocess.Popen[bytes]:
    """A guardian that waits on its stdin for what it is to do; a session of its own."""
    return subprocess.Popen(
        [*PYTHON, "-m", "gameday.engine.guardian"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=output,
        start_new_session=True,
        pass_fds=inherited,
    )


class Ahead:
    """A guardian and its engine that wait to be told."""

    def __init__(self, exercise: str, process: subprocess.Popen[bytes], hand: socket.socket, log: Path) -> None:
        """`hand`: how they get the claim to the target."""
        self.exercise = exercise
        self.process = process
        self.hand = hand
        self.log = log
        self.told = False

    def say(self, message: dict[str, Any]) -> None:
        """A line for the guardian before its configuration."""
        import json

        assert self.process.stdin is not None
        # One that has died already is noticed when it is told what to do.
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def preload(self, modules: list[str], engine: list[str]) -> None:
        """What workers will need is imported meanwhile, and what the engine will: `engine`, as `module:function`."""
        self.say({"preload": modules, "prepare": engine})

    def claim(self, descriptors: Sequence[int]) -> None:
        """Let both have the claim to the target, whose lock stays ours together."""
        from gameday.engine import brief

        # Those who have died already are noticed when they are told what to do.
        with suppress(ConnectionError):
            for descriptor in descriptors:
                brief.hand_over(self.hand, descriptor)
                brief.hand_over(self.hand, descriptor)

    def end(self) -> None:
        """Whoever wanted them is done: they are sent away, unless they were told what to do."""
        self.hand.close()
        if not self.told:
            self._dismiss()

    def _dismiss(self) -> None:
        """They were told nothing, so they may be stopped wherever they are."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        with suppress(OSError):
            if self.log.stat().st_size == 0:
                self.log.unlink()


_early: list[Ahead] = []
"""Those that were started before the command had read its options, until it takes them."""


@contextmanager
def begun_early(words: Sequence[str]) -> Iterator[None]:
    """For a command with these arguments that will want them (`begun_ahead`), if all is well: they are started now."""
    if words[:1] == ["run"] and not {"-h", "--help"} & {*words} and not _has_console(words):
        # Where they can't be started now, whoever starts the exercise hears why.
        with suppress(OSError):
            _early.append(_start())
    try:
        yield
    finally:
        while _early:
            _early.pop().end()


def _has_console(words: Sequence[str]) -> bool:
    """Whether there may be a console, in which nothing is started before somebody has chosen."""
    return not {"--unattended", "--plain"} & {*words} and os.isatty(0) and os.isatty(1)


@contextmanager
def begun_ahead() -> Iterator[Ahead | None]:
    """A guardian and an engine for an exercise that may be started in this context; sent away where it wasn't.

    None where they can't be started now: whoever starts the exercise hears why.
    """
    try:
        ahead = _early.pop() if _early else _start()
    except OSError:
        yield None
        return
    try:
        yield ahead
    finally:
        ahead.end()


def _start() -> Ahead:
    exercise = new_exercise_id(time.time())
    log = log_of(exercise)
    # As `brief.hand` does, which would have to be imported first.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, log.open("ab") as output:
        hand = theirs.fileno()
        ahead = Ahead(exercise, start_guardian(output, [hand]), ours, log)
    # `brief.Ahead`.
    ahead.say({"ahead": {"engine": [*ENGINE, str(hand)], "hand": hand}})
    return ahead
