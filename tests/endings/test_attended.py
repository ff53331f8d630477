"""How attended exercises end, pause and go on: the cells of the table of endings, with real processes.

A console is `gameday run --plain` (what `run` does without a terminal), or a connection that attaches to the guardian
as the console does. The machine can't be suspended here, so one clock is replaced: see `test_suspended`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from gameday.engine.control import Control, socket_path
from gameday.exercise.events import InjectDelivered
from gameday.exercise.state import Exercise
from gameday.store.address import canonical
from tests.endings.judging import assert_ended, assert_undone, set_value
from tests.endings.scripts import activity, script
from tests.support.processes import wait_for
from tests.support.runs import Place, Target

RUN = ("run", "scenario.yaml", "--target", "lab", "--plain")
BEGIN = {"id": "begin", "at": "0s", "inject": "It begins."}
LATER = {"id": "later", "manual": True, "inject": "Support calls."}
LIVE = (BEGIN, activity(), LATER)
NONE = (BEGIN, LATER)


@pytest.fixture
def console(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Control]:
    """Attach to the exercise of this id, as a console does."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", place.environment["XDG_RUNTIME_DIR"])

    def attach(exercise: str) -> Control:
        line = wait_for(lambda: _reached(place, exercise), 10, "a guardian that answers")
        assert line is not None
        line.attach("a console")
        return line

    return attach


def _reached(place: Place, exercise: str) -> Control | None:
    try:
        return Control(socket_path(exercise, canonical(str(place.store))))
    except OSError:
        return None


def begun(place: Place, *timeline: dict[str, Any], **changes: Any) -> tuple[subprocess.Popen[bytes], Exercise]:
    """An attended exercise, as far as its first inject and, where it has one, the fault in effect."""
    place.write("scenario.yaml", script(*timeline, **changes))
    process = place.start(*RUN)
    fault = any("fault" in entry for entry in timeline)
    state = place.wait_until("begun", lambda x: done(x, "begin") and x.consoles and (not fault or effective(x)))
    return process, state


def effective(x: Exercise) -> bool:
    return "broken" in x.faults and x.faults["broken"].effective is not None


def done(x: Exercise, entry: str) -> bool:
    return entry in x.entries and x.entries[entry].stage == "done"


def said(place: Place, *arguments: str, code: int = 0) -> str:
    """What `gameday ARGUMENTS` says, on stdout or, where it fails, on stderr."""
    called = place.call(*arguments)
    assert called.returncode == code, f"{arguments}: {called.stdout}{called.stderr}{place.said()}"
    assert "Traceback" not in called.stderr
    return called.stderr if code else called.stdout


def kill_everything(place: Place) -> None:
    """Every process of the run; stopped first, so that nobody notices the death of another."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in place.processes():
            os.kill(pid, number)
    for process in place.started:
        process.wait(10)
    wait_for(lambda: not place.processes(), 10, "all are dead")


def clock(x: Exercise) -> float:
    """The exercise's clock at the last answer of its abort condition."""
    at = x.conditions["value"].at
    return at.clock if at is not None else 0.0


# --- the console goes ----------------------------------------------------------------------------------------------


def test_console_gone_with_a_live_fault_goes_on_until_nobody_has_come_back(
    place: Place, target: Target, console: Callable[[str], Control]
) -> None:
    process, state = begun(place, BEGIN, activity(), {"id": "soon", "at": "4s", "inject": "Soon."})
    process.kill()
    gone = place.wait_until("nobody there", lambda x: x.consoles == 0)
    back = console(state.id)
    place.wait_until("somebody there", lambda x: x.consoles == 1)
    assert gone.consoles_since is not None
    since = gone.consoles_since.clock
    waited = place.wait_until("longer than limits.unattended", lambda x: clock(x) > max(since + 2.5, 5.0))
    assert waited.faults["broken"].live, "somebody came back in time"
    assert not target.requests("DELETE", "/state/broken")
    assert done(waited, "soon"), "the script went on"
    back.close()
    alone = place.wait_until("nobody there again", lambda x: x.consoles == 0)
    place.wait_until("ended", lambda x: x.phase == "ended")
    place.gone()
    ended = assert_ended(place, 3, 3)
    assert "no console for 2 s" in ended.reason
    assert_undone(target, ["broken"])
    assert alone.consoles_since is not None
    assert target.requests("DELETE", "/state/broken")[0]["wall"] - alone.consoles_since.wall >= 1.9


