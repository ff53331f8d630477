"""`gameday list` and `gameday show`, through the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gameday.exercise import events as ev
from gameday.exercise.record import Record
from gameday.store import Holder, open_store
from tests.cli.conftest import Done, Run

T0 = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
DONE, LIVE = "20260921-1413-aaaa", "20260921-1513-bbbb"


def events_of(exercise: str, title: str) -> list[ev.Event]:
    plan = {
        "summary": "latency 800 ms on payments",
        "targets": ["proxy payments"],
        "objects": ["proxy/payments"],
        "inject": {"name": "m:f", "args": {}},
        "commands": ["gameday sandbox rollback payments"],
    }
    target = {"name": "sandbox", "kind": "sandbox", "environment": "sandbox"}
    start = ev.ExerciseStarted(exercise, "payment-outage", "p.yaml", {"title": title}, "0", target, True, 1, 0.0, "b")
    return [
        start,
        ev.EngineStarted(pid=4711, guardian=4710, host="laptop"),
        ev.FaultPlanned("latency-1", "latency"),
        ev.FaultArmed("latency-1", "latency", plan, False, 60.0),
        ev.FaultInjecting("latency-1"),
        ev.FaultEffective("latency-1", "800 ms"),
        ev.MilestoneReached("detected", note="from the pager"),
    ]


def dead() -> Holder:
    mine = Holder.mine()
    return Holder(mine.pid, mine.start_ticks - 1, mine.host, mine.boot_id)


def record_all(url: str, exercise: str, at: float, events: list[ev.Event], holder: Holder) -> None:
    records = [
        Record(seq, at + seq, float(seq), at + seq, 1, "engine", "ada" if seq == 7 else "", event)
        for seq, event in enumerate(events, 1)
    ]
    with open_store(url) as store:
        store.create(records[0], holder)
        store.append(exercise, 1, records[1:])


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'gameday.db'}"


@pytest.fixture
def two(url: str) -> str:
    """One exercise that was aborted and recovered, and a later one whose engine is gone with a fault in."""
    done = [
        *events_of(DONE, "The payment provider goes dark"),
        ev.AbortBegan("too many failed checkouts", "condition", "error-rate", seen_clock=7.5),
        ev.FaultUndoing("latency-1", "abort"),
        ev.UndoSent("latency-1", 1),
        ev.FaultRecovered("latency-1", "3 ms"),
        ev.ExerciseEnded("aborted", 3, "too many failed checkouts"),
    ]
    record_all(url, DONE, T0, done, Holder.mine())
    record_all(url, LIVE, T0 + 3600, events_of(LIVE, "Evil \x1b[2J title"), dead())
    return url


def data(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_list_as_json(two: str, run: Run) -> None:
    live, done = data(run("list", "--json", "--store", two))
    assert (live["id"], live["status"], live["unrecovered"], live["engine_alive"]) == (LIVE, "running", 1, False)
    assert live["ended_at"] is None
    assert {name: done[name] for name in ("id", "scenario", "title", "status", "target", "environment")} == {
        "id": DONE,
        "scenario": "payment-outage",
        "title": "The payment provider goes dark",
        "status": "aborted",
        "target": "sandbox",
        "environment": "sandbox",
    }
    assert (done["started_at"], done["ended_at"]) == ("2026-09-21T14:13:21.000Z", "2026-09-21T14:13:32.000Z")
    assert (done["exit_code"], done["unrecovered"]) == (3, 0)


def test_list_for_people(two: str, run: Run) -> None:
    done = run("list", GAMEDAY_STORE=two)
    head, live, first = done.stdout.splitlines()
    assert head.split()[:3] == ["ID", "STATUS", "SCENARIO"]
    assert live.startswith(LIVE)
    assert "running, engine gone, 1 not recovered" in live
    assert "Evil \\x1b[2J title" in live, "a title can't steer the terminal"
    assert first.index("aborted") == head.index("STATUS")
    assert len(run("list", "--limit", "1", "--store", two).stdout.splitlines()) == 2


def test_a_fault_that_is_not_recovered_is_said_loudly_on_stderr(two: str, run: Run) -> None:
    done = run("list", "--json", "--store", two)
    assert "NOT RECOVERED: 1 fault is not undone on sandbox" in done.stderr
    path = two.removeprefix("sqlite:///")
    assert f"gameday recover {LIVE} --store {path}" in done.stderr
    assert f"gameday recover {LIVE}`" in run("list", GAMEDAY_STORE=two).stderr, "that shell knows the store"
    assert DONE not in done.stderr
    with open_store(two) as store:
        epoch = store.take_lease(LIVE, Holder.mine())
        assert run("list", "--json", "--store", two).stderr == "", "its engine is there and looks after it"
        store.release_lease(LIVE, epoch)
        assert LIVE in run("show", "--store", two).stderr


def test_nothing_was_recorded_yet(url: str, run: Run, tmp_path: Path) -> None:
    done = run("list", "--json", "--store", url)
    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert "nothing was recorded there yet" in done.stderr
    assert list(tmp_path.iterdir()) == [], "a list makes no store"
    assert run("show", "--store", url).returncode == 2
    open_store(url).close()
    done = run("list", "--store", url)
    assert (done.returncode, done.stdout) == (0, "")
    assert "No exercises yet" in done.stderr
    assert run("show", "--store", url).returncode == 2


def test_show_as_json(two: str, run: Run) -> None:
    shown = data(run("show", DONE[:14], "--json", "--store", two))
    assert (shown["id"], shown["status"], shown["verdict"], shown["phase"]) == (DONE, "aborted", "aborted", "ended")
    assert shown["engine"]["host"] == "laptop"
    (fault,) = shown["faults"]
    assert (fault["name"], fault["entry"], fault["state"]) == ("latency", "latency-1", "recovered")
    assert fault["targets"] == ["proxy payments"]
    assert fault["effective_at"] == "2026-09-21T14:13:26.000Z"
    (stamp,) = shown["milestones"]
    assert (stamp["milestone"], stamp["actor"], stamp["note"]) == ("detected", "ada", "from the pager")
    assert shown["abort"]["condition"] == "error-rate"
    assert shown["abort"]["seen_clock"] == 7.5
    assert "events" not in shown


def test_show_takes_the_latest_and_lists_events_on_demand(two: str, run: Run) -> None:
    shown = data(run("show", "--json", "--events", "--store", two))
    assert (shown["id"], shown["abort"], shown["verdict"]) == (LIVE, None, None)
    assert shown["engine"] == {"pid": 4711, "guardian": 4710, "host": "laptop", "alive": False}
    assert [one["kind"] for one in shown["events"]][:2] == ["exercise_started", "engine_started"]
    assert shown["events"][5]["body"] == {"entry": "latency-1", "evidence": "800 ms"}


def test_show_for_people(two: str, run: Run) -> None:
    text = run("show", "--events", "--store", two).stdout
    assert f"exercise  {LIVE}" in text
    assert "latency-1  latency  effective" in text
    assert "to undo latency-1 by hand:  gameday sandbox rollback payments" in text
    assert "detected" in text
    assert "exercise_started" in text
    assert "\x1b" not in text
    text = run("show", DONE, "--store", two).stdout
    assert "aborted (exit 3): too many failed checkouts" in text
    assert "by hand" not in text
    assert "exercise_started" not in text


def test_a_fault_that_leaked_and_was_recovered_since_is_told_as_both(url: str, run: Run) -> None:
    told = [
        *events_of(DONE, "The payment provider goes dark"),
        ev.AbortBegan("aborted by ada", "ada"),
        ev.FaultUndoing("latency-1", "abort"),
        ev.UndoSent("latency-1", 1),
        ev.FaultLeaked("latency-1", "the proxy does not answer", ["gameday sandbox rollback payments"]),
        ev.ExerciseEnded("leaked", 4, "not recovered: latency-1"),
        ev.FaultRecovered("latency-1", "3 ms"),
    ]
    record_all(url, DONE, T0, told, Holder.mine())
    text = " ".join(run("show", "--store", url).stdout.split())
    assert "status leaked, recovered since" in text
    assert "leaked (exit 4): not recovered: latency-1; recovered since: latency-1 at +0:13" in text
    assert "leaked, then recovered" in text and "before: the proxy does not answer" in text
    assert "aborted +0:08 by ada FAULT" in text.replace("ENTRY ", ""), "and not: by ada: aborted by ada"
    assert "leaked, recovered since" in run("list", "--store", url).stdout


def test_a_wrong_id_is_invalid_input(two: str, run: Run) -> None:
    done = run("show", "20260921-1413-aaab", "--store", two)
    assert done.returncode == 2
    assert DONE in done.stderr
    done = run("show", "20260921", "--store", two)
    assert done.returncode == 2
    assert "fits 2 exercises" in done.stderr


def test_a_store_that_cannot_be_used_says_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    for url, code, why in (
        (str(tmp_path / "x.db"), 2, "damaged or is no SQLite database"),
        ("mysql://u:s3cret@h/d", 2, "no kind of store"),
    ):
        done = run("list", "--store", url)
        assert (done.returncode, done.stdout) == (code, "")
        assert why in done.stderr
        assert "Traceback" not in done.stderr
        assert "s3cret" not in done.stderr


def test_the_summaries_are_those_of_the_root() -> None:
    from gameday.cli.history import list_, show
    from gameday.cli.main import COMMANDS

    assert list_.short_help == COMMANDS["list"][1]
    assert show.short_help == COMMANDS["show"][1]


def test_through_a_process_of_its_own(two: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gameday", "list", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "GAMEDAY_STORE": two},
    )
    assert done.returncode == 0
    assert [one["id"] for one in json.loads(done.stdout)] == [LIVE, DONE]
