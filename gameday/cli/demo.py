"""`gameday demo`: a whole game day on this machine, with one command."""

from __future__ import annotations

from pathlib import Path

import click

from gameday.cli.options import store_option


@click.command()
@click.option("--unattended", is_flag=True, help="Do not open the console even where there is a terminal.")
@click.option("--plain", is_flag=True, help="One line per event instead of the console.")
@click.option(
    "--reports", type=click.Path(path_type=Path), default=Path("reports"), metavar="DIR", help="Where the debrief goes."
)
@store_option
def demo(unattended: bool, plain: bool, reports: Path, store: str | None) -> int:
    """Bring the sandbox up, take its payments away, respond, undo, debrief, and take everything down again.

    With a terminal it opens the console and you respond. Without one it runs unattended; what people would have been
    expected to do then reads "not observed".
    """
    from gameday.cli.run import can_be_written, has_terminal, start_and_follow
    from gameday.cli.shipped import shipped_scenarios
    from gameday.cli.staging import payload_of, say, stage
    from gameday.targets.settings import load_settings

    can_be_written(reports)
    path = shipped_scenarios() / "sandbox" / "payment-outage.yaml"
    alone = unattended or not (has_terminal() or plain)
    # Somebody who responds for the first time needs longer than a demonstration has.
    parameters = {} if alone else {"outage": "4m"}
    if alone:
        why = "" if unattended else ", since there is no terminal for the console"
        say(f"an outage of a shop's payments, rehearsed on this machine: less than a minute, unattended{why}")
    staged = stage(path, target="sandbox", parameters=parameters, settings=load_settings(), confirm=None, say=say)
    if not alone:
        say(f"the shop's status page: {staged.target.names['storefront']}")
    payload = payload_of(staged, store=store, attended=not alone)
    return start_and_follow(staged, payload, folder=reports, plain=plain or alone)
