"""`gameday run`: one scenario as one exercise, in the console, line by line, or unattended."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from gameday.cli.options import config_option, parse_assignments, store_option
from gameday.cli.who import user_name
from gameday.errors import Exit, RefusedError, StoreError, UsageError

if TYPE_CHECKING:
    from gameday.cli.ahead import Ahead
    from gameday.cli.clusters import Waiting
    from gameday.cli.launching import Running
    from gameday.cli.payload import Payload
    from gameday.cli.staging import Staged

BEGINNING = 0.2
"""Seconds for which an unattended exercise has the processor to itself, before what shows it is imported."""


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path), required=False)
@click.option("--target", metavar="NAME", help="Where to run it: sandbox, none, or a target of gameday.toml.")
@click.option("--unattended", is_flag=True, help="Nobody responds: manual entries are skipped, nothing is asked.")
@click.option("--plain", is_flag=True, help="One line per event instead of the console.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the scenario.")
@click.option("--reports", type=click.Path(path_type=Path), metavar="DIR", help="Where the debrief goes.")
@click.option("--seed", type=int, help="Choose the same instances again: the seed of an earlier exercise.")
@click.option("--confirm", metavar="NAME", help="Needed for a production target: its name.")
@click.option("--engine", "engines", multiple=True, metavar="FAULT=ENGINE", help="On a cluster: what does a fault.")
@click.option("--despite-faults", is_flag=True, help="Start although faults of an earlier exercise stand there.")
@click.option("--no-abort-condition", is_flag=True, help="Run what was imported although nothing would stop it.")
@config_option
@store_option
def run(
    scenario: Path | None,
    target: str | None,
    unattended: bool,
    plain: bool,
    pairs: tuple[str, ...],
    reports: Path | None,
    seed: int | None,
    confirm: str | None,
    engines: tuple[str, ...],
    despite_faults: bool,
    no_abort_condition: bool,
    config: Path | None,
    store: str,
) -> int:
    """Run SCENARIO as an exercise, and write its debrief.

    SCENARIO may be a Chaos Toolkit experiment or manifests of Chaos Mesh, in JSON or YAML: they are imported, and what
    of them can't be carried over is said first.

    With a terminal it opens the console: a preview of what will be touched, then the start; without SCENARIO, a list to
    pick from. With --unattended it needs none: the exercise's id and the path of its debrief go to stdout, talk goes to
    stderr, and SIGINT, SIGTERM or SIGHUP undo everything.
    """
    if not (has_terminal() and not unattended and not plain):
        if scenario is None:
            raise UsageError("which scenario? `gameday run SCENARIO`; in a terminal `gameday run` lets you pick one")
        from gameday.cli.ahead import begun_ahead

        # Before anything else: what is imported from here on takes about as long as a guardian and an engine need.
        with begun_ahead() as ahead:
            from gameday.cli.clusters import engine_choices
            from gameday.cli.staging import payload_of, say, stage
            from gameday.targets.settings import load_settings

            settings = load_settings(explicit=config)
            folder = can_be_written(reports or Path(settings.reports.directory))
            staged = stage(
                scenario,
                target=target,
                parameters=parse_assignments(pairs),
                settings=settings,
                confirm=confirm,
                engines=engine_choices(engines),
                say=say,
                no_abort_condition=no_abort_condition,
                ahead=ahead,
            )
            payload = payload_of(staged, store=store, attended=not unattended, seed=seed)
            return start_and_follow(
                staged, payload, folder=folder, plain=True, despite_faults=despite_faults, ahead=ahead
            )
    from gameday.cli.clusters import engine_choices
    from gameday.cli.console_run import run_in_console
    from gameday.targets.settings import load_settings

    settings = load_settings(explicit=config)
    return run_in_console(
        scenario,
        target=target,
        parameters=parse_assignments(pairs),
        settings=settings,
        store=store,
        seed=seed,
        folder=can_be_written(reports or Path(settings.reports.directory)),
        confirm=confirm,
        engines=engine_choices(engines),
        despite_faults=despite_faults,
        no_abort_condition=no_abort_condition,
    )


def can_be_written(folder: Path) -> Path:
    """`folder` itself, which need not be there yet. Nobody wants to hear at the end that there is no place for paper.

    It is tried: permissions alone don't tell of read-only disks, full ones, and folders of the kernel. What was made
    for that is removed again.

    Raises:
        UsageError: nothing can be written there.
    """
    # Another run that tries the same may make or remove the folder between two steps of this one.
    for left in reversed(range(10)):
        try:
            _try_to_write(folder.absolute())
            break
        except (FileNotFoundError, FileExistsError) as error:
            if not left:
                raise _no_place(folder, error) from None
        except (OSError, ValueError) as error:
            raise _no_place(folder, error) from None
    return folder


def _try_to_write(folder: Path) -> None:
    """Write something into `folder`, which is made if it isn't there, and leave nothing behind."""
    from tempfile import NamedTemporaryFile

    made: list[Path] = []
    try:
        for each in reversed((folder, *folder.parents)):
            if not each.exists():
                each.mkdir(exist_ok=True)
                made.append(each)
        with NamedTemporaryFile(dir=folder, prefix=".gameday-") as file:
            file.write(b"debrief")
            file.flush()
    finally:
        for each in reversed(made):
            # Where somebody else has put something there meanwhile, it stays.
            with contextlib.suppress(OSError):
                each.rmdir()


