"""Whole exercises: a real engine loop, journal, link and guardian; only the probes are the test's."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gameday.engine import decide, fault_life
from gameday.engine.asking import Alerts
from gameday.engine.conductor import Conductor, Ports
from gameday.engine.following import Follower
from gameday.engine.inbox import Asked
from gameday.engine.journal import Journal
from gameday.engine.link import Link
from gameday.engine.ports import Answer, Call
from gameday.engine.processes import boot_clock
from gameday.exercise import events as ev
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.store import Holder, open_store
from gameday.store.port import StoreJournal

from .rig import Rig, wait_until

BEAT = 0.8


class Probes:
    """A `Prober` that answers `value`, or does what it is told to."""

    def __init__(self) -> None:
        self.value: Any = 0
        self.instead: Callable[[], Awaitable[Answer]] | None = None

    async def ask(self, probe: Mapping[str, Any]) -> Answer:
        return Answer("value", self.value) if self.instead is None else await self.instead()

    def holds(self, tolerance: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
        return "above" in tolerance and answer["value"] > tolerance["above"]

    def explain(self, tolerance: Mapping[str, Any]) -> str:
        return str(tolerance)

    async def close(self) -> None:
        return


class Requests:
    """An inbox that holds what the test put into it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[dict[str, Any]] = []

    def take(self) -> Sequence[Asked]:
        taken, self.asked = self.asked, []
        return taken

    def answer(self, row: int, answer: dict[str, Any]) -> None:
        self.answers.append(answer)


class Stage:
    """One exercise in this process, its guardian in another."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig = rig
        self.folder = folder
        self.probes = Probes()
        self.requests = Requests()
        self.more: list[subprocess.Popen[bytes]] = []
        self.can_rescue = True
        self.followers: list[Follower] = []
        self.rescue_line = ["-m", "gameday.engine.guardian"]
        self.url = f"sqlite:///{folder / 'store.db'}"
        self.alerts: Callable[[], Awaitable[Alerts]] | None = None
        self.before: list[ev.Event] = []
        self.on_fact: Callable[[dict[str, Any]], None] | None = None
        self.conductor: Conductor

    def script(self, *faults: dict[str, Any], **more: Any) -> dict[str, Any]:
        condition = {"name": "c", "measure": "m", "above": 0.5, "every": "50ms", "no_data": "ok"}
        timeline = [
            {"id": f"f{n}", "fault": "latency", "at": "0s", "for": "300ms", **one} for n, one in enumerate(faults)
        ]
        return {"version": 1, "title": "t", "timeline": timeline, "abort_when": [condition], **more}

    async def run(self, scenario: dict[str, Any], meanwhile: Callable[[], Awaitable[None]] | None = None) -> int:
        target = {"name": "t", "kind": "none", "environment": "", "settings": {"world": str(self.rig.world)}}
        started = ev.ExerciseStarted("e", "n", "p", scenario, "h", target, False, 1, boot_clock(), "b")
        store = open_store(self.url, busy=0.2)
        first = Record(1, 1e9, 0.0, 1e9, 1, "engine", "", started)
        epoch = store.create(first, Holder.mine())
        port = StoreJournal(store, "e", epoch, [self.folder / "spill"])
        journal = Journal(
            port,
            fold([first]),
            epoch=epoch,
            boot=started.boot,
            on_trouble=lambda trouble: self.conductor.journal_trouble(trouble),
        )
        rescue = self._rescue if self.can_rescue else None
        ports = Ports(self.probes, self.requests, self.alerts, followers=self.followers, rescue=rescue)
        self.conductor = Conductor(journal, self._link(self.rig.link), ports, heartbeat=BEAT)
        for event in self.before:
            self.conductor.append(event)
        self.conductor.append(ev.EngineStarted(os.getpid(), self.rig.process.pid, "h", bool(self.before)))
        beside = asyncio.create_task(meanwhile()) if meanwhile is not None else None
        try:
            async with asyncio.timeout(40.0):
                code = await self.conductor.run()
            if beside is not None:
                await asyncio.wait_for(beside, 5.0)
            return code
        finally:
            self.conductor.link.detach()
            store.close()

    def _link(self, sock: socket.socket) -> Link:
        def on_fact(fact: dict[str, Any]) -> None:
            if self.on_fact is not None:
                self.on_fact(fact)
            self.conductor.guardian_said(fact)

        return Link(sock, on_fact=on_fact, on_lost=lambda: self.conductor.guardian_lost())

    async def _rescue(self) -> Link:
        ours, theirs = socket.socketpair()
        config = self.rig.config | {"link": theirs.fileno()}
        self.more.append(self.rig.start(self.rescue_line, config, theirs.fileno()))
        theirs.close()
        return self._link(ours)

    # --- what is so ------------------------------------------------------------------------------------------------

    def records(self) -> list[Record]:
        with open_store(self.url) as store:
            return list(store.records("e"))

    def events(self) -> list[ev.Event]:
        return [record.event for record in self.records()]

    def of(self, kind: type[ev.Event]) -> list[Any]:
        return [event for event in self.events() if isinstance(event, kind)]

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(15.0):
            while not holds():
                await asyncio.sleep(0.01)

    async def effective(self) -> None:
        await self.until(lambda: any(f.stage == "effective" for f in self.conductor.exercise.faults.values()))


@pytest.fixture
def stage(start: Callable[..., Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(fault_life, "PLANNING", Call("calls:plan", timeout=10.0))
    made = Stage(start(heartbeat=BEAT), tmp_path)
    yield made
    for process in made.more:
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


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
