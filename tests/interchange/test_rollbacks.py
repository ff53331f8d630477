"""Rollbacks that nobody can assign to one action: none is spent while an action that it may undo is yet to come."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.support.runs import Place, Target

from .shapes import action
from .test_running import RUN, asked, write


def shell(line: str) -> dict[str, Any]:
    return {"type": "process", "path": "sh", "arguments": ["-c", line]}


def of_two(target: Target, first: dict[str, Any], second: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The first goes on in the background, and nobody can say which of the two the rollback undoes."""
    method = [action("first", first, background=True), action("second", second, **more)]
    rollback = action("mend", shell(f"curl -sS -X DELETE {target.url}/state/two"))
    return {"title": "Two", "description": "One of them fails.", "method": method, "rollbacks": [rollback]}


def test_what_nothing_would_undo_any_more_is_not_begun(place: Place, target: Target) -> None:
    second = shell(f"curl -sS -X PUT {target.url}/state/two")
    write(place, of_two(target, shell("sleep 0.3; exit 3"), second, pauses={"before": 1.5}))
    shown = " ".join(place.call("preview", "experiment.json", *RUN[:2], "--no-abort-condition").stdout.split())
    assert "undone by the undo of first recovered when nothing of it runs any more" in shown
    done = place.call("run", "experiment.json", *RUN, "--no-abort-condition")
    assert done.returncode == 1, done.stderr
    assert "nothing would undo it: first, whose undo takes this away too, has failed" in done.stderr
    assert target.requests("DELETE", "/state/two") and not target.requests("PUT", "/state/two")
    assert place.exercise().faults["second"].stage == "refused"


def test_rollbacks_wait_for_all_that_they_may_undo(place: Place, target: Target) -> None:
    """The first fails while the second is at work, which goes on breaking things for a while."""
    second = shell(f"for i in 1 2 3 4 5 6; do curl -sS -X PUT {target.url}/state/two; sleep 0.25; done")
    write(place, of_two(target, shell("sleep 0.5; exit 3"), second))
    done = place.call("run", "experiment.json", *RUN, "--no-abort-condition")
    assert done.returncode == 1, done.stderr
    methods = [method for method, _ in asked(target)]
    assert methods[:6] == ["PUT"] * 6 and set(methods[6:]) == {"DELETE"}, methods
    assert "the undo of first takes it away too" in place.exercise().faults["second"].cleared
    assert [fault.stage for fault in place.exercise().faults.values()] == ["recovered", "recovered"]


@pytest.mark.long
@pytest.mark.parametrize("killed", ["run", "guardian", "engine and guardian"])
def test_what_is_at_work_when_all_is_given_up_is_rolled_back_too(place: Place, target: Target, killed: str) -> None:
    second = shell(f"while curl -sS -X PUT {target.url}/state/two; do sleep 0.02; done")
    write(place, of_two(target, shell("sleep 60"), second))
    run = place.start("run", "experiment.json", *RUN, "--no-abort-condition")
    target.wait_for("PUT", "/state/two")
    if killed == "run":
        run.send_signal(signal.SIGTERM)
    else:
        guardian = place.guardian()
        assert guardian is not None
        # The guardian first: no other is started by an engine that is gone.
        for pid in [guardian, *(place.pids("engine_process") if "engine" in killed else [])]:
            os.kill(pid, signal.SIGKILL)
    target.wait_for("DELETE", "/state/two")
    place.gone()
    methods = [method for method, _ in asked(target)]
    assert methods[-1] == "DELETE", methods
