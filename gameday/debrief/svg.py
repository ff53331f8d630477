"""Pieces that the charts share: a time scale with readable ticks, and elements with every text escaped.

Colours are classes; the page's stylesheet gives them their values in light, dark and print. Shape, pattern or words
always say the same as the colour.
"""

from __future__ import annotations

import math
from html import escape

from gameday.debrief.words import on_clock, utc
from gameday.frozen import frozen

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
CHAR = 6.4
"""Width of one character at the charts' text size, a little too wide on purpose (px)."""


@frozen
class Scale:
    """Clock seconds to x pixels."""

    start: float
    end: float
    left: float
    right: float

    def __call__(self, clock: float) -> float:
        share = (clock - self.start) / (self.end - self.start)
        return self.left + min(1.0, max(0.0, share)) * (self.right - self.left)

    def ticks(self, most: int = 9) -> list[float]:
        """Round clock times inside the scale, at most `most`."""
        length = self.end - self.start
        step = next((float(s) for s in _STEPS if length / s <= most), 86400.0 * math.ceil(length / most / 86400))
        first = math.ceil(self.start / step) * step
        return [first + i * step for i in range(int((self.end - first) / step) + 1)]


def scale_over(start: float, end: float, left: float, right: float) -> Scale:
    """A scale with some length even where start and end are the same."""
    return Scale(start, end if end - start >= 1 else start + 1, left, right)


def element(name: str, body: str = "", **attributes: object) -> str:
    """`<name …>body</name>`; `body` must be markup already. `class_` becomes class, `_` in names `-`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{body}</{name}>" if body else f"<{name}{written}/>"


def _value(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(str(value))


def label(x: float, y: float, words: str, class_: str = "", anchor: str | None = None) -> str:
    return element("text", escape(words), x=x, y=y, class_=class_ or None, text_anchor=anchor)


def tip(words: str) -> str:
    """What a pointer shows, and a screen reader says."""
    return element("title", escape(words))


def short(words: str, characters: int) -> str:
    return words if len(words) <= characters else f"{words[: characters - 1]}…"


def picture(width: float, height: float, body: str, name: str, class_: str = "") -> str:
    """The svg element; it is drawn at most at its own size and scrolls rather than shrinks where there is no room."""
    return element(
        "svg",
        tip(name) + body,
        class_=class_ or None,
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
        aria_label=name,
    )


def axis(scale: Scale, top: float, bottom: float, wall_of_zero: float, beside: float | None = None) -> str:
    """Vertical grid with wall times above and exercise times below; no wall time upon the line at clock `beside`."""
    parts = []
    seconds = bool(scale.ticks()) and scale.end - scale.start < 600
    for clock in scale.ticks():
        x = scale(clock)
        parts.append(element("line", class_="grid", x1=x, y1=top, x2=x, y2=bottom))
        wall = utc(wall_of_zero + clock)[11 : 19 if seconds else 16]
        if beside is None or abs(x - scale(beside)) > len(wall) * CHAR / 2 + 4:
            parts.append(label(x, top - 6, wall, "tick", "middle"))
        parts.append(label(x, bottom + 14, on_clock(clock), "tick", "middle"))
    return "".join(parts)
