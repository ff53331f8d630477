"""Which rights in a cluster a scenario needs, and what each is needed for. Told from the declarations; asks nobody.

One place for `gameday manifests`, which prints them as roles, and for the preflight, which asks whether we have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gameday.faults.catalogue import catalogue
from gameday.faults.planning import needs
from gameday.scenario.models import Entry, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

CLAIM = "the claim"
EVIDENCE = "the evidence"
RECOVERY = "recover --target"


def wanted(scenario: Scenario, target: Mapping[str, Any]) -> dict[str, list[str]]:
    """Each right (`str(Access)`) without which it can't be run, and the names of the faults, or `CLAIM`, that need it.

    `target` as JSON, with the engines that are to be reckoned with. Faults that can't be done there are passed over:
    see `impossible`.
    """
    from gameday.cluster.lease import permissions

    found: dict[str, list[str]] = {}
    for fault, rights in _of_faults(scenario, target):
        for right in rights if not isinstance(rights, ValueError) else ():
            _add(found, right, fault)
    for right in permissions(target["settings"]["namespaces"]):
        _add(found, right, CLAIM)
    return found


def also(scenario: Scenario, target: Mapping[str, Any]) -> dict[str, list[str]]:
    """Rights without which it is run all the same, as `wanted`: for what the cluster itself says, and for finding what
    was left there by the same account, with the journal lost."""
    from gameday.cluster.evidence import permissions

    services = target["settings"]["services"]
    found: dict[str, list[str]] = {}
    for right in permissions({name: services[name] for name in touched(scenario, target)}):
        _add(found, right, EVIDENCE)
    for right in _of_recovery(wanted(scenario, target)):
        _add(found, right, RECOVERY)
    return found


def _of_recovery(rights: Iterable[str]) -> Iterator[str]:
    """To list what the faults change or make, and whose a change of a node is: undoing is among their own rights."""
    from gameday.cluster.litter import CHANGED, MADE, MARKED
    from gameday.cluster.resources import LEASES, NODES, Access, right

    kinds = {(one.group, one.plural): one for one in (*MADE, *CHANGED, *MARKED)}
    for access in map(Access.parse, rights):
        kind = kinds.get((access.group, access.plural))
        if kind is not None and access.verb in ("create", "patch", "update"):
            yield right("list", kind, access.namespace)
            if kind == NODES:
                yield right("list", LEASES)


def impossible(scenario: Scenario, target: Mapping[str, Any]) -> list[str]:
    """Why faults can't be done on the target at all, as far as that can be told without asking it."""
    return [str(error) for _, error in _of_faults(scenario, target) if isinstance(error, ValueError)]


def touched(scenario: Scenario, target: Mapping[str, Any]) -> list[str]:
    """The services that the scenario's faults name, of those that the target publishes."""
    known = catalogue()
    found: dict[str, None] = {}
    for entry in _portable(scenario):
        for key in known[str(entry.fault)].services:
            name = entry.with_.get(key)
            if isinstance(name, str) and name in target["settings"]["services"]:
                found[name] = None
    return list(found)


def _portable(scenario: Scenario) -> Iterator[Entry]:
    known = catalogue()
    yield from (entry for entry in scenario.timeline if entry.fault in known)


def _of_faults(scenario: Scenario, target: Mapping[str, Any]) -> Iterator[tuple[str, list[str] | ValueError]]:
    for entry in _portable(scenario):
        fault = str(entry.fault)
        try:
            yield fault, _narrow(needs(fault, target, entry.with_), target)
        except ValueError as error:
            yield fault, error


def _narrow(rights: Sequence[str], target: Mapping[str, Any]) -> list[str]:
    """The rights, with that to read any namespace made one to read those in which the others are.

    That can be allowed by a Role in the namespace itself, so nobody has to be asked for a ClusterRole.
    """
    from gameday.cluster.resources import NAMESPACES, Access, right

    anywhere = right("get", NAMESPACES)
    if anywhere not in rights:
        return list(rights)
    spaces = {Access.parse(one).namespace for one in rights} - {""} or set(target["settings"]["namespaces"])
    return [one for one in rights if one != anywhere] + [right("get", NAMESPACES, space) for space in sorted(spaces)]


def _add(found: dict[str, list[str]], right: str, why: str) -> None:
    reasons = found.setdefault(right, [])
    if why not in reasons:
        reasons.append(why)
