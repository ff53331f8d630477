"""Severity levels as organisations really use them, four named presets; never mixed.

Where practice disagrees there are several presets instead of a compromise. Severity is the impact on customers, not
the difficulty of the fix. Data only: who announces an escalation and when is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from gameday.frozen import frozen

PresetName = Literal["sev", "p-customer", "p-cadence", "alerting"]

_MINUTE = 60.0
_HOUR = 3600.0


@frozen
class Level:
    """One severity level. Times are seconds; None where the preset does not say."""

    name: str
    meaning: str
    response: str
    """How soon, and by what means."""
    who: str = ""
    respond_within: float | None = None
    first_update: float | None = None
    """The first status update comes within this."""
    cadence: tuple[float, float] | None = None
    """Shortest and longest time between status updates."""
    expected: float | None = None
    """Expected time to resolve; an incident that is older goes up one level."""
    commander_after: float | None = None
    """An incident commander is named when it is not resolved after this; 0: at once."""


@frozen
class Preset:
    name: PresetName
    levels: tuple[Level, ...]
    """The gravest first."""

    def level(self, name: str) -> Level | None:
        """The level called `name`, in any case of letters."""
        return next((level for level in self.levels if level.name == name.upper()), None)

    def expected(self, name: str) -> float | None:
        """Expected time to resolve at level `name`, seconds; None where the preset does not say."""
        level = self.level(name)
        return level.expected if level else None

    def cadence(self, name: str) -> tuple[float, float] | None:
        """Shortest and longest time between status updates at level `name`, seconds; None where it does not say."""
        level = self.level(name)
        return level.cadence if level else None

    def above(self, name: str) -> Level | None:
        """The level to which an incident of level `name` escalates; None from the gravest."""
        for graver, level in zip(self.levels, self.levels[1:], strict=False):
            if level.name == name.upper():
                return graver
        return None


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                "sev",
                (
                    Level(
                        "SEV1",
                        "An outage that customers see, revenue is lost",
                        "at once, all hands",
                        "incident commander; backup and engineering manager paged; executives told",
                        respond_within=0.0,
                        commander_after=0.0,
                    ),
                    Level(
                        "SEV2",
                        "Degraded or partial",
                        "within 15 minutes",
                        "incident commander; on-call and backup",
                        respond_within=15 * _MINUTE,
                        commander_after=0.0,
                    ),
                    Level("SEV3", "Internal tooling only", "within an hour", "on-call", respond_within=_HOUR),
                    Level("SEV4", "Can wait", "next business day", "ticket queue"),
                ),
            ),
            Preset(
                "p-customer",
                (
                    Level(
                        "P1",
                        "A core workflow, data integrity or a revenue system is down",
                        "at once, all hands",
                        "incident commander at once; roles held by different people",
                        respond_within=0.0,
                        commander_after=0.0,
                    ),
                    Level(
                        "P2",
                        "Degraded for a subset of customers, no acceptable workaround",
                        "on-call",
                        "incident commander if unresolved at 30 minutes",
                        commander_after=30 * _MINUTE,
                    ),
                    Level("P3", "Internal", "business hours: acknowledge and schedule"),
                    Level("P4", "Cosmetic", "normal work"),
                ),
            ),
            Preset(
                "p-cadence",
                (
                    Level(
                        "P1",
                        "Unavailable, or data is lost",
                        "at once, all hands",
                        "incident commander at once",
                        respond_within=0.0,
                        cadence=(15 * _MINUTE, 20 * _MINUTE),
                        expected=_HOUR,
                        commander_after=0.0,
                    ),
                    Level(
                        "P2",
                        "Significant degradation",
                        "on-call leads, with a backup",
                        "on-call and backup",
                        first_update=30 * _MINUTE,
                        cadence=(30 * _MINUTE, 60 * _MINUTE),
                        expected=4 * _HOUR,
                    ),
                    Level("P3", "Limited", "business hours; updates optional", expected=24 * _HOUR),
                ),
            ),
            Preset(
                "alerting",
                (
                    Level("P0", "Needs a person now", "page now", respond_within=0.0),
                    Level("P1", "Needs a person, not now", "ticket"),
                    Level("P2", "Good to know", "log only"),
                ),
            ),
        )
    }
)
DEFAULT: PresetName = "sev"


def level_names(preset: str | None = None) -> list[str]:
    """Names of the levels of one preset, or of all of them, each once."""
    chosen = [PRESETS[preset]] if preset else PRESETS.values()
    return list(dict.fromkeys(level.name for one in chosen for level in one.levels))
