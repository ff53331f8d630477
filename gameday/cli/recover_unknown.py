"""What an exercise left on its target that its own journal does not know of.

Where nobody lived to write down the end, engine and guardian were killed together. Then nothing in the journal says
that it is whole: the log beside an SQLite file (`-wal`) may be lost, or the file be an old copy, and with it what was
armed since. So what carries the exercise's name on a cluster or a Toxiproxy is looked for, and undone. Activities leave
no name: of them nothing is found here.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click

from gameday.cli.clusters import is_cluster
from gameday.errors import Exit, TargetError

if TYPE_CHECKING:
    from gameday.cluster.api import Api, Where
    from gameday.cluster.litter import Litter
    from gameday.exercise.state import Exercise

PATIENCE = 20.0
"""Seconds for what was found to be as it was."""


def undo_unknown(state: Exercise, where: Where | None) -> Exit:
    """Look for faults of the exercise, and take away those that are found; says what is found, and what can't be told.

    `state`: what its journal came to; what that holds open has been told. `where`: the way into its cluster.
    """
    from gameday.faults.catalogue import catalogue

    scenario = state.scenario
    if scenario is None or not any(entry.fault in catalogue() for entry in scenario.timeline):
        return Exit.OK
    target = state.target
    told = {fault.entry for fault in state.unrecovered}
    code: Exit = Exit.OK
    reasons: list[str] = []
    if is_cluster(target) and where is not None:
        code, reasons = _on_cluster(state, where, told)
    proxy = str(target["settings"].get("proxy") or "").rstrip("/")
    if proxy and target["kind"] in ("kubernetes", "toxiproxy"):
        toxics, reason = _on_proxy(state.id, proxy, told)
        code, reasons = max(code, toxics), [*reasons, *reason]
    if not reasons:
        return code
    name = target["name"]
    text = (
        f"gameday: CAN'T SAY: the journal of {state.id} ends in the midst of it and may be short; whether more than it "
        f"knows of stands on {name} can't be looked at: {'; '.join(reasons)}. With an account that may look, type:"
    )
    click.echo(f"{text}\n    gameday recover --target {name}", err=True)
    return Exit.NOT_RECOVERED


def _on_cluster(state: Exercise, where: Where, told: Collection[str]) -> tuple[Exit, list[str]]:
    from gameday.cluster import litter
    from gameday.cluster.api import Api
    from gameday.cluster.errors import Refused, Unreachable
    from gameday.cluster.lease import absent
    from gameday.cluster.marks import label_value

    try:
        api, named = Api(where), state.target["settings"]["namespaces"]
        gone = absent(api, named)
        found, blind = litter.find(api, [one for one in named if one not in gone])
    except (Refused, Unreachable, TargetError) as error:
        return Exit.OK, [str(error)]
    known = {label_value(entry) for entry in told}
    ours = [one for one in found if label_value(one.exercise) == label_value(state.id)]
    codes = [_take_away(api, one, state.id) for one in ours if label_value(one.entry) not in known]
    kinds = _kinds(state)
    return max(codes, default=Exit.OK), [line for line in blind if line.partition(":")[0].split(" in ")[0] in kinds]


def _kinds(state: Exercise) -> set[str]:
    """What its faults can have changed or made there, in the plural."""
    from gameday.cli.rights import RECOVERY, also
    from gameday.cluster.resources import Access

    assert state.scenario is not None
    rights = also(state.scenario, state.target)
    return {Access.parse(one).plural for one, reasons in rights.items() if RECOVERY in reasons}


def _take_away(api: Api, one: Litter, exercise: str) -> Exit:
    from gameday.cluster import litter

    until = time.monotonic() + PATIENCE
    try:
        one = litter.meant(api, one)
        while not (verdict := litter.clear(api, one))["holds"] and time.monotonic() < until:
            time.sleep(0.5)
        holds, evidence = verdict["holds"], str(verdict["evidence"])
    except RuntimeError as error:
        holds, evidence = False, str(error)
    commands = () if holds else litter.by_hand(api, one)
    return _said(exercise, f"{one.entry or '?'}, {one.shown}", evidence, commands, holds=holds)


def _on_proxy(exercise: str, api: str, told: Collection[str]) -> tuple[Exit, list[str]]:
    from gameday.cli.recover_target import our_toxics
    from gameday.faults.toxiproxy import curl, remove_toxic, toxic_url
    from gameday.faults.wire import Unanswered

    ours, code = f"gameday-{exercise}-", Exit.OK
    try:
        for proxy, toxic in list(our_toxics(api)):
            entry = toxic.removeprefix(ours)
            if entry == toxic or entry in told:
                continue
            remove_toxic(api, proxy, toxic, None)
            holds = (proxy, toxic) not in set(our_toxics(api))
            evidence = f"toxic {toxic} is {'gone' if holds else 'there'}"
            commands = () if holds else (curl("DELETE", toxic_url(api, proxy, toxic)),)
            code = max(code, _said(exercise, f"{entry}, proxy {proxy}", evidence, commands, holds=holds))
    except (Unanswered, RuntimeError) as error:
        return code, [f"the proxy at {api}: {error}"]
    return code, []


def _said(exercise: str, what: str, evidence: str, commands: Sequence[str], *, holds: bool) -> Exit:
    but = "its journal did not know that it stood, and may have lost more"
    click.echo(f"{exercise}  {what}  {'recovered' if holds else 'leaked'}  {evidence} ({but})")
    if holds:
        return Exit.OK
    text = f"gameday: NOT RECOVERED: {exercise} {what}: {evidence}"
    click.echo("\n".join([text, *(f"    {command}" for command in commands)]), err=True)
    return Exit.NOT_RECOVERED
