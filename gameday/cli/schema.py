"""`gameday schema`: the JSON Schema of scenario files, printed, or compared with a file that ships it."""

from __future__ import annotations

from pathlib import Path

import click

from gameday.errors import Exit, UsageError


@click.command()
@click.option(
    "--check",
    "file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Print nothing; exit 1 if FILE is not this schema.",
)
def schema(file: str | None) -> int:
    """Print the JSON Schema of scenario files.

    Editors that know YAML schemas complete and underline with it: begin a scenario with
    `# yaml-language-server: $schema=PATH`.
    """
    from gameday.faults.catalogue import catalogue
    from gameday.scenario.schema import schema_text

    text = schema_text(catalogue())
    if file is None:
        click.echo(text, nl=False)
        return Exit.OK
    try:
        shipped = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--check {file}: can't be read: {error}") from error
    if shipped != text:
        click.echo(f"{file} is not the schema of these models: write it again with `gameday schema > {file}`", err=True)
        return Exit.FAILED
    return Exit.OK
