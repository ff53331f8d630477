"""`gameday preview`: what exactly a scenario would touch. Touches nothing."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gameday.cli.options import config_option, store_option
from gameday.errors import Exit

if TYPE_CHECKING:
    from gameday.console.preview_model import FaultPreview, PreviewModel

_WIDTH = 110
"""Columns at most; also those of a pipe."""
_COLUMN = 38
"""Columns at most of what stands at the left of a longer text."""


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--target", metavar="NAME", help="Where it would run.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the scenario.")
@click.option("--seed", type=int, help="Choose instances as a run with this seed does.")
@click.option("--confirm", metavar="NAME", help="Needed for a production target: its name.")
@click.option("--engine", "engines", multiple=True, metavar="FAULT=ENGINE", help="On a cluster: what does a fault.")
@click.option("--despite-faults", is_flag=True, help="As with run: faults of an earlier exercise refuse nothing.")
@click.option("--no-abort-condition", is_flag=True, help="As with run: what was imported needs none.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@store_option
def preview(
    scenario: Path,
    target: str | None,
    pairs: tuple[str, ...],
    seed: int | None,
    confirm: str | None,
    engines: tuple[str, ...],
    despite_faults: bool,
    no_abort_condition: bool,
    config: Path | None,
    as_json: bool,
    store: str,
) -> int:
    """Say what exactly SCENARIO would touch, how each fault is undone and verified, and whether each probe answers.

    Ends with 5 where a run would be refused: by policy, by a fault that can't be done within the limits, by another
    exercise on the target, or by faults that stand there.
    """
    from gameday.cli.clusters import engine_choices
    from gameday.cli.options import parse_assignments
    from gameday.cli.previewing import preview_of
    from gameday.targets.settings import load_settings

    shown = preview_of(
        scenario,
        target=target,
        parameters=parse_assignments(pairs),
        settings=load_settings(explicit=config),
        store=store,
        confirm=confirm,
        engines=engine_choices(engines),
        despite_faults=despite_faults,
        no_abort_condition=no_abort_condition,
        seed=seed,
    )
    if as_json:
        click.echo(json.dumps(asdict(shown), default=str, indent=2, ensure_ascii=False))
    else:
        width = min(_WIDTH, shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH)
        click.echo("\n".join(_lines(shown, max(width, 60))))
    return Exit.REFUSED if shown.refusals or any(fault.error for fault in shown.faults) else Exit.OK


def _lines(shown: PreviewModel, width: int) -> Iterator[str]:
    yield shown.title
    where = "a tabletop" if shown.target == "none" else f"on {shown.target}, environment {shown.environment}"
    yield f"{where}; nothing was touched"
    for text in shown.refusals:
        yield from _wrapped("REFUSED  ", text, width)
    for text in shown.warnings:
        yield from _wrapped("Note     ", text, width)
    if shown.steady_state:
        yield from _title("Must hold before, and again after")
        yield from _table(
            [
                (one.name, one.wanted, _now(one.answers, one.value, "" if one.holds else "DOES NOT HOLD, "))
                for one in shown.steady_state
            ],
            width,
        )
    yield from _title("Touched" if shown.faults else "Nothing is touched: there are no faults")
    for fault in shown.faults:
        yield from _wrapped(f"  {fault.when:<16}  ", fault.headline, width)
        for label, text in _fault_rows(fault):
            if text:
                yield from _wrapped(f"{'':20}{label:<12}", text, width)
    if shown.conditions:
        yield from _title("Aborts, and undoes everything")
        yield from _table([(one.name, one.when, _now(one.answers, one.value)) for one in shown.conditions], width)
    if shown.injects:
        yield from _title("People are told")
        yield from _table(
            [(one.when, f"{f'to {one.audience}: ' if one.audience else ''}{one.text}") for one in shown.injects], width
        )
    if shown.asked:
        yield from _title("Asked on the way")
        yield from _table([(one.when, one.text) for one in shown.asked], width)
    if shown.expectations:
        yield from _title("Expected")
        for text in shown.expectations:
            yield from _wrapped("  ", text, width)
    yield from _title("Limits")
    yield from _table(
        [(one.name, f"{one.value}{' (default)' if one.default else ''}", one.meaning) for one in shown.limits], width
    )


def _title(text: str) -> tuple[str, str]:
    return "", text


def _now(answers: bool | None, value: str, judged: str = "") -> str:
    if answers is None:
        return value
    return f"{judged}now {value}" if answers else f"NO ANSWER NOW: {value}"


def _table(rows: Sequence[tuple[str, ...]], width: int) -> Iterator[str]:
    """Rows whose columns stand beneath each other; the last column is wrapped under itself."""
    widths = [min(_COLUMN, max(map(len, column))) for column in list(zip(*rows, strict=True))[:-1]]
    for row in rows:
        lead = "".join(f"  {text:<{room}}" for text, room in zip(row, widths, strict=False))
        yield from _wrapped(f"{lead}  ", row[-1], width)


def _wrapped(lead: str, text: str, width: int) -> list[str]:
    """`text` behind `lead`, its further lines under its first."""
    indent = min(len(lead), width // 2)
    return textwrap.wrap(
        text,
        width,
        initial_indent=lead,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [lead.rstrip()]


def _fault_rows(fault: FaultPreview) -> list[tuple[str, str]]:
    if fault.error:
        # How it would be undone is of no use to anybody.
        return [("CAN'T NOW", fault.error), ("instead", fault.instead)]
    return [
        ("touches", fault.touches),
        ("by", fault.engine),
        *(("note", note) for note in fault.notes),
        ("in effect", fault.effective and f"when {fault.effective}"),
        ("undone by", fault.undo),
        ("recovered", fault.recovered and f"when {fault.recovered}"),
    ]
