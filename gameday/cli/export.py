"""`gameday export`: a scenario in another tool's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gameday.cli.import_ import written
from gameday.cli.options import config_option, parse_assignments
from gameday.errors import Exit, RefusedError

if TYPE_CHECKING:
    from gameday.engine.ports import TargetInfo
    from gameday.targets.settings import Settings


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--to", "tool", type=click.Choice(["chaostoolkit"]), required=True, help="Whose format it is to have.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to; stdout unless said.")
@click.option("--target", metavar="NAME", help="The target whose addresses are written out.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the scenario.")
@config_option
def export(
    scenario: Path, tool: str, output: Path | None, target: str | None, pairs: tuple[str, ...], config: Path | None
) -> int:
    """Turn SCENARIO into an experiment, in JSON, that `chaos validate` accepts and `chaos run` runs.

    What has no counterpart there (abort conditions, injects, expectations, limits) is listed on stderr, and the exit
    code is then 1; the experiment is written all the same. For a target of kind kubernetes portable faults become
    activities of chaosk8s, as far as it does them soundly: pod-kill, node-cordon, dependency-outage by scale or policy,
    network-partition from everybody. The cluster may be asked for that, and is only read. What can't be expressed is
    refused (exit code 5).
    """
    from gameday.faults.catalogue import catalogue
    from gameday.interchange.chaostoolkit.exporting import exported
    from gameday.interchange.chaostoolkit.portable import CantExport
    from gameday.interchange.files import load_file
    from gameday.interchange.losses import Losses
    from gameday.targets.published import known_targets
    from gameday.targets.settings import load_settings

    settings = load_settings(explicit=config)
    loaded = load_file(
        scenario,
        catalogue=catalogue(),
        parameters=parse_assignments(pairs),
        preset=settings.severity.preset,
        targets=known_targets(settings, target),
    )
    info = _target(target or loaded.scenario.target or "none", settings)
    losses = Losses(lambda way: loaded.locate(way)[1:] if loaded.scenario.imported is None else None)
    try:
        experiment = exported(loaded.document, info.to_json(), losses)
    except CantExport as error:
        raise RefusedError("\n".join(f"{scenario}: {line}" for line in str(error).splitlines())) from None
    for loss in losses:
        click.echo(loss.located(str(scenario)), err=True)
    written(json.dumps(experiment, indent=2, ensure_ascii=False) + "\n", output)
    return Exit.FAILED if losses.any_lost else Exit.OK


def _target(name: str, settings: Settings) -> TargetInfo:
    """The target, as far as it is known without reaching it; the sandbox has addresses only while it is up."""
    from gameday.sandbox import control as sandbox
    from gameday.targets.resolving import check_target, resolve

    info = check_target(name, settings)
    box = sandbox.find() if info.kind == "sandbox" else None
    if box is None:
        return info
    return resolve(name, settings, sandbox_info={**box.info, "state_dir": str(box.state_dir)})
