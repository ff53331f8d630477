"""`gameday report`: the debrief of one exercise as files. Reads the journal; writes nothing into it."""

from __future__ import annotations

from pathlib import Path

import click

from gameday.cli.options import store_option, warn_unrecovered
from gameday.errors import Exit, UsageError


@click.command(short_help="Write the debrief of an exercise.")
@click.argument("exercise", metavar="[ID]", required=False)
@click.option(
    "--format", "formats", default="md,html,json", show_default=True, metavar="LIST", help="Any of md, html and json."
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports"),
    show_default=True,
    metavar="DIR",
    help="Where the files go; made if it isn't there.",
)
@store_option
def report(exercise: str | None, formats: str, output: Path, store: str | None) -> int:
    """Write the debrief of an exercise and print the files' paths.

    ID may be the beginning of one; without it, the latest. A running exercise gets a debrief of what is known so far.
    """
    from gameday.cli.resuming import as_it_stands
    from gameday.debrief.previous import previous_actions
    from gameday.debrief.write import FORMATS, write_debrief
    from gameday.store import open_store

    wanted = [name.strip().lower() for name in formats.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise UsageError(f"--format {formats}: choose from {', '.join(FORMATS)}, separated by commas")
    with open_store(store, create=False) as opened:
        warn_unrecovered(opened)
        found = opened.resolve(exercise)
        records = as_it_stands(opened, found)
        previous = previous_actions(opened, records)
    if not records:
        raise UsageError(f"the journal of {found} is empty: there is nothing to write a debrief of")
    for path in write_debrief(records, output, wanted, previous=previous):
        click.echo(path)
    return Exit.OK
