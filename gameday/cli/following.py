"""Following an exercise without the console: one line per event on stderr, until it is over."""

from __future__ import annotations

import threading
import time

import click

from gameday.cli.ahead import log_path
from gameday.cli.frozen import Standstill, end_frozen, recover_rest
from gameday.cli.launching import Running
from gameday.cli.outlet import is_lost
from gameday.console import plain
from gameday.engine.control import ControlError
from gameday.errors import Exit, StoreError
from gameday.exercise.state import Exercise
from gameday.store import Holder, open_store
from gameday.store.port import spill_folders
from gameday.store.store import Store

EVERY = 0.2
BEGINNING = 5.0
"""Seconds that an engine which has begun the journal is given to say its name in it."""
AFTERMATH = 120.0
"""Seconds that the journal is given to end after the guardian was killed."""
_TAKING_OVER = threading.Lock()
"""Held while another engine is put in the place of one that stood still: until then nobody writes the journal."""


def follow_to_the_end(running: Running, *, attended: bool, who: str) -> int:
    """Print what happens until the guardian is done; the exercise's exit code, 4 where nobody can say."""
    control = None
    try:
        if attended:
            control = running.control()
            control.attach(who)
    except ControlError as error:
        # Over already, or its guardian was killed: the journal tells which.
        click.echo(f"gameday: {error}", err=True)
    result: list[int | None] = []
    waiting = threading.Thread(target=lambda: result.append(running.wait()), daemon=True)
    waiting.start()
    follower = Follower(running.store, running.exercise)
    standstill = Standstill(running.process.pid)
    while waiting.is_alive():
        follower.look()
        if standstill.lasts(follower.holder):
            undo_without_them(running, follower.holder())
        if attended and is_lost(2):
            # A console that nobody sees is none: the exercise must know.
            raise BrokenPipeError
        waiting.join(EVERY)
    if result and result[0] is None:
        _after_the_guardian(follower)
    follower.look()
    if running.left:
        click.echo(
            f"gameday: what was to be done at the end was not: {running.left}. A claim to a cluster runs out by itself",
            err=True,
        )
    if control is not None:
        control.close()
    follower.close()
    if follower.exercise.phase not in ("ended", "interrupted"):
        _incomplete(follower.exercise, running.exercise)
    if result and result[0] is not None:
        return result[0]
    known = follower.exercise.exit_code
    return Exit.NOT_RECOVERED if known is None else known


def holder_of(running: Running) -> Holder | None:
    """Who has the journal's lease; None where nobody has, or it can't be asked now."""
    try:
        with open_store(running.store, create=False) as store:
            return store.lease(running.exercise).holder
    except StoreError:
        return None


def undo_without_them(running: Running, holder: Holder | None) -> bool:
    """Where guardian and engine stand still: kill them, which undoes, and have it verified. Whether they were."""
    with _TAKING_OVER:
        killed = end_frozen(running.exercise, running.store, holder)
        if killed:
            text = f"{', '.join(killed)} stood still and was killed; {recover_rest(running.exercise, running.store)}"
            click.secho(f"gameday: {text}", err=True, fg="red", bold=True)
        return bool(killed)


def _incomplete(state: Exercise, exercise: str) -> None:
    """The journal does not know how this ended: say so, what may stand, and where the rest is."""
    kept = [str(path) for folder in spill_folders() for path in folder.glob(f"{exercise}.*")]
    if kept:
        why = f"the store could not be written to the end; what it could not take is kept in {', '.join(kept)}"
        when = "When the store can be written again"
    else:
        why = f"its engine and its guardian are gone, and nobody wrote down how it ended; see {log_path(exercise)}"
        when = "Now"
    lines = [f"gameday: THE JOURNAL IS INCOMPLETE: {why}. {when}: gameday recover {exercise}"]
    for fault in state.unrecovered:
        lines.append(f"gameday: NOT RECOVERED, as far as the journal knows: {fault.entry} ({fault.summary})")
        lines += [f"    {command}" for command in fault.commands]
    for text in lines:
        click.secho(text, err=True, fg="red", bold=True)


def _after_the_guardian(follower: Follower) -> None:
    """The guardian was killed: the engine, or who takes its place, undoes and ends. Wait for it as long as it lives."""
    with _TAKING_OVER:
        began = time.monotonic()
    while time.monotonic() < began + AFTERMATH:
        follower.look()
        begun = follower.exercise.engine_pid is not None or time.monotonic() > began + BEGINNING
        if follower.exercise.phase == "ended" or (begun and not follower.is_written()):
            return
        time.sleep(EVERY)


class Follower:
    """Reads the journal on, and prints."""

    def __init__(self, url: str, exercise: str) -> None:
        self.exercise = Exercise()
        self._id = exercise
        self._url = url
        self._store: Store | None = None
        self._version: int | None = None

    def is_written(self) -> bool:
        """Whether the process that holds the journal's lease lives, by its pid and its start; also where that can't be
        asked now. A pid alone would also be that of whoever got it next."""
        try:
            holder = self._store.lease(self._id).holder if self._store is not None else None
        except StoreError:
            return True
        return holder is not None and holder.runs_here()

    def holder(self) -> Holder | None:
        """Who has the journal's lease; None where nobody has, or it can't be asked now."""
        try:
            return self._store.lease(self._id).holder if self._store is not None else None
        except StoreError:
            return None

    def look(self) -> None:
        try:
            if self._store is None:
                self._store = open_store(self._url, create=False)
            version = self._store.data_version()
            if version == self._version:
                return
            records = self._store.records(self._id, after=self.exercise.last_seq)
            self._version = version
        except StoreError:
            # Locked, say. What is missed now is read at the next look; the exercise doesn't depend on it.
            return
        self.exercise, told = plain.follow(self.exercise, records)
        for line in told:
            click.echo(line, err=True)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
