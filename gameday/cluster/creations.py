"""Objects that are a fault by being there (a NetworkPolicy, a Chaos Mesh experiment), made and taken away.

Two steps here as well (see `marks`): the object is made **inert**, so that it does nothing, and then a JSON Patch that
tests that it is still ours, and still inert, sets it to work. Should a slow server carry out the first after the undo,
something harmless is left; should it carry out the second, it finds nothing to work on.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gameday.cluster.api import Api, Json, Where
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.kubectl import kubectl
from gameday.cluster.marks import EXERCISE, FAULT, label_value, pointer, prepared
from gameday.cluster.resources import ALL, Resource, annotations_of, labels_of, meta, named
from gameday.cluster.services import MANAGED, OURS

STATE = "gameday.dev/state"
"""Annotation: `inert`, `set`, or `over`."""
_STATE_AT = pointer("metadata", "annotations", STATE)


def our_labels(context: Mapping[str, Json]) -> dict[str, str]:
    """What everything carries that a fault makes."""
    return {
        MANAGED: OURS,
        EXERCISE: label_value(str(context["exercise"])),
        FAULT: label_value(str(context["fault"])),
    }


def make(
    api: Api,
    resource: Resource,
    inert: Mapping[str, Any],
    strike: Sequence[Mapping[str, Json]],
    check: Callable[[], None] | None = None,
) -> None:
    """Make an object of `inert`, and set it to work with the operations of `strike`. `check` is called in between, and
    raises where it is not to be set to work; then it stays inert, for the undo.

    Raises:
        RuntimeError: an object of this name is there that is not ours.
        Refused, Unreachable: see `Api.ask`; the undo takes away what may have come about.
    """
    namespace, name = meta(inert).get("namespace"), str(meta(inert)["name"])
    body = {**inert, "metadata": {**meta(inert), "annotations": {**annotations_of(inert), STATE: "inert"}}}
    try:
        api.ask("POST", resource.path(namespace), body=body)
    except Refused as refused:
        if refused.status != 409:
            raise
        there = api.get(resource, namespace, name)
        if there is None or not _is_ours(there, inert):
            raise RuntimeError(f"{named(resource, namespace, name)} is there already and not this fault's") from None
    if check is not None:
        check()
    api.patch(
        resource,
        namespace,
        name,
        [
            {"op": "test", "path": _STATE_AT, "value": "inert"},
            {"op": "replace", "path": _STATE_AT, "value": "set"},
            *(dict(one) for one in strike),
        ],
    )


def _is_ours(thing: Mapping[str, Any], inert: Mapping[str, Any]) -> bool:
    return all(labels_of(thing).get(key) == labels_of(inert).get(key) for key in (MANAGED, EXERCISE, FAULT))


def has_own(thing: Mapping[str, Any], own: Mapping[str, str]) -> bool:
    """Whether an object has the labels that are gameday's own; who else manages it, others may say."""
    return all(labels_of(thing).get(key) == value for key, value in own.items() if key != MANAGED)


def remove(api: Api, resource: Resource, namespace: str | None, name: str, own: Mapping[str, str]) -> None:
    """Take an object away whose labels are `own`; that it is not there is fine.

    Raises:
        RuntimeError: there is one of this name that is not ours.
        Refused, Unreachable: see `Api.ask`.
    """
    there = api.get(resource, namespace, name)
    if there is None or "deletionTimestamp" in meta(there):
        return
    if not has_own(there, own):
        raise RuntimeError(f"{named(resource, namespace, name)} is not this fault's any more: it was left alone")
    try:
        body = {"preconditions": {"uid": meta(there)["uid"]}}
        api.ask("DELETE", resource.path(namespace, name), body=body)
    except Refused as refused:
        if refused.status != 404:
            raise


def gone(api: Api, resource: Resource, namespace: str | None, name: str) -> dict[str, Json]:
    """Whether an object is no more, as `{"holds", "evidence"}`."""
    what = named(resource, namespace, name)
    there = api.get(resource, namespace, name)
    if there is None:
        api.recognise()
        return {"holds": True, "evidence": f"{what} is gone"}
    if "deletionTimestamp" in meta(there):
        held = ", ".join(meta(there).get("finalizers") or ())
        return {"holds": False, "evidence": f"{what} is being deleted{f', held by {held}' if held else ''}"}
    return {"holds": False, "evidence": f"{what} is still there"}


def stands(api: Api, resource: Resource, namespace: str | None, name: str, own: Mapping[str, str]) -> dict[str, Json]:
    """Whether an object whose labels are `own` is there, as `{"holds", "evidence"}`.

    Raises:
        Refused, Unreachable: see `Api.ask`.
    """
    what = named(resource, namespace, name)
    there = api.get(resource, namespace, name)
    if there is None:
        api.recognise()
        return {"holds": False, "evidence": f"{what} was deleted"}
    if "deletionTimestamp" in meta(there):
        return {"holds": False, "evidence": f"{what} is being deleted"}
    if not has_own(there, own):
        return {"holds": False, "evidence": f"{what} is not this fault's any more"}
    return {"holds": True, "evidence": f"{what} is there"}


def delete_by_hand(where: Where, resource: Resource, namespace: str | None, name: str) -> str:
    """A shell line that takes it away."""
    return shlex.join([*kubectl(where, namespace), "delete", f"{resource.full_name}/{name}"])


# --- as calls --------------------------------------------------------------------------------------------------------


def inject_made(where: Where, kind: str, inert: Mapping[str, Any], strike: Sequence[Mapping[str, Json]]) -> None:
    make(Api(where), ALL[kind], inert, strike)


def prepare_undo_made(where: Where, kind: str, namespace: str | None, name: str, own: Mapping[str, str]) -> None:
    prepared(where).warm_up()


def undo_made(where: Where, kind: str, namespace: str | None, name: str, own: Mapping[str, str]) -> None:
    remove(prepared(where), ALL[kind], namespace, name, own)


def undone_made(where: Where, kind: str, namespace: str | None, name: str) -> dict[str, Json]:
    try:
        return gone(prepared(where), ALL[kind], namespace, name)
    except Unreachable as error:
        return {"holds": False, "evidence": str(error)}


def object_name(own_name: str) -> str:
    """A name for an object made of `declaration.own_name`: lower case, at most 63 characters, and still its own."""
    import hashlib

    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in own_name.lower()).strip("-")
    if plain == own_name and len(plain) <= 63:
        return plain
    return f"{plain[:54].rstrip('-')}-{hashlib.sha256(json.dumps(own_name).encode()).hexdigest()[:8]}"
