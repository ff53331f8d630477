"""Recovering from where the sandbox can't be seen: a silent address and an unknown pid prove nothing there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.ports import Call, Plan
from gameday.faults import dependency_outage, error_rate, toxiproxy
from gameday.faults.planning import plan
from gameday.faults.presence import CannotTell, home, is_gone
from gameday.faults.processes import state
from gameday.sandbox import control
from gameday.sandbox.control import Sandbox

from .conftest import Life, context, target_of, wait_until
from .test_lives import UNDOABLE

CALLS = """
import importlib, json, socket, sys
for name, args in json.load(sys.stdin):
    module, _, function = name.partition(":")
    try:
        print("returned", json.dumps(getattr(importlib.import_module(module), function)(**args)))
    except Exception as error:
        print("raised", type(error).__name__, error)
"""


def isolated(*namespaces: str) -> list[str]:
    return ["unshare", "--user", "--map-root-user", "--fork", "--pid", "--mount-proc", *namespaces]


def can_isolate() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*isolated("--net", "--uts"), "true"], capture_output=True, check=False).returncode == 0


def elsewhere(calls: list[Call], *, name: str | None) -> list[str]:
    """Run calls in a container: own processes, own network and, with `name`, own host name. A line of each."""
    python = [sys.executable, "-c", CALLS]
    command = [*isolated("--net"), *python]
    if name is not None:
        command = [*isolated("--net", "--uts"), "sh", "-c", f'hostname {name}; exec "$0" "$@"', *python]
    asked = json.dumps([[call.name, call.args] for call in calls])
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


@pytest.mark.skipif(not can_isolate(), reason="no user namespaces here")
@pytest.mark.parametrize("name", ["another-host", None])
def test_from_elsewhere_nothing_counts_as_undone(whole: Sandbox, name: str | None) -> None:
    calls: list[Call] = []
    for number, (kind, params) in enumerate(UNDOABLE.items()):
        fault = "dependency-outage" if kind in ("refused", "blackhole") else kind
        made = Plan.from_json(plan(fault, target_of(whole), params, context(fault=f"f{number}")))
        assert made.undo is not None and made.recovered is not None
        calls += [made.undo, made.recovered]
    killed = Plan.from_json(plan("pod-kill", target_of(whole), {"service": "checkout"}, context(fault="killed")))
    assert killed.recovered is not None
    said = elsewhere([*calls, killed.recovered], name=name)
    assert len(said) == len(calls) + 1
    for line in said:
        assert line.startswith("raised CannotTell"), line
        assert "gameday recover" in line
        assert f"on host {socket.gethostname()}" in line


def test_a_missing_state_file_proves_nothing(whole: Sandbox, tmp_path: Path) -> None:
    here = home(target_of(whole))
    assert here is not None and here["pid"] == whole.pid
    assert not is_gone({**here, "state_dir": str(tmp_path)})
    unread = target_of(whole)
    unread["settings"]["state_dir"] = str(tmp_path)
    unknown = home(unread)
    assert unknown is not None and unknown["pid"] is None
    assert not is_gone(unknown)


def test_what_is_certain(whole: Sandbox) -> None:
    here = home(target_of(whole))
    assert here is not None
    assert not is_gone(here)
    assert is_gone({**here, "start": here["start"] - 1}), "another process has the supervisor's number"
    assert is_gone({**here, "boot_id": "the-one-before"})
    assert not is_gone(None)


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "another-host", "boot_id": "another"},
        {"host": "another-host"},
        {"machine": "another", "boot_id": "another"},
        {"pid_namespace": "pid:[1]"},
        {"pid_namespace": "pid:[1]", "boot_id": "the-one-before"},
    ],
)
def test_what_cannot_be_told(whole: Sandbox, changes: dict[str, Any]) -> None:
    here = home(target_of(whole))
    assert here is not None
    with pytest.raises(CannotTell, match="run `gameday recover` there"):
        is_gone({**here, "start": here["start"] - 1, **changes})


def test_what_answers_elsewhere_proves_nothing(whole: Sandbox) -> None:
    """On another host somebody else may listen at that address, and say truly that he knows no such fault."""
    there = {**(home(target_of(whole)) or {}), "host": "another", "machine": "another", "boot_id": "another"}
    checks: dict[Any, dict[str, Any]] = {
        dependency_outage.recovered_refused: {"api": whole.proxy, "proxy": "payments", "door": None},
        toxiproxy.toxic_recovered: {"api": whole.proxy, "proxy": "payments", "toxic": "none", "door": None},
        error_rate.recovered: {"service": "payments", "fault_id": "none"},
    }
    for check, arguments in checks.items():
        assert check(**arguments, home=home(target_of(whole)))["holds"]
        with pytest.raises(CannotTell):
            check(**arguments, home=there)


def test_a_plan_that_does_not_say_where(whole: Sandbox, tmp_path: Path) -> None:
    old = {"state_dir": str(tmp_path), "control": whole.control}
    with pytest.raises(CannotTell, match="does not say on which host"):
        is_gone(old)


def test_an_old_freeze_is_undone_where_its_processes_are_and_nowhere_else(whole: Sandbox) -> None:
    fault = Life(
        Plan.from_json(plan("pod-freeze", target_of(whole), {"service": "checkout"}, context())), whole.state_dir
    )
    assert fault.plan.undo is not None
    instances = fault.plan.undo.args["instances"]
    from gameday.faults import pod_freeze

    fault.inject()
    (each,) = instances
    with pytest.raises(CannotTell, match="not to be found on this host"):
        pod_freeze.undo([{**each, "start": each["start"] - 1}])
    # A signal is sent at once and strikes when its process is scheduled next.
    wait_until(lambda: state(each["pid"], each["start"]) == "T", "it is frozen")
    pod_freeze.undo(instances)
    fault.recovers()


def test_after_the_supervisor_died_the_number_of_another_is_no_sign_of_life(tmp_path: Path) -> None:
    sandbox, _ = control.up(tmp_path)
    try:
        here = home(target_of(sandbox))
        os.kill(sandbox.pid, signal.SIGKILL)
        os.waitpid(sandbox.pid, 0)
        assert is_gone(here)
    finally:
        control.down(tmp_path)
