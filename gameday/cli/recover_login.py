"""How `gameday recover` gets to a cluster where what the journal says of the way there is good no more.

The journal has the kubeconfig and the context that the exercise began with. Where nothing can be asked by them, those
that the settings say now for the same target are taken, if they lead to the same cluster; else people are told which
they were, and what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gameday.cli.clusters import is_cluster
from gameday.errors import GamedayError, TargetError

if TYPE_CHECKING:
    from gameday.cluster.api import Where
    from gameday.exercise.events import Event


def way_in(ident: str, started: Event, config: Path | None, way: Where | None = None) -> Where | None:
    """The way to the cluster of the exercise, that of the journal where that is good or no other one is; says what was
    found. None where there is no cluster.

    `started`: the beginning of the journal. `way`: the one to take instead, where it is not that of the settings.
    """
    from gameday.exercise.events import ExerciseStarted

    if not isinstance(started, ExerciseStarted) or not is_cluster(started.target):
        return None
    from gameday.cluster.api import words
    from gameday.cluster.relogin import other_way, trouble

    name = str(started.target["name"])
    old: Where = started.target["settings"]["cluster"]
    if not (why := trouble(old)):
        return old
    click.echo(f"{ident}: {words(old, whole=True)}, by which it was run, is of no use now: {why}", err=True)
    try:
        new = way or _of_settings(name, config)
        # The same names may lead there by another address by now.
        if all(new.get(key) == old.get(key) for key in ("kubeconfig", "context", "in_cluster")) and trouble(new):
            raise TargetError(f"the settings here say the same of target {name}")
        new = other_way(old, new)
    except (GamedayError, OSError) as error:
        click.echo(f"{ident}: {error}", err=True)
        file = "" if old.get("in_cluster") else f"write a log-in that works into {old.get('kubeconfig')}, or "
        click.echo(
            f"{ident}: {file}have target {name} in gameday.toml say a kubeconfig and context that lead to the same "
            "cluster, and recover once more",
            err=True,
        )
        return old
    click.echo(f"{ident}: {words(new, whole=True)} leads to the same cluster, and is used instead", err=True)
    return new


def ways_in(started: Event, new: Where | None) -> list[str]:
    """What the guardian is to do first (see `launch`) so that all that it starts gets in by `new`, as `way_in` says it.
    Nothing where that is the way of the journal."""
    from gameday.cluster.relogin import as_text
    from gameday.exercise.events import ExerciseStarted

    if new is None or not isinstance(started, ExerciseStarted):
        return []
    old: Where = started.target["settings"]["cluster"]
    if new == old:
        return []
    keep = [] if new.get("in_cluster") else [f"gameday.cluster.warm:keep {new.get('kubeconfig') or ''}"]
    return [f"gameday.cluster.relogin:instead {as_text(old, new)}", *keep]


def _of_settings(name: str, config: Path | None) -> Where:
    """How the target is reached by the settings as they are now. Raises GamedayError where they don't say it."""
    from gameday.targets.resolving import check_target
    from gameday.targets.settings import load_settings

    found = check_target(name, load_settings(explicit=config))
    if found.kind != "kubernetes":
        raise TargetError(f"target {name} is of kind {found.kind} by the settings here")
    new: Where = found.settings["cluster"]
    return new
