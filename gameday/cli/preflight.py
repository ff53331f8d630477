"""What keeps a run from being able to do what its script says, found before anything is touched.

Each fault is planned against the target as it is now, and each secret is looked for where it should be. Only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from gameday.cli.clusters import is_cluster
from gameday.cli.overlaps import Others, Planned, clashes
from gameday.cli.rights import also, wanted
from gameday.engine.plan_request import plan_arguments
from gameday.errors import GamedayError
from gameday.faults.chaostoolkit import places
from gameday.faults.planning import plan
from gameday.faults.secrets import read
from gameday.scenario.models import Activity, Scenario, SecretRef
from gameday.targets.policy import activities


def obstacles(scenario: Scenario, target: Mapping[str, Any]) -> list[str]:
    """Why a run would come to a halt on the way, a line for each; `target` as JSON, up and reachable."""
    return [
        *missing_secrets(scenario),
        *other_clusters(scenario, target),
        *_impossible(scenario, target),
        *missing_rights(scenario, target),
    ]


def other_clusters(scenario: Scenario, target: Mapping[str, Any]) -> list[str]:
    """On a cluster: the activities that name another one, or another way to it, than the target's, or can't take it."""
    if not is_cluster(target):
        return []
    from gameday.cluster.api import words
    from gameday.faults.own_ways import strays, unable

    cluster = target["settings"]["cluster"]
    found: dict[str, None] = {}
    for place, activity in activities(scenario):
        provider = activity.model_dump(mode="json", exclude_unset=True)
        if why := unable(provider, cluster):
            found[f"{place}: {why}"] = None
        try:
            for stray in strays(provider, cluster):
                found[
                    f"{place}: {stray}, and target {target['name']} is {words(cluster)}: an activity is led to its "
                    "target's cluster and to no other; take that out, or run it on the target that is meant"
                ] = None
        except ValueError:
            # A secret that says no place: whoever plans it tells.
            continue
    return list(found)


def missing_rights(scenario: Scenario, target: Mapping[str, Any]) -> list[str]:
    """On a cluster: the rights that we don't have and that the scenario's faults, their undos or the claim need."""
    if not is_cluster(target):
        return []
    return _lacking("the cluster does not let us", wanted(scenario, target), target)


def missing_evidence(scenario: Scenario, target: Mapping[str, Any]) -> list[str]:
    """On a cluster: what keeps its own evidence from the journal, or what is left from being found with that lost.

    Nothing to refuse a run for.
    """
    if not is_cluster(target):
        return []
    refused = wanted(scenario, target)
    rights = [right for right in also(scenario, target) if right not in refused]
    return _lacking("less will be known: the cluster does not let us", rights, target)


def _lacking(lead: str, rights: Iterable[str], target: Mapping[str, Any]) -> list[str]:
    from gameday.cluster.access import missing
    from gameday.cluster.errors import Refused, Unreachable

    try:
        lacking = missing(target["settings"]["cluster"], rights)
    except (Refused, Unreachable, GamedayError) as error:
        return [f"whether we may do it can't be asked: {error}"]
    if not lacking:
        return []
    return [f"{lead}: {'; '.join(lacking)} (`gameday manifests` prints the roles to ask for)"]


def missing_secrets(scenario: Scenario) -> list[str]:
    """The secrets that are not where the scenario says, a line for each place."""
    found: dict[str, None] = {}
    for where in _places(scenario):
        try:
            read(where)
        except RuntimeError as error:
            found[str(error)] = None
    return list(found)


def _impossible(scenario: Scenario, target: Mapping[str, Any]) -> Iterator[str]:
    faults = {scenario.entry_id(index): entry for index, entry in enumerate(scenario.timeline) if entry.fault}
    plans: dict[str, Planned] = {}

    def planned(name: str, others: Others = ()) -> Planned:
        args = plan_arguments(scenario, name, faults[name], dict(target), exercise="preflight", seed=0, others=others)
        return plan(**args)

    for name in faults:
        try:
            plans[name] = planned(name)
        except (ValueError, RuntimeError, GamedayError, OSError) as error:
            yield f"{name}: {error}"
    for clash in clashes(scenario, plans, planned):
        if clash.certain:
            yield f"{clash.entry}: {clash.text}"


def _places(value: Any) -> Iterator[tuple[str, str]]:
    """Where the secrets are that anything in `value` asks for."""
    if isinstance(value, SecretRef):
        yield ("env", value.env) if value.env is not None else ("file", value.file or "")
    elif isinstance(value, Activity):
        yield from places(value.model_dump(mode="json", exclude_unset=True))
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _places(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _places(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _places(each)
