"""The panels of the run screen that show the state: faults, abort conditions, milestones, expectations, notes."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from gameday.console.headroom import bar
from gameday.console.outlook import ConditionRow, ExpectationRow, FaultRow, MilestoneRow
from gameday.console.times import clean, wall_text
from gameday.console.widgets.panel import STYLES, Panel, spread
from gameday.exercise.state import Note

TIGHT = 34
"""Cells below which a milestone has no room for both its times, and an expectation none for what it counts from."""

AMPLE = 44
"""Cells from which what is expected stands in line below each other, whatever word is before it."""


def _cut(line: Content, width: int) -> Content:
    return line.truncate(width, ellipsis=True)


class Faults(Panel):
    BORDER_TITLE = "Live faults"
    empty = "none: nothing is disturbed"

    rows: tuple[FaultRow, ...]

    def draw(self, width: int, height: int) -> Sequence[Content]:
        short = bool(height) and 2 * len(self.rows) > height
        return [line for row in self.rows for line in (self._one(row, width) if short else self._two(row, width))]

    def _one(self, row: FaultRow, width: int) -> list[Content]:
        style = STYLES[row.tone]
        if width < TIGHT:
            # Which fault it is, and how long it has, before what state it is in.
            left = Content.assemble((row.entry, "bold"), " ", (row.stage, style))
            return [spread(left, Content.styled(row.when, style), width)]
        end = f"{bar(row.share, 6)} {row.when}" if row.share is not None else row.when
        return [
            spread(Content.assemble((row.stage, style), " ", (row.entry, "bold")), Content.styled(end, style), width)
        ]

    def _two(self, row: FaultRow, width: int) -> list[Content]:
        style = STYLES[row.tone]
        if width < TIGHT:
            share = f" {bar(row.share, 6)}" if row.share is not None else ""
            second = Content.assemble("  ", (f"{row.stage}{share} ", style), row.what)
            return [
                spread(Content.styled(row.entry, "bold"), Content.styled(row.when, style), width),
                _cut(second, width),
            ]
        head = spread(
            Content.assemble((row.stage, style), " ", (row.entry, "bold")), Content.styled(row.when, style), width
        )
        line = Content.styled(f"  {bar(row.share, 12)} ", style) if row.share is not None else Content("  ")
        return [head, _cut(Content.assemble(line, row.what), width)]


class Conditions(Panel):
    BORDER_TITLE = "Abort conditions"
    empty = "none: only you stop it"

    rows: tuple[ConditionRow, ...]

    def draw(self, width: int, height: int) -> Sequence[Content]:
        short = bool(height) and 2 * len(self.rows) > height
        return [line for row in self.rows for line in ([self._one(row, width)] if short else self._two(row, width))]

    def _one(self, row: ConditionRow, width: int) -> Content:
        style = STYLES[row.tone]
        end = f"{row.value} {bar(row.share, 5)} {row.share:.0%}" if row.share is not None else row.value
        return spread(Content.assemble((row.state, style), " ", row.name), Content.styled(end, style), width)

    def _two(self, row: ConditionRow, width: int) -> list[Content]:
        style = STYLES[row.tone]
        room = f"{row.share:.0%} headroom" if row.share is not None else ""
        head = spread(Content.assemble((row.state, style), " ", (row.name, "bold")), Content.styled(room, style), width)
        drawn = f"{row.spark(8)} {bar(row.share, 6)}" if row.share is not None else ""
        told = Content.assemble("  ", (row.value, style), f", {row.limit}")
        if drawn and len(drawn) + told.cell_length + 1 > width:
            drawn = bar(row.share, 6) if row.share is not None else ""
        return [head, spread(told, Content.styled(drawn, style), width) if drawn else _cut(told, width)]


class Milestones(Panel):
    BORDER_TITLE = "Milestones (+ from impact)"
    rows: tuple[MilestoneRow, ...]

    def draw(self, width: int, height: int) -> Sequence[Content]:
        return [_cut(self._line(row, width < TIGHT), width) for row in self.rows]

    def _line(self, row: MilestoneRow, tight: bool) -> Content:
        key = Content.styled(f"{row.key} ", "bold $text-accent")
        if row.missing:
            mark = f"○ {row.milestone:<12} "
            return Content.assemble(
                key, (mark, ""), (f"{row.when:<8}", "$text-warning"), (f" {row.how}", "$foreground-darken-3")
            )
        if tight:
            return Content.assemble(
                key, (f"● {row.milestone:<12} ", "$text-success"), (row.after or row.when, "bold" if row.after else "")
            )
        told = f"● {row.milestone:<12} {row.when:<8} "
        return Content.assemble(
            key, (told, "$text-success"), (f"{row.after:>6}", "bold"), (f" {row.how}", "$foreground-darken-3")
        )


class Expectations(Panel):
    BORDER_TITLE = "Expectations (from impact)"
    empty = "none"
    rows: tuple[ExpectationRow, ...]

    def draw(self, width: int, height: int) -> Sequence[Content]:
        column = 0 if width < TIGHT else max(8, *(len(row.state) for row in self.rows)) if width >= AMPLE else 8
        return [
            spread(
                Content.assemble((f"{row.state:<{column}} ", STYLES[row.tone]), row.name),
                Content.styled(row.when.partition(" from ")[0] if width < TIGHT else row.when, STYLES[row.tone]),
                width,
            )
            for row in self.rows
        ]


class Notes(Panel):
    BORDER_TITLE = "Notes"
    empty = "none yet: n writes one"
    rows: tuple[Note, ...]

    def draw(self, width: int, height: int) -> Sequence[Content]:
        shown = self.rows[-height:] if height else self.rows[-6:]
        return [_cut(self._line(note), width) for note in shown]

    def _line(self, note: Note) -> Content:
        unclassified = note.category == "unclassified"
        kind = "? (c)" if unclassified else note.category + (f" → {clean(note.audience)}" if note.audience else "")
        return Content.assemble(
            (f"{wall_text(note.at.wall)} ", "$foreground-darken-3"),
            (f"{kind:<11} ", "$text-warning" if unclassified else "$text-accent"),
            clean(note.text),
        )
