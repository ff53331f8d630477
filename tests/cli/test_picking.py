"""What `gameday run` without a scenario has to pick from."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameday.cli.console_run import scenario_files

SCENARIO = "version: 1\ntitle: t\ntimeline: []\n"


def test_the_scenarios_here_and_those_in_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert all(path.is_absolute() for path in scenario_files()), "nothing here: those that ship"
    (tmp_path / "shop.yaml").write_text("apiVersion: v1\nkind: Namespace\n")
    assert all(path.is_absolute() for path in scenario_files()), "a manifest is none"
    (tmp_path / "outage.yaml").write_text(SCENARIO)
    (tmp_path / "broken.yml").write_text("timelin: []\ntimeline: [\n")
    assert scenario_files() == [Path("broken.yml"), Path("outage.yaml")], "one with a mistake is shown with it"
    (tmp_path / "scenarios" / "night").mkdir(parents=True)
    (tmp_path / "scenarios" / "night" / "kill.yaml").write_text(SCENARIO)
    assert scenario_files()[2:] == [Path("scenarios/night/kill.yaml")]
