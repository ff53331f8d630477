"""A target with a ledger, and a place whose `lab` target it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.runs import Place, Target, ledger_server

SETTINGS = """
[policy]
allow_process = true
allow_modules = ["chaosk8s", "time", "os", "tests"]

[targets.lab]
kind = "toxiproxy"
environment = "test"
proxy = "{url}"
names = {{lab = "{url}", metrics = "{url}/metrics"}}
"""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    yield from ledger_server(tmp_path)


@pytest.fixture
def place(tmp_path: Path, target: Target) -> Iterator[Place]:
    made = Place(tmp_path, extra={"PYTHONPATH": str(Path(__file__).parents[2])})
    made.write("gameday.toml", SETTINGS.format(url=target.url))
    yield made
    made.clean_up()
    leftovers = made.processes()
    assert not leftovers
