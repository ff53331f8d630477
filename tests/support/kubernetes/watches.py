"""A watch: changes as JSON lines, until its time is up, a test drops it, or its start is too old."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

from tests.support.kubernetes.resources import Resource
from tests.support.kubernetes.selectors import Match
from tests.support.kubernetes.store import Change
from tests.support.kubernetes.verbs import selection
from tests.support.kubernetes.world import Call, World

Json = dict[str, Any]

# How often a quiet watch looks whether its client is still there, and how often it sends a bookmark when asked to.
LOOK = 5.0
BOOKMARK = 1.0


class Dropped(Exception):
    """A test has cut this watch off: the connection is to be reset."""


def begin(world: World, resource: Resource, call: Call) -> Match:
    """Check the selectors before the answer starts: a bad one is a 400 and no stream."""
    if call.name:
        call.query["fieldSelector"] = f"metadata.name={call.name}"
    return selection(resource, call)


def stream(world: World, resource: Resource, call: Call, match: Match) -> Iterator[bytes]:
    """The lines of one watch; an empty one now and then while nothing happens, which is not sent."""
    store = world.store
    asked = call.query.get("resourceVersion", "")
    until = time.monotonic() + float(call.query.get("timeoutSeconds") or 1800)
    bookmarks = call.query.get("allowWatchBookmarks") in ("1", "true", "True")
    next_mark = time.monotonic() + BOOKMARK
    with store.lock:
        epoch = world.watch_epoch
        if asked in ("", "0"):
            at = store.version
            first = [_line("ADDED", one) for one in store.all(resource, call.namespace) if match(one)]
            if bookmarks:
                first.append(_bookmark(resource, at, {"annotations": {"k8s.io/initial-events-end": "true"}}))
        else:
            at, first = int(asked), []
    yield from first
    while True:
        with store.lock:
            if world.watch_epoch != epoch:
                if world.abrupt:
                    raise Dropped
                return
            if at < store.floor:
                yield _line("ERROR", _expired(at, store.floor))
                return
            changes = store.since(at)
            at = store.version
            if not changes:
                left = until - time.monotonic()
                if left > 0:
                    store.changed.wait(min(left, LOOK, max(next_mark - time.monotonic(), 0.01) if bookmarks else LOOK))
                    changes = store.since(at) if at >= store.floor else []
                    at = store.version if at >= store.floor else at
            if world.watch_epoch != epoch:
                continue
        sent = False
        for change in changes:
            if line := _seen(change, resource, call.namespace, match):
                sent = True
                yield line
        over = time.monotonic() >= until
        if bookmarks and (over or time.monotonic() >= next_mark):
            next_mark = time.monotonic() + BOOKMARK
            yield _bookmark(resource, at, {})
        elif not sent:
            yield b""
        if over:
            return


def _seen(change: Change, resource: Resource, namespace: str, match: Match) -> bytes | None:
    """A change as this watch sees it: what comes to match is added, what no longer matches is deleted."""
    if change.key != resource.key or (namespace and change.obj["metadata"].get("namespace") != namespace):
        return None
    now = match(change.obj) and change.type != "DELETED"
    before = change.before is not None and match(change.before)
    if now:
        return _line("MODIFIED" if before else "ADDED", change.obj)
    if not before:
        return None
    last = change.obj
    if change.type != "DELETED":
        last = copy.deepcopy(change.before or {})
        last["metadata"]["resourceVersion"] = str(change.version)
    return _line("DELETED", last)


def _expired(asked: int, floor: int) -> Json:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"too old resource version: {asked} ({floor})",
        "reason": "Expired",
        "code": 410,
    }


def _bookmark(resource: Resource, version: int, more: Json) -> bytes:
    meta = {"resourceVersion": str(version), **more}
    return _line("BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta})


def _line(kind: str, obj: Json) -> bytes:
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
