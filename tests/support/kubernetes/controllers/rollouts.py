"""Deployments: one ReplicaSet per template, and rolling from the old to the new within the bounds of the strategy."""

from __future__ import annotations

import copy
from typing import Any

from tests.support.kubernetes.controllers.common import (
    DEPLOYMENT,
    REPLICA_SET,
    by_owner,
    changed,
    condition,
    emit,
    reference,
    set_status,
    terminating,
)
from tests.support.kubernetes.controllers.sets import fingerprint
from tests.support.kubernetes.defaults import complete
from tests.support.kubernetes.store import unix
from tests.support.kubernetes.subresources import share
from tests.support.kubernetes.world import World

Json = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"


def tend_deployments(world: World, now: float) -> float:
    due = float("inf")
    sets = by_owner(world, REPLICA_SET)
    for one in world.store.all(DEPLOYMENT):
        if not terminating(one):
            due = min(due, _tend(world, one, sets.get(one["metadata"]["uid"], []), now))
    return due


def _tend(world: World, parent: Json, sets: list[Json], now: float) -> float:
    spec = parent["spec"]
    new = next((one for one in sets if _template(one) == spec["template"]), None)
    old = [one for one in sets if one is not new]
    if not spec.get("paused"):
        new = _create(world, parent, sets) if new is None else _copied(world, parent, _newest(world, new, old))
        parent = _revision(world, parent, new)
        if spec["strategy"]["type"] == "Recreate":
            new, old = _recreate(world, parent, new, old)
        else:
            new, old = _roll(world, parent, new, old)
    elif new is not None and not any(_wanted(one) for one in old):
        new = _resize(world, parent, new, spec["replicas"])
    return _report(world, parent, new, old, now)


def _template(replica_set: Json) -> Json:
    template: Json = copy.deepcopy(replica_set["spec"]["template"])
    template.get("metadata", {}).get("labels", {}).pop("pod-template-hash", None)
    return template


def _number(replica_set: Json) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _wanted(replica_set: Json) -> int:
    return int(replica_set["spec"].get("replicas", 0))


def _count(replica_set: Json, field: str) -> int:
    return int(replica_set.get("status", {}).get(field, 0))


