"""Where the room can look: what the target publishes, and the scenario's runbook. Pure."""

from __future__ import annotations

from gameday.console.times import clean
from gameday.exercise.state import Exercise
from gameday.frozen import frozen

FIRST = "storefront"
"""The sandbox's front door; its first page is the status page."""


@frozen
class Place:
    name: str
    address: str
    front: bool = False
    """What users see: the page to point the room to."""


def places(exercise: Exercise) -> tuple[Place, ...]:
    """The page to send people to first, then the runbook, then every other address. Empty where there is none."""
    published = exercise.target.get("names")
    names = dict(published) if isinstance(published, dict) else {}
    found = []
    if FIRST in names:
        address = clean(str(names.pop(FIRST)))
        sandbox = exercise.target.get("kind") == "sandbox"
        found.append(
            Place("status page" if sandbox else FIRST, f"{address.rstrip('/')}/" if sandbox else address, True)
        )
    if exercise.scenario is not None and exercise.scenario.runbook:
        found.append(Place("runbook", clean(exercise.scenario.runbook)))
    return (*found, *(Place(clean(name), clean(str(address))) for name, address in names.items()))
