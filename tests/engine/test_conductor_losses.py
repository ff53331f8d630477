"""Whole exercises whose guardian dies or freezes, whose store is locked, or that an engine takes up from another."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gameday.exercise import events as ev

from .rig import wait_until
from .stage import BEAT, Stage

# --- the guardian dies or freezes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("inject", ["inject", "inject_stubbornly"])
def test_a_guardian_that_is_gone_or_frozen_is_replaced_and_everything_undone(
    stage: Stage, number: signal.Signals, inject: str
) -> None:
    async def meanwhile() -> None:
        await stage.until(stage.rig.disturbed)
        stage.rig.process.send_signal(number)

    assert asyncio.run(stage.run(stage.script({"for": "1h", "with": {"inject": inject}}), meanwhile)) == 3
    stage.rig.assert_nothing_after_the_last_undo("f0")
    assert len(stage.of(ev.GuardianLost)) == 1 and len(stage.of(ev.FaultRecovered)) == 1
    assert [process.wait(10) for process in stage.more] == [3]
    wait_until(lambda: stage.rig.process.poll() is not None, "the first guardian to be gone")


def test_without_another_guardian_what_nobody_verified_counts_as_leaked(stage: Stage) -> None:
    async def meanwhile() -> None:
        await stage.effective()
        stage.rig.process.kill()

    stage.can_rescue = False
    assert asyncio.run(stage.run(stage.script({"for": "1h"}), meanwhile)) == 4
    [leaked] = stage.of(ev.FaultLeaked)
    assert leaked.commands == ["rm f0"] and "guardian" in leaked.error
    wait_until(lambda: stage.rig.disturbed() == set(), "its own worker to undo it")


def test_guardians_that_die_one_after_the_other_end_in_a_leak_not_in_a_loop(stage: Stage) -> None:
    async def meanwhile() -> None:
        await stage.effective()
        stage.rig.process.kill()

    stage.rescue_line = ["-c", "raise SystemExit(1)"]
    assert asyncio.run(stage.run(stage.script({"for": "1h"}), meanwhile)) == 4
    assert 1 < len(stage.more) < 10
    assert len(stage.of(ev.FaultLeaked)) == 1


def test_nothing_is_started_after_the_guardian_is_gone(stage: Stage) -> None:
    async def meanwhile() -> None:
        await stage.effective()
        stage.rig.process.kill()

    script = stage.script({"for": "1h"}, {"at": "900ms"}, {"after": {"entry": "f0"}, "at": None})
    del script["timeline"][2]["at"]
    assert asyncio.run(stage.run(script, meanwhile)) == 3
    assert not [line for line in stage.rig.ledger() if line in ("inject f1", "inject f2")]


# --- the journal at the end ----------------------------------------------------------------------------------------


def test_an_engine_that_waits_for_a_locked_store_at_the_end_is_not_taken_for_frozen(stage: Stage) -> None:
    async def meanwhile() -> None:
        await stage.until(lambda: any(f.stage == "recovered" for f in stage.conductor.exercise.faults.values()))
        locking = [sys.executable, str(Path(__file__).with_name("locking.py")), str(stage.folder / "store.db")]
        process = subprocess.Popen(locking, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        await asyncio.sleep(3 * BEAT)
        assert stage.rig.process.poll() is None
        await asyncio.to_thread(process.communicate, "\n")

    script = stage.script({})
    script["timeline"].append({"id": "later", "inject": "x", "at": "1500ms"})
    assert asyncio.run(stage.run(script, meanwhile)) == 0
    assert isinstance(stage.events()[-1], ev.ExerciseEnded)
    assert stage.rig.process.wait(10) == 0


# --- taking over ---------------------------------------------------------------------------------------------------


def test_what_an_engine_left_behind_in_the_middle_is_taken_up(stage: Stage) -> None:
    """It died while it checked the steady state, and while a fault was being planned."""
    stage.before = [ev.SteadyStateBegan("before"), ev.EngineLost("killed"), ev.Continued()]
    assert asyncio.run(stage.run(stage.script({}))) == 0


def test_a_fault_that_was_being_planned_when_the_engine_died_is_refused(stage: Stage) -> None:
    stage.before = [
        ev.SteadyStateBegan("before"),
        ev.SteadyStateJudged("before", True),
        ev.TimelineStarted(),
        ev.FaultPlanned("f0", "latency"),
        ev.EngineLost("killed"),
        ev.Continued(),
    ]
    assert asyncio.run(stage.run(stage.script({}))) == 1
    assert "engine died" in stage.of(ev.FaultRefused)[0].error
    assert stage.rig.ledger() == []


def test_a_live_fault_of_an_engine_that_died_is_undone_first(stage: Stage) -> None:
    (stage.rig.world / "f0").touch()
    from . import calls

    target = {"settings": {"world": str(stage.rig.world)}}
    plan = calls.plan("latency", target, {}, {"fault": "f0"})
    stage.before = [
        ev.SteadyStateBegan("before"),
        ev.SteadyStateJudged("before", True),
        ev.TimelineStarted(),
        ev.FaultPlanned("f0", "latency"),
        ev.FaultArmed("f0", "latency", plan, False, 3600.0),
        ev.FaultInjecting("f0", 1),
        ev.EngineLost("killed"),
        ev.AbortBegan("killed", "guardian"),
    ]
    assert asyncio.run(stage.run(stage.script({}))) == 3
    stage.rig.assert_nothing_after_the_last_undo("f0")


def test_a_fault_that_can_not_be_taken_up_any_more_leaks_loudly(stage: Stage) -> None:
    from . import calls

    plan = calls.plan("latency", {"settings": {"world": str(stage.rig.world)}}, {}, {"fault": "f0"})
    plan["undo"]["name"] = "nowhere:undo"
    stage.before = [
        ev.SteadyStateBegan("before"),
        ev.SteadyStateJudged("before", True),
        ev.TimelineStarted(),
        ev.FaultPlanned("f0", "latency"),
        ev.FaultArmed("f0", "latency", plan, False, 3600.0),
        ev.EngineLost("killed"),
    ]
    assert asyncio.run(stage.run(stage.script({}, limits={"recovery": "1s"}))) == 4
    assert stage.of(ev.FaultLeaked)[0].commands == ["rm f0"]
