"""Requests and answers."""

from __future__ import annotations

import pytest

from gameday.errors import StoreError
from gameday.store import Holder
from gameday.store.errors import LeaseLost, NoSuchExercise
from gameday.store.store import Store

from .makers import started


def ask(store: Store, text: str, exercise: str = "e") -> int:
    return store.post(exercise, {"ask": "takenote", "text": text}, source="cli", actor="ada", wall=5.0)


def test_requests_are_taken_once_and_in_order(store: Store) -> None:
    epoch = store.create(started("e"), Holder.mine())
    ids = [ask(store, text) for text in ("a", "b", "c")]
    assert ids == sorted(set(ids))
    first = store.take("e", epoch, limit=2)
    assert [row.id for row in first] == ids[:2]
    assert [row.request["text"] for row in first] == ["a", "b"]
    assert (first[0].exercise, first[0].source, first[0].actor, first[0].wall) == ("e", "cli", "ada", 5.0)
    assert [row.id for row in store.take("e", epoch)] == ids[2:]
    assert store.take("e", epoch) == []


def test_each_exercise_has_its_own(store: Store) -> None:
    one, two = (store.create(started(name), Holder.mine()) for name in "ab")
    ask(store, "for b", "b")
    assert store.take("a", one) == []
    assert len(store.take("b", two)) == 1


def test_a_replaced_engine_takes_nothing(store: Store) -> None:
    store.create(started("e"), Holder.mine())
    wanted = ask(store, "a")
    new = store.take_lease("e", Holder.mine())
    with pytest.raises(LeaseLost):
        store.take("e", new - 1)
    assert [row.id for row in store.take("e", new)] == [wanted]


def test_answers_find_their_way_back(store: Store) -> None:
    epoch = store.create(started("e"), Holder.mine())
    row = ask(store, "a")
    assert store.answer_of(row) is None
    store.take("e", epoch)
    store.answer(row, {"ok": False, "error": "zu spät"})
    assert store.answer_of(row) == {"ok": False, "error": "zu spät"}
    assert store.answer_of(row + 1000) is None
    with pytest.raises(StoreError, match="no request"):
        store.answer(row + 1000, {})


def test_nobody_can_ask_an_exercise_that_is_not_there(store: Store) -> None:
    with pytest.raises(NoSuchExercise):
        ask(store, "a")


def test_looking_into_an_empty_inbox_writes_nothing(store: Store, statements: list[str]) -> None:
    epoch = store.create(started("e"), Holder.mine())
    statements.clear()
    assert store.take("e", epoch) == []
    # Whether a server is still there is asked first.
    (looked,) = (one for one in statements if one != "SELECT 1")
    assert looked.startswith("SELECT")
