"""The store as the engine sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gameday.engine.journal import WriteImpossible, WriteLater, WriterReplaced
from gameday.store import Holder, open_store
from gameday.store.port import StoreInbox, StoreJournal, spill_folders
from gameday.store.spill import spilled
from gameday.store.store import Store

from .makers import T0, armed, note, started


def test_writing_renewing_and_being_replaced(store: Store, tmp_path: Path) -> None:
    journal = StoreJournal(store, "e", store.create(started("e"), Holder.mine()), [tmp_path])
    journal.write([armed(2)], status="running", unrecovered=1)
    assert store.summary("e").unrecovered == 1
    before = store.lease("e").renewed_at
    journal.renew()
    assert store.lease("e").renewed_at > before
    store.take_lease("e", Holder.mine())
    with pytest.raises(WriterReplaced):
        journal.write([note(3)], status="running", unrecovered=0)
    with pytest.raises(WriterReplaced):
        journal.renew()


def test_a_locked_store_is_for_later_a_lost_one_is_not(path: Path, tmp_path: Path, actor: Callable) -> None:
    with open_store(str(path), busy=0.1) as store:
        journal = StoreJournal(store, "e", store.create(started("e"), Holder.mine()), [tmp_path])
        holder = actor("hold", path)
        holder.hear()
        with pytest.raises(WriteLater):
            journal.write([note(2)], status="running", unrecovered=0)
        holder.end()
        journal.write([note(2)], status="running", unrecovered=0)
        path.unlink()
        with pytest.raises(WriteImpossible):
            journal.write([note(3)], status="running", unrecovered=0)


def test_spilling_takes_the_first_folder_that_works(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = StoreJournal(store, "e", 1, [tmp_path / "file" / "spill", tmp_path / "good" / "spill"])
    journal.spill([note(2)])
    (found,) = spilled(tmp_path / "good" / "spill")
    assert found.records == [note(2)]


def test_where_no_folder_works_the_records_go_to_stderr(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    StoreJournal(store, "e", 1, [tmp_path / "file" / "spill"]).spill([note(2, "the only copy")])
    talk, line = capsys.readouterr().err.splitlines()
    assert "keep these lines" in talk
    assert json.loads(line)["body"]["text"] == "the only copy"


def test_folders_to_spill_into_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    folders = spill_folders()
    assert Path("/run/user/1/gameday/spill") in folders
    assert len(set(folders)) == len(folders) >= 3


def test_folders_to_spill_into_are_known_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk, and in a pod with a read-only file system: Python finds no folder for temporary files there."""
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: ["/proc"])
    assert Path("/tmp") in [folder.parents[1] for folder in spill_folders()]


def test_requests_and_answers_pass(store: Store) -> None:
    inbox = StoreInbox(store, "e", store.create(started("e"), Holder.mine()))
    row = store.post("e", {"ask": "pause"}, source="cli", actor="ada", wall=T0)
    (asked,) = inbox.take()
    assert (asked.row, asked.request, asked.source, asked.actor, asked.wall) == (
        row,
        {"ask": "pause"},
        "cli",
        "ada",
        T0,
    )
    assert inbox.take() == []
    inbox.answer(row, {"ok": True})
    assert store.answer_of(row) == {"ok": True}


def test_trouble_with_the_inbox_is_no_news(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(str(path)) as store:
        epoch = store.create(started("e"), Holder.mine())
        store.post("e", {"ask": "pause"}, source="cli", actor="", wall=T0)
        assert StoreInbox(store, "e", epoch + 1).take() == []
        StoreInbox(store, "e", epoch).answer(99, {"ok": True})
        assert "request 99 stays without an answer" in capsys.readouterr().err
