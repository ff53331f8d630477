"""`@frozen` and `@slotted`: what `dataclass(slots=True)` makes, frozen or not, made as far as somebody asks for it.

Every process that a run starts loads more than a hundred such classes and makes values of a few of them. The standard
decorator compiles six functions for each class, whether they are called or not, which is most of what loading them
costs. Here five of them are shared by all classes, an `__init__` is compiled when the first value is made (once for all
classes whose parameters are alike but for their names), and what `dataclasses.fields` tells when it is asked.

To its users and to type checkers such a class is a dataclass. What none of ours needs is refused or missing: `InitVar`,
`KW_ONLY`, `field(init=False)`, `__post_init__`, an order, a generated docstring. `field`, `replace` and `asdict` are
here as well, since the standard library's take `inspect`, `ast` and `dis` along; its own do with these classes too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from types import CellType, CodeType, FunctionType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar, dataclass_transform, get_origin, overload

if TYPE_CHECKING:
    import dataclasses
    from dataclasses import asdict as asdict
    from dataclasses import field as field
    from dataclasses import replace as replace

C = TypeVar("C")
Values = Callable[[Any], tuple[Any, ...]]
_REFUSED = ("InitVar", "KW_ONLY")
_MISSING: Any = object()
"""Of a default: there is none."""


class _Field:
    """What `field(…)` says."""

    __slots__ = ("compare", "default", "default_factory", "hash", "init", "kw_only", "repr")

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.default, self.default_factory = said.get("default", _MISSING), said.get("default_factory", _MISSING)
        self.init, self.repr, self.compare = said.get("init", True), said.get("repr", True), said.get("compare", True)
        self.hash, self.kw_only = said.get("hash"), said.get("kw_only", _MISSING)


def _taken_over(said: Any) -> _Field:
    """What the standard library's `field(…)` says, where that was written."""
    from dataclasses import MISSING

    known = {name: getattr(said, name) for name in _Field.__slots__}
    return _Field({name: value for name, value in known.items() if value is not MISSING})


def _field(**said: Any) -> Any:
    return _Field(said)


if not TYPE_CHECKING:
    field = _field


class _Shape:
    """What is known of a class from its body, and of those that it is made from."""

    __slots__ = ("annotations", "compared", "defaults", "frozen", "hashed", "keywords", "names", "owner", "shown")

    owner: type[Any]
    frozen: bool
    annotations: dict[str, Any]
    """Class variables too."""
    names: tuple[str, ...]
    """Of its fields, the inherited ones first."""
    defaults: dict[str, Any]
    """Name -> default value, or the `field(…)` that was written."""
    keywords: frozenset[str]
    """Fields that are given by name only."""
    shown: tuple[str, ...]
    compared: Values
    hashed: Values


class _Late:
    """An attribute of a class that is made when somebody first asks for it, and stands in its own place from then."""

    __slots__ = ("make", "name", "shape")

    def __init__(self, name: str, make: Callable[[_Shape], Any], shape: _Shape) -> None:
        self.name = name
        self.make = make
        self.shape = shape

    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        made = self.make(self.shape)
        setattr(self.shape.owner, self.name, made)
        return made.__get__(instance, owner) if isinstance(made, FunctionType) else made


class _Factory:
    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()
"""Stands in a signature for a default that is made anew each time."""


@overload
def frozen(cls: type[C], /) -> type[C]: ...
@overload
def frozen(*, kw_only: bool = ...) -> Callable[[type[C]], type[C]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[C] | None = None, /, *, kw_only: bool = False) -> type[C] | Callable[[type[C]], type[C]]:
    """Make the decorated class a frozen dataclass with slots; with `kw_only` its fields are given by name only.

    Raises:
        TypeError: a field without a default follows one with a default, or something is asked for that there is not.
        ValueError: a default can be changed.
    """
    return _made(cls, kw_only) if cls is not None else lambda decorated: _made(decorated, kw_only)


@dataclass_transform(field_specifiers=(field,))
def slotted(cls: type[C], /) -> type[C]:
    """Make the decorated class a dataclass with slots, whose fields can be set anew. Raises as `frozen` does."""
    return _made(cls, False, frozen=False)


def field_names(cls: type[Any]) -> tuple[str, ...]:
    """The names of a frozen class's fields, in order: those of `dataclasses.fields`, for next to nothing."""
    shape: _Shape = cls.__shape__
    return shape.names


def _made(cls: type[C], kw_only: bool, *, frozen: bool = True) -> type[C]:
    shape = _shape(cls, kw_only, frozen)
    body = {name: value for name, value in cls.__dict__.items() if name not in shape.names}
    body.pop("__dict__", None)
    body.pop("__weakref__", None)
    if "__slots__" in body or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} has __slots__ or __post_init__: use dataclasses.dataclass")
    inherited = {slot for base in cls.__mro__[1:-1] for slot in base.__dict__.get("__slots__", ())}
    body["__slots__"] = tuple(name for name in shape.names if name not in inherited)
    body["__qualname__"] = cls.__qualname__
    body["__shape__"] = shape
    if body.get("__hash__") is None and "__eq__" in body:
        # That is Python's own doing, not what the class says.
        body.pop("__hash__", None)
    for name, method in (_SHARED | _FREEZING if frozen else _SHARED).items():
        body.setdefault(name, method)
    for name, make in _LATE.items():
        if name not in body:
            body[name] = _Late(name, make, shape)
    body.setdefault("__match_args__", tuple(name for name in shape.names if name not in shape.keywords))
    kind: Any = type(cls)
    made: type[C] = kind(cls.__name__, cls.__bases__, body)
    shape.owner = made
    return made


