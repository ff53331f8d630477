"""Pydantic's own dataclasses are made as ours are: as far as somebody uses them.

Importing it makes about fifty, most of which nobody uses, and that is a sixth of what it costs to import. Where
it has not been imported yet, its modules get `gameday.frozen`'s decorators for the standard library's, where those do
the same; nobody else does. What they can't do, and whatever is found in another form than that of a source file on a
disk, is left as it is.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_WHOSE = ("annotated_types", "pydantic")
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
        if name.partition(".")[0] not in _WHOSE or name.startswith("pydantic.v1") or target is not None:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.origin is None or type(spec.loader) is not SourceFileLoader:
            return None
        spec.loader = _Loader(name, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    """Runs a module that finds another `dataclasses` than everybody else."""

    def exec_module(self, module: ModuleType) -> None:
        def find(name: str, *how: Any) -> Any:
            # As the interpreter calls it: globals, locals, names, level. Pydantic has a module of that name, too.
            whole = len(how) < 4 or how[3] == 0
            return _dataclasses() if name == "dataclasses" and whole else builtins.__import__(name, *how)

        vars(module)["__builtins__"] = {**vars(builtins), "__import__": find}
        super().exec_module(module)


_made: list[ModuleType] = []


def _dataclasses() -> ModuleType:
    if not _made:
        import dataclasses

        ours = ModuleType("dataclasses", dataclasses.__doc__)
        vars(ours).update(vars(dataclasses))
        vars(ours)["dataclass"] = _dataclass
        _made.append(ours)
    return _made[0]


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
