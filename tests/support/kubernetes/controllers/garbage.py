"""The garbage collector, and namespaces: what has lost its owner or its home goes; a new home is furnished."""

from __future__ import annotations

from typing import Any

from tests.support.kubernetes import verbs
from tests.support.kubernetes.controllers.common import changed, terminating
from tests.support.kubernetes.resources import BY_KEY, of_kind
from tests.support.kubernetes.world import World

Json = dict[str, Any]

NAMESPACE = of_kind("Namespace")
_FINALIZERS = {"foregroundDeletion", "orphan"}


def sweep(world: World, now: float) -> float:
    objects = list(world.store.every())
    alive = {obj["metadata"]["uid"] for _, obj in objects}
    for key, obj in objects:
        refs = obj["metadata"].get("ownerReferences") or []
        if refs and not any(ref["uid"] in alive for ref in refs) and not terminating(obj):
            verbs.remove(world, BY_KEY[key], obj, {})
    for key, obj in objects:
        if terminating(obj) and _FINALIZERS & set(obj["metadata"].get("finalizers") or []):
            _settle(world, key, obj, objects)
    for namespace in world.store.all(NAMESPACE):
        if terminating(namespace):
            _empty(world, namespace)
        else:
            _furnish(world, namespace["metadata"]["name"])
    return float("inf")


def _settle(world: World, key: str, parent: Json, objects: list[tuple[str, Json]]) -> None:
    """Free or delete what belongs to an object that waits for it, then let that object go."""
    uid, held = parent["metadata"]["uid"], parent["metadata"]["finalizers"]
    below = [(k, o) for k, o in objects if any(ref["uid"] == uid for ref in o["metadata"].get("ownerReferences") or [])]
    below = [
        (k, o) for k, o in below if world.store.find(BY_KEY[k], o["metadata"].get("namespace"), o["metadata"]["name"])
    ]
    if "orphan" in held:
        for child_key, child in below:
            freed = changed(child)
            left = [ref for ref in freed["metadata"]["ownerReferences"] if ref["uid"] != uid]
            freed["metadata"]["ownerReferences"] = left
            if not left:
                del freed["metadata"]["ownerReferences"]
            world.store.put(BY_KEY[child_key], freed)
    elif below:
        for child_key, child in below:
            if not terminating(child):
                verbs.remove(world, BY_KEY[child_key], child, {"propagationPolicy": "Foreground"})
        return
    let_go = changed(parent)
    let_go["metadata"]["finalizers"] = [one for one in held if one not in _FINALIZERS]
    world.store.put(BY_KEY[key], let_go)


def _furnish(world: World, name: str) -> None:
    """What each namespace has from its beginning, and again when somebody deletes it."""
    accounts, maps = of_kind("ServiceAccount"), of_kind("ConfigMap")
    if world.store.find(accounts, name, "default") is None:
        meta = {"name": "default", "namespace": name}
        world.store.put(accounts, {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": meta})
    if world.store.find(maps, name, "kube-root-ca.crt") is None:
        meta = {"name": "kube-root-ca.crt", "namespace": name}
        data = {"ca.crt": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"}
        world.store.put(maps, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": data})


def _empty(world: World, namespace: Json) -> None:
    name = namespace["metadata"]["name"]
    inside = [(key, obj) for key, obj in world.store.every() if obj["metadata"].get("namespace") == name]
    for key, obj in inside:
        if not terminating(obj):
            verbs.remove(world, BY_KEY[key], obj, {})
    if not inside:
        world.store.remove(NAMESPACE, namespace)
