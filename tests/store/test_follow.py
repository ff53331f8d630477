"""Reading a journal while it grows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gameday.exercise.record import Record
from gameday.store import Holder, open_store
from gameday.store.errors import StoreCorrupt
from gameday.store.follow import follow
from gameday.store.store import Store

from .makers import note, started


def test_what_is_there_comes_first_then_what_is_added(store: Store, url: str, actor: Callable) -> None:
    store.create(started("e"), Holder.mine())
    store.append("e", 1, [note(2)])
    writer = actor("write", url, "e", 1)
    seen: list[Record] = []
    lists = follow(store, "e", every=0.01, stop=lambda: len(seen) >= 12)
    for found in lists:
        assert found
        seen += found
    writer.end()
    assert [one.seq for one in seen] == list(range(1, len(seen) + 1))


def test_it_begins_after_a_number_and_looks_once_more_at_the_end(store: Store) -> None:
    store.create(started("e"), Holder.mine())
    store.append("e", 1, [note(2), note(3)])
    assert [[one.seq for one in found] for found in follow(store, "e", after=2, stop=lambda: True)] == [[3]]
    assert list(follow(store, "e", after=3, stop=lambda: True)) == []


def test_a_journal_where_nothing_happens_is_not_read_again(path: Path, statements: list[str]) -> None:
    with open_store(str(path)) as store:
        store.create(started("e"), Holder.mine())
        looks = 0

        def stop() -> bool:
            nonlocal looks
            looks += 1
            return looks > 20

        statements.clear()
        assert len(list(follow(store, "e", every=0.001, stop=stop))) == 1
    assert sum(statement.startswith("SELECT") for statement in statements) == 1
    assert len(statements) > 20


def test_another_threads_appends_are_seen(store: Store) -> None:
    store.create(started("e"), Holder.mine())

    def write() -> None:
        for seq in range(2, 30):
            store.append("e", 1, [note(seq)])

    writer = threading.Thread(target=write)
    writer.start()
    seen = [one.seq for found in follow(store, "e", every=0.005, stop=lambda: not writer.is_alive()) for one in found]
    writer.join()
    assert seen == list(range(1, 30))


def test_trouble_is_the_callers(path: Path) -> None:
    with open_store(str(path)) as store:
        store.create(started("e"), Holder.mine())
        with store._database.writing("damage it") as connection:
            connection.run("UPDATE gameday_events SET kind = 'moon_landed'")
        with pytest.raises(StoreCorrupt):
            list(follow(store, "e", stop=lambda: True))
