"""How times and amounts are written in the console, so that every screen and the plain lines write them alike.

Pure text; no clock is read here. Wall times are UTC, since the journal and the debrief are too.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime

from gameday.exercise.values import in_short


def wall_text(wall: float) -> str:
    """`14:32:05` (UTC) of unix seconds; dashes for what is no time at all."""
    try:
        return datetime.fromtimestamp(wall, UTC).strftime("%H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return "--:--:--"


def day_text(wall: float) -> str:
    """`2025-03-01` (UTC) of unix seconds."""
    try:
        return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d")
    except (OverflowError, OSError, ValueError):
        return "----------"


def span_text(seconds: float) -> str:
    """A length of time for eyes: `0:05`, `4:12`, `1:02:03`; `-0:05` where it is negative. Whole seconds, cut off."""
    if not math.isfinite(seconds):
        return "-:--"
    sign = "-" if seconds <= -1 else ""
    hours, rest = divmod(int(abs(seconds) + 1e-6), 3600)
    minutes, left = divmod(rest, 60)
    return f"{sign}{hours}:{minutes:02d}:{left:02d}" if hours else f"{sign}{minutes}:{left:02d}"


def clock_text(clock: float) -> str:
    """A point on the exercise's clock: `+00:31`, `+1:02:03`."""
    if not math.isfinite(clock):
        return "+--:--"
    sign = "-" if clock <= -1 else "+"
    text = span_text(abs(clock))
    return sign + (text.zfill(5) if text.count(":") == 1 else text)


def took_text(seconds: float) -> str:
    """A measured length: milliseconds below a second, tenths below ten, then minutes and seconds."""
    if not math.isfinite(seconds):
        return "?"
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    if abs(seconds) < 10:
        return f"{seconds:.1f} s"
    return span_text(seconds)


def value_text(value: object) -> str:
    """An answer's value, short enough for a table: numbers to four digits, text cleaned."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**12 else f"{value:.4g}"
    return shorten(clean(in_short(value, 400)), 40)


def clean(text: str) -> str:
    """One line that is safe to print: whatever came from outside may hold escape sequences and line breaks."""
    spaced = " ".join(text.split())
    return "".join(
        letter
        if letter == " " or unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
        else "\N{REPLACEMENT CHARACTER}"
        for letter in spaced
    )


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` characters, with an ellipsis where something was left out."""
    if len(text) <= width:
        return text
    return "" if width <= 0 else text[: width - 1].rstrip() + "…"


def count_text(count: int, one: str, many: str = "") -> str:
    """`1 fault`, `3 faults`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