def _shape(cls: type[Any], kw_only: bool, frozen: bool) -> _Shape:
    shape = _Shape()
    shape.frozen = frozen
    shape.annotations, shape.defaults = {}, {}
    variables: set[str] = set()
    keywords: set[str] = set()
    for base in cls.__mro__[-1:0:-1]:
        known = base.__dict__.get("__shape__")
        if known is not None:
            if known.frozen is not frozen:
                raise TypeError(f"of {cls.__name__} and {base.__name__}, from which it is made, one alone is frozen")
            shape.annotations |= known.annotations
            shape.defaults |= known.defaults
            variables = (variables - set(known.names)) | (known.annotations.keys() - set(known.names))
            keywords = (keywords - set(known.names)) | known.keywords
        elif "__dataclass_fields__" in base.__dict__:
            raise TypeError(f"{cls.__name__} is made from the dataclass {base.__name__}: make that one here too")
    for name, annotation in cls.__annotations__.items():
        shape.annotations[name] = annotation
        if _is_class_variable(annotation):
            variables.add(name)
            continue
        variables.discard(name)
        default = getattr(cls, name, _MISSING)
        if isinstance(default, MemberDescriptorType):
            default = _MISSING  # a slot that a base has for it
        elif type(default).__module__ == "dataclasses" and type(default).__name__ == "Field":
            default = _taken_over(default)
        by_name = kw_only
        if isinstance(default, _Field):
            by_name = kw_only if default.kw_only is _MISSING else default.kw_only
            if not default.init:
                raise TypeError(f"field {name!r} has init=False: use dataclasses.dataclass")
        elif default.__class__.__hash__ is None:
            raise ValueError(f"mutable default {type(default)} for field {name} is not allowed: use default_factory")
        (keywords.add if by_name else keywords.discard)(name)
        shape.defaults[name] = default
    shape.names = tuple(name for name in shape.annotations if name not in variables)
    shape.keywords = frozenset(keywords.intersection(shape.names))
    _check_order(shape)
    _choose(shape)
    return shape


def _is_class_variable(annotation: Any) -> bool:
    if not isinstance(annotation, str):
        return annotation is ClassVar or get_origin(annotation) is ClassVar
    head = annotation.partition("[")[0].rpartition(".")[2]
    if head in _REFUSED:
        raise TypeError(f"{head} is nothing for @frozen: use dataclasses.dataclass")
    return head == "ClassVar"


def _check_order(shape: _Shape) -> None:
    optional = ""
    for name in shape.names:
        if name in shape.keywords:
            continue
        if _is_optional(shape.defaults[name]):
            optional = name
        elif optional:
            raise TypeError(f"non-default argument {name!r} follows default argument {optional!r}")


def _is_optional(default: Any) -> bool:
    if isinstance(default, _Field):
        return default.default is not _MISSING or default.default_factory is not _MISSING
    return default is not _MISSING


def _choose(shape: _Shape) -> None:
    """Which fields are shown, compared and hashed: all, unless their `field(…)` says otherwise."""
    said = {name: default for name in shape.names if isinstance(default := shape.defaults[name], _Field)}
    shape.shown = tuple(name for name in shape.names if name not in said or said[name].repr)
    compared = tuple(name for name in shape.names if name not in said or said[name].compare)
    hashed = tuple(
        name
        for name in shape.names
        if name not in said or (said[name].compare if said[name].hash is None else said[name].hash)
    )
    shape.compared = _values(compared)
    shape.hashed = shape.compared if hashed == compared else _values(hashed)


