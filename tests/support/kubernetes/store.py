"""The objects of the double, their versions and the history that watches read.

Objects in here are never changed in place: whoever changes one puts a new one. Rules of the API (who may, what is
valid, what a delete does) are not here but in `verbs`.
"""

from __future__ import annotations

import copy
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.support.kubernetes.resources import Resource

Json = dict[str, Any]
Place = tuple[str, str]
HISTORY = 20_000


@dataclass(frozen=True)
class Change:
    """One step of the history: ADDED, MODIFIED or DELETED; `before` is what a selector may have matched."""

    version: int
    key: str
    type: str
    obj: Json
    before: Json | None


def stamp(at: float | None = None) -> str:
    """A time as in metadata: RFC 3339, whole seconds, UTC."""
    return datetime.fromtimestamp(time.time() if at is None else at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Store:
    """All objects by resource and place. `lock` guards everything; `changed` is notified after each change."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 1000
        self.floor = 1000
        self.objects: dict[str, dict[Place, Json]] = {}
        self.history: deque[Change] = deque()
        self._encoded: dict[tuple[str, Place], tuple[str, bytes]] = {}

    def clear(self) -> None:
        with self.lock:
            self.objects.clear()
            self._encoded.clear()
            self.history.clear()
            self.version += 1
            self.floor = self.version
            self.changed.notify_all()

    def find(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        return self.objects.get(resource.key, {}).get((namespace or "", name))

    def all(self, resource: Resource, namespace: str | None = None) -> list[Json]:
        """In the order of the server: by namespace, then name."""
        with self.lock:
            held = self.objects.get(resource.key, {})
            places = sorted(place for place in held if not namespace or place[0] == namespace)
            return [held[place] for place in places]

    def encoded(self, resource: Resource, obj: Json) -> bytes:
        """An object as it stands in a list, encoded once for each of its versions."""
        meta = obj["metadata"]
        place = (resource.key, (meta.get("namespace", ""), meta["name"]))
        held = self._encoded.get(place)
        if held is None or held[0] != meta["resourceVersion"]:
            # Only custom resources repeat their kind in a list.
            shown = {key: value for key, value in obj.items() if resource.custom or key not in ("kind", "apiVersion")}
            held = (meta["resourceVersion"], json.dumps(shown, separators=(",", ":")).encode())
            self._encoded[place] = held
        return held[1]

    def every(self) -> Iterator[tuple[str, Json]]:
        for key, held in self.objects.items():
            for obj in list(held.values()):
                yield key, obj

    def put(self, resource: Resource, obj: Json) -> Json:
        """Store a new object, or a changed one; an unchanged one keeps its version. Returns what is stored."""
        with self.lock:
            meta = obj["metadata"]
            place = (meta.get("namespace", ""), meta["name"])
            held = self.objects.setdefault(resource.key, {})
            before = held.get(place)
            if before is not None:
                if _without_version(before) == _without_version(obj):
                    return before
                if resource.generation and _counted(resource, before) != _counted(resource, obj):
                    meta["generation"] = before["metadata"].get("generation", 1) + 1
            else:
                meta.setdefault("uid", str(uuid.uuid4()))
                meta.setdefault("creationTimestamp", stamp())
                if resource.generation:
                    meta.setdefault("generation", 1)
            if meta.get("deletionTimestamp") and releases(resource, obj):
                # The version of the answer stays that of the deletion, and the object is gone.
                meta["resourceVersion"] = before["metadata"]["resourceVersion"] if before else str(self.version)
                self.remove(resource, obj)
                return obj
            self.version += 1
            meta["resourceVersion"] = str(self.version)
            held[place] = obj
            self._note(Change(self.version, resource.key, "MODIFIED" if before else "ADDED", obj, before))
            return obj

    def remove(self, resource: Resource, obj: Json) -> None:
        with self.lock:
            meta = obj["metadata"]
            before = self.objects.get(resource.key, {}).pop((meta.get("namespace", ""), meta["name"]), None)
            if before is None:
                return
            self._encoded.pop((resource.key, (meta.get("namespace", ""), meta["name"])), None)
            self.version += 1
            last = copy.deepcopy(obj)
            last["metadata"]["resourceVersion"] = str(self.version)
            self._note(Change(self.version, resource.key, "DELETED", last, before))

    def _note(self, change: Change) -> None:
        self.history.append(change)
        while len(self.history) > HISTORY:
            self.floor = self.history.popleft().version
        self.changed.notify_all()

    def compact(self) -> None:
        """Forget the history, as etcd does after five minutes: older watches get 410."""
        with self.lock:
            self.version += 1
            self.floor = self.version
            self.history.clear()
            self.changed.notify_all()

    def since(self, version: int) -> list[Change]:
        found = []
        for change in reversed(self.history):
            if change.version <= version:
                break
            found.append(change)
        return found[::-1]


def releases(resource: Resource, obj: Json) -> bool:
    """Whether an object that is being deleted can go now: no finalizer, and nobody else has to end it."""
    meta = obj["metadata"]
    if meta.get("finalizers") or resource.kind == "Namespace":
        return False
    return not meta.get("deletionGracePeriodSeconds")


def _without_version(obj: Json) -> Json:
    meta = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    return obj | {"metadata": meta}


def _counted(resource: Resource, obj: Json) -> Json:
    """What counts as a new generation: the spec; for custom resources without a status subresource, the status too."""
    left_out = {"metadata", "kind", "apiVersion"} | (set() if resource.custom else {"status"})
    counted = {key: value for key, value in obj.items() if key not in left_out}
    counted["deleted"] = obj["metadata"].get("deletionTimestamp")
    return counted
