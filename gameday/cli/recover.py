"""`gameday recover`: whatever the journals know of and is not recovered is undone, or reported."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gameday.cli.options import config_option, store_option
from gameday.errors import Exit, UsageError

if TYPE_CHECKING:
    from gameday.cluster.api import Where
    from gameday.store.errors import StoreUnavailable
    from gameday.store.store import Store


_SEARCHED = "`gameday recover --target NAME` finds what stands on a cluster or a Toxiproxy"


@click.command()
@click.argument("exercise", metavar="[ID]", required=False)
@click.option(
    "--target",
    metavar="NAME",
    help="Search a cluster or a Toxiproxy for whatever gameday left there, without journals.",
)
@config_option
@store_option
def recover(exercise: str | None, target: str | None, config: Path | None, store: str) -> int:
    """Undo every fault that a journal knows of and that nobody looks after: the engine died, the machine was off.

    Without ID: of all exercises. With --target also what no journal here knows of, found on the target itself. Ends
    with 4 where something is still not recovered, or can't be looked at, with the commands to paste; with 5 where an
    engine on another machine was heard of so lately that it may be alive, or an exercise holds the target; with 1 where
    all is undone, and what somebody else did keeps something from being as it was before.
    """
    try:
        return _recover_all(exercise, target, config, store)
    finally:
        _clear_dead()


def _clear_dead() -> None:
    """With its journal lost nobody comes back for the socket of a guardian that was killed."""
    from gameday.engine.control import socket_path
    from gameday.engine.peers import clear_dead

    try:
        clear_dead(socket_path("any", "").parent)
    except OSError as error:
        click.echo(f"gameday: sockets of guardians that are dead could not be looked for: {error}", err=True)


def _recover_all(exercise: str | None, target: str | None, config: Path | None, store: str) -> int:
    if target is not None:
        from gameday.cli.recover_target import recover_target

        if exercise is not None:
            raise UsageError("an ID or --target, not both: --target also recovers all that journals know of there")
        return recover_target(target, config, store)
    from gameday.store.errors import NoSuchExercise, StoreEmpty, StoreMissing, StoreUnavailable
    from gameday.store.readable import readable

    wanted: list[str] = []
    codes: set[int] = set()
    standing = False
    try:
        with readable(store) as opened:
            codes.add(absorb(opened))
            wanted = [opened.resolve(exercise)] if exercise else _in_need(opened)
            if not exercise:
                codes.add(_left_to_their_engines(opened))
                standing = bool(opened.unrecovered())
    except StoreMissing as error:
        # Without a store nothing can be undone, but what lies there for it has to be told.
        code = _name_all(str(error))
        if isinstance(error, StoreEmpty):
            click.echo(
                f"gameday: {error}. In that case a fault may stand that nobody knows of: restore the file with what "
                f"lay beside it (-wal); {_SEARCHED}",
                err=True,
            )
            return Exit.NOT_RECOVERED
        if code == Exit.OK:
            raise UsageError(
                f"{error}, so there is nothing to recover. If exercises ran with another store, name it with --store; "
                "where journals are lost, `gameday recover --target NAME` searches a cluster or a Toxiproxy itself"
            ) from None
        return Exit.NOT_RECOVERED
    except StoreUnavailable as error:
        click.echo(f"gameday: {error}; {_SEARCHED}", err=True)
        return error.exit_code
    except NoSuchExercise as error:
        if Exit.NOT_RECOVERED not in codes:
            raise
        click.echo(f"gameday: {error}", err=True)
    for ident in wanted:
        codes.add(recover_or_say(ident, store, config))
    if not wanted and not standing and codes == {Exit.OK}:
        click.echo("nothing to recover")
    return Exit.NOT_RECOVERED if Exit.NOT_RECOVERED in codes else max(codes)


def absorb(store: Store) -> Exit:
    """Facts and records that could not be written at their time. A file that makes trouble keeps no other from it."""
    from gameday.cli import clerk
    from gameday.store import spill
    from gameday.store.errors import StoreUnavailable
    from gameday.store.port import spill_folders

    code = Exit.OK
    for folder in spill_folders():
        for path in spill.ours(folder, spill.SUFFIX):
            try:
                outcome = spill.absorb_file(store, path)
                stores = spill.read_spill(path, path.read_bytes()).stores if outcome == "elsewhere" else ()
            except StoreUnavailable as error:
                code = max(code, _not_yet_placed(store, path, path.name.removesuffix(spill.SUFFIX), error))
                continue
            except Exception as error:  # noqa: BLE001 - said, and counted; the faults of others are not to wait for it
                code = _not_placed(path, _why(error))
                continue
            if outcome == "absorbed":
                click.echo(
                    f"{path.name.removesuffix(spill.SUFFIX)}: what had been spilled is in the journal now", err=True
                )
            elif outcome == "elsewhere":
                code = max(code, _of_another(path, stores))
            elif outcome == "unknown":
                code = _not_placed(path, f"{store.address.shown} has no such exercise, and the file not its beginning")
        for path in sorted(spill.ours(folder, clerk.SUFFIX), key=_age):
            try:
                facts = json.loads(path.read_bytes())
                if not _same_store(facts, store):
                    code = max(code, _of_another(path, (facts["payload"]["store"],)))
                    continue
                if store.lease(facts["exercise"]).held(time.time()):
                    # An engine was started again without these; taking its lease away would stop it.
                    click.echo(f"{path}: left until the engine of {facts['exercise']} has ended", err=True)
                    continue
                clerk.write_down(store, facts)
                path.unlink(missing_ok=True)
            except StoreUnavailable as error:
                code = max(code, _not_yet_placed(store, path, facts["exercise"], error))
                continue
            except Exception as error:  # noqa: BLE001 - as above
                code = _not_placed(path, _why(error))
                continue
            click.echo(f"{facts['exercise']}: what its guardian did is in the journal now", err=True)
    return code


def _not_yet_placed(store: Store, path: Path, exercise: str, error: StoreUnavailable) -> Exit:
    """The store can't be written. What the file says is no news where the journal knows as many faults, or more."""
    from gameday.errors import GamedayError
    from gameday.exercise.fold import fold
    from gameday.store.port import spill_folders
    from gameday.store.spill import with_spilled

    try:
        standing = fold(with_spilled(store, exercise, spill_folders())).unrecovered
        known = store.unrecovered_entries(exercise)
        if store.summary(exercise).last_seq and all(fault.entry in known for fault in standing):
            click.echo(f"gameday: {path} is left until the journal of {exercise} can be written: {error}", err=True)
            return Exit.FAILED
    except (GamedayError, OSError, ValueError) as unread:
        click.echo(f"gameday: {exercise}: {_why(unread)}", err=True)
    return _not_placed(path, str(error))


