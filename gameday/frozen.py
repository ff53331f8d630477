"""`@frozen` and `@slotted`: dataclasses with slots, whose methods are compiled when they are first used.

Every process that a run starts loads more than a hundred such classes and makes values of a few of them. The standard
decorator compiles six functions for each class, whether they are called or not, which is most of what loading it costs.
Here the same functions are made by the same decorator, but only for classes that are used. To its users and to type
checkers such a class is what `dataclass(slots=True)` makes, frozen or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, dataclass, fields
from dataclasses import asdict as asdict
from dataclasses import field as field
from dataclasses import replace as replace
from functools import partial
from types import ModuleType
from typing import Any, TypeVar, dataclass_transform, overload

C = TypeVar("C")
_LATE = ("__init__", "__repr__", "__eq__", "__hash__")


@overload
def frozen(cls: type[C], /) -> type[C]: ...
@overload
def frozen(*, kw_only: bool = ...) -> Callable[[type[C]], type[C]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[C] | None = None, /, *, kw_only: bool = False) -> type[C] | Callable[[type[C]], type[C]]:
    """Make the decorated class a frozen dataclass with slots; with `kw_only` its fields are given by name only.

    Raises:
        TypeError, ValueError: as `dataclasses.dataclass`, those of its parameters when the first value is made.
    """
    if cls is None:
        return partial(_made, kw_only=kw_only, shared=_FROZEN)
    return _made(cls, kw_only=kw_only, shared=_FROZEN)


@dataclass_transform(field_specifiers=(field,))
def slotted(cls: type[C], /) -> type[C]:
    """Make the decorated class a dataclass with slots, whose fields can be set anew. Raises as `frozen` does."""
    return _made(cls, kw_only=False, shared={"__hash__": None})


def make_ready(module: ModuleType) -> None:
    """Compile what making values of a module's classes takes, for somebody who has time now and will not have later."""
    for one in vars(module).values():
        if isinstance(one, type) and isinstance(vars(one).get("__init__"), _Late):
            getattr(one, "__init__")  # noqa: B009 - to be asked for is all that it takes


def field_names(cls: type[Any]) -> tuple[str, ...]:
    """The names of a class's fields, in order."""
    return tuple(one.name for one in fields(cls))


def _made(cls: type[C], *, kw_only: bool, shared: dict[str, Any]) -> type[C]:
    own = {name for name, value in vars(cls).items() if value is not None}
    said, cls.__doc__ = cls.__doc__, "Something: where nothing is said the standard decorator works a signature out."
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
    made.__doc__ = said
    late: dict[str, Any] = {name: _Late(made, name) for name in _LATE}
    for name, value in (late | shared).items():
        if name not in own:
            setattr(made, name, value)
    return made  # type: ignore[no-any-return]


class _Late:
    """A method that is compiled when somebody first asks for it, and then stands in its own place."""

    __slots__ = ("name", "owner")

    def __init__(self, owner: type[Any], name: str) -> None:
        self.owner = owner
        self.name = name

    def __get__(self, instance: object, _: type[Any] | None = None) -> Any:
        compiled = _init(self.owner) if self.name == "__init__" else None
        compiled = compiled or vars(_compiled(self.owner, self.name))[self.name]
        compiled.__qualname__ = f"{self.owner.__qualname__}.{self.name}"
        setattr(self.owner, self.name, compiled)
        return compiled.__get__(instance, self.owner)


def _init(owner: type[Any]) -> Any:
    """An `__init__` as the standard decorator writes it for a frozen class, in a fifth of the time; None where it is
    none of the usual kind, or can't be one."""
    if hasattr(owner, "__post_init__") or not all(one.init for one in fields(owner)):
        return None
    space: dict[str, Any] = {"put": object.__setattr__, "FACTORY": _FACTORY}
    ordered: list[str] = []
    by_name: list[str] = []
    lines: list[str] = []
    for one in fields(owner):
        written, value = one.name, one.name
        if one.default_factory is not MISSING:
            space[f"make_{one.name}"] = one.default_factory
            written, value = f"{one.name}=FACTORY", f"make_{one.name}() if {one.name} is FACTORY else {one.name}"
        elif one.default is not MISSING:
            space[f"default_{one.name}"] = one.default
            written = f"{one.name}=default_{one.name}"
        (by_name if one.kw_only else ordered).append(written)
        lines.append(f" put(self, {one.name!r}, {value})")
    parameters = ["self", *ordered, *(["*", *by_name] if by_name else [])]
    try:
        exec("\n".join([f"def __init__({', '.join(parameters)}):", *lines, " return None"]), space)
    except SyntaxError:
        # A parameter without a default follows one with a default: in the standard decorator's words.
        return None
    made = space["__init__"]
    made.__annotations__ = {one.name: one.type for one in fields(owner)} | {"return": None}
    made.__module__ = owner.__module__
    return made


class _Factory:
    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()
"""Stands in a signature for a default that is made anew each time."""
_ALONE: dict[str, dict[str, bool]] = {
    # An `__init__` as of a frozen class: it sets what nobody else may set.
    "__init__": {"init": True, "frozen": True},
    "__repr__": {"repr": True},
    "__eq__": {"eq": True},
    "__hash__": {"eq": True, "unsafe_hash": True},
}
"""What of a dataclass is to be made for one of its methods; next to nothing else is compiled for it."""
_NOTHING = {"init": False, "repr": False, "eq": False, "match_args": False}


def _compiled(owner: type[Any], name: str) -> type[Any]:
    """A standard dataclass with the fields of `owner`, and that method. It asks nothing of a value but its fields."""
    body: dict[str, Any] = {"__annotations__": {}, "__doc__": owner.__doc__ or name, "__module__": owner.__module__}
    if hasattr(owner, "__post_init__"):
        body["__post_init__"] = owner.__post_init__
    for one in fields(owner):
        said = {name: getattr(one, name) for name in ("init", "repr", "hash", "compare", "kw_only")}
        said |= {name: value for name in ("default", "default_factory") if (value := getattr(one, name)) is not MISSING}
        body["__annotations__"][one.name] = one.type
        body[one.name] = field(**said)
    made: type[Any] = dataclass(**(_NOTHING | _ALONE[name]))(type(owner.__name__, (), body))
    return made


def _setattr(self: Any, name: str, value: object) -> None:
    if _is_fixed(self, name):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _delattr(self: Any, name: str) -> None:
    if _is_fixed(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")
    object.__delattr__(self, name)


def _is_fixed(self: Any, name: str) -> bool:
    """A class that is made from a frozen one without being one itself has room for more than fields."""
    return not hasattr(self, "__dict__") or name in field_names(type(self))


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, name) for name in field_names(type(self))]


def _setstate(self: Any, state: list[Any]) -> None:
    for name, value in zip(field_names(type(self)), state, strict=True):
        object.__setattr__(self, name, value)


_FROZEN: dict[str, Any] = {
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _getstate,
    "__setstate__": _setstate,
}
