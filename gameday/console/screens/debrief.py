"""The end: what came of it, what became of each fault, where the debrief lies, and where to go next."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Footer, Static

from gameday.console.outlook import expectation_rows, milestone_rows, verdict_words
from gameday.console.screens.base import ConsoleScreen
from gameday.console.snapshot import Snapshot
from gameday.console.times import clean, span_text, took_text
from gameday.console.widgets.panel import STYLES
from gameday.console.widgets.told import Paragraph, Told
from gameday.exercise.state import Exercise, FaultState


class Debrief(ConsoleScreen):
    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("enter,q", "leave", "leave", id="debrief.leave", tooltip="Close the console."),
        Binding("n", "note", "note", id="debrief.note", tooltip="Write a note that still belongs to it."),
        Binding("escape,b", "back", "back to the exercise", id="debrief.back", tooltip="Look at the run again."),
        Binding("up", "scroll(-1)", show=False, id="debrief.up"),
        Binding("down", "scroll(1)", show=False, id="debrief.down"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._report = ""
        self._head = Static(id="verdict", classes="heading")
        self._text = Told(id="debrief-text")

    def compose(self) -> ComposeResult:
        yield self._head
        with VerticalScroll(id="debrief-body", can_focus=False):
            yield self._text
        yield Footer(compact=True, show_command_palette=False)

    def report(self, told: str) -> None:
        """Where the debrief is, or why there is none."""
        self._report = told
        self.console.redraw()

    def show(self, snapshot: Snapshot, now: float) -> None:
        exercise = snapshot.exercise
        word, told, tone = verdict_words(exercise)
        self._head.set_class(tone == "bad", "-production")
        self._head.update(Content.assemble((f" {word} ", "bold reverse"), f"  {told}"))
        self._text.rows = tuple(self._told(exercise, now))

    def _told(self, exercise: Exercise, now: float) -> Iterator[Paragraph]:
        title = clean(exercise.scenario.title) if exercise.scenario is not None else exercise.name
        paused = exercise.paused_seconds(0.0, now)
        lasted = f"lasted {span_text(now)}" + (f", {span_text(paused)} of it paused" if paused >= 1 else "")
        yield Paragraph("", f"{title}   {exercise.id}   {lasted}", style="bold")
        if exercise.reason:
            yield Paragraph("Why: ", clean(exercise.reason))
        yield Paragraph(title="Where to go next")
        if exercise.unrecovered:
            yield Paragraph("  undo     ", f"gameday recover {exercise.id}", STYLES["bad"], STYLES["bad"])
        yield Paragraph("  debrief  ", self._report or f"gameday report {exercise.id}")
        yield Paragraph(
            "  actions  ", f"gameday action add {exercise.id} …   (with owner and due date, while all are here)"
        )
        yield Paragraph("  notes    ", "n still writes one; Esc looks at the run again, q leaves")
        yield Paragraph(title="Faults")
        for fault in exercise.faults.values():
            yield from _fault(fault)
        if not exercise.faults:
            yield Paragraph("  ", "none was due")
        yield Paragraph(title="Milestones, from impact")
        for row in milestone_rows(exercise):
            reached = "not reached" if row.missing else f"{row.when}  {row.after:>6}  {row.how}"
            yield Paragraph(f"  {row.milestone:<13} ", reached, style="$text-warning" if row.missing else "")
        expected = expectation_rows(exercise, now)
        if expected:
            yield Paragraph(title="Expectations")
        for judged in expected:
            yield Paragraph(f"  {judged.state:<13} ", f"{judged.name} {judged.when}", STYLES[judged.tone])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (action == "note" and self.console.read_only)

    async def action_note(self) -> None:
        await self.console.pop_screen()
        await self.console.screen.run_action("note")

    def action_leave(self) -> None:
        self.console.exit("ended")

    def action_back(self) -> None:
        self.console.pop_screen()

    def action_scroll(self, step: int) -> None:
        self.query_one("#debrief-body", VerticalScroll).scroll_relative(y=step, animate=False)


def _fault(fault: FaultState) -> Iterator[Paragraph]:
    what = f"{fault.entry}: {clean(fault.summary)}"
    if fault.stage == "recovered":
        took = ""
        if fault.ended is not None and fault.undo_sent is not None:
            took = f", {took_text(fault.ended.clock - fault.undo_sent.clock)} after the undo"
        yield Paragraph("  CONFIRMED CLEAR  ", f"{what}{took}", STYLES["good"])
    elif fault.stage == "refused":
        yield Paragraph("  REFUSED          ", f"{fault.entry}: {clean(fault.error)}", STYLES["warn"])
    else:
        yield Paragraph("  NOT UNDONE       ", f"{what}: {clean(fault.error)}", STYLES["bad"])
        for command in fault.commands:
            yield Paragraph("      ", clean(command), style="bold")