def test_console_gone_with_no_live_fault_pauses_and_goes_on_when_somebody_is_back(
    place: Place, console: Callable[[str], Control]
) -> None:
    soon = {"id": "soon", "at": "5s", "inject": "Soon."}
    after = {"id": "after", "at": "5500ms", "inject": "Right after."}
    process, state = begun(place, BEGIN, soon, after, LATER)
    process.kill()
    paused = place.wait_until("paused", lambda x: x.paused)
    still = place.wait_until("past the time of the script", lambda x: clock(x) > 6.5)
    assert not done(still, "soon")
    with console(state.id):
        assert "goes on" in said(place, "continue")
        place.wait_until("the rest", lambda x: done(x, "soon") and done(x, "after"))
        assert "being closed" in said(place, "close")
        place.wait_until("ended", lambda x: x.phase == "ended")
    place.gone()
    ended = assert_ended(place, 0, 0)
    assert paused.paused is not None and "no console" in " ".join(_reasons(place, "paused"))
    soon_at, after_at = (ended.entries[name].done for name in ("soon", "after"))
    assert soon_at is not None and after_at is not None
    assert after_at.clock - soon_at.clock == pytest.approx(0.5, abs=0.4), "nothing bursts"


def test_a_lost_terminal_is_a_console_that_is_gone(place: Place, target: Target) -> None:
    process, _ = begun(place, *LIVE)
    process.send_signal(signal.SIGHUP)
    alone = place.wait_until("nobody there", lambda x: x.consoles == 0)
    place.wait_until("ended", lambda x: x.phase == "ended")
    place.gone()
    ended = assert_ended(place, 3, 3)
    assert "no console for 2 s" in ended.reason
    assert alone.consoles_since is not None
    assert target.requests("DELETE", "/state/broken")[0]["wall"] - alone.consoles_since.wall >= 1.9


# --- signals to the engine -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_engine_aborts_while_a_fault_lives(
    place: Place, target: Target, number: signal.Signals
) -> None:
    process, state = begun(place, *LIVE)
    assert state.engine_pid is not None
    os.kill(state.engine_pid, number)
    ended = assert_ended(place, process.wait(60), 3)
    assert number.name in ended.reason
    assert_undone(target, ["broken"])
    place.gone()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_engine_closes_where_no_fault_lives(place: Place, number: signal.Signals) -> None:
    process, state = begun(place, *NONE)
    assert state.engine_pid is not None
    os.kill(state.engine_pid, number)
    ended = assert_ended(place, process.wait(60), 0)
    assert ended.abort is None
    assert ended.entries["later"].stage == "skipped"
    place.gone()


# --- the engine dies -----------------------------------------------------------------------------------------------


