"""The journal as it grows: a list drawn line by line, so that a hundred thousand events scroll as ten do."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from gameday.console.snapshot import JournalLine
from gameday.console.times import clock_text, wall_text

WIDEST = 700
"""Cells of the longest line; sentences are shorter."""

ROOMY = 90
"""Cells from which the exercise's clock stands beside the wall's."""


class JournalView(ScrollView, can_focus=False):
    """Follows the end until somebody scrolls up, and again from the moment the end is reached."""

    BORDER_TITLE = "Journal"
    COMPONENT_CLASSES = {  # noqa: RUF012 - Textual's own shape
        "journal--time",
        "journal--calm",
        "journal--good",
        "journal--warn",
        "journal--bad",
        "journal--people",
        "journal--quiet",
    }

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: tuple[JournalLine, ...] = ()
        self._following = True
        self._widest = 0

    @property
    def lines(self) -> tuple[JournalLine, ...]:
        return self._lines

    @lines.setter
    def lines(self, lines: tuple[JournalLine, ...]) -> None:
        if lines is self._lines:
            return
        longest = max((len(line.sentence.text) for line in lines[len(self._lines) :]), default=0)
        self._lines = lines
        self._widest = min(WIDEST, max(self._widest, longest + 24))
        self.virtual_size = Size(self._widest, len(lines))
        self.follow(self._following)
        self.refresh()

    def follow(self, following: bool = True) -> None:
        """Stay at the end from now on."""
        self._following = following
        if following:
            self.scroll_to(y=max(0, len(self._lines) - self.size.height), animate=False, immediate=True, force=True)

    def on_resize(self) -> None:
        self.follow(self._following)

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        # Whoever scrolls up stays there; whoever reaches the end follows again.
        self._following = round(new) >= len(self._lines) - self.size.height

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width = self.size.width
        plain = self.rich_style
        index = top + y
        if index >= len(self._lines):
            return Strip.blank(width, plain)
        line = self._lines[index]
        tone = self.get_component_rich_style(f"journal--{line.sentence.tone}")
        clock = f"{clock_text(line.clock)} " if width >= ROOMY else ""
        strip = Strip(
            [
                Segment(f"{wall_text(line.wall)} {clock}", self._time()),
                Segment(f"{line.sentence.word:<6} ", tone),
                Segment(line.sentence.text, tone if line.sentence.tone in ("bad", "quiet") else plain),
            ]
        )
        return strip.crop_extend(left, left + width, plain)

    def _time(self) -> Style:
        return self.get_component_rich_style("journal--time")
