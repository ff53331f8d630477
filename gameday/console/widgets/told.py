"""Longer texts with a word in front of each: wrapped under themselves, so that the words in front stay readable."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from textual.content import Content

from gameday.console.widgets.panel import Panel
from gameday.frozen import frozen


@frozen
class Paragraph:
    """`lead` (with its padding) and then `text`; a `title` is a line of its own with a blank one above it."""

    lead: str = ""
    text: str = ""
    lead_style: str = ""
    style: str = ""
    title: str = ""


class Told(Panel):
    """As high as its text; put it into something that scrolls."""

    rows: tuple[Paragraph, ...]
    empty = ""

    def draw(self, width: int, height: int) -> Sequence[Content]:
        lines: list[Content] = []
        for index, row in enumerate(self.rows):
            if row.title:
                lines += [Content()] * bool(index) + [Content.styled(row.title, "bold underline")]
            else:
                lines += self._wrapped(row, width)
        return lines

    def _wrapped(self, row: Paragraph, width: int) -> list[Content]:
        indent = min(len(row.lead), width // 2)
        wrapped = textwrap.wrap(row.text, max(10, width - indent)) or [""]
        first = Content.assemble((row.lead, row.lead_style), (wrapped[0], row.style))
        return [first, *(Content.assemble(" " * indent, (line, row.style)) for line in wrapped[1:])]

    def watch_rows(self, before: tuple[Paragraph, ...], after: tuple[Paragraph, ...]) -> None:
        self.refresh(layout=True)
