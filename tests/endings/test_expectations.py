"""What a machine was to show is failed only where it could have been shown."""

from __future__ import annotations

from tests.endings.scripts import activity, script
from tests.support.runs import Place, Target


def test_a_fault_that_does_not_take_hold_fails_the_run_and_nothing_that_waited_for_its_impact(
    place: Place, target: Target
) -> None:
    nothing = {"type": "http", "url": "${lab}/lie/about/injecting", "method": "PUT"}
    check = {"name": "healed", "http": {"url": "${lab}/state/healed"}, "expect": {"status": 200}}
    expect = [{"check": check, "within": "1s"}, {"check": {**check, "name": "whole"}, "within": "2s"}]
    place.write("scenario.yaml", script(activity(activity=nothing), expect=expect))
    done = place.call("run", "scenario.yaml", "--target", "lab", "--unattended")
    ended = place.exercise()
    fault = ended.faults["broken"]
    assert fault.effective is None and "not effective" in fault.error
    assert target.requests("DELETE", "/state/broken")
    assert [state.state for state in ended.expectations] == ["not_observed", "not_observed"]
    assert {"broken did not take hold" in state.detail for state in ended.expectations} == {True}
    assert done.returncode == 1, done.stderr
    assert ended.reason.startswith("fault 'broken' failed") and "expectation" not in ended.reason
