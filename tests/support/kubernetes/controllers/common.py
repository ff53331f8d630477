"""What several controllers need: owners, events, changes of a status."""

from __future__ import annotations

import copy
from typing import Any

from tests.support.kubernetes.resources import Resource, of_kind
from tests.support.kubernetes.shapes import suffix
from tests.support.kubernetes.store import stamp
from tests.support.kubernetes.world import World

Json = dict[str, Any]

POD = of_kind("Pod")
EVENT = of_kind("Event")
REPLICA_SET = of_kind("ReplicaSet")
STATEFUL_SET = of_kind("StatefulSet")
CONTROLLER_REVISION = of_kind("ControllerRevision")
DEPLOYMENT = of_kind("Deployment")


def owner_of(obj: Json) -> Json | None:
    """The reference to the controller of an object."""
    return next((one for one in obj["metadata"].get("ownerReferences") or [] if one.get("controller")), None)


def owned(world: World, resource: Resource, parent: Json) -> list[Json]:
    uid = parent["metadata"]["uid"]
    return [
        one
        for one in world.store.all(resource, parent["metadata"]["namespace"])
        if any(ref["uid"] == uid and ref.get("controller") for ref in one["metadata"].get("ownerReferences") or [])
    ]


def by_owner(world: World, resource: Resource) -> dict[str, list[Json]]:
    """All objects of a resource by the uid of their controller."""
    found: dict[str, list[Json]] = {}
    for one in world.store.all(resource):
        if owner := owner_of(one):
            found.setdefault(owner["uid"], []).append(one)
    return found


def reference(resource: Resource, parent: Json) -> Json:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": parent["metadata"]["name"],
        "uid": parent["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def terminating(obj: Json) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def set_status(world: World, resource: Resource, obj: Json, status: Json) -> Json:
    if obj.get("status") == status:
        return obj
    return world.store.put(resource, {**obj, "metadata": dict(obj["metadata"]), "status": status})


def changed(obj: Json) -> Json:
    """A copy to change."""
    return copy.deepcopy(obj)


def condition(status: Json, kind: str, state: str, reason: str, message: str) -> Json:
    """A condition whose times move only when it changes."""
    now = stamp()
    old: Json = next((one for one in status.get("conditions") or [] if one["type"] == kind), {})
    same = old.get("status") == state
    unchanged = same and old.get("reason") == reason and old.get("message") == message
    return {
        "type": kind,
        "status": state,
        "lastUpdateTime": old["lastUpdateTime"] if unchanged else now,
        "lastTransitionTime": old["lastTransitionTime"] if same else now,
        "reason": reason,
        "message": message,
    }


def emit(world: World, resource: Resource, obj: Json, kind: str, reason: str, message: str, source: str) -> None:
    """An Event about an object, in its namespace."""
    meta = obj["metadata"]
    namespace = meta.get("namespace") or "default"
    now = stamp()
    event = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": f"{meta['name']}.{suffix(16)}", "namespace": namespace},
        "involvedObject": {
            "kind": resource.kind,
            "namespace": namespace,
            "name": meta["name"],
            "uid": meta["uid"],
            "apiVersion": resource.api_version,
            "resourceVersion": meta["resourceVersion"],
        },
        "reason": reason,
        "message": message,
        "source": {"component": source},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": kind,
        "eventTime": None,
        "reportingComponent": source,
        "reportingInstance": "",
    }
    if source == "default-scheduler":
        # It speaks the newer events API: no count, no source, a time with fractions.
        event |= {"source": {}, "firstTimestamp": None, "lastTimestamp": None, "action": "Binding"}
        event |= {"eventTime": now[:-1] + ".000000Z", "reportingInstance": source}
        del event["count"]
    world.store.put(EVENT, event)