def _of_another(path: Path, stores: Sequence[str]) -> Exit:
    """A file is left to the store that it is of, where that one is still there."""
    from gameday.store.address import read_address
    from gameday.store.errors import BadAddress

    try:
        addresses = [read_address(store) for store in stores]
    except BadAddress as error:
        return _not_placed(path, str(error))
    for address in addresses:
        if address.path is None or address.path.exists():
            click.echo(f"{path}: left, it is of another store: gameday recover --store {address.shown}", err=True)
            return Exit.OK
    return _not_placed(path, f"its store, {' or '.join(address.shown for address in addresses)}, is not there")


def _name_all(missing: str) -> Exit:
    """Where there is no store: say what there is for it."""
    from gameday.cli import clerk
    from gameday.store import spill
    from gameday.store.port import spill_folders

    code = Exit.OK
    for folder in spill_folders():
        for path in [*spill.ours(folder, spill.SUFFIX), *spill.ours(folder, clerk.SUFFIX)]:
            code = _not_placed(path, missing)
    return code


def _age(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _why(error: Exception) -> str:
    from gameday.errors import GamedayError

    return str(error) if isinstance(error, GamedayError | OSError) else f"{type(error).__name__}: {error}"


def _not_placed(path: Path, why: str) -> Exit:
    """A fault may stand that no journal knows of: say so, with what the file itself says to do about it."""
    click.echo(f"gameday: {path} is not in any journal: {why}", err=True)
    commands = _commands_in(path)
    click.echo(
        "    a fault may stand that nobody knows of; "
        + ("these commands undo it:" if commands else "look into the file")
        + " (the file stays; remove it when all is well, or name its store with --store)",
        err=True,
    )
    for command in commands:
        click.echo(f"    {command}", err=True)
    return Exit.NOT_RECOVERED


def _commands_in(path: Path) -> list[str]:
    """All commands that stand anywhere in JSON, or in lines of it, once each."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found: dict[str, None] = {}
    for line in lines:
        try:
            _collect(json.loads(line), found)
        except (ValueError, RecursionError):
            # A torn line has been said to be one.
            continue
    return list(found)


def _collect(value: Any, found: dict[str, None]) -> None:
    if isinstance(value, list):
        for one in value:
            _collect(one, found)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key == "commands" and isinstance(one, list):
                found.update((command, None) for command in one if isinstance(command, str))
            else:
                _collect(one, found)


def _same_store(facts: dict[str, Any], store: Store) -> bool:
    """Whether the facts are of a journal in this store."""
    from gameday.store.address import read_address

    return read_address(facts["payload"]["store"]).shown == store.address.shown


def _in_need(store: Store) -> list[str]:
    """Exercises with faults that are not recovered, and those that no living engine runs."""
    needy = [summary.id for summary in store.unrecovered()]
    needy += [summary.id for summary in store.running() if summary.id not in needy]
    return [ident for ident in needy if not store.summary(ident).engine_alive]


def _left_to_their_engines(store: Store) -> Exit:
    """Say which faults an engine looks after. Of one on another machine that is only known from when it last wrote."""
    import socket

    code = Exit.OK
    for summary in store.unrecovered():
        holder = summary.lease.holder
        if holder is None or not summary.engine_alive:
            continue
        if holder.host == socket.gethostname():
            click.echo(f"{summary.id}: left to its engine, which runs", err=True)
            continue
        ago = time.time() - summary.lease.renewed_at
        click.echo(
            f"{summary.id}: its engine on {holder.host} was heard of {ago:.0f} s ago and may be alive: "
            f"try again in half a minute, or stop it with `gameday abort {summary.id}`",
            err=True,
        )
        code = Exit.REFUSED
    return code


def recover_or_say(ident: str, store: str | None, config: Path | None, way: Where | None = None) -> Exit:
    """As `_recover`; what keeps one exercise from being recovered must not keep the next one."""
    from gameday.errors import GamedayError
    from gameday.store.errors import LeaseHeld

    try:
        return _recover(ident, store, config, way)
    except LeaseHeld as error:
        # An engine came up just now, and looks after it.
        click.echo(f"gameday: {ident}: {error}", err=True)
        return Exit.REFUSED
    except (GamedayError, OSError, ValueError) as error:
        click.echo(f"gameday: {ident} could not be recovered: {_why(error)}", err=True)
        if _nothing_stands(ident, store):
            return error.exit_code if isinstance(error, GamedayError) else Exit.FAILED
        return Exit.NOT_RECOVERED


def _nothing_stands(ident: str, store: str | None) -> bool:
    """Whether the journal says that no fault of the exercise is left; False where it can't be asked. Those that are
    left are said, with what undoes them."""
    from gameday.errors import GamedayError
    from gameday.exercise.fold import fold
    from gameday.store.port import spill_folders
    from gameday.store.readable import readable
    from gameday.store.spill import with_spilled

    try:
        with readable(store) as opened:
            nothing = opened.summary(ident).unrecovered == 0 and not opened.unrecovered_entries(ident)
            left = fold(with_spilled(opened, ident, spill_folders())).unrecovered
    except (GamedayError, OSError, ValueError) as error:
        click.echo(f"gameday: {ident}: {_why(error)}", err=True)
        return False
    for fault in left:
        text = f"gameday: NOT RECOVERED: {ident} {fault.entry}: {fault.summary}"
        click.echo("\n".join([text, *(f"    {command}" for command in fault.commands)]), err=True)
    return nothing and not left


def _recover(ident: str, store: str | None, config: Path | None, way: Where | None) -> Exit:
    from gameday.cli.frozen import end_frozen
    from gameday.cli.recover_login import way_in, ways_in
    from gameday.cli.recover_unknown import undo_unknown
    from gameday.cli.resuming import resume
    from gameday.exercise.fold import fold
    from gameday.store import default_url
    from gameday.store.port import spill_folders
    from gameday.store.readable import readable
    from gameday.store.spill import with_spilled

    url = store or default_url()
    with readable(url) as opened:
        lease = opened.lease(ident)
        known, written = with_spilled(opened, ident, spill_folders()), len(opened.records(ident))
    if not lease.held(time.time()):
        # Guardian and engine may be there and stand still; a guardian keeps its claim for as long as it is there.
        for killed in end_frozen(ident, url, lease.holder):
            click.echo(f"{ident}: {killed} stood still and was killed", err=True)
    state = fold(known)
    left = {fault.entry for fault in state.unrecovered}
    # Nobody lived to write its end down: there may have been more to write.
    short = state.phase not in ("interrupted", "ended")
    where = way_in(ident, known[0].event, config, way) if left or short else None
    if left or state.phase != "ended" or len(known) == written:
        click.echo(f"{ident}: undoing what is left", err=True)
        resume(ident, store, mode="recover", before=ways_in(known[0].event, where) if known else ()).wait()
    with readable(url) as opened:
        written = len(opened.records(ident))
        records = with_spilled(opened, ident, spill_folders())
    state = fold(records)
    for fault in state.faults.values():
        click.echo(f"{ident}  {fault.entry}  {fault.stage}  {fault.cleared or fault.error or fault.summary}")
        if fault.stage != "leaked":
            continue
        for command in fault.commands:
            click.echo(f"    {command}")
        if not sys.stdout.isatty():
            # Whoever reads the data, or nobody: people have to see this.
            text = f"gameday: NOT RECOVERED: {ident} {fault.entry}: {fault.error}"
            click.echo("\n".join([text, *(f"    {command}" for command in fault.commands)]), err=True)
    unknown = undo_unknown(state, where) if short else Exit.OK
    if len(records) > written:
        click.echo(
            f"gameday: {ident}: the journal can't be written now, so that what was done is kept beside it: a run on "
            "that target is refused until it can be and `gameday recover` has been called once more",
            err=True,
        )
    elif state.phase == "ended":
        click.echo(f"{ident}: debrief: gameday report {ident}", err=True)
    if state.unrecovered or unknown != Exit.OK:
        return Exit.NOT_RECOVERED
    # What was told when it was undone (by another recovery, say) is not told again.
    unwell = any(fault.unwell for fault in state.faults.values() if fault.entry in left)
    return Exit.FAILED if unwell or len(records) > written else Exit.OK
