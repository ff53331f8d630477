"""The line to type into: at the foot of the screen, so that nothing is covered while somebody writes.

What is half typed stays: leaving the line, or an abort on top of it, loses no letter.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label


class Prompt(Horizontal):
    """Hidden until `ask`; posts `Prompt.Answered` at Enter. One draft is kept for each kind of question."""

    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("escape", "put_away", "keep the draft and go back", id="prompt.away", show=False)
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

    def compose(self) -> ComposeResult:
        yield Label("", id="prompt-label")
        yield Input(id="prompt-input", compact=True)

    def ask(self, kind: str, label: str, now: float, detail: str = "") -> None:
        """Open the line for a `kind` of text; a draft of the same kind is taken up again, with its time."""
        self._keep()
        draft, asked = self._drafts.pop((kind, detail), ("", now))
        self.kind, self.detail, self._asked = kind, detail, asked
        self.query_one(Label).update(label)
        field = self.query_one(Input)
        field.value = draft
        field.cursor_position = len(draft)
        self.add_class("-open")
        field.focus()

    @property
    def open(self) -> bool:
        return self.has_class("-open")

    def _keep(self) -> None:
        text = self.query_one(Input).value
        if self.open and text.strip():
            self._drafts[(self.kind, self.detail)] = (text, self._asked)

    def action_put_away(self) -> None:
        self._keep()
        self._close()

    def _close(self) -> None:
        self.remove_class("-open")
        field = self.query_one(Input)
        field.value = ""
        self.screen.set_focus(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text:
            self.post_message(self.Answered(self.kind, text, self._asked, self.detail))
        self._close()
