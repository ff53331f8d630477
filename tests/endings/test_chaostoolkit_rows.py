"""What Chaos Toolkit's own runner gets wrong, each case as a scenario: here the undo is done, by the target's ledger.

Each test is one row of what was tried with `chaos run` (interrupted, failed, blocked, lied to); the same files run on
the lowest and the highest Python, which get different versions of chaoslib. A steady state that does not hold before
the start is in `test_unattended`; secrets are in `test_secrets`.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.endings.judging import assert_ended, assert_undone, set_value
from tests.endings.scripts import ABORT, activity, script
from tests.support.processes import wait_for
from tests.support.runs import Place, Target, kinds

pytestmark = pytest.mark.long

RUN = ("run", "scenario.yaml", "--target", "lab", "--unattended")


def action(func: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "python", "module": "tests.endings.actions", "func": func, "arguments": arguments}


def shell(line: str, **more: Any) -> dict[str, Any]:
    return {"type": "process", "path": "/bin/sh", "arguments": ["-c", line], **more}


def after(what: str | dict[str, Any], name: str, **changes: Any) -> dict[str, Any]:
    """An activity that waits for another entry."""
    entry = activity(name, after=what, **changes)
    del entry["at"]
    return entry


def slow_undo(target: Target, name: str, seconds: float = 1.0) -> dict[str, Any]:
    return shell(f"sleep {seconds:g}; curl -sS -X DELETE {target.url}/state/{name}")


def run(place: Place, text: str) -> int:
    place.write("scenario.yaml", text)
    process = place.start(*RUN)
    return process.wait(90)


def effective(place: Place, *names: str) -> Any:
    """Wait until all of these faults are in effect."""
    return place.wait_until(f"{names} effective", lambda x: all(n in x.faults and x.faults[n].effective for n in names))


# --- rollbacks that are not played ---------------------------------------------------------------------------------


def test_a_failed_action_is_undone_and_so_is_one_with_an_odd_result(place: Place, target: Target) -> None:
    """`default` strategy: 0 rollbacks; an action that failed: exit 0; an output that JSON can't hold: traceback."""
    failing = activity("failing", activity=action("fail"))
    exiting = activity("exiting", activity=action("leave"))
    odd = activity("odd", activity=action("not_json"), effective=None, lasts="200ms")
    nothing = activity("nothing", activity=action("nothing"), effective=None, lasts="200ms")
    state = assert_ended(place, run(place, script(failing, exiting, odd, nothing)), 1)
    assert_undone(target, state.faults)
    assert "this action always fails" in state.faults["failing"].error
    assert "exit" in state.faults["exiting"].error
    assert [state.faults[name].error for name in ("odd", "nothing")] == ["", ""]
    assert {fault.stage for fault in state.faults.values()} == {"recovered"}


@pytest.mark.parametrize(
    ("who", "number"),
    [
        ("engine", signal.SIGKILL),
        ("command", signal.SIGHUP),
        ("engine", signal.SIGUSR2),
        ("command", signal.SIGUSR2),
        ("guardian", signal.SIGUSR2),
    ],
    ids=str,
)
def test_killed_in_the_method_while_children_and_grandchildren_live(
    place: Place, target: Target, who: str, number: signal.Signals
) -> None:
    """kill -9, SIGHUP, SIGUSR2: no rollback, no journal; child processes live on."""
    family = shell(f"curl -sS -X PUT {target.url}/state/broken; setsid sleep 301 & sleep 302 & sleep 303")
    place.write("scenario.yaml", script(activity(activity=family)))
    process = place.start(*RUN)
    target.wait_for("PUT", "/state/broken")
    wait_for(lambda: len(place.pids("sleep 30")) >= 3, 10, "the whole family")
    state = place.wait_until("injecting", lambda x: x.faults and x.faults["broken"].injecting)
    pid = {"command": process.pid, "engine": state.engine_pid, "guardian": state.guardian_pid}[who]
    assert pid is not None
    os.kill(pid, number)
    code = process.wait(60)
    place.gone()
    ended = place.wait_until("ended", lambda x: x.phase == "ended")
    killed = who == "command" and number == signal.SIGUSR2
    assert code == (-number if killed else 3), place.said()
    assert_ended(place, 3, 3)
    assert ended.faults["broken"].stage == "recovered"
    assert_undone(target, ["broken"])


