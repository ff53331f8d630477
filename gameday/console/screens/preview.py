"""Before anything is touched: what exactly would be, and who says no. Starting production wants its name typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Footer, Input, Static

from gameday.console.preview_model import FaultPreview, PreviewModel
from gameday.console.screens.base import ConsoleScreen
from gameday.console.times import clean


class Preview(ConsoleScreen):
    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("f5", "start", "start", id="preview.start", tooltip="Start the exercise.", priority=True),
        Binding("escape", "back", "back", id="preview.back", tooltip="Back to the list; nothing was touched."),
        Binding("up", "scroll(-1)", show=False, id="preview.up"),
        Binding("down", "scroll(1)", show=False, id="preview.down"),
        Binding("pageup", "scroll(-10)", show=False, id="preview.pageup"),
        Binding("pagedown", "scroll(10)", show=False, id="preview.pagedown"),
    ]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.model: PreviewModel | None = None
        self.starting = False

    def compose(self) -> ComposeResult:
        yield Static(f"looking at {self.path.name} …", id="preview-head", classes="heading", markup=False)
        with VerticalScroll(id="preview-body", can_focus=False):
            yield Static("Resolving targets and asking the probes; nothing is touched.", id="preview-text")
        with Horizontal(id="preview-foot"):
            yield Input(id="confirm-name", compact=True)
            yield Button("Cancel (Esc)", id="back", compact=True)
            yield Button("Start (F5)", id="start", disabled=True, compact=True, variant="primary")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#confirm-name").display = False
        self.query_one("#back").focus()

    def fill(self, model: PreviewModel) -> None:
        """The preview is made: show it, and let it be started unless something says no."""
        self.model = model
        head = self.query_one("#preview-head", Static)
        where = f"{model.target} [{model.environment.upper()}]"
        if model.production:
            head.add_class("-production")
            head.update(f"▲▲ PRODUCTION ▲▲  {where}  {clean(model.title)}")
            field = self.query_one("#confirm-name", Input)
            field.placeholder = f"type {model.target} to allow the start"
            field.display = True
            field.focus()
        else:
            head.update(f"{where}  {clean(model.title)}")
        self.query_one("#preview-text", Static).update(Content("\n").join(list(_told(model))))
        self._allow()

    def failed(self, error: str) -> None:
        """No preview, or no start; nothing was touched."""
        self.starting = False
        self.query_one("#preview-text", Static).update(
            Content.assemble(("Refused: ", "bold $text-error"), error, "\n\nNothing was touched. Esc goes back.")
        )
        self.query_one("#start", Button).disabled = True

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._allow()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#start", Button).focus()

    def _named(self) -> bool:
        model = self.model
        return model is not None and (
            not model.production or self.query_one("#confirm-name", Input).value.strip() == model.target
        )

    def _allow(self) -> None:
        allowed = self.model is not None and not self.model.refusals and self._named() and not self.starting
        self.query_one("#start", Button).disabled = not allowed

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "start":
            self.action_start()
        else:
            self.action_back()

    def action_start(self) -> None:
        if self.model is None or self.query_one("#start", Button).disabled:
            if self.model is not None and not self.model.refusals and not self._named():
                self.notify(
                    f"This is PRODUCTION: type its name, {self.model.target}, first.", severity="warning", markup=False
                )
            return
        self.starting = True
        self._allow()
        self.query_one("#start", Button).label = "Starting …"
        self.console.start_exercise(self.path)

    def action_back(self) -> None:
        if self.starting:
            self.notify("It is being started; the abort key stops it.", severity="warning")
            return
        self.console.pop_screen()

    def action_scroll(self, step: int) -> None:
        self.query_one("#preview-body", VerticalScroll).scroll_relative(y=step, animate=False)


def _told(model: PreviewModel) -> Iterator[Content]:
    for refusal in model.refusals:
        yield Content.assemble(("REFUSED  ", "bold $text-error"), clean(refusal))
    for warning in model.warnings:
        yield Content.assemble(("WARNING  ", "bold $text-warning"), clean(warning))
    yield _title(f"What will be touched ({len(model.faults)})" if model.faults else "Nothing will be touched: tabletop")
    for fault in model.faults:
        yield from _fault(fault)
    yield _title(f"What stops it ({len(model.conditions)})")
    for condition in model.conditions:
        mark, style = ("ANSWERS ", "$text-success") if condition.answers else ("NO ANSWER", "bold $text-error")
        yield Content.assemble(
            (f"  {mark:<9} ", style), (condition.name, "bold"), f"  {condition.limit}; now {condition.value}"
        )
    yield _title(f"What people are told ({len(model.injects)})")
    for inject in model.injects:
        to = f" to {inject.audience}" if inject.audience else ""
        yield Content.assemble(
            (f"  {inject.when:<22} ", "$text-accent"), clean(f"{inject.text}"), (to, "$foreground-darken-3")
        )
    yield _title(f"What is expected ({len(model.expectations)})")
    for expectation in model.expectations:
        yield Content(f"  {clean(expectation)}")


def _title(text: str) -> Content:
    return Content.assemble("\n", (text, "bold underline"))


def _fault(fault: FaultPreview) -> Iterator[Content]:
    yield Content.assemble((f"  {fault.when:<22} ", "$text-accent"), (fault.name, "bold"), f"  {clean(fault.summary)}")
    if fault.error:
        yield Content.assemble("      ", ("can't be done: ", "bold $text-error"), clean(fault.error))
    for label, text in (
        ("touches", ", ".join(fault.targets)),
        ("undone by", fault.undo),
        ("took hold when", fault.effective),
        ("gone when", fault.recovered),
    ):
        if text:
            yield Content.assemble((f"      {label:<15} ", "$foreground-darken-3"), clean(text))
