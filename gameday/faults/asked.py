"""Parameters as the functions of a fault get them: validated, dumped, and read like the model that they come from.

Validating them takes pydantic, and is done by whoever has it already (see `planning.validated`): a worker only reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gameday.engine.ports import Json


def read(params: Mapping[str, Json]) -> Any:
    """`params`, which were validated, with the attributes of the model that dumped them; read-only.

    To be given that model as its type: `asked: PodKillParameters = read(params)`.
    """
    return _Asked(params)


class _Asked:
    __slots__ = ("_params",)

    _params: Mapping[str, Json]

    def __init__(self, params: Mapping[str, Json]) -> None:
        object.__setattr__(self, "_params", params)

    def __getattr__(self, name: str) -> Json:
        # `from_` is how a model calls what scenarios call `from`.
        for key in (name, name.removesuffix("_")):
            if key in self._params:
                return self._params[key]
        raise AttributeError(f"{name!r} is not among the validated parameters: {', '.join(self._params) or 'none'}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"parameters are read-only: {name!r}")
