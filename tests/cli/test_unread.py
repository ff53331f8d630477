"""Whoever read our output goes away (`| head -1`): no traceback, and nothing that was broken stays broken for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gameday.sandbox.ledger import read, standing
from gameday.store import open_store
from tests.cli.test_history import DONE, LIVE, T0, dead, events_of, record_all
from tests.cli.test_sandbox_in_use import OUTAGE
from tests.support.runs import Place

TALK = "version: 1\ntitle: Talk\ntimeline: [{at: 0s, inject: Hello.}, {at: 1s, inject: You.}]\n"
SHORT = OUTAGE.replace("for: 1m", "for: 1s")


def command(place: Place, *words: str, err: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gameday", *words],
        cwd=place.folder,
        env=place.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=err,
        text=True,
    )


def unread(place: Place, *words: str, err: int = subprocess.PIPE) -> tuple[int, str]:
    """The command with a stdout that nobody reads: exit code, and its talk."""
    with command(place, *words, err=err) as process:
        assert process.stdout is not None
        process.stdout.close()
        talk = process.stderr.read() if process.stderr is not None else ""
        return process.wait(60), talk


@pytest.mark.parametrize(
    "words",
    [("list",), ("list", "--json"), ("show", "--events"), ("show", "--json"), ("schema",), ("--help",), ("doctor",)],
)
def test_what_only_reads_stops_quietly(words: tuple[str, ...], place: Place) -> None:
    record_all(str(place.store), DONE, T0, [*events_of(DONE, "t")[:2]], dead())
    assert unread(place, *words) == (141, "")


@pytest.mark.parametrize(
    "words",
    [("list",), ("show", "--json"), ("show", "--events"), ("validate", "x.yaml"), ("--help",), ("list", "--help")],
)
def test_a_full_disk_is_said_in_one_line(words: tuple[str, ...], place: Place) -> None:
    place.write("x.yaml", TALK)
    record_all(str(place.store), DONE, T0, [*events_of(DONE, "t")[:2]], dead())
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gameday", *words],
            cwd=place.folder,
            env=place.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (2, "gameday: the output can't be written: No space left on device\n")


def test_what_only_comes_out_at_the_very_end_is_said_too(tmp_path: Path) -> None:
    """What waits in a buffer is written by nobody but the command itself, not by an interpreter that complains."""
    script = (
        "import sys; from gameday.cli import main as m\n"
        "m.root.main = lambda **_: sys.stdout.write('waits') and None\n"
        "sys.exit(m.main())"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (2, "gameday: the output can't be written: No space left on device\n")


def test_talk_that_has_no_place_costs_no_data(place: Place) -> None:
    record_all(str(place.store), DONE, T0, [*events_of(DONE, "t")[:2]], dead())
    words = [sys.executable, "-m", "gameday", "list", "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            words, cwd=place.folder, env=place.environment, stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["id"] == DONE


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)])
def test_without_any_output_nothing_breaks(closed: str, code: int, place: Place) -> None:
    record_all(str(place.store), DONE, T0, [*events_of(DONE, "t")[:2]], dead())
    done = subprocess.run(
        f"exec {sys.executable} -m gameday list {closed}",
        shell=True,
        cwd=place.folder,
        env=place.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_run_goes_on_to_its_end_on_a_full_disk(place: Place) -> None:
    place.write("talk.yaml", TALK)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gameday", "run", "talk.yaml", "--unattended"],
            cwd=place.folder,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert place.exercise().verdict == "completed"
    place.gone()


def test_not_even_talk_is_read(place: Place) -> None:
    place.write("x.db", "no database at all" * 100)
    assert unread(place, "list", "--store", "x.db", err=subprocess.STDOUT) == (141, "")


def test_an_unattended_run_goes_on_to_its_end_and_undoes(place: Place) -> None:
    place.write("short.yaml", SHORT)
    with command(place, "run", "short.yaml", "--unattended") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        exercise = process.stdout.readline().strip()
        process.stdout.close()
        talk = process.stderr.read()
        assert process.wait(60) == 0, talk
    state = place.exercise()
    assert (state.id, state.verdict, state.faults["slow"].stage) == (exercise, "completed", "recovered")
    assert "Traceback" not in talk
    down, page, last = talk.splitlines()[-3:]
    assert (down, page.partition(",")[0]) == ("the shop is taken down again", "the debrief")
    assert last.startswith(f"nobody reads stdout any more; the debrief of {exercise} is reports/")
    assert (place.folder / last.rpartition(" ")[2]).exists()
    place.gone()
    assert standing(read(place.folder / "sandbox")) == []


def test_also_where_nobody_reads_a_word_of_it(place: Place) -> None:
    place.write("talk.yaml", TALK)
    code, _ = unread(place, "run", "talk.yaml", "--unattended", err=subprocess.STDOUT)
    assert code == 0
    assert place.exercise().verdict == "completed"
    place.gone()


def test_a_console_of_lines_that_nobody_sees_is_none(place: Place) -> None:
    place.write("talk.yaml", TALK)
    code, _ = unread(place, "run", "talk.yaml", "--plain", err=subprocess.STDOUT)
    assert code == 141
    assert place.exercise().phase == "running", "the exercise goes on, and its guardian counts no console"
    assert place.call("close").returncode == 0
    place.gone()


def test_recover_goes_through_all_of_them(place: Place) -> None:
    for number, ident in enumerate((DONE, LIVE)):
        record_all(str(place.store), ident, T0 + 3600 * number, events_of(ident, "t"), dead())
    code, talk = unread(place, "recover")
    assert "Traceback" not in talk
    assert code == 0, "with the sandbox gone its faults are gone"
    with open_store(str(place.store)) as store:
        assert [summary.unrecovered for summary in store.exercises()] == [0, 0], "both were seen to"


def test_output_that_outlives_its_reader_keeps_its_encoding() -> None:
    script = (
        "import sys; from gameday.cli.outlet import outlive, is_lost; outlive(); print('é → 中'); "
        "print('warn: é', file=sys.stderr); assert not is_lost(1); assert not sys.stdout.isatty()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env={**os.environ, "PYTHONUTF8": "1"}, check=True
    )
    assert (done.stdout.decode(), done.stderr.decode()) == ("é → 中\n", "warn: é\n")
