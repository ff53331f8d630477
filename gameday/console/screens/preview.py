"""Before anything is touched: what exactly would be, and who says no. Starting production wants its name typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Footer, Input, Static

from gameday.console.preview_model import CheckPreview, ConditionPreview, FaultPreview, PreviewModel
from gameday.console.screens.base import ConsoleScreen
from gameday.console.times import clean
from gameday.console.widgets.told import Paragraph, Told


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
        self._head = Static(f"looking at {path.name} …", id="preview-head", classes="heading", markup=False)
        self._text = Told(id="preview-text")
        self._text.rows = (Paragraph("", "Resolving targets and asking the probes; nothing is touched."),)
        self._typed = Input(id="confirm-name", compact=True)
        self._typed.display = False
        self._go = Button("Start (F5)", id="start", disabled=True, compact=True, variant="primary")

    def compose(self) -> ComposeResult:
        yield self._head
        with VerticalScroll(id="preview-body", can_focus=False):
            yield self._text
        with Horizontal(id="preview-foot"):
            yield self._typed
            yield Button("Cancel (Esc)", id="back", compact=True)
            yield self._go
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        (self._typed if self._typed.display else self.query_one("#back")).focus()

    def fill(self, model: PreviewModel) -> None:
        """The preview is made: show it, and let it be started unless something says no."""
        self.model = model
        head = self._head
        where = f"{model.target} [{model.environment.upper()}]"
        if model.production:
            head.add_class("-production")
            head.update(f"▲▲ PRODUCTION ▲▲  {where}  {clean(model.title)}")
            field = self._typed
            field.placeholder = f"type {model.target} to allow the start"
            field.display = True
            field.focus()
        else:
            head.update(f"{where}  {clean(model.title)}")
        self._text.rows = tuple(_told(model))
        self._allow()

    def waits(self, text: str) -> None:
        """What a start under way waits for, above everything else."""
        if self.starting and self.model is not None:
            self._text.rows = (Paragraph("STARTING  ", clean(text), "bold $text-warning"), *_told(self.model))
            self.query_one("#preview-body", VerticalScroll).scroll_home(animate=False)

    def failed(self, error: str) -> None:
        """No preview, or no start; nothing was touched."""
        self.starting = False
        self._text.rows = (
            Paragraph("Refused: ", clean(error), "bold $text-error"),
            Paragraph(title="Nothing was touched. Esc goes back."),
        )
        self._go.disabled = True
        self._go.label = "Start (F5)"

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._allow()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._go.focus()

    def _named(self) -> bool:
        model = self.model
        return model is not None and (not model.production or self._typed.value.strip() == model.target)

    def _allow(self) -> None:
        allowed = self.model is not None and not self.model.refusals and self._named() and not self.starting
        self._go.disabled = not allowed

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "start":
            self.action_start()
        else:
            self.action_back()

    def action_start(self) -> None:
        if self.model is None:
            self.notify("Still looking at the target; start it when you have seen what it will touch.", markup=False)
            return
        if self._go.disabled:
            if not self.model.refusals and not self._named():
                self.notify(
                    f"This is PRODUCTION: type its name, {self.model.target}, first.", severity="warning", markup=False
                )
            return
        self.starting = True
        self._allow()
        self._go.label = "Starting …"
        self.console.start_exercise(self.path)

    def action_back(self) -> None:
        if self.starting:
            self.notify("It is being started; the abort key stops it.", severity="warning")
            return
        self.console.pop_screen()

    def action_scroll(self, step: int) -> None:
        self.query_one("#preview-body", VerticalScroll).scroll_relative(y=step, animate=False)


def _told(model: PreviewModel) -> Iterator[Paragraph]:
    for refusal in model.refusals:
        yield Paragraph("REFUSED  ", clean(refusal), "bold $text-error")
    for warning in model.warnings:
        yield Paragraph("WARNING  ", clean(warning), "bold $text-warning")
    if model.steady_state:
        yield Paragraph(title=f"What must hold before, and again after ({len(model.steady_state)})")
    for check in model.steady_state:
        holds = ("HOLDS", "$text-success") if check.holds else ("FAILS", "bold $text-error")
        mark, style = holds if check.answers else _answer(check.answers)
        yield Paragraph(f"  {mark:<11}", clean(f"{check.name}: {check.wanted}; {_now(check)}"), style)
    touched = f"What will be touched ({len(model.faults)})" if model.faults else "Nothing will be touched: no faults"
    yield Paragraph(title=touched)
    for fault in model.faults:
        yield from _fault(fault)
    yield Paragraph(title=f"What stops it ({len(model.conditions)})")
    for condition in model.conditions:
        mark, style = _answer(condition.answers)
        told = f"{condition.name}: stops {condition.when}; {_now(condition)}"
        yield Paragraph(f"  {mark:<11}", clean(told), style)
    yield Paragraph(title=f"What people are told ({len(model.injects)})")
    for inject in model.injects:
        to = f"to {inject.audience}: " if inject.audience else ""
        yield Paragraph(f"  {inject.when:<22} ", clean(f"{to}{inject.text}"), "$text-accent")
    yield Paragraph(title=f"What is expected ({len(model.expectations)})")
    for expectation in model.expectations:
        yield Paragraph("  ", clean(expectation))
    if model.limits:
        yield Paragraph(title="Limits")
    for limit in model.limits:
        lead = f"  {limit.name:<11}{limit.value + (' (default)' if limit.default else ''):<21}"
        yield Paragraph(f"{lead} ", clean(limit.meaning), "", "$foreground-darken-3")


def _answer(answers: bool | None) -> tuple[str, str]:
    """A word in front of a probe, and its style."""
    if answers is None:
        return "NOT ASKED", "$text-warning"
    return ("ANSWERS", "$text-success") if answers else ("NO ANSWER", "bold $text-error")


def _now(asked: ConditionPreview | CheckPreview) -> str:
    return f"now {asked.value}" if asked.answers else asked.value


def _fault(fault: FaultPreview) -> Iterator[Paragraph]:
    yield Paragraph(f"  {fault.when:<22} ", clean(fault.headline), "$text-accent", "bold")
    if fault.error:
        yield Paragraph("      can't be done      ", clean(fault.error), "bold $text-error")
    for label, text in (
        ("instead", fault.instead),
        ("touches", fault.touches),
        ("by", fault.engine),
        *(("note", note) for note in fault.notes),
        ("undone by", fault.undo),
        ("took hold when", fault.effective),
        ("gone when", fault.recovered),
    ):
        if text:
            yield Paragraph(f"      {label:<18} ", clean(text), "$foreground-darken-3")
