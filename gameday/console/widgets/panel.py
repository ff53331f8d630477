"""The base of all panels: rows in, lines out, and no repaint where nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from gameday.console.times import shorten
from gameday.console.wording import Tone

STYLES: dict[Tone, str] = {
    "calm": "",
    "good": "$text-success",
    "warn": "$text-warning",
    "bad": "bold $text-error",
    "people": "$text-primary",
    "quiet": "$foreground-darken-3",
}


class Panel(Widget):
    """A titled part of a screen. Subclasses say `draw`; a widget is as high as its rows, or as the stylesheet says."""

    rows: reactive[tuple[Any, ...]] = reactive((), repaint=False)
    """What is shown; equal rows don't repaint."""
    empty = "nothing"
    """Shown where there are no rows."""

    def draw(self, width: int, height: int) -> Sequence[Content]:
        """The lines for `rows`, none wider than `width`; `height` lines are visible (0: as many as needed)."""
        raise NotImplementedError

    def watch_rows(self, before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
        self.refresh(layout=len(before) != len(after))

    def render(self) -> Content:
        width, height = self.content_size
        if not self.rows:
            return Content.styled(shorten(self.empty, width), "$foreground-darken-3")
        drawn = list(self.draw(width, height))
        if height and len(drawn) > height:
            left = len(drawn) - height + 1
            drawn = [*drawn[: height - 1], Content.styled(f"… {left} more lines", "$foreground-darken-3")]
        return Content("\n").join(drawn)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self.draw(width, 0))) if self.rows else 1


def spread(left: Content, right: Content, width: int) -> Content:
    """`left` and `right` at the two ends of a line; `left` is cut where there is no room."""
    space = width - right.cell_length
    if space < 2:
        return left.truncate(width, ellipsis=True, pad=True)
    return Content.assemble(left.truncate(space - 1, ellipsis=True, pad=True), " ", right)
