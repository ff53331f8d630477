"""What a scenario needs to know of a portable fault: its name, its parameters and whether it can be left alone.

The declarations themselves stand in the `faults` room, one file a fault; the checks here take them as an argument,
so the arrow between the rooms keeps pointing one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gameday.frozen import frozen

if TYPE_CHECKING:
    from pydantic import BaseModel


@frozen
class FaultSpec:
    """A portable fault as the scenario room sees it."""

    name: str
    summary: str
    parameters: type[BaseModel]
    one_shot: bool
    """Nothing to undo and no duration: it recovers by verification (a killed pod)."""
    lasting: str = ""
    """Of a one-shot: the parameter with which it goes on, and so needs a duration (kills that are repeated)."""
    services: tuple[str, ...] = ("service",)
    """Those of its parameters that name a service of the target."""


Catalogue = Mapping[str, FaultSpec]
