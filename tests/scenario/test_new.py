"""`gameday new`: the file it writes is right, nothing is overwritten, nobody is asked where nobody can answer."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gameday.faults.catalogue import catalogue
from gameday.scenario.loading import load
from tests.scenario.marked import ROOT
from tests.support import forking


def new(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forking.call(["new", *arguments], cwd=cwd)


@pytest.mark.parametrize("template", ["tabletop", "sandbox"])
def test_the_file_is_right(template: str, tmp_path: Path) -> None:
    done = new(tmp_path, "team/first.yaml", "--template", template, "--title", 'Say "hi": @PATH@ ${x} \\ # ü')
    assert (done.returncode, done.stdout) == (0, "team/first.yaml\n"), done.stderr
    assert "gameday validate team/first.yaml" in done.stderr
    found = load(tmp_path / "team" / "first.yaml", catalogue=catalogue()) if template == "sandbox" else None
    text = (tmp_path / "team" / "first.yaml").read_text()
    assert 'title: "Say \\"hi\\": @PATH@ ${x} \\\\ # ü"' in text
    if found:
        assert found.scenario.title == 'Say "hi": @PATH@ ${x} \\ # ü'


@pytest.mark.parametrize("template", ["tabletop", "sandbox"])
def test_it_validates_as_it_stands(template: str, tmp_path: Path) -> None:
    new(tmp_path, "a.yaml", "--template", template)
    found = load(tmp_path / "a.yaml", catalogue=catalogue()).scenario
    assert found.target == ("sandbox" if template == "sandbox" else "none")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mine")
    done = new(tmp_path, "a.yaml")
    assert done.returncode == 2
    assert "exists already and is left as it is" in done.stderr
    assert (tmp_path / "a.yaml").read_text() == "mine"


def test_without_a_path_it_is_named_after_the_title(tmp_path: Path) -> None:
    assert new(tmp_path, "--title", "The cache is cold!").stdout == "the-cache-is-cold.yaml\n"
    assert new(tmp_path, "--title", "日本").stdout == "scenario.yaml\n"


def test_what_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = new(tmp_path, "file/a.yaml")
    assert done.returncode == 2
    assert "can't be written" in done.stderr
    assert "ends in .yaml" in new(tmp_path, "a.txt").stderr


def test_editors_find_a_schema_that_lies_around(tmp_path: Path) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "scenario.schema.json").write_text("{}")
    new(tmp_path, "scenarios/team/a.yaml")
    new(tmp_path, "b.yaml")
    first = (tmp_path / "scenarios" / "team" / "a.yaml").read_text().splitlines()[0]
    second = (tmp_path / "b.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../scenario.schema.json"
    assert second == "# yaml-language-server: $schema=./scenarios/scenario.schema.json"


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "gameday", "new"],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        os.write(controller, b"The disk is full\nsandbox\n")
        out, _ = process.communicate(timeout=60)
    finally:
        os.close(terminal)
        os.close(controller)
    assert out.decode() == "the-disk-is-full.yaml\n"
    assert "target: sandbox" in (tmp_path / "the-disk-is-full.yaml").read_text()
