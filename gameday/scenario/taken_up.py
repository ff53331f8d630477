"""A scenario that somebody has checked, taken up by another process as it is, without checking it once more.

An engine only reads its scenario. To validate it a second time would take the models, and pydantic with them: half of
what an engine needs to start. What it reads here has the same attributes, and is written out (`model_dump`) in the one
way in which the engine writes parts of it out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal, cast

from gameday.scenario.keys import entry_name

if TYPE_CHECKING:
    from gameday.scenario.models import Scenario

Json = Any


def handed_over(value: Any) -> Json:
    """A checked scenario, or anything in it, as JSON for `taken_up`. Each model is told with what was said of it."""
    if isinstance(value, dict):
        return {"named": {name: handed_over(each) for name, each in value.items()}}
    if isinstance(value, list | tuple):
        return [handed_over(each) for each in value]
    if not hasattr(value, "model_dump"):
        return value
    more = getattr(value, "model_extra", None) or {}
    values = {name: getattr(value, name) for name in type(value).model_fields} | more
    said = value.model_dump(mode="json", exclude_unset=True)
    return {"model": {name: handed_over(each) for name, each in values.items()}, "said": said}


def taken_up(told: Json) -> Scenario:
    """The scenario that was `handed_over`."""
    return cast("Scenario", _taken_up(told))


def _taken_up(told: Json) -> Any:
    if isinstance(told, list):
        return [_taken_up(each) for each in told]
    if not isinstance(told, dict):
        return told
    if "named" in told:
        return {name: _taken_up(each) for name, each in told["named"].items()}
    return _Checked({name: _taken_up(each) for name, each in told["model"].items()}, told["said"])


class _Checked:
    """What is read of a model."""

    def __init__(self, values: dict[str, Any], said: dict[str, Json]) -> None:
        vars(self).update(values)
        self._said = said

    def __setattr__(self, name: str, value: object) -> None:
        if "_said" in vars(self):
            raise AttributeError(f"a scenario that was checked is not changed: {name}")
        super().__setattr__(name, value)

    def model_dump(
        self, *, mode: Literal["json"], exclude_unset: Literal[True], include: Collection[str] | None = None
    ) -> dict[str, Json]:
        """What stands in the file, as the model writes it. A new dict each time."""
        return {name: value for name, value in self._said.items() if include is None or name in include}

    def entry_id(self, index: int) -> str:
        """As that of the scenario itself."""
        return entry_name(vars(self)["timeline"][index], index)
