"""Bringing an older store up to date."""

from __future__ import annotations

import pytest

from gameday.errors import StoreError
from gameday.store import Holder, open_store
from gameday.store.address import read_address
from gameday.store.connection import Connection
from gameday.store.database import Database
from gameday.store.errors import StoreTooNew
from gameday.store.schema import number_of

from .earlier import made_at_first
from .makers import note, started


def add_weather(connection: Connection) -> None:
    connection.run("ALTER TABLE gameday_exercises ADD COLUMN weather TEXT")


def fill_weather(connection: Connection) -> None:
    connection.run("UPDATE gameday_exercises SET weather = 'fine'")


def fail(connection: Connection) -> None:
    connection.rows("SELECT * FROM nowhere")


def columns_of(connection: Connection, table: str) -> list[tuple[object, ...]]:
    """Of each column its name, its type, whether it may be empty, and what stands in it unless said."""
    if connection.shared:
        return connection.rows(
            "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns "
            "WHERE table_schema = current_schema() AND table_name = :name ORDER BY ordinal_position",
            name=table,
        )
    return [tuple(row[1:]) for row in connection.rows(f"PRAGMA table_info({table})")]


def structure_of(connection: Connection) -> dict[str, object]:
    """All that a database knows of the tables in it."""
    found: dict[str, object] = {name: columns_of(connection, name) for name in connection.tables()}
    if connection.shared:
        found["indexes"] = set(connection.rows("SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()"))
        found["constraints"] = set(connection.rows(CONSTRAINTS))
    else:
        made = connection.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        found["made by"] = {name: "".join(sql.split()) for name, sql in made}
    return found


CONSTRAINTS = """
SELECT CAST(CAST(conrelid AS regclass) AS text), conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = CAST(current_schema() AS regnamespace)
"""


def upgraded(url: str, *steps: object) -> None:
    Database(read_address(url), create=False, busy=1.0, steps=steps).close()  # type: ignore[arg-type]


@pytest.fixture
def old(url: str) -> str:
    with open_store(url) as store:
        store.create(started("e"), Holder.mine())
        store.append("e", 1, [note(2)])
    return url


def look(url: str, *steps: object) -> tuple[int, bool]:
    database = Database(read_address(url), create=False, busy=1.0, steps=steps)  # type: ignore[arg-type]
    with database.reading("look") as connection:
        number, columns = number_of(connection), columns_of(connection, "gameday_exercises")
    database.close()
    return number, any(name == "weather" for name, *_ in columns)


def test_the_missing_steps_run_in_order_and_the_number_follows(old: str) -> None:
    upgraded(old, add_weather, fill_weather)
    database = Database(read_address(old), create=False, busy=1.0, steps=(add_weather, fill_weather))
    with database.reading("look") as connection:
        assert connection.rows("SELECT id, weather, last_seq FROM gameday_exercises") == [("e", "fine", 2)]
        assert number_of(connection) == 3
    database.close()


def test_only_the_missing_ones(old: str) -> None:
    upgraded(old, add_weather)
    # The first would fail a second time.
    upgraded(old, add_weather, fill_weather)
    assert look(old, add_weather, fill_weather) == (3, True)


def test_a_step_that_fails_leaves_the_store_as_it_was(old: str) -> None:
    with pytest.raises(StoreError):
        upgraded(old, add_weather, fail)
    assert look(old) == (1, False)
    with open_store(old) as store:
        assert store.last_seq("e") == 2


def test_the_older_program_then_refuses_it(old: str) -> None:
    upgraded(old, add_weather)
    with pytest.raises(StoreTooNew, match="has schema 2, this gameday knows up to 1"):
        open_store(old)


def test_a_store_of_the_first_builds_is_the_same(url: str) -> None:
    """Either can be read and written by both: nothing in the schema's number tells them apart."""
    with open_store(url) as store, store._database.writing("make it anew") as connection:
        ours = structure_of(connection)
        for table in ("inbox", "events", "exercises", "schema"):
            connection.run(f"DROP TABLE gameday_{table}")
        for statement in made_at_first(connection.shared):
            connection.run(statement)
        connection.run("INSERT INTO gameday_schema (number) VALUES (1)")
        assert structure_of(connection) == ours
    with open_store(url, create=False) as store:
        epoch = store.create(started("e"), Holder.mine())
        store.append("e", epoch, [note(2)])
        assert store.post("e", {"ask": "pause"}, source="cli", actor="", wall=1.0) == 1
        assert [row.id for row in store.take("e", epoch)] == [1]
        assert store.records("e") == [started("e"), note(2)]
        assert store.summary("e").attended is False


def test_a_fresh_store_has_the_newest_number(url: str) -> None:
    with open_store(url) as store:
        assert store.schema() == 1
