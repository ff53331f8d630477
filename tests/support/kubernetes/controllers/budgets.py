"""The status of PodDisruptionBudgets, and the EndpointSlices and Endpoints of Services."""

from __future__ import annotations

from typing import Any

from tests.support.kubernetes.controllers.common import POD, by_owner, changed, reference, set_status, terminating
from tests.support.kubernetes.resources import of_kind
from tests.support.kubernetes.selectors import by_object
from tests.support.kubernetes.shapes import suffix
from tests.support.kubernetes.store import stamp
from tests.support.kubernetes.subresources import budget_status, ready
from tests.support.kubernetes.world import World

Json = dict[str, Any]

BUDGET = of_kind("PodDisruptionBudget")
SERVICE = of_kind("Service")
SLICE = of_kind("EndpointSlice")
ENDPOINTS = of_kind("Endpoints")


def tend_budgets(world: World, now: float) -> float:
    for one in world.store.all(BUDGET):
        counts = budget_status(world, one)
        enough = counts["disruptionsAllowed"] > 0
        generation = one["metadata"]["generation"]
        old: Json = next(iter(one.get("status", {}).get("conditions") or []), {})
        state = "True" if enough else "False"
        said = {
            "type": "DisruptionAllowed",
            "status": state,
            "observedGeneration": generation,
            "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == state else stamp(),
            "reason": "SufficientPods" if enough else "InsufficientPods",
            "message": "",
        }
        set_status(world, BUDGET, one, {"observedGeneration": generation, **counts, "conditions": [said]})
    return float("inf")


def tend_endpoints(world: World, now: float) -> float:
    held = by_owner(world, SLICE)
    for left in world.store.all(ENDPOINTS):
        meta = left["metadata"]
        managed = "endpoints.kubernetes.io/managed-by" in (meta.get("labels") or {})
        if managed and world.store.find(SERVICE, meta["namespace"], meta["name"]) is None:
            world.store.remove(ENDPOINTS, left)
    for service in world.store.all(SERVICE):
        selector = service["spec"].get("selector")
        if selector and not terminating(service):
            _tend_slice(world, service, held.get(service["metadata"]["uid"], []))
    return float("inf")


def _tend_slice(world: World, service: Json, slices: list[Json]) -> None:
    meta = service["metadata"]
    match = by_object({"matchLabels": service["spec"]["selector"]})
    pods = [
        pod
        for pod in world.store.all(POD, meta["namespace"])
        if match(pod["metadata"].get("labels") or {}) and pod.get("status", {}).get("podIP")
    ]
    ports = [
        {"name": port.get("name", ""), "port": _target(port, pods), "protocol": port["protocol"]}
        for port in service["spec"].get("ports") or []
    ]
    pods = [pod for pod in pods if pod["status"].get("phase") in ("Running", "Pending")]
    endpoints = [_endpoint(pod) for pod in pods]
    _tend_endpoints(world, service, pods, ports)
    if not slices:
        made = {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": {
                "name": f"{meta['name']}-{suffix()}",
                "generateName": f"{meta['name']}-",
                "namespace": meta["namespace"],
                "labels": {
                    **(meta.get("labels") or {}),
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                    "kubernetes.io/service-name": meta["name"],
                },
                "ownerReferences": [reference(SERVICE, service)],
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": ports,
        }
        world.store.put(SLICE, made)
    elif slices[0]["endpoints"] != endpoints or slices[0]["ports"] != ports:
        moved = changed(slices[0])
        moved |= {"endpoints": endpoints, "ports": ports}
        world.store.put(SLICE, moved)


def _tend_endpoints(world: World, service: Json, pods: list[Json], ports: list[Json]) -> None:
    """The older form of the same, with the ready and the other addresses apart."""
    meta = service["metadata"]
    addresses: dict[bool, list[Json]] = {True: [], False: []}
    for pod in pods:
        if not terminating(pod):
            one = _endpoint(pod)
            ref = {"ip": pod["status"]["podIP"], "nodeName": one["nodeName"], "targetRef": one["targetRef"]}
            addresses[ready(pod)].append(ref)
    subset: Json = {"ports": [{key: value for key, value in port.items() if value != ""} for port in ports]}
    subset |= {"addresses": addresses[True]} if addresses[True] else {}
    subset |= {"notReadyAddresses": addresses[False]} if addresses[False] else {}
    labels = {**(meta.get("labels") or {}), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    whole: Json = {
        "kind": "Endpoints",
        "apiVersion": "v1",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "labels": labels},
    }
    if len(subset) > 1:
        whole["subsets"] = [subset]
    there = world.store.find(ENDPOINTS, meta["namespace"], meta["name"])
    if there is None or there.get("subsets") != whole.get("subsets"):
        kept = {} if there is None else {key: there["metadata"][key] for key in ("uid", "creationTimestamp")}
        world.store.put(ENDPOINTS, whole | {"metadata": whole["metadata"] | kept})


def _target(port: Json, pods: list[Json]) -> int:
    """The number of a port; one given by name is looked up in the first pod that has it."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for one in container.get("ports") or []:
                if one.get("name") == target:
                    return int(one["containerPort"])
    return int(port["port"])


def _endpoint(pod: Json) -> Json:
    meta = pod["metadata"]
    conditions = pod["status"].get("conditions") or []
    serving = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready(pod), "serving": serving, "terminating": terminating(pod)},
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
    }
