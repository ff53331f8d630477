"""What the console has to say beyond a word: its own lines above the prompt. It takes its room and covers nothing.

A toast would lie over the journal and over what somebody types. What is said here goes after a while, or with Esc; what
stands (the exercise is over, and what can be done still) comes back below it.
"""

from __future__ import annotations

from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from gameday.console.times import shorten
from gameday.console.widgets.panel import STYLES
from gameday.console.wording import Tone
from gameday.frozen import frozen

LONGEST = 600
"""Characters that are shown of one text."""


@frozen
class Said:
    title: str
    """In front of the text, in bold: what a colour says, this says too."""
    text: str
    tone: Tone = "calm"


class Notice(Static):
    def __init__(self) -> None:
        super().__init__(id="notice", markup=False)
        self._standing: Said | None = None
        self._said: Said | None = None
        self._by_key = True
        self._silence: Timer | None = None
        self.display = False

    def say(self, said: Said, seconds: float | None = None, *, by_key: bool = True) -> None:
        """Show `said`, for `seconds`; None: until it is put away. `by_key`: the screen lets Esc do so."""
        if self._silence is not None:
            self._silence.stop()
        self._said, self._by_key = said, by_key
        self._silence = self.set_timer(seconds, self.hush) if seconds is not None else None
        self._show()

    def stand(self, said: Said | None) -> None:
        """What is shown while nothing else is said."""
        if said != self._standing:
            self._standing = said
            self._show()

    def hush(self) -> None:
        """Put away what is said."""
        self._said = None
        self._show()

    def _show(self) -> None:
        shown = self._said or self._standing
        self.display = shown is not None
        if shown is None:
            return
        away = (" (Esc closes)", "$foreground-darken-3") if shown is self._said and self._by_key else ""
        lead = f"{shown.title}: " if shown.title else ""
        self.update(Content.assemble((lead, f"bold {STYLES[shown.tone]}".strip()), shorten(shown.text, LONGEST), away))
