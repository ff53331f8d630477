"""Durations as people write them (`90s`, `5m`, `1h30m`, `250ms`) and as code uses them (float seconds).

A bare number is refused: nobody at ten in the morning should have to guess whether `for: 5` means seconds or minutes.
Imports no pydantic, since workers write durations too: the field of a model is in `fields`.
"""

from __future__ import annotations

import re

PATTERN = r"^(?=\d)(\d+(\.\d+)?d)?(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?$"
_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d)"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 30 * 86400.0
"""Nothing in an exercise lasts longer than 30 days (seconds)."""


def parse_duration(text: object) -> float:
    """Seconds in `text`, e.g. `1h30m` -> 5400.0.

    Raises:
        ValueError: not a duration, a bare number, or longer than 30 days; the message says what to write.
    """
    if isinstance(text, bool) or not isinstance(text, str):
        if isinstance(text, int | float) and not isinstance(text, bool):
            raise ValueError(f"a duration needs its unit: write {text:g}ms, {text:g}s or {text:g}m")
        raise ValueError("expected a duration such as 90s, 5m or 1h30m")
    cleaned = text.strip()
    if not re.match(PATTERN, cleaned, re.ASCII):
        if cleaned.replace(".", "", 1).isdigit():
            raise ValueError(f"a duration needs its unit: write {cleaned}ms, {cleaned}s or {cleaned}m")
        raise ValueError(f"{text!r} is not a duration: write it like 90s, 5m, 1h30m or 250ms, largest unit first")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PART, cleaned, re.ASCII))
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is longer than 30 days")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest way to write `seconds`: 5400 -> `1h30m`, 0.25 -> `250ms`, 0 -> `0s`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    thousandths = round(seconds * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, thousandths = divmod(thousandths, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
