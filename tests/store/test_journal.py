"""Appending and reading, on every kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameday.errors import StoreError
from gameday.exercise import events as ev
from gameday.store import Holder, open_store
from gameday.store.errors import ExerciseExists, JournalGap, LeaseLost, NoSuchExercise
from gameday.store.store import Store

from .makers import T0, armed, ended, note, record, recovered, started


def begin(store: Store, exercise: str = "e") -> int:
    return store.create(started(exercise), Holder.mine())


def test_a_journal_begins_with_everything_a_list_needs(store: Store) -> None:
    assert begin(store) == 1
    summary = store.summary("e")
    assert (summary.scenario, summary.title) == ("payment-outage", "The payment provider goes dark")
    assert (summary.target, summary.environment, summary.attended) == ("sandbox", "sandbox", False)
    assert (summary.status, summary.started_at, summary.ended_at) == ("running", T0, None)
    assert (summary.verdict, summary.exit_code, summary.unrecovered, summary.last_seq) == (None, None, 0, 1)
    assert summary.engine_alive
    assert store.records("e") == [started("e")]


def test_an_id_is_taken_only_once(store: Store) -> None:
    begin(store)
    with pytest.raises(ExerciseExists, match="exercise e exists"):
        begin(store)
    assert store.last_seq("e") == 1


def test_a_journal_begins_with_nothing_else(store: Store) -> None:
    with pytest.raises(StoreError, match="begins with exercise_started"):
        store.create(note(1), Holder.mine())
    assert store.exercises() == []


def test_what_was_appended_is_read_back_in_order(store: Store) -> None:
    epoch = begin(store)
    store.append("e", epoch, [note(2, "zwei ✓"), note(3)])
    store.append("e", epoch, [note(4)])
    assert store.records("e")[1:] == [note(2, "zwei ✓"), note(3), note(4)]
    assert [one.seq for one in store.records("e", after=2)] == [3, 4]
    assert [one.seq for one in store.records("e", after=1, limit=2)] == [2, 3]
    assert store.records("e", after=4) == []
    assert store.last_seq("e") == 4


def test_it_is_there_for_whoever_opens_the_store_next(url: str) -> None:
    with open_store(url) as first:
        first.append("e", begin(first), [note(2)])
    with open_store(url, create=False) as second:
        assert second.records("e") == [started("e"), note(2)]


def test_journals_are_apart(store: Store) -> None:
    one, two = begin(store, "a"), begin(store, "b")
    store.append("a", one, [note(2, "in a")])
    store.append("b", two, [note(2, "in b"), note(3)])
    assert [store.last_seq("a"), store.last_seq("b")] == [2, 3]
    assert store.records("a")[1].event == ev.NoteTaken("in a")


def test_a_replaced_writer_writes_nothing(store: Store) -> None:
    old = begin(store)
    new = store.take_lease("e", Holder.mine())
    with pytest.raises(LeaseLost) as lost:
        store.append("e", old, [note(2)], status="aborted", unrecovered=5)
    assert lost.value.current_epoch == new
    summary = store.summary("e")
    assert (summary.last_seq, summary.status, summary.unrecovered) == (1, "running", 0)


def test_a_number_that_somebody_else_used_loses_the_lease(store: Store) -> None:
    epoch = begin(store)
    store.append("e", epoch, [note(2, "first")])
    with pytest.raises(LeaseLost, match="record 2 is there already"):
        store.append("e", epoch, [note(2, "second")])
    assert store.records("e", after=1) == [note(2, "first")]


def test_sending_again_what_is_there_already_changes_nothing(store: Store) -> None:
    epoch = begin(store)
    store.append("e", epoch, [note(2), note(3)])
    store.append("e", epoch, [note(2), note(3)])
    # Half of it went through, as far as the writer knows.
    store.append("e", epoch, [note(3), armed(4)])
    assert store.records("e", after=1) == [note(2), note(3), armed(4)]
    assert store.summary("e").last_seq == 4
    assert store.summary("e").unrecovered == 1


def test_no_number_is_left_out(store: Store) -> None:
    epoch = begin(store)
    with pytest.raises(JournalGap, match="ends at 1 and can't go on at 3"):
        store.append("e", epoch, [note(3)])
    with pytest.raises(StoreError, match="don't follow each other"):
        store.append("e", epoch, [note(2), note(4)])
    assert store.last_seq("e") == 1


def test_a_batch_is_written_whole_or_not_at_all(store: Store) -> None:
    epoch = begin(store)
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(StoreError, match="can't be written as JSON"):
        store.append("e", epoch, [note(2), record(3, ev.FaultInjected("f", output=loop))])
    assert store.last_seq("e") == 1
    store.append("e", epoch, [note(2)])


def test_an_exercise_nobody_began_has_no_journal(store: Store) -> None:
    with pytest.raises(StoreError, match="knows no exercise nope"):
        store.append("nope", 1, [note(2)])
    with pytest.raises(NoSuchExercise):
        store.last_seq("nope")
    assert store.records("nope") == []


def test_the_summary_follows_the_end(store: Store) -> None:
    epoch = begin(store)
    store.append("e", epoch, [ended(2, "leaked")])
    summary = store.summary("e")
    assert (summary.status, summary.verdict, summary.exit_code) == ("leaked", "leaked", 0)
    assert summary.ended_at == T0 + 2
    # Follow-up comes after the end and leaves it alone.
    store.append("e", epoch, [record(3, ev.ActionAdded("A1", "fix", "me", "2026-12-01"))])
    assert store.summary("e").ended_at == T0 + 2


def test_the_writer_may_say_status_and_number_itself(store: Store) -> None:
    epoch = begin(store)
    store.append("e", epoch, [armed(2)], status="paused", unrecovered=3)
    assert (store.summary("e").status, store.summary("e").unrecovered) == ("paused", 3)
    store.append("e", epoch, [], status="interrupted", unrecovered=0)
    assert (store.summary("e").status, store.summary("e").unrecovered) == ("interrupted", 0)


def test_faults_not_recovered_are_counted_when_the_writer_does_not(store: Store) -> None:
    epoch = begin(store)
    store.append("e", epoch, [armed(2, "f1"), armed(3, "f2")])
    assert store.summary("e").unrecovered == 2
    store.append("e", epoch, [recovered(4, "f1"), record(5, ev.FaultLeaked("f2", "no use"))])
    assert store.unrecovered_entries("e") == ["f2"]
    assert [summary.id for summary in store.unrecovered()] == ["e"]
    store.append("e", epoch, [recovered(6, "f2")])
    assert store.unrecovered() == []


def test_a_value_that_is_no_json_is_kept_as_text(store: Store) -> None:
    epoch = begin(store)
    store.append("e", epoch, [record(2, ev.FaultInjected("f", output={"when": Path("/x"), "n": float("inf")}))])
    event_read = store.records("e")[1].event
    assert isinstance(event_read, ev.FaultInjected)
    assert event_read.output == {"when": "PosixPath('/x')", "n": float("inf")}


def test_odd_bytes_in_a_name_are_spelled_out(store: Store) -> None:
    epoch = begin(store)
    store.append("e", epoch, [record(2, ev.NoteTaken("a\0b\udcff"), actor="J\udcfcrg\0")])
    read = store.records("e")[1]
    assert read.actor == "J\\udcfcrg\\x00"
    assert read.event == ev.NoteTaken("a\0b\udcff")


def test_an_append_is_one_transaction_of_two_statements(path: Path, statements: list[str]) -> None:
    with open_store(str(path)) as store:
        epoch = begin(store)
        store.append("e", epoch, [note(2)], status="running", unrecovered=0)
        statements.clear()
        store.append("e", epoch, [note(3), note(4)], status="running", unrecovered=0)
        assert statements == [
            "BEGIN IMMEDIATE",
            "UPDATE gameday_exercises SET status = :status, unrecovered = :unrecovered, last_seq = :last_seq, "
            "renewed_at = :renewed_at WHERE id = :id AND epoch = :held AND last_seq = :before",
            "INSERT INTO gameday_events (exercise, seq, wall, clock, recorded, epoch, source, actor, kind, body) "
            "VALUES (:exercise, :seq, :wall, :clock, :recorded, :epoch, :source, :actor, :kind, :body)",
            "COMMIT",
        ]


def test_sqlite_writes_are_on_disk_when_they_return(path: Path) -> None:
    with open_store(str(path)) as store, store._database.reading("look") as connection:
        assert connection.value("PRAGMA journal_mode") == "wal"
        assert connection.value("PRAGMA synchronous") == 2
        assert connection.value("PRAGMA foreign_keys") == 1


def test_news_are_noticed(store: Store) -> None:
    epoch = begin(store)
    before = store.data_version()
    assert store.data_version() == before
    store.append("e", epoch, [note(2)])
    after = store.data_version()
    assert after != before
    store.post("e", {"ask": "pause"}, source="cli", actor="", wall=T0)
    assert store.data_version() != after


def test_a_writable_store_proves_it(store: Store) -> None:
    store.prove_writable()
    assert store.schema() == 1