def test_engine_killed_is_an_interruption_that_can_be_gone_on_with(place: Place, target: Target) -> None:
    second = {"id": "second", "at": "20s", "inject": "The second."}
    third = {"id": "third", "at": "20500ms", "inject": "The third."}
    process, state = begun(place, BEGIN, activity(), second, third)
    assert state.engine_pid is not None
    os.kill(state.engine_pid, signal.SIGKILL)
    assert process.wait(60) == 3, place.said()
    place.gone()
    assert_undone(target, ["broken"])
    stopped = place.exercise()
    assert stopped.phase == "interrupted"
    assert stopped.faults["broken"].stage == "recovered"
    assert "Traceback" not in place.said()
    assert [one["status"] for one in _json(place, "list")] == ["interrupted"]
    assert stopped.paused is not None
    assert stopped.timeline_started is not None
    left = stopped.timeline_started.clock + 20.0 - stopped.paused.clock

    watching = place.start("watch", "--plain", state.id)
    assert "goes on" in said(place, "continue")
    again = place.wait_until("an engine", lambda x: x.engine_pid and not x.paused)
    assert not done(again, "second")
    place.wait_until("the rest of the script", lambda x: done(x, "third"), within=60)
    assert len(target.requests("PUT", "/state/broken")) == 1, "what was undone is not injected again"
    assert "being closed" in said(place, "close")
    assert watching.wait(30) == 0, place.said()
    place.gone()
    ended = assert_ended(place, 0, 0)
    delivered = [r.event.entry for r in place.records() if isinstance(r.event, InjectDelivered)]
    assert delivered == ["begin", "second", "third"]
    second_at, third_at = (ended.entries[name].done for name in ("second", "third"))
    assert second_at is not None and third_at is not None
    assert third_at.clock - second_at.clock == pytest.approx(0.5, abs=0.4), "nothing bursts"
    continued = ended.pauses[-1][1]
    assert second_at.clock - continued == pytest.approx(left, abs=0.7), "it goes on where it was"
    assert ended.engine_losses == 1


def test_engine_killed_and_then_closed(place: Place, target: Target) -> None:
    process, state = begun(place, *LIVE)
    assert state.engine_pid is not None
    os.kill(state.engine_pid, signal.SIGKILL)
    assert process.wait(60) == 3, place.said()
    assert place.exercise().phase == "interrupted"
    assert "being closed" in said(place, "close")
    place.wait_until("ended", lambda x: x.phase == "ended")
    place.gone()
    ended = assert_ended(place, 0, 0)
    assert ended.entries["later"].stage == "skipped"
    assert_undone(target, ["broken"])


def test_everything_killed_is_recovered_and_waits_to_be_closed(place: Place, target: Target) -> None:
    begun(place, *LIVE)
    kill_everything(place)
    assert not target.requests("DELETE", "/state/broken")
    assert "NOT RECOVERED" in place.call("list").stderr
    assert "recovered" in said(place, "recover")
    assert_undone(target, ["broken"])
    assert place.exercise().phase == "interrupted"
    assert "nothing to recover" in said(place, "recover")
    assert "being closed" in said(place, "close")
    place.wait_until("ended", lambda x: x.phase == "ended")
    place.gone()
    assert_ended(place, 0, 0)


# --- asking for things ---------------------------------------------------------------------------------------------


def test_what_people_ask_for_is_done_and_stands_at_the_time_that_it_happened(place: Place) -> None:
    waiting = {"id": "waiting", "at": "9m", "inject": "Much later."}
    process, _ = begun(place, BEGIN, LATER, waiting)
    place.wait_until("a moment into it", lambda x: clock(x) > 3)
    asked = time.time()
    assert "stamped" in said(place, "mark", "detected", "--ago", "2s", "--by", "ada", "--detection", "user")
    assert "noted" in said(place, "note", "We roll back.", "--class", "decision", "--by", "ada", "--ago", "1s")
    assert "released" in said(place, "inject", "later", "--by", "ada")
    assert "skipped" in said(place, "inject", "waiting", "--skip", "--by", "ada")
    state = place.wait_until("all of it", lambda x: x.entries["waiting"].stage == "skipped" and done(x, "later"))
    (stamp,) = state.stamps
    assert (stamp.milestone, stamp.actor, stamp.detection) == ("detected", "ada", "user")
    assert -2.0 <= stamp.at.wall - asked < 8.0
    recorded = next(r for r in place.records() if r.seq == stamp.seq)
    assert recorded.recorded - stamp.at.wall >= 2.0, "told 2 s later than it happened"
    assert stamp.at.clock < clock(state)
    (note,) = state.notes
    assert (note.text, note.category, note.actor) == ("We roll back.", "decision", "ada")
    assert note.at.wall > stamp.at.wall
    said(place, "close", "--by", "ada")
    assert_ended(place, process.wait(60), 0)


