"""Values in an object of the API by JSON pointers: what stands there, and the operations that replace it. Pure.

Containers and variables are in lists, and whoever adds or takes away one moves all that follow. So what was changed is
found by its name, and not at the index that it had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gameday.cluster.api import Json
from gameday.patterns import pattern

ABSENT = {"absent": True}
"""What stands for a value that is not there."""

Change = Mapping[str, Json]
"""`{"path": JSON pointer, "before": value, "after": value}`; `ABSENT` where there is none.

The same value before and after is no change, but what the others rely on: which container it is, of several, say.
"""


def value_at(thing: Any, pointer: str) -> Json:
    """The value at a JSON pointer, or `ABSENT`."""
    here = thing
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(here, list) and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        elif isinstance(here, dict) and key in here:
            here = here[key]
        else:
            return dict(ABSENT)
    return here


def pointer(*parts: str | int) -> str:
    """A JSON pointer."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def replaced(path: str, old: Json, new: Json) -> list[dict[str, Json]]:
    """JSON Patch operations from `old`, which is tested, to `new`; where they are the same, the test alone."""
    tested = {"op": "test", "path": path, "value": old}
    if old == new:
        return [] if old == ABSENT else [tested]
    if old == ABSENT:
        return [{"op": "add", "path": path, "value": new}]
    return [tested, {"op": "remove", "path": path} if new == ABSENT else {"op": "replace", "path": path, "value": new}]


_CONTAINERS = "/spec/template/spec/containers"
_CONTAINER = pattern(rf"{_CONTAINERS}/(\d+)/(.+)")
_VARIABLE = pattern(r"env/\d+")


def located(thing: Any, changes: Sequence[Change]) -> list[Change]:
    """The changes of a mark with the paths at which the same containers and variables are by now; where there are none
    of these names, paths at which nothing is. In the order of their indices: undone from the last on, none moves what
    is yet to be undone.

    A container is found where its name is among the changes, a variable where it has one. A list of variables that was
    not there before, and that has others by now, becomes a change of each of its variables.
    """
    names = {
        found[1]: one["before"]
        for one in changes
        if (found := _CONTAINER.fullmatch(one["path"])) and found[2] == "name" and one["before"] == one["after"]
    }
    moved = [each for one in changes for each in _located(thing, one, names)]
    return sorted(moved, key=lambda one: int(last) if (last := one["path"].rpartition("/")[2]).isdigit() else -1)


def _located(thing: Any, change: Change, names: Mapping[str, Json]) -> list[Change]:
    found = _CONTAINER.fullmatch(change["path"])
    if found is None:
        return [change]
    index, field = found[1], found[2]
    if index in names:
        index = _index(value_at(thing, _CONTAINERS), names[index])
        if index == _NOWHERE and field == "name":
            # What stands there instead is told.
            return [change]
    at, after = f"{_CONTAINERS}/{index}", change["after"]
    there = value_at(thing, f"{at}/env")
    if field == "env" and change["before"] == ABSENT and isinstance(there, list) and there != after:
        each = [{"path": f"{at}/env/0", "before": dict(ABSENT), "after": one} for one in after]
        return [_variable(one, at, there) for one in each]
    moved = {**change, "path": f"{at}/{field}"}
    return [_variable(moved, at, there) if _VARIABLE.fullmatch(field) else moved]


def _variable(change: Change, at: str, there: Json) -> Change:
    name = next((one["name"] for one in (change["before"], change["after"]) if _has_name(one)), None)
    return change if name is None else {**change, "path": f"{at}/env/{_index(there, name)}"}


_NOWHERE = "-"


def _index(items: Json, name: Json) -> str:
    """Where an item of this name is in a list; where it is there twice, the last one counts."""
    found = [number for number, one in enumerate(items if isinstance(items, list) else ()) if _has_name(one, name)]
    return str(found[-1]) if found else _NOWHERE


def _has_name(item: Json, name: Json = None) -> bool:
    return isinstance(item, dict) and "name" in item and name in (None, item["name"])


def short(value: Json) -> str:
    if value == ABSENT:
        return "absent"
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
