from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gameday.engine import plan_request
from gameday.engine.ports import Call

from .rig import Rig, wait_until
from .stage import BEAT, Stage


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Start a guardian; at the end it and all that it started must be gone, by themselves."""
    started: list[Rig] = []

    def make(**config: object) -> Rig:
        folder = tmp_path / f"rig-{len(started)}"
        folder.mkdir()
        started.append(Rig(folder, **config))  # type: ignore[arg-type]
        return started[-1]

    yield make
    for rig in started:
        rig.close()
    try:
        for rig in started:
            wait_until(lambda rig=rig: not rig.left(), "all processes to be gone")
    finally:
        for rig in started:
            for pid in rig.left():
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def rig(start: Callable[..., Rig]) -> Rig:
    return start()


@pytest.fixture
def stage(start: Callable[..., Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(plan_request, "PLANNING", Call("calls:plan", timeout=10.0))
    made = Stage(start(heartbeat=BEAT), tmp_path)
    yield made
    for process in made.more:
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
