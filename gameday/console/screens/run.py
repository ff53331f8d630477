"""The room: everything the facilitator must see at once, and one key for each thing they do.

Keys turn into requests; what they did shows up when it comes back in the journal. Nothing here decides.
"""

from __future__ import annotations

from typing import cast, get_args

from textual.app import ComposeResult
from textual.containers import Container
from textual.reactive import reactive
from textual.widgets import Footer

from gameday.console.outlook import (
    EntryRow,
    condition_rows,
    entry_rows,
    expectation_rows,
    fault_rows,
    milestone_rows,
    phase_words,
    verdict_words,
)
from gameday.console.places import places
from gameday.console.preview_model import PRODUCTION
from gameday.console.screens.base import HIGH, WIDE, ConsoleScreen
from gameday.console.screens.dialogs import Choose, Confirm, Listing, Option, numbered
from gameday.console.screens.keys import RUN_KEYS, key_names
from gameday.console.snapshot import Snapshot
from gameday.console.summary import summary
from gameday.console.times import clean, clock_text, shorten, wall_text
from gameday.console.widgets.banner import Banner, BannerRow
from gameday.console.widgets.journal import JournalView
from gameday.console.widgets.notice import Notice, Said
from gameday.console.widgets.panels import Conditions, Expectations, Faults, Milestones, Notes
from gameday.console.widgets.prompt import Prompt
from gameday.console.widgets.timeline import Timeline
from gameday.engine import requests as r
from gameday.exercise.events import NoteClass
from gameday.exercise.state import Exercise
from gameday.scenario.models import ROLES

VIEWS = ("timeline", "journal", "notes")
ASKING = frozenset(
    {"stamp", "back", "unstamp", "note", "classify", "update", "release", "skip", "improvise", "hint", "role"}
    | {"undo_fault", "pause", "close"}
)
"""Actions that ask the engine for something."""
CLASSES = {"observation": "o", "decision": "d", "update": "u", "evidence": "e", "surprise": "s", "role": "r"}
assert {*CLASSES, "unclassified"} == {*get_args(NoteClass)}