def test_what_makes_no_sense_is_refused_with_the_right_word(place: Place) -> None:
    process, _ = begun(place, *NONE)
    assert "did you mean 'mitigated'" in said(place, "mark", "mitigatd", code=2)
    assert "--ago" in said(place, "mark", "resolved", "--ago", "soon", code=2)
    assert "did you mean 'later'" in said(place, "inject", "latr", code=2)
    assert "done already" in said(place, "inject", "begin", code=2)
    assert "not paused" in said(place, "continue", code=2)
    assert "Did you mean 'mark'" in said(place, "mrak", "detected", code=2)
    assert "frozen" in said(place, "pause", "--reason", "lunch")
    assert "paused already" in said(place, "pause", code=2)
    assert _json(place, "list")[0]["status"] == "paused"
    assert "goes on" in said(place, "continue", "--by", "ada")
    assert "being closed" in said(place, "close", "--by", "ada")
    ended = assert_ended(place, process.wait(60), 0)
    assert len(ended.pauses) == 1
    for late in (("mark", "resolved"), ("continue",), ("abort",)):
        assert "ended" in said(place, *late, code=2), late
    assert "nonsense" in said(place, "mark", "resolved", "--id", "nonsense", code=2)


def test_everything_killed_and_gone_on_with_much_later_bursts_nothing(place: Place, target: Target) -> None:
    """As when the machine was switched off: nobody could write anything down, and time went by."""
    second, third = ({"id": name, "at": at, "inject": name} for name, at in (("second", "6s"), ("third", "6500ms")))
    _, state = begun(place, BEGIN, activity(), second, third)
    kill_everything(place)
    last = place.records()[-1]
    wait_for(lambda: time.time() > last.wall + 7.5, 20, "the time of the script is over")
    watching = place.start("watch", "--plain", state.id)
    assert "goes on" in said(place, "continue")
    place.wait_until("the rest of the script", lambda x: done(x, "third"))
    said(place, "close")
    assert watching.wait(30) == 0, place.said()
    place.gone()
    ended = assert_ended(place, 0, 0)
    assert_undone(target, ["broken"])
    second_at, third_at = (ended.entries[name].done for name in ("second", "third"))
    assert second_at is not None and third_at is not None
    assert third_at.clock - second_at.clock == pytest.approx(0.5, abs=0.4), "nothing bursts"


def test_a_stamp_from_before_the_exercise_is_refused(place: Place) -> None:
    process, _ = begun(place, *NONE)
    assert "began" in said(place, "mark", "detected", "--ago", "2h", code=2)
    assert not place.exercise().stamps
    said(place, "close")
    assert_ended(place, process.wait(60), 0)


def test_pausing_freezes_the_script_and_never_the_safety(place: Place, target: Target) -> None:
    late = {"id": "late", "at": "8s", "inject": "Late."}
    process, _ = begun(place, BEGIN, activity(lasts="6s"), late)
    said(place, "pause")
    over = place.wait_until("undone by its own time", lambda x: x.faults["broken"].stage == "recovered")
    assert over.paused is not None
    assert over.faults["broken"].undo_reason == "its time is over"
    still = place.wait_until("past the time of the script", lambda x: clock(x) > 9)
    assert not done(still, "late")
    set_value(target, "1")
    ended = assert_ended(place, process.wait(60), 3)
    assert ended.abort is not None and ended.abort.condition == "value"
    assert not done(ended, "late")
    assert_undone(target, ["broken"])


# --- exit codes ----------------------------------------------------------------------------------------------------


def test_exit_codes_of_an_attended_exercise_that_was_closed_after_a_failure(place: Place, target: Target) -> None:
    failing = activity("failing", activity={"type": "http", "url": "${lab}/refuse/it", "method": "PUT"})
    place.write("scenario.yaml", script(BEGIN, failing))
    process = place.start(*RUN)
    place.wait_until("undone", lambda x: x.faults and x.faults["failing"].stage == "recovered")
    said(place, "close")
    assert_ended(place, process.wait(60), 1)
    assert_undone(target, ["failing"])


