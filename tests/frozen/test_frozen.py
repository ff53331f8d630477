"""`@frozen` against the standard library's frozen dataclass: the same fields, the same values, the same refusals."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, astuple, dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gameday.frozen import frozen

Make = Callable[[type[Any]], type[Any]]


@frozen
class Base:
    """A thing."""

    name: str
    size: float = 1.0


@frozen
class Derived(Base):
    tags: list[str] = field(default_factory=list)
    KNOWN: ClassVar[int] = 3

    @property
    def doubled(self) -> float:
        return 2 * self.size


@frozen(kw_only=True)
class ByName:
    first: int
    second: int = 2
    third: list[int] = field(default_factory=list)


@frozen
class Empty:
    pass


@frozen
class Quiet:
    """One field neither shown nor compared."""

    name: str
    noise: object = field(default=None, repr=False, compare=False)


class Plain(Derived):
    """A class of its own, with room for more than fields."""


# --- against the real thing ----------------------------------------------------------------------------------------

NAMES = ("alpha", "beta", "gamma", "delta", "name", "owner")
KINDS = ("required", "default", "field", "factory", "class variable")


@st.composite
def bodies(draw: st.DrawFn, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """The body of a class, without its methods; those with a default come last."""
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=6))
    kinds = sorted((draw(st.sampled_from(KINDS)) for _ in chosen), key=lambda kind: kind != "required")
    body: dict[str, Any] = {"__annotations__": {}, "__module__": __name__, "__doc__": "Drawn."}
    for name, kind in zip(chosen, kinds, strict=True):
        body["__annotations__"][name] = "ClassVar[int]" if kind == "class variable" else "int"
        default = draw(st.integers(0, 3))
        if kind == "field":
            by_name = draw(st.booleans())
            body[name] = (
                {"default": default, "kw_only": by_name, "repr": draw(st.booleans()), "compare": draw(st.booleans())},
            )
        elif kind == "factory":
            body[name] = ({"default_factory": list},)
        elif kind != "required":
            body[name] = default
    return body


def built(make: Make, bases: tuple[type[Any], ...], body: dict[str, Any]) -> type[Any]:
    body = {name: field(**one[0]) if isinstance(one, tuple) else one for name, one in body.items()}
    body["__annotations__"] = dict(body["__annotations__"])
    cls = make(type("Drawn", bases, body))
    assert cls.__init__ is not None  # what is wrong with its parameters comes out now
    return cls


def real(cls: type[Any]) -> type[Any]:
    return dataclass(frozen=True, slots=True)(cls)


def outcome(act: Callable[[], Any]) -> Any:
    """What comes of it, in a form that two classes have in common."""
    try:
        done = act()
    except (TypeError, ValueError) as error:
        # Which argument it follows 3.13 says, and 3.11 does not.
        return type(error), re.sub(r"(follows default argument) .*", r"\1", str(error))
    return (repr(done), asdict(done)) if is_dataclass(done) else done


def made(make: Make, first: dict[str, Any], second: dict[str, Any] | None) -> type[Any]:
    """A class with the body `first`, or one with the body `second` that is made from it."""
    base = built(make, (), first)
    return base if second is None else built(make, (base,), second)


def told(cls: type[Any]) -> list[tuple[Any, ...]]:
    return [
        (one.name, one.type, one.default, one.default_factory, one.init, one.repr, one.compare, one.hash, one.kw_only)
        for one in fields(cls)
    ]


@given(bodies(), st.none() | bodies())
def test_tells_the_same_of_itself(first: dict[str, Any], second: dict[str, Any] | None) -> None:
    described = outcome(lambda: made(real, first, second).__name__)
    assert outcome(lambda: made(frozen, first, second).__name__) == described
    if described != "Drawn":
        return
    ours, theirs = made(frozen, first, second), made(real, first, second)
    assert told(ours) == told(theirs)
    assert str(inspect.signature(ours)) == str(inspect.signature(theirs))
    assert ours.__init__.__annotations__ == theirs.__init__.__annotations__
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__slots__ == theirs.__slots__


@given(
    bodies(),
    st.none() | bodies(),
    st.lists(st.integers(0, 3), max_size=7),
    st.dictionaries(st.sampled_from((*NAMES, "stranger")), st.integers(0, 3), max_size=5),
    st.lists(st.integers(0, 3), max_size=7),
)
def test_makes_the_same_values(
    first: dict[str, Any],
    second: dict[str, Any] | None,
    positional: list[int],
    by_name: dict[str, int],
    other: list[int],
) -> None:
    try:
        ours, theirs = made(frozen, first, second), made(real, first, second)
    except TypeError:
        return  # see above
    assert outcome(lambda: ours(*positional, **by_name)) == outcome(lambda: theirs(*positional, **by_name))
    try:
        mine, its = ours(*positional), theirs(*positional)
    except TypeError:
        return
    assert outcome(lambda: replace(mine, **by_name)) == outcome(lambda: replace(its, **by_name))
    assert (mine == ours(*positional)) == (its == theirs(*positional))
    assert mine != its
    assert (hash(mine) == hash(ours(*positional))) if _hashable(its) else not _hashable(mine)
    assert outcome(lambda: mine == ours(*other)) == outcome(lambda: its == theirs(*other))
    assert asdict(copy.copy(mine)) == asdict(copy.deepcopy(mine)) == asdict(its)
    assert astuple(mine) == astuple(its)
    for name in [one.name for one in fields(ours)]:
        assert _refusal(setattr, mine, name, 1) == _refusal(setattr, its, name, 1)
        assert _refusal(delattr, mine, name) == _refusal(delattr, its, name)
    assert _refusal(setattr, mine, "stranger", 1) == "cannot assign to field 'stranger'"
    assert _refusal(delattr, mine, "stranger") == "cannot delete field 'stranger'"


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _refusal(act: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(FrozenInstanceError) as error:
        act(*arguments)
    return str(error.value)


# --- what properties do not reach ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [Base("a"), Derived("a", 2.0, ["x"]), ByName(first=1), Empty(), Quiet("a", "b"), Plain("a")]
)
def test_survives_pickling_and_copying(value: Any) -> None:
    for copied in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert copied == value
        assert type(copied) is type(value)


def test_is_equal_to_its_own_kind_alone() -> None:
    assert Base("a") == Base("a", 1.0)
    assert Base("a") != Derived("a")
    assert Derived("a") != Plain("a")
    assert {Base("a"): 1}[Base("a")] == 1
    assert Quiet("a", 1) == Quiet("a", 2)
    assert hash(Quiet("a", 1)) == hash(Quiet("a", 2))


def test_each_value_has_a_list_of_its_own() -> None:
    assert Derived("a").tags is not Derived("a").tags


def test_a_wrong_call_says_which_argument() -> None:
    with pytest.raises(TypeError, match=r"^Base\.__init__\(\) missing 1 required positional argument: 'name'$"):
        Base()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^Base\.__init__\(\) got an unexpected keyword argument 'colour'"):
        Base("a", colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"takes 1 positional argument but 2 were given"):
        ByName(1)  # type: ignore[call-arg, misc]


def test_a_match_statement_takes_it_apart() -> None:
    match Derived("a", 2.0, ["x"]):
        case Derived(name, 2.0, [tag]):
            assert (name, tag) == ("a", "x")
        case _:
            pytest.fail("it did not match")


def test_a_plain_subclass_takes_more_than_fields() -> None:
    more = Plain("a")
    more.note = "b"  # type: ignore[attr-defined]
    assert more.note == "b"  # type: ignore[attr-defined]
    del more.note  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError):
        more.name = "b"  # type: ignore[misc]


def test_a_subclass_may_call_its_first_init() -> None:
    @frozen
    class Checked(Base):
        def __init__(self, name: str) -> None:
            Base.__init__(self, name.strip(), 2.0)

    class Later(Base):
        def __init__(self) -> None:
            super().__init__("later")

    assert repr(Checked(" a ")) == f"{Checked.__qualname__}(name='a', size=2.0)"
    assert Later().name == "later"


def test_what_the_class_says_itself_stands() -> None:
    @frozen
    class Own:
        name: str

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

    assert repr(Own("a")) == "own"
    assert Own("a") == Own("b")
    assert hash(Own("a")) != hash(Own("b"))


def test_a_value_within_itself_is_shown() -> None:
    value = Derived("a")
    value.tags.append(value)  # type: ignore[arg-type]
    assert repr(value) == "Derived(name='a', size=1.0, tags=[...])"


def test_pydantic_knows_its_schema() -> None:
    @dataclass(frozen=True, slots=True)
    class Wanted:
        """A thing."""

        name: str
        size: float = 1.0

    wanted = TypeAdapter(Wanted).json_schema() | {"title": "Base"}
    assert TypeAdapter(Base).json_schema() == wanted
    assert TypeAdapter(Derived).validate_python({"name": "a", "size": "2", "tags": ["x"]}) == Derived("a", 2.0, ["x"])


def test_one_that_can_not_be_made_says_so_at_the_latest_with_its_first_value() -> None:
    with pytest.raises(ValueError, match="mutable default"):
        frozen(type("Wrong", (), {"__annotations__": {"first": "list[int]"}, "first": []}))
    late = frozen(type("Wrong", (), {"__annotations__": {"first": "int", "second": "int"}, "first": 1}))
    with pytest.raises(TypeError, match="non-default argument 'second' follows default argument"):
        late(1, 2)


def test_nothing_is_compiled_for_a_class_that_nobody_uses() -> None:
    @frozen
    class Idle:
        number: int = 0

    def compiled() -> list[str]:
        names = ("__init__", "__repr__", "__eq__", "__hash__")
        return [name for name in names if inspect.isfunction(inspect.getattr_static(Idle, name))]

    assert compiled() == []
    assert Idle(1).number == 1
    assert compiled() == ["__init__"]
    assert Idle(1) == Idle(1) and hash(Idle(1)) == hash(Idle(1))
    assert compiled() == ["__init__", "__eq__", "__hash__"]
