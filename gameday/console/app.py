"""The console: screens over a feed. It shows what the journal says and sends what keys ask for; it decides nothing.

The abort key is bound here with priority, so no screen, dialog or half-typed word can swallow it. What it does first is
to send the abort; everything shown comes after.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from rich.console import RenderableType
from textual import work
from textual.app import App
from textual.binding import Binding
from textual.events import Key
from textual.notifications import SeverityLevel

from gameday.console.clocks import Clocks
from gameday.console.feed import Feed
from gameday.console.preview_model import PreviewModel, ScenarioCard
from gameday.console.pump import AbortAnswered, Pump, RequestRefused, SnapshotArrived
from gameday.console.screens.aborting import AbortPanel
from gameday.console.screens.base import HIGH, WIDE, ConsoleScreen, Dialog
from gameday.console.screens.debrief import Debrief
from gameday.console.screens.dialogs import Leave
from gameday.console.screens.pick import Pick
from gameday.console.screens.preview import Preview
from gameday.console.screens.run import Run
from gameday.console.snapshot import Snapshot
from gameday.console.stamping import Stamping
from gameday.console.starting import Starting
from gameday.console.summary import REAL_SENTENCE
from gameday.console.times import clean
from gameday.console.widgets.notice import Said
from gameday.console.widgets.prompt import Prompt
from gameday.console.wording import Tone, wanted
from gameday.engine.requests import Request, TakeNote
from gameday.errors import GamedayError
from gameday.exercise.events import REAL_INCIDENT
from gameday.scenario.duration import format_duration

Left = Literal["detached", "ended"]
"""How the facilitator left: the exercise goes on without them, or it is over (or never began)."""
LEAVING = 5.0
"""Seconds that a console without a terminal is given to leave in good order."""
SAID = 12.0
"""Seconds that something said stays, unless it is put away."""
TICK = 0.25
"""Seconds between two looks at the clock."""

ALWAYS: tuple[Binding, ...] = (
    Binding(
        "ctrl+x,f9",
        "abort",
        "ABORT",
        id="abort",
        priority=True,
        key_display="^X",
        tooltip="Abort: undo every fault now. Works everywhere and asks nothing (also F9).",
    ),
    Binding(
        "f8",
        "real",
        "real!",
        id="real",
        priority=True,
        show=False,
        tooltip="This is real: abort, and the sentence to tell everybody. Works everywhere.",
    ),
    Binding(
        "ctrl+c,ctrl+q",
        "leave",
        "leave",
        id="leave",
        priority=True,
        show=False,
        tooltip="Leave the console; asks while something is live.",
    ),
)


ABORT_KEYS = frozenset(key for binding in ALWAYS[:2] for key in binding.key.split(","))


class Console(App[Left]):
    """`run()` returns how it was left, None where it was closed from outside.

    Either `feed` is given (a run that exists), or `scenarios`, `preview` and `start` are, and the facilitator picks.
    `report` is called with the exercise's id once it has ended; it writes the debrief and returns where it is.
    """

    CSS_PATH = "console.tcss"
    TITLE = "gameday"
    BINDINGS = list(ALWAYS)  # noqa: RUF012 - Textual's own shape
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (HIGH, "-high")]  # noqa: RUF012
    always = ALWAYS

    def __init__(
        self,
        feed: Feed | None = None,
        *,
        scenarios: Callable[[], Sequence[ScenarioCard]] | None = None,
        preview: Callable[[Path], PreviewModel] | None = None,
        start: Callable[[Path, Starting], Feed] | None = None,
        report: Callable[[str], str] | None = None,
        afterwards: Callable[[str, str, float], None] | None = None,
        first: Path | None = None,
        read_only: bool = False,
        who: str = "",
        clocks: Clocks | None = None,
        pumping: bool = True,
    ) -> None:
        """`afterwards(id, note, wall)` appends a note of that moment (unix s) to an exercise that has ended, or raises.

        `first`: a scenario to preview at once; `pumping` False: nobody polls the feed (tests post snapshots)."""
        super().__init__()
        self.clocks = clocks if clocks is not None else Clocks()
        self.read_only = read_only
        self.who = who or _user()
        self.snapshot = Snapshot()
        self.unwritten: list[str] = []
        """Notes, and halves of them, that did not get into the journal."""
        self._feed = feed
        self._scenarios, self._preview, self._start, self._report = scenarios, preview, start, report
        self._afterwards = afterwards
        self._first = first
        self._pumping = pumping
        self._pump: Pump | None = None
        self._stamping = Stamping()
        self._starting: Starting | None = None
        self._debriefed = False

    @property
    def waiting_for(self) -> str:
        """The exercise's id before its journal has said so."""
        return self._feed.exercise if self._feed is not None else ""

    # --- from start to end -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.set_interval(TICK, self.redraw)
        if not self.is_headless:
            self._take_signals()
        if self._feed is not None:
            self.adopt(self._feed)
        else:
            cards = list(self._scenarios()) if self._scenarios is not None else []
            self.push_screen(Pick(cards))
            if self._first is not None:
                self.preview(self._first)

    def _take_signals(self) -> None:
        """A lost terminal, or a polite kill, detaches: the exercise goes on, and the guardian counts one less."""
        loop = asyncio.get_running_loop()
        # Not by the loop: it may be blocked in drawing on the very terminal that is gone.
        signal.signal(signal.SIGHUP, lambda *_: self._terminal_lost(loop))
        loop.add_signal_handler(signal.SIGTERM, self.exit, "detached")
        loop.add_signal_handler(signal.SIGINT, self.action_leave)

    def _terminal_lost(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nobody sees what is drawn any more, and drawing on a lost terminal blocks: draw on nothing, and leave.

        Where the drawing thread has died of it, leaving in good order blocks too; the process goes all the same.
        """
        last_resort = threading.Timer(LEAVING, os._exit, (128 + signal.SIGHUP,))
        last_resort.daemon = True
        last_resort.start()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.close(nothing)
        loop.call_soon_threadsafe(self.exit, "detached")

    def on_unmount(self) -> None:
        if self._pump is not None:
            self._pump.stop()

    def preview(self, path: Path) -> None:
        """Show what `path` would touch."""
        screen = Preview(path)
        self.push_screen(screen)
        self._make_preview(screen, path)

    @work(thread=True, group="preview", exit_on_error=False)
    def _make_preview(self, screen: Preview, path: Path) -> None:
        assert self._preview is not None, "a console without a feed is wired with preview and start"
        try:
            model = self._preview(path)
        except (GamedayError, OSError) as error:
            self.call_from_thread(screen.failed, str(error))
        else:
            self.call_from_thread(screen.fill, model)

    def start_exercise(self, path: Path) -> None:
        """Start it, in a thread; the run screen comes when it runs."""
        self._starting = Starting(lambda text: self.call_from_thread(self._waits, text))
        self._begin(path, self._starting)

    @work(thread=True, group="start", exit_on_error=False)
    def _begin(self, path: Path, starting: Starting) -> None:
        assert self._start is not None, "a console without a feed is wired with preview and start"
        try:
            feed = self._start(path, starting)
        except (GamedayError, OSError) as error:
            self.call_from_thread(self._not_begun, str(error))
        except Exception as error:  # noqa: BLE001 - ours, but the facilitator must not wait for a start that will not come
            self.call_from_thread(
                self._not_begun, f"internal error, nothing was started: {type(error).__name__}: {error}"
            )
        else:
            self.call_from_thread(self.adopt, feed)

    def _waits(self, text: str) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, Preview):
                screen.waits(text)

    def _not_begun(self, error: str) -> None:
        self._starting = None
        for screen in self.screen_stack:
            if isinstance(screen, Preview):
                screen.failed(error)

    def adopt(self, feed: Feed) -> None:
        pressed = self._starting.abort_wanted if self._starting is not None else None
        self._starting = None
        self._feed = feed
        self._pump = Pump(feed, self.post_message, self.clocks)
        self._pump.start(reading=self._pumping)
        if pressed is not None:
            self._pump.abort("aborted while it was starting", self.who, pressed)
        self.push_screen(Run())
        if pressed is not None:
            self.push_screen(AbortPanel(0.0))

    # --- what comes from the feed ------------------------------------------------------------------------------------

    def on_snapshot_arrived(self, event: SnapshotArrived) -> None:
        self.snapshot = event.snapshot
        exercise = self.snapshot.exercise
        self._stamping, requests = self._stamping.seen(exercise)
        self._send_all(requests)
        self.redraw()
        if exercise.phase == "ended" and not self._debriefed:
            self._offer_debrief()

    def on_abort_answered(self, event: AbortAnswered) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, AbortPanel):
                screen.answered(event.text, event.went, event.took)

    def on_request_refused(self, event: RequestRefused) -> None:
        if isinstance(event.request, TakeNote):
            self.keep(event.request.text)
            return
        self._stamping = self._stamping.refused(event.request)
        self.tell("NOT TAKEN", f"{wanted(event.request)}: {clean(event.error)}", tone="bad", seconds=None)

    def keep(self, text: str, pressed: float | None = None) -> None:
        """A note that no engine takes any more. An exercise that has ended gets it appended; where that can't be done,
        it goes to the terminal's clipboard, and to whoever ran the console."""
        if self._afterwards is not None and self.snapshot.exercise.phase == "ended":
            ago = 0.0 if pressed is None else max(0.0, self.clocks.boot() - pressed)
            self._append(self.snapshot.exercise.id, text, self.clocks.wall() - ago)
        else:
            self._not_kept(text, "no engine takes notes any more")

    @work(thread=True, group="afterwards", exit_on_error=False)
    def _append(self, exercise: str, text: str, wall: float) -> None:
        assert self._afterwards is not None, "asked by `keep` alone"
        try:
            self._afterwards(exercise, text, wall)
        except (GamedayError, OSError) as error:
            self.call_from_thread(self._not_kept, text, str(error))
        else:
            self.call_from_thread(self._kept, text)

    def _kept(self, text: str) -> None:
        self.tell("NOTED", f"after the end: {clean(text)}", tone="good")
        if self._report is not None:
            self._write_report(self.snapshot.exercise.id)

    def _not_kept(self, text: str, why: str) -> None:
        self.unwritten.append(text)
        self.copy_to_clipboard(text)
        told = f"{clean(why)}. It is tried again when you leave; also sent to the terminal's clipboard: {clean(text)}"
        self.tell("NOT WRITTEN DOWN", told, tone="warn", seconds=None)

    def tell(self, title: str, text: str, *, tone: Tone = "calm", seconds: float | None = SAID) -> None:
        """Say something on the screen that is open, below a dialog if there is one. It covers nothing."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, ConsoleScreen):
                screen.say(Said(title, text, tone), seconds)
                return

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """What would be a toast: toasts lie over the journal and over what is typed, so there are none here."""
        tones: dict[SeverityLevel, Tone] = {"information": "calm", "warning": "warn", "error": "bad"}
        self.tell(title, message, tone=tones[severity], seconds=SAID if timeout is None else timeout)

    def exit(self, result: Left | None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, Run):
                self.unwritten += screen.drafts()
        super().exit(result, return_code, message)

    def now(self) -> float:
        """The exercise's clock, seconds."""
        return self.snapshot.clock(self.clocks)

    def redraw(self) -> None:
        """Show the newest snapshot as of now, on every screen that is open."""
        now = self.now()
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen | Dialog):
                screen.show(self.snapshot, now)

    # --- what goes to the feed ---------------------------------------------------------------------------------------

    def ask(self, request: Request, pressed: float | None = None) -> None:
        """Send `request`; `pressed`: boot clock of the moment it speaks of, now unless said."""
        if self._pump is not None and not self.read_only:
            self._pump.send(request, self.clocks.boot() if pressed is None else pressed)

    def _send_all(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self.ask(request)

    def stamp(self, milestone: str, *, partial: bool = False) -> None:
        self._stamping, requests = self._stamping.stamp(self.snapshot.exercise, milestone, self.now(), partial=partial)
        self._send_all(requests)

    def stamp_back(self, seconds: int) -> str:
        """Move the last stamp back; what became of it, in a few words. What takes more of them is told by itself."""
        before, exercise = self._stamping, self.snapshot.exercise
        if why := before.before_its_start(exercise, seconds, self.now()):
            self.tell("NOT MOVED", why, tone="warn", seconds=None)
            return ""
        self._stamping, requests = before.back(exercise, seconds)
        self._send_all(requests)
        if self._stamping is before:
            return "there is no stamp of yours to move"
        return f"the last stamp goes back by {seconds // 60} min"

    def unstamp(self) -> bool:
        """Withdraw the last stamp; False where there is none."""
        before = self._stamping
        self._stamping, requests = before.undo(self.snapshot.exercise)
        self._send_all(requests)
        return self._stamping is not before

    def action_abort(self) -> None:
        self._abort("aborted in the console", "")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Nothing offers to abort what is over: the key is not shown any more (`on_key` answers it all the same).
        return not (action in ("abort", "real") and self._over())

    def on_key(self, event: Key) -> None:
        if event.key in ABORT_KEYS and self._over():
            self.tell("IT IS OVER", "there is nothing left to abort, no fault stands", tone="good")

    def action_real(self) -> None:
        self._abort(REAL_INCIDENT, REAL_SENTENCE)

    def _abort(self, reason: str, sentence: str) -> None:
        pressed = self.clocks.boot()
        if self._pump is not None and not self.read_only and not self._over():
            self._pump.abort(reason, self.who, pressed)
            self._show_abort(sentence)
        elif self._starting is not None:
            self._starting.abort_wanted = pressed
            self.tell("ABORT", "it is only just starting, and is aborted as soon as it can be", tone="warn")
        elif self.read_only:
            told = f"`gameday abort {self.waiting_for}` in a terminal stops it"
            self.tell("READ-ONLY", told, tone="warn")
        else:
            self.tell("", "Nothing is running: there is nothing to abort.")
        if sentence:
            self.copy_to_clipboard(sentence)

    def _over(self) -> bool:
        exercise = self.snapshot.exercise
        return exercise.phase == "ended" and not exercise.unrecovered

    def _show_abort(self, sentence: str) -> None:
        panel = self.screen if isinstance(self.screen, AbortPanel) else None
        if panel is not None and not sentence:
            panel.again()
            return
        self.push_screen(AbortPanel(self.now(), sentence))
        self.redraw()

    # --- leaving -----------------------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        self.action_leave()

    def action_leave(self) -> None:
        if isinstance(self.screen, Leave):
            return
        exercise = self.snapshot.exercise
        if self._pump is None:
            if self._starting is not None:
                self.tell("STARTING", "the abort key stops it", tone="warn")
            else:
                self.exit("ended")
        elif exercise.phase == "ended":
            self.exit("ended")
        elif self.read_only:
            self.exit("detached")
        else:
            scenario = exercise.scenario
            alone = format_duration(scenario.limits.unattended) if scenario is not None else "a minute"
            self.push_screen(Leave([fault.entry for fault in exercise.live_faults], alone), self._leaving)

    def _leaving(self, answer: str | None) -> None:
        if answer == "detach":
            self.exit("detached")
        elif answer == "abort":
            self.action_abort()

    def _offer_debrief(self) -> None:
        if not self.screen_stack:
            return  # The console is being closed.
        # Nothing steals the line from under somebody who types, or covers what an abort is being told on.
        busy = isinstance(self.screen, Dialog) or any(prompt.open for prompt in self.screen.query(Prompt))
        if busy:
            self.set_timer(TICK, self._offer_debrief, name="debrief")
        else:
            self.debrief()

    def debrief(self) -> None:
        """Show what came of it."""
        if isinstance(self.screen, Debrief):
            return
        screen = Debrief()
        self.push_screen(screen)
        first, self._debriefed = not self._debriefed, True
        if self._report is not None:
            screen.report("is being written …" if first else self._where)
            if first:
                self._write_report(self.snapshot.exercise.id)
        self.redraw()

    _where = ""

    @work(thread=True, group="report", exit_on_error=False)
    def _write_report(self, exercise: str) -> None:
        assert self._report is not None
        try:
            where = self._report(exercise)
        except (GamedayError, OSError) as error:
            where = f"could not be written: {error}"
        self.call_from_thread(self._reported, where)

    def _reported(self, where: str) -> None:
        self._where = where
        for screen in self.screen_stack:
            if isinstance(screen, Debrief):
                screen.report(where)
        self.redraw()

    @property
    def debrief_at(self) -> str:
        """Where the debrief lies, or why there is none; empty while nobody has written one."""
        return self._where


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # No name for this user id: a container, say.
        return "facilitator"
