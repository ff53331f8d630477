"""Real exercises for benchmarks: `gameday run --unattended` in a folder of its own against a `Lab`.

Every round is checked as well as timed: a figure of a run that did not end as it should is worth nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import talk
from benchmarks.lab import ROOT, Lab, wait_for
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.store import open_store

_SETTINGS = """
[policy]
allow_process = true
allow_modules = ["benchmarks"]

[targets.lab]
kind = "toxiproxy"
environment = "test"
proxy = "{url}"
names = {{lab = "{url}"}}
"""
HEALTH = {"name": "health", "http": {"url": "${lab}/health"}, "status": 503, "every": "100ms", "no_data": "trip"}
"""The abort condition: `/health` answers 503."""
_STUBBORN = """
import http.client, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
lab = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
lab.request("PUT", "/state/" + sys.argv[2])
lab.getresponse().read()
time.sleep(60)
"""


class RoundFailed(Exception):
    """A round did not end as it should; the message carries what was printed and logged."""


def fault(name: str, activity: dict[str, Any], *, at: str = "0s") -> dict[str, Any]:
    """A timeline entry: `activity` breaks, a DELETE at the lab undoes, a GET there verifies."""
    where = f"${{lab}}/state/{name}"
    return {
        "id": name,
        "at": at,
        "fault": "activity",
        "activity": activity,
        "undo": {"type": "http", "url": where, "method": "DELETE", "timeout": 5},
        "recovered": {"http": {"url": where}, "expect": {"status": 404}},
        "for": "5m",
    }


def sleeper(seconds: int = 60) -> dict[str, Any]:
    """A Python action that sits in `time.sleep`."""
    return {
        "type": "python",
        "module": "benchmarks.activities",
        "func": "sleep",
        "arguments": {"seconds": seconds},
    }


def stubborn(lab: Lab, name: str) -> dict[str, Any]:
    """A process that ignores every signal it can, touches the lab (PUT /state/NAME), and then sits there."""
    return {"type": "process", "path": sys.executable, "arguments": ["-c", _STUBBORN, str(lab.port), name]}


def silence() -> dict[str, Any]:
    """An HTTP request that is never answered."""
    return {"type": "http", "url": "${lab}/slow", "timeout": 60}


def put(name: str) -> dict[str, Any]:
    """A request that takes hold at once."""
    return {"type": "http", "url": f"${{lab}}/state/{name}", "method": "PUT", "timeout": 5}


def scenario(*timeline: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A scenario document."""
    return {
        "version": 1,
        "title": "A measured exercise",
        "timeline": list(timeline),
        "abort_when": [HEALTH],
        "limits": {"duration": "10m", "recovery": "10s"},
        **changes,
    }


class Running:
    """One `gameday run --unattended` process and all that descends from it."""

    def __init__(self, folder: Path, lab: Lab, document: dict[str, Any]) -> None:
        self.folder = folder
        self.store = folder / "store.db"
        self._mark = f"GAMEDAY_BENCHMARK={uuid.uuid4()}"
        (folder / "gameday.toml").write_text(_SETTINGS.format(url=lab.url))
        (folder / "scenario.json").write_text(json.dumps(document))
        name, _, value = self._mark.partition("=")
        environment = {
            **os.environ,
            name: value,
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "GAMEDAY_STORE": str(self.store),
        }
        command = [sys.executable, "-m", "gameday", "run", "scenario.json", "--target", "lab", "--unattended"]
        with (folder / "said").open("wb") as said:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )

    def records(self) -> list[Record]:
        with open_store(str(self.store), create=False) as store:
            return store.records(store.resolve(None))

    def wait_until(self, what: str, look: Callable[[Exercise], bool], within: float = 60.0) -> Exercise:
        """The exercise once `look` is true of it."""

        def now() -> Exercise | None:
            if self.process.poll() is not None:
                raise RoundFailed(f"it ended before {what}:\n{self.said()}")
            if not self.store.exists():
                return None
            with open_store(str(self.store)) as store:
                found = store.exercises(1)
                state = fold(store.records(found[0].id)) if found else Exercise()
            return state if look(state) else None

        try:
            return wait_for(now, within, what)
        except TimeoutError as error:
            raise RoundFailed(f"{error}\n{self.said()}") from None

    def wait_live(self, *, injecting: int, effective: int = 0) -> Exercise:
        """The exercise once that many faults are being injected, and that many are in effect."""

        def there(x: Exercise) -> bool:
            stages = [each.stage for each in x.faults.values()]
            return stages.count("injecting") == injecting and stages.count("effective") == effective

        return self.wait_until(f"{injecting} faults are being injected and {effective} in effect", there)

    def finish(self, code: int, within: float = 90.0) -> Exercise:
        """Wait for the end; the exercise. Raises RoundFailed where it ended otherwise than with `code`."""
        try:
            found = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise RoundFailed(f"it does not end:\n{self.said()}") from None
        state = fold(self.records())
        stages = {each.entry: each.stage for each in state.faults.values()}
        if found != code or any(stage != "recovered" for stage in stages.values()):
            raise RoundFailed(f"it ended with {found} instead of {code}, faults {stages}:\n{self.said()}")
        return state

    def said(self) -> str:
        logs = (self.folder / "state" / "gameday" / "logs").glob("*.log")
        return "\n".join(path.read_text() for path in [self.folder / "said", *logs] if path.exists())[-6000:]

    def sweep(self) -> None:
        """Kill what a failed round left behind; only what carries this run's mark."""
        for pid in _carrying(self._mark):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        self.process.wait()


def _carrying(mark: str) -> list[int]:
    needle = b"\0" + mark.encode() + b"\0"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue  # gone meanwhile, or somebody else's
        if needle in b"\0" + environment:
            found.append(int(folder.name))
    return found


@contextmanager
def exercise(make: Callable[[Lab], dict[str, Any]]) -> Iterator[tuple[Lab, Running]]:
    """A lab and an exercise against it, in a folder that is gone afterwards, as is every process."""
    with tempfile.TemporaryDirectory(prefix="gameday-bench-") as name:
        folder = Path(name)
        with Lab(folder) as lab:
            running = Running(folder, lab, make(lab))
            try:
                yield lab, running
            finally:
                running.sweep()


def repeat(rounds: int, what: str, once: Callable[[], float]) -> list[float]:
    """`rounds` values of `once`. A round that fails ends the benchmark: to drop it would flatter the figure."""
    values = []
    for number in range(rounds):
        values.append(once())
        talk(f"  {what}: round {number + 1} of {rounds}: {values[-1] * 1000:.1f} ms")
    return values
