"""What all screens have in common: they are shown snapshots, and they know the app's few verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from textual.css.query import NoMatches
from textual.events import Key
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Label

from gameday.console.snapshot import Snapshot
from gameday.console.widgets.notice import Notice, Said

if TYPE_CHECKING:
    from gameday.console.app import Console

Result = TypeVar("Result")


class ConsoleScreen(Screen[None]):
    ESC_HUSHES = False
    """Esc puts away what is said; on other screens it has another meaning, and what is said goes by itself."""

    def show(self, snapshot: Snapshot, now: float) -> None:
        """Draw `snapshot` as things stand at clock `now`; called for each new one and as time passes."""

    def say(self, said: Said, seconds: float | None) -> None:
        """Tell the facilitator, in lines of the screen's own; `seconds` None: until it is put away."""
        try:
            notice = self.query_one(Notice)
        except NoMatches:
            notice = Notice()
            self.mount(notice, before=self.query_one(Footer))
        if self.ESC_HUSHES:
            notice.say(said, seconds)
        else:
            notice.say(said, LONG if seconds is None else seconds, by_key=False)

    def hush(self) -> None:
        """Put away what was said."""
        for notice in self.query(Notice):
            notice.hush()

    @property
    def console(self) -> Console:
        return cast("Console", self.app)

    def on_screen_resume(self) -> None:
        # A screen that lay under a dialog has missed what became of the terminal's size meanwhile.
        width, height = self.app.size
        self.set_class(width < WIDE, "-narrow").set_class(width >= WIDE, "-wide")
        self.set_class(height < HIGH, "-low").set_class(height >= HIGH, "-high")


class Dialog(ModalScreen[Result]):
    """A modal screen. The abort key works over every one of them, since the app has it with priority."""

    def show(self, snapshot: Snapshot, now: float) -> None:
        """As for a `ConsoleScreen`."""

    def on_key(self, event: Key) -> None:
        """A key that means something on the screen below means nothing here: say so, rather than lose it silently."""
        if event.is_printable and event.character and event.key not in self._bindings.key_to_bindings:
            for foot in self.query(".dialog-foot").results(Label):
                foot.remove_class("-silent")
                foot.update(f"“{event.character}” was not taken: answer this first, or Esc.")

    @property
    def console(self) -> Console:
        return cast("Console", self.app)


LONG = 30.0
"""Seconds that something said stays where no key puts it away."""
WIDE = 100
"""Columns from which the state stands beside the story."""
HIGH = 30
"""Rows from which the story shows more than one thing."""
