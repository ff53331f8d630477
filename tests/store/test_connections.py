"""Connections: lent to many threads, given back after trouble, none left behind; and what PostgreSQL's URLs say."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from gameday.store import Holder, open_store
from gameday.store.connection import PostgresqlConnection, SqliteConnection
from gameday.store.errors import BadAddress, StoreBusy, StoreError, StoreGone
from gameday.store.pool import KEPT, MOST
from gameday.store.postgresql import settings_of
from gameday.store.store import Store

from .makers import note, started, wait_until


def connections_to(path: Path) -> int:
    """How many connections of this process have read the store."""
    # By the log: SQLite keeps the file of a connection that was closed as long as another one has a lock on it.
    log = f"{path}-wal"
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        try:
            found += os.readlink(one) == log
        except FileNotFoundError:
            continue
    return found


# --- lending -------------------------------------------------------------------------------------------------------


def test_who_finds_all_of_them_in_use_is_refused_in_time(url: str) -> None:
    with open_store(url, busy=0.1) as store:
        store.create(started("e"), Holder.mine())
        with ExitStack() as held:
            for _ in range(MOST):
                held.enter_context(store._database.reading("hold"))
            began = time.monotonic()
            with pytest.raises(StoreBusy, match="too many threads"):
                store.records("e")
            assert 0.1 <= time.monotonic() - began < 5.0
        assert len(store.records("e")) == 1


def test_more_threads_than_connections_wait_for_each_other(store: Store) -> None:
    store.create(started("e"), Holder.mine())
    together = threading.Barrier(2 * MOST)
    read: list[int] = []

    def look() -> None:
        together.wait()
        for _ in range(5):
            read.append(len(store.records("e")))

    threads = [threading.Thread(target=look) for _ in range(2 * MOST)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert read == [1] * (2 * MOST * 5)


def test_a_few_stay_open_and_none_after_closing(path: Path) -> None:
    with open_store(str(path)) as store:
        with ExitStack() as held:
            for _ in range(KEPT + 3):
                held.enter_context(store._database.reading("hold")).tables()
            assert connections_to(path) == KEPT + 3
        assert connections_to(path) == KEPT
        with store._database.reading("hold") as connection:
            connection.tables()
            store.data_version()
            store.close()
            assert connections_to(path) == 1
        assert connections_to(path) == 0
        assert store.exercises() == [], "somebody was late"
        assert connections_to(path) == 0


def test_a_store_that_could_not_be_opened_leaves_nothing_open(path: Path) -> None:
    with open_store(str(path)) as store, store._database.writing("age") as connection:
        connection.run("UPDATE gameday_schema SET number = 99")
    with pytest.raises(StoreError):
        open_store(str(path))
    assert connections_to(path) == 0


def test_opening_a_store_that_is_there_asks_little(path: Path, statements: list[str]) -> None:
    open_store(str(path)).close()
    statements.clear()
    open_store(str(path), create=False, busy=0.1).close()
    assert [one.partition(" ")[0] for one in statements] == ["SELECT", "SELECT", "PRAGMA", "PRAGMA"]


# --- after trouble -------------------------------------------------------------------------------------------------


def test_what_was_written_before_an_error_is_undone(store: Store) -> None:
    store.create(started("e"), Holder.mine())
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), store._database.writing("try") as connection:
            connection.run("UPDATE gameday_exercises SET title = 'half'")
            raise error
        assert store.summary("e").title != "half"
    store.append("e", 1, [note(2)])


def test_a_commit_that_fails_is_undone(path: Path) -> None:
    with open_store(str(path)) as store:
        store.create(started("e"), Holder.mine())
        with pytest.raises(StoreError, match="FOREIGN KEY"), store._database.writing("try") as connection:
            connection.run("PRAGMA defer_foreign_keys = ON")
            connection.run("UPDATE gameday_events SET exercise = 'nowhere'")
        assert len(store.records("e")) == 1
        store.append("e", 1, [note(2)])


def test_a_transaction_that_was_left_open_is_undone(path: Path) -> None:
    with open_store(str(path), busy=0.1) as store, open_store(str(path), busy=0.1) as other:
        store.create(started("e"), Holder.mine())
        with store._database.reading("begin") as connection:
            connection.run("BEGIN IMMEDIATE")
        other.append("e", 1, [note(2)])


def test_a_session_that_is_dropped_in_a_transaction_is_gone_and_the_next_is_new(postgresql: str, cluster: str) -> None:
    import psycopg

    with open_store(postgresql) as store:
        store.create(started("e"), Holder.mine())
        with pytest.raises(StoreGone), store._database.writing("try") as connection:
            mine = connection.value("SELECT pg_backend_pid()")
            with psycopg.connect(cluster.format("postgres"), autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", (mine,))
                alive = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
                wait_until(lambda: not admin.execute(alive, (mine,)).fetchone(), "the session to end")
            connection.run("UPDATE gameday_exercises SET title = 'half'")
        store.append("e", 1, [note(2)])
        assert store.summary("e").title != "half"


def test_of_sessions_that_were_all_dropped_one_is_made_anew_and_kept(postgresql: str, cluster: str) -> None:
    import psycopg

    with open_store(postgresql) as store, psycopg.connect(cluster.format("postgres"), autocommit=True) as admin:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gameday' AND datname = %s"
        name = postgresql.partition("@/")[2].partition("?")[0]

        def sessions(number: int) -> bool:
            return admin.execute(count, (name,)).fetchone() == (number,)

        with ExitStack() as held:
            for _ in range(KEPT):
                held.enter_context(store._database.reading("hold"))
        assert sessions(KEPT)
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        wait_until(lambda: sessions(0), "the sessions to end")
        assert store.exercises() == []
        assert sessions(1)
        with store._database.reading("look again") as connection:
            again = connection.value("SELECT pg_backend_pid()")
        with store._database.reading("look again") as connection:
            assert connection.value("SELECT pg_backend_pid()") == again


# --- one text for both ---------------------------------------------------------------------------------------------


def test_a_value_may_stand_twice_and_may_be_anything(store: Store) -> None:
    odd = 'it\'s 100% :so "odd" %s %(name)s ?'
    with store._database.reading("ask") as connection:
        assert isinstance(connection, SqliteConnection | PostgresqlConnection)
        assert connection.value("SELECT CAST(:said AS TEXT)", said=odd) == odd
        assert connection.row("SELECT :one + :two, :one + 0", one=1, two=2) == (3, 1)
        assert connection.row("SELECT 1 WHERE 1 = :two", two=2) is None
        assert connection.value("SELECT 1 WHERE 1 = :two", two=2) is None


# --- URLs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("postgresql://", {}),
        ("postgresql:///g", {"dbname": "g"}),
        ("postgresql://h/g", {"host": "h", "dbname": "g"}),
        ("postgresql://[::1]:5433/g", {"host": "::1", "port": "5433", "dbname": "g"}),
        ("postgresql://h1,h2/g", {"host": "h1,h2", "dbname": "g"}),
        ("postgresql://ada@h:5433", {"user": "ada", "host": "h", "port": "5433"}),
        ("postgresql://ada:s3cret@h/g", {"user": "ada", "password": "s3cret", "host": "h", "dbname": "g"}),
        ("postgresql://a%40b:p%2Fw%25@h/g%20h", {"user": "a@b", "password": "p/w%", "host": "h", "dbname": "g h"}),
        ("postgresql://ada:p/w?:x%@h/g", {"user": "ada", "password": "p/w?:x%", "host": "h", "dbname": "g"}),
        ("postgresql://ada@/g?host=/run/pg", {"user": "ada", "dbname": "g", "host": "/run/pg"}),
        ("postgresql://h/g?user=ada&password=a@b", {"host": "h", "dbname": "g", "user": "ada", "password": "a@b"}),
        ("postgresql://h/g?sslmode=require&x=", {"host": "h", "dbname": "g", "sslmode": "require"}),
        ("postgresql:///g?host=a:1&host=b:2", {"dbname": "g", "host": "a,b", "port": "1,2"}),
        ("postgresql:///g?host=a:1&host=b", {"dbname": "g", "host": "a,b", "port": "1,"}),
        ("postgresql:///g?host=a,b&port=1,2", {"dbname": "g", "host": "a,b", "port": "1,2"}),
        ("postgresql:///g?host=a:7", {"dbname": "g", "host": "a", "port": "7"}),
    ],
)
def test_a_servers_url_is_read_as_it_is_written(url: str, settings: dict[str, str]) -> None:
    assert settings_of(url) == settings


@pytest.mark.parametrize("rest", ["h:port/g", "/g?host=a:1&port=2&host=b", "/g?host=a,b,c&port=1,2", "/g?port=x"])
def test_a_servers_url_that_cannot_be_read_is_invalid_input(rest: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(BadAddress, match="can't be read as a URL") as wrong:
        open_store(f"postgresql://ada:s3cret@{rest}")
    assert "s3cret" not in str(wrong.value)
