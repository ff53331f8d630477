"""The guardian process: parent and subreaper of everything an exercise starts.

Started with its configuration as one JSON line on stdin (`brief.Config`); what it does with it stands in `guarding`,
which is loaded after the engine was started: that takes longer.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from gameday.engine.brief import Ahead, Config, handed
from gameday.frozen import replace


def _preload(names: list[str], *, patiently: bool = False) -> None:
    """Import what workers need. `patiently`: only until we are told what to do; what is missing comes after that."""
    from gameday.engine.aftermath import complain

    for name in names:
        if patiently and select.select([sys.stdin], [], [], 0)[0]:
            return
        module, _, rest = name.partition(":")
        try:
            imported = importlib.import_module(module)
            if rest:
                function, _, text = rest.partition(" ")
                getattr(imported, function)(text)
        except ImportError as error:
            complain(f"{name} can't be imported, workers that need it will say so: {error}")


def _start_engine(command: list[str], *inherited: int) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Our end of the link, and the engine, which waits for its payload on stdin."""
    ours, theirs = socket.socketpair()
    engine = subprocess.Popen(
        [word.replace("{fd}", str(theirs.fileno())) for word in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[fd for fd in (theirs.fileno(), *inherited) if fd >= 0],
    )
    theirs.close()
    return ours, engine


def _tell(engine: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    """A line for the engine; one that has died is noticed where it is looked after."""
    assert engine.stdin is not None
    with suppress(BrokenPipeError):
        engine.stdin.write(json.dumps(message).encode() + b"\n")
        engine.stdin.flush()


def _dismiss(engine: subprocess.Popen[bytes]) -> None:
    """Send an engine away that was never told what to do."""
    assert engine.stdin is not None
    engine.stdin.close()
    engine.kill()
    engine.wait()


def main() -> int:
    """Run a guardian with the configuration on stdin; the exercise's exit code.

    Where a line with `Ahead` comes first, it starts its engine at once. Lines that only name modules to import may
    follow, and then its configuration; where nothing comes, nobody wants them any more.
    """
    gc.disable()  # what is imported stays: to look through it for garbage, again and again, is in vain
    link: socket.socket | None = None
    engine: subprocess.Popen[bytes] | None = None
    ahead: Ahead | None = None
    message: dict[str, Any] | None = None
    for line in sys.stdin:
        message = json.loads(line)
        if "ahead" in message:
            ahead = Ahead(**message["ahead"])
            link, engine = _start_engine(ahead.engine, ahead.hand)
            import gameday.engine.guarding  # noqa: F401 - while there is time
        elif "prepare" in message and engine is not None:
            _tell(engine, {"prepare": message["prepare"]})
            _preload(message["preload"], patiently=True)
        else:
            break
        message = None
    if message is None:
        if engine is not None:
            _dismiss(engine)
        return 0
    config = Config(**message)
    if config.target_claim >= 0:
        os.set_inheritable(config.target_claim, False)
    elif ahead is not None:
        config = replace(config, target_claim=handed(ahead.hand, config.target_claim))
    return _guard(config, link, engine)


def _guard(config: Config, link: socket.socket | None, engine: subprocess.Popen[bytes] | None) -> int:
    from gameday.engine.guarding import Guardian
    from gameday.engine.peers import claim, release

    error = (
        f"exercise {config.exercise} has a guardian already, or one that is just writing down what it did: "
        f"gameday watch {config.exercise}"
    )
    try:
        claimed = claim(Path(config.socket), wait=5.0 if config.link >= 0 else 0.5)
    except OSError as refused:
        claimed, error = None, f"no socket for consoles and aborts can be made at {config.socket}: {refused}"
    if claimed is None:
        if engine is not None:
            _dismiss(engine)
        os.write(1, json.dumps({"failed": error, "exit_code": 5}).encode() + b"\n")
        return 5
    if config.engine:
        if link is None or engine is None:
            link, engine = _start_engine(config.engine, config.target_claim)
        _tell(engine, config.payload)
        assert engine.stdin is not None
        with suppress(BrokenPipeError):
            engine.stdin.close()
        guardian = Guardian(config, link, engine.pid)
    else:
        guardian = Guardian(config, socket.socket(fileno=config.link), None)
    _preload(config.preload)
    guardian.last_beat = time.monotonic() + 10.0  # the engine needs a moment to import what it needs
    gc.freeze()
    gc.enable()
    try:
        return guardian.run()
    finally:
        # Only now: while it is being written down what was done, no other engine may take the journal up.
        release(Path(config.socket))


if __name__ == "__main__":
    raise SystemExit(main())
