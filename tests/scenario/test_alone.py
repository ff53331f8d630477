"""The models of scenarios and settings are made without looking for pydantic's plugins; other people's are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SAY = """
import json, sys
import gameday_plugin_for_tests
json.dump({"made": gameday_plugin_for_tests.MADE, "modules": sorted(sys.modules)}, sys.stdout)
"""
PLUGIN = '''
"""Writes down whose validators it is asked about."""
MADE = []


class Plugin:
    def new_schema_validator(self, schema, schema_type, *rest):
        MADE.append(schema_type.__name__)
        return None, None, None


plugin = Plugin()
'''


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with a plugin of pydantic as `pip` would have put it there."""
    (tmp_path / "gameday_plugin_for_tests.py").write_text(PLUGIN)
    about = tmp_path / "gameday_plugin_for_tests-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: gameday-plugin-for-tests\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[pydantic]\nours = gameday_plugin_for_tests:plugin\n")
    return tmp_path


def told(folder: Path, code: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", code + SAY],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), *filter(None, sys.path)))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


OURS = """
import gameday.targets.settings
from gameday.faults.pod_kill import PodKillParameters
from gameday.scenario.models import Scenario
Scenario.model_validate({"version": 1, "title": "x"})
PodKillParameters.model_validate({"service": "shop"})
"""
THEIRS = """
import pydantic
class Theirs(pydantic.BaseModel):
    name: str
"""


def test_nothing_is_looked_for(installed: Path) -> None:
    found = told(installed, OURS)
    assert found["made"] == []
    assert "pydantic" in found["modules"]
    assert "pydantic.plugin._loader" not in found["modules"]
    assert "importlib.metadata" not in found["modules"]


@pytest.mark.parametrize("code", [OURS + THEIRS, THEIRS + OURS], ids=["afterwards", "before"])
def test_other_people_have_their_plugins(installed: Path, code: str) -> None:
    assert told(installed, code)["made"] == ["Theirs"]
