"""A guardian and its engine that are started before it is known what they are to do, so that they are ready by then.

Loads little: what starts here is to begin while everything else is still being imported.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from gameday.cli.payload import PYTHON
from gameday.engine import brief

ENGINE = [*PYTHON, "-m", "gameday.cli.engine_process", "{fd}"]


def state_folder() -> Path:
    """Where logs, and records that the store would not take, are kept."""
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


@dataclass(slots=True)
class Ahead:
    """A guardian and its engine that wait to be told."""

    exercise: str
    process: subprocess.Popen[bytes]
    hand: socket.socket
    """How they get the claim to the target."""
    log: Path
    told: bool = False

    def preload(self, modules: list[str]) -> None:
        """What workers will need can be imported meanwhile."""
        assert self.process.stdin is not None
        # One that has died already is noticed when it is told what to do.
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"preload": modules}).encode() + b"\n")
            self.process.stdin.flush()

    def claim(self, descriptors: Sequence[int]) -> None:
        """Let both have the claim to the target, whose lock stays ours together."""
        # Those who have died already are noticed when they are told what to do.
        with suppress(ConnectionError):
            for descriptor in descriptors:
                brief.hand_over(self.hand, descriptor)
                brief.hand_over(self.hand, descriptor)

    def dismiss(self) -> None:
        """Nobody wants them any more. They were told nothing, so they may be stopped wherever they are."""
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


@contextmanager
def begun_ahead() -> Iterator[Ahead | None]:
    """A guardian and an engine for an exercise that may be started in this context; sent away where it wasn't.

    None where they can't be started now: whoever starts the exercise hears why.
    """
    from gameday.store.ids import new_exercise_id

    try:
        ahead = _start(new_exercise_id(time.time()))
    except OSError:
        yield None
        return
    try:
        yield ahead
    finally:
        ahead.hand.close()
        if not ahead.told:
            ahead.dismiss()


def _start(exercise: str) -> Ahead:
    log = log_of(exercise)
    ours, theirs = brief.hand()
    with theirs, log.open("ab") as output:
        process = start_guardian(output, [theirs.fileno()])
        ahead = brief.Ahead([*ENGINE, str(theirs.fileno())], theirs.fileno())
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps({"ahead": asdict(ahead)}).encode() + b"\n")
        process.stdin.flush()
    return Ahead(exercise, process, ours, log)
