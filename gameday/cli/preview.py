"""`gameday preview`: what exactly a scenario would touch. Touches nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gameday.errors import Exit

if TYPE_CHECKING:
    from gameday.console.preview_model import FaultPreview, PreviewModel


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--target", metavar="NAME", help="Where it would run.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the scenario.")
@click.option("--confirm", metavar="NAME", help="Needed for a production target: its name.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings, if not gameday.toml.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def preview(
    scenario: Path, target: str | None, pairs: tuple[str, ...], confirm: str | None, config: Path | None, as_json: bool
) -> int:
    """Say what exactly SCENARIO would touch, how each fault is undone and verified, and whether each probe answers.

    Ends with 5 where a run would be refused.
    """
    from gameday.cli.options import parse_assignments
    from gameday.cli.previewing import preview_of
    from gameday.targets.settings import load_settings

    settings = load_settings(explicit=config)
    shown = preview_of(scenario, target=target, parameters=parse_assignments(pairs), settings=settings, confirm=confirm)
    if as_json:
        click.echo(json.dumps(asdict(shown), default=str, indent=2))
    else:
        click.echo("\n".join(_lines(shown)))
    return Exit.REFUSED if shown.refusals or any(fault.error for fault in shown.faults) else Exit.OK


def _lines(shown: PreviewModel) -> list[str]:
    lines = [shown.title, f"target {shown.target}, environment {shown.environment}; nothing was touched"]
    for text in shown.refusals:
        lines.append(f"REFUSED  {text}")
    for text in shown.warnings:
        lines.append(f"note     {text}")
    if shown.faults:
        lines += ["", "Faults"]
    for fault in shown.faults:
        lines.append(f"  {fault.when}: {fault.summary}")
        lines += [f"      {name:<10} {value}" for name, value in _fault_rows(fault) if value]
    if shown.injects:
        lines += ["", "Injects"]
        lines += [f"  {one.when}{f' to {one.audience}' if one.audience else ''}: {one.text}" for one in shown.injects]
    if shown.conditions:
        lines += ["", "Aborts when"]
        lines += [
            f"  {one.name}: {one.limit}  [{'answers now: ' if one.answers else 'NO ANSWER NOW: '}{one.value}]"
            for one in shown.conditions
        ]
    if shown.expectations:
        lines += ["", "Expected", *(f"  {text}" for text in shown.expectations)]
    return lines


def _fault_rows(fault: FaultPreview) -> list[tuple[str, str]]:
    return [
        ("touches", ", ".join(fault.targets)),
        ("effective", fault.effective),
        ("undone by", fault.undo),
        ("recovered", fault.recovered),
        ("CAN'T NOW", fault.error),
    ]
