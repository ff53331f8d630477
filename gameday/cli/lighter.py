"""Pydantic is imported without making what nobody uses: a fifth of what that costs.

Where it has not been imported yet, two of its imports are other things to it than to everybody else:

- Its fifty dataclasses are made by `gameday.frozen`, as far as somebody uses them. What that can't do is left as it is.
- Of its core's ninety `TypedDict`s, which are there for type checkers alone, only the names are made.

A module that is found in another form than that of a source file on a disk is left as it is, too.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_WHOSE = ("annotated_types", "pydantic")
_DESCRIPTIONS = "pydantic_core.core_schema"
_OURS = ({"slots"}, {"slots", "frozen"}, {"slots", "frozen", "kw_only"})
"""What may be asked for, all of it with yes."""


def install() -> None:
    """Have pydantic, where it is not imported yet, imported in this way from now on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds what everybody finds, and has it loaded in our way."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        whose = name.partition(".")[0] in _WHOSE and not name.startswith("pydantic.v1")
        if target is not None or not (whose or name == _DESCRIPTIONS):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None or type(spec.loader) is not SourceFileLoader:
            return None
        spec.loader = _Loader(name, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    """Runs a module that finds other things than everybody else does in what it imports."""

    def exec_module(self, module: ModuleType) -> None:
        given: dict[str, dict[str, Any]] = {"dataclasses": {"dataclass": _dataclass}}
        if module.__name__ == _DESCRIPTIONS:
            given = {name: {"TypedDict": _DESCRIPTION} for name in ("typing", "typing_extensions")}

        def find(name: str, *how: Any) -> Any:
            found = builtins.__import__(name, *how)
            # As the interpreter calls it: globals, locals, names, level. Pydantic has modules of such names, too.
            return _with(found, given[name]) if name in given and (len(how) < 4 or how[3] == 0) else found

        vars(module)["__builtins__"] = {**vars(builtins), "__import__": find}
        super().exec_module(module)


def _with(module: ModuleType, given: dict[str, Any]) -> ModuleType:
    other = ModuleType(module.__name__, module.__doc__)
    vars(other).update(vars(module), **given)
    return other


class _Description(type):
    """A `TypedDict` of which there is the name: like any, it makes dicts."""

    def __new__(cls, name: str, bases: tuple[type[Any], ...], body: dict[str, Any], **_: Any) -> Any:
        return super().__new__(cls, name, (dict,), body)

    def __call__(cls, *items: Any, **more: Any) -> Any:
        return dict(*items, **more)


_DESCRIPTION = _Description("TypedDict", (), {})


def _dataclass(cls: type[Any] | None = None, /, **how: Any) -> Any:
    """`dataclasses.dataclass`."""
    from dataclasses import dataclass

    if cls is None:
        return lambda decorated: _dataclass(decorated, **how)
    if set(how) in _OURS and all(value is True for value in how.values()):
        from gameday.frozen import frozen, slotted

        make: Callable[[type[Any]], type[Any]] = slotted if "frozen" not in how else frozen(kw_only="kw_only" in how)
        try:
            return make(cls)
        except TypeError:
            # It wants something that ours have not; or it is wrong, and gets to hear it from the one that it asked.
            pass
    return dataclass(cls, **how)
