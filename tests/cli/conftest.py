"""A place of its own for real commands: store, state, sockets and sandbox; nothing of it is left afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gameday.sandbox import control
from tests.support.runs import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    root = str(Path(__file__).parents[2])
    extra = {"PYTHONPATH": root, "GAMEDAY_SANDBOX": str(tmp_path / "sandbox"), "GAMEDAY_SANDBOX_RATE": "8"}
    made = Place(tmp_path, extra=extra)
    yield made
    made.clean_up()
    control.down(tmp_path / "sandbox")
    assert not made.processes()
