"""What people type while an exercise runs: what is taken, what is questioned, what is refused and with which words."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameday.exercise.expectations import updates_to
from tests.cli.conftest import Run
from tests.support.runs import Place

TALK = """
version: 1
title: Somebody calls
roles: [incident-commander, communications-lead]
timeline:
  - {at: 0s, inject: Somebody calls., audience: [communications-lead]}
  - {manual: true, inject: Somebody else calls.}
expect:
  - {milestone: acknowledged, within: 5m}
  - {update: stakeholders, every: 20m}
"""


@pytest.fixture
def talk(place: Place) -> Iterator[Place]:
    """An attended tabletop that runs."""
    place.write("talk.yaml", TALK)
    process = place.start("run", "talk.yaml", "--plain")
    place.wait_until("it runs", lambda x: x.phase == "running")
    yield place
    process.send_signal(signal.SIGINT)
    # A test may have closed it: then it may be at its very end, where a signal is nobody's any more.
    assert process.wait(30) in (0, 3, -signal.SIGINT), place.said()
    place.gone()


def test_notes_and_status_updates(talk: Place) -> None:
    done = talk.call("note", "--to", "Stakeholders", "Payments are slow.")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("status update to Stakeholders in ")
    for audience, said in (
        ("stakeholdrs", "no 'stakeholdrs': did you mean 'stakeholders'?"),
        ("the-press", "it knows stakeholders, incident-commander, communications-lead, everybody."),
    ):
        done = talk.call("note", "--to", audience, "Still slow.")
        assert done.returncode == 0, "nothing that somebody typed is lost"
        assert said in done.stderr
    assert talk.call("note", "--to", "communications-lead", "Call support.").stderr == ""
    done = talk.call("note", "--to", "stakeholders", "--class", "decision", "We fail over.")
    assert "kept as decision" in done.stderr
    assert talk.call("note", "Somebody looks.").stdout.startswith("noted in ")
    for nothing in ("", "  \n"):
        done = talk.call("note", nothing)
        assert (done.returncode, done.stdout) == (2, "")
        assert "the note is empty" in done.stderr
    notes = [(note.category, note.audience, note.text) for note in talk.exercise().notes]
    assert notes == [
        ("update", "Stakeholders", "Payments are slow."),
        ("update", "stakeholdrs", "Still slow."),
        ("update", "the-press", "Still slow."),
        ("update", "communications-lead", "Call support."),
        ("decision", "stakeholders", "We fail over."),
        ("unclassified", "", "Somebody looks."),
    ]
    assert [note.text for note in updates_to(talk.exercise(), "stakeholders")] == ["Payments are slow."]


def test_what_was_before_the_exercise_is_refused_in_few_words(talk: Place) -> None:
    for words in (("mark", "detected"), ("note", "It was slow.")):
        done = talk.call(*words, "--ago", "5h")
        assert (done.returncode, done.stdout) == (2, "")
        assert "--ago 5h is before the exercise" in done.stderr
        assert "Say at most --ago " in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not talk.exercise().stamps
    assert talk.call("mark", "detected", "--ago", "0s").returncode == 0


def test_the_nearest_right_milestone_and_entry(talk: Place) -> None:
    for typed, meant in (("ack", "acknowledged"), ("Resolved", "resolved"), ("mitigatd", "mitigated")):
        done = talk.call("mark", typed)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"did you mean '{meant}'?" in done.stderr
    assert "there are impact, detected" in talk.call("mark", "zzz").stderr
    assert "did you mean 'inject-2'?" in talk.call("inject", "inject2").stderr
    done = talk.call("mark", "resolved", "--detection", "user")
    assert (done.returncode, "of detected only" in done.stderr) == (0, True)


def unreadable(path: Path) -> str:
    path.write_bytes(b"no database at all" * 100)
    return str(path)


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("list", "--json"),
        ("show",),
        ("report",),
        ("watch", "--plain"),
        ("mark", "detected"),
        ("note", "x"),
        ("pause",),
        ("action", "list"),
        ("action", "add", "20", "--what", "x", "--owner", "me", "--due", "2w"),
    ],
)
def test_a_store_that_can_not_be_read_is_invalid_input(words: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    done = run(*words, "--store", unreadable(tmp_path / "x.db"))
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "damaged or is no SQLite database" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("abort",), ("recover",), ("close",), ("continue",)])
def test_but_where_a_fault_may_stand_it_is_said(words: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    done = run(*words, "--store", unreadable(tmp_path / "x.db"))
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert "damaged or is no SQLite database" in done.stderr


@pytest.mark.parametrize("words", [("show",), ("report",), ("mark", "detected"), ("abort",), ("recover",)])
def test_a_store_that_is_not_there(words: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    done = run(*words, "--store", str(tmp_path / "nowhere.db"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"there is no store at {tmp_path}/nowhere.db" in done.stderr
    if words == ("recover",):
        assert "nothing to recover. If exercises ran with another store, name it with --store" in done.stderr
        assert "`gameday recover --target NAME` searches a cluster" in done.stderr


def test_talk_about_an_action_item_does_not_read_like_an_error(talk: Place) -> None:
    talk.call("close")
    ended = talk.wait_until("it is over", lambda x: x.phase == "ended")
    done = talk.call("action", "add", ended.id[:8], "--what", "Page by provider", "--owner", "dana", "--due", "2w")
    assert (done.returncode, done.stdout) == (0, "A1\n")
    assert done.stderr == "hint: nothing says how one will know that it is done; --verify TEXT would\n"
    verified = ("--verify", "the alert fires in the next exercise")
    done = talk.call("action", "add", ended.id, "--what", "Page", "--owner", "dana", "--due", "2w", *verified)
    assert (done.returncode, done.stdout, done.stderr) == (0, "A2\n", "")
    for lacking in ("--owner", "--due"):
        given = {"--what": "Page", "--owner": "dana", "--due": "2w"} | {lacking: " "}
        done = talk.call("action", "add", ended.id, *(word for pair in given.items() for word in pair))
        assert (done.returncode, done.stdout) == (2, "")
        assert f"needs {lacking}" in done.stderr


def test_a_new_scenario_brings_the_schema_that_its_first_line_names(place: Place) -> None:
    done = place.call("new", "team/first.yaml")
    assert (done.returncode, done.stdout) == (0, "team/first.yaml\n"), done.stderr
    first = (place.folder / "team" / "first.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./scenario.schema.json"
    schema = place.folder / "team" / "scenario.schema.json"
    assert place.call("schema", "--check", str(schema)).returncode == 0
    schema.write_text("mine")
    assert place.call("new", "team/second.yaml").returncode == 0
    assert schema.read_text() == "mine", "one that lies there is used as it is"
    assert place.call("validate", "team/second.yaml").returncode == 0
