"""Which journals `gameday recover --target` has to tell, and what they still hold open when all is done.

Journals know targets by name, and a name may be another by now: a cluster is known by what it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import click

from gameday.cli.clusters import is_cluster
from gameday.errors import GamedayError, RefusedError

if TYPE_CHECKING:
    from gameday.engine.ports import TargetInfo
    from gameday.exercise.events import ExerciseStarted
    from gameday.store.store import Store


def of_target(name: str, store: str) -> dict[str, bool]:
    """Exercises of this store on the target without a living engine; whether faults of each stand, or it never ended.

    Raises:
        RefusedError: an engine lives there.
    """
    from gameday.store.errors import StoreMissing, StoreUnavailable
    from gameday.store.readable import readable

    try:
        with readable(store) as opened:
            here = [summary for summary in opened.exercises() if summary.target == name]
    except StoreMissing as error:
        click.echo(f"{error}; the target itself is searched", err=True)
        return {}
    except StoreUnavailable:
        # Said when what lay beside it was to be absorbed.
        return {}
    found: dict[str, bool] = {}
    for summary in here:
        if summary.engine_alive and summary.lease.holder is not None:
            holder = summary.lease.holder
            raise RefusedError(
                f"exercise {summary.id} is alive on {name} (pid {holder.pid} on {holder.host}): stop it with `gameday "
                f"abort {summary.id}`; nothing was touched"
            )
        found[summary.id] = bool(summary.unrecovered) or summary.status in ("running", "paused")
    return found


def of_other_names(target: TargetInfo, store: str) -> dict[str, bool]:
    """As `of_target`: exercises with faults that stand on this very cluster, in its namespaces, by another name."""
    from gameday.cluster.relogin import other_way
    from gameday.store.errors import StoreMissing, StoreUnavailable
    from gameday.store.readable import readable

    found: dict[str, bool] = {}
    try:
        with readable(store) as opened:
            for summary in opened.unrecovered():
                started = None if summary.target == target.name else _started(opened, summary.id)
                if started is None or summary.engine_alive or not _may_be(started, target):
                    continue
                try:
                    other_way(started.target["settings"]["cluster"], target.settings["cluster"])
                except GamedayError:
                    # Another cluster, or nobody can tell.
                    continue
                click.echo(f"{summary.id}: was on this cluster, as target {summary.target}", err=True)
                found[summary.id] = True
    except (StoreMissing, StoreUnavailable):
        return {}
    return found


def _started(store: Store, ident: str) -> ExerciseStarted | None:
    """The beginning of its journal; None where that is lost."""
    from gameday.exercise.events import ExerciseStarted

    first = store.records(ident, limit=1)
    return first[0].event if first and isinstance(first[0].event, ExerciseStarted) else None


def _may_be(started: ExerciseStarted, target: TargetInfo) -> bool:
    if not is_cluster(started.target):
        return False
    return bool(set(started.target["settings"]["namespaces"]) & set(target.settings["namespaces"]))


def still_open(idents: Collection[str], store: str, undone: Collection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """What journals still hold open although the search has undone it, and what to type, for people.

    `undone`: of what was found and taken away, the labels of exercise and fault.
    """
    from gameday.cluster.api import words
    from gameday.cluster.marks import label_value
    from gameday.cluster.relogin import trouble
    from gameday.exercise.fold import fold
    from gameday.store import default_url
    from gameday.store.address import read_address
    from gameday.store.readable import readable

    its, usual = (read_address(url).shown for url in (store or default_url(), default_url()))
    where = f" --store {shlex.quote(its)}" if its != usual else ""
    for ident in idents if undone else ():
        with readable(store) as opened:
            if not opened.summary(ident).unrecovered:
                continue
            state, started = fold(opened.records(ident)), _started(opened, ident)
        held = [fault.entry for fault in state.unrecovered if (label_value(ident), label_value(fault.entry)) in undone]
        if not held or started is None or not is_cluster(started.target):
            continue
        old = started.target["settings"]["cluster"]
        why, there = trouble(old), old.get("server") or "that cluster"
        first = f"{words(old, whole=True)} has to lead to {there} again ({why}), then " if why else ""
        yield (
            f"{ident}: what {', '.join(held)} left here is undone, and its journal still holds it open, so that a run "
            f"there needs --despite-faults. For the journal to hear of it, {first}type:",
            f"gameday recover {ident}{where}",
        )