def test_sigterm_in_a_python_action_stops_and_the_next_fault_is_never_run(place: Place, target: Target) -> None:
    """lib 1.44 swallows it: the action is "failed", the next fault runs, status `completed`, exit 0."""
    blocked = activity("blocked", activity=action("block", seconds=60))
    following = activity("following", at="8s")
    waiting = after("blocked", "waiting", lasts="1m")
    place.write("scenario.yaml", script(blocked, following, waiting))
    process = place.start(*RUN)
    state = place.wait_until("injecting", lambda x: x.faults and x.faults["blocked"].injecting)
    # As a container runtime or `kill -TERM -PGID` does it: everybody hears it, the action's worker too.
    for pid in [process.pid, state.engine_pid, *place.processes()]:
        _signal(pid, signal.SIGTERM)
    ended = assert_ended(place, process.wait(60), 3)
    assert_undone(target, ["blocked"])
    assert set(ended.faults) == {"blocked"}
    assert not target.requests("PUT", "/state/following")
    assert not target.requests("PUT", "/state/waiting")
    place.gone()


def test_a_second_ctrl_c_during_the_undos_drops_none_of_them(place: Place, target: Target) -> None:
    names = ("one", "two", "three")
    place.write("scenario.yaml", script(*(activity(name, undo=slow_undo(target, name)) for name in names)))
    process = place.start(*RUN)
    effective(place, *names)
    process.send_signal(signal.SIGINT)
    state = place.wait_until("all being undone", lambda x: all(x.faults[name].undo_sent for name in names))
    for pid in (process.pid, state.engine_pid, state.guardian_pid, process.pid):
        _signal(pid, signal.SIGINT)
    ended = assert_ended(place, process.wait(60), 3)
    assert {fault.stage for fault in ended.faults.values()} == {"recovered"}
    assert_undone(target, names)


# --- breaches ------------------------------------------------------------------------------------------------------


def test_a_breach_while_an_action_a_process_and_a_pause_block(place: Place, target: Target) -> None:
    """Fail-fast continuous hypothesis: stops at 10.4 s, when what blocks ends. Here all of it would take 60 s."""
    acting = activity("acting", activity=action("block", seconds=60))
    processing = activity("processing", activity=shell("trap '' TERM INT HUP; sleep 60; sleep 60"))
    standing = activity("standing")
    pause = {"id": "pause", "at": "0s", "inject": "And now we wait."}
    afterwards = after({"entry": "pause", "delay": "60s"}, "after")
    place.write("scenario.yaml", script(acting, processing, standing, pause, afterwards))
    process = place.start(*RUN)
    effective(place, "standing")
    place.wait_until("blocked", lambda x: all(x.faults[n].injecting for n in ("acting", "processing")))
    set_value(target, "1")
    ended = assert_ended(place, process.wait(60), 3)
    breached = target.requests("PUT", "/value")[0]["boot"]
    for name in ("acting", "processing", "standing"):
        assert target.requests("DELETE", f"/state/{name}")[0]["boot"] - breached < 10
    assert_undone(target, ("acting", "processing", "standing"))
    assert not target.requests("PUT", "/state/after")
    assert ended.abort is not None and ended.abort.condition == "value"
    place.gone()


def test_a_state_that_has_recovered_by_the_check_afterwards_is_still_an_abort(place: Place, target: Target) -> None:
    """There: `failed`, deviated false, rollbacks not played."""
    fine = {"name": "fine", "metrics": {"name": "value", "url": f"{target.url}/metrics"}, "expect": {"below": 0.5}}
    place.write("scenario.yaml", script(activity(), steady_state=[fine]))
    process = place.start(*RUN)
    effective(place, "broken")
    set_value(target, "1")
    place.wait_until("aborting", lambda x: x.abort)
    set_value(target, "0")
    ended = assert_ended(place, process.wait(60), 3)
    assert ended.steady_after is True
    assert_undone(target, ["broken"])


def test_a_breach_ends_what_an_action_left_running_in_the_background(place: Place, target: Target) -> None:
    """With a background action the `safeguards` control takes until that ends. This one never would."""
    background = action("keep_setting", url=f"{target.url}/state/broken")
    place.write("scenario.yaml", script(activity(activity=background)))
    process = place.start(*RUN)
    effective(place, "broken")
    wait_for(lambda: len(target.requests("PUT", "/state/broken")) > 2, 10, "it sets again and again")
    set_value(target, "1")
    ended = assert_ended(place, process.wait(60), 3)
    place.gone()
    assert ended.faults["broken"].stage == "recovered"
    assert_undone(target, ["broken"])