def _create(world: World, parent: Json, sets: list[Json]) -> Json:
    spec, meta = parent["spec"], parent["metadata"]
    label = fingerprint(spec["template"])
    template = copy.deepcopy(spec["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})["pod-template-hash"] = label
    selector = copy.deepcopy(spec["selector"])
    selector.setdefault("matchLabels", {})["pod-template-hash"] = label
    number = max((_number(one) for one in sets), default=0) + 1
    made: Json = {
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": f"{meta['name']}-{label}",
            "namespace": meta["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "annotations": {**_copies(parent), REVISION: str(number)},
            "ownerReferences": [reference(DEPLOYMENT, parent)],
        },
        "spec": {"replicas": _first_size(parent, sets), "selector": selector, "template": template},
    }
    made["metadata"]["annotations"] |= _sizes(parent)
    complete(REPLICA_SET, made)
    stored = world.store.put(REPLICA_SET, made)
    if size := _wanted(stored):
        said = f"Scaled up replica set {stored['metadata']['name']} from 0 to {size}"
        emit(world, DEPLOYMENT, parent, "Normal", "ScalingReplicaSet", said, "deployment-controller")
    return stored


def _first_size(parent: Json, sets: list[Json]) -> int:
    """How many pods a new ReplicaSet starts with: what the surge leaves room for beside the old ones."""
    wanted, there = int(parent["spec"]["replicas"]), sum(_wanted(one) for one in sets)
    if not there:
        return wanted
    if parent["spec"]["strategy"]["type"] == "Recreate":
        return 0
    return max(0, min(wanted, wanted + _bounds(parent)[0] - there))


def _copies(parent: Json) -> Json:
    """What a ReplicaSet takes over of its deployment's annotations; what goes there stays here."""
    there = parent["metadata"].get("annotations") or {}
    own = ("deployment.kubernetes.io/", "kubectl.kubernetes.io/last-applied-configuration")
    return {key: value for key, value in there.items() if not key.startswith(own)}


def _copied(world: World, parent: Json, new: Json) -> Json:
    wanted = {**(new["metadata"].get("annotations") or {}), **_copies(parent)}
    if wanted == (new["metadata"].get("annotations") or {}):
        return new
    noted = changed(new)
    noted["metadata"]["annotations"] = wanted
    return world.store.put(REPLICA_SET, noted)


def _sizes(parent: Json) -> dict[str, str]:
    """What a ReplicaSet notes of the size of its deployment."""
    wanted = parent["spec"]["replicas"]
    surge = 0 if parent["spec"]["strategy"]["type"] == "Recreate" else _bounds(parent)[0]
    prefix = "deployment.kubernetes.io"
    return {f"{prefix}/desired-replicas": str(wanted), f"{prefix}/max-replicas": str(wanted + surge)}


def _newest(world: World, new: Json, old: list[Json]) -> Json:
    """A template that comes back gets the next number: a rollback is a rollout."""
    top = max((_number(one) for one in old), default=0)
    if _number(new) > top:
        return new
    numbered = changed(new)
    notes = numbered["metadata"].setdefault("annotations", {})
    if REVISION in notes:
        notes[HISTORY] = ",".join(filter(None, [notes.get(HISTORY), notes[REVISION]]))
    notes[REVISION] = str(top + 1)
    return world.store.put(REPLICA_SET, numbered)


def _revision(world: World, parent: Json, new: Json) -> Json:
    number = str(_number(new))
    if (parent["metadata"].get("annotations") or {}).get(REVISION) == number:
        return parent
    numbered = changed(parent)
    numbered["metadata"].setdefault("annotations", {})[REVISION] = number
    return world.store.put(DEPLOYMENT, numbered)


def _resize(world: World, parent: Json, replica_set: Json, wanted: int) -> Json:
    before = _wanted(replica_set)
    if before == wanted:
        return replica_set
    sized = changed(replica_set)
    sized["spec"]["replicas"] = wanted
    sized["metadata"].setdefault("annotations", {}).update(_sizes(parent))
    stored = world.store.put(REPLICA_SET, sized)
    way = "up" if wanted > before else "down"
    said = f"Scaled {way} replica set {sized['metadata']['name']} from {before} to {wanted}"
    emit(world, DEPLOYMENT, parent, "Normal", "ScalingReplicaSet", said, "deployment-controller")
    return stored


def _recreate(world: World, parent: Json, new: Json, old: list[Json]) -> tuple[Json, list[Json]]:
    old = [_resize(world, parent, one, 0) for one in old]
    if not any(_count(one, "replicas") or _count(one, "terminatingReplicas") for one in old):
        new = _resize(world, parent, new, parent["spec"]["replicas"])
    return new, old


def _bounds(parent: Json) -> tuple[int, int]:
    """How many pods more than wanted, and how many fewer, there may be during a rollout."""
    wanted = parent["spec"]["replicas"]
    rolling = parent["spec"]["strategy"].get("rollingUpdate") or {}
    surge = share(rolling.get("maxSurge", "25%"), wanted, up=True)
    missing = share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    return surge, missing if surge or missing else 1


def _roll(world: World, parent: Json, new: Json, old: list[Json]) -> tuple[Json, list[Json]]:
    wanted = parent["spec"]["replicas"]
    if not any(_wanted(one) for one in old):
        return _resize(world, parent, new, wanted), old
    surge, missing = _bounds(parent)
    room = wanted + surge - _wanted(new) - sum(_wanted(one) for one in old)
    if _wanted(new) > wanted:
        new = _resize(world, parent, new, wanted)
    elif room > 0:
        new = _resize(world, parent, new, min(wanted, _wanted(new) + room))
    # Old pods go as far as enough remain available; those that do not serve go first.
    unavailable = max(0, _wanted(new) - _count(new, "availableReplicas"))
    total = _wanted(new) + sum(_wanted(one) for one in old)
    removable = total - (wanted - missing) - unavailable
    after = []
    for one in sorted(old, key=_number):
        idle = max(0, _wanted(one) - _count(one, "availableReplicas"))
        cut = max(0, min(idle, removable))
        removable -= cut
        after.append(_resize(world, parent, one, _wanted(one) - cut))
    available = _count(new, "availableReplicas") + sum(_count(one, "availableReplicas") for one in after)
    removable = min(removable, available - (wanted - missing))
    old, after = after, []
    for one in old:
        cut = max(0, min(_wanted(one), removable))
        removable -= cut
        after.append(_resize(world, parent, one, _wanted(one) - cut))
    return new, after


def _report(world: World, parent: Json, new: Json | None, old: list[Json], now: float) -> float:
    spec, before = parent["spec"], parent.get("status", {})
    every = [*old, *([new] if new else [])]
    # Counted from the pods themselves, so that a status never lags behind what a list of pods shows.
    total = sum(_count(one, "replicas") for one in every)
    available = sum(_count(one, "availableReplicas") for one in every)
    ready = sum(_count(one, "readyReplicas") for one in every)
    updated = _count(new, "replicas") if new else 0
    going = sum(_count(one, "terminatingReplicas") for one in every)
    status: Json = {"observedGeneration": parent["metadata"]["generation"]}
    numbers = {
        "replicas": total,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(0, max(total, spec["replicas"]) - available),
    }
    status |= {key: value for key, value in numbers.items() if value}
    status["terminatingReplicas"] = going
    progressing, due = _progress(parent, new, before, now, numbers)
    _, missing = _bounds(parent) if spec["strategy"]["type"] != "Recreate" else (0, 0)
    if available >= spec["replicas"] - missing:
        said = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        said = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    conditions = list(before.get("conditions") or [])
    fresh = [condition(before, "Available", *said), progressing]
    # The first one that is there is Progressing; after that whatever changes moves to the end.
    for one in fresh if conditions else fresh[::-1]:
        if one not in conditions:
            conditions = [*(other for other in conditions if other["type"] != one["type"]), one]
    status["conditions"] = conditions
    set_status(world, DEPLOYMENT, parent, status)
    return due


def _progress(parent: Json, new: Json | None, before: Json, now: float, numbers: Json) -> tuple[Json, float]:
    spec, name = parent["spec"], new["metadata"]["name"] if new else ""
    old = next((one for one in before.get("conditions") or [] if one["type"] == "Progressing"), None)
    complete_ = numbers["updatedReplicas"] == spec["replicas"] == numbers["replicas"] == numbers["availableReplicas"]
    done = f'ReplicaSet "{name}" has successfully progressed.'
    never = float("inf")
    if complete_ or (old and old["reason"] == "NewReplicaSetAvailable" and old["message"] == done):
        return condition(before, "Progressing", "True", "NewReplicaSetAvailable", done), never
    moved = old is None or any(before.get(key, 0) != numbers[key] for key in ("updatedReplicas", "readyReplicas"))
    going = f'ReplicaSet "{name}" is progressing.'
    if old is None:
        created = f'Created new replica set "{name}"'
        return condition(before, "Progressing", "True", "NewReplicaSetCreated", created), never
    fresh = moved or name not in old["message"]
    deadline = unix(old["lastUpdateTime"]) + spec["progressDeadlineSeconds"]
    if not fresh and (now > deadline or old["reason"] == "ProgressDeadlineExceeded"):
        late = f'ReplicaSet "{name}" has timed out progressing.'
        return condition(before, "Progressing", "False", "ProgressDeadlineExceeded", late), never
    shown = condition(before, "Progressing", "True", "ReplicaSetUpdated", going)
    return shown, never if fresh else deadline + 0.001
