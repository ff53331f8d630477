"""Whole exercises: a real engine loop, journal, link and guardian; only the probes are the test's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gameday.engine import decide, fault_life
from gameday.engine.asking import Alerts
from gameday.engine.inbox import Asked
from gameday.engine.journal import Journal
from gameday.engine.ports import Answer
from gameday.exercise import events as ev
from gameday.exercise.fold import fold

from .stage import Stage


def test_an_exercise_from_its_beginning_to_its_end(stage: Stage) -> None:
    assert asyncio.run(stage.run(stage.script({}, {"at": "100ms"}))) == 0
    assert stage.rig.process.wait(10) == 0
    assert sorted(stage.rig.ledger()) == ["inject f0", "inject f1", "undo f0", "undo f1", "undone f0", "undone f1"]
    assert isinstance(stage.events()[-1], ev.ExerciseEnded)
    assert len(stage.of(ev.FaultRecovered)) == 2


def expecting(stage: Stage, answers: Callable[[], Alerts]) -> ev.ExpectationJudged:
    """A fault over which A is expected, where Alertmanager answers so; how that was judged."""

    async def ask() -> Alerts:
        return answers()

    stage.alerts = ask
    asyncio.run(stage.run(stage.script({"for": "100ms"}, expect=[{"alert": "A", "within": "400ms"}])))
    (judged,) = stage.of(ev.ExpectationJudged)
    return judged  # type: ignore[no-any-return]


def effective_in(stage: Stage) -> bool:
    return any(fault.effective is not None for fault in stage.conductor.exercise.faults.values())


def test_an_alert_that_fires_when_the_fault_is_over_still_comes_in_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gameday.engine.asking.POLL", 0.02)

    def answers() -> Alerts:
        over = any(fault.stage == "recovered" for fault in stage.conductor.exercise.faults.values())
        return Alerts({"A": ("", None)} if over else {})

    judged = expecting(stage, answers)
    assert judged.state == "met", judged
    assert stage.of(ev.ExerciseEnded)[0].verdict == "completed"


@pytest.mark.parametrize("answered_once", [False, True])
def test_an_alert_is_not_called_missed_where_the_alerts_can_not_be_read(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, answered_once: bool
) -> None:
    monkeypatch.setattr("gameday.engine.asking.POLL", 0.02)
    judged = expecting(
        stage,
        lambda: Alerts() if answered_once and not effective_in(stage) else Alerts(trouble="unreachable: refused"),
    )
    assert (judged.state, judged.detail) == ("not_observed", "the alerts could not be read: unreachable: refused")
    end = stage.of(ev.ExerciseEnded)[0]
    assert (end.verdict, end.exit_code) == ("failed", 1)
    assert end.reason.startswith("alert A was not observed: the alerts could not be read")
    assert [w.text for w in stage.of(ev.Warned)] == ["alerts can't be read: unreachable: refused"]


@pytest.mark.parametrize("since", [0.0, None])
def test_an_alert_that_fired_before_anything_was_injected_tells_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, since: float | None
) -> None:
    """Nor where Alertmanager answers only when a fault is there, and says since when."""
    monkeypatch.setattr("gameday.engine.asking.POLL", 0.02)

    def answers() -> Alerts:
        if since is not None and not effective_in(stage):
            return Alerts(trouble="unreachable: refused")
        return Alerts({"A": ("", since)})

    judged = expecting(stage, answers)
    assert judged.state == "not_observed", judged
    assert judged.detail == "it was firing before anything was injected, and did not cease"
    assert stage.of(ev.AlertSeen) == []


def test_a_breach_undoes_and_ends_it(stage: Stage) -> None:
    async def meanwhile() -> None:
        await stage.effective()
        stage.probes.value = 0.9

    assert asyncio.run(stage.run(stage.script({"for": "1h"}), meanwhile)) == 3
    stage.rig.assert_nothing_after_the_last_undo("f0")
    [abort] = stage.of(ev.AbortBegan)
    assert abort.condition == "c" and "0.9" in abort.reason
    assert stage.rig.process.wait(10) == 3


def test_that_somebody_took_a_fault_away_is_told_and_that_it_is_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what can't be asked meanwhile nothing is said, and it is undone in its time all the same."""
    monkeypatch.setattr(fault_life, "STANDING", 0.05)
    monkeypatch.setattr(fault_life, "_SURE", 0.02)
    world = stage.rig.world

    def looks() -> int:
        return sum(line == "looked f0" for line in stage.rig.ledger())

    async def looked() -> None:
        seen = looks()
        await stage.until(lambda: looks() >= seen + 3)

    async def meanwhile() -> None:
        await stage.effective()
        await looked()
        (world / "unreachable").touch()
        (world / "f0").unlink()
        await asyncio.sleep(0.3)
        assert stage.of(ev.FaultFaded) == []
        (world / "unreachable").unlink()
        await stage.until(lambda: stage.conductor.exercise.faults["f0"].faded)
        await looked()
        (world / "f0").touch()
        await stage.until(lambda: stage.conductor.exercise.faults["f0"].faded is None)
        (world / "f0").unlink()
        await stage.until(lambda: stage.conductor.exercise.faults["f0"].faded)
        stage.probes.value = 0.9

    assert asyncio.run(stage.run(stage.script({"for": "1h", "with": {"standing": "stands"}}), meanwhile)) == 3
    told = [event for event in stage.events() if isinstance(event, ev.FaultFaded | ev.FaultStandsAgain)]
    faded, again = ev.FaultFaded("f0", "looked"), ev.FaultStandsAgain("f0", "looked")
    assert told == [faded, again, faded], "each change once"
    assert stage.of(ev.UndoSent) and stage.of(ev.FaultRecovered)


