"""The severity presets say what practice says, and nothing where it says nothing."""

from __future__ import annotations

import pytest

from gameday.scenario.presets import PRESETS, level_names


def test_presets_and_their_levels() -> None:
    assert {name: [level.name for level in preset.levels] for name, preset in PRESETS.items()} == {
        "sev": ["SEV1", "SEV2", "SEV3", "SEV4"],
        "p-customer": ["P1", "P2", "P3", "P4"],
        "p-cadence": ["P1", "P2", "P3"],
        "alerting": ["P0", "P1", "P2"],
    }
    assert level_names("alerting") == ["P0", "P1", "P2"]
    assert level_names() == ["SEV1", "SEV2", "SEV3", "SEV4", "P1", "P2", "P3", "P4", "P0"]


@pytest.mark.parametrize(
    ("preset", "level", "expected", "cadence"),
    [
        ("p-cadence", "P1", 3600, (900, 1200)),
        ("p-cadence", "p2", 4 * 3600, (1800, 3600)),
        ("p-cadence", "P3", 24 * 3600, None),
        ("sev", "SEV1", None, None),
        ("sev", "nonsense", None, None),
    ],
)
def test_times_by_level(preset: str, level: str, expected: float | None, cadence: tuple[float, float] | None) -> None:
    assert PRESETS[preset].expected(level) == expected
    assert PRESETS[preset].cadence(level) == cadence


def test_escalation_goes_one_level_up() -> None:
    above = PRESETS["sev"].above("SEV3")
    assert above is not None and above.name == "SEV2"
    assert PRESETS["sev"].above("SEV1") is None
