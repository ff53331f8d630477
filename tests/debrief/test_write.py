"""Files appear whole, under names that say what they are."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from gameday.debrief import markdown
from gameday.debrief.write import stem_of, write_debrief
from gameday.errors import UsageError
from gameday.exercise import events as ev
from gameday.exercise.record import Record
from tests.debrief.journals import leaked


def test_names_and_formats(tmp_path: Path) -> None:
    paths = write_debrief(leaked(), tmp_path / "deep" / "er", ("html", "md", "json"))
    assert [path.name for path in paths] == [f"2026-11-20-payment-outage-7f3a9c.{e}" for e in ("html", "md", "json")]
    assert sorted(path.name for path in (tmp_path / "deep" / "er").iterdir()) == sorted(path.name for path in paths)
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in paths)


def test_a_hostile_name_stays_in_the_folder() -> None:
    first = leaked()[0]
    assert isinstance(first.event, ev.ExerciseStarted)
    event = dataclasses.replace(first.event, name="../../etc/passwd\n", exercise="a/b" * 40)
    stem = stem_of([dataclasses.replace(first, event=event)])
    assert stem.startswith("2026-11-20-etc-passwd-a-ba-b")
    assert set(stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(stem) < 120


def test_the_day_stands_in_the_name_once() -> None:
    first = leaked()[0]
    assert isinstance(first.event, ev.ExerciseStarted)
    event = dataclasses.replace(first.event, exercise="20261120-1015-7f3a")
    assert stem_of([dataclasses.replace(first, event=event)]) == "2026-11-20-payment-outage-1015-7f3a"


def test_writing_again_replaces(tmp_path: Path) -> None:
    (first,) = write_debrief(leaked()[:5], tmp_path, ("md",))
    before = first.read_text(encoding="utf-8")
    assert write_debrief(leaked(), tmp_path, ("md",)) == [first]
    assert first.read_text(encoding="utf-8") != before
    assert os.listdir(tmp_path) == [first.name]


def test_a_renderer_that_fails_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = write_debrief(leaked(), tmp_path, ("md",))
    before = path.read_bytes()
    monkeypatch.setattr(markdown, "render_markdown", lambda _view: "half \ud83d")
    with pytest.raises(UnicodeEncodeError):
        write_debrief(leaked(), tmp_path, ("md",))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("records", "formats", "words"),
    [(leaked(), ("pdf",), "choose from md, html, json"), ([], ("md",), "the journal is empty")],
)
def test_what_cannot_be_written(tmp_path: Path, records: list[Record], formats: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        write_debrief(records, tmp_path, formats)


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("x")
    with pytest.raises(UsageError, match=r"can't be written to .*reports.*--output"):
        write_debrief(leaked(), tmp_path / "reports", ("md",))
