"""`gameday watch`: the console of an exercise that runs already, or of one that is over."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gameday.cli import collect_little_by_little
from gameday.cli.options import store_option
from gameday.cli.who import user_name
from gameday.errors import Exit, UsageError

if TYPE_CHECKING:
    from gameday.console.app import Console
    from gameday.console.feed import LiveFeed

EVERY = 0.2
"""Seconds between two looks into the journal with --plain."""


@click.command()
@click.argument("exercise", metavar="[ID]", required=False)
@click.option("--plain", is_flag=True, help="One line per event on stdout instead of the console.")
@click.option("--read-only", is_flag=True, help="Only look: no key asks for anything, and nobody counts on you.")
@click.option(
    "--reports",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the debrief goes, if the exercise ends while you watch.",
)
@store_option
def watch(exercise: str | None, plain: bool, read_only: bool, reports: Path | None, store: str | None) -> int:
    """Open the console of a running exercise again, or look at one that is over.

    ID may be the beginning of one; without it, the exercise that runs, else the latest. Leaving the console does not
    end the exercise; but one with a live fault and no console at all is aborted after its `limits.unattended`.
    """
    from gameday.exercise.fold import fold
    from gameday.store import open_store

    with open_store(store, create=False) as opened:
        ident = opened.resolve(exercise)
        over = fold(opened.records(ident)).phase == "ended"
    if plain:
        return _follow(live_feed(ident, store, read_only=read_only))
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the console needs a terminal; without one: gameday watch --plain")
    # Whoever started it has left; the debrief of an exercise that was over before lies where they had it.
    report = None if over or read_only else _reporting(store, reports)
    left = open_console(ident, store, read_only=read_only, report=report)
    if left == "ended" and report is not None:
        click.echo(report(ident))
    if left == "detached" and not read_only:
        click.echo(f"the exercise goes on; open its console again with: gameday watch {ident}", err=True)
    return Exit.OK


def _reporting(store: str | None, folder: Path | None) -> Callable[[str], str]:
    """Writes the debrief of an exercise and says where it is."""
    from gameday.cli.run import write_debrief_of
    from gameday.store import default_url
    from gameday.targets.settings import load_settings

    where = folder or Path(load_settings().reports.directory)

    def report(exercise: str) -> str:
        return str(write_debrief_of(exercise, store or default_url(), where) or "")

    return report


def live_feed(exercise: str, store: str | None, *, read_only: bool = False) -> LiveFeed:
    """The feed of an exercise that exists. Opens nothing yet."""
    from gameday.console.feed import LiveFeed
    from gameday.engine.control import Control, socket_path
    from gameday.store import default_url, open_store

    url = store or default_url()

    def connect() -> Control:
        return Control(socket_path(exercise, url))

    def wake() -> None:
        from gameday.cli.resuming import resume
        from gameday.store.errors import LeaseHeld

        try:
            resume(exercise, url)
        except LeaseHeld:
            # Somebody else was quicker; the request goes to that engine.
            return

    return LiveFeed(
        lambda: open_store(url, create=False),
        exercise,
        None if read_only else connect,
        who=user_name(),
        wake=None if read_only else wake,
    )


def open_console(
    exercise: str, store: str | None, *, read_only: bool = False, report: Callable[[str], str] | None = None
) -> str | None:
    """Run the console until it is left: `detached` (the exercise goes on), `ended`, or None where it was closed from
    outside. `report`, given the exercise's id after its end, writes the debrief and returns where it is."""
    from gameday.console.app import Console

    console = Console(
        live_feed(exercise, store, read_only=read_only),
        read_only=read_only,
        report=report,
        afterwards=afterwards(store),
        who=user_name(),
    )
    return show(console, store)


def afterwards(store: str | None) -> Callable[[str, str, float | None], None]:
    """Appends a note to an exercise that has ended; raises `GamedayError` where that can't be done."""

    def append(exercise: str, text: str, wall: float | None) -> None:
        from gameday.cli import follow_up
        from gameday.exercise.events import NoteTaken

        follow_up.append(store, exercise, lambda _: NoteTaken(text), actor=user_name(), wall=wall)

    return append


def show(console: Console, store: str | None) -> str | None:
    """Run a console until it is left, and write down what nobody took in time; how it was left."""
    collect_little_by_little()
    with _own_signals():
        left = console.run()
    for text in dict.fromkeys(console.unwritten):
        _keep(console, store, text)
    return left


def _keep(console: Console, store: str | None, text: str) -> None:
    """A note that the engine did not live to take: into the journal after its end, or at least onto the screen."""
    from gameday.errors import GamedayError

    try:
        afterwards(store)(console.waiting_for, text, None)
    except GamedayError as error:
        click.echo(f"not in the journal ({error}): {text}", err=True)
    else:
        click.echo(f"noted after the end: {text}", err=True)


@contextmanager
def _own_signals() -> Iterator[None]:
    """The console takes signals as its own while it runs: a lost terminal detaches, it does not abort."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, before in kept.items():
            signal.signal(number, before if before is not None else signal.SIG_DFL)


def _follow(feed: LiveFeed) -> int:
    """Print line by line until the exercise has ended, or Ctrl-C."""
    from gameday.console.plain import follow
    from gameday.errors import StoreError
    from gameday.exercise.state import Exercise

    exercise, trouble = Exercise(), ""
    try:
        while exercise.phase != "ended":
            try:
                records, trouble = feed.poll(), ""
            except StoreError as error:
                if str(error) != trouble:
                    trouble = str(error)
                    click.echo(f"gameday: {trouble}", err=True)
                records = []
            exercise, told = follow(exercise, records)
            for line in told:
                click.echo(line)
            sys.stdout.flush()
            if exercise.phase != "ended":
                time.sleep(EVERY)
    except KeyboardInterrupt:
        click.echo(f"the exercise goes on; follow it again with: gameday watch --plain {feed.exercise}", err=True)
    finally:
        feed.close()
    return Exit.OK
