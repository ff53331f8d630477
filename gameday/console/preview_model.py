"""What the pick and preview screens show, as plain data that the command line fills in.

The console reads no scenario file and asks no target: whoever wires it does, and hands these in.
"""

from __future__ import annotations

from pathlib import Path

from gameday.exercise.touched import together
from gameday.frozen import frozen

SHOWN = 12
"""Names of targets that are read; of thousands nobody reads more."""


@frozen
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


@frozen
class FaultPreview:
    when: str
    """`at 0:30 for 5:00`, `by hand`."""
    name: str
    summary: str
    """What will be done, in words."""
    targets: tuple[str, ...] = ()
    """What is touched, by name, as resolved now."""
    undo: str = ""
    effective: str = ""
    """What will show that it took hold."""
    recovered: str = ""
    """What will show that it is gone."""
    error: str = ""
    """Why its targets can't be resolved now."""
    entry: str = ""
    """The id that the scenario gives it; empty where it gives none."""
    chosen: int | None = None
    """Only so many of `targets`, chosen when it is due; None: all of them."""
    engine: str = ""
    """What does it, and what else could, e.g. `api (instead: --engine pod-kill=chaos-mesh)`; "" where it can't be."""
    instead: str = ""
    """Where it can't be done so: what else the target has for it, e.g. `--engine pod-kill=chaos-mesh`."""
    notes: tuple[str, ...] = ()
    """What whoever approves it should know: shares, what is protected, budgets in the way."""

    @property
    def headline(self) -> str:
        return f"{self.entry}: {self.summary}" if self.entry else self.summary

    @property
    def touches(self) -> str:
        names = together(self.targets, SHOWN)
        return names if self.chosen is None else f"{self.chosen} of {len(self.targets)}, chosen when it is due: {names}"


@frozen
class InjectPreview:
    when: str
    text: str
    audience: str = ""


@frozen
class ConditionPreview:
    name: str
    limit: str
    """When it trips: `above 0.5 for 15s`, `unless status 200`."""
    answers: bool | None
    """Whether its probe answers now; None where it was not asked."""
    value: str = ""
    """The answer, or why there is none."""

    @property
    def when(self) -> str:
        return self.limit if self.limit.startswith("unless ") else f"when {self.limit}"


@frozen
class CheckPreview:
    """One check of the steady state."""

    name: str
    wanted: str
    """What the answer must be: `below 0.05`."""
    answers: bool | None
    """Whether its probe answers now; None where it was not asked."""
    holds: bool = False
    """Whether the answer is as it must be."""
    value: str = ""
    """The answer, or why there is none."""


@frozen
class LimitPreview:
    name: str
    value: str
    meaning: str
    default: bool = False
    """The scenario does not say it."""


@frozen
class PreviewModel:
    path: Path
    title: str
    target: str
    environment: str
    steady_state: tuple[CheckPreview, ...] = ()
    faults: tuple[FaultPreview, ...] = ()
    injects: tuple[InjectPreview, ...] = ()
    asked: tuple[InjectPreview, ...] = ()
    """Checks of the timeline, each as the text of when it is due and what it must answer."""
    conditions: tuple[ConditionPreview, ...] = ()
    expectations: tuple[str, ...] = ()
    limits: tuple[LimitPreview, ...] = ()
    refusals: tuple[str, ...] = ()
    """Why it can't be started; with any of these there is no start."""
    warnings: tuple[str, ...] = ()

    @property
    def production(self) -> bool:
        return self.environment.strip().casefold() in PRODUCTION


PRODUCTION = frozenset({"production", "prod", "prd", "live"})
"""As the policy of targets has it."""
