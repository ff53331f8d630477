"""`gameday sandbox …`: the shop's operations, for whoever responds in it.

Thin: it asks `control` and prints. Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 no sandbox runs (or it
doesn't answer), 2 the request makes no sense.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from gameday.sandbox import control

_FAILED = 1
_INVALID = 2

_state_dir = click.option(
    "--state-dir",
    envvar="GAMEDAY_SANDBOX",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the sandbox keeps its state.  [default: ~/.local/state/gameday/sandbox]",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@contextmanager
def _told() -> Iterator[None]:
    """Turn the sandbox's errors into a message on stderr and an exit code."""
    try:
        yield
    except control.SandboxError as error:
        click.echo(f"error: {error}", err=True)
        raise click.exceptions.Exit(_INVALID if isinstance(error, control.Refused) else _FAILED) from error


@click.group()
def sandbox() -> None:
    """A small shop of real processes to break, and to respond in."""


@sandbox.command()
@_state_dir
def up(state_dir: Path | None) -> None:
    """Bring the shop up, and print the address of its status page."""
    with _told():
        found, started = control.up(state_dir, on_progress=lambda text: click.echo(text, err=True))
    if not started:
        click.echo("it is up already", err=True)
    click.echo(f"{found.storefront}/")


@sandbox.command()
@_state_dir
def down(state_dir: Path | None) -> None:
    """Take the shop down, and wait until no process of it is left."""
    with _told():
        was_up = control.down(state_dir)
    click.echo("down" if was_up else "no sandbox was running", err=True)


@sandbox.command()
@_state_dir
@_as_json
def status(state_dir: Path | None, as_json: bool) -> None:
    """Show services, instances, flags, faults and deploys."""
    with _told():
        found = control.running(state_dir)
        shown = control.status(found)
    if as_json:
        click.echo(json.dumps({"addresses": found.info, **shown}, indent=2))
        return
    for line in _status_lines(found, shown):
        click.echo(line)


def _status_lines(found: control.Sandbox, shown: dict[str, Any]) -> Iterator[str]:
    yield f"status page  {found.storefront}/"
    yield ""
    rows = [("SERVICE", "READY", "INSTANCE", "STATE", "PID", "VERSION", "RESTARTS")]
    for name, service in shown["services"].items():
        ready = f"{service['ready']}/{service['desired']}"
        for index, one in enumerate(service["instances"] or [None]):
            first = (name, ready) if index == 0 else ("", "")
            if one is None:
                rows.append((*first, "-", "-", "-", service["version"], "-"))
                continue
            pid = str(one["pid"] or "-")
            rows.append((*first, one["name"], one["state"], pid, one["version"], str(one["restarts"])))
    yield from _table(rows)
    yield ""
    yield from _table(
        [("FLAG", "", ""), *((n, "on" if on else "off", _flag_text(shown, n)) for n, on in _flags(shown))]
    )
    if shown["faults"]:
        yield ""
        faults = [(f["id"], f["service"], str(f["status"]), f"{f['share']:.0%}") for f in shown["faults"]]
        yield from _table([("ERROR RATE", "SERVICE", "STATUS", "SHARE"), *faults])
    yield ""
    now = shown["wall"]
    deploys = [(_ago(now - d["wall"]), d["service"], d["version"], d["kind"]) for d in reversed(shown["deploys"])]
    yield from _table([("DEPLOYED", "SERVICE", "VERSION", ""), *deploys])


def _flags(shown: dict[str, Any]) -> list[tuple[str, bool]]:
    return list(shown["flags"].items())


def _flag_text(shown: dict[str, Any], name: str) -> str:
    return str(shown["flag_texts"][name])


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"


@sandbox.command()
@click.argument("service")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is being written.")
@_as_json
@_state_dir
def logs(service: str, follow: bool, as_json: bool, state_dir: Path | None) -> None:
    """Show the logs of all instances of SERVICE, in the order of time."""
    with _told():
        for line in control.logs(control.running(state_dir), service, follow=follow):
            click.echo(line if as_json else _log_line(line))


def _log_line(line: str) -> str:
    try:
        entry = json.loads(line)
        head = f"{entry.pop('time')[11:23]} {entry.pop('level'):<7} {entry.pop('instance'):<12} {entry.pop('event')}"
    except (ValueError, KeyError, AttributeError, TypeError):
        return line  # What a crashing process says is not JSON.
    del entry["service"]
    fields = " ".join(f"{name}={_field(value)}" for name, value in entry.items() if value is not None)
    return f"{head}  {fields}"


def _field(value: Any) -> str:
    text = str(value)
    return json.dumps(text) if " " in text else text


@sandbox.command()
@click.argument("service")
@click.argument("replicas", type=int, metavar="N")
@_state_dir
def scale(service: str, replicas: int, state_dir: Path | None) -> None:
    """Have N instances of SERVICE. Those that don't serve are the first to go."""
    with _told():
        done = control.scale(control.running(state_dir), service, replicas)
    click.echo(f"{service}: {done['before']} → {done['replicas']}", err=True)


@sandbox.command()
@click.argument("name")
@click.argument("state", type=click.Choice(["on", "off"]))
@_state_dir
def flag(name: str, state: str, state_dir: Path | None) -> None:
    """Turn the feature flag NAME on or off."""
    with _told():
        control.flag(control.running(state_dir), name, state == "on")
    click.echo(f"{name} is {state}", err=True)


@sandbox.command()
@click.argument("service")
@_state_dir
def rollback(service: str, state_dir: Path | None) -> None:
    """Bring SERVICE back to the version before this one."""
    with _told():
        done = control.rollback(control.running(state_dir), service)
    click.echo(f"{service}: {done['before']} → {done['version']}", err=True)


@sandbox.command()
@_state_dir
@_as_json
def ledger(state_dir: Path | None, as_json: bool) -> None:
    """Show what was done to the shop and when, by its own account, and what still stands."""
    from gameday.sandbox import ledger as book

    folder = state_dir or control.default_state_dir()
    if not (folder / "ledger").is_dir():
        click.echo(f"error: there is no ledger in {folder}: no sandbox ever ran there", err=True)
        raise click.exceptions.Exit(_FAILED)
    lines = book.read(folder)
    if as_json:
        for line in lines:
            click.echo(json.dumps(vars(line)))
        return
    rows = [("TIME (UTC)", "PROCESS", "WHAT", "")]
    for line in lines:
        moment = time.strftime("%H:%M:%S", time.gmtime(line.wall)) + f".{int(line.wall % 1 * 1000):03d}"
        detail = " ".join(f"{name}={_field(value)}" for name, value in line.detail.items())
        rows.append((moment, line.process, line.what, detail))
    for text in _table(rows):
        click.echo(text)
    standing = book.standing(lines)
    click.echo(f"standing: {'; '.join(standing) if standing else 'nothing'}", err=True)
