"""Faults that last until something else has come, entries that wait for a fault to take hold, checks on the way."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.exercise import events as ev
from gameday.scenario.loading import load_text
from gameday.scenario.problems import ScenarioErrors
from tests.engine.simulation import Behaviour, World
from tests.engine.test_decide import START, fault, inject, scripted


def check(name: str, **when: Any) -> dict[str, Any]:
    return {"id": name, "check": {"tcp": {"address": "127.0.0.1:1"}}, **when}


def test_a_fault_lasts_until_the_last_of_what_it_is_to_last_for() -> None:
    lasting = fault("f", at=0, lasts=600, until=[{"entry": "a", "delay": "7s"}, "b"])
    world = World(scripted(lasting, inject("a", at=20), inject("b", at=5))).run()
    assert world.at(ev.FaultUndoing, "f") == [START + 27]


def test_its_duration_is_the_longest_that_it_lasts_all_the_same() -> None:
    lasting = fault("f", at=0, lasts=10, until={"milestone": "mitigated"})
    world = World(scripted(lasting)).run()
    (undone,) = world.at(ev.FaultUndoing, "f")
    assert undone == pytest.approx(START + 0.7 + 10, abs=0.2)


def test_what_is_skipped_is_not_waited_for() -> None:
    lasting = fault("f", at=0, lasts=600, until="by-hand")
    world = World(scripted(lasting, inject("by-hand", manual=True))).run()
    (undone,) = world.at(ev.FaultUndoing, "f")
    assert undone < START + 2


def test_what_waits_for_a_fault_to_take_hold_does_not_wait_for_its_end() -> None:
    world = World(scripted(fault("f", at=0, lasts=100), inject("a", after={"effective": "f", "delay": 5}))).run()
    (effective,) = world.at(ev.FaultEffective, "f")
    assert world.at(ev.InjectDelivered, "a") == [effective + 5]


def test_what_waits_for_a_fault_that_never_takes_hold_is_skipped() -> None:
    script = scripted(fault("f", at=0, lasts=5), inject("a", after={"effective": "f"}), inject("b", after="a"))
    world = World(script, faults={"f": Behaviour(inject=None)}).run()
    assert world.x.entries["a"].stage == world.x.entries["b"].stage == "skipped"
    assert "never took hold" in world.x.entries["a"].reason


@pytest.mark.parametrize(("held", "verdict"), [(True, "completed"), (False, "failed"), (None, "completed")])
def test_a_check_is_asked_in_its_turn_and_fails_the_exercise_where_it_does_not_hold(held: Any, verdict: str) -> None:
    script = scripted(inject("a", at=1), check("look", after={"entry": "a", "delay": 2}), inject("b", after="look"))
    world = World(script).run(until=START + 3.5)
    assert world.at(ev.ProbeAsked, "look") == [START + 3]
    assert world.x.entries["look"].stage == "started"
    world.happens(ev.ProbeAnswered("look", "look", held, {"kind": "value", "value": 1}))
    world.run()
    assert world.x.entries["b"].stage == "done"
    assert world.x.verdict == verdict
    assert ("look" in world.x.reason) is (held is False)


def test_a_check_whose_answer_was_lost_with_the_engine_is_asked_again() -> None:
    world = World(scripted(check("look", at=1)), attended=True, inputs=[(0.0, ev.ConsolesChanged(1))])
    world.run(until=START + 2)
    world.happens(ev.EngineLost("killed"))
    world.happens(ev.EngineStarted(3, 4, "h", resumed=True))
    assert world.x.entries["look"].stage == "pending"


# --- in a file -------------------------------------------------------------------------------------------------------


def problems(timeline: str, more: str = "") -> list[str]:
    text = f"version: 1\ntitle: t\nabort_when: [{{name: x, tcp: {{address: 'a:1'}}, equals: false}}]\n{more}{timeline}"
    try:
        load_text(text, path="s.yaml", catalogue={})
    except ScenarioErrors as errors:
        return [str(problem) for problem in errors.problems]
    return []


UNDO = "{type: process, path: b}"
FAULT = f"activity: {{type: process, path: a}}, undo: {UNDO}"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (f"{{id: f, at: 0s, fault: activity, {FAULT}, for: 5s, until: nobody}}", "no entry has the id 'nobody'"),
        (f"{{id: f, at: 0s, fault: activity, {FAULT}, for: 5s, until: [{{delay: 3s}}]}}", "exactly one thing"),
        (f"{{id: f, at: 0s, fault: activity, {FAULT}, for: 5s, until: f}}", "would last until it is over"),
        (f"{{id: f, at: 0s, fault: activity, {FAULT}, until: {{effective: f}}}}", "without 'for'"),
        ("{at: 0s, inject: hi, until: x}", "'until' belongs to a fault"),
        ("{id: i, at: 0s, inject: hi}, {after: {effective: i}, inject: ho}", "is no fault"),
        ("{at: 0s, check: {expect: {equals: 1}}}", "nothing is asked here"),
        ("{at: 0s, check: {tcp: {address: 'a:1'}, expect: {}}}", "whatever the answer is"),
        ("{at: 0s, inject: hi, check: {tcp: {address: 'a:1'}}}", "an entry is an inject or a check, this is both"),
        ("{at: 0s, check: {tcp: {address: 'a:1'}}, for: 5s}", "'for' belongs to a fault"),
        (f"{{at: 0s, fault: activity, activity: {UNDO}, undo: [{UNDO}, {{type: http}}], for: 5s}}", "needs 'url'"),
        (f"{{at: 0s, fault: activity, activity: {UNDO}, undo: [], for: 5s}}", "'undo' is empty"),
        (
            f"{{at: 0s, fault: activity, activity: {UNDO}, undo: [{{type: process, path: b, timeout: 2m}}], for: 5s}}",
            "this undo may take 2m",
        ),
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(entries: str, said: str) -> None:
    found = problems(f"timeline: [{entries}]")
    assert len(found) == 1, found
    assert said in found[0]
    assert found[0].startswith("s.yaml:4:")


def test_what_makes_sense_passes() -> None:
    assert not problems(
        f"""timeline:
  - {{id: f, at: 0s, fault: activity, {FAULT}, for: 5s, until: [{{effective: f, delay: 1s}}, look]}}
  - {{id: g, after: {{effective: f}}, fault: activity, activity: {UNDO}, undo: [{UNDO}, {UNDO}], for: 5s}}
  - id: look
    after: {{effective: g}}
    check:
      name: is it up
      activity: {{type: http, url: 'http://a', timeout: [1, 2]}}
      expect: {{status: 200}}
"""
    )


def test_only_what_was_imported_may_have_faults_without_an_abort_condition() -> None:
    head, timeline = "version: 1\ntitle: t\n", f"timeline: [{{at: 0s, fault: activity, {FAULT}, for: 5s}}]\n"
    with pytest.raises(ScenarioErrors, match="no abort condition"):
        load_text(head + timeline, path="s.yaml", catalogue={})
    load_text(f"{head}imported: chaostoolkit\n{timeline}", path="s.yaml", catalogue={})
