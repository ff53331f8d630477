"""Calls that go on: injections that strike again until they are undone, and what runs beside an exercise."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from gameday.engine import fault_life
from gameday.engine.following import Confirmed, Follower
from gameday.engine.ports import Call
from gameday.engine.processes import alive, boot_clock
from gameday.exercise import events as ev
from gameday.exercise.strikes import unsure

from .rig import Rig, call, wait_until
from .stage import Stage

# --- injections ----------------------------------------------------------------------------------------------------


def strikes(rig: Rig, entry: str) -> int:
    return sum(line == f"inject {entry}" for line in rig.ledger())


def test_an_injection_that_goes_on_is_answered_at_its_first_strike_and_stopped_by_the_undo(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    ident = rig.inject("a", "inject_again")
    assert rig.answer(ident)["output"] == {"evidence": "strike 1"}
    assert rig.fact("again", "a")["output"] == {"evidence": "strike 2"}
    wait_until(lambda: strikes(rig, "a") >= 4, "more strikes")
    rig.send(do="undo", entries=["a"], reason="its time is over")
    assert rig.fact("recovered", "a")
    rig.assert_nothing_after_the_last_undo("a")
    assert rig.disturbed() == set()
    assert sum(m.get("answer") == ident for m in rig.heard) == 1
    assert "inject_failed" not in rig.facts("a"), "that it was stopped is no failure"
    rig.send(do="settled", entry="a")
    assert rig.end(0) == 0


def test_its_timeout_bounds_the_first_strike_alone(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    assert rig.answer(rig.inject("a", "inject_again", timeout=0.5, every=0.2))["ok"]
    wait_until(lambda: strikes(rig, "a") >= 5, "strikes after its timeout")
    rig.send(do="undo_all", reason="abort")
    assert rig.fact("recovered", "a")
    assert rig.end(3) == 3


def test_a_strike_that_fails_later_is_told(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    assert rig.answer(rig.inject("a", "inject_again", fails=3))["ok"]
    assert rig.fact("inject_failed", "a")["error"] == "it can't go on"
    rig.send(do="undo", entries=["a"], reason="it failed")
    assert rig.fact("recovered", "a")
    assert rig.end(3) == 3


def test_a_first_strike_that_fails_is_a_failed_injection(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    answer = rig.answer(rig.inject("a", "inject_again", fails=1))
    assert not answer["ok"] and answer["error"] == "it can't go on"
    rig.send(do="undo", entries=["a"], reason="it failed")
    assert rig.fact("recovered", "a")
    assert "inject_failed" not in rig.facts("a")
    assert rig.end(3) == 3


def test_when_the_guardian_is_killed_the_strikes_end_before_the_undo(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    assert rig.answer(rig.inject("a", "inject_again", every=0.005))["ok"]
    wait_until(lambda: strikes(rig, "a") >= 3, "some strikes")
    rig.process.send_signal(signal.SIGKILL)
    wait_until(lambda: rig.disturbed() == set() and rig.ledger()[-1] == "undone a", "the undo worker's own undo")
    rig.assert_nothing_after_the_last_undo("a")


# --- strikes that are announced --------------------------------------------------------------------------------------


KNOWING: dict[str, Any] = {"verify": "gone_knowing", "verify_args": {"struck": []}}


def test_what_is_announced_waits_until_it_is_let_and_is_told_before_it_is_done(rig: Rig) -> None:
    assert rig.arm("a", **KNOWING)["ok"]
    assert rig.answer(rig.inject("a", "strike_again"))["ok"]
    told = rig.fact("striking", "a")
    assert (told["targets"], told["objects"]) == (["thing 2"], [{"name": "thing-2"}])
    time.sleep(0.3)
    assert strikes(rig, "a") == 1, "nobody has it in the journal yet"
    rig.send(do="strike", entry="a")
    assert rig.fact("again", "a")["output"] == {"evidence": "strike 2"}
    assert strikes(rig, "a") == 2
    rig.send(do="undo", entries=["a"], reason="its time is over")
    assert rig.fact("recovered", "a")["evidence"].endswith("may have been struck: []")
    rig.send(do="settled", entry="a")
    assert rig.end(0) == 0
    last = [m["output"]["evidence"] for m in rig.heard if m.get("fact") == "again"][-1]
    assert last in ("strike 2", "called off: thing 3")


def test_a_strike_that_was_stopped_halfway_may_have_struck_and_the_verification_knows_what(rig: Rig) -> None:
    assert rig.arm("a", **KNOWING)["ok"]
    assert rig.answer(rig.inject("a", "strike_again", lasts=60.0))["ok"]
    rig.fact("striking", "a")
    rig.send(do="strike", entry="a")
    wait_until(lambda: strikes(rig, "a") == 2, "the second strike")
    rig.send(do="undo", entries=["a"], reason="its time is over")
    assert rig.fact("again", "a")["output"] == {"evidence": "may have struck: thing 2"}
    assert rig.fact("recovered", "a")["evidence"].endswith("may have been struck: ['thing-2']")
    rig.assert_nothing_after_the_last_undo("a")
    rig.send(do="settled", entry="a")
    assert rig.end(0) == 0


def test_a_strike_that_was_never_let_was_called_off(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    assert rig.answer(rig.inject("a", "strike_again"))["ok"]
    rig.fact("striking", "a")
    rig.send(do="undo", entries=["a"], reason="its time is over")
    assert rig.fact("again", "a")["output"] == {"evidence": "called off: thing 2"}
    assert rig.fact("recovered", "a")
    assert strikes(rig, "a") == 1
    rig.send(do="settled", entry="a")
    assert rig.end(0) == 0


def test_the_journal_has_each_strike_before_it_is_begun(stage: Stage) -> None:
    """Also the last one: its worker is killed in the midst of it, and what it may have struck is known."""
    begun: list[str] = []

    def strikes_so_far(fact: dict[str, Any]) -> None:
        if fact.get("fact") == "again":
            begun.append(fact["output"]["evidence"])

    stage.on_fact = strikes_so_far
    script = stage.script({"for": "600ms", "with": {"inject": "strike_slowly"}})
    assert asyncio.run(stage.run(script)) == 0
    events = stage.events()
    announced = [event.targets[0] for event in stage.of(ev.FaultStriking)]
    struck = stage.rig.ledger().count("inject f0")
    assert len(announced) >= struck - 1 >= 1, "the first is told by the plan"
    for number, event in enumerate(events):
        if isinstance(event, ev.FaultRepeated):
            assert any(isinstance(before, ev.FaultStriking) for before in events[:number])
    fault = stage.conductor.exercise.faults["f0"]
    assert fault.strikes + len(unsure(fault)) == struck
    assert not fault.striking


# --- beside an exercise --------------------------------------------------------------------------------------------


def watching(world: Path) -> list[int]:
    lines = (world / "ledger").read_text().splitlines()
    return [int(line.split()[-1]) for line in lines if " watching " in line]


def test_a_call_that_goes_on_is_heard_until_it_is_stopped(rig: Rig) -> None:
    ident = rig.begin(do="run", call=call("watch", 5.0, world=str(rig.world), says=[{"warn": "x"}]), poll=None)
    assert rig.hear(lambda m: m.get("item") == ident, "an item")["output"] == {"warn": "x"}
    (pid,) = watching(rig.world)
    rig.send(do="stop", id=ident)
    assert not rig.answer(ident)["ok"]
    wait_until(lambda: not alive(pid, None), "the watcher to be gone")
    assert rig.end(0) == 0


def follower(rig: Rig, *says: dict[str, Any], ends: bool = False) -> Follower:
    return Follower("watcher", Call("calls:watch", {"world": str(rig.world), "says": list(says), "ends": ends}, 5.0))


OBSERVED = {"what": "restart", "thing": "pod shop/web-1", "text": "restarted", "at": 5.0}


def test_of_what_runs_beside_it_everything_is_journaled(stage: Stage) -> None:
    stage.followers = [follower(stage.rig, {"observed": OBSERVED}, {"warn": "almost blind"}, {})]
    assert asyncio.run(stage.run(stage.script({}))) == 0
    events = stage.events()
    assert ev.TargetObserved(**OBSERVED) in events  # type: ignore[arg-type]
    assert ev.Warned("watcher: almost blind") in events
    (pid,) = watching(stage.rig.world)
    wait_until(lambda: not alive(pid, None), "the watcher to be stopped with the exercise")


def test_it_may_abort(stage: Stage) -> None:
    stage.followers = [follower(stage.rig, {"abort": "the claim is lost"})]
    assert asyncio.run(stage.run(stage.script({"for": "30s"}))) == 3
    abort = next(event for event in stage.events() if isinstance(event, ev.AbortBegan))
    assert (abort.reason, abort.by) == ("the claim is lost", "watcher")


def test_that_it_ended_after_it_had_everything_undone_is_no_news(stage: Stage) -> None:
    stage.followers = [follower(stage.rig, {"abort": "the claim is lost"}, ends=True)]
    assert asyncio.run(stage.run(stage.script({"for": "30s"}))) == 3
    assert not [event for event in stage.events() if isinstance(event, ev.Warned)]


def test_one_that_ends_is_started_again_and_that_is_said_once(stage: Stage) -> None:
    stage.followers = [follower(stage.rig, ends=True)]

    async def meanwhile() -> None:
        while len(watching(stage.rig.world)) < 3:
            await asyncio.sleep(0.02)

    assert asyncio.run(stage.run(stage.script({"for": "4s"}), meanwhile)) == 0
    said = [event for event in stage.events() if isinstance(event, ev.Warned)]
    assert said == [ev.Warned("watcher: it ended; trying again")]


def test_one_that_is_killed_is_started_again(stage: Stage) -> None:
    stage.followers = [follower(stage.rig, {})]

    async def meanwhile() -> None:
        while not (pids := watching(stage.rig.world)):
            await asyncio.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)
        while len(watching(stage.rig.world)) < 2:
            await asyncio.sleep(0.02)

    assert asyncio.run(stage.run(stage.script({"for": "3s"}), meanwhile)) == 0


def test_one_that_is_started_again_does_not_tell_again_how_things_stand(stage: Stage) -> None:
    whole = {"what": "whole", "thing": "deployment shop/web", "text": "whole, 3 of 3 pods ready", "at": None}
    recent = {"what": "recent", "thing": "deployment shop/web", "text": "rolled out 3 min ago: revision 2", "at": 5.0}
    says = [{"observed": whole, "standing": True}, {"observed": recent, "standing": True}, {"observed": OBSERVED}]
    stage.followers = [follower(stage.rig, *says, ends=True)]

    async def meanwhile() -> None:
        while len(watching(stage.rig.world)) < 3:
            await asyncio.sleep(0.02)

    assert asyncio.run(stage.run(stage.script({"for": "4s"}), meanwhile)) == 0
    seen = [event for event in stage.events() if isinstance(event, ev.TargetObserved)]
    assert sum(event.what == "restart" for event in seen) >= 2, "what is no standing is told each time"
    assert [event.what for event in seen if event.what != "restart"] == ["whole", "recent"]


def test_the_end_waits_a_moment_to_hear_that_a_workload_is_whole_again(stage: Stage) -> None:
    says = [
        {"observed": {"what": what, "thing": "deployment shop/web", "text": "", "at": None}}
        for what in ("not_whole", "whole")
    ]
    args = {"world": str(stage.rig.world), "name": "f0", "delay": 0.4, "says": says}
    stage.followers = [Follower("watcher", Call("calls:watch_late", args, 5.0))]
    assert asyncio.run(stage.run(stage.script({}))) == 0
    assert [event.what for event in stage.events() if isinstance(event, ev.TargetObserved)] == ["not_whole", "whole"]


def test_the_end_waits_a_little_longer_to_hear_from_a_target_that_was_away(stage: Stage) -> None:
    """Its undo went through, so it is there again; who watches it asks only every now and then."""
    back = {"what": "event", "thing": "the API server", "text": "heard again after 9.1 s", "at": None}
    says = [{"warn": "nothing is heard", "hears": False}, {"observed": back, "hears": True}]
    args = {"world": str(stage.rig.world), "name": "f0", "delay": 1.5, "says": says}
    stage.followers = [Follower("watcher", Call("calls:watch_late", args, 5.0))]
    assert asyncio.run(stage.run(stage.script({}))) == 0
    assert ev.TargetObserved(**back) in stage.events()  # type: ignore[arg-type]


# --- whose the target is -------------------------------------------------------------------------------------------


def confirming(stage: Stage, delay: float, lasts: float = 60.0) -> None:
    args = {"world": str(stage.rig.world), "delay": delay}
    stage.followers = [Follower("claim", Call("calls:confirm_late", args, 5.0), confirms=lasts)]


def test_nothing_is_injected_before_the_target_is_known_to_be_ours(stage: Stage) -> None:
    """On waking up from a long sleep: another exercise may have had it for an hour."""
    confirming(stage, 2.0)
    seen: list[list[str]] = []

    async def meanwhile() -> None:
        await stage.until(lambda: any(f.stage == "armed" for f in stage.conductor.exercise.faults.values()))
        await asyncio.sleep(0.5)
        seen.append(stage.rig.ledger())

    assert asyncio.run(stage.run(stage.script({}), meanwhile)) == 0
    assert seen == [[]], "it waits"
    assert stage.rig.ledger() == ["inject f0", "undo f0", "undone f0"]
    assert [event.text for event in stage.of(ev.Warned)] == [
        "f0 waits until the target is ours for certain: claim: not confirmed so far"
    ]


def test_an_abort_does_not_wait_for_that(stage: Stage) -> None:
    confirming(stage, 1e9)

    async def meanwhile() -> None:
        await stage.until(lambda: any(f.stage == "armed" for f in stage.conductor.exercise.faults.values()))
        stage.probes.value = 0.9

    assert asyncio.run(stage.run(stage.script({"for": "1h"}), meanwhile)) == 3
    assert "inject f0" not in stage.rig.ledger()
    assert stage.of(ev.FaultRecovered)


def test_one_that_is_never_confirmed_is_given_up_untouched(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fault_life, "CONFIRMING", 0.5)
    confirming(stage, 1e9)
    assert asyncio.run(stage.run(stage.script({}))) != 0
    assert stage.rig.ledger() == []
    [failed] = stage.of(ev.FaultFailed)
    assert failed.error == "the target was not confirmed to be ours (claim: not confirmed so far)"
    assert [event.evidence for event in stage.of(ev.FaultRecovered)] == ["nothing was injected"]


def test_an_injection_that_the_machine_slept_through_does_not_begin(rig: Rig) -> None:
    assert rig.arm("a")["ok"]
    late = rig.ask(
        do="inject", entry="a", call=call("inject", world=str(rig.world), name="a"), not_after=boot_clock() - 0.1
    )
    assert not late["ok"] and "it began too late" in late["error"]
    assert rig.ledger() == []
    rig.send(do="undo", entries=["a"], reason="it failed")
    assert rig.fact("recovered", "a")
    assert rig.end(3) == 3


def test_confirmations_run_out_by_the_clock_that_counts_in_sleep() -> None:
    both = [Follower("claim", Call("x:y"), confirms=60.0), Follower("other", Call("x:y"))]
    confirmed = Confirmed(both)
    assert confirmed.until() == 0.0 and Confirmed(both[1:]).until() == float("inf")
    now = boot_clock()
    confirmed.said("claim", now - 61)
    confirmed.said("other", now)
    assert confirmed.until() < now and confirmed.words() == "claim: last confirmed 61 s ago"
    confirmed.said("claim", now)
    assert confirmed.until() == now + 60
