"""The abort panel: what became of the abort, and of each fault, *confirmed clear* or *not confirmed*.

It asks nothing. When it opens, the abort is already on its way; a second press of the key sends it again.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Label, Static

from gameday.console.screens.base import Dialog
from gameday.console.snapshot import Snapshot
from gameday.console.times import clean, took_text
from gameday.console.widgets.panel import STYLES
from gameday.console.wording import Tone
from gameday.exercise.state import Exercise, FaultState
from gameday.frozen import frozen


@frozen
class ClearRow:
    entry: str
    verdict: str
    detail: str
    tone: Tone


def clear_rows(exercise: Exercise, pressed: float, now: float) -> tuple[ClearRow, ...]:
    """One row for each fault that was ever armed; `pressed` is the clock at the key press."""
    return tuple(_row(fault, pressed, now) for fault in exercise.faults.values() if fault.armed is not None)


def _row(fault: FaultState, pressed: float, now: float) -> ClearRow:
    if fault.stage == "recovered" and fault.ended is not None:
        took = fault.ended.clock - pressed
        detail = f"after {took_text(took)}" if took >= 0 else "was clear before"
        return ClearRow(fault.entry, "CONFIRMED CLEAR", detail, "good")
    if fault.stage == "leaked":
        by_hand = f"; by hand: {' ; '.join(fault.commands)}" if fault.commands else ""
        return ClearRow(fault.entry, "NOT CLEAR, ACT NOW", clean(f"{fault.error}{by_hand}"), "bad")
    told = f"{fault.stage}, {took_text(max(0.0, now - pressed))} so far"
    if fault.undo_error:
        told += f"; attempt {fault.attempts} failed: {fault.undo_error}"
    return ClearRow(fault.entry, "NOT CONFIRMED", clean(told), "warn")


class AbortPanel(Dialog[None]):
    BINDINGS = [  # noqa: RUF012 - Textual's own shape
        Binding("escape,enter", "close", "back", id="abort.close", tooltip="Back to where you were; nothing is lost.")
    ]

    def __init__(self, pressed: float, sentence: str = "") -> None:
        """`pressed`: exercise clock of the key press; `sentence`: what to tell everybody, where it is real."""
        super().__init__()
        self.pressed = pressed
        self._sentence = sentence
        self._way = "on its way …"
        self._way_tone: Tone = "warn"
        self._way_line, self._clear = Static(id="way"), Static(id="clear")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -alarm"):
            yield Label("THIS IS REAL" if self._sentence else "ABORT", classes="dialog-title")
            if self._sentence:
                yield Static(
                    f"Say (it was also sent to the terminal's clipboard):\n{self._sentence}\n",
                    id="sentence",
                    markup=False,
                )
            yield self._way_line
            with VerticalScroll():
                yield self._clear
            yield Label("Esc: back, nothing you typed is lost", classes="dialog-foot", markup=False)

    def answered(self, text: str, went: bool, took: float) -> None:
        """What the feed said of the abort."""
        self._way = (
            f"{clean(text)} ({took_text(took)})" if went else f"DID NOT GO OUT: {clean(text)}; press the key again"
        )
        self._way_tone = "good" if went else "bad"
        self.console.redraw()

    def again(self) -> None:
        self._way, self._way_tone = "sent once more …", "warn"
        self.console.redraw()

    def show(self, snapshot: Snapshot, now: float) -> None:
        rows = clear_rows(snapshot.exercise, self.pressed, now)
        clear = sum(row.tone == "good" for row in rows)
        way = Content.assemble("Abort: ", (self._way, STYLES[self._way_tone]))
        if snapshot.trouble:
            way = Content.assemble(
                way, "\n", (f"journal unreachable, what follows is old: {clean(snapshot.trouble)}", "bold")
            )
        elif not snapshot.engine_alive and snapshot.exercise.phase != "ended":
            more = "the guardian is undoing"
            if not snapshot.guardian_alive:
                more = f"the guardian too: gameday recover {snapshot.exercise.id}"
            way = Content.assemble(way, "\n", (f"the engine is gone; {more}", "bold"))
        self._way_line.update(way)
        told = [
            Content.assemble(
                (f"{row.verdict:<18} ", STYLES[row.tone] or "bold"), (row.entry, "bold"), f"  {row.detail}"
            )
            for row in rows
        ]
        told.append(
            Content.styled(f"\n{clear} of {len(rows)} confirmed clear" if rows else "no fault was armed", "bold")
        )
        self._clear.update(Content("\n").join(told))

    def action_close(self) -> None:
        self.dismiss(None)
