"""A place of its own for real commands: store, state, sockets and sandbox; nothing of it is left afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gameday.cli.main import main
from gameday.sandbox import control
from tests.support.runs import Place

Run = Callable[..., "Done"]


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command as the entry point runs it, in this process."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("GAMEDAY_STORE", raising=False)

    def gameday(*arguments: str, **environment: str) -> Done:
        with monkeypatch.context() as during:
            during.setattr(sys, "argv", ["gameday", *arguments])
            for name, value in environment.items():
                during.setenv(name, value)
            code = main()
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return gameday


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    root = str(Path(__file__).parents[2])
    extra = {"PYTHONPATH": root, "GAMEDAY_SANDBOX": str(tmp_path / "sandbox"), "GAMEDAY_SANDBOX_RATE": "8"}
    made = Place(tmp_path, extra=extra)
    yield made
    made.clean_up()
    control.down(tmp_path / "sandbox")
    assert not made.processes()
