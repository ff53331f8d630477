"""What a starter hands to the engine process. Imports nothing: who starts an engine doesn't need what it needs."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from gameday.frozen import frozen

Json = Any

UNHEARD = "nothing was heard of it after this"
"""Why an engine is lost, where nobody was left to write it down."""


@frozen
class Payload:
    """What an engine is to do."""

    mode: Literal["new", "resume", "recover"]
    exercise: str
    store: str
    heartbeat: float
    attended: bool
    target: dict[str, Json]
    started: dict[str, Json] = field(default_factory=dict)
    """With mode `new`: the fields of `ExerciseStarted`, but for the clock's zero."""
    touched: list[str] | None = None
    """With mode `new`: the services that the scenario's faults name, so that the engine need not find them out."""
    validated: dict[str, dict[str, Json]] = field(default_factory=dict)
    """With mode `new`: entry -> `planning.validated` of its fault."""
    scripted: Json = None
    """With mode `new`: the scenario as `taken_up.handed_over`."""
    rescue: dict[str, Json] = field(default_factory=dict)
    """Fields of the `Config` of a second guardian, should the first one die."""
