"""The command's root: what is listed, what is imported, what is said about a wrong word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gameday.cli.main import COMMANDS
from gameday.cli.run import can_be_written
from gameday.store import open_store
from tests.cli.conftest import Run

HEAVY = {"textual", "rich", "chaoslib", "chaosk8s", "kubernetes", "httpx", "psycopg", "jinja2", "asyncio"}
PROBE = """
import json, sys
from gameday.__main__ import main
sys.argv[0] = "gameday"
code = main()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
sys.exit(code)
"""


def call(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    return subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def loaded(done: subprocess.CompletedProcess[str]) -> set[str]:
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    done = call("--help", folder=tmp_path)
    assert done.returncode == 0
    assert not loaded(done) & (HEAVY | {"pydantic", "yaml"})
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert summary.split()[0] in done.stdout


def test_validate_loads_nothing_heavy(tmp_path: Path) -> None:
    scenarios = Path(__file__).parents[2] / "scenarios"
    done = call("validate", str(scenarios), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not loaded(done) & HEAVY


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, tmp_path: Path) -> None:
    done = call(name, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: gameday {name}")


def test_a_wrong_command_names_the_nearest_right_one(tmp_path: Path) -> None:
    done = call("validte", folder=tmp_path)
    assert done.returncode == 2
    assert "Did you mean 'validate'?" in done.stderr


@pytest.mark.parametrize(
    ("typed", "meant"), [("stop", "abort"), ("help", "--help"), ("status", "show"), ("debrief", "report")]
)
def test_what_somebody_under_pressure_types(typed: str, meant: str, run: Run) -> None:
    done = run(typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Did you mean '{meant}'?" in done.stderr


@pytest.mark.parametrize("command", ["pause", "continue", "close", "abort"])
def test_an_exercise_is_named_with_and_without_id(command: str, run: Run, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    open_store(store).close()
    for words in (("zz",), ("--id", "zz")):
        done = run(command, *words, "--store", store)
        assert (done.returncode, done.stdout) == (2, "")
        assert "there is no exercise 'zz'" in done.stderr


def test_no_place_for_the_debrief_is_said_before_anything_is_touched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "talk.yaml").write_text("version: 1\ntitle: Talk\ntimeline: [{at: 0s, inject: Hello.}]\n")
    store, reports = str(tmp_path / "store.db"), str(tmp_path / "file" / "reports")
    for words in (("run", str(tmp_path / "talk.yaml"), "--unattended"), ("demo",)):
        done = run(*words, "--reports", reports, "--store", store)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert f"no place for the debrief in {reports}" in done.stderr
    assert not Path(store).exists()


@pytest.mark.parametrize(
    ("reports", "why"),
    [
        ("/proc/x", "No such file or directory"),
        ("/proc/self/fd", "No such file or directory"),
        ("/dev/full", "Not a directory"),
        ("reports/" + "x" * 300, "File name too long"),
    ],
)
def test_a_place_that_only_looks_like_one_is_refused_before_the_start(
    reports: str, why: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.yaml").write_text("version: 1\ntitle: Talk\ntimeline: [{at: 0s, inject: Hello.}]\n")
    store = str(tmp_path / "store.db")
    done = run("run", "talk.yaml", "--unattended", "--reports", reports, "--store", store)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"no place for the debrief in {reports}" in done.stderr
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path(store).exists()
    assert not (tmp_path / "reports").exists()


def test_what_was_tried_leaves_nothing_and_takes_nothing_away(tmp_path: Path) -> None:
    can_be_written(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "report").write_text("kept")
    can_be_written(tmp_path / "a")
    can_be_written(tmp_path / "a" / "b")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["report"]


def test_runs_that_try_the_same_place_at_once_all_find_it(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(lambda _: can_be_written(reports), range(200))) == {reports}


def test_without_anything_it_shows_help(tmp_path: Path) -> None:
    done = call(folder=tmp_path)
    assert "Usage: gameday" in done.stdout + done.stderr


def test_the_reference_page_is_what_the_code_says() -> None:
    # In a process of its own: a command that another test has called by itself keeps the help option it had there.
    check = [sys.executable, "-m", "docs.generate", "--check"]
    done = subprocess.run(check, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