def test_exit_code_of_an_attended_exercise_with_a_fault_that_leaked(place: Place) -> None:
    lying = {"type": "http", "url": "${lab}/lie", "method": "DELETE"}
    place.write("scenario.yaml", script(BEGIN, activity(undo=lying, lasts="200ms"), limits={"recovery": "1s"}))
    process = place.start(*RUN)
    assert_ended(place, process.wait(60), 4)
    assert "NOT RECOVERED" in place.call("list").stderr


def test_exit_code_of_an_attended_exercise_that_somebody_aborted(place: Place, target: Target) -> None:
    process, state = begun(place, *LIVE)
    assert "broken  confirmed clear" in said(place, "abort", state.id, "--reason", "enough", "--by", "ada")
    ended = assert_ended(place, process.wait(60), 3)
    assert ended.abort is not None
    assert (ended.abort.reason, ended.abort.by) == ("enough", "ada")
    assert_undone(target, ["broken"])


PROCESS = {"type": "process", "path": "/bin/true"}


@pytest.mark.parametrize(
    ("settings", "arguments", "code", "words"),
    [
        ("", ("absent.yaml",), 2, "absent.yaml"),
        ("", ("broken.yaml",), 2, "broken.yaml:"),
        ("", ("scenario.yaml", "--target", "lbb"), 2, "'lab'"),
        ("", ("scenario.yaml", "--set", "nothing=1"), 2, "nothing"),
        ("", ("scenario.yaml", "--sett", "a=1"), 2, "--set"),
        ("", ("scenario.yaml", "--store", "mysql://here"), 2, "mysql"),
        ('environment = "production"', ("scenario.yaml",), 5, "--confirm lab"),
        ("allow_process = false", ("code.yaml",), 5, "allow_process = true"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_invalid_is_2_and_refused_is_5_and_neither_touches_anything(
    place: Place, target: Target, settings: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    place.write("scenario.yaml", script(activity()))
    place.write("broken.yaml", script(activity(), limitz={}))
    place.write("code.yaml", script(activity(activity=PROCESS)))
    if settings:
        key = settings.split(" = ")[0]
        lines = (place.folder / "gameday.toml").read_text().splitlines()
        place.write("gameday.toml", "\n".join(settings if line.startswith(key) else line for line in lines))
    more = () if "--target" in arguments else ("--target", "lab")
    assert words in said(place, "run", *arguments, *more, "--unattended", code=code)
    assert not target.lines()
    assert not place.store.exists()


def _reasons(place: Place, kind: str) -> list[str]:
    return [str(getattr(record.event, "reason", "")) for record in place.records() if record.kind == kind]


def _json(place: Place, *arguments: str) -> Any:
    import json

    return json.loads(said(place, *arguments, "--json"))


def test_what_was_brought_up_for_it_is_taken_down_by_whoever_ends_it(place: Place) -> None:
    """The engine dies, and with it the guardian: the shop is kept to go on with, until somebody closes."""
    place.extra |= {"GAMEDAY_SANDBOX": str(place.folder / "box"), "GAMEDAY_SANDBOX_RATE": "5"}
    talk = [{"id": "begin", "at": "0s", "inject": "Look at the shop."}]
    place.write("scenario.yaml", json.dumps({"version": 1, "title": "Talk", "target": "sandbox", "timeline": talk}))
    place.start("run", "scenario.yaml", "--plain")
    state = place.wait_until("begun", lambda x: done(x, "begin") and x.consoles, within=60)
    assert state.engine_pid is not None
    os.kill(state.engine_pid, signal.SIGKILL)
    place.wait_until("interrupted", lambda x: x.phase == "interrupted")
    assert (place.folder / "box" / "sandbox.json").exists()
    assert place.pids("gameday.sandbox")
    said(place, "close", "--by", "ada")
    place.wait_until("ended", lambda x: x.phase == "ended")
    wait_for(lambda: not place.pids("gameday.sandbox"), 30, "the shop is taken down", every=0.1)
    place.gone()
