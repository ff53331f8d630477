"""`@slotted` against the standard library's dataclass with slots."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameday.frozen import asdict, field, slotted

from .test_frozen import NAMES, bodies, built, outcome, told


@slotted
class Thing:
    """It changes."""

    name: str
    parts: list[Thing] = field(default_factory=list)
    secret: str = field(default="", repr=False, compare=False)


def real(cls: type[Any]) -> type[Any]:
    return dataclasses.dataclass(slots=True)(cls)


@given(bodies(), st.none() | bodies(), st.lists(st.integers(0, 3), max_size=7))
def test_it_is_what_the_standard_library_makes(
    first: dict[str, Any], second: dict[str, Any] | None, values: list[int]
) -> None:
    def made(make: Any) -> type[Any]:
        cls = built(make, (), first)
        return cls if second is None else built(make, (cls,), second)

    described = outcome(lambda: made(real).__name__)
    assert outcome(lambda: made(slotted).__name__) == described
    if described != "Drawn":
        return
    ours, theirs = made(slotted), made(real)
    assert told(ours) == told(theirs)
    assert str(inspect.signature(ours)) == str(inspect.signature(theirs))
    assert (ours.__match_args__, ours.__slots__) == (theirs.__match_args__, theirs.__slots__)
    assert ours.__hash__ is theirs.__hash__ is None
    assert outcome(lambda: ours(*values)) == outcome(lambda: theirs(*values))
    try:
        mine, its = ours(*values), theirs(*values)
    except TypeError:
        return
    for name in NAMES:
        assert attempt(setattr, mine, name, 9) == attempt(setattr, its, name, 9)
    assert repr(mine) == repr(its) and asdict(mine) == dataclasses.asdict(its)
    assert (mine == ours(*values)) == (its == theirs(*values))


def attempt(act: Any, *arguments: Any) -> bool:
    try:
        act(*arguments)
    except AttributeError:
        return False
    return True


def test_a_thing_changes_and_is_equal_to_one_that_is_alike() -> None:
    one = Thing("a", secret="s")
    one.name = "b"
    one.parts.append(one)
    assert repr(one) == "Thing(name='b', parts=[...])"
    assert Thing("a", [], "x") == Thing("a") != Thing("b")
    other = Thing("a", [Thing("b")])
    assert pickle.loads(pickle.dumps(other)) == copy.copy(other) == copy.deepcopy(other) == other
    with pytest.raises(AttributeError):
        one.other = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
