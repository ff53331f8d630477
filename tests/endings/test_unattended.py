"""How unattended runs end: exit code, debrief, journal, and what the target's own ledger says."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.endings.scripts import activity, script
from tests.support.processes import wait_for
from tests.support.runs import Place, Target, kinds

ROOT = Path(__file__).parents[2]
RUN = ("run", "scenario.yaml", "--target", "lab", "--unattended")


def test_done_as_hoped(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity(lasts="300ms"), {"at": "0s", "inject": "It begins."}))
    done = place.call(*RUN)
    assert done.returncode == 0, done.stderr + place.said()
    ident, report = done.stdout.split()
    assert (place.folder / report).exists()
    listed = json.loads(place.call("list", "--json").stdout)
    assert [(one["id"], one["status"]) for one in listed] == [(ident, "completed")]
    shown = json.loads(place.call("show", ident, "--json").stdout)
    assert [(one["name"], one["state"]) for one in shown["faults"]] == [("activity", "recovered")]
    assert target.requests("PUT", "/state/broken")
    assert target.requests("DELETE", "/state/broken")
    place.gone()


def test_a_breach_undoes_first_and_then_tells(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    place.wait_until("the fault is effective", lambda x: x.faults and x.faults["broken"].effective)
    _set(target, "1")
    assert process.wait(30) == 3, place.said()
    state = place.exercise()
    assert state.abort is not None
    assert state.abort.condition == "value"
    assert state.abort.seen is not None
    undone = target.requests("DELETE", "/state/broken")[0]
    sent = state.faults["broken"].undo_sent
    assert sent is not None
    # The journal's time is the worker's, the ledger's the target's: one went out before the other came in.
    assert 0 <= undone["wall"] - sent.wall < 1
    assert sent.clock >= state.abort.seen


def test_a_fault_whose_undo_lies_is_leaked(place: Place, target: Target) -> None:
    lying = {"type": "http", "url": "${lab}/lie", "method": "DELETE"}
    place.write("scenario.yaml", script(activity(undo=lying, lasts="200ms"), limits={"recovery": "1s"}))
    done = place.call(*RUN)
    assert done.returncode == 4, done.stderr + place.said()
    state = place.exercise()
    assert state.faults["broken"].stage == "leaked"
    assert len(target.requests("DELETE", "/lie")) >= 2, "it was tried again before giving up"
    assert "NOT RECOVERED" in place.call("list").stderr
    touched = len(target.lines())
    refused = place.call(*RUN)
    assert refused.returncode == 5 and f"gameday recover {state.id}" in refused.stderr, refused.stderr
    assert len(target.lines()) == touched, "no second fault is put on top of one that stands"
    # Somebody repairs the undo by hand; recover verifies and clears.
    _call(target, "DELETE", "/state/broken")
    recovered = place.call("recover")
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    assert "NOT RECOVERED" not in place.call("list").stderr


def test_a_target_with_a_fault_that_stands_is_used_where_somebody_says_so(place: Place, target: Target) -> None:
    lying = {"type": "http", "url": "${lab}/lie", "method": "DELETE"}
    place.write("scenario.yaml", script(activity(undo=lying, lasts="200ms"), limits={"recovery": "300ms"}))
    assert place.call(*RUN).returncode == 4
    place.write("scenario.yaml", script({"id": "word", "at": "0s", "inject": "Look at the lab."}))
    done = place.call(*RUN, "--despite-faults")
    assert done.returncode == 0, done.stderr
    assert "NOT RECOVERED" in done.stderr


def test_an_undo_that_fails_for_good_is_leaked_with_the_command_to_paste(place: Place, target: Target) -> None:
    refused = {"type": "http", "url": "${lab}/refuse/undo", "method": "DELETE"}
    place.write("scenario.yaml", script(activity(undo=refused, lasts="200ms"), limits={"recovery": "1s"}))
    done = place.call(*RUN)
    assert done.returncode == 4, done.stderr
    assert "curl" in " ".join(place.exercise().faults["broken"].commands)
    assert f"{target.url}/refuse/undo" in " ".join(place.exercise().faults["broken"].commands)


def test_a_baseline_that_does_not_hold_touches_nothing(place: Place, target: Target) -> None:
    check = {"name": "fine", "http": {"url": "${lab}/refuse"}, "expect": {"status": 200}}
    place.write("scenario.yaml", script(activity(), steady_state=[check]))
    done = place.call(*RUN, timeout=90)
    assert done.returncode == 5, done.stderr
    assert not target.requests("PUT", "/state/broken")


def test_an_injection_that_fails_is_undone_and_fails_the_run(place: Place, target: Target) -> None:
    failing = {"type": "http", "url": "${lab}/refuse/it", "method": "PUT"}
    place.write("scenario.yaml", script(activity(activity=failing)))
    done = place.call(*RUN)
    assert done.returncode == 1, done.stderr
    assert target.requests("DELETE", "/state/broken"), "undone all the same"


def test_an_expectation_that_a_machine_missed_fails_the_run(place: Place) -> None:
    check = {"name": "healed", "http": {"url": "${lab}/state/healed"}, "expect": {"status": 200}}
    late = {"check": check, "within": "200ms"}
    place.write(
        "scenario.yaml", script(activity(lasts="500ms"), expect=[late, {"milestone": "resolved", "within": "1s"}])
    )
    done = place.call(*RUN)
    assert done.returncode == 1, done.stderr
    assert [e.state for e in place.exercise().expectations] == ["missed", "not_observed"]


@pytest.mark.parametrize(
    ("who", "number"),
    [
        ("command", signal.SIGINT),
        ("command", signal.SIGTERM),
        ("command", signal.SIGHUP),
        ("engine", signal.SIGTERM),
        ("guardian", signal.SIGHUP),
    ],
)
def test_a_stopping_signal_aborts_and_undoes(place: Place, target: Target, number: signal.Signals, who: str) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    state = place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    pid = {"command": process.pid, "engine": state.engine_pid, "guardian": state.guardian_pid}[who]
    assert pid is not None
    os.kill(pid, number)
    assert process.wait(30) == 3, place.said()
    assert target.requests("DELETE", "/state/broken")
    assert place.exercise().phase == "ended"
    place.gone()


def test_an_interrupt_is_heard_by_what_a_script_put_into_the_background(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    command = shlex.join([sys.executable, "-m", "gameday", *RUN])
    # Such a shell starts it with SIGINT ignored.
    shell = subprocess.Popen(
        ["/bin/sh", "-c", f"{command} 2>err & echo $! >pid; wait $!"],
        cwd=place.folder,
        env={**place.environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    os.kill(int((place.folder / "pid").read_text()), signal.SIGINT)
    assert shell.wait(30) == 3, place.said()
    assert target.requests("DELETE", "/state/broken")
    place.gone()


def test_a_program_that_is_replaced_meanwhile_costs_the_paper_and_not_the_exit_code(
    place: Place, target: Target, tmp_path: Path
) -> None:
    package = tmp_path / "installed" / "gameday"
    shutil.copytree(ROOT / "gameday", package, ignore=shutil.ignore_patterns("__pycache__"))
    lying = {"type": "http", "url": "${lab}/lie", "method": "DELETE"}
    place.write("scenario.yaml", script(activity(undo=lying), limits={"recovery": "1s"}))
    with (place.folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gameday", *RUN],
            cwd=place.folder,
            env={**place.environment, "PYTHONPATH": str(package.parent)},
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    (package / "debrief").rename(package / "gone")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 4, place.said()
    assert "the debrief could not be written" in place.said() and "Traceback" not in place.said()
    place.gone()


def test_a_second_interrupt_during_the_undo_changes_nothing(place: Place, target: Target) -> None:
    slow = {
        "type": "process",
        "path": "/bin/sh",
        "arguments": ["-c", f"sleep 1; curl -sS -X DELETE {target.url}/state/broken"],
    }
    place.write("scenario.yaml", script(activity(undo=slow)))
    process = place.start(*RUN)
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    process.send_signal(signal.SIGINT)
    place.wait_until("undoing", lambda x: x.faults["broken"].undo_sent)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 3, place.said()
    assert place.exercise().faults["broken"].stage == "recovered"


def test_the_command_killed_outright_aborts_the_run(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    process.kill()
    state = place.wait_until("ended", lambda x: x.phase == "ended")
    assert state.verdict == "aborted"
    assert target.requests("DELETE", "/state/broken")
    place.gone()


def test_the_command_killed_while_it_starts_leaves_no_run_behind(place: Place, target: Target) -> None:
    place.anew = True
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    wait_for(place.guardian, 30, "a guardian")
    process.kill()
    place.gone()
    # It was struck before the journal begun, or the exercise is in the journal as aborted.
    assert not place.begun() or place.exercise().verdict == "aborted"
    assert len(target.requests("DELETE", "/state/broken")) >= len(target.requests("PUT", "/state/broken"))


def test_abort_while_injections_block_and_the_store_is_locked(place: Place, target: Target) -> None:
    sleeping = activity(
        "sleeping", activity={"type": "python", "module": "time", "func": "sleep", "arguments": {"secs": 60}}
    )
    python = [sys.executable, "-c", "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]
    stubborn = activity("stubborn", activity={"type": "process", "path": python[0], "arguments": python[1:]})
    socket = activity("socket", activity={"type": "http", "url": "${lab}/slow", "timeout": 60})
    place.write("scenario.yaml", script(sleeping, stubborn, socket, activity()))
    process = place.start(*RUN)
    place.wait_until("all injecting", lambda x: len(x.faults) == 4 and all(f.injecting for f in x.faults.values()))
    target.wait_for("GET", "/slow")
    lock = sqlite3.connect(place.store, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    _set(target, "1")
    for name in ("sleeping", "stubborn", "socket", "broken"):
        target.wait_for("DELETE", f"/state/{name}")
    lock.close()
    assert process.wait(60) == 3, place.said()
    state = place.exercise()
    assert {f.stage for f in state.faults.values()} == {"recovered"}, place.said()
    place.gone()


def test_the_limit_of_the_whole_exercise(place: Place, target: Target) -> None:
    # The injection does not come back, so the fault's own time never begins.
    block = {"type": "python", "module": "tests.endings.actions", "func": "block", "arguments": {"seconds": 60}}
    limits = {"duration": "2s", "recovery": "5s"}
    place.write("scenario.yaml", script(activity(activity=block, lasts="500ms"), limits=limits))
    done = place.call(*RUN)
    assert done.returncode == 3, done.stderr
    assert target.requests("DELETE", "/state/broken")


def test_manual_entries_are_skipped_and_said_so(place: Place) -> None:
    manual = {"id": "by-hand", "manual": True, "inject": "Support calls."}
    human = {"id": "later", "after": {"milestone": "acknowledged", "delay": "1s"}, "inject": "The VP joins."}
    third = {"id": "third", "after": "later", "inject": "And stays."}
    place.write("scenario.yaml", script(activity(lasts="200ms"), manual, human, third))
    done = place.call(*RUN)
    assert done.returncode == 0, done.stderr
    assert {e.entry: e.stage for e in place.exercise().entries.values()} == {
        "broken": "done",
        "by-hand": "skipped",
        "later": "skipped",
        "third": "skipped",
    }
    assert kinds(place.records()).count("entry_skipped") == 3


def test_an_engine_that_is_frozen_is_killed_and_its_faults_undone(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    state = place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    assert state.engine_pid is not None
    os.kill(state.engine_pid, signal.SIGSTOP)
    assert process.wait(60) == 3, place.said()
    assert target.requests("DELETE", "/state/broken")
    assert "no sign of life" in place.exercise().reason


def test_a_store_that_fills_up_ends_the_exercise_without_leaving_the_fault(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    store = sqlite3.connect(place.store, isolation_level=None)
    pages = store.execute("PRAGMA page_count").fetchone()[0]
    store.close()
    assert pages
    # The file can't be written any more, as on a disk that is full or was remounted read-only.
    for path in place.folder.glob("store.db*"):
        path.unlink()
    (place.folder / "store.db").mkdir()
    _set(target, "1")
    code = process.wait(90)
    assert code in (3, 4), place.said()
    assert target.requests("DELETE", "/state/broken")
    spilled = list((place.folder / "state" / "gameday" / "spill").glob("*.jsonl"))
    assert spilled, place.said()
    place.gone()


@pytest.mark.parametrize(
    ("run", "words"), [(RUN, "lab can't be claimed"), (RUN[:2] + RUN[4:], "no socket for consoles")]
)
def test_without_a_place_for_locks_and_sockets_nothing_begins(
    place: Place, target: Target, run: tuple[str, ...], words: str
) -> None:
    place.extra["XDG_RUNTIME_DIR"] = "/proc/nowhere"
    talk = [{"id": "word", "at": "0s", "inject": "Look at the lab."}]
    place.write("scenario.yaml", json.dumps({"version": 1, "title": "Talk", "timeline": talk}))
    done = place.call(*run)
    assert done.returncode == 5, done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr
    assert not place.begun() and target.lines() == []


def test_of_two_that_start_at_once_one_gets_the_target_whatever_their_stores(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity(lasts="6s")))
    # Long enough that on a busy machine the slowest of them begins before the first one is over.
    first = place.start(*RUN)
    others = [place.start(*RUN), place.start(*RUN, "--store", str(place.folder / "other.db"))]
    codes = sorted(process.wait(60) for process in (first, *others))
    assert codes == [0, 5, 5]
    assert len(target.requests("PUT", "/state/broken")) == 1


def test_a_second_engine_on_the_same_exercise_is_refused(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    state = place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    second = place.call("recover", state.id)
    assert second.returncode == 5, second.stdout + second.stderr
    assert state.id in second.stderr
    assert not target.requests("DELETE", "/state/broken"), "the living exercise was left alone"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 3


def test_abort_by_command_says_what_is_clear(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    aborted = place.call("abort", "--reason", "enough")
    assert aborted.returncode == 0, aborted.stderr
    assert "broken  confirmed clear" in aborted.stdout
    assert process.wait(30) == 3
    assert place.exercise().reason == "enough"
    assert target.requests("DELETE", "/state/broken")


def test_everything_killed_at_once_is_recovered_later(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    # As by a container runtime: every process, the undo workers too.
    wait_for(lambda: _kill_all(place), 10, "nothing is left to kill")
    process.wait(10)
    shown = json.loads(place.call("show", "--json").stdout)
    assert [one["state"] for one in shown["faults"]] == ["effective"]
    assert not target.requests("DELETE", "/state/broken")
    assert "NOT RECOVERED" in place.call("list").stderr
    place.call("note", "the pager was silent")  # waits for an engine, and says so
    recovered = place.call("recover")
    assert recovered.returncode == 0, recovered.stdout + recovered.stderr
    assert [note.text for note in place.exercise().notes] == ["the pager was silent"]
    assert f"gameday report {place.exercise().id}" in recovered.stderr
    assert target.requests("DELETE", "/state/broken")
    assert place.exercise().phase == "ended"
    assert place.exercise().exit_code == 3


def test_the_command_that_outlives_all_others_says_what_stands(place: Place, target: Target) -> None:
    place.write("scenario.yaml", script(activity()))
    process = place.start(*RUN)
    place.wait_until("effective", lambda x: x.faults and x.faults["broken"].effective)
    wait_for(lambda: _kill_all(place, but=process.pid), 10, "nothing else is left to kill")
    assert process.wait(60) == 4
    said = (place.folder / "err").read_text()
    assert "NOT RECOVERED, as far as the journal knows: broken" in said
    assert "gameday recover" in said and "curl" in said
    assert "store could not be written" not in said
    (debrief,) = (place.folder / "reports").glob("*.md")
    assert "goes on" not in debrief.read_text() and "may still disturb the target" in debrief.read_text()
    assert not target.requests("DELETE", "/state/broken")
    assert place.call("recover").returncode == 0
    assert target.requests("DELETE", "/state/broken")


def _kill_all(place: Place, but: int | None = None) -> bool:
    # Stopped first, so that nobody notices the death of another.
    living = [pid for pid in place.processes() if pid != but]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in living:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
    return not [pid for pid in place.processes() if pid != but]


def _call(target: Target, method: str, path: str, body: str = "") -> None:
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(target.url + path, body.encode(), method=method), timeout=5).read()


def _set(target: Target, value: str) -> None:
    _call(target, "PUT", "/value", value)
