"""`gameday recover`: whatever the journals know of and is not recovered is undone, or reported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from gameday.cli.options import store_option
from gameday.errors import Exit

if TYPE_CHECKING:
    from gameday.store.store import Store


@click.command()
@click.argument("exercise", metavar="[ID]", required=False)
@store_option
def recover(exercise: str | None, store: str | None) -> int:
    """Undo every fault that a journal knows of and that nobody looks after: the engine died, the machine was off.

    Without ID: of all exercises. Ends with 4 where something is still not recovered, with the commands to paste, and
    with 5 where an engine on another machine was heard of so lately that it may be alive.
    """
    from gameday.store import open_store

    with open_store(store, create=False) as opened:
        _absorb(opened)
        wanted = [opened.resolve(exercise)] if exercise else _in_need(opened)
        left = Exit.OK if exercise else _left_to_their_engines(opened)
    if not wanted and left == Exit.OK:
        click.echo("nothing to recover")
    codes = {left, *(_recover(ident, store) for ident in wanted)}
    return Exit.NOT_RECOVERED if Exit.NOT_RECOVERED in codes else max(codes)


def _absorb(store: Store) -> None:
    """Facts and records that could not be written at their time."""
    from gameday.cli import clerk
    from gameday.store.port import spill_folders
    from gameday.store.spill import absorb

    for folder in spill_folders():
        for ident in absorb(store, folder):
            click.echo(f"{ident}: records that had been spilled are in the journal now", err=True)
        for path in sorted(folder.glob(f"*{clerk.SUFFIX}")):
            facts = json.loads(path.read_text())
            if not _same_store(facts, store):
                continue
            clerk.write_down(store, facts)
            path.unlink()
            click.echo(f"{facts['exercise']}: what its guardian did is in the journal now", err=True)


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
    import time

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


def _recover(ident: str, store: str | None) -> Exit:
    from gameday.cli.resuming import resume
    from gameday.exercise.fold import fold
    from gameday.store import open_store

    click.echo(f"{ident}: undoing what is left", err=True)
    resume(ident, store, mode="recover").wait()
    with open_store(store, create=False) as opened:
        state = fold(opened.records(ident))
    for fault in state.faults.values():
        click.echo(f"{ident}  {fault.entry}  {fault.stage}  {fault.cleared or fault.error or fault.summary}")
        for command in fault.commands if fault.stage == "leaked" else ():
            click.echo(f"    {command}")
    return Exit.NOT_RECOVERED if state.unrecovered else Exit.OK
