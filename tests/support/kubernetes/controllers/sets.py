"""ReplicaSets and StatefulSets: as many pods as wanted, no more and no fewer."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from tests.support.kubernetes import verbs
from tests.support.kubernetes.controllers.common import (
    CONTROLLER_REVISION,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    by_owner,
    changed,
    emit,
    owned,
    reference,
    set_status,
    terminating,
)
from tests.support.kubernetes.defaults import complete
from tests.support.kubernetes.resources import Resource
from tests.support.kubernetes.selectors import by_object
from tests.support.kubernetes.shapes import ALPHABET, suffix
from tests.support.kubernetes.subresources import ready
from tests.support.kubernetes.world import World

Json = dict[str, Any]


def fingerprint(template: Json) -> str:
    """A short name for a pod template, the same for the same template."""
    number = int(hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest(), 16)
    letters = ""
    for _ in range(10):
        number, digit = divmod(number, len(ALPHABET))
        letters += ALPHABET[digit]
    return letters


def new_pod(resource: Resource, parent: Json, name: str, generate: str, labels: Json) -> Json:
    template = parent["spec"]["template"]
    meta = copy.deepcopy(template.get("metadata") or {})
    meta |= {
        "name": name,
        "generateName": generate,
        "namespace": parent["metadata"]["namespace"],
        "labels": {**(meta.get("labels") or {}), **labels},
        "ownerReferences": [reference(resource, parent)],
    }
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": copy.deepcopy(template.get("spec") or {})}
    complete(POD, pod)
    return pod


def tend_replica_sets(world: World, now: float) -> float:
    pods = by_owner(world, POD)
    for one in world.store.all(REPLICA_SET):
        if not terminating(one):
            _tend_replica_set(world, one, pods.get(one["metadata"]["uid"], []))
    return float("inf")


def _tend_replica_set(world: World, parent: Json, pods: list[Json]) -> None:
    match = by_object(parent["spec"]["selector"])
    kept = []
    for pod in pods:
        if match(pod["metadata"].get("labels") or {}):
            kept.append(pod)
        elif not terminating(pod):
            # A pod that was relabelled is let go, and replaced.
            free = changed(pod)
            del free["metadata"]["ownerReferences"]
            world.store.put(POD, free)
    going = [pod for pod in kept if terminating(pod)]
    living = [
        pod
        for pod in kept
        if not terminating(pod) and pod.get("status", {}).get("phase") not in ("Failed", "Succeeded")
    ]
    wanted = parent["spec"].get("replicas", 1)
    name = parent["metadata"]["name"]
    for _ in range(wanted - len(living)):
        label = parent["metadata"].get("labels", {}).get("pod-template-hash")
        labels = {"pod-template-hash": label} if label else {}
        fresh = f"{name}-{suffix()}"
        while world.store.find(POD, parent["metadata"]["namespace"], fresh):
            fresh = f"{name}-{suffix()}"
        pod = world.store.put(POD, new_pod(REPLICA_SET, parent, fresh, f"{name}-", labels))
        emit(
            world,
            REPLICA_SET,
            parent,
            "Normal",
            "SuccessfulCreate",
            f"Created pod: {pod['metadata']['name']}",
            "replicaset-controller",
        )
        living.append(pod)
    if len(living) > wanted:
        # The youngest and those that are not ready go first.
        order = sorted(living, key=lambda pod: (ready(pod), -int(pod["metadata"]["resourceVersion"])))
        for pod in order[: len(living) - wanted]:
            gone = verbs.remove(world, POD, pod, {})
            living.remove(pod)
            if world.store.find(POD, gone["metadata"]["namespace"], gone["metadata"]["name"]):
                going.append(gone)
            emit(
                world,
                REPLICA_SET,
                parent,
                "Normal",
                "SuccessfulDelete",
                f"Deleted pod: {pod['metadata']['name']}",
                "replicaset-controller",
            )
    serving = sum(ready(pod) for pod in living)
    status: Json = {"replicas": len(living)}
    if living:
        status["fullyLabeledReplicas"] = len(living)
    if serving:
        status |= {"readyReplicas": serving, "availableReplicas": serving}
    status |= {"terminatingReplicas": len(going), "observedGeneration": parent["metadata"]["generation"]}
    set_status(world, REPLICA_SET, parent, status)


def tend_stateful_sets(world: World, now: float) -> float:
    pods = by_owner(world, POD)
    for one in world.store.all(STATEFUL_SET):
        if not terminating(one):
            _tend_stateful_set(world, one, pods.get(one["metadata"]["uid"], []))
    return float("inf")


def _tend_stateful_set(world: World, parent: Json, pods: list[Json]) -> None:
    name, spec = parent["metadata"]["name"], parent["spec"]
    wanted, parallel = spec.get("replicas", 1), spec.get("podManagementPolicy") == "Parallel"
    revision = _revision(world, parent)
    there = {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in pods}
    for number in range(wanted):
        pod = there.get(number)
        if pod is None:
            labels = {
                "controller-revision-hash": revision,
                "statefulset.kubernetes.io/pod-name": f"{name}-{number}",
                "apps.kubernetes.io/pod-index": str(number),
            }
            made = new_pod(STATEFUL_SET, parent, f"{name}-{number}", f"{name}-", labels)
            made["spec"] |= {"hostname": f"{name}-{number}", "subdomain": spec.get("serviceName", "")}
            pod = there[number] = world.store.put(POD, made)
            said = f"create Pod {name}-{number} in StatefulSet {name} successful"
            emit(world, STATEFUL_SET, parent, "Normal", "SuccessfulCreate", said, "statefulset-controller")
        if not parallel and not ready(pod):
            break
    surplus = sorted((number for number in there if number >= wanted), reverse=True)
    for number in surplus if parallel else surplus[:1]:
        if not terminating(there[number]):
            verbs.remove(world, POD, there[number], {})
    within = [there[number] for number in sorted(there) if number < wanted]
    updated = [pod for pod in within if pod["metadata"]["labels"].get("controller-revision-hash") == revision]
    # Of the pods with an old template the last goes, once all the others serve.
    if not surplus and len(within) == wanted and spec["updateStrategy"].get("type") != "OnDelete":
        for pod in reversed(within):
            if pod in updated and ready(pod):
                continue
            if pod not in updated and not terminating(pod):
                verbs.remove(world, POD, pod, {})
            break
    serving = sum(ready(pod) for pod in there.values())
    old = parent.get("status", {}).get("currentRevision") or revision
    current = revision if len(updated) == wanted else old
    status: Json = {"observedGeneration": parent["metadata"]["generation"], "replicas": len(there)}
    if serving:
        status["readyReplicas"] = serving
    status["currentReplicas"] = len([pod for pod in within if pod not in updated or current == revision])
    status |= {"updatedReplicas": len(updated), "currentRevision": current, "updateRevision": revision}
    status |= {"collisionCount": 0, "availableReplicas": serving}
    set_status(world, STATEFUL_SET, parent, status)


def _revision(world: World, parent: Json) -> str:
    """The name of the revision of its template, which is kept, and is the newest of them afterwards."""
    template, meta = parent["spec"]["template"], parent["metadata"]
    name, kept = f"{meta['name']}-{fingerprint(template)}", owned(world, CONTROLLER_REVISION, parent)
    newest = max((one["revision"] for one in kept), default=0)
    there = next((one for one in kept if one["metadata"]["name"] == name), None)
    if there is None:
        made = {
            "kind": "ControllerRevision",
            "apiVersion": CONTROLLER_REVISION.api_version,
            "metadata": {
                "name": name,
                "namespace": meta["namespace"],
                # As they are when it is made; they stay so.
                "annotations": copy.deepcopy(meta.get("annotations") or {}),
                "labels": {**template["metadata"]["labels"], "controller.kubernetes.io/hash": fingerprint(template)},
                "ownerReferences": [reference(STATEFUL_SET, parent)],
            },
            "data": {"spec": {"template": {**copy.deepcopy(template), "$patch": "replace"}}},
            "revision": newest + 1,
        }
        complete(CONTROLLER_REVISION, made)
        world.store.put(CONTROLLER_REVISION, made)
    elif there["revision"] != newest:
        again = changed(there)
        again["revision"] = newest + 1
        world.store.put(CONTROLLER_REVISION, again)
    return name
