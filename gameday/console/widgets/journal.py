"""The journal as it grows: a list drawn line by line, so that a hundred thousand events scroll as ten do."""

from __future__ import annotations

from bisect import bisect_right

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from gameday.console.snapshot import JournalLine
from gameday.console.times import clock_text, wall_text

ROOMY = 90
"""Cells from which the exercise's clock stands beside the wall's."""


class JournalView(ScrollView, can_focus=False):
    """Follows the end until somebody scrolls up, and again from the moment the end is reached. Nothing is cut off: a
    sentence that is too long for one row goes on in the next, below itself."""

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
        self._first: list[int] = []
        """Row at which each line begins, for `_width`."""
        self._rows = 0
        self._width = 0
        self._following = True

    @property
    def lines(self) -> tuple[JournalLine, ...]:
        return self._lines

    @lines.setter
    def lines(self, lines: tuple[JournalLine, ...]) -> None:
        if lines is self._lines:
            return
        known = len(self._lines)
        if known and (len(lines) < known or lines[known - 1] != self._lines[-1]):
            # Another journal, not this one grown on.
            self._first, self._rows = [], 0
        self._lines = lines
        self._lay_out()
        self.follow(self._following)
        self.refresh()

    def _lay_out(self) -> None:
        """Count the rows of lines that are new."""
        room = self._room
        for line in self._lines[len(self._first) :]:
            self._first.append(self._rows)
            self._rows += len(wrapped(line.sentence.text, room))
        self.virtual_size = Size(self._width, self._rows)

    @property
    def _clock(self) -> bool:
        return self._width >= ROOMY

    @property
    def _lead(self) -> int:
        """Cells before a sentence: the times and the word."""
        return 9 + 7 + (9 if self._clock else 0)

    @property
    def _room(self) -> int:
        return max(12, self._width - self._lead)

    def follow(self, following: bool = True) -> None:
        """Stay at the end from now on."""
        self._following = following
        if following:
            self.scroll_to(y=max(0, self._rows - self.size.height), animate=False, immediate=True, force=True)

    def on_resize(self) -> None:
        width = self.scrollable_content_region.width
        if width != self._width:
            top = bisect_right(self._first, round(self.scroll_y)) - 1
            self._width, self._first, self._rows = width, [], 0
            self._lay_out()
            self.border_title = "Journal (UTC, exercise clock)" if self._clock else "Journal (UTC)"
            if not self._following and top >= 0:
                self.scroll_to(y=self._first[top], animate=False, immediate=True, force=True)
        self.follow(self._following)

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        # Whoever scrolls up stays there; whoever reaches the end follows again.
        self._following = round(new) >= self._rows - self.size.height

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        plain = self.rich_style
        row = self.scroll_offset.y + y
        if row >= self._rows:
            return Strip.blank(width, plain)
        index = bisect_right(self._first, row) - 1
        line = self._lines[index]
        tone = self.get_component_rich_style(f"journal--{line.sentence.tone}")
        part = row - self._first[index]
        text = wrapped(line.sentence.text, self._room)[part]
        if part:
            lead = [Segment(" " * self._lead, plain)]
        else:
            clock = f"{clock_text(line.clock):<8} " if self._clock else ""
            time = self.get_component_rich_style("journal--time")
            lead = [Segment(f"{wall_text(line.wall)} {clock}", time), Segment(f"{line.sentence.word:<6} ", tone)]
        strip = Strip([*lead, Segment(text, tone if line.sentence.tone in ("bad", "quiet") else plain)])
        return strip.crop_extend(0, width, plain)


def wrapped(text: str, width: int) -> list[str]:
    """`text` in rows of at most `width` cells, broken at blanks where there are any. Quick: a journal is long."""
    if text.isascii():
        return _cut(text, width)
    # A wide letter takes two cells and is one character: look at cells only where there may be such.
    if cell_len(text) == len(text):
        return _cut(text, width)
    rows, row, used = [], "", 0
    for word in text.split(" "):
        size = cell_len(word)
        if row and used + 1 + size > width:
            rows.append(row)
            row, used = "", 0
        while size > width:
            head = set_cell_size(word, width).rstrip()
            if row or not head:
                break
            rows.append(head)
            word = word[len(head) :]
            size = cell_len(word)
        row, used = (f"{row} {word}", used + 1 + size) if row else (word, size)
    return [*rows, row]


def _cut(text: str, width: int) -> list[str]:
    rows, start = [], 0
    while len(text) - start > width:
        blank = text.rfind(" ", start + 1, start + width + 1)
        end = blank if blank > 0 else start + width
        rows.append(text[start:end])
        start = end + (blank > 0)
    rows.append(text[start:])
    return rows
