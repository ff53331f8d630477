"""`gameday sandbox …`: the shop's operations, for whoever responds in it.

Thin: it asks `control` and prints. Data goes to stdout, talk to stderr.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from gameday.errors import Exit
from gameday.sandbox import control
from gameday.sandbox.shop import WITHOUT

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
        click.echo(f"gameday: {error}", err=True)
        raise click.exceptions.Exit(Exit.INVALID if isinstance(error, control.Refused) else Exit.FAILED) from error


def _sure(what_it_means: str, question: str) -> bool:
    """Say what something means, and on a terminal ask; True where nobody can answer."""
    click.echo(what_it_means, err=True)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    return click.confirm(question, err=True)


def _left_as_it_is() -> None:
    click.echo("left as it is", err=True)
    raise click.exceptions.Exit(Exit.REFUSED)


@click.group()
def sandbox() -> None:
    """A small shop of real processes to break, and to respond in.

    Exit codes: 0 done, 1 no sandbox runs or it does not answer, 2 invalid input, 5 refused before anything was touched.
    """


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
@click.option("--force", is_flag=True, help="Also while an exercise uses it, without a question.")
@_state_dir
def down(force: bool, state_dir: Path | None) -> None:
    """Take the shop down, and wait until no process of it is left.

    While an exercise uses it, it asks first; without a terminal it refuses.
    """
    claim = None if force else control.claimed(state_dir)
    if claim is not None:
        _refuse_or_ask(**claim)
    with _told():
        was_up = control.down(state_dir)
    click.echo("down" if was_up else "no sandbox was running", err=True)


def _refuse_or_ask(exercise: str, store: str) -> None:
    """An exercise has the sandbox: its faults, and whoever responds to them, are in there."""
    where = f" (store {store})" if store else ""
    click.echo(f"gameday: exercise {exercise or 'of an unknown name'}{where} uses this sandbox", err=True)
    if sys.stdin.isatty() and sys.stderr.isatty():
        if click.confirm("Take the shop down under it?", err=True):
            return
        _left_as_it_is()
    stop = f"gameday abort {exercise}" if exercise else "gameday abort"
    click.echo(f"    end it first (`{stop}`), or take the shop down under it with --force", err=True)
    raise click.exceptions.Exit(Exit.REFUSED)


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


@sandbox.command(context_settings={"ignore_unknown_options": True})  # -1 is a wrong number, not an option
@click.argument("service")
@click.argument("replicas", type=int, metavar="N")
@click.option("--yes", is_flag=True, help="Ask nothing, also with N = 0.")
@_state_dir
def scale(service: str, replicas: int, yes: bool, state_dir: Path | None) -> None:
    """Have N instances of SERVICE. Those that don't serve are the first to go.

    With none at all nothing answers for the service; on a terminal it asks before that.
    """
    if replicas == 0 and service in WITHOUT and not yes:
        meaning = f"without any instance of {service} {WITHOUT[service]}"
        if not _sure(meaning, f"Have no instance of {service}?"):
            _left_as_it_is()
    with _told():
        done = control.scale(control.running(state_dir), service, replicas)
    click.echo(f"{service}: {done['before']} → {done['replicas']}", err=True)


@sandbox.command()
@click.argument("name")
@click.argument("state", metavar="on|off", type=click.Choice(["on", "off"]))
@_state_dir
def flag(name: str, state: str, state_dir: Path | None) -> None:
    """Turn the feature flag NAME on or off."""
    with _told():
        control.flag(control.running(state_dir), name, state == "on")
    click.echo(f"{name} is {state}", err=True)


@sandbox.command()
@click.argument("service")
@click.option("--to", metavar="VERSION", help="This version, be it an earlier or a later one.")
@_state_dir
def rollback(service: str, to: str | None, state_dir: Path | None) -> None:
    """Bring SERVICE back to the version before this one.

    Said twice it does not lead forward again: that takes --to.
    """
    with _told():
        done = control.rollback(control.running(state_dir), service, to)
    version, before, versions = done["version"], done["before"], done["versions"]
    if version != before:
        click.echo(f"{service}: {before} → {version}", err=True)
    elif to is not None:
        click.echo(f"{service} is at {version} already; nothing was changed", err=True)
    else:
        forward = f"to go forward again: gameday sandbox rollback {service} --to {versions[-1]}"
        click.echo(f"{service} is back at {version} already, the earliest version; nothing was changed", err=True)
        click.echo(forward, err=True)


@sandbox.command()
@_state_dir
@_as_json
def ledger(state_dir: Path | None, as_json: bool) -> None:
    """Show what was done to the shop and when, by its own account, and what still stands."""
    from gameday.sandbox import ledger as book

    folder = state_dir or control.default_state_dir()
    if not (folder / "ledger").is_dir():
        click.echo(f"gameday: there is no ledger in {folder}: no sandbox ever ran there", err=True)
        raise click.exceptions.Exit(Exit.FAILED)
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
