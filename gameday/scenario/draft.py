"""A scenario as far as its parts can be read: what the checks look at.

Where a file has a mistake of shape somewhere, the other parts are still judged, so that one run names everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gameday.scenario.models import AbortCondition, Check, Entry, Expectation, Limits, Scenario
from gameday.scenario.problems import Path

Json = Any
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of a scenario; an item that could not be read is None and keeps its index."""

    raw: dict[str, Json]
    """The document, parameters filled in."""
    steady_state: Sequence[Check | None]
    timeline: Sequence[Entry | None]
    expect: Sequence[Expectation | None]
    abort_when: Sequence[AbortCondition | None]
    limits: Limits
    names: Sequence[tuple[Path, str]]
    """Placeholders that no parameter fills, with their ways."""

    @property
    def target(self) -> str | None:
        target = self.raw.get("target")
        return target if isinstance(target, str) else None

    def entry_id(self, index: int) -> str:
        """The id of entry `index`; like `Scenario.entry_id`, and for entries that can't be read too."""
        entry: Any = self.timeline[index] or self.raw["timeline"][index]
        if isinstance(entry, dict):
            named, fault = entry.get("id"), entry.get("fault")
        else:
            named, fault = getattr(entry, "id", None), getattr(entry, "fault", None)
        return named if isinstance(named, str) else f"{'fault' if fault else 'inject'}-{index + 1}"


def whole(scenario: Scenario, raw: dict[str, Json], names: Sequence[tuple[Path, str]]) -> Draft:
    """The draft of a scenario without mistakes of shape."""
    return Draft(
        raw, scenario.steady_state, scenario.timeline, scenario.expect, scenario.abort_when, scenario.limits, names
    )


def pieces(raw: dict[str, Json], names: Sequence[tuple[Path, str]]) -> Draft:
    """What can be read of a document that as a whole can't."""
    return Draft(
        raw,
        _each(Check, raw.get("steady_state")),
        _each(Entry, raw.get("timeline")),
        _each(Expectation, raw.get("expect")),
        _each(AbortCondition, raw.get("abort_when")),
        _one(Limits, raw.get("limits", {})) or Limits(duration=float("inf")),
        names,
    )


def _each(model: type[M], items: Json) -> list[M | None]:
    return [_one(model, item) for item in items] if isinstance(items, list) else []


def _one(model: type[M], item: Json) -> M | None:
    try:
        return model.model_validate(item)
    except ValidationError:
        return None
