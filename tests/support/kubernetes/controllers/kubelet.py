"""Scheduler and kubelet: pods get a node, start, fail to start when something says "broken", and end.

A container whose image holds the word "broken" is never pulled (ImagePullBackOff); one with an environment value that
holds it starts and crashes (CrashLoopBackOff). Once a pod runs, its status is left alone: a test may change it.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

from tests.support.kubernetes.controllers.common import POD, changed, emit, set_status, terminating
from tests.support.kubernetes.resources import of_kind
from tests.support.kubernetes.store import stamp
from tests.support.kubernetes.world import World

Json = dict[str, Any]

NODE = of_kind("Node")
SCHEDULER = "default-scheduler"
CORDONED = "node.kubernetes.io/unschedulable"


def tend_pods(world: World, now: float) -> float:
    due = float("inf")
    load: dict[str, int] | None = None
    for pod in world.ended:
        if not terminating(pod):
            _tell_end(world, pod)
    world.ended = []
    for pod in world.store.all(POD):
        if terminating(pod):
            due = min(due, _end(world, pod, now))
            continue
        if not pod["spec"].get("nodeName"):
            if load is None:
                load = _load(world)
            pod = _schedule(world, pod, load)
        if pod["spec"].get("nodeName") and "startTime" not in pod.get("status", {}):
            due = min(due, _start(world, pod, now))
    return due


def tend_nodes(world: World, now: float) -> float:
    """A cordoned node carries a taint, a moment later than its flag."""
    for node in world.store.all(NODE):
        taints = [one for one in node["spec"].get("taints") or [] if one["key"] != CORDONED]
        held = len(taints) != len(node["spec"].get("taints") or [])
        if bool(node["spec"].get("unschedulable")) == held:
            continue
        fresh = changed(node)
        if not held:
            taints.append({"key": CORDONED, "effect": "NoSchedule", "timeAdded": stamp()})
        fresh["spec"]["taints"] = taints
        if not taints:
            del fresh["spec"]["taints"]
        world.store.put(NODE, fresh)
    return float("inf")


# When each pod was seen first, and first on its way out, by uid: metadata has whole seconds only.
_SEEN: dict[str, float] = {}
_ENDING: dict[str, float] = {}


def _end(world: World, pod: Json, now: float) -> float:
    uid = pod["metadata"]["uid"]
    grace = float(pod["metadata"].get("deletionGracePeriodSeconds", 0))
    if uid not in _ENDING:
        _tell_end(world, pod)
        _ENDING[uid] = now
    end = _ENDING[uid] + min(grace, world.settings.termination)
    if now < end:
        return end
    del _ENDING[uid]
    _SEEN.pop(uid, None)
    if pod["metadata"].get("finalizers"):
        if grace:
            released = changed(pod)
            released["metadata"]["deletionGracePeriodSeconds"] = 0
            world.store.put(POD, released)
        return float("inf")
    world.store.remove(POD, pod)
    return float("inf")


def _tell_end(world: World, pod: Json) -> None:
    if pod.get("status", {}).get("phase") == "Running":
        for container in pod["spec"]["containers"]:
            emit(world, POD, pod, "Normal", "Killing", f"Stopping container {container['name']}", "kubelet")


def _load(world: World) -> dict[str, int]:
    """How many pods each node has."""
    load: dict[str, int] = {}
    for one in world.store.all(POD):
        name = one["spec"].get("nodeName", "")
        load[name] = load.get(name, 0) + 1
    return load


def _schedule(world: World, pod: Json, load: dict[str, int]) -> Json:
    nodes = world.store.all(NODE)
    wanted = pod["spec"].get("nodeSelector") or {}
    fitting = [
        one
        for one in nodes
        if not one["spec"].get("unschedulable") and wanted.items() <= (one["metadata"].get("labels") or {}).items()
    ]
    if not fitting:
        message = f"0/{len(nodes)} nodes are available: {len(nodes)} node(s) were unschedulable."
        status = {**pod.get("status", {}), "phase": "Pending"}
        old = (status.get("conditions") or [{}])[0]
        if old.get("reason") == "Unschedulable":
            return pod
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": message,
                "lastProbeTime": None,
                "lastTransitionTime": stamp(),
            }
        ]
        emit(world, POD, pod, "Warning", "FailedScheduling", message, SCHEDULER)
        return set_status(world, POD, pod, status)
    chosen = min(fitting, key=lambda one: load.get(one["metadata"]["name"], 0))["metadata"]["name"]
    load[chosen] = load.get(chosen, 0) + 1
    bound = changed(pod)
    bound["spec"]["nodeName"] = chosen
    # The binding is not a change that counts as a generation.
    stored = world.store.put(POD, bound)
    stored["metadata"]["generation"] = pod["metadata"]["generation"]
    place = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    emit(world, POD, pod, "Normal", "Scheduled", f"Successfully assigned {place} to {chosen}", SCHEDULER)
    return stored


def _start(world: World, pod: Json, now: float) -> float:
    uid = pod["metadata"]["uid"]
    seen = _SEEN.setdefault(uid, now)
    if now < seen + world.settings.startup:
        return seen + world.settings.startup
    del _SEEN[uid]
    image = next((one for one in pod["spec"]["containers"] if "broken" in one.get("image", "")), None)
    crash = next((one for one in pod["spec"]["containers"] if _crashes(one)), None)
    if image is not None:
        why, said = _unpulled(image)
        if why == "ErrImageNeverPull":
            emit(world, POD, pod, "Warning", why, said, "kubelet")
            emit(world, POD, pod, "Warning", "Failed", "Error: ErrImageNeverPull", "kubelet")
        else:
            emit(world, POD, pod, "Warning", "Failed", f'Failed to pull image "{image["image"]}": not found', "kubelet")
            emit(world, POD, pod, "Normal", "BackOff", said, "kubelet")
    else:
        for container in pod["spec"]["containers"]:
            there = f'Container image "{container["image"]}" already present on machine and can be accessed by the pod'
            emit(world, POD, pod, "Normal", "Pulled", there, "kubelet")
            emit(world, POD, pod, "Normal", "Created", "Container created", "kubelet")
            emit(world, POD, pod, "Normal", "Started", "Container started", "kubelet")
    if crash is not None:
        place = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}({uid})"
        said = f"Back-off restarting failed container {crash['name']} in pod {place}"
        emit(world, POD, pod, "Warning", "BackOff", said, "kubelet")
    set_status(world, POD, pod, _status(world, pod, running=image is None, ready=image is None and crash is None))
    return float("inf")


def _unpulled(container: Json) -> tuple[str, str]:
    """Why an image that is nowhere to be had does not start, and the words for it."""
    image = container["image"]
    if container.get("imagePullPolicy") == "Never":
        return "ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never'
    return "ImagePullBackOff", f'Back-off pulling image "{image}"'


def _crashes(container: Json) -> bool:
    return any("broken" in str(one.get("value", "")) for one in container.get("env") or [])


def _status(world: World, pod: Json, running: bool, ready: bool) -> Json:
    now, generation = stamp(), pod["metadata"].get("generation", 1)
    node = world.store.find(NODE, "", pod["spec"]["nodeName"])
    addresses = (node or {}).get("status", {}).get("addresses") or [{"type": "InternalIP", "address": "192.0.2.2"}]
    host = next((one["address"] for one in addresses if one["type"] == "InternalIP"), "192.0.2.2")
    own = f"10.{random.randrange(128, 256)}.{random.randrange(256)}.{random.randrange(1, 255)}"

    def condition(kind: str, state: bool, **more: str) -> Json:
        return {
            "type": kind,
            "observedGeneration": generation,
            "status": "True" if state else "False",
            "lastProbeTime": None,
            "lastTransitionTime": now,
            **more,
        }

    names = " ".join(one["name"] for one in pod["spec"]["containers"])
    said = f"containers with unready status: [{names}]"
    why = {} if ready else {"reason": "ContainersNotReady", "message": said}
    return {
        "observedGeneration": generation,
        "phase": "Running" if running else "Pending",
        "conditions": [
            condition("PodReadyToStartContainers", True),
            condition("Initialized", True),
            condition("Ready", ready, **why),
            condition("ContainersReady", ready, **why),
            condition("PodScheduled", True),
        ],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": own,
        "podIPs": [{"ip": own}],
        "startTime": now,
        "containerStatuses": [_container(pod, one, now) for one in pod["spec"]["containers"]],
        "qosClass": "BestEffort",
        "resources": {},
    }


def _container(pod: Json, container: Json, now: str) -> Json:
    image = container.get("image", "")
    head = {"name": container["name"], "image": image}
    if "broken" in image:
        why, message = _unpulled(container)
        said = {"reason": why, "message": message}
        return {
            **head,
            "state": {"waiting": said},
            "lastState": {},
            "ready": False,
            "restartCount": 0,
            "imageID": "",
            "started": False,
        }
    head["resources"] = {}
    ids = {"imageID": f"sha256:{uuid.uuid4().hex * 2}", "containerID": f"containerd://{uuid.uuid4().hex * 2}"}
    if _crashes(container):
        place = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}({pod['metadata']['uid']})"
        told = f"back-off 10s restarting failed container={container['name']} pod={place}"
        said = {"reason": "CrashLoopBackOff", "message": told}
        ended = {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}
        return {
            **head,
            **ids,
            "state": {"waiting": said},
            "lastState": {"terminated": ended},
            "ready": False,
            "restartCount": 1,
            "started": False,
        }
    return {
        **head,
        **ids,
        "state": {"running": {"startedAt": now}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "started": True,
    }
