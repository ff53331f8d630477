"""Real `gameday` processes for tests, each with a mark that all its descendants carry; and a target with a ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.store import open_store
from tests.support import forking
from tests.support.processes import carrying, wait_for

HERE = Path(__file__).parent


@dataclass
class Target:
    """A ledger server."""

    process: subprocess.Popen[str]
    url: str
    ledger: Path

    def lines(self) -> list[dict[str, Any]]:
        text = self.ledger.read_text() if self.ledger.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def requests(self, method: str, path: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["method"] == method and line["path"] == path]

    def wait_for(self, method: str, path: str, within: float = 20.0) -> dict[str, Any]:
        return wait_for(lambda: self.requests(method, path), within, f"{method} {path} in the ledger")[0]


def ledger_server(folder: Path) -> Iterator[Target]:
    ledger = folder / "target-ledger.jsonl"
    process = subprocess.Popen(
        [sys.executable, str(HERE / "ledger_server.py"), str(ledger)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    yield Target(process, f"http://127.0.0.1:{port}", ledger)
    process.kill()
    process.wait()
    process.stdout.close()


@dataclass
class Place:
    """A folder with its own store, state and settings, in which `gameday` commands run."""

    folder: Path
    mark: str = field(default_factory=lambda: f"GAMEDAY_TEST_RUN={uuid.uuid4()}")
    extra: dict[str, str] = field(default_factory=dict)
    anew: bool = False
    """Each `gameday` is a new interpreter, and none a fork (see `forking`): for tests of how it begins."""
    started: list[forking.Process] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        name, _, value = self.mark.partition("=")
        return {
            **os.environ,
            name: value,
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "GAMEDAY_STORE": str(self.store),
            **self.extra,
        }

    @property
    def store(self) -> Path:
        return self.folder / "store.db"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, *arguments: str) -> forking.Process:
        """Start `gameday ARGUMENTS`; stdout goes to the file `out`, stderr to `err`."""
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            process = forking.start(arguments, cwd=self.folder, env=self.environment, out=out, err=err, anew=self.anew)
        self.started.append(process)
        return process

    def call(self, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `gameday ARGUMENTS` to its end."""
        return forking.call(arguments, cwd=self.folder, env=self.environment, timeout=timeout, anew=self.anew)

    def records(self) -> list[Record]:
        with open_store(str(self.store)) as store:
            return store.records(store.resolve(None))

    def begun(self) -> bool:
        """Whether any exercise is in the journal."""
        if not self.store.exists():
            return False
        with open_store(str(self.store)) as store:
            return bool(store.exercises(1))

    def exercise(self) -> Exercise:
        return fold(self.records())

    def wait_until(self, what: str, look: Any, within: float = 30.0) -> Exercise:
        """The exercise, once `look(exercise)` is true."""
        until = time.monotonic() + within
        wait_for(self.store.exists, within, f"a store\n{self.said()}")
        with open_store(str(self.store)) as store:
            seen: int | None = None

            def now() -> Exercise | None:
                nonlocal seen
                version = store.data_version()
                if version == seen:
                    return None  # to read it all again is what costs
                seen = version
                summaries = store.exercises(1)
                state = fold(store.records(summaries[0].id)) if summaries else Exercise()
                return state if look(state) else None

            try:
                found = wait_for(now, until - time.monotonic(), what)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.said()}") from None
        assert found is not None
        return found

    def processes(self) -> dict[int, str]:
        return carrying(self.mark)

    def pids(self, words: str) -> list[int]:
        return [pid for pid, command in self.processes().items() if words in command]

    def guardian(self) -> int | None:
        """The guardian and its workers have one command line; the guardian's parent is not one of them."""
        same = set(self.pids("gameday.engine.guardian"))
        return next((pid for pid in same if parent(pid) not in same), None)

    def gone(self, within: float = 60.0) -> None:
        try:
            wait_for(lambda: not self.processes(), within, "no process left", every=0.1)
        except AssertionError:
            raise AssertionError(f"still there: {self.processes()}\n{self.said()}") from None

    def said(self) -> str:
        """All that was printed and logged, for the message of a failing test."""
        logs = (self.folder / "state" / "gameday" / "logs").glob("*.log")
        return "\n".join(path.read_text() for path in [self.folder / "err", *logs] if path.exists())

    def clean_up(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        for pid in self.processes():
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, 9)


def parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def kinds(records: Sequence[Record]) -> list[str]:
    return [record.kind for record in records]
