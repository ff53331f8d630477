"""Options and warnings that many commands share. Opens stores; decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gameday.store.address import ENVIRONMENT

if TYPE_CHECKING:
    from gameday.store.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])


def store_option(command: Command) -> Command:
    """`--store URL`: the command gets it as `store`, None where neither it nor `$GAMEDAY_STORE` is set."""
    option = click.option(
        "--store",
        metavar="URL",
        envvar=ENVIRONMENT,
        help="Where journals are kept: a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE. "
        f"[env: {ENVIRONMENT}; default: a file under $XDG_STATE_HOME]",
    )
    return option(command)


def open_existing(url: str | None) -> Store | None:
    """The store if there is one; else None, said on stderr. For commands that only read."""
    from gameday.store import open_store
    from gameday.store.errors import StoreMissing

    try:
        return open_store(url, create=False)
    except StoreMissing as error:
        click.echo(f"gameday: {error}", err=True)
        return None


def warn_unrecovered(store: Store) -> None:
    """Say loudly on stderr which faults the journal knows that are not recovered and that no engine looks after."""
    named = _store_words(store)
    for summary in store.unrecovered():
        if summary.status in ("running", "paused", "interrupted") and summary.engine_alive:
            continue
        faults = "1 fault is" if summary.unrecovered == 1 else f"{summary.unrecovered} faults are"
        text = (
            f"gameday: NOT RECOVERED: {faults} not undone on {summary.target} since exercise {summary.id} "
            f"({summary.scenario}): run `gameday recover {summary.id}{named}` now"
        )
        click.secho(text, err=True, fg="red", bold=True)


def _store_words(store: Store) -> str:
    """What a pasted command has to say to mean the same store."""
    from gameday.store.address import default_url, read_address

    if read_address(default_url()) == store.address:
        return ""
    # A URL is shown without its password, so it can't be pasted.
    return f" --store {store.address.shown}" if store.address.kind == "sqlite" else " --store URL"
