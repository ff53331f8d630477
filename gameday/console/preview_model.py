"""What the pick and preview screens show, as plain data that the command line fills in.

The console reads no scenario file and asks no target: whoever wires it does, and hands these in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ScenarioCard:
    """One scenario file as the list shows it."""

    path: Path
    title: str = ""
    category: str = ""
    severity: str = ""
    target: str = ""
    faults: int = 0
    duration: float | None = None
    """Its limit, seconds."""
    error: str = ""
    """The first thing that is wrong with it; such a file can't be started."""


@dataclass(frozen=True, slots=True)
class FaultPreview:
    when: str
    """`at 0:30 for 5:00`, `by hand`."""
    name: str
    summary: str
    targets: tuple[str, ...] = ()
    """What is touched, by name, as resolved now."""
    undo: str = ""
    effective: str = ""
    """What will show that it took hold."""
    recovered: str = ""
    """What will show that it is gone."""
    error: str = ""
    """Why its targets can't be resolved now."""


@dataclass(frozen=True, slots=True)
class InjectPreview:
    when: str
    text: str
    audience: str = ""


@dataclass(frozen=True, slots=True)
class ConditionPreview:
    name: str
    limit: str
    answers: bool
    """Whether its probe answers now."""
    value: str = ""
    """The answer, or why there is none."""


@dataclass(frozen=True, slots=True)
class PreviewModel:
    path: Path
    title: str
    target: str
    environment: str
    faults: tuple[FaultPreview, ...] = ()
    injects: tuple[InjectPreview, ...] = ()
    conditions: tuple[ConditionPreview, ...] = ()
    expectations: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    """Why it can't be started; with any of these there is no start."""
    warnings: tuple[str, ...] = ()

    @property
    def production(self) -> bool:
        return self.environment.lower() in PRODUCTION


PRODUCTION = frozenset({"production", "prod", "live"})