def test_what_was_set_once_more_after_a_fault_had_gone_is_said_to_be_undone_with_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody scaled back what a fault had scaled to nothing, and later to nothing themselves: nobody can tell."""
    monkeypatch.setattr(fault_life, "STANDING", 0.05)
    monkeypatch.setattr(fault_life, "_SURE", 0.02)
    thing = stage.rig.world / "f0"

    async def meanwhile() -> None:
        await stage.effective()
        thing.unlink()
        await stage.until(lambda: stage.conductor.exercise.faults["f0"].faded)
        thing.touch()
        await stage.until(lambda: stage.of(ev.FaultStandsAgain))
        stage.probes.value = 0.9

    assert asyncio.run(stage.run(stage.script({"for": "1h", "with": {"standing": "stands"}}), meanwhile)) == 3
    (recovered,) = stage.of(ev.FaultRecovered)
    assert recovered.evidence.endswith("stood again: if somebody wanted it so, that was undone with it")


def test_of_a_fault_that_stands_in_part_that_is_told_and_it_counts_as_standing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault_life, "STANDING", 0.05)
    monkeypatch.setattr(fault_life, "_SURE", 0.02)
    part = stage.rig.world / "f0 in part"

    def says(text: str) -> None:
        """At once: nobody is to read half of it."""
        (whole := part.with_suffix(".new")).write_text(text)
        whole.rename(part)

    async def looked(times: int = 3) -> None:
        seen = stage.rig.ledger().count("looked f0")
        await stage.until(lambda: stage.rig.ledger().count("looked f0") >= seen + times)

    async def meanwhile() -> None:
        await stage.effective()
        says("1 of 3 is gone")
        await stage.until(lambda: stage.of(ev.Warned))
        await looked()
        assert stage.conductor.exercise.faults["f0"].faded is None
        says("2 of 3 are gone")
        await stage.until(lambda: len(stage.of(ev.Warned)) == 2)
        part.unlink()
        await stage.until(lambda: stage.of(ev.FaultStandsAgain))
        says("1 of 3 is gone")
        await stage.until(lambda: len(stage.of(ev.Warned)) == 3)
        await looked()
        stage.probes.value = 0.9

    assert asyncio.run(stage.run(stage.script({"for": "1h", "with": {"standing": "stands"}}), meanwhile)) == 3
    told = [event for event in stage.events() if isinstance(event, ev.FaultFaded | ev.FaultStandsAgain | ev.Warned)]
    one, two = ev.Warned("f0: 1 of 3 is gone"), ev.Warned("f0: 2 of 3 are gone")
    assert told == [one, two, ev.FaultStandsAgain("f0", "looked"), one], "each change once"


def test_a_plan_that_can_not_be_read_ends_the_exercise_and_nobody_waits_for_its_fault(stage: Stage) -> None:
    assert asyncio.run(stage.run(stage.script({"for": "1h"}, {"with": {"garbage": True}, "at": "1s"}))) == 3
    [abort] = stage.of(ev.AbortBegan)
    assert "internal error" in abort.reason
    [refused] = stage.of(ev.FaultRefused)
    assert refused.entry == "f1" and "internal error: KeyError" in refused.error
    assert stage.rig.disturbed() == set(), "the other fault, if it had begun by then, is undone"
    assert stage.rig.process.wait(10) == 3


def test_what_is_asked_in_the_last_moment_is_heard(stage: Stage) -> None:
    asked = [Asked(1, {"ask": "takenote", "text": "it was the pool"}, "console", "ada", time.time())]
    took: list[str] = []

    def take() -> Sequence[Asked]:
        # Nothing is found before the abort: the last look, just before the end, is the one that counts.
        took.append(stage.conductor.exercise.phase)
        return [asked.pop()] if asked and took[-1] == "aborting" else []

    async def meanwhile() -> None:
        await stage.effective()
        await stage.until(lambda: took)
        stage.probes.value = 0.9

    stage.requests.take = take  # type: ignore[method-assign]
    assert asyncio.run(stage.run(stage.script({"for": "1h"}), meanwhile)) == 3
    assert stage.of(ev.NoteTaken) == [ev.NoteTaken("it was the pool")]
    assert isinstance(stage.events()[-1], ev.ExerciseEnded)
    assert stage.requests.answers[0]["ok"]


def test_a_stamp_is_moved_whole_or_not_at_all(stage: Stage) -> None:
    async def meanwhile() -> None:
        await stage.effective()
        # What is stamped is to go back by so much and still be of this exercise.
        await stage.until(lambda: stage.conductor.journal.now() > 0.1)
        stage.conductor.append(ev.MilestoneReached("detected", note="dashboard"), source="console")
        (late,) = stage.conductor.exercise.stamps
        asked = ({"stamp": late.seq, "by": 60.0}, {"stamp": late.seq, "by": 0.05}, {"stamp": late.seq + 99, "by": 1})
        for row, request in enumerate(asked):
            stage.requests.asked.append(Asked(row, {"ask": "move", **request}, "console", "ada", time.time()))
        await stage.until(lambda: len(stage.requests.answers) == 3)
        too_far, moved, refused = stage.requests.answers
        assert not too_far["ok"]
        assert "s old then: the stamp stays; gameday mark detected --ago 1s says another time" in too_far["error"]
        (stamp,) = stage.conductor.exercise.stamps
        assert stamp.seq == moved["seq"] and stamp.note == "dashboard"
        assert late.at.clock - stamp.at.clock == pytest.approx(0.05)
        assert late.at.wall - stamp.at.wall == pytest.approx(0.05, abs=1e-3)
        assert refused == {"ok": False, "error": f"there is no stamp {late.seq + 99} to move"}

    asyncio.run(stage.run(stage.script({"for": "1s"}), meanwhile))
    kinds = [type(event) for event in stage.events()]
    second = [n for n, kind in enumerate(kinds) if kind is ev.MilestoneReached][1]
    assert kinds[second + 1] is ev.MilestoneWithdrawn, "never a moment without a stamp"


def test_a_fault_that_is_refused_fails_it(stage: Stage) -> None:
    assert asyncio.run(stage.run(stage.script({"with": {"refuse": True}}))) == 1
    assert stage.rig.ledger() == []


def test_a_leak_is_loud(stage: Stage) -> None:
    script = stage.script({"with": {"undo": "undo_nothing"}}, limits={"recovery": "1s"})
    assert asyncio.run(stage.run(script)) == 4
    assert stage.of(ev.FaultLeaked)[0].commands == ["rm f0"]
    assert stage.rig.process.wait(10) == 4


# --- closing while a fault is coming up ------------------------------------------------------------------------------


def _stage_of(stage: Stage) -> str:
    fault = stage.conductor.exercise.faults.get("f0")
    return fault.stage if fault is not None else ""


def test_a_fault_that_is_being_planned_when_it_is_closed_is_never_armed(stage: Stage) -> None:
    async def meanwhile() -> None:
        await stage.until(lambda: _stage_of(stage) == "planned")
        stage.conductor.append(ev.CloseRequested())

    assert asyncio.run(stage.run(stage.script({"for": "1h", "with": {"planning": 0.3}}), meanwhile)) == 0
    assert "closed" in stage.of(ev.FaultRefused)[0].error and stage.of(ev.FaultArmed) == []
    assert stage.rig.ledger() == []


UNDO_NOW = {"ask": "undonow", "entry": "f0"}


@pytest.mark.parametrize("by", ["close", "undo now", "close, not decided on yet", "abort"])
def test_a_fault_that_is_called_off_while_it_is_written_down_is_never_injected(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    write = Journal.durable

    async def slowly(journal: Journal, seq: int) -> bool:
        written = await write(journal, seq)
        if by == "undo now":
            stage.requests.asked.append(Asked(1, UNDO_NOW, "console", "ada", time.time()))
        elif by == "abort":
            stage.conductor.abort("enough", by="ada")
        else:
            stage.conductor.append(ev.CloseRequested())
        if by in ("close", "undo now"):
            await stage.until(lambda: _stage_of(stage) == "undoing")
        return written

    monkeypatch.setattr(Journal, "durable", slowly)
    assert asyncio.run(stage.run(stage.script({"for": "1h"}))) == (3 if by == "abort" else 0)
    assert stage.of(ev.FaultRecovered) == [ev.FaultRecovered("f0", "nothing was injected")]
    assert stage.of(ev.FaultInjecting) == [] and stage.rig.ledger() == []


@pytest.mark.parametrize("by", ["close", "undo now"])
def test_a_fault_that_is_called_off_while_it_is_armed_is_never_injected(stage: Stage, by: str) -> None:
    async def meanwhile() -> None:
        await stage.until(lambda: "preparing f0" in stage.rig.ledger())
        if by == "undo now":
            stage.requests.asked.append(Asked(1, UNDO_NOW, "console", "ada", time.time()))
        else:
            stage.conductor.append(ev.CloseRequested())

    script = stage.script({"for": "1h", "with": {"undo": "undo_prepared_slowly"}})
    assert asyncio.run(stage.run(script, meanwhile)) == 0
    [recovered] = stage.of(ev.FaultRecovered)
    assert recovered.evidence.startswith("nothing was injected")
    assert stage.of(ev.FaultInjecting) == [] and "inject f0" not in stage.rig.ledger()


# --- a fault's time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["inject_asleep", "inject_stubbornly"])
def test_an_injection_that_does_not_return_stands_no_longer_than_its_time_and_the_window(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(decide, "EFFECTIVE_WINDOW", 0.3)
    assert asyncio.run(stage.run(stage.script({"with": {"inject": how}}))) == 1
    stage.rig.assert_nothing_after_the_last_undo("f0")
    assert stage.of(ev.FaultFailed) == [ev.FaultFailed("f0", decide.UNSEEN)]
    assert stage.of(ev.FaultEffective) == [] and len(stage.of(ev.FaultRecovered)) == 1
    fault = fold(stage.records()).faults["f0"]
    assert fault.injecting is not None and fault.undo_sent is not None
    assert 0.5 < fault.undo_sent.clock - fault.injecting.clock < 5.0


# --- what breaks inside --------------------------------------------------------------------------------------------


def test_a_probe_that_raises_aborts(stage: Stage) -> None:
    async def broken() -> Answer:
        raise RuntimeError("a bug")

    async def meanwhile() -> None:
        await stage.effective()
        stage.probes.instead = broken

    assert asyncio.run(stage.run(stage.script({"for": "1h"}), meanwhile)) == 3
    assert "a bug" in stage.of(ev.AbortBegan)[0].reason
    stage.rig.assert_nothing_after_the_last_undo("f0")


def test_an_error_over_a_message_of_the_guardians_aborts(stage: Stage) -> None:
    """The loop would log it and go on, deaf to what else the guardian said."""

    def on_fact(fact: dict[str, Any]) -> None:
        if fact.get("fact") == "injecting":
            stage.on_fact = None
            raise RuntimeError("a bug")

    stage.on_fact = on_fact
    assert asyncio.run(stage.run(stage.script({"for": "1h"}))) == 3
    assert "a bug" in stage.of(ev.AbortBegan)[0].reason
    stage.rig.assert_nothing_after_the_last_undo("f0")


def test_an_error_in_a_callback_of_the_loops_aborts(stage: Stage) -> None:
    async def meanwhile() -> None:
        await stage.effective()
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)

    assert asyncio.run(stage.run(stage.script({"for": "1h"}), meanwhile)) == 3
    assert "ZeroDivisionError" in stage.of(ev.AbortBegan)[0].reason
    stage.rig.assert_nothing_after_the_last_undo("f0")
