"""Lists of exercises, and which one is meant."""

from __future__ import annotations

import re

import pytest

from gameday.errors import Exit
from gameday.store import Holder, new_exercise_id
from gameday.store.errors import Ambiguous, NoSuchExercise
from gameday.store.store import Store

from .makers import T0, armed, ended, started

OLD, MID, NEW = "20261119-0900-aaaa", "20261120-1000-bbbb", "20261120-1100-cccc"


@pytest.fixture
def three(store: Store) -> Store:
    for number, exercise in enumerate((MID, NEW, OLD)):
        at = T0 + {OLD: 0, MID: 100, NEW: 200}[exercise]
        store.create(started(exercise, at=at), Holder.mine())
        assert store.last_seq(exercise) == 1, number
    return store


def test_the_newest_comes_first(three: Store) -> None:
    assert [summary.id for summary in three.exercises()] == [NEW, MID, OLD]
    assert [summary.id for summary in three.exercises(limit=2)] == [NEW, MID]


def test_running_and_unrecovered_are_picked_out(three: Store) -> None:
    three.append(NEW, 1, [ended(2)])
    three.append(MID, 1, [armed(2)], status="paused")
    assert [summary.id for summary in three.running()] == [MID, OLD]
    assert [(summary.id, summary.unrecovered) for summary in three.unrecovered()] == [(MID, 1)]


def test_without_an_id_the_latest_running_one_is_meant_else_the_latest(three: Store) -> None:
    three.append(NEW, 1, [ended(2)])
    assert three.resolve() == MID
    three.append(MID, 1, [ended(2)])
    three.append(OLD, 1, [ended(2)])
    assert three.resolve(None) == NEW


def test_the_beginning_of_an_id_is_enough_if_it_fits_one(three: Store) -> None:
    assert three.resolve(OLD) == OLD
    assert three.resolve("20261119") == OLD
    assert three.resolve("20261120-11") == NEW
    with pytest.raises(Ambiguous) as found:
        three.resolve("20261120")
    assert found.value.matches == (MID, NEW)
    assert found.value.exit_code == Exit.INVALID


def test_a_wrong_id_is_told_its_nearest(three: Store) -> None:
    with pytest.raises(NoSuchExercise) as wrong:
        three.resolve("20261120-1000-bbbx")
    assert wrong.value.near[0] == MID
    assert MID in str(wrong.value)
    assert wrong.value.exit_code == Exit.INVALID
    with pytest.raises(NoSuchExercise):
        three.resolve("%")
    with pytest.raises(NoSuchExercise):
        three.resolve("2026112_")


def test_an_id_that_begins_another_is_itself(store: Store) -> None:
    for exercise in ("a", "ab"):
        store.create(started(exercise), Holder.mine())
    assert store.resolve("a") == "a"


def test_an_empty_store_says_how_to_begin(store: Store) -> None:
    with pytest.raises(NoSuchExercise, match="gameday run"):
        store.resolve()


def test_ids_sort_by_time_and_can_be_typed() -> None:
    made = [new_exercise_id(T0 + 60 * minute) for minute in range(200)]
    assert made == sorted(made)
    assert all(re.fullmatch(r"\d{8}-\d{4}-[2-9a-hjkmnp-z]{4}", one) for one in made)
    assert new_exercise_id(0.0).startswith("19700101-0000-")
    assert len({new_exercise_id(T0) for _ in range(50)}) == 50
