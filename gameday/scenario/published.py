"""What a scenario names, held against what its target is known to publish: services, measures, `${names}`, alerts.

Targets come in as data, as the catalogue of faults does. Only what is known of a target without reaching it is looked
at here: whether it is up, and what its instances are, is asked by a preview and by a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gameday.frozen import frozen
from gameday.scenario.catalogue import Catalogue
from gameday.scenario.draft import Draft
from gameday.scenario.models import Probing
from gameday.scenario.problems import Finding, Path, nearest, nearest_or_all, shown
from gameday.scenario.unread import says

_ALERTMANAGER = "alertmanager"
"""The address at which alerts are asked for."""
_DEFAULT_URLS = ("prometheus", "metrics")
"""Probes whose address is the name of the same kind, where none is written."""


@frozen
class Published:
    """What one target publishes by name."""

    target: str
    names: tuple[str, ...] = ()
    """What can stand as `${name}`."""
    services: tuple[str, ...] | None = None
    """None: it takes no faults that are aimed at services."""
    measures: tuple[str, ...] = ()
    alerts: tuple[str, ...] | None = None
    """Names of its alert rules; None where only its Alertmanager knows them."""


@frozen
class Targets:
    """The targets that there are."""

    published: Mapping[str, Published]
    """By name; `none`, the tabletop's, is not among them."""
    all_known: bool = False
    """There are no others; else only a name that is nearly a known one is wrong."""
    chosen: str | None = None
    """The one that counts, whatever a scenario says."""


def findings(draft: Draft, targets: Targets, catalogue: Catalogue) -> Iterator[Finding]:
    """Everything that the scenario names and its target does not publish, and a target that there is not."""
    name = targets.chosen or draft.target
    if name is None or name == "none":
        return
    target = targets.published.get(name)
    if target is None:
        if targets.chosen is None:
            yield from _no_such_target(name, targets)
        return
    for finding in _unpublished(draft, target, catalogue):
        if not draft.unread.at(finding.path):
            yield finding


def _no_such_target(name: str, targets: Targets) -> Iterator[Finding]:
    known = ["none", *targets.published]
    near = nearest(name, known)
    if targets.all_known or near:
        table = f"add [targets.{name}] to gameday.toml"
        hint = f"{near} If not, {table}" if near else f"{nearest_or_all(name, known)}, or {table}"
        yield Finding(("target",), f"there is no target {shown(name)}", hint)


def _unpublished(draft: Draft, target: Published, catalogue: Catalogue) -> Iterator[Finding]:
    for path, name in draft.names:
        if name not in target.names:
            yield _unknown(target, path, "name", name, target.names)
    for path, probe in _probes(draft):
        if probe.measure is not None and probe.measure.strip() and probe.measure not in target.measures:
            yield _unknown(target, (*path, "measure"), "measure", probe.measure, target.measures)
        for kind in _DEFAULT_URLS:
            asked = getattr(probe, kind)
            if asked is None or kind in target.names or says(asked, "url", (*path, kind), draft.unread):
                continue
            message = f"target {shown(target.target)} publishes no address named {kind}"
            yield Finding((*path, kind), message, "write url: with one, or use another kind of probe")
    for index, entry in enumerate(draft.timeline):
        spec = catalogue.get(entry.fault) if entry is not None and entry.fault is not None else None
        if entry is None or spec is None or target.services is None:
            continue
        for parameter in spec.services:
            service = entry.with_.get(parameter)
            if isinstance(service, str) and service and service not in target.services:
                path = ("timeline", index, "with", parameter)
                yield _unknown(target, path, "service", service, target.services)
    for index, expectation in enumerate(draft.expect):
        alert = expectation.alert if expectation is not None else None
        if not alert or not alert.strip():
            continue
        if _ALERTMANAGER not in target.names:
            message = f"target {shown(target.target)} publishes no {_ALERTMANAGER}, so nobody can see an alert"
            hint = f"give it one in gameday.toml ([targets.{target.target}.names]), or expect a milestone instead"
            yield Finding(("expect", index, "alert"), message, hint, at_key=True)
        elif target.alerts is not None and alert not in target.alerts:
            yield _unknown(target, ("expect", index, "alert"), "alert", alert, target.alerts)


def _unknown(target: Published, path: Path, kind: str, word: str, known: tuple[str, ...]) -> Finding:
    message = f"target {shown(target.target)} publishes no {kind} {shown(word)}"
    return Finding(path, message, nearest_or_all(word, sorted(known)) if known else "it publishes none")


def _probes(draft: Draft) -> Iterator[tuple[Path, Probing]]:
    """Every probe that can be read, and its way."""
    for index, check in enumerate(draft.steady_state):
        if check is not None:
            yield ("steady_state", index), check
    for index, entry in enumerate(draft.timeline):
        for key in ("effective", "recovered", "check"):
            if entry is not None and (check := getattr(entry, key)) is not None:
                yield ("timeline", index, key), check
    for index, expectation in enumerate(draft.expect):
        if expectation is not None and expectation.check is not None:
            yield ("expect", index, "check"), expectation.check
    for index, condition in enumerate(draft.abort_when):
        if condition is not None:
            yield ("abort_when", index), condition
