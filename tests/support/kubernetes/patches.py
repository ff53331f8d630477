"""The three patches a real server takes: JSON Patch, merge patch, strategic merge patch.

Strategic merging knows the lists of the built-in kinds that gameday writes to; a list it does not know is replaced as
a whole, which is what the server does with lists without a merge key.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.support.kubernetes.answers import bad_request, failure

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

# The last two steps of the path to a list -> the key its items are merged by.
_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "ownerReferences": "uid",
    "conditions": "type",
    "addresses": "type",
    "hostIPs": "ip",
    "podIPs": "ip",
    "secrets": "name",
    "resourceClaims": "name",
}
# Lists of plain values that are merged as sets.
_SETS = {"finalizers"}
_DIRECTIVES = ("$patch", "$retainKeys")


def merge(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    new = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = merge(new.get(key), value)
    return new


def strategic(old: Any, patch: Any, field: str = "") -> Any:
    if isinstance(patch, dict):
        return _strategic_map(old if isinstance(old, dict) else {}, patch)
    if isinstance(patch, list) and isinstance(old, list):
        return _strategic_list(old, patch, field)
    return copy.deepcopy(patch)


def _strategic_map(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key not in _DIRECTIVES}
    if patch.get("$patch") == "delete":
        return {}
    new = dict(old)
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            list_name = key.partition("/")[2]
            new[list_name] = [one for one in new.get(list_name, []) if one not in value]
        elif key.startswith("$setElementOrder/") or key in _DIRECTIVES:
            continue
        elif value is None:
            new.pop(key, None)
        else:
            new[key] = strategic(new.get(key), value, key)
    if "$retainKeys" in patch:
        new = {key: value for key, value in new.items() if key in patch["$retainKeys"]}
    return new


def _merge_key(field: str, items: list[Any]) -> str | None:
    if field == "ports":
        # A container's ports are merged by containerPort, a Service's by port.
        return "containerPort" if any("containerPort" in one for one in items if isinstance(one, dict)) else "port"
    return _MERGE_KEYS.get(field)


def _strategic_list(old: list[Any], patch: list[Any], field: str) -> list[Any]:
    if field in _SETS and all(not isinstance(one, dict) for one in patch):
        return [*old, *(one for one in patch if one not in old)]
    key = _merge_key(field, [*old, *patch])
    if key is None or not all(isinstance(one, dict) for one in patch):
        return copy.deepcopy(patch)
    if any(one.get("$patch") == "replace" for one in patch):
        return [copy.deepcopy(one) for one in patch if "$patch" not in one]
    new = [copy.deepcopy(one) for one in old]
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((i for i, one in enumerate(new) if one.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del new[at]
        elif at is None:
            new.append(_strategic_map({}, item))
        else:
            new[at] = _strategic_map(new[at], item)
    return new


def _refused(message: str) -> Exception:
    return failure(422, "Invalid", message, {})


def _pointer(text: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _step(where: Any, step: str, path: str) -> Any:
    try:
        return where[int(step)] if isinstance(where, list) else where[step]
    except (KeyError, IndexError, ValueError, TypeError):
        raise _refused("the server rejected our request due to an error in our request") from None


def apply_json_patch(old: Any, operations: Any) -> Any:
    """RFC 6902. Whatever can't be done, a failing `test` too, is the server's one 422 for all of them."""
    if not isinstance(operations, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    new: Any = copy.deepcopy(old)
    for operation in operations:
        new = _apply(new, operation)
    return new


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation["op"], _pointer(operation["path"])
    if kind in ("move", "copy"):
        source = _pointer(operation["from"])
        value = document
        for step in source:
            value = _step(value, step, operation["from"])
        value = copy.deepcopy(value)
        if kind == "move":
            document = _apply(document, {"op": "remove", "path": operation["from"]})
    else:
        value = copy.deepcopy(operation.get("value"))
    if not path:
        if kind == "test":
            if document != value:
                raise _refused("the server rejected our request due to an error in our request")
            return document
        return value
    where = document
    for step in path[:-1]:
        where = _step(where, step, operation["path"])
    last = path[-1]
    if kind == "test":
        # A path that is not there equals null.
        found = where.get(last) if isinstance(where, dict) else _step(where, last, operation["path"])
        if found != value:
            raise _refused("the server rejected our request due to an error in our request")
    elif kind == "remove":
        _step(where, last, operation["path"])
        del where[int(last) if isinstance(where, list) else last]
    elif kind == "replace":
        _step(where, last, operation["path"])
        where[int(last) if isinstance(where, list) else last] = value
    elif kind in ("add", "move", "copy"):
        if isinstance(where, list):
            where.insert(len(where) if last == "-" else int(last), value)
        elif isinstance(where, dict):
            where[last] = value
        else:
            raise _refused("the server rejected our request due to an error in our request")
    else:
        raise bad_request(f"Unexpected kind: {kind}")
    return document
