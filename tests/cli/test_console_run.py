"""What is said on the command line reaches the console too."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameday.cli.console_run import load_target
from gameday.scenario.problems import ScenarioErrors
from gameday.targets.settings import Settings

SCENARIO = """
version: 1
title: Talk
target: sandbox
parameters: {who: {description: Who calls.}}
timeline: [{at: 0s, inject: "${who} calls."}]
"""


def test_a_parameter_without_a_default_may_be_set(tmp_path: Path) -> None:
    path = tmp_path / "talk.yaml"
    path.write_text(SCENARIO)
    with pytest.raises(ScenarioErrors, match="who"):
        load_target(path, Settings(), {})
    assert load_target(path, Settings(), {"who": "Support"}) == "sandbox"