def test_a_second_condition_that_trips_during_the_undos_drops_none_of_them(place: Place, target: Target) -> None:
    second = {**ABORT, "name": "much too high", "above": 5}
    names = ("one", "two", "three")
    faults = [
        activity(name, undo=slow_undo(target, name, seconds)) for name, seconds in zip(names, (0.3, 1, 2), strict=True)
    ]
    place.write("scenario.yaml", script(*faults, abort_when=[ABORT, second]))
    process = place.start(*RUN)
    effective(place, *names)
    set_value(target, "1")
    place.wait_until("undoing", lambda x: all(x.faults[name].undo_sent for name in names))
    set_value(target, "9")
    place.wait_until("the second has tripped too", lambda x: x.conditions["much too high"].state == "tripped")
    ended = assert_ended(place, process.wait(60), 3)
    assert ended.abort is not None and ended.abort.condition == "value", "the first one is the reason"
    assert {fault.stage for fault in ended.faults.values()} == {"recovered"}
    assert_undone(target, names)


# --- answers that are none -----------------------------------------------------------------------------------------

HTML = {"url": "${lab}/html-labelled-json", "read": "json", "path": "$.rate"}
NULL = {"url": "${lab}/null", "read": "json"}


def test_html_labelled_json_none_and_floats_in_probes(place: Place, target: Target) -> None:
    """There: a traceback, no journal, no rollback, even with `always`; a float tolerance is rejected."""
    toolkit = {"type": "http", "url": "${lab}/html-labelled-json"}
    checks: list[dict[str, Any]] = [
        {"name": "html", "http": HTML, "expect": {"equals": 1}},
        {"name": "toolkit", "activity": toolkit, "expect": {"equals": {"rate": 0.25}}},
        {"name": "regex", "http": NULL, "expect": {"matches": "^[0-9]+$"}},
        {"name": "list", "http": NULL, "expect": {"equals": [1, 2]}},
        {"name": "range", "http": NULL, "expect": {"between": [0, 1]}},
        {"name": "none", "activity": action("nothing"), "expect": {"above": 0.5}},
        {"name": "odd", "activity": action("not_json"), "expect": {"below": 0.5}},
        {"name": "float", "http": {"url": "${lab}/value", "read": "json"}, "expect": {"equals": 0.25}},
    ]
    quiet: list[dict[str, Any]] = [
        {"name": "html", "http": HTML, "above": 0.5, "every": "200ms", "no_data": "ok"},
        {"name": "range", "http": NULL, "between": [0, 1], "every": "200ms", "no_data": "ok"},
        {"name": "list", "http": NULL, "equals": [1, 2], "every": "200ms", "no_data": "ok"},
        {"name": "regex", "activity": action("nothing"), "matches": "^[0-9]+$", "every": "500ms", "no_data": "ok"},
    ]
    set_value(target, "0.25")
    expect = [{"check": check, "within": "1m"} for check in checks]
    text = script(activity(lasts="3s"), expect=expect, abort_when=quiet)
    ended = assert_ended(place, run(place, text), 1)
    assert [e.state for e in ended.expectations] == ["missed"] * 7 + ["met"]
    assert all(ended.conditions[str(one["name"])].at for one in quiet), "each of them was asked"
    assert_undone(target, ["broken"])


@pytest.mark.parametrize(
    "condition",
    [
        {"http": HTML, "above": 0.5, "no_data": "trip"},
        {"http": NULL, "unless": {"matches": "^[0-9]+$"}, "no_data": "hold"},
        {"activity": {"type": "http", "url": "${lab}/null"}, "unless": {"between": [0.0, 0.5]}, "no_data": "trip"},
    ],
    ids=["html", "regex-none", "range-none"],
)
def test_an_answer_that_is_none_trips_where_the_scenario_says_so(
    place: Place, target: Target, condition: dict[str, Any]
) -> None:
    made = {"name": "odd answers", "every": "200ms", "for": "2s", **condition}
    ended = assert_ended(place, run(place, script(activity(), abort_when=[made])), 3)
    assert ended.abort is not None and ended.abort.condition == "odd answers"
    assert_undone(target, ["broken"])


# --- undos that can't work -----------------------------------------------------------------------------------------


