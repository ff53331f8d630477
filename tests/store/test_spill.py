"""Facts the store could not take: kept beside it, and moved into the journal later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameday.exercise import events as ev
from gameday.exercise.record import Record
from gameday.store import Holder, open_store
from gameday.store.errors import StoreBusy, StoreError, StoreFull, StoreReadOnly
from gameday.store.merge import merged
from gameday.store.spill import absorb, spill, spilled
from gameday.store.store import Store

from .conftest import run_apart
from .makers import T0, armed, ended, note, record, recovered, started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spill"


def dead_holder() -> Holder:
    """A process that is not there any more."""
    mine = Holder.mine()
    return Holder(mine.pid, mine.start_ticks - 1, mine.host, mine.boot_id)


@pytest.fixture
def journal(store: Store) -> Store:
    """Exercise `e` with records 1 and 2, its engine dead."""
    store.append("e", store.create(started("e"), dead_holder()), [note(2)])
    return store


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def warnings(records: list[Record]) -> list[str]:
    return [one.event.text for one in records if isinstance(one.event, ev.Warned)]


# --- the file --------------------------------------------------------------------------------------------------------


def test_spilled_records_are_read_back_in_order(folder: Path) -> None:
    assert spilled(folder) == []
    spill(folder, "e", 1, [note(3), note(4, "grün\0\udcff")])
    spill(folder, "e", 2, [note(5)])
    spill(folder, "other", 1, [armed(2)])
    first, second = spilled(folder)
    assert (first.exercise, first.records, first.damaged) == ("e", [note(3), note(4, "grün\0\udcff"), note(5)], [])
    assert second.records == [armed(2)]
    assert first.path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_costs_only_itself(folder: Path) -> None:
    path = spill(folder, "e", 1, [note(3), note(4)])
    path.write_bytes(path.read_bytes()[:-20])
    spill(folder, "e", 1, [note(5)])
    (found,) = spilled(folder)
    assert found.records == [note(3), note(5)]
    assert len(found.damaged) == 1


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="could not save 1 records"):
        spill(tmp_path / "file", "e", 1, [note(3)])
    if Path("/dev/full").exists():
        (tmp_path / "e.spill.jsonl").symlink_to("/dev/full")
        with pytest.raises(StoreError):
            spill(tmp_path, "e", 1, [note(3)])


def test_a_read_only_disk_takes_no_spill(private_mounts: list[str], folder: Path) -> None:
    folder.mkdir()
    mount = f'mount --bind "{folder}" "{folder}" && mount -o remount,bind,ro "{folder}"'
    assert run_apart(private_mounts, mount, "spilling", folder) == {"error": StoreReadOnly.__name__}


# --- absorbing -------------------------------------------------------------------------------------------------------


def test_what_fits_is_appended_and_the_file_goes(journal: Store, folder: Path) -> None:
    spill(folder, "e", 1, [armed(3), note(4)])
    assert absorb(journal, folder) == ["e"]
    assert journal.records("e", after=2) == [armed(3), note(4)]
    assert journal.summary("e").unrecovered == 1
    assert files(folder) == []
    assert journal.lease("e").holder is None, "borrowed for the moment, and given back"


def test_absorbing_twice_changes_nothing(journal: Store, folder: Path) -> None:
    spill(folder, "e", 1, [note(2), note(3), armed(2, "unknown"), note(2, "another"), record(9, ev.Continued())])
    path = folder / "e.spill.jsonl"
    content = path.read_bytes() + b'{"torn'
    path.write_bytes(content)
    assert absorb(journal, folder) == ["e"]
    before = journal.records("e")
    path.write_bytes(content)
    assert absorb(journal, folder) == ["e"]
    assert journal.records("e") == before


def test_a_number_that_was_taken_meanwhile_is_told_as_a_warning(journal: Store, folder: Path) -> None:
    spill(folder, "e", 1, [note(2, "what I saw"), note(3)])
    absorb(journal, folder)
    records = journal.records("e")
    assert records[:3] == [started("e"), note(2), note(3)]
    (warning,) = warnings(records)
    assert "what I saw" in warning


def test_a_later_writers_facts_follow_at_the_end(journal: Store, folder: Path) -> None:
    spill(folder, "e", 1, [armed(3), record(4, ev.FaultEffective("f1", "slow"))])
    # The guardian could not read these, and counted on from what it knew.
    spill(folder, "e", 2, [record(3, ev.EngineLost("killed"), epoch=2), recovered(4, epoch=2), ended(5, epoch=2)])
    absorb(journal, folder)
    records = journal.records("e")
    assert [one.kind for one in records[2:]] == [
        "fault_armed",
        "fault_effective",
        "engine_lost",
        "fault_recovered",
        "exercise_ended",
    ]
    assert warnings(records) == []
    assert journal.summary("e").unrecovered == 0
    assert journal.summary("e").status == "completed"


def test_an_older_writers_facts_do_not_undo_what_came_after(journal: Store, folder: Path) -> None:
    journal.append("e", 1, [armed(3)])
    epoch = journal.take_lease("e", dead_holder(), force=True)
    journal.append("e", epoch, [recovered(4, epoch=2), ended(5, "aborted", epoch=2)])
    spill(folder, "e", 1, [record(4, ev.FaultEffective("f1", "slow"))])
    absorb(journal, folder)
    records = journal.records("e")
    assert "fault_effective" not in [one.kind for one in records]
    assert "slow" in warnings(records)[0]
    assert journal.summary("e").unrecovered == 0
    assert journal.summary("e").status == "aborted"


def test_a_fault_the_journal_never_heard_of_becomes_known_as_a_fault(journal: Store, folder: Path) -> None:
    epoch = journal.take_lease("e", dead_holder(), force=True)
    journal.append("e", epoch, [note(3, epoch=2), note(4, epoch=2)])
    spill(folder, "e", 1, [armed(3, "f9"), record(4, ev.FaultEffective("f9", "slow"))])
    absorb(journal, folder)
    assert [one.kind for one in journal.records("e")[-2:]] == ["fault_armed", "fault_effective"]
    assert journal.unrecovered_entries("e") == ["f9"]
    assert journal.summary("e").unrecovered == 1


def test_lost_numbers_and_lines_are_told(journal: Store, folder: Path) -> None:
    path = spill(folder, "e", 1, [note(5)])
    with path.open("a") as file:
        file.write('{"seq": 6, "wa')
    absorb(journal, folder)
    records = journal.records("e")
    assert [one.seq for one in records] == [1, 2, 3, 4, 5, 6]
    assert records[4] == note(5)
    told = warnings(records)
    assert told[:2] == ["record 3 was lost", "record 4 was lost"]
    assert '"wa' in told[2]


def test_an_exercise_that_could_only_be_spilled_is_begun(store: Store, folder: Path) -> None:
    spill(folder, "e", 1, [started("e"), note(2)])
    assert absorb(store, folder) == ["e"]
    assert store.records("e") == [started("e"), note(2)]


def test_an_exercise_of_another_store_is_left_where_it_is(store: Store, folder: Path) -> None:
    spill(folder, "e", 1, [note(7)])
    assert absorb(store, folder) == []
    assert files(folder) == ["e.spill.jsonl"]


def test_a_living_writers_journal_is_left_to_it(store: Store, url: str, folder: Path, actor: Callable) -> None:
    other = actor("live", url, "e")
    other.hear()
    spill(folder, "e", 1, [note(2)])
    assert absorb(store, folder) == []
    assert store.last_seq("e") == 1
    assert files(folder) == ["e.spill.jsonl"]
    other.end()
    assert absorb(store, folder) == ["e"]


def test_the_writer_absorbs_its_own_and_goes_on(store: Store, folder: Path) -> None:
    epoch = store.create(started("e"), Holder.mine())
    spill(folder, "e", epoch, [note(2), note(3)])
    assert absorb(store, folder) == ["e"]
    store.append("e", epoch, [note(4)])
    assert store.lease("e").held(T0)


def test_the_file_stays_until_the_store_takes_it(path: Path, folder: Path, actor: Callable) -> None:
    with open_store(str(path), busy=0.1) as store:
        store.create(started("e"), Holder.mine())
        spill(folder, "e", 1, [note(2)])
        holder = actor("hold", path)
        holder.hear()
        with pytest.raises(StoreBusy):
            absorb(store, folder)
        assert files(folder) == ["e.spill.jsonl"]
        holder.go()
        holder.hear()
        assert absorb(store, folder) == ["e"]
        assert store.last_seq("e") == 2


def test_nothing_spilled_while_absorbing_is_lost(path: Path, folder: Path) -> None:
    with open_store(str(path), busy=5.0) as store:
        store.create(started("e"), Holder.mine())
        done = threading.Event()

        def keep_spilling() -> None:
            for seq in range(2, 80):
                spill(folder, "e", 1, [note(seq)])
            done.set()

        writer = threading.Thread(target=keep_spilling)
        writer.start()
        while not done.is_set():
            absorb(store, folder)
        writer.join()
        absorb(store, folder)
        assert store.records("e", after=1) == [note(seq) for seq in range(2, 80)]


# --- merging, on any input -------------------------------------------------------------------------------------------

SOME = st.builds(
    lambda seq, epoch, event: record(seq, event, epoch),
    st.integers(1, 12),
    st.integers(1, 3),
    st.sampled_from(
        [
            ev.NoteTaken("a"),
            ev.NoteClassified(2, "decision"),
            ev.FaultArmed("f1", "latency", {}, False, 1.0),
            ev.FaultEffective("f1", "slow"),
            ev.FaultRecovered("f1", "fast"),
        ]
    ),
)


@given(there=st.lists(SOME, max_size=6), found=st.lists(SOME, max_size=8), damaged=st.lists(st.text(), max_size=2))
def test_merging_loses_nothing_leaves_no_gap_and_is_done_once(
    there: list[Record], found: list[Record], damaged: list[str]
) -> None:
    journal = [record(seq, one.event, one.epoch) for seq, one in enumerate(there, 1)]
    new = merged(journal, found, damaged, epoch=9, now=T0)
    whole = journal + new
    assert [one.seq for one in whole] == list(range(1, len(whole) + 1))
    for one in found:
        told = [other for other in whole if (other.event, other.epoch, other.wall) == (one.event, one.epoch, one.wall)]
        assert told or any(f'"seq":{one.seq},' in text and one.kind in text for text in warnings(whole))
    assert merged(whole, found, damaged, epoch=9, now=T0 + 1) == []
    if any(isinstance(one.event, ev.FaultArmed) for one in found):
        assert any(isinstance(one.event, ev.FaultArmed) for one in whole)


def test_a_spill_far_beyond_the_journal_is_told_in_one_warning() -> None:
    new = merged([started("e")], [note(1_000_000)], [], epoch=1, now=T0)
    assert [one.seq for one in new] == [2, 3]
    assert warnings(new) == ["records 2 to 999999 were lost"]
    assert new[1].event == ev.NoteTaken("seen")


def test_full_is_told_apart(tmp_path: Path) -> None:
    from gameday.store.errors import refused_by_system

    assert isinstance(refused_by_system("x", OSError(28, "No space left on device")), StoreFull)
