"""The line at the foot of the screen: what the last key did, or a text to type into. It covers nothing.

What is half typed stays: leaving the line, or an abort on top of it, loses no letter. The focus is taken within the
key press that asks, so that whoever types on at once types into the line.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Label

SAID = 5.0
"""Seconds that something said stays."""


class Prompt(Horizontal):
    """Says things with `say`, asks with `ask` and posts `Prompt.Answered`; keeps a draft of each kind of text."""

    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("escape", "put_away", "back (the draft is kept)", id="prompt.away")
    ]

    @dataclass
    class Answered(Message):
        kind: str
        text: str
        asked: float
        """Boot clock at which the line was opened: what is typed belongs to that moment."""
        detail: str

    def __init__(self) -> None:
        super().__init__(id="prompt")
        self.kind = ""
        self.detail = ""
        self._asked = 0.0
        self._drafts: dict[tuple[str, str], tuple[str, float]] = {}
        self._label = Label("", id="prompt-label", markup=False)
        self._field = Input(id="prompt-input", compact=True, select_on_focus=False)
        self._field.can_focus = False
        self._silence: Timer | None = None

    def compose(self) -> ComposeResult:
        yield self._label
        yield self._field

    def say(self, text: str) -> None:
        """Show `text` for a moment, unless somebody types."""
        if self.open:
            return
        self._label.update(text)
        if self._silence is not None:
            self._silence.stop()
        self._silence = self.set_timer(SAID, self._hush)

    def _hush(self) -> None:
        if not self.open:
            self._label.update("")

    def ask(self, kind: str, label: str, now: float, detail: str = "") -> None:
        """Open the line for a `kind` of text; a draft of the same kind is taken up again, with its time."""
        self._keep()
        draft, asked = self._drafts.pop((kind, detail), ("", now))
        self.kind, self.detail, self._asked = kind, detail, asked
        self._label.update(label)
        field = self._field
        field.value = draft
        field.cursor_position = len(draft)
        self.add_class("-open")
        field.can_focus = True
        self.screen.set_focus(field)
        self.screen.refresh_bindings()

    @property
    def open(self) -> bool:
        return self.has_class("-open")

    def drafts(self) -> list[str]:
        """Everything that is half typed, the open line included."""
        self._keep()
        return [text for text, _ in self._drafts.values()]

    def _keep(self) -> None:
        text = self._field.value
        if self.open and text.strip():
            self._drafts[(self.kind, self.detail)] = (text, self._asked)

    def action_put_away(self) -> None:
        self._keep()
        self._close()

    def _close(self) -> None:
        self.remove_class("-open")
        self._field.value = ""
        self._field.can_focus = False
        self._label.update("")
        self.screen.set_focus(None)
        self.screen.refresh_bindings()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text:
            self.post_message(self.Answered(self.kind, text, self._asked, self.detail))
        self._close()
