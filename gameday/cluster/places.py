"""Values in an object of the API by JSON pointers: what stands there, and the operations that replace it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gameday.cluster.api import Json

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


def short(value: Json) -> str:
    if value == ABSENT:
        return "absent"
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
