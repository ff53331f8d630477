"""Undo when the world has changed since the injection: the proxy, an instance or the whole sandbox died meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.ports import Plan
from gameday.faults.planning import plan
from gameday.faults.wire import Unanswered
from gameday.sandbox import control
from gameday.sandbox.control import Sandbox

from .conftest import Life, context, prepare, run, target_of, wait_until
from .test_lives import UNDOABLE, life

Planned = Callable[..., Life]


def kill_proxy(sandbox: Sandbox) -> None:
    (proxy,) = control.instances(sandbox, "proxy")
    os.kill(proxy["pid"], signal.SIGKILL)
    # Only its socket says when it is gone; the supervisor reaps it a moment later.
    wait_until(lambda: control.instances(sandbox, "proxy")[0]["pid"] != proxy["pid"], "the proxy to be gone")


def undo_as_often_as_it_takes(fault: Life) -> int:
    """Undo until that doesn't raise; how often it did."""
    failures = 0
    deadline = time.monotonic() + 10
    while True:
        try:
            fault.undo()
            return failures
        except Unanswered:
            failures += 1
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("kind", ["latency", "refused", "blackhole"])
def test_undo_after_the_proxy_was_killed(planned: Planned, whole: Sandbox, kind: str) -> None:
    fault = life(planned, kind)
    assert fault.plan.undo is not None
    prepare(fault.plan.undo)
    fault.inject()
    fault.becomes_effective()
    kill_proxy(whole)
    for call in (fault.plan.effective, fault.plan.recovered):
        assert run(call).keys() == {"holds", "evidence"}
    undo_as_often_as_it_takes(fault)
    fault.recovers()
    wait_until(lambda: run(fault.plan.recovered)["holds"], "it to stay recovered")
    assert fault.standing() == []


def test_an_undo_that_cannot_be_done_is_a_failure(planned: Planned, whole: Sandbox) -> None:
    (proxy,) = control.instances(whole, "proxy")
    fault = life(planned, "latency")
    fault.inject()
    os.kill(proxy["pid"], signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Unanswered, match="no answer within 2 s"):
            fault.undo()
        assert time.monotonic() - began < 4
        began = time.monotonic()
        found = run(fault.plan.recovered)
        assert not found["holds"] and "no answer" in found["evidence"]
        assert time.monotonic() - began < 2
    finally:
        os.kill(proxy["pid"], signal.SIGCONT)
    undo_as_often_as_it_takes(fault)
    fault.recovers()


def test_undo_after_a_frozen_instance_was_killed(planned: Planned, whole: Sandbox) -> None:
    fault = planned("pod-freeze", {"service": "checkout", "instance": "checkout-2"})
    assert fault.plan.undo is not None
    prepare(fault.plan.undo)
    fault.inject()
    fault.becomes_effective()
    (instance,) = fault.plan.undo.args["instances"]
    os.kill(instance["pid"], signal.SIGKILL)
    wait_until(lambda: not fault.is_effective(), "it to be gone")
    fault.undo()
    fault.recovers()

    def successor() -> int:
        pid = next(each["pid"] for each in control.instances(whole, "checkout") if each["name"] == "checkout-2")
        return 0 if pid == instance["pid"] else int(pid or 0)

    # Never the number 0, under which signals go to the tests themselves.
    new = {"pid": wait_until(successor, "its successor")}
    os.kill(new["pid"], signal.SIGSTOP)
    wait_until(lambda: fault.standing() == ["instance checkout-2 frozen"], "its successor to be frozen by hand")
    fault.undo()
    assert fault.standing() == ["instance checkout-2 frozen"]
    os.kill(new["pid"], signal.SIGCONT)


def test_undo_of_an_error_rate_reaches_an_instance_that_was_frozen(planned: Planned, whole: Sandbox) -> None:
    wrong = planned("error-rate", {"service": "checkout", "share": 1.0}, fault="wrong")
    frozen = planned("pod-freeze", {"service": "checkout", "instance": "checkout-1"}, fault="frozen")
    wrong.inject()
    wrong.becomes_effective()
    frozen.inject()
    frozen.becomes_effective()
    wrong.undo()
    assert wrong.standing() == ["instance checkout-1 frozen"]
    frozen.undo()
    frozen.recovers()
    wrong.recovers()
    assert "checkout-1" in {line.process for line in wrong.ledger("error-rate-cleared")}


@pytest.mark.parametrize("how", ["down", "killed"])
def test_a_sandbox_that_is_gone_took_its_faults_along(tmp_path: Path, how: str) -> None:
    sandbox, _ = control.up(tmp_path)
    try:
        faults = {}
        for number, (kind, params) in enumerate(UNDOABLE.items()):
            name = "dependency-outage" if kind in ("refused", "blackhole") else kind
            made: dict[str, Any] = plan(name, target_of(sandbox), params, context(fault=f"f{number}"))
            faults[kind] = Life(Plan.from_json(made), tmp_path)
        for kind in ("latency", "blackhole", "error-rate", "pod-freeze", "refused"):
            faults[kind].inject()
        if how == "down":
            control.down(tmp_path)
        else:
            os.kill(sandbox.pid, signal.SIGKILL)
            os.waitpid(sandbox.pid, 0)
        for fault in faults.values():
            fault.undo()
            assert run(fault.plan.recovered)["holds"], run(fault.plan.recovered)
    finally:
        control.down(tmp_path)
    # Another sandbox in the same place has nothing of them.
    again, _ = control.up(tmp_path)
    try:
        assert again.control != sandbox.control
        for fault in faults.values():
            fault.undo()
            assert fault.recovers()
    finally:
        control.down(tmp_path)
