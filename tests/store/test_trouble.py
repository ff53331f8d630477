"""A store that is locked, full, read-only, damaged, gone: each says so in its own error, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gameday.errors import Exit, StoreError
from gameday.store import Holder, open_store
from gameday.store.errors import (
    BadAddress,
    StoreBusy,
    StoreCorrupt,
    StoreEmpty,
    StoreGone,
    StoreMissing,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from gameday.store.quick import idle, standing
from gameday.store.trouble import told

from .conftest import run_apart
from .makers import note, started


@pytest.fixture
def made(path: Path) -> Path:
    with open_store(str(path)) as store:
        store.create(started("e"), Holder.mine())
    return path


# --- busy ----------------------------------------------------------------------------------------------------------


def test_a_locked_store_is_busy_in_time_and_then_works(made: Path, actor: Callable) -> None:
    with open_store(str(made), busy=0.25) as store:
        store.last_seq("e")
        holder = actor("hold", made)
        assert holder.hear() == {"held": True}
        began = time.monotonic()
        with pytest.raises(StoreBusy, match="another process holds it locked"):
            store.append("e", 1, [note(2)])
        took = time.monotonic() - began
        assert 0.2 <= took < 3.0
        assert [one.seq for one in store.records("e")] == [1], "reading goes on meanwhile"
        holder.go()
        assert holder.hear() == {"held": False}
        store.append("e", 1, [note(2)])
        assert store.last_seq("e") == 2


def test_a_store_that_is_locked_for_a_moment_is_waited_for(made: Path, actor: Callable) -> None:
    with open_store(str(made), busy=5.0) as store:
        holder = actor("hold", made)
        holder.hear()
        holder.go()
        store.append("e", 1, [note(2)])


def test_a_row_that_another_session_holds_is_busy(postgresql: str) -> None:
    with open_store(postgresql, busy=0.2) as store, open_store(postgresql) as other:
        store.create(started("e"), Holder.mine())
        with other._database.writing("hold") as connection:
            connection.rows("SELECT * FROM gameday_exercises FOR UPDATE")
            began = time.monotonic()
            with pytest.raises(StoreBusy):
                store.append("e", 1, [note(2)])
            assert time.monotonic() - began < 3.0
        store.append("e", 1, [note(2)])


# --- full ----------------------------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_that_was_acknowledged(private_mounts: list[str], tmp_path: Path) -> None:
    said = run_apart(private_mounts, f'mount -t tmpfs -o size=2m none "{tmp_path}"', "full", tmp_path)
    assert said["error"] == "StoreFull"
    assert "disk is full" in said["text"]
    assert said["acknowledged"] > 5
    assert said["readable"] == said["acknowledged"]
    assert said["after"] == said["acknowledged"] + 1, "it goes on when there is room again"
    assert said["spill_error"] == "StoreFull"
    assert said["spilled"] == 0, "a spill that failed leaves no half of it"


def test_a_limit_on_the_size_of_files_is_a_full_disk(path: Path, actor: Callable) -> None:
    said = actor("limited", path).hear()
    assert said["error"] == "StoreFull"
    assert said["readable"] == said["acknowledged"] > 5
    assert said["after"] == said["acknowledged"] + 1


# --- read-only -----------------------------------------------------------------------------------------------------


def test_a_store_on_a_read_only_disk_is_read_and_not_written(private_mounts: list[str], made: Path) -> None:
    folder = made.parent
    mount = f'mount --bind "{folder}" "{folder}" && mount -o remount,bind,ro "{folder}"'
    said = run_apart(private_mounts, mount, "readonly", made)
    refused = dict.fromkeys(("append", "create", "post", "prove", "new"), "StoreReadOnly")
    assert said == {"records": 1, **refused}


def test_a_store_opened_to_read_only(made: Path) -> None:
    with open_store(f"sqlite:///{made}?mode=ro") as store:
        assert store.last_seq("e") == 1
        with pytest.raises(StoreReadOnly, match="can't be written"):
            store.append("e", 1, [note(2)])
        with pytest.raises(StoreReadOnly):
            store.prove_writable()
    with pytest.raises(StoreMissing):
        open_store(f"sqlite:///{made.with_name('other.db')}?mode=ro")


def test_a_server_that_only_reads(postgresql: str) -> None:
    with open_store(postgresql) as store:
        store.create(started("e"), Holder.mine())
        with store._database.writing("make it read-only") as connection:
            name = connection.value("SELECT current_database()")
            connection.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with open_store(postgresql) as store:
        assert store.last_seq("e") == 1
        with pytest.raises(StoreReadOnly):
            store.append("e", 1, [note(2)])


# --- damaged -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"this is a text file, and quite a long one" * 100, b"SQLite format 3\0" + b"\7" * 5000]
)
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="damaged or is no SQLite database"):
        open_store(str(path))
    assert path.read_bytes() == content, "it is left as it was"


def test_a_file_damaged_in_the_middle(path: Path) -> None:
    with open_store(str(path)) as store:
        store.create(started("e"), Holder.mine())
        store.append("e", 1, [note(seq, "x" * 1000) for seq in range(2, 200)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(size - 8192))
    with open_store(str(path)) as store, pytest.raises(StoreCorrupt):
        store.records("e")


def test_a_store_that_lost_a_table(made: Path) -> None:
    raw = sqlite3.connect(made)
    raw.execute("DROP TABLE gameday_events")
    raw.commit()
    raw.close()
    with open_store(str(made)) as store, pytest.raises(StoreCorrupt, match="no such table"):
        store.records("e")


def test_another_programs_database_is_left_alone(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE bookmarks (url TEXT)")
    raw.commit()
    raw.close()
    with pytest.raises(BadAddress, match="another program's database"):
        open_store(str(path))
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    raw.close()


# --- gone, missing, wrong ------------------------------------------------------------------------------------------


def test_a_file_that_is_removed_is_noticed_at_the_next_append(made: Path) -> None:
    with open_store(str(made)) as store:
        store.append("e", 1, [note(2)])
        for file in made.parent.glob("gameday.db*"):
            file.unlink()
        with pytest.raises(StoreGone, match="removed or replaced"):
            store.append("e", 1, [note(3)])
        assert not made.exists(), "no empty journal takes its place"


def test_a_file_that_is_replaced_is_noticed_at_the_next_append(made: Path) -> None:
    with open_store(str(made)) as store:
        store.append("e", 1, [note(2)])
        other = made.with_name("other.db")
        with open_store(str(other)) as new:
            new.create(started("e"), Holder.mine())
        other.replace(made)
        with pytest.raises(StoreUnavailable):
            store.append("e", 1, [note(3)])


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
@pytest.mark.parametrize("by_others", [False, True], ids=["removed", "made anew"])
def test_a_log_that_is_removed_is_noticed_at_the_next_append(made: Path, suffix: str, by_others: bool) -> None:
    with open_store(str(made)) as store:
        epoch = store.create(started("e2"), Holder.mine())
        beside = made.with_name(made.name + suffix)
        beside.unlink()
        if by_others:
            beside.touch()
        with pytest.raises(StoreGone, match=f"{suffix} was removed or replaced"):
            store.append("e2", epoch, [note(2)])


def test_a_log_that_comes_and_goes_with_its_users_is_no_trouble(made: Path) -> None:
    """SQLite removes it when the last one closes; a link to the store has none beside it."""
    link = made.with_name("link.db")
    link.symlink_to(made)
    with open_store(str(link)) as staying:
        epoch = staying.create(started("e2"), Holder.mine())
        for seq in range(2, 12):
            with open_store(str(made)) as other:
                other.prove_writable()
            staying.append("e2", epoch, [note(seq)])
    assert not made.with_name(made.name + "-wal").exists()
    with open_store(str(link)) as again:
        again.append("e2", epoch, [note(12)])
        assert again.last_seq("e2") == 12


def test_a_store_that_must_exist_and_does_not(path: Path) -> None:
    with pytest.raises(StoreMissing, match="nothing was recorded"):
        open_store(str(path), create=False)
    assert not path.exists()


@pytest.mark.parametrize("log", [False, True], ids=["alone", "beside its log"])
def test_an_empty_file_that_must_be_a_store(path: Path, log: bool) -> None:
    path.write_bytes(b"")
    beside = path.with_name("gameday.db-wal")
    if log:
        beside.write_bytes(b"all that is left")
    with pytest.raises(StoreEmpty, match="is empty") as refused:
        open_store(str(path), create=False)
    assert refused.value.exit_code == Exit.NOT_RECOVERED, "what was in it nobody knows"
    assert standing(path) == [] and not idle(path)
    assert path.stat().st_size == 0 and beside.exists() == log, "SQLite would throw away what lies beside it"
    with open_store(str(path)) as anew:
        assert anew.exercises() == [], "an exercise may begin in it"
    open_store(str(path), create=False).close()


def test_a_file_without_a_table_that_must_be_a_store(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.close()
    before = path.read_bytes()
    assert before
    with pytest.raises(StoreEmpty, match="is empty"):
        open_store(str(path), create=False)
    assert path.read_bytes() == before


def test_a_database_that_nobody_used_yet_is_a_store_that_is_missing(postgresql: str) -> None:
    with pytest.raises(StoreMissing, match="nothing was recorded") as refused:
        open_store(postgresql, create=False)
    assert refused.value.exit_code == Exit.INVALID
    open_store(postgresql).close()
    open_store(postgresql, create=False).close()


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(BadAddress, match="is a folder") as wrong:
        open_store(str(tmp_path))
    assert wrong.value.exit_code == Exit.INVALID


def test_folders_on_the_way_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "gameday" / "gameday.db"
    open_store(str(path)).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StoreError, match="state"):
        open_store(str(tmp_path / "state" / "gameday.db"))


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreGone, match="can't be reached") as gone:
        open_store(f"postgresql://ada:s3cret@/gameday?host={tmp_path}")
    assert "s3cret" not in str(gone.value)
    assert "ada:***@" in str(gone.value)


def test_a_database_that_is_not_there(cluster: str) -> None:
    with pytest.raises(StoreGone, match="does not exist"):
        open_store(cluster.format("nowhere"))


def test_a_server_that_drops_its_sessions_is_found_again(postgresql: str, cluster: str) -> None:
    import psycopg

    with open_store(postgresql) as store:
        store.create(started("e"), Holder.mine())
        with psycopg.connect(cluster.format("postgres"), autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gameday'")
        store.append("e", 1, [note(2)])
        assert store.last_seq("e") == 2


def test_a_newer_schema_asks_for_an_upgrade(url: str) -> None:
    with open_store(url) as store, store._database.writing("age") as connection:
        connection.run("UPDATE gameday_schema SET number = 99")
    with pytest.raises(StoreTooNew, match="upgrade gameday"):
        open_store(url)


def test_a_copy_that_forgot_the_wal_gets_it_back(made: Path) -> None:
    copy = made.with_name("copy.db")
    raw = sqlite3.connect(made)
    raw.execute("VACUUM INTO ?", (str(copy),))
    raw.close()
    with open_store(str(copy)) as store, store._database.reading("look") as connection:
        assert connection.value("PRAGMA journal_mode") == "wal"
        assert store.last_seq("e") == 1


def test_no_error_of_the_driver_gets_past(made: Path) -> None:
    with open_store(str(made)) as store:
        for statement in ("nonsense", "SELECT * FROM nowhere", "INSERT INTO gameday_inbox (id) VALUES (1)"):
            with pytest.raises(StoreError) as wrong, store._database.writing("try") as connection:
                connection.run(statement)
            assert str(made) in str(wrong.value)
        with pytest.raises(StoreError), told(store.address, "try"):
            raise sqlite3.OperationalError("something new")


def test_importing_the_store_loads_no_driver() -> None:
    program = (
        "import sys, gameday.store, gameday.cli.options, gameday.cli.history;"
        "sys.exit(any(name in sys.modules for name in ('sqlite3', 'psycopg', 'gameday.exercise.fold')))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
