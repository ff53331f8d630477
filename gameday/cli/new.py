"""`gameday new`: write a scenario file to start from. Asks only where somebody can answer; overwrites nothing.

An editor completes a scenario by the schema that its first line names. Where none lies around it is written beside the
file: a path into this installation would mean nothing to whoever gets the file next.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click

from gameday.errors import UsageError

_SCHEMA = "scenario.schema.json"
_TITLE = "Something breaks on a Tuesday"


@click.command()
@click.argument("path", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--template", type=click.Choice(["tabletop", "sandbox"]), help="A story for a room, or a real fault on the sandbox."
)
@click.option("--title", help="What goes wrong, in one line.")
def new(path: Path | None, template: str | None, title: str | None) -> None:
    """Write a new scenario file to start from.

    Without PATH the file is named after the title, in this folder. On a terminal it asks for what is not given. Prints
    the path of the file. The schema by which editors complete it is written beside it, unless one lies around.
    """
    from gameday.scenario.templates import filled

    asks = sys.stdin.isatty() and sys.stderr.isatty()
    if title is None:
        title = click.prompt("What goes wrong, in one line", default=_TITLE, err=True) if asks else _TITLE
    if not title.strip():
        raise UsageError("--title is empty: say what goes wrong, in one line")
    if template is None:
        choice = click.Choice(["tabletop", "sandbox"])
        asked = "A story for a room (tabletop), or a real fault (sandbox)"
        template = click.prompt(asked, type=choice, default="tabletop", err=True) if asks else "tabletop"
    path = path or Path(_file_name(title))
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{path}: a scenario file ends in .yaml")
    schema = _schema_for(path)
    named = schema or f"./{_SCHEMA}"
    text = filled(template, title=title, path=str(path), schema=named)
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            raise UsageError(f"{path} exists already and is left as it is: name another file") from None
        raise UsageError(f"{path} can't be written: {error.strerror or error}") from None
    click.echo(path)
    if schema is None:
        _write_schema(path.parent / _SCHEMA)
    click.echo(f"Change the story, then check it with `gameday validate {path}`.", err=True)


def _file_name(title: str) -> str:
    words = re.findall(r"[a-z0-9]+", title.lower())
    return f"{'-'.join(words)[:60].strip('-') or 'scenario'}.yaml"


def _write_schema(path: Path) -> None:
    """For the editor alone: the scenario is whole without it."""
    from gameday.faults.catalogue import catalogue
    from gameday.scenario.schema import schema_text

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(schema_text(catalogue()))
    except OSError as error:
        said = f"hint: editors will miss {path} ({error.strerror or error}): `gameday schema > {path}` writes it"
        click.echo(said, err=True)
    else:
        click.echo(f"Editors complete it by {path}, written beside it.", err=True)


def _schema_for(path: Path) -> str | None:
    """Where an editor finds a schema that lies around `path`, relative to it; None where none does."""
    folder = path.absolute().parent
    for around in (folder, *folder.parents[:3]):
        for candidate in (around / _SCHEMA, around / "scenarios" / _SCHEMA):
            if candidate.is_file():
                relative = Path(os.path.relpath(candidate, folder)).as_posix()
                return relative if relative.startswith(".") else f"./{relative}"
    return None
