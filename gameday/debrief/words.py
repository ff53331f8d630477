"""How times, spans, values and other people's text are written, the same in every format.

Scenario text, notes and names are hostile input: `clean` takes out what could move a cursor, reorder a line or break a
file, before any format escapes what is left. Escaping itself belongs to each renderer.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

from gameday.exercise.values import in_short

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_UNSEEN = re.compile("[\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]")
SHOWN = 2000
"""Characters of one text that a page shows; the JSON has all of it."""


def clean(text: object, limit: int = SHOWN) -> str:
    """`text` without terminal escapes and control characters; what reorders or hides text is named instead.

    Newlines stay. Longer than `limit` characters: cut, and said so.
    """
    whole = str(text)
    if len(whole) <= limit and whole.isascii() and whole.isprintable():
        return whole
    cut = whole[: limit + 1] if len(whole) > limit else whole
    plain = _CONTROL.sub("", _ESCAPES.sub("", cut.replace("\r\n", "\n").replace("\r", "\n")))
    named = _UNSEEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", plain)
    if len(whole) <= limit:
        return named
    return f"{named[:limit]} … ({len(whole) - limit:,} more characters; the JSON debrief has all of it)"


def line(text: object, limit: int = SHOWN) -> str:
    """`clean`, on one line."""
    return " ".join(clean(text, limit).split())


def span(seconds: float | None) -> str:
    """A duration for people: `0.2 ms`, `12 ms`, `0.8 s`, `45 s`, `4 min 10 s`, `1 h 5 min`; `–` where there is none."""
    if seconds is None:
        return "–"
    if not math.isfinite(seconds):
        return "?"
    if seconds < 0:
        return f"−{span(-seconds)}"
    if seconds < 0.00005:
        return "0 s"
    if seconds < 0.00095:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    if minutes:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    return f"{rest} s"


def on_clock(seconds: float) -> str:
    """Exercise time: `2:05`, `1:02:05`, `-0:03`."""
    sign, whole = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(int(whole), 3600)
    minutes, second = divmod(rest, 60)
    return f"{sign}{hours}:{minutes:02d}:{second:02d}" if hours else f"{sign}{minutes}:{second:02d}"


def utc(wall: float) -> str:
    """`2026-11-20T14:32:00.000Z`; an impossible time is written as a number."""
    try:
        return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(wall * 1000) % 1000:03d}Z"
    except (ValueError, OverflowError, OSError):
        return f"{wall!r}"


def percent(share: float) -> str:
    """`58 %`, `1.4 %`, `under 0.1 %`."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    return f"{share * 100:.0f} %" if share >= 0.0995 or share == 0 else f"{share * 100:.1f} %"


def day(wall: float) -> str:
    return utc(wall)[:10]


def time_of_day(wall: float) -> str:
    """`14:32:00`, UTC."""
    return utc(wall)[11:19]


def number(value: Any) -> str:
    """A measured value, short: `0.613`, `12.5`, `4711`; anything else as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "none" if value is None else line(in_short(value, 120))
    if isinstance(value, int):
        return str(value)
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def numeric(value: Any) -> float | None:
    """`value` as a finite float, where it is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        as_float = float(value)
    except OverflowError:
        return None
    return as_float if math.isfinite(as_float) else None


def count(n: int, noun: str) -> str:
    """`1 update`, `3 updates`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def slug(text: str, limit: int = 60) -> str:
    """Letters, digits and dashes: safe in a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:limit].strip("-")
