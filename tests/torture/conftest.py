"""A sandbox of its own for each worker of the test run, and runs of the real command in it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gameday.sandbox import control
from tests.support.processes import carrying, wait_for

KILLS = 20


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kill" in metafunc.fixturenames:
        metafunc.parametrize("kill", range(metafunc.config.getoption("--kills") or KILLS))


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[control.Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    sandbox, _ = control.up(folder)
    yield sandbox
    control.down(folder)
    assert not carrying(f"GAMEDAY_SANDBOX={folder}")


@dataclass
class Run:
    """One `gameday run --unattended` as a real process, every descendant of which carries `mark`."""

    process: subprocess.Popen[bytes]
    mark: str
    folder: Path
    environment: dict[str, str]
    store: Path = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.folder / "store.db"

    def processes(self) -> dict[int, str]:
        return carrying(self.mark)

    def gone(self, within: float = 60.0) -> None:
        wait_for(lambda: not self.processes(), within, f"no process left, there is {self.processes()}")


@pytest.fixture
def start(box: control.Sandbox, tmp_path: Path) -> Iterator[object]:
    started: list[Run] = []

    def run(scenario: str, *options: str) -> Run:
        (tmp_path / "gameday.toml").write_text("[policy]\nallow_process = true\n")
        (tmp_path / "scenario.yaml").write_text(scenario)
        mark = f"GAMEDAY_TEST_RUN={uuid.uuid4()}"
        name, _, value = mark.partition("=")
        environment = {
            **os.environ,
            name: value,
            "GAMEDAY_SANDBOX": str(box.state_dir),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "GAMEDAY_STORE": str(tmp_path / "store.db"),
        }
        command = [sys.executable, "-m", "gameday", "run", "scenario.yaml", "--target", "sandbox", "--unattended"]
        process = subprocess.Popen(
            [*command, "--reports", str(tmp_path / "reports"), *options],
            cwd=tmp_path,
            env=environment,
            stdout=(tmp_path / "out").open("wb"),
            stderr=(tmp_path / "err").open("wb"),
        )
        started.append(Run(process, mark, tmp_path, environment))
        return started[-1]

    yield run
    for one in started:
        one.process.kill()
        one.process.wait()
        for pid in one.processes():
            os.kill(pid, 9)
