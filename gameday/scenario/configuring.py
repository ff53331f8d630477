"""Chaos Toolkit's configuration of a scenario, given to each of its activities.

An activity runs in a process of its own and knows nothing but what stands in itself. So once the names of the target
are filled in, the scenario's `configuration` is written into the activities: all of it into Python ones, whose function
may take it as an argument, and what they name into the others. Nothing here runs an activity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gameday.patterns import pattern

Json = Any

_NAME = pattern(r"\$(?:\{([^}]+)\}|([A-Za-z_][A-Za-z0-9_]*))")
"""As Python's string templates have it, which is how Chaos Toolkit fills in."""


def dynamic(configuration: Mapping[str, Json]) -> list[str]:
    """The names whose values are asked of a probe, in order."""
    return [
        name for name, value in configuration.items() if isinstance(value, Mapping) and value.get("type") == "probe"
    ]


def spread(document: dict[str, Json], found: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """`document` with its configuration in each activity; `found` has the values of those that are `dynamic`.

    What an activity says itself goes before what the scenario says.
    """
    configuration = document.get("configuration")
    if not isinstance(configuration, Mapping) or not configuration:
        return document
    whole = {**configuration, **(found or {})}
    return {
        key: whole if key == "configuration" else value if key == "parameters" else _spread(value, whole)
        for key, value in document.items()
    }


def _spread(value: Json, configuration: Mapping[str, Json]) -> Json:
    if isinstance(value, list):
        return [_spread(item, configuration) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _given(inner, configuration) if key in ("activity", "undo") else _spread(inner, configuration)
        for key, inner in value.items()
        if key != "with"
    } | ({"with": value["with"]} if "with" in value else {})


def _given(activity: Json, configuration: Mapping[str, Json]) -> Json:
    if isinstance(activity, list):
        return [_given(each, configuration) for each in activity]
    if not isinstance(activity, dict):
        return activity
    tolerance = activity.get("tolerance")
    takes_all = activity.get("type") == "python" or (isinstance(tolerance, dict) and tolerance.get("type") == "probe")
    named = {braced or bare for braced, bare in _NAME.findall(json.dumps(activity, default=str))}
    wanted = {name: value for name, value in configuration.items() if takes_all or name in named}
    own = activity.get("configuration") or {}
    return {**activity, "configuration": {**wanted, **own}} if wanted else activity
