"""`gameday import`: a file of another tool as a scenario. Runs nothing, imports no module that the file names."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gameday.errors import Exit, UsageError


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to; stdout unless said.")
def import_(file: Path, output: Path | None) -> int:
    """Turn FILE into a scenario: a Chaos Toolkit experiment, or manifests of Chaos Mesh, in JSON or YAML.

    What can't be carried over is listed on stderr, with its place and the reason, and in comments at the top of the
    scenario. Then the exit code is 1, and the scenario is written all the same; 2 where there is nothing in FILE that
    can be carried over. Manifests select pods and scenarios name services: the tables that say which pods those are,
    for gameday.toml, are on stderr and at the top, too. A scenario with faults and no abort condition is not run until
    it has one, or `gameday run` is given --no-abort-condition.
    """
    from gameday.interchange.chaos_mesh.reading import is_manifest
    from gameday.interchange.files import Imported, from_chaos_mesh, from_chaostoolkit, told
    from gameday.scenario.reading import decode, read

    name = os.fspath(file)
    content = read(name)
    text = decode(content, name)
    if is_manifest(content, name):
        found = from_chaos_mesh(content, text, name)
    else:
        found = Imported(*from_chaostoolkit(content, text, name))
    for loss in found.losses:
        click.echo(loss.located(name), err=True)
    for line in told(found.services):
        click.echo(line, err=True)
    written(found.text, output)
    if found.unguarded:
        click.echo(
            f"{name}: there are faults and no abort condition: write abort_when: with what must never happen, or run "
            "it with --no-abort-condition",
            err=True,
        )
    return Exit.FAILED if any(loss.lost for loss in found.losses) else Exit.OK


def written(text: str, output: Path | None) -> None:
    """`text` on stdout, or in a file, which is not there yet.

    Raises:
        UsageError: it is there, or can't be written.
    """
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{output} exists already and is left as it is: name another file") from None
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UsageError(f"{output} can't be written: {why}") from None
    click.echo(output)
