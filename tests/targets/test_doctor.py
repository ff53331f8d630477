"""`gameday doctor` through the real command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.processes import start_ticks
from tests.support import forking


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine that nothing was done on yet."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GAMEDAY", "XDG"))}
    return own | {
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_RUNTIME_DIR": str(runtime) if len(str(runtime)) <= 60 else "",
    }


def doctor(machine: dict[str, str], folder: Path, *options: str) -> tuple[int, dict[str, list[dict[str, Any]]], str]:
    """Exit code, findings by check, and what was said on stderr."""
    done = forking.call(["doctor", "--json", *options], cwd=folder, env=machine)
    findings: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(done.stdout):
        findings.setdefault(finding["check"], []).append(finding)
    return done.returncode, findings, done.stderr


def states(findings: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    return {check: found[0]["state"] for check, found in findings.items()}


def test_a_fresh_machine_is_fit_and_stays_fresh(machine: dict[str, str], tmp_path: Path) -> None:
    code, findings, said = doctor(machine, tmp_path)
    assert code == 0, (findings, said)
    assert set(findings) == {"python", "platform", "libraries", "terminal", "settings", "store", "sockets", "sandbox"}
    assert set(states(findings).values()) == {"ok"}
    libraries = findings["libraries"][0]["text"]
    for name in ("chaoslib 1.", "chaosk8s ", "kubernetes ", "textual 8.2.8"):
        assert name in libraries
    assert not (tmp_path / "state" / "gameday" / "gameday.db").exists()
    assert not list(tmp_path.rglob("*.doctor"))


def test_a_wrong_settings_file_and_a_path_that_is_no_store(machine: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "gameday.toml").write_text("[stor]\n")
    code, findings, said = doctor(machine, tmp_path, "--store", "mysql://x/y")
    assert code == 1
    assert "did you mean 'store'?" in findings["settings"][0]["text"]
    assert findings["store"][0]["state"] == "fail"
    assert "settings, store" in said


def test_a_store_that_exists_is_opened_and_written(machine: dict[str, str], tmp_path: Path) -> None:
    from gameday.store import open_store

    path = tmp_path / "gameday.db"
    open_store(str(path)).close()
    code, findings, _ = doctor(machine, tmp_path, "--store", str(path))
    assert code == 0
    assert "can be written" in findings["store"][0]["text"]
    path.write_bytes(b"not a database" * 1000)
    code, findings, _ = doctor(machine, tmp_path, "--store", str(path))
    assert (code, findings["store"][0]["state"]) == (1, "fail")


def test_a_store_in_a_place_that_is_none(machine: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, findings, _ = doctor(machine, tmp_path, "--store", str(tmp_path / "file" / "deep" / "gameday.db"))
    assert code == 1
    assert "can't be made" in findings["store"][0]["text"] or "Not a directory" in findings["store"][0]["text"]


def test_faults_that_were_left_standing_are_found(machine: dict[str, str], tmp_path: Path) -> None:
    from gameday.exercise import events as ev
    from gameday.exercise.record import Record
    from gameday.store import Holder, open_store

    path = tmp_path / "gameday.db"
    with open_store(str(path)) as store:
        started = ev.ExerciseStarted(
            exercise="20260101-0000-left",
            name="x",
            path="x.yaml",
            scenario={"version": 1, "title": "x"},
            scenario_hash="0",
            target={"name": "staging", "kind": "toxiproxy", "environment": "staging"},
            attended=False,
            seed=1,
            parameters={},
            version="0",
            boot=0.0,
            boot_id="gone",
        )
        record = Record(1, 1_700_000_000.0, 0.0, 1_700_000_000.0, 1, "engine", "gameday", started)
        dead = Holder(pid=2**22 + 1, start_ticks=1, host="elsewhere", boot_id="gone")
        epoch = store.create(record, dead)
        begun = ev.EngineStarted(1, 1, "elsewhere", False)
        later = Record(2, 1_700_000_001.0, 1.0, 1_700_000_001.0, epoch, "engine", "gameday", begun)
        store.append(
            "20260101-0000-left",
            epoch,
            [later],
            status="interrupted",
            unrecovered=1,
        )
    code, findings, _ = doctor(machine, tmp_path, "--store", str(path))
    assert code == 1
    assert findings["leftovers"][0]["do"] == "gameday recover 20260101-0000-left"
    assert "1 fault on staging" in findings["leftovers"][0]["text"]


def test_a_runtime_folder_that_can_not_be_written(machine: dict[str, str], tmp_path: Path) -> None:
    code, findings, _ = doctor({**machine, "XDG_RUNTIME_DIR": "/proc"}, tmp_path)
    assert (code, findings["sockets"][0]["state"]) == (1, "fail")
    assert "XDG_RUNTIME_DIR" in findings["sockets"][0]["do"]


def test_a_stale_sandbox_is_told_from_one_that_runs(machine: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "state" / "gameday" / "sandbox"
    folder.mkdir(parents=True)
    sleeper = subprocess.Popen(["sleep", "100"])
    start = start_ticks(sleeper.pid)
    sleeper.send_signal(signal.SIGKILL)
    sleeper.wait()
    (folder / "sandbox.json").write_text(json.dumps({"pid": sleeper.pid, "start": start}))
    code, findings, _ = doctor(machine, tmp_path)
    assert code == 0
    assert (findings["sandbox"][0]["state"], findings["sandbox"][0]["do"]) == ("warn", "gameday sandbox down")
    (folder / "sandbox.json").write_text("{")
    code, findings, _ = doctor(machine, tmp_path)
    assert (code, findings["sandbox"][0]["state"]) == (0, "warn")


def test_people_read_one_line_for_each_check(machine: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "gameday.toml").write_text('[policy]\nallow_modules = ["os"]\n')
    done = forking.call(["doctor"], cwd=tmp_path, env=machine)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ok    python")
    assert [line for line in lines if line.startswith("warn  settings")]
    assert "→ allow the modules of Chaos Toolkit extensions only" in done.stdout
