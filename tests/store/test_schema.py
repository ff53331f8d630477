"""Bringing an older store up to date."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, inspect, text

from gameday.errors import StoreError
from gameday.store import Holder, open_store
from gameday.store.address import read_address
from gameday.store.database import Database
from gameday.store.errors import StoreTooNew
from gameday.store.schema import number_of

from .makers import note, started


def add_weather(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE gameday_exercises ADD COLUMN weather TEXT"))


def fill_weather(connection: Connection) -> None:
    connection.execute(text("UPDATE gameday_exercises SET weather = 'fine'"))


def fail(connection: Connection) -> None:
    connection.execute(text("SELECT * FROM nowhere"))


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
        columns = {column["name"] for column in inspect(connection).get_columns("gameday_exercises")}
        number = number_of(connection)
    database.close()
    return number, "weather" in columns


def test_the_missing_steps_run_in_order_and_the_number_follows(old: str) -> None:
    upgraded(old, add_weather, fill_weather)
    database = Database(read_address(old), create=False, busy=1.0, steps=(add_weather, fill_weather))
    with database.reading("look") as connection:
        assert connection.execute(text("SELECT id, weather, last_seq FROM gameday_exercises")).one() == ("e", "fine", 2)
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


def test_a_fresh_store_has_the_newest_number(url: str) -> None:
    with open_store(url) as store:
        assert store.schema() == 1
