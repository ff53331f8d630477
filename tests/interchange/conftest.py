"""A folder of its own with a target that has a ledger, and a module of activities that may be called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.runs import Place, Target, ledger_server

SETTINGS = """
[policy]
allow_process = true
allow_modules = ["lab_activities", "os"]

[targets.lab]
kind = "other"
environment = "test"
names = {{lab = "{url}", metrics = "{url}/metrics"}}
"""

MODULE = """
import pathlib, urllib.request

def put(url, value="", configuration=None, secrets=None):
    urllib.request.urlopen(urllib.request.Request(url, value.encode(), method="PUT"), timeout=5).read()
    return {"configuration": configuration, "secrets": sorted(secrets or {})}

def delete(url):
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=5).read()
    except urllib.error.HTTPError as error:
        assert error.code == 404

def fail():
    raise ValueError("no use")

def count(file):
    path = pathlib.Path(file)
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    return len(path.read_text())

def number(value=7):
    return value

def is_seven(value):
    return value == 7
"""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    yield from ledger_server(tmp_path)


@pytest.fixture
def activities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the module `lab_activities`, on the path of this process and of those that it starts."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "lab_activities.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).parents[2]}")
    yield folder
    sys.modules.pop("lab_activities", None)


@pytest.fixture
def place(tmp_path: Path, target: Target, activities: Path) -> Iterator[Place]:
    made = Place(tmp_path, extra={"PYTHONPATH": f"{activities}:{Path(__file__).parents[2]}"})
    made.write("gameday.toml", SETTINGS.format(url=target.url))
    yield made
    made.clean_up()
    assert not made.processes()
