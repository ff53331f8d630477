"""Options and warnings that many commands share. Opens stores; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gameday.errors import UsageError
from gameday.store.address import ENVIRONMENT

if TYPE_CHECKING:
    from gameday.store.address import Address
    from gameday.store.store import Store

Command = TypeVar("Command", bound=Callable[..., Any])


def store_option(command: Command) -> Command:
    """`--store URL`: the command gets it as `store`, in one form however it was written.

    Said by the option, else by `$GAMEDAY_STORE`, else by gameday.toml, else a file of the user's own.
    """
    option = click.option(
        "--store",
        metavar="URL",
        envvar=ENVIRONMENT,
        callback=_which_store,
        help="Where journals are kept: a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE. "
        f"[env: {ENVIRONMENT}; default: a file under $XDG_STATE_HOME]",
    )
    return option(command)


def config_option(command: Command) -> Command:
    """`--config FILE`: the command gets it as `config`. Read before all others, since it may say where the store is."""
    option = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        is_eager=True,
        help="Settings, if not gameday.toml.",
    )
    return option(command)


def _which_store(ctx: click.Context, _: click.Parameter, said: str | None) -> str:
    from gameday.store.address import canonical, default_url

    if ctx.command.name == "doctor":
        # That one says itself what is wrong with the settings or the address, among everything else it has found.
        return said or ""
    # A run checks the settings as a whole, before anything else is done but not before everything is imported for it.
    unchecked = ctx.command.name == "run"
    url = canonical(said or _from_settings(ctx.params.get("config"), unchecked=unchecked) or default_url())
    if not ctx.resilient_parsing and ctx.command.name not in ("abort", "recover"):
        warn_standing(url)
    return url


def _from_settings(explicit: Path | None, *, unchecked: bool) -> str | None:
    from gameday.targets.finding import find_settings, read_document

    path = explicit if explicit is not None else find_settings()
    if path is None:
        return None
    if unchecked:
        section = read_document(path)[1].get("store")
        if section is None or (isinstance(section, dict) and isinstance(section.get("url"), str)):
            return (section or {}).get("url")
    from gameday.targets.settings import load_settings

    return load_settings(explicit=path).store.url


def warn_standing(url: str) -> None:
    """Say loudly on stderr which faults a journal knows that are not recovered and that no engine looks after."""
    from gameday.store.address import read_address
    from gameday.store.quick import standing

    address = read_address(url)
    if address.path is None:
        # Only SQLite can be asked in a moment; commands that open PostgreSQL anyway warn by themselves.
        return
    for one in standing(address.path):
        _warn(one.exercise, one.scenario, one.target, one.faults, address)


def _warn(exercise: str, scenario: str, target: str, count: int, address: Address) -> None:
    faults = "1 fault is" if count == 1 else f"{count} faults are"
    text = (
        f"gameday: NOT RECOVERED: {faults} not undone on {target} since exercise {exercise} ({scenario}): "
        f"run `gameday recover {exercise}{_store_words(address)}` now"
    )
    click.secho(text, err=True, fg="red", bold=True)


def parse_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """`--set` values by name; the last of several counts.

    Raises:
        UsageError: one of them is not NAME=VALUE.
    """
    values = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {assignment}: write NAME=VALUE, e.g. --set outage=10m")
        values[name.strip()] = value
    return values


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
    """The same as `warn_standing`, for a store that is open and that it could not ask."""
    if store.address.kind == "sqlite":
        return
    for summary in store.unrecovered():
        if not summary.engine_alive:
            _warn(summary.id, summary.scenario, summary.target, summary.unrecovered, store.address)


def _store_words(address: Address) -> str:
    """What a pasted command has to say to mean the same store."""
    from gameday.store.address import default_url, read_address

    if read_address(default_url()) == address:
        return ""
    # A URL is shown without its password, so it can't be pasted.
    return f" --store {address.shown}" if address.kind == "sqlite" else " --store URL"
