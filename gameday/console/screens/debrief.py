"""The end: what came of it, what became of each fault, where the debrief lies, and where to go next."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Footer, Static

from gameday.console.outlook import expectation_rows, milestone_rows
from gameday.console.screens.base import ConsoleScreen
from gameday.console.snapshot import Snapshot
from gameday.console.times import clean, span_text, took_text
from gameday.console.widgets.panel import STYLES
from gameday.exercise.state import Exercise, FaultState

VERDICTS = {
    "completed": ("COMPLETED", "Done as hoped.", "good"),
    "failed": ("FAILED", "The hypothesis, or an expectation that could have been met, did not hold.", "warn"),
    "aborted": ("ABORTED", "Stopped before its end; every fault was undone.", "warn"),
    "leaked": ("A FAULT IS NOT UNDONE", "Somebody has to act now.", "bad"),
    "refused": ("REFUSED", "Nothing was started.", "warn"),
}


class Debrief(ConsoleScreen):
    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("enter,q", "leave", "leave", id="debrief.leave", tooltip="Close the console."),
        Binding("escape,b", "back", "back to the exercise", id="debrief.back", tooltip="Look at the run again."),
        Binding("up", "scroll(-1)", show=False, id="debrief.up"),
        Binding("down", "scroll(1)", show=False, id="debrief.down"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._report = ""
        self._head = Static(id="verdict", classes="heading")
        self._text = Static(id="debrief-text")

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
        word, told, tone = VERDICTS.get(exercise.verdict or "", ((exercise.verdict or "?").upper(), "", "warn"))
        self._head.set_class(tone == "bad", "-production")
        self._head.update(Content.assemble((f" {word} ", "bold reverse"), f"  {told}"))
        self._text.update(Content("\n").join(self._lines(exercise, now)))

    def _lines(self, exercise: Exercise, now: float) -> list[Content]:
        title = clean(exercise.scenario.title) if exercise.scenario is not None else exercise.name
        lines = [Content.assemble((title, "bold"), f"   {exercise.id}   {span_text(now)}")]
        if exercise.reason:
            lines.append(Content(f"Why: {clean(exercise.reason)}"))
        lines.append(Content.styled("\nFaults", "bold underline"))
        lines += [_fault(fault) for fault in exercise.faults.values()] or [Content("  none was due")]
        lines.append(Content.styled("\nMilestones, from impact", "bold underline"))
        for row in milestone_rows(exercise):
            reached = "not reached" if row.missing else f"{row.when}  {row.after:>6}  {row.how}"
            lines.append(Content.assemble(f"  {row.milestone:<13} ", (reached, "$text-warning" if row.missing else "")))
        expected = expectation_rows(exercise, now)
        if expected:
            lines.append(Content.styled("\nExpectations", "bold underline"))
            lines += [
                Content.assemble((f"  {row.state:<13} ", STYLES[row.tone]), f"{row.name} {row.when}")
                for row in expected
            ]
        lines.append(Content.styled("\nWhere to go next", "bold underline"))
        lines.append(
            Content(f"  debrief: {self._report}" if self._report else f"  debrief: gameday report {exercise.id}")
        )
        lines.append(
            Content(f"  actions: gameday action add {exercise.id} …   (owner and due date, while all are here)")
        )
        if exercise.unrecovered:
            lines.append(Content.styled("  undo what is left: gameday recover", "bold $text-error"))
        return lines

    def action_leave(self) -> None:
        self.console.exit("ended")

    def action_back(self) -> None:
        self.console.pop_screen()

    def action_scroll(self, step: int) -> None:
        self.query_one("#debrief-body", VerticalScroll).scroll_relative(y=step, animate=False)


def _fault(fault: FaultState) -> Content:
    what = f"{fault.entry}  {clean(fault.summary)}"
    if fault.stage == "recovered":
        took = ""
        if fault.ended is not None and fault.undo_sent is not None:
            took = f", {took_text(fault.ended.clock - fault.undo_sent.clock)} after the undo"
        return Content.assemble(("  CONFIRMED CLEAR ", STYLES["good"]), f"{what}{took}")
    if fault.stage == "refused":
        return Content.assemble(("  REFUSED         ", STYLES["warn"]), f"{what}: {clean(fault.error)}")
    by_hand = "".join(f"\n      {command}" for command in fault.commands)
    return Content.assemble(("  NOT UNDONE      ", STYLES["bad"]), f"{what}: {clean(fault.error)}", (by_hand, "bold"))
