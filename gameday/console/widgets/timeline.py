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
AROUND = 3
"""Lines that the current entry leaves to the others, however much it has to say."""

INDENT = 6
"""Cells before what an entry says."""


class Timeline(Panel):
    BORDER_TITLE = "Timeline"
    empty = "nothing is scripted"
    rows: tuple[EntryRow, ...]
    chosen: reactive[str | None] = reactive(None)
    """Entry under the cursor; None follows what is next."""

    _names = 0
    """Columns for the entries' names, so that what they say stands in line."""
    _column = 20
    """Columns for when they come."""

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
        room = max(3, height - AROUND) if height else 0
        self._names = min(18, max(len(row.entry) for row in self.rows))
        needed = max(len(_when(row)) for row in self.rows)
        self._column = min(needed, max(20, width * 2 // 5))
        blocks = [self._block(row, row is current, width, room) for row in self.rows]
        lines = [line for block in blocks for line in block]
        if not height or len(lines) <= height:
            return lines
        index = self.rows.index(current) if current is not None else len(self.rows) - 1
        top = sum(len(block) for block in blocks[:index])
        # The current entry whole, a little of what was before it, and as much as fits of what comes.
        start = min(max(0, top - BEFORE), len(lines) - height)
        shown = lines[start : start + height]
        if 0 < start < top:
            shown[0] = Content.styled(f"  ↑ {start + 1} more", "$foreground-darken-3")
        below = len(lines) - start - height
        if below > 0:
            shown[-1] = Content.styled(f"  ↓ {below + 1} more", "$foreground-darken-3")
        return shown

    def _block(self, row: EntryRow, current: bool, width: int, room: int) -> list[Content]:
        style = STYLES[row.tone]
        mark = "▶ " if row.next else "› " if current else "  "
        kind = "FAULT " if row.kind == "fault" else f"{row.kind:<6}"
        head = Content.assemble(
            (mark, "bold $text-accent"),
            Content.styled(_when(row), style).truncate(self._column, ellipsis=True, pad=True),
            (f" {kind} ", "bold" if row.kind == "fault" else "$foreground-darken-3"),
            (f"{row.entry:<{self._names}}", "bold" if current else style),
        )
        if not current:
            rest = Content.styled(f"  {row.text}", "$foreground-darken-3")
            return [Content.assemble(head, rest).truncate(width, ellipsis=True)]
        told = row.text if not row.audience else f"to {row.audience}: {row.text}"
        parts = [(told, "")]
        if row.hint:
            parts.append((f"hint (h): {row.hint}", "$foreground-darken-3"))
        if row.notes:
            parts.append((f"for you: {row.notes}", "italic"))
        block = [head.truncate(width, ellipsis=True)]
        for (text, look), most in zip(parts, _shares([text for text, _ in parts], width, room), strict=True):
            block += _wrapped(text, width, look, most)
        return block


def _when(row: EntryRow) -> str:
    return f"{row.state} {row.when}".strip()


def _shares(texts: list[str], width: int, room: int) -> list[int]:
    """Rows for each text: a fair share of the `room` (less the head), and what some leave over goes to the others."""
    wanted = [len(textwrap.wrap(text, max(10, width - INDENT))) for text in texts]
    given = [min(3, rows) for rows in wanted] if not room else [1] * len(texts)
    while room and sum(given) < room - 1 and given != wanted:
        hungry = [index for index, rows in enumerate(wanted) if given[index] < rows]
        given[min(hungry, key=lambda index: given[index])] += 1
    return given


def _wrapped(text: str, width: int, style: str, most: int) -> list[Content]:
    lines = textwrap.wrap(text, max(10, width - INDENT), max_lines=most, placeholder=" … (Enter)")
    return [Content.styled(f"{' ' * INDENT}{line}", style) for line in lines]
