"""The script: what was, what lives, what is next and when. The next entry and the chosen one are shown in full."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from textual.content import Content
from textual.reactive import reactive

from gameday.console.outlook import EntryRow
from gameday.console.widgets.panel import STYLES, Panel

BEFORE = 2
"""Lines of the past that stay visible above the next entry."""


class Timeline(Panel):
    BORDER_TITLE = "Timeline"
    empty = "nothing is scripted"
    rows: tuple[EntryRow, ...]
    chosen: reactive[str | None] = reactive(None)
    """Entry under the cursor; None follows what is next."""

    def current(self) -> EntryRow | None:
        """The entry that keys act upon: the chosen one, else the next."""
        named = next((row for row in self.rows if row.entry == self.chosen), None)
        return named or next((row for row in self.rows if row.next), None)

    def move(self, step: int) -> None:
        """Move the cursor by `step` entries."""
        if not self.rows:
            return
        here = self.current()
        index = self.rows.index(here) if here is not None else len(self.rows) - 1
        self.chosen = self.rows[max(0, min(len(self.rows) - 1, index + step))].entry

    def draw(self, width: int, height: int) -> Sequence[Content]:
        current = self.current()
        blocks = [self._block(row, row is current, width) for row in self.rows]
        lines = [line for block in blocks for line in block]
        if not height or len(lines) <= height:
            return lines
        index = self.rows.index(current) if current is not None else len(self.rows) - 1
        top = sum(len(block) for block in blocks[:index])
        # The current entry whole, a little of what was before it, and as much as fits of what comes.
        start = min(max(0, top - BEFORE), max(0, len(lines) - height))
        if top + len(blocks[index]) > start + height:
            start = top + len(blocks[index]) - height
        shown = lines[start : start + height]
        if start:
            shown[0] = Content.styled(f"  ↑ {start} more", "$foreground-darken-3")
        below = len(lines) - start - height
        if below > 0:
            shown[-1] = Content.styled(f"  ↓ {below + 1} more", "$foreground-darken-3")
        return shown

    def _block(self, row: EntryRow, current: bool, width: int) -> list[Content]:
        style = STYLES[row.tone]
        mark = "▶ " if row.next else "› " if current else "  "
        when = f"{row.state} {row.when}".strip()
        column = 26 if width >= 60 else 20
        kind = "FAULT " if row.kind == "fault" else "inject"
        head = Content.assemble(
            (mark, "bold $text-accent"),
            Content.styled(when, style).truncate(column, ellipsis=True, pad=True),
            (f" {kind} ", "bold" if row.kind == "fault" else "$foreground-darken-3"),
            (row.entry, "bold" if current else style),
        )
        if not current:
            rest = Content.styled(f"  {row.text}", "$foreground-darken-3")
            return [Content.assemble(head, rest).truncate(width, ellipsis=True)]
        told = row.text if not row.audience else f"to {row.audience}: {row.text}"
        block = [head.truncate(width, ellipsis=True), *_wrapped(told, width, "")]
        if row.notes:
            block += _wrapped(f"for you: {row.notes}", width, "italic")
        if row.hint:
            block += _wrapped(f"hint (h): {row.hint}", width, "$foreground-darken-3")
        return block


def _wrapped(text: str, width: int, style: str) -> list[Content]:
    lines = textwrap.wrap(text, max(10, width - 6), max_lines=3, placeholder=" …")
    return [Content.styled(f"      {line}", style) for line in lines]
