"""Every event kind survives the store."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gameday.exercise.events import REGISTRY, Event, ExerciseStarted
from gameday.exercise.record import Record
from gameday.store import Holder, open_store
from gameday.store.codec import COLUMNS, records_from, row_of
from gameday.store.errors import StoreCorrupt
from gameday.store.spill import spill, spilled
from gameday.store.store import Store

from .makers import started

NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**70), 2**70)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def values(hint: Any) -> st.SearchStrategy[Any]:
    origin = get_origin(hint)
    if hint is Any:
        return JSON
    if origin is Literal:
        return st.sampled_from(get_args(hint))
    if origin is types.UnionType:
        return st.one_of(*map(values, get_args(hint)))
    if origin is list:
        return st.lists(values(get_args(hint)[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(st.text(), JSON, max_size=3)
    plain = {str: st.text(), bool: st.booleans(), int: st.integers(-(2**31), 2**31 - 1), type(None): st.none()}
    return st.floats(allow_nan=False) if hint is float else plain[hint]


def events_of(cls: type[Event]) -> st.SearchStrategy[Event]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{field.name: values(hints[field.name]) for field in fields(cls)})


def records_of(cls: type[Event]) -> st.SearchStrategy[Record]:
    times = st.floats(0, 4e9)
    return st.builds(
        Record,
        seq=st.integers(1, 2**31 - 1),
        wall=times,
        clock=times,
        recorded=times,
        epoch=st.integers(1, 2**31 - 1),
        source=STORABLE,
        actor=STORABLE,
        event=events_of(cls),
    )


@pytest.mark.parametrize("kind", REGISTRY)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_record_of_every_kind_comes_back_from_its_row(kind: str, data: st.DataObject) -> None:
    wanted = data.draw(records_of(REGISTRY[kind]))
    row = row_of("e", wanted)
    assert records_from([[row[name] for name in COLUMNS]], "e") == [wanted]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lasting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples."""
    if request.param == "sqlite":
        url = str(tmp_path_factory.mktemp("codec") / "gameday.db")
    else:
        url = request.getfixturevalue("cluster").format("postgres")
    with open_store(url) as store:
        store.create(started("e"), Holder.mine())
        yield store


ANY = st.one_of([records_of(cls) for cls in REGISTRY.values()])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(ANY, min_size=1, max_size=5))
def test_records_come_back_from_the_store_and_the_spill(
    lasting: Store, tmp_path_factory: pytest.TempPathFactory, drawn: list[Record]
) -> None:
    last = lasting.last_seq("e")
    batch = [
        Record(last + 1 + place, one.wall, one.clock, one.recorded, one.epoch, one.source, one.actor, one.event)
        for place, one in enumerate(drawn)
    ]
    lasting.append("e", 1, batch)
    assert lasting.records("e", after=last) == batch
    folder = tmp_path_factory.mktemp("spill")
    spill(folder, "e", 1, batch)
    (found,) = spilled(folder)
    assert (found.records, found.damaged) == (batch, [])


def row(**changes: Any) -> list[Any]:
    made = row_of("e", started("e")) | changes
    return [made[name] for name in COLUMNS]


def test_a_field_that_a_newer_version_added_is_left_out() -> None:
    body = json.loads(row()[-1]) | {"weather": "fine"}
    (read,) = records_from([row(body=json.dumps(body))], "e")
    assert isinstance(read.event, ExerciseStarted)
    assert read == started("e")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"body": "{"}, "record 1 of exercise e can't be read"),
        ({"body": "[]"}, "record 1 of exercise e can't be read"),
        ({"body": "{}"}, "incomplete"),
        ({"body": "[" * 100_000}, "record 1 of exercise e can't be read"),
        ({"kind": "moon_landed"}, "use a newer gameday"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(StoreCorrupt, match=why):
        records_from([row(**changes)], "e")


def test_a_damaged_row_in_a_store_is_named(path: Path) -> None:
    with open_store(str(path)) as store:
        store.create(started("e"), Holder.mine())
        with store._database.writing("damage it") as connection:
            connection.run("UPDATE gameday_events SET body = '{\"exercise\":'")
        with pytest.raises(StoreCorrupt, match="record 1 of exercise e"):
            store.records("e")
