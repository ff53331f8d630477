"""Decisions: leave, confirm, choose. Where the answer is dangerous, the harmless one has the focus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.widgets import Button, Label, Static

from gameday.console.screens.base import Dialog

Leaving = Literal["stay", "detach", "abort"]


class Leave(Dialog[Leaving]):
    """Asked where something is live: go and let it run, or stop it."""

    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("escape,s", "answer('stay')", "stay", id="leave.stay", tooltip="Go back to the exercise."),
        Binding(
            "d", "answer('detach')", "detach", id="leave.detach", tooltip="Close the console; the exercise goes on."
        ),
        Binding("a", "answer('abort')", "abort", id="leave.abort", tooltip="Undo every fault now."),
        Binding("left", "app.focus_previous", show=False, id="leave.previous"),
        Binding("right", "app.focus_next", show=False, id="leave.next"),
    ]

    def __init__(self, live: Sequence[str], alone: str) -> None:
        """`live`: names of live faults; `alone`: how long they may live without a console, in words."""
        super().__init__()
        self._live = live
        self._alone = alone

    def compose(self) -> ComposeResult:
        if self._live:
            told = (
                f"Live now: {', '.join(self._live)}.\n\n"
                f"Detach: the exercise goes on without you; if no console comes back within {self._alone}, it is "
                "aborted and everything is undone. `gameday watch` opens the console again.\n"
                "Abort: every fault is undone now."
            )
        else:
            told = (
                "No fault is live.\n\nDetach: the exercise stays and pauses; `gameday watch` opens the console again.\n"
                "Abort: the exercise ends here."
            )
        with Vertical(classes="dialog"):
            yield Label("Leave the console?", classes="dialog-title")
            yield Static(told, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Stay (Esc)", id="stay")
                yield Button("Detach (d)", id="detach")
                yield Button("Abort (a)", id="abort", variant="error")

    def on_mount(self) -> None:
        self.query_one("#stay", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_answer(event.button.id or "stay")

    def action_answer(self, answer: str) -> None:
        self.dismiss("detach" if answer == "detach" else "abort" if answer == "abort" else "stay")


class Confirm(Dialog[bool]):
    """Yes or no; no has the focus."""

    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("escape,n", "answer(False)", "cancel", id="confirm.no"),
        Binding("y", "answer(True)", "yes", id="confirm.yes"),
        Binding("left", "app.focus_previous", show=False, id="confirm.previous"),
        Binding("right", "app.focus_next", show=False, id="confirm.next"),
    ]

    def __init__(self, title: str, told: str, yes: str) -> None:
        super().__init__()
        self._title = title
        self._told = told
        self._yes = yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Static(self._told, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel (Esc)", id="no")
                yield Button(f"{self._yes} (y)", id="yes", variant="warning")

    def on_mount(self) -> None:
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_answer(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


@dataclass(frozen=True, slots=True)
class Option:
    key: str
    value: str
    label: str


def numbered(values: Sequence[str]) -> list[Option]:
    """Options under the digits 1 to 9."""
    return [Option(str(index + 1), value, value) for index, value in enumerate(values[:9])]


class Choose(Dialog[str | None]):
    """One of several, each under a key of its own."""

    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("escape", "cancel", "cancel", id="choose.cancel")
    ]

    def __init__(self, title: str, options: Sequence[Option]) -> None:
        super().__init__()
        self._title = title
        self._options = options

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Static(
                Content("\n").join(
                    Content.assemble((f" {option.key} ", "bold reverse"), f"  {option.label}")
                    for option in self._options
                )
            )
            yield Label("Esc: cancel", classes="dialog-foot")

    def on_key(self, event: Key) -> None:
        for option in self._options:
            if event.character == option.key:
                event.stop()
                self.dismiss(option.value)
                return

    def action_cancel(self) -> None:
        self.dismiss(None)


class Help(Dialog[None]):
    """Every key of the screen below, in words."""

    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("escape,question_mark,q,enter", "close", "close", id="help.close")
    ]

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -tall"):
            yield Label("Keys", classes="dialog-title")
            with VerticalScroll():
                for key, told in self._keys:
                    with Horizontal(classes="key"):
                        yield Label(key, classes="key-name")
                        yield Static(told, classes="key-told", markup=False)
            yield Label("Esc: close", classes="dialog-foot")

    def action_close(self) -> None:
        self.dismiss(None)