def test_an_undo_that_fails_is_loud_and_takes_no_other_with_it(place: Place, target: Target) -> None:
    """There: a rollback that failed ends with 0; a bad URL in one drops the rest."""
    nobody = activity("nobody", undo={"type": "http", "url": "http://127.0.0.1:1/nobody", "method": "DELETE"})
    malformed = activity("malformed", undo={"type": "http", "url": "http://[half/an/address", "method": "DELETE"})
    raising = activity("raising", undo=action("fail"))
    fine = activity("fine")
    timeline = [{**one, "for": "300ms"} for one in (fine, nobody, malformed, raising)]
    limits = {"duration": "10m", "recovery": "1s"}
    code = run(place, script(*timeline, limits=limits))
    ended = assert_ended(place, code, 4)
    leaked = {name: fault for name, fault in ended.faults.items() if fault.stage == "leaked"}
    assert set(leaked) == {"nobody", "malformed", "raising"}
    assert ended.faults["fine"].stage == "recovered"
    assert_undone(target, ["fine"])
    assert all(fault.error and fault.commands for fault in leaked.values()), "with what a person can paste"
    assert "curl" in leaked["nobody"].commands[0]
    assert "NOT RECOVERED" in place.call("list").stderr


def test_an_undo_that_can_not_be_prepared_means_that_nothing_is_touched(place: Place, target: Target) -> None:
    """A module or a function that is not there shows when it is armed: before, not after."""
    module = activity("module", undo={"type": "python", "module": "tests.no_such_module", "func": "undo"})
    func = activity("func", undo={"type": "python", "module": "tests.endings.actions", "func": "absent"})
    ended = assert_ended(place, run(place, script(module, func, activity(lasts="200ms"))), 1)
    assert not target.requests("PUT", "/state/module")
    assert not target.requests("PUT", "/state/func")
    assert "nothing was touched" in ended.faults["module"].error
    assert "nothing was touched" in ended.faults["func"].error
    assert_undone(target, ["broken"])


@pytest.mark.parametrize("undo", [{"ref": "elsewhere"}, {"type": "htp", "url": "${lab}"}, {"type": "http"}], ids=str)
def test_an_undo_that_says_nothing_is_invalid_before_the_start(
    place: Place, target: Target, undo: dict[str, Any]
) -> None:
    place.write("scenario.yaml", script(activity(undo=undo)))
    refused = place.call(*RUN)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "scenario.yaml:" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not target.lines()
    assert not place.store.exists()


# --- time limits ---------------------------------------------------------------------------------------------------


def test_every_kind_of_activity_has_a_time_limit(place: Place, target: Target) -> None:
    """There: ignored on a python action; HTTP has none by itself; a shell and its grandchild live on."""
    sleeping = activity("python", activity={**action("block", seconds=300), "timeout": 1})
    process = activity("process", activity=shell("sleep 301 & setsid sleep 302 & sleep 303", timeout=1))
    http = activity("http", activity={"type": "http", "url": "${lab}/slow"})
    began = time.monotonic()
    ended = assert_ended(place, run(place, script(sleeping, process, http)), 1)
    assert time.monotonic() - began < 60
    place.gone()
    assert all(fault.error and fault.stage == "recovered" for fault in ended.faults.values())
    assert_undone(target, ended.faults)


def test_a_process_that_ran_out_of_time_is_dead_with_its_grandchildren_while_the_run_goes_on(
    place: Place, target: Target
) -> None:
    process = activity("process", activity=shell("sleep 301 & setsid sleep 302 & sleep 303", timeout=1))
    place.write("scenario.yaml", script(process, activity(lasts="60s")))
    running = place.start(*RUN)
    wait_for(lambda: len(place.pids("sleep 30")) >= 3, 20, "the whole family")
    place.wait_until("undone", lambda x: x.faults["process"].stage == "recovered")
    wait_for(lambda: not place.pids("sleep 30"), 5, "the family is gone")
    state = place.exercise()
    assert state.phase == "running"
    assert state.faults["broken"].live
    running.send_signal(signal.SIGTERM)
    assert_ended(place, running.wait(60), 3)
    assert_undone(target, ("process", "broken"))


def test_ctrl_c_before_anything_is_injected_leaves_nothing_to_undo(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity(at="1h"), limits={"duration": "2h"}))
    process = place.start(*RUN)
    place.wait_until("running", lambda x: x.timeline_started)
    process.send_signal(signal.SIGINT)
    ended = assert_ended(place, process.wait(60), 3)
    assert not ended.faults
    assert "fault_armed" not in kinds(place.records())
    assert {line["path"] for line in target.lines()} == {"/metrics"}
    place.gone()


def _signal(pid: int | None, number: signal.Signals) -> None:
    assert pid is not None
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it had just ended by itself
