"""Decisions: leave, confirm, choose. Where the answer is dangerous, the harmless one has the focus."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.widgets import Button, Label, Static

from gameday.console.screens.base import Dialog
from gameday.frozen import frozen

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
            yield Label("", classes="dialog-foot -silent", markup=False)

    def on_mount(self) -> None:
        self.query_one("#stay", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_answer(event.button.id or "stay")

    def action_answer(self, answer: str) -> None:
        self.dismiss("detach" if answer == "detach" else "abort" if answer == "abort" else "stay")


class Confirm(Dialog[bool]):
    """Yes or no. No has the focus, unless yes is the safe one of the two."""

    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("escape,n", "answer(False)", "cancel", id="confirm.no"),
        Binding("y", "answer(True)", "yes", id="confirm.yes"),
        Binding("left", "app.focus_previous", show=False, id="confirm.previous"),
        Binding("right", "app.focus_next", show=False, id="confirm.next"),
    ]

    def __init__(self, title: str, told: str, yes: str, *, safe: bool = False) -> None:
        """`safe`: yes makes things safer, so that Enter may mean it."""
        super().__init__()
        self._title = title
        self._told = told
        self._yes = yes
        self._safe = safe

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Static(self._told, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel (Esc)", id="no")
                keys = "y, Enter" if self._safe else "y"
                yield Button(f"{self._yes} ({keys})", id="yes", variant="success" if self._safe else "warning")
            yield Label("", classes="dialog-foot -silent", markup=False)

    def on_mount(self) -> None:
        self.query_one("#yes" if self._safe else "#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.action_answer(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


@frozen
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
            yield Label("Esc: cancel", classes="dialog-foot", markup=False)

    def on_key(self, event: Key) -> None:
        for option in self._options:
            if event.character == option.key:
                event.stop().prevent_default()
                self.dismiss(option.value)
                return

    def action_cancel(self) -> None:
        self.dismiss(None)


TALL = 12
"""Rows from which a listing takes the height there is."""


class Listing(Dialog[str | None]):
    """Something to read: the keys, the addresses, an entry in full. The keys of the screen below go on to work: the
    answer is the name of the one that was pressed, and that screen does with it what it would have done."""

    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("escape,question_mark,q,enter", "close", "close", id="listing.close"),
        Binding("up", "scroll(-1)", show=False, id="listing.up"),
        Binding("down", "scroll(1)", show=False, id="listing.down"),
        Binding("pageup", "scroll(-10)", show=False, id="listing.pageup"),
        Binding("pagedown", "scroll(10)", show=False, id="listing.pagedown"),
    ]

    def __init__(self, title: str, rows: Sequence[tuple[str, str]], known: Collection[str]) -> None:
        """`known`: names of the keys that the screen below has."""
        super().__init__()
        self._title = title
        self._rows = rows
        self._known = frozenset(known)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -tall" if len(self._rows) > TALL else "dialog"):
            yield Label(self._title, classes="dialog-title", markup=False)
            with VerticalScroll(can_focus=False):
                for name, told in self._rows:
                    with Horizontal(classes="key"):
                        yield Label(name, classes="key-name", markup=False)
                        yield Static(told, classes="key-told", markup=False)
            yield Label("Esc closes, ↑ ↓ scroll; every other key works as on the screen below.", classes="dialog-foot")

    def on_key(self, event: Key) -> None:
        if event.key in self._known and event.key not in self._bindings.key_to_bindings:
            event.stop().prevent_default()
            self.dismiss(event.key)

    def action_scroll(self, step: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=step, animate=False)

    def action_close(self) -> None:
        self.dismiss(None)
