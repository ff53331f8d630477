"""`gameday recover` meets files and exercises that make trouble: it says so, and takes care of all the others."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.control import Control, ControlError
from gameday.engine.peers import claim
from gameday.exercise import events as ev
from gameday.store import Holder, open_store
from gameday.store.spill import spill
from tests.store.makers import armed, note, record, started
from tests.support.runs import Place

NOBODY = 65534
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield Place(tmp_path, extra={"PYTHONPATH": str(Path(__file__).parents[2])})


@pytest.fixture
def spills(place: Place) -> Path:
    """The first folder for what the store does not take."""
    folder = place.folder / "state" / "gameday" / "spill"
    folder.mkdir(parents=True, mode=0o700)
    return folder


def dead() -> Holder:
    mine = Holder.mine()
    return Holder(mine.pid, mine.start_ticks - 1, mine.host, mine.boot_id)


def begin(place: Place, *exercises: str) -> None:
    """Exercises that ended well, by an engine that is gone."""
    with open_store(str(place.store)) as store:
        for exercise in exercises:
            epoch = store.create(started(exercise), dead())
            store.append(exercise, epoch, [record(2, ev.ExerciseEnded("completed", 0, "through"))])


def aftermath(place: Place, exercise: str, **changes: Any) -> dict[str, Any]:
    facts = {"exercise": exercise, "reason": "the engine died", "facts": [], "held": ["f1"], "leaked": []}
    return {**facts, "payload": {"store": str(place.store), "attended": False}, **changes}


LEAKED = {"fact": "leaked", "entry": "f1", "error": "no", "commands": ["curl -X DELETE http://x/f1"], "wall": 1.0}


def clerk(place: Place, facts: dict[str, Any], *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-m", "gameday.cli.clerk"],
        input=json.dumps(facts),
        env={**place.environment, "TMPDIR": str(place.folder / "tmp")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- files that make trouble ------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_keeps_no_other_from_being_absorbed(place: Place, spills: Path) -> None:
    begin(place, "e1", "e2")
    (spills / "a.aftermath.json").write_text("")
    (spills / "b.aftermath.json").write_text('{"exercise": "e1"}')
    (spills / "c.aftermath.json").write_text("[]")
    (spills / "d.spill.jsonl").write_text('{"seq": 1, "torn')
    (spills / "e1.aftermath.json").write_text(json.dumps(aftermath(place, "e1")))
    spill(spills, "e2", 1, [note(3, "kept")])
    done = place.call("recover")
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert "nothing to recover" not in done.stdout
    for name in ("a.aftermath.json", "b.aftermath.json", "c.aftermath.json", "d.spill.jsonl"):
        assert str(spills / name) in done.stderr
        assert (spills / name).exists(), "nobody knows what it says, so it stays"
    assert not (spills / "e1.aftermath.json").exists()
    with open_store(str(place.store)) as store:
        assert store.records("e2")[-1].event == ev.NoteTaken("kept")


def test_what_belongs_to_no_exercise_is_named_with_its_commands(place: Place, spills: Path) -> None:
    begin(place, "e1")
    spill(spills, "lost", 1, [record(7, ev.FaultArmed("f1", "latency", {"commands": ["undo --by-hand"]}, False, 30.0))])
    (spills / "gone.aftermath.json").write_text(json.dumps(aftermath(place, "gone", facts=[LEAKED])))
    done = place.call("recover")
    assert done.returncode == 4, done.stderr
    assert "undo --by-hand" in done.stderr
    assert "curl -X DELETE http://x/f1" in done.stderr
    assert "nothing to recover" not in done.stdout


def test_what_is_of_another_store_is_left_to_it_and_of_one_that_is_gone_is_loud(place: Place, spills: Path) -> None:
    begin(place, "e1")
    other = place.folder / "other.db"
    with open_store(str(other)) as store:
        store.close()
    begun = [started("theirs"), record(2, ev.FaultArmed("f1", "x", {"commands": ["undo --by-hand"]}, False, 5.0))]
    spill(spills, "theirs", 1, begun, str(other))
    (spills / "gone.aftermath.json").write_text(
        json.dumps({**aftermath(place, "gone"), "payload": {"store": str(other), "attended": False}})
    )
    done = place.call("recover")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"gameday recover --store {other}") == 2
    with open_store(str(place.store)) as store:
        assert [one.id for one in store.exercises()] == ["e1"]
    other.unlink()
    done = place.call("recover")
    assert done.returncode == 4, done.stderr
    assert f"{other}, is not there" in done.stderr
    assert "undo --by-hand" in done.stderr


def test_what_lies_there_is_named_where_the_store_itself_is_missing(place: Place, spills: Path) -> None:
    (spills / "gone.aftermath.json").write_text(json.dumps(aftermath(place, "gone", facts=[LEAKED])))
    done = place.call("recover")
    assert done.returncode == 4, done.stderr
    assert "curl -X DELETE http://x/f1" in done.stderr
    assert not place.store.exists()


def test_an_empty_store_is_not_one_in_which_nothing_happened(place: Place, spills: Path) -> None:
    (spills / "gone.aftermath.json").write_text(json.dumps(aftermath(place, "gone", facts=[LEAKED])))
    place.store.write_bytes(b"")
    done = place.call("recover")
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert f"the store at {place.store} is empty" in done.stderr
    assert "`gameday recover --target NAME` finds what stands on a cluster" in done.stderr
    assert "curl -X DELETE http://x/f1" in done.stderr, "what lies there for it is named all the same"
    assert place.store.stat().st_size == 0
    listed = place.call("show")
    assert listed.returncode == 2 and "is empty" in listed.stderr


# --- exercises that make trouble --------------------------------------------------------------------------------------


def test_an_exercise_that_cannot_be_recovered_keeps_no_other_from_it(place: Place) -> None:
    with open_store(str(place.store)) as store:
        for exercise in ("e1", "e2", "e3"):
            fault = ev.FaultArmed("f1", "latency", {"commands": [f"undo {exercise} --by-hand"]}, False, 30.0)
            store.append(exercise, store.create(started(exercise), dead()), [record(2, fault)])
    with sqlite3.connect(place.store) as raw:
        raw.execute("DELETE FROM gameday_events WHERE seq = 1")
    raw.close()
    done = place.call("recover")
    assert done.returncode == 4, done.stderr
    for exercise in ("e1", "e2", "e3"):
        assert f"{exercise} could not be recovered" in done.stderr
        assert f"NOT RECOVERED: {exercise} f1" in done.stderr and f"    undo {exercise} --by-hand\n" in done.stderr
    assert "nothing to recover" not in done.stdout


def test_nothing_to_recover_is_said_only_where_nothing_stands(place: Place) -> None:
    begin(place, "e1")
    done = place.call("recover")
    assert (done.returncode, done.stdout) == (0, "nothing to recover\n")
    with open_store(str(place.store)) as store:
        store.append("e2", store.create(started("e2"), Holder.mine()), [armed(2)])
        done = place.call("recover")
    assert "nothing to recover" not in done.stdout
    assert "left to its engine" in done.stderr


# --- the clerk --------------------------------------------------------------------------------------------------------


def test_a_clerk_keeps_what_it_was_told_of_an_unknown_exercise(place: Place) -> None:
    begin(place, "e1")
    for number, facts in enumerate((aftermath(place, "lost"), aftermath(place, "also", held=[], facts=[LEAKED])), 1):
        assert clerk(place, facts).returncode == 1
        kept = list((place.folder / "state" / "gameday" / "spill").glob("*.aftermath.json"))
        assert len(kept) == number
    assert clerk(place, aftermath(place, "empty", held=[])).returncode == 0


def test_a_clerk_writes_down_the_strikes_that_the_engine_did_not_live_to_journal(place: Place) -> None:
    known = ev.FaultRepeated("f1", "deleted web-2")
    with open_store(str(place.store)) as store:
        epoch = store.create(started("strikes"), dead())
        going = [ev.FaultInjecting("f1"), known, ev.FaultStriking("f1", ["web-3"])]
        store.append("strikes", epoch, [armed(2), *(record(number, event) for number, event in enumerate(going, 3))])
        heard = next(each.wall for each in store.records("strikes") if each.event == known)
    told = {"fact": "again", "entry": "f1", "boot": 1.0}
    facts = [
        {**told, "wall": heard, "output": {"evidence": "deleted web-2"}},
        {**told, "wall": heard + 2, "output": {"evidence": "may have struck: web-3"}},
        {"fact": "recovered", "entry": "f1", "wall": heard + 3, "boot": 1.0, "evidence": "whole"},
    ]
    assert clerk(place, aftermath(place, "strikes", facts=facts)).returncode == 0
    with open_store(str(place.store)) as store:
        events = [each.event for each in store.records("strikes")]
    strikes = [event.evidence for event in events if isinstance(event, ev.FaultRepeated)]
    assert strikes == ["deleted web-2", "may have struck: web-3"], "each once"


def test_a_clerk_makes_no_store(place: Place) -> None:
    assert clerk(place, aftermath(place, "lost")).returncode == 1
    assert not place.store.exists()
    (kept,) = (place.folder / "state" / "gameday" / "spill").glob("*")
    assert json.loads(kept.read_text())["held"] == ["f1"]


def _can_mount() -> bool:
    words = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(words, capture_output=True).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="needs a mount namespace (root)")
def test_a_clerk_whose_disk_is_full_goes_on_to_the_next_folder(place: Place) -> None:
    disk = place.folder / "state"
    disk.mkdir()
    (place.folder / "run").mkdir(mode=0o700)
    # Its log is on the full disk too: what can't be said must not keep it from going on.
    full = (
        f"mount -t tmpfs -o size=64k tmpfs {disk} && mkdir -m 700 -p {disk}/gameday/spill && : > {disk}/gameday/log && "
        f'cat /dev/zero > {disk}/ballast 2>/dev/null; "$@" 2>> {disk}/gameday/log; '
        f"ls -A {disk}/gameday/spill"
    )
    facts = aftermath(place, "lost", reason="x" * 9000)
    done = clerk(place, facts, "unshare", "-m", "--propagation", "private", "sh", "-c", full, "sh")
    assert done.stdout == "", "an empty file on the full disk would be taken for what is known"
    (kept,) = (place.folder / "run" / "gameday" / "spill").glob("*")
    assert json.loads(kept.read_text()) == facts


# --- what others plant ------------------------------------------------------------------------------------------------


def plant(folder: Path, place: Place) -> list[Path]:
    """A spilled exercise that would run a command as its undo, and an aftermath."""
    folder.mkdir(parents=True, mode=0o700)
    undo = {"name": "os:system", "args": {"command": f"touch {place.folder}/planted"}, "timeout": 5.0}
    plan = {"summary": "x", "targets": [], "objects": [], "inject": undo, "undo": undo, "effective": None}
    spill(folder, "evil", 1, [started("evil"), record(2, ev.FaultArmed("f1", "x", plan, False, 5.0))])
    (folder / "e1.aftermath.json").write_text(json.dumps(aftermath(place, "e1")))
    return [folder / "evil.spill.jsonl", folder / "e1.aftermath.json"]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("their folder", marks=needs_root),
        pytest.param("their files", marks=needs_root),
        "open to others",
        "open above",
        "a link",
    ],
)
def test_what_others_could_have_planted_is_ignored_and_named(place: Place, how: str) -> None:
    begin(place, "e1")
    shared = place.folder / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    top = shared / f"gameday-{os.getuid()}"
    top.mkdir(mode=0o700)
    planted = plant(top / "spill", place)
    match how:
        case "their folder":
            os.chown(top / "spill", NOBODY, -1)
        case "their files":
            for path in planted:
                os.chown(path, NOBODY, -1)
        case "open to others":
            (top / "spill").chmod(0o770)
        case "open above":
            top.chmod(0o777)
        case _:
            (top / "spill").rename(place.folder / "elsewhere")
            (top / "spill").symlink_to(place.folder / "elsewhere")
    place.extra["TMPDIR"] = str(shared)
    done = place.call("recover")
    assert done.stdout == "nothing to recover\n", done.stderr
    assert all(path.exists() for path in planted)
    assert "evil.spill.jsonl" in done.stderr and "ignored" in done.stderr
    with open_store(str(place.store)) as store:
        assert [one.id for one in store.exercises()] == ["e1"]


def test_a_guardian_tightens_its_own_folder_and_takes_no_link(tmp_path: Path) -> None:
    mine = tmp_path / "run" / "gameday"
    mine.mkdir(parents=True)
    mine.chmod(0o777)
    lock = claim(mine / "e.sock", 0.0)
    assert lock is not None
    os.close(lock)
    assert mine.stat().st_mode & 0o022 == 0
    (tmp_path / "link").symlink_to(mine)
    with pytest.raises(PermissionError, match="symbolic link"):
        claim(tmp_path / "link" / "e.sock", 0.0)


def test_a_folder_for_everybody_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(PermissionError, match="written by others"):
        claim(shared / "e.sock", 0.0)
    assert shared.stat().st_mode & 0o7777 == 0o1777


@needs_root
def test_another_users_folder_is_no_place_for_a_guardian_nor_for_records(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o777)
    os.chown(theirs, NOBODY, -1)
    with pytest.raises(PermissionError, match="somebody else"):
        claim(theirs / "e.sock", 0.0)


def test_a_socket_that_others_could_have_made_is_not_spoken_to(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "e.sock"))
        listener.listen()
        Control(folder / "e.sock").close()
        folder.chmod(0o777)
        with pytest.raises(ControlError, match="not believed"):
            Control(folder / "e.sock")
    assert str(folder) in capfd.readouterr().err