class Run(ConsoleScreen):
    BINDINGS = list(RUN_KEYS)  # noqa: RUF012 - Textual's own shape
    AUTO_FOCUS = ""
    ESC_HUSHES = True
    view: reactive[str] = reactive("timeline")

    def __init__(self) -> None:
        super().__init__()
        self._snapshot = Snapshot()
        self._now = 0.0
        self._released: set[str] = set()
        """Entries asked for and not yet seen released: one key press, one release."""
        self._top = Banner(id="banner")
        self._faults, self._conditions = Faults(id="faults"), Conditions(id="conditions")
        self._milestones, self._expectations = Milestones(id="milestones"), Expectations(id="expectations")
        self._timeline, self._journal, self._notes = (
            Timeline(id="timeline"),
            JournalView(id="journal"),
            Notes(id="notes"),
        )
        self._prompt = Prompt()
        self._notice = Notice()

    def compose(self) -> ComposeResult:
        yield self._top
        with Container(id="body"):
            with Container(id="state"):
                yield from (self._faults, self._conditions, self._milestones, self._expectations)
            with Container(id="story"):
                yield from (self._timeline, self._journal, self._notes)
        yield self._notice
        yield self._prompt
        yield Footer(compact=True, show_command_palette=False)

    # --- what is shown -----------------------------------------------------------------------------------------------

    def show(self, snapshot: Snapshot, now: float) -> None:
        if snapshot.exercise.phase != self._snapshot.exercise.phase:
            self.call_after_refresh(self.refresh_bindings)
        self._snapshot, self._now = snapshot, now
        exercise = snapshot.exercise
        self._top.row = self._banner(snapshot, now)
        self._faults.rows = fault_rows(exercise, now)
        self._conditions.rows = condition_rows(exercise, snapshot.samples)
        self._milestones.rows = milestone_rows(exercise)
        self._expectations.rows = expectation_rows(exercise, now)
        self._timeline.rows = entry_rows(exercise, now)
        self._journal.lines = snapshot.journal
        self._notes.rows = exercise.notes
        self._notice.stand(self._over(exercise))
        self._released = {name for name in self._released if _stage(exercise, name) == "pending"}

    def _over(self, exercise: Exercise) -> Said | None:
        """What can be done still, once it is over."""
        if exercise.phase != "ended":
            return None
        word, told, tone = verdict_words(exercise)
        where = self.console.debrief_at or f"gameday report {exercise.id}"
        still = "" if self.console.read_only else "n still writes a note; "
        return Said(
            f"OVER, {word}",
            f"{told} Debrief (f): {where}. Now: {still}gameday action add {exercise.id} … in a terminal; q leaves.",
            tone,
        )

    def _banner(self, snapshot: Snapshot, now: float) -> BannerRow:
        exercise = snapshot.exercise
        phase = phase_words(
            exercise, engine_alive=snapshot.engine_alive, guardian_alive=snapshot.guardian_alive, now=now
        )
        scenario = exercise.scenario
        environment = str(exercise.target.get("environment") or "unknown")
        title = clean(scenario.title) if scenario is not None else exercise.name
        severity = f" [{scenario.severity}]" if scenario is not None and scenario.severity else ""
        remarks = []
        if snapshot.trouble:
            remarks.append(f"JOURNAL UNREACHABLE, this is old: {shorten(clean(snapshot.trouble), 48)}")
        if snapshot.waiting:
            remarks.append(f"{snapshot.waiting} not yet written")
        if self.console.read_only:
            remarks.append("READ-ONLY")
        return BannerRow(
            environment=environment,
            production=environment.lower() in PRODUCTION,
            exercise=exercise.id or self.console.waiting_for,
            title=f"{title}{severity}",
            phase=phase.word,
            more=clean(phase.more),
            alarm=phase.tone == "bad",
            wall=wall_text(self.console.clocks.wall()),
            clock=f"exercise {clock_text(now)}",
            place=self._place(exercise, f"{title}{severity}"),
            remark=" ".join(f" {remark} " for remark in remarks),
        )

    def _place(self, exercise: Exercise, title: str) -> str:
        found = places(exercise)
        # What was brought up for an exercise is taken down after it.
        if not found or exercise.phase == "ended":
            return ""
        place = f"{found[0].name} {found[0].address}"
        # A runbook must not push the title aside (l tells it at any width).
        return place if found[0].front or len(f"{exercise.id}  {title}  {place}  ") <= self.size.width else ""

    def on_mount(self) -> None:
        self._titles()
        self.console.redraw()

    def watch_view(self) -> None:
        if self.is_mounted:
            self._titles()

    def _titles(self) -> None:
        for view in VIEWS:
            self.set_class(self.view == view, f"-view-{view}")
        following = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]
        # Of a console that is left while this screen comes up there may be none yet.
        for panel in self.query(", ".join(f"#{view}" for view in VIEWS)):
            panel.border_subtitle = f"Tab: {following}"

    @property
    def _roomy(self) -> bool:
        return self.size.width >= WIDE or self.size.height >= HIGH

    # --- movement ----------------------------------------------------------------------------------------------------

    def action_view(self) -> None:
        self.view = VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)]

    def action_move(self, step: int) -> None:
        if self.view == "journal" and not self._roomy:
            self._journal.scroll_relative(y=step, animate=False)
            return
        timeline = self._timeline
        timeline.move(step)

    def action_follow(self) -> None:
        self.hush()
        self._timeline.chosen = None
        self._journal.follow()

    def action_scroll(self, step: int) -> None:
        journal = self._journal
        journal.scroll_relative(y=step * max(1, journal.size.height - 1), animate=False)

    # --- stamps ------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self._prompt.open:
            return False
        if action in ASKING and self.console.read_only:
            return False
        if action in ASKING - {"note"} and self._snapshot.exercise.phase == "ended":
            return False
        return not (action == "debrief" and self._snapshot.exercise.phase != "ended")

    def action_stamp(self, milestone: str, partial: bool = False) -> None:
        self.console.stamp(milestone, partial=partial)
        self._say(f"{milestone}{' partly' if partial else ''}, now   (- one minute earlier, u takes it back)")

    def action_back(self, seconds: int) -> None:
        self._say(self.console.stamp_back(seconds))

    def action_unstamp(self) -> None:
        self._say(
            "the last stamp is taken back" if self.console.unstamp() else "there is no stamp of yours to take back"
        )

    # --- words -------------------------------------------------------------------------------------------------------

    def action_note(self) -> None:
        self._ask("note", f"note {wall_text(self.console.clocks.wall())}")

    def action_update(self) -> None:
        scenario = self._snapshot.exercise.scenario
        audiences = list(dict.fromkeys(e.update for e in scenario.expect if e.update)) if scenario is not None else []
        if len(audiences) > 1:
            self.app.push_screen(Choose("To whom did the update go?", numbered(audiences)), self._update_to)
        else:
            self._update_to(audiences[0] if audiences else "everybody")

    def _update_to(self, audience: str | None) -> None:
        if audience is not None:
            self._ask("update", f"update to {audience}", audience)

    def action_improvise(self) -> None:
        self._ask("improvise", "tell everybody")

    def action_role(self) -> None:
        self.app.push_screen(Choose("Which role was taken?", numbered(ROLES)), self._role_taken)

    def _role_taken(self, role: str | None) -> None:
        if role is not None:
            self._ask("role", f"{role} is", role)

    def _ask(self, kind: str, label: str, detail: str = "") -> None:
        self._prompt.ask(kind, f" {label}: ", self.console.clocks.boot(), detail)

    def on_prompt_answered(self, event: Prompt.Answered) -> None:
        event.stop()
        if self._snapshot.exercise.phase == "ended":
            self.console.keep(event.text, event.asked)
            return
        request: r.Request
        if event.kind == "note":
            request = r.TakeNote(event.text)
        elif event.kind == "update":
            request = r.TakeNote(event.text, "update", event.detail)
        elif event.kind == "role":
            request = r.TakeRole(event.detail, event.text)
        else:
            request = r.Improvise(event.text)
        self.console.ask(request, pressed=event.asked)

    def drafts(self) -> list[str]:
        """What is half typed."""
        return self._prompt.drafts()

    def action_classify(self) -> None:
        notes = self._snapshot.exercise.notes
        if not notes:
            self._say("there is no note to classify")
            return
        note = next((n for n in reversed(notes) if n.category == "unclassified"), notes[-1])
        options = [Option(key, name, name) for name, key in CLASSES.items()]
        dialog = Choose(f"What is “{shorten(clean(note.text), 50)}”?", options)
        self.app.push_screen(dialog, lambda chosen: self._classified(note.seq, chosen))

    def _classified(self, note: int, category: str | None) -> None:
        if category is not None:
            self.console.ask(r.Classify(note, cast(NoteClass, category)))

    def action_summary(self) -> None:
        sentence = summary(self._snapshot.exercise, self._now, self.console.clocks.wall())
        self.app.copy_to_clipboard(sentence)
        self.console.tell("SUMMARY, sent to the terminal's clipboard", sentence, seconds=30.0)

    def action_places(self) -> None:
        found = places(self._snapshot.exercise)
        if found:
            self._list("Where to look", [(one.name, one.address) for one in found])
        else:
            self._say("nothing is published, and the scenario names no runbook")

    # --- the script --------------------------------------------------------------------------------------------------

    def _current(self) -> EntryRow | None:
        return self._timeline.current()

    def action_whole(self) -> None:
        row = self._current()
        if row is None:
            self._say("nothing is chosen and nothing comes next: ↑ ↓ choose an entry")
            return
        rows = [("when", f"{row.state} {row.when}".strip()), ("what", row.text)]
        rows += [("to", row.audience or "everybody")] if row.kind == "inject" else []
        rows += [(name, text) for name, text in (("hint (h)", row.hint), ("for you", row.notes)) if text]
        self._list(f"{row.kind} {row.entry}", rows)

    def action_release(self) -> None:
        row = self._current()
        if row is None or not row.pending or row.entry in self._released:
            self._say("nothing here waits to be released")
        elif row.kind == "fault":
            told = f"{row.text}\n\nThe fault starts now instead of: {row.state} {row.when}".rstrip()
            dialog = Confirm(f"Start the fault “{row.entry}” now?", told, "Start it")
            self.app.push_screen(dialog, lambda yes: self._release(row) if yes else None)
        else:
            self._release(row)

    def _release(self, row: EntryRow) -> None:
        if row.entry in self._released:
            return
        self._released.add(row.entry)
        self.console.ask(r.Release(row.entry))
        self._timeline.chosen = None
        self._say(
            f"released {row.entry} to {row.audience or 'everybody'}"
            if row.kind == "inject"
            else f"released {row.entry}"
        )

    def action_skip(self) -> None:
        row = self._current()
        if row is None or not row.pending:
            self._say("nothing here can be skipped")
            return
        dialog = Confirm(f"Skip “{row.entry}”?", f"{row.text}\n\nIt will not come any more.", "Skip it")
        self.app.push_screen(
            dialog, lambda yes: self.console.ask(r.Skip(row.entry, "by the facilitator")) if yes else None
        )

    def action_hint(self) -> None:
        rows = self._timeline.rows
        chosen = next((row for row in rows if row.entry == self._timeline.chosen and row.hint), None)
        begun = [row for row in rows if row.hint and not row.pending]
        row = chosen or (begun[-1] if begun else next((row for row in rows if row.hint), None))
        if row is None:
            self._say("there is no hint left")
            return
        self.console.ask(r.Hint(row.entry))
        self.console.tell(f"SAY THIS HINT ({row.entry}), it is recorded", row.hint, seconds=60.0)

    def action_undo_fault(self) -> None:
        live = [fault.entry for fault in self._snapshot.exercise.live_faults]
        if not live:
            self._say("no fault is live")
        elif len(live) == 1:
            row = next(row for row in fault_rows(self._snapshot.exercise, self._now) if row.entry == live[0])
            told = f"{row.what}: {row.stage.lower()}, {row.when}\n\nThe exercise goes on without it."
            dialog = Confirm(f"Undo the fault “{live[0]}” now?", told, "Undo it", safe=True)
            self.app.push_screen(dialog, lambda yes: self._undo(live[0]) if yes else None)
        else:
            self.app.push_screen(Choose("Undo which fault now?", numbered(live)), self._undo)

    def _undo(self, entry: str | None) -> None:
        if entry is None:
            return
        if entry not in {fault.entry for fault in self._snapshot.exercise.live_faults}:
            self._say(f"{entry} is not live any more")
        else:
            self.console.ask(r.UndoNow(entry))
            self._say(f"{entry} is to be undone now")

    def action_pause(self) -> None:
        exercise = self._snapshot.exercise
        if exercise.paused is not None or exercise.phase == "interrupted":
            self.console.ask(r.Continue())
        else:
            self.console.ask(r.Pause())
            self._say("pausing: the script is frozen, safety goes on")

    def action_close(self) -> None:
        exercise = self._snapshot.exercise
        live = [fault.entry for fault in exercise.live_faults]
        told = f"Undone first: {', '.join(live)}." if live else "No fault is live."
        left = sum(state.stage in ("pending", "released") for state in exercise.entries.values())
        told += f"\n{left} of the script's entries are still to come; they are skipped." if left else ""
        dialog = Confirm("End the exercise?", told, "End it")
        self.app.push_screen(dialog, lambda yes: self.console.ask(r.Close()) if yes else None)

    def action_debrief(self) -> None:
        self.console.debrief()

    def action_help(self) -> None:
        keys = [(key_names(binding.key), binding.tooltip) for binding in self.console.always]
        keys += [(key_names(binding.key), binding.tooltip) for binding in RUN_KEYS[1:]]
        self._list("Keys", keys)

    def _list(self, title: str, rows: list[tuple[str, str]]) -> None:
        known = {key for binding in RUN_KEYS for key in binding.key.split(",")}
        self.app.push_screen(Listing(title, rows, known), self._looked_up)

    async def _looked_up(self, key: str | None) -> None:
        """A key was pressed over something to read: it does what it does here."""
        binding = next((one for one in RUN_KEYS if key in one.key.split(",")), None)
        if binding is not None and not await self.app.run_action(binding.action, self):
            self._say(f"“{key}” does nothing now")

    def action_leave(self) -> None:
        self.console.action_leave()

    def action_real(self) -> None:
        self.console.action_real()

    def _say(self, text: str) -> None:
        self._prompt.say(text)


def _stage(exercise: Exercise, name: str) -> str:
    return exercise.entries[name].stage if name in exercise.entries else "gone"
