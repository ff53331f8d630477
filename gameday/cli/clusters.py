"""What a cluster needs beside any other target: to be asked what it has, claimed, watched, and given back.

Everything here does nothing for targets of other kinds. The `cluster` room is imported only where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from gameday.engine.ports import Backend, Call, Json, TargetInfo
from gameday.errors import TargetError, UsageError
from gameday.scenario.problems import nearest_or_all

if TYPE_CHECKING:
    from gameday.engine.following import Follower
    from gameday.faults.declaration import FaultDeclaration
    from gameday.scenario.models import Scenario


class Waiting(Protocol):
    """Whoever waits for a start."""

    def say(self, text: str) -> None:
        """What it is waited for."""

    def go_on(self) -> None:
        """Called each second of the waiting. Raises GamedayError where the start is not wanted any more."""


class InTerminal:
    """Waits in a terminal: is told on stderr, and calls a start off by a signal."""

    def say(self, text: str) -> None:
        # Here and not above: an engine has no use for it.
        from click import echo

        echo(text, err=True)

    def go_on(self) -> None:
        return


def preload(target: Mapping[str, Json], faults: Collection[str] | None) -> list[str]:
    """What workers need on a cluster, imported once by the guardian: the client, and how `faults` are done there (None:
    whatever way of any fault); and the kubeconfig, which it keeps in memory."""
    from gameday.faults.catalogue import catalogue

    known = catalogue()
    ways = [
        backend
        for name in known
        if faults is None or name in faults
        for backend in _ways(known[name], target, every=faults is None)
    ]
    cluster = target["settings"]["cluster"]
    keep = [] if cluster.get("in_cluster") else [f"gameday.cluster.warm:keep {cluster.get('kubeconfig') or ''}"]
    return ["gameday.cluster.warm", *keep, *dict.fromkeys(backend.plan.partition(":")[0] for backend in ways)]


def _ways(declaration: FaultDeclaration, target: Mapping[str, Json], *, every: bool) -> list[Backend]:
    """How a fault is done on a cluster: in every way, or most likely, where it was not asked yet what it has."""
    engines = declaration.engines("kubernetes")
    if every:
        return list(engines.values())
    settings = target["settings"]
    chosen = (settings.get("chosen") or {}).get(declaration.name)
    return [engines[one] for one in (chosen, *(settings.get("engines") or ()), *engines) if one in engines][:1]


def is_cluster(target: Mapping[str, Json]) -> bool:
    """Whether a target (`TargetInfo` as JSON) is a cluster. A journal of early days does not say which one: then there
    is nothing that could be asked, claimed or watched."""
    return bool(target["kind"] == "kubernetes" and "cluster" in target["settings"])


def same(one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    """Whether two targets are one and the same thing to disturb; of clusters, whether they share a namespace."""
    if not is_cluster(one) or not is_cluster(other):
        return bool(one["settings"] == other["settings"])
    ours, theirs = one["settings"], other["settings"]
    where = [each["cluster"].get("server") or each["cluster"] for each in (ours, theirs)]
    return where[0] == where[1] and bool(set(ours["namespaces"]) & set(theirs["namespaces"]))


def check_engines(chosen: Mapping[str, str], scenario: Scenario) -> None:
    """Raise UsageError where an engine is chosen for a fault that the scenario does not have."""
    faults = list(dict.fromkeys(entry.fault for entry in scenario.timeline if entry.fault is not None))
    for fault in chosen:
        if fault not in faults:
            raise UsageError(f"--engine {fault}=…: the scenario has no {fault}; {nearest_or_all(fault, faults)}")


def resolved(target: TargetInfo, chosen: Mapping[str, str]) -> TargetInfo:
    """The target with what only the cluster can say. `chosen`: fault -> engine, by whoever runs it.

    Raises:
        TargetError: it can't be reached.
    """
    if target.kind != "kubernetes":
        if chosen:
            raise UsageError(f"--engine: target {target.name} is of kind {target.kind}, which has no engines to choose")
        return target
    from gameday.cluster.engines import resolved as asked

    return replace(target, settings={**asked(target.settings, target.name), "chosen": dict(chosen)})


def engine_choices(words: Sequence[str]) -> dict[str, str]:
    """`--engine latency=chaos-mesh` as fault -> engine.

    Raises:
        UsageError: a word is not of that form, or there is no such fault or engine.
    """
    from gameday.faults.catalogue import catalogue
    from gameday.faults.declaration import nearest
    from gameday.faults.planning import ENGINES

    chosen: dict[str, str] = {}
    for word in words:
        fault, equals, engine = word.partition("=")
        if not equals:
            raise UsageError(f"--engine {word}: write FAULT=ENGINE, e.g. latency=chaos-mesh")
        if fault not in catalogue():
            raise UsageError(f"--engine {word}: there is no fault {fault!r}: {nearest(fault, catalogue())}")
        if engine not in ENGINES:
            raise UsageError(f"--engine {word}: there is no engine {engine!r}: {nearest(engine, ENGINES)}")
        chosen[fault] = engine
    return chosen


def held(target: Mapping[str, Json], say: Callable[[str], None] | None = None) -> str:
    """Who holds the claim to a cluster's namespaces now, in words; "" where nobody does. Only reads.

    `say` hears of a claim that a run would watch, and then take over.
    """
    if not is_cluster(target):
        return ""
    from gameday.cluster.errors import Refused, Unreachable
    from gameday.cluster.lease import holder

    try:
        settings = target["settings"]
        return holder(settings["cluster"], settings["namespaces"], say) or ""
    except (Refused, Unreachable) as error:
        return f"whether another exercise holds the target can't be asked: {error}"


@contextmanager
def claimed(target: Mapping[str, Json], exercise: str, waiting: Waiting) -> Iterator[None]:
    """The claim to a cluster's namespaces, for an exercise that is about to start; given back where that fails.

    `waiting` is told while a claim that may be dead is watched, and may call it off.

    Raises:
        RefusedError, TargetError: another exercise has it, or it can't be had; nothing was touched.
    """
    if not is_cluster(target):
        yield
        return
    from gameday.cluster import lease
    from gameday.cluster.errors import Refused, Unreachable

    where, namespaces = target["settings"]["cluster"], target["settings"]["namespaces"]
    lease.acquire(where, namespaces, exercise, waiting.say, go_on=waiting.go_on)
    try:
        yield
    except BaseException:
        try:
            lease.release(where, namespaces, exercise)
        except (Refused, Unreachable, TargetError):
            # It runs out by itself, and what went wrong before is what has to be told.
            pass
        raise


def given_back(target: Mapping[str, Json], exercise: str) -> dict[str, Any] | None:
    """What a guardian does when the exercise is over, as a `Call` in JSON; None where there is nothing."""
    if not is_cluster(target):
        return None
    return Call("gameday.cluster.lease:release", _whose(target, exercise), timeout=10.0).to_json()


def followers(
    target: Mapping[str, Json],
    exercise: str,
    scenario: Scenario | None,
    lock: int = -1,
    *,
    services: Sequence[str] | None = None,
) -> list[Follower]:
    """The calls that go on beside an exercise on this target. `lock`: the descriptor that all of it have, if any.

    `services`: those that its faults name, where somebody has found them out already (`touched`).
    """
    if not is_cluster(target):
        return []
    from gameday.cluster.holders import LASTS, lock_of
    from gameday.engine.following import Follower

    whose = {**_whose(target, exercise), "lock": lock_of(lock, exercise)}
    keep = Call("gameday.cluster.lease:keep", whose, timeout=30.0)
    found = [Follower("claim", keep, confirms=float(LASTS))]
    names = touched(target, scenario) if services is None else services
    if names:
        settings = target["settings"]
        args = {"where": settings["cluster"], "services": {name: settings["services"][name] for name in names}}
        found.append(Follower("evidence", Call("gameday.cluster.evidence:watch", args, timeout=30.0)))
    return found


def touched(target: Mapping[str, Json], scenario: Scenario | None) -> list[str]:
    """The services of a cluster that a scenario's faults name; none on any other target."""
    if scenario is None or not is_cluster(target):
        return []
    # Here and not above: not everybody needs it.
    from gameday.cli import rights

    return rights.touched(scenario, target)


def _whose(target: Mapping[str, Json], exercise: str) -> dict[str, Json]:
    settings = target["settings"]
    return {"where": settings["cluster"], "namespaces": settings["namespaces"], "identity": exercise}