def _no_place(folder: Path, error: OSError | ValueError) -> UsageError:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    where = error.filename if isinstance(error, OSError) and isinstance(error.filename, str) else str(folder)
    there = Path(where).parent if Path(where).name.startswith(".gameday-") else Path(where)
    return UsageError(f"there is no place for the debrief in {folder}: {there}: {why}; name another with --reports")


def has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def start_and_follow(
    staged: Staged,
    payload: Payload,
    *,
    folder: Path,
    plain: bool,
    despite_faults: bool = False,
    ahead: Ahead | None = None,
) -> int:
    """Launch, follow to the end, write the debrief; the exit code of the exercise."""
    stopping = Stopping(attended=payload.attended, ahead=ahead)
    running = launch_staged(staged, payload, despite_faults=despite_faults, ahead=ahead)
    stopping.goes_to(running)
    if not payload.attended:
        # What shows an exercise is not to hold up its start, nor what it begins with.
        running.quiet(BEGINNING)
    from gameday.cli.following import follow_to_the_end
    from gameday.cli.outlet import is_lost

    click.echo(payload.exercise)
    sys.stdout.flush()
    if payload.attended and not plain:
        from gameday.cli.watch import open_console

        def report(exercise: str) -> str:
            return str(write_debrief_of(exercise, payload.store, folder) or "")

        open_console(payload.exercise, payload.store, report=report)
        return finish_attended(payload.exercise, payload.store, folder)
    code = follow_to_the_end(running, attended=payload.attended, who=user_name())
    if stopping.received:
        click.echo(f"stopped by {stopping.received}", err=True)
    _say_what_is_up(staged)
    path = write_debrief_of(payload.exercise, payload.store, folder)
    if path is not None:
        click.echo("the debrief, one page for a browser (Markdown and JSON lie beside it):", err=True)
        click.echo(path)
        if is_lost(1):
            click.echo(f"nobody reads stdout any more; the debrief of {payload.exercise} is {path}", err=True)
    return code


def _say_what_is_up(staged: Staged) -> None:
    """Of a sandbox that was brought up for this: whether it is down again, as the guardian should have it."""
    from gameday.sandbox import control

    if not staged.brought_up:
        return
    folder = Path(staged.target.settings["state_dir"])
    try:
        still = control.find(folder) is not None
    except (control.SandboxError, OSError):
        still = True
    click.echo("the shop is still up: gameday sandbox down" if still else "the shop is taken down again", err=True)


