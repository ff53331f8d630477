"""The two lines on top: where we are, how it stands, what time it is. Production can't be mistaken."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from gameday.console.widgets.panel import spread
from gameday.frozen import frozen


@frozen
class BannerRow:
    environment: str
    production: bool
    exercise: str
    title: str
    phase: str
    more: str
    alarm: bool
    """The phase is one that nobody may overlook."""
    wall: str
    clock: str
    place: str = ""
    """Where to point the room, `status page http://…`."""
    remark: str = ""
    """Journal unreachable, requests waiting, read-only …"""


class Banner(Widget):
    row: reactive[BannerRow | None] = reactive(None)

    def watch_row(self, before: BannerRow | None, after: BannerRow | None) -> None:
        self.set_class(after is not None and after.production, "-production")
        self.set_class(after is not None and after.alarm, "-alarm")

    def render(self) -> Content:
        row, width = self.row, self.content_size.width
        if row is None:
            return Content("gameday")
        name = f"▲▲ {row.environment.upper()} ▲▲" if row.production else row.environment.upper()
        phase = f"{row.phase}: {row.more}" if row.more else row.phase
        first = spread(
            Content.assemble((f" {name} ", "bold reverse"), "  ", (phase, "bold")),
            Content.assemble((f"{row.wall} UTC", ""), "  ", (row.clock, "bold")),
            width,
        )
        about = Content.assemble(row.exercise, "  ", row.title)
        second = Content.assemble((row.remark, "bold reverse"), "  ", about) if row.remark else about
        return Content("\n").join([first, spread(second, Content(row.place), width)])
