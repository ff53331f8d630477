"""A sandbox of its own for each worker of the test run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gameday.sandbox import control
from tests.support.processes import carrying
from tests.support.runs import Place

KILLS = 5


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kill" in metafunc.fixturenames:
        metafunc.parametrize("kill", range(metafunc.config.getoption("--kills") or KILLS))


@pytest.fixture(scope="package")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[control.Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    sandbox, _ = control.up(folder)
    yield sandbox
    control.down(folder)
    assert not carrying(f"GAMEDAY_SANDBOX={folder}")


@pytest.fixture
def place(box: control.Sandbox, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, extra={"GAMEDAY_SANDBOX": str(box.state_dir)}, anew=True)
    made.write("gameday.toml", "[policy]\nallow_process = true\n")
    yield made
    made.clean_up()
