"""`@slotted` against the standard library's dataclass with slots, and what is here in place of its functions."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections import Counter, namedtuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameday.frozen import asdict, field, frozen, replace, slotted

from .test_frozen import NAMES, bodies, built, outcome, told

Point = namedtuple("Point", "x y")


@slotted
class Thing:
    """It changes."""

    name: str
    parts: list[Thing] = field(default_factory=list)
    secret: str = field(default="", repr=False, compare=False)


@frozen
class Fixed:
    name: str


@dataclasses.dataclass
class Foreign:
    name: str
    inner: Any = None


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
    assert told(ours) == told(theirs) and not ours.__dataclass_params__.frozen
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


def test_what_is_frozen_is_not_made_from_what_is_not() -> None:
    with pytest.raises(TypeError, match="one alone is frozen"):

        @slotted
        class Loose(Fixed):
            more: int = 0

    with pytest.raises(TypeError, match="one alone is frozen"):

        @frozen
        class Fast(Thing):
            more: int = 0


def test_replaced_and_taken_apart_as_by_the_standard_library() -> None:
    one = Thing("a", [Thing("b")], "s")
    for value in (one, Fixed("a"), Foreign("a", one)):
        assert replace(value, name="z") == dataclasses.replace(value, name="z")
        assert asdict(value) == dataclasses.asdict(value)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        replace(one, colour="red")  # type: ignore[call-arg]
    holding = Foreign("a", [Fixed("b"), {"k": (Thing("c"), Point(1, Fixed("d")))}, Counter("aab"), {1, 2}])
    whole = Thing("t", holding)  # type: ignore[arg-type]
    assert asdict(whole) == dataclasses.asdict(whole)
    assert type(asdict(whole)["parts"]["inner"][1]["k"][1]) is Point
    apart = asdict(one)
    apart["parts"].append(1)
    assert len(one.parts) == 1


def test_neither_needs_what_the_standard_library_needs_for_it() -> None:
    code = """
from __future__ import annotations
import sys
from gameday.frozen import asdict, field, frozen, replace, slotted
@frozen
class Fixed:
    a: int
@slotted
class Thing:
    a: int
    b: list[Fixed] = field(default_factory=list)
assert asdict(replace(Thing(1, [Fixed(3)]), a=2)) == {"a": 2, "b": [{"a": 3}]}
print(sorted({"ast", "dataclasses", "dis", "inspect"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_guardian_and_what_it_forks_need_neither() -> None:
    code = (
        "import sys, gameday.engine.guardian, gameday.engine.guarding, gameday.cluster.warm\n"
        "print(sorted({'ast', 'dataclasses', 'gameday.exercise.events', 'inspect', 'pydantic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
