"""What a script can't do here is found before anything is touched, and what an undo needs is kept until it is over."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import pytest

from tests.endings.scripts import activity, script
from tests.support.runs import Place, Target

RUN = ("run", "scenario.yaml", "--target", "lab", "--unattended")
MISSING = "GAMEDAY_TEST_NOT_SET"
SECRET = {"Authorization": {"env": MISSING}}
GUARDED = {"name": "up", "http": {"url": "${lab}/metrics", "headers": SECRET}, "unless": {"status": 200}}


def undo(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "http", "url": f"${{lab}}/state/{name}", "method": "DELETE", **more}


@pytest.mark.parametrize(
    ("second", "changes", "said"),
    [
        (activity("second", undo=undo("second", headers=SECRET)), {}, MISSING),
        (activity("second", activity={"type": "process", "path": "/no/such/program"}), {}, "/no/such/program"),
        (None, {"abort_when": [GUARDED]}, MISSING),
    ],
    ids=["secret of an undo", "no such program", "secret of a probe"],
)
def test_it_is_refused_as_the_preview_says(
    place: Place, target: Target, second: dict[str, Any] | None, changes: dict[str, Any], said: str
) -> None:
    place.write("scenario.yaml", script(*filter(None, [activity(), second]), **changes))
    done = place.call(*RUN)
    assert done.returncode == 5, done.stderr
    assert said in done.stderr
    assert not target.requests("PUT", "/state/broken")
    shown = place.call("preview", "scenario.yaml", "--target", "lab")
    assert shown.returncode == 5
    assert said in shown.stdout


def test_a_secret_that_goes_away_after_the_fault_was_armed(place: Place, target: Target) -> None:
    token = place.write("token", "secret")
    place.write("scenario.yaml", script(activity(undo=undo("broken", headers={"X-Token": {"file": str(token)}}))))
    process = place.start(*RUN)
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    token.unlink()
    assert place.call("abort").returncode == 0
    assert process.wait(60) == 3, place.said()
    assert place.exercise().faults["broken"].stage == "recovered"


@pytest.mark.long
def test_the_target_is_claimed_for_as_long_as_an_undo_is_under_way(place: Place, target: Target) -> None:
    # The undo waits for the test, so that everybody else is dead while it is under way.
    gate = place.folder / "gate"
    os.mkfifo(gate)
    late = (
        f"open({str(gate)!r}).read()\n"
        "import urllib.request as r\n"
        f"r.urlopen(r.Request('{target.url}/state/broken', method='DELETE'))"
    )
    slow = {"type": "process", "path": sys.executable, "arguments": ["-c", late], "timeout": "30s"}
    place.write("scenario.yaml", script(activity(undo=slow), limits={"duration": "10m", "recovery": "60s"}))
    place.start(*RUN)
    state = place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    for pid in (state.guardian_pid, state.engine_pid):
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    try:
        other = place.call(*RUN, "--store", str(place.folder / "other.db"))
        assert other.returncode == 5, other.stderr
        assert "another exercise runs on lab" in other.stderr
    finally:
        gate.write_text("now")
    target.wait_for("DELETE", "/state/broken")
    place.gone()
