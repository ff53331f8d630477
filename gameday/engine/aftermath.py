"""What a guardian does when all is over: have it written down what it did alone, and clean up what it was told to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import Any

from gameday.engine.ports import Call
from gameday.engine.workers import fork_gated, parse

PATIENCE = 120.0
"""Seconds the clerk may take."""


def complain(text: str) -> None:
    """To the exercise's log; a log on a full disk must keep nobody from going on."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"guardian: {text}\n")
        sys.stderr.flush()


def write_down(clerk: list[str], facts: dict[str, Any], payload: dict[str, Any]) -> None:
    """Hand the facts to the clerk. They also go to the log, in case nobody can write the journal."""
    complain(json.dumps(facts))
    text = json.dumps({**facts, "payload": payload})
    try:
        subprocess.run(clerk, input=text.encode(), timeout=PATIENCE, check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        complain(f"the journal could not be written: {error}")


def run_last(call: Call, mark: str) -> str:
    """One more call, waited for, e.g. to take down a sandbox that this run brought up. Returns why it failed, or ""."""
    try:
        worker = fork_gated(call, mark)
    except OSError as error:
        complain(f"{call.name}: {error}")
        return str(error)
    os.set_blocking(worker.results, True)
    signal.signal(signal.SIGALRM, lambda *_: worker.kill())
    signal.setitimer(signal.ITIMER_REAL, call.timeout)
    worker.tell(b"g")
    said = parse(os.read(worker.results, 65536).split(b"\n")[0])
    signal.setitimer(signal.ITIMER_REAL, 0)
    if said["what"] == "done":
        return ""
    complain(f"{call.name}: {said.get('error')}")
    return str(said.get("error"))