def launch_staged(
    staged: Staged,
    payload: Payload,
    *,
    despite_faults: bool,
    ahead: Ahead | None = None,
    waiting: Waiting | None = None,
) -> Running:
    """Start the exercise; where that fails, what was brought up for it is taken down again.

    `waiting` hears what it waits for; unless given, that is said on stderr.
    """
    from gameday.cli.clusters import InTerminal, claimed
    from gameday.cli.launching import launch
    from gameday.cli.staging import refuse_a_target_in_use

    try:
        refuse_a_target_in_use(staged, payload.store, despite_faults=despite_faults)
        with claimed(payload.target, payload.exercise, waiting or InTerminal()):
            return launch(payload, after=staged.after(payload.exercise), ahead=ahead)
    except StoreError as error:
        staged.take_down()
        raise RefusedError(f"refused before anything was touched: {error}") from None
    except BaseException:
        staged.take_down()
        raise


def finish_attended(exercise: str, store: str, folder: Path) -> int:
    """After the console was closed: the debrief, or where the exercise goes on."""
    from gameday.exercise.fold import fold
    from gameday.store import open_store

    with open_store(store, create=False) as opened:
        state = fold(opened.records(exercise))
    if state.phase != "ended":
        click.echo(f"the exercise goes on; open its console again with: gameday watch {exercise}", err=True)
        return Exit.OK
    path = write_debrief_of(exercise, store, folder)
    if path is not None:
        click.echo(path)
    return int(state.exit_code or 0)


def write_debrief_of(exercise: str, store: str, folder: Path) -> Path | None:
    """The debrief in all formats; the path of the page, or None (said on stderr) where it can't be written."""
    try:
        return _write_debrief(exercise, store, folder)
    except Exception as error:  # noqa: BLE001 - the exercise's own exit code must not be lost over its paper
        click.echo(f"the debrief could not be written ({error}); try: gameday report {exercise} --output DIR", err=True)
        return None


def _write_debrief(exercise: str, store: str, folder: Path) -> Path:
    from gameday.cli.resuming import as_it_stands
    from gameday.debrief.previous import previous_actions
    from gameday.debrief.write import write_debrief
    from gameday.store import open_store

    with open_store(store, create=False) as opened:
        records = as_it_stands(opened, exercise)
        previous = previous_actions(opened, records)
    paths = write_debrief(records, folder, ("md", "html", "json"), previous=previous)
    return next((path for path in paths if path.suffix == ".html"), paths[0])


class Stopping:
    """SIGINT, SIGTERM and SIGHUP of an unattended (or plain) run: abort, then wait like everybody else.

    The lost terminal of an attended one is a console that is gone: the exercise goes on, and its guardian knows.
    """

    def __init__(self, *, attended: bool, ahead: Ahead | None = None) -> None:
        self.received = ""
        self._ahead = ahead
        self._running: Running | None = None
        # nohup stays nohup. A shell starts what it puts into the background with SIGINT ignored: whoever sends one all
        # the same wants the faults gone.
        lost = () if attended or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        for number in (signal.SIGINT, signal.SIGTERM, *lost):
            signal.signal(number, self._on_signal)

    def goes_to(self, running: Running) -> None:
        self._running = running
        if self.received:
            self._abort()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        again = bool(self.received)
        self.received = signal.Signals(number).name
        if self._running is None:
            if not again and self._ahead is not None and self._ahead.told:
                # It begins just now, or has begun: it is aborted as soon as it can be reached.
                return
            os.write(2, f"stopped by {self.received} before the exercise could be followed\n".encode())
            raise SystemExit(128 + number)
        if not again:
            threading.Thread(target=self._abort, daemon=True).start()

    def _abort(self) -> None:
        from gameday.cli.following import holder_of, undo_without_them
        from gameday.engine.control import ControlError

        running = self._running
        assert running is not None
        try:
            with running.control() as control:
                control.abort(f"{self.received} received", user_name())
        except ControlError as error:
            if not undo_without_them(running, holder_of(running)):
                click.echo(f"abort: {error}; signalling the guardian instead", err=True)
                running.process.send_signal(signal.SIGTERM)
