"""A start that is under way in a thread: what it waits for is shown, and an abort ends the waiting."""

from __future__ import annotations

from collections.abc import Callable

from gameday.errors import RefusedError


class CalledOff(RefusedError):
    """It is not wanted any more, and nothing was begun."""


class Starting:
    """Given to whoever starts an exercise for the console."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self.abort_wanted: float | None = None
        """CLOCK_BOOTTIME of the abort key. What has begun by then is aborted."""

    def say(self, text: str) -> None:
        """What it waits for."""
        self._show(text)

    def go_on(self) -> None:
        """Called while it waits, about once a second, before anything has begun. Raises CalledOff."""
        if self.abort_wanted is not None:
            raise CalledOff("it was called off before it began")
