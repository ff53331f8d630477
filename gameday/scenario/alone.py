"""Models without plugins: pydantic's own are looked for nowhere, and so nobody else's code is imported for them.

To find those plugins pydantic imports `importlib.metadata` and reads what every installed package says of itself, which
is half of what it costs to make the models of a scenario. What a file means depends on no package that lies beside it.
Whoever else has models in this process has his plugins.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_LOOKING = "pydantic.plugin._loader"
"""The module that looks, imported whenever a validator is made. A pydantic that has none finds its plugins as ever."""
_NOT_LOOKING = ModuleType(_LOOKING)
vars(_NOT_LOOKING)["get_plugins"] = tuple
_before: list[ModuleType | None] = []


def _begin() -> None:
    _before.append(sys.modules.get(_LOOKING))
    sys.modules[_LOOKING] = _NOT_LOOKING


def _end() -> None:
    before = _before.pop()
    if before is not None:
        sys.modules[_LOOKING] = before
    else:
        sys.modules.pop(_LOOKING, None)


@contextmanager
def _alone() -> Iterator[None]:
    _begin()
    try:
        yield
    finally:
        _end()


class Alone:
    """Makes a model, by being its first base, and all that are made from it, one without plugins."""

    def __init_subclass__(cls, **more: Any) -> None:
        # Is called just before pydantic makes the validator, and the one below just after.
        super().__init_subclass__(**more)
        _begin()

    @classmethod
    def __pydantic_init_subclass__(cls, **more: Any) -> None:
        _end()
        whole: Any = super()
        whole.__pydantic_init_subclass__(**more)

    @classmethod
    def model_rebuild(cls, **how: Any) -> bool | None:
        """As pydantic has it; also what makes the validator of a model that has it made when it is asked for."""
        whole: Any = super()
        with _alone():
            done: bool | None = whole.model_rebuild(**how)
        return done
