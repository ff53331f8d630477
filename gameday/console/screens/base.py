"""What all screens have in common: they are shown snapshots, and they know the app's few verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from textual.screen import ModalScreen, Screen

from gameday.console.snapshot import Snapshot

if TYPE_CHECKING:
    from gameday.console.app import Console

Result = TypeVar("Result")


class ConsoleScreen(Screen[None]):
    def show(self, snapshot: Snapshot, now: float) -> None:
        """Draw `snapshot` as things stand at clock `now`; called for each new one and as time passes."""

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

    @property
    def console(self) -> Console:
        return cast("Console", self.app)


WIDE = 100
"""Columns from which the state stands beside the story."""
HIGH = 30
"""Rows from which the story shows more than one thing."""
