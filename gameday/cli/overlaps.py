"""Which faults of a scenario stand at the same time by its timeline, and together take more than the limits allow.

The later one of two is refused when it is to be armed. Here that is said before the run: where it is certain by the
times alone, and where it depends on how soon the earlier one is over. Plans again what overlaps, and so only reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from gameday.errors import GamedayError
from gameday.frozen import frozen
from gameday.scenario.models import Entry, Scenario

Json = Any
Planned = Mapping[str, Json]
"""A `Plan` as JSON."""
Others = Sequence[tuple[str, Planned]]

SURELY = 1.0
"""Seconds within which nothing that was killed is ready again."""


@frozen
class Clash:
    """A fault that the limits would not allow beside those before it."""

    entry: str
    text: str
    certain: bool
    """By the times alone; else it depends on how long those before it last."""


def clashes(
    scenario: Scenario, plans: Mapping[str, Planned], again: Callable[[str, Others], object]
) -> Iterator[Clash]:
    """Faults that can be done each, and not together. `plans`: by entry, of those that can be done at all; `again`
    plans an entry with others standing, and raises where that can't be."""
    names = {scenario.entry_id(index): entry for index, entry in enumerate(scenario.timeline)}
    order = sorted((name for name in names if name in plans), key=lambda name: _at(names[name]))
    refused: set[str] = set()
    for number, name in enumerate(order):
        before: dict[str, list[str]] = {"surely": [], "perhaps": []}
        for other in order[:number]:
            how = _beside(scenario, names, other, plans[other], name)
            if how and other not in refused and _meet(plans[other], plans[name]):
                before[how].append(other)
        for how in ("surely", "perhaps"):
            others = before["surely"] + (before["perhaps"] if how == "perhaps" else [])
            if not before[how]:
                continue
            try:
                again(name, [(other, plans[other]) for other in others])
            except (ValueError, RuntimeError, GamedayError, OSError) as error:
                if how == "surely":
                    refused.add(name)
                    yield Clash(name, str(error), True)
                else:
                    stand = f"{' and '.join(others)} still stand{'s' if len(others) == 1 else ''}"
                    yield Clash(name, f"refused if {stand} when it is due: {error}", False)
                break


def _at(entry: Entry) -> float:
    return entry.at if entry.at is not None else float("inf")


def _meet(one: Planned, other: Planned) -> bool:
    """Whether limits count what both take together: they have a namespace in common."""
    spaces = [{each.get("namespace") for each in plan.get("takes") or ()} for plan in (one, other)]
    return bool(spaces[0] & spaces[1])


def _beside(
    scenario: Scenario, names: Mapping[str, Entry], one: str, its: Planned, later: str
) -> Literal["surely", "perhaps", ""]:
    """Whether `one` stands when `later` is due."""
    first, second = names[one], names[later]
    if one in _over_before(names, later):
        return ""
    if first.at is not None and second.at is not None:
        gap = second.at - first.at
    elif second.after is not None and second.after.effective == one:
        gap = second.after.delay
    else:
        return "perhaps"
    if its.get("undo") is None or its.get("passes"):
        surely, until = SURELY, 0.0
    else:
        until = first.for_ if first.for_ is not None else float("inf")
        surely = until if first.until is None else 0.0
    if gap < surely:
        return "surely"
    return "perhaps" if gap < until + scenario.limits.recovery else ""


def _over_before(names: Mapping[str, Entry], name: str) -> set[str]:
    """The entries that are over, by the script, before this one is due."""
    found: set[str] = set()
    after = names[name].after
    while after is not None and after.entry is not None and after.entry in names and after.entry not in found:
        found.add(after.entry)
        after = names[after.entry].after
    return found