def _values(names: tuple[str, ...]) -> Values:
    """A function from a value to those of its fields that have these names."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


# --- what all classes share ----------------------------------------------------------------------------------------


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__shape__.shown)
    return f"{type(self).__qualname__}({shown})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    values: Values = self.__shape__.compared
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(self.__shape__.hashed(self))


def _setattr(self: Any, name: str, value: object) -> None:
    if type(self) is self.__shape__.owner or name in self.__shape__.names:
        _refuse(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _delattr(self: Any, name: str) -> None:
    if type(self) is self.__shape__.owner or name in self.__shape__.names:
        _refuse(f"cannot delete field {name!r}")
    object.__delattr__(self, name)


def _refuse(what: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(what)


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__shape__.names]


def _setstate(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__shape__.names, state, strict=True):
        object.__setattr__(self, name, value)


def _replace(one: Any, /, **changes: Any) -> Any:
    shape: _Shape | None = getattr(type(one), "__shape__", None)
    if shape is None:
        from dataclasses import replace as of_the_others

        return of_the_others(one, **changes)
    return type(one)(**{name: getattr(one, name) for name in shape.names} | changes)


def _asdict(one: Any, /) -> dict[str, Any]:
    if hasattr(type(one), "__shape__"):
        return {name: _plain(getattr(one, name)) for name in one.__shape__.names}
    from dataclasses import asdict as of_the_others

    return of_the_others(one)


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if hasattr(kind, "__shape__") or hasattr(kind, "__dataclass_fields__"):
        return _asdict(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return kind(*[_plain(each) for each in value])
    if isinstance(value, list | tuple):
        return kind(_plain(each) for each in value)
    if isinstance(value, dict) and not hasattr(kind, "default_factory"):
        return kind((_plain(key), _plain(each)) for key, each in value.items())
    from copy import deepcopy

    return deepcopy(value)


_SHARED: dict[str, Any] = {"__repr__": _repr, "__eq__": _eq, "__hash__": None, "__replace__": _replace}
_FREEZING: dict[str, Any] = {
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _getstate,
    "__setstate__": _setstate,
}
if not TYPE_CHECKING:
    replace, asdict = _replace, _asdict


# --- what is made when it is asked for -----------------------------------------------------------------------------


def _init(shape: _Shape) -> FunctionType:
    """An `__init__` as a person would write it, but that it sets each slot by the slot's own means."""
    owner = shape.owner
    order = [name for name in shape.names if name not in shape.keywords]
    named = [name for name in shape.names if name in shape.keywords]
    free: dict[str, Any] = {"FACTORY": _FACTORY}
    defaults: dict[str, Any] = {}
    kinds = ""
    for place, name in enumerate([*order, *named]):
        free[f"set{place}"] = getattr(owner, name).__set__
        default = shape.defaults[name]
        if isinstance(default, _Field):
            free[f"make{place}"] = default.default_factory
            default = default.default if default.default_factory is _MISSING else _FACTORY
        if default is not _MISSING:
            defaults[name] = default
        kinds += "f" if default is _FACTORY else "."
    code = _code(kinds, len(order))
    init = FunctionType(
        code.replace(co_varnames=("__dataclass_self__" if "self" in shape.annotations else "self", *order, *named)),
        vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {},
        "__init__",
        tuple(defaults[name] for name in order if name in defaults),
        tuple(CellType(free[name]) for name in code.co_freevars),
    )
    init.__kwdefaults__ = {name: defaults[name] for name in named if name in defaults}
    init.__annotations__ = {name: shape.annotations[name] for name in (*order, *named)} | {"return": None}
    init.__qualname__ = f"{owner.__qualname__}.__init__"
    init.__module__ = owner.__module__
    return init


@cache
def _code(kinds: str, positional: int) -> CodeType:
    """The code of an `__init__` with one parameter for each of `kinds`: `f` where its default is made by a factory."""
    parameters = [f"value{place}" for place in range(len(kinds))]
    if positional < len(kinds):
        parameters.insert(positional, "*")
    lines = [
        f"  set{place}(self, make{place}() if value{place} is FACTORY else value{place})"
        if kind == "f"
        else f"  set{place}(self, value{place})"
        for place, kind in enumerate(kinds)
    ]
    free = ["FACTORY", *(f"{what}{place}" for what in ("set", "make") for place in range(len(kinds)))]
    text = "\n".join(
        [f"def around({', '.join(free)}):", f" def __init__(self, {', '.join(parameters)}):", *lines, "  return None"]
    )
    space: dict[str, Any] = {}
    exec(text, space)
    return next(one for one in space["around"].__code__.co_consts if isinstance(one, CodeType))


def _fields(shape: _Shape) -> dict[str, dataclasses.Field[Any]]:
    """What the standard library says of a class with the same fields."""
    import dataclasses

    body: dict[str, Any] = {
        "__annotations__": shape.annotations,
        "__module__": shape.owner.__module__,
        "__doc__": "Stands in for another.",
    }
    for name in shape.names:
        default = shape.defaults[name]
        said: dict[str, Any] = {"default": default}
        if isinstance(default, _Field):
            said = {each: getattr(default, each) for each in _Field.__slots__}
        said = {key: value for key, value in said.items() if value is not _MISSING}
        body[name] = dataclasses.field(**said | {"kw_only": name in shape.keywords})
    standing_in: type[Any] = type(shape.owner.__name__, (), body)
    dataclasses.dataclass(init=False, repr=False, eq=False, match_args=False)(standing_in)
    found: dict[str, dataclasses.Field[Any]] = standing_in.__dataclass_fields__
    return found


def _parameters(shape: _Shape) -> Any:
    """What it says of how the class was made."""
    return _how(shape.frozen)


@cache
def _how(frozen: bool) -> Any:
    from dataclasses import dataclass

    how: dict[str, Any] = {"frozen": frozen, "slots": True}

    @dataclass(**how)
    class AnyClass:
        """As all of them are made."""

    return vars(AnyClass)["__dataclass_params__"]


_LATE: Mapping[str, Callable[[_Shape], Any]] = {
    "__init__": _init,
    "__dataclass_fields__": _fields,
    "__dataclass_params__": _parameters,
}
