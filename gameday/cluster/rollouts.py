"""Rollouts from before an exercise, for responders: what has changed lately is what they ask first. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gameday.cluster.api import Api
from gameday.cluster.happenings import REVISION, Happening, ago, images, unix
from gameday.cluster.resources import REPLICASETS, REVISIONS, STATEFULSETS, Resource, annotations_of, meta, named

Json = Any
BACK = 2 * 3600.0
"""Seconds to look back."""
_MOST = 5
_HISTORY = "deployment.kubernetes.io/revision-history"


def history_of(resource: Resource) -> Resource:
    """Where the rollouts of a workload leave traces."""
    return REVISIONS if resource is STATEFULSETS else REPLICASETS


def recent(api: Api, resource: Resource, namespace: str, name: str, now: float) -> list[Happening]:
    """The rollouts of the last two hours of a workload, the oldest first, at most five.

    `now`: wall time, unix seconds. How long ago is by the cluster's own time stamps, since there is nothing else.

    Raises:
        Refused, Unreachable: it could not be asked.
    """
    runs = api.get(resource, namespace, name)
    if runs is None:
        return []
    selector = ",".join(
        f"{key}={value}"
        for key, value in sorted(((runs.get("spec") or {}).get("selector") or {}).get("matchLabels", {}).items())
    )
    uid = meta(runs).get("uid")
    left = [
        one
        for one in api.items(history_of(resource), namespace, selector=selector)
        if any(owner.get("uid") == uid for owner in meta(one).get("ownerReferences") or ())
    ]
    found = [(at, _words(one, first_number(one))) for one in left if (at := _age(one, now)) is not None]
    newest = max(left, key=last_number, default=None)
    # A template that comes back brings its old ReplicaSet back, with a new number.
    again = newest is not None and (first_number(newest) != last_number(newest) or _age(newest, now) is None)
    if newest is not None and again and (at := _progressed(runs, now)) is not None:
        found.append((at, f"{_words(newest, last_number(newest))}, an earlier template again"))
    thing = named(resource, namespace, name)
    return [
        Happening("recent", thing, f"rolled out {ago(now - at)}: {text}", at, standing=True)
        for at, text in sorted(found)[-_MOST:]
    ]


def _age(one: Mapping[str, Json], now: float) -> float | None:
    at = unix(meta(one).get("creationTimestamp"))
    return at if at is not None and at >= now - BACK else None


def _progressed(runs: Mapping[str, Json], now: float) -> float | None:
    conditions = (runs.get("status") or {}).get("conditions") or ()
    at = next((unix(one.get("lastUpdateTime")) for one in conditions if one.get("type") == "Progressing"), None)
    return at if at is not None and at >= now - BACK else None


def last_number(one: Mapping[str, Json]) -> int:
    """Its revision as it is now; 0 where it says none."""
    text = annotations_of(one).get(REVISION) or one.get("revision") or 0
    return int(text) if str(text).isdecimal() else 0


def first_number(one: Mapping[str, Json]) -> int:
    """The revision that it was made for: it may have come back since."""
    first = str(annotations_of(one).get(_HISTORY) or "").partition(",")[0]
    return int(first) if first.isdecimal() else last_number(one)


def _words(one: Mapping[str, Json], number: int) -> str:
    spec = one.get("spec") or (one.get("data") or {}).get("spec") or {}
    template = spec.get("template") or {}
    image = images(template)
    return f"revision {number}{f', image {image}' if image else ''}"
