"""scale, eviction, log, status and the refused ones: what hangs below an object."""

from __future__ import annotations

import copy
import math
from typing import Any

from tests.support.kubernetes import answers, verbs
from tests.support.kubernetes.answers import Answer, Unknown
from tests.support.kubernetes.resources import Resource, of_kind
from tests.support.kubernetes.selectors import as_text, by_object
from tests.support.kubernetes.world import Call, World

Json = dict[str, Any]


def handle(world: World, resource: Resource, call: Call) -> Answer:
    name = call.subresource
    if name not in resource.subresources:
        if not resource.custom:
            raise answers.no_such_resource()
        # As recorded for Chaos Mesh: the server speaks of the object, which is there.
        raise answers.not_found(resource, call.name)
    if name == "scale":
        return _scale(world, resource, call)
    if name == "status":
        verb = {"get": verbs.get, "update": verbs.update, "patch": verbs.patch}.get(call.verb)
        if verb:
            return verb(world, resource, call)
    if name == "eviction" and call.verb == "create":
        return _evict(world, resource, call)
    if name == "log" and call.verb == "get":
        return _log(world, resource, call)
    if name == "ephemeralcontainers" and call.verb in ("patch", "update"):
        return verbs.patch(world, resource, call) if call.verb == "patch" else verbs.update(world, resource, call)
    raise Unknown(f"{call.verb} of the subresource {name} of {resource.plural}")


def _scale(world: World, resource: Resource, call: Call) -> Answer:
    with world.lock:
        parent = verbs.found(world, resource, call)
        before = _scale_of(parent)
        if call.verb == "get":
            return Answer(200, before)
        if call.verb == "patch":
            wanted = verbs.patched(resource, call, before)
        elif call.verb == "update":
            wanted = dict(call.body)
        else:
            raise Unknown(f"{call.verb} of a scale")
        version = wanted.get("metadata", {}).get("resourceVersion")
        if version and version != parent["metadata"]["resourceVersion"]:
            raise answers.stale(resource, call.name)
        replicas = (wanted.get("spec") or {}).get("replicas") or 0
        if replicas < 0:
            message = f"Invalid value: {replicas}: must be greater than or equal to 0"
            scale = Resource("autoscaling", "v1", "scales", "Scale")
            raise answers.invalid(scale, call.name, [("FieldValueInvalid", "spec.replicas", message)])
        new = copy.deepcopy(parent)
        new["spec"]["replicas"] = replicas
        if call.query.get("dryRun"):
            return Answer(200, _scale_of(new))
        return Answer(200, _scale_of(world.store.put(resource, new)))


def _scale_of(parent: Json) -> Json:
    meta = parent["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    replicas = parent["spec"].get("replicas", 1)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept},
        # A zero is not written.
        "spec": {"replicas": replicas} if replicas else {},
        "status": {
            "replicas": parent.get("status", {}).get("replicas", 0),
            "selector": as_text(parent["spec"].get("selector")),
        },
    }


def _evict(world: World, resource: Resource, call: Call) -> Answer:
    eviction = dict(call.body or {})
    if eviction.get("kind", "Eviction") != "Eviction":
        raise answers.bad_request("the body of an eviction was not an Eviction")
    options = dict(eviction.get("deleteOptions") or {})
    with world.lock:
        pod = verbs.found(world, resource, call)
        if pod["metadata"].get("deletionTimestamp") is None and pod["status"].get("phase") == "Running":
            _ask_budgets(world, pod, bool(options.get("dryRun")))
        verbs.remove(world, resource, pod, options)
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return Answer(201, body)


def _ask_budgets(world: World, pod: Json, dry: bool) -> None:
    kind = of_kind("PodDisruptionBudget")
    labels = pod["metadata"].get("labels") or {}
    namespace = pod["metadata"]["namespace"]
    budgets = [one for one in world.store.all(kind, namespace) if by_object(one["spec"].get("selector"))(labels)]
    if len(budgets) > 1:
        raise answers.failure(
            500,
            "InternalError",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        )
    if not budgets:
        return
    name = budgets[0]["metadata"]["name"]
    status = budget_status(world, budgets[0])
    if status["disruptionsAllowed"] <= 0 and (ready(pod) or status["currentHealthy"] < status["desiredHealthy"]):
        said = (
            f"The disruption budget {name} needs {status['desiredHealthy']} healthy pods"
            f" and has {status['currentHealthy']} currently"
        )
        raise answers.failure(
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
            {"causes": [{"reason": "DisruptionBudget", "message": said}]},
        )


def ready(pod: Json) -> bool:
    """Whether a pod counts as serving."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def share(value: Any, of: int, up: bool) -> int:
    """`3` or `"25%"` as a number of pods."""
    if isinstance(value, str) and value.endswith("%"):
        exact = int(value[:-1]) * of / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value)


def budget_status(world: World, budget: Json) -> Json:
    """The counts of a PodDisruptionBudget as they are this moment."""
    spec, namespace = budget["spec"], budget["metadata"]["namespace"]
    match = by_object(spec.get("selector"))
    pods = [
        pod
        for pod in world.store.all(of_kind("Pod"), namespace)
        if match(pod["metadata"].get("labels") or {})
        and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    ]
    if "maxUnavailable" in spec or str(spec.get("minAvailable", "")).endswith("%"):
        expected = _expected(world, pods, namespace)
    else:
        expected = len(pods)
    if "maxUnavailable" in spec:
        desired = max(0, expected - share(spec["maxUnavailable"], expected, up=True))
    else:
        desired = share(spec.get("minAvailable", 1), expected, up=True)
    healthy = sum(ready(pod) for pod in pods)
    return {
        "disruptionsAllowed": max(0, healthy - desired) if expected else 0,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
    }


def _expected(world: World, pods: list[Json], namespace: str) -> int:
    """The pods that the owners want, each owner counted once; pods without one count themselves."""
    wanted: dict[str, int] = {}
    for pod in pods:
        owner = next((one for one in pod["metadata"].get("ownerReferences") or [] if one.get("controller")), None)
        if owner is None or owner["kind"] not in ("ReplicaSet", "StatefulSet"):
            wanted[pod["metadata"]["uid"]] = 1
            continue
        parent = world.store.find(of_kind(owner["kind"]), namespace, owner["name"])
        above = next(iter((parent or {"metadata": {}})["metadata"].get("ownerReferences") or []), None)
        if above and above["kind"] == "Deployment":
            parent = world.store.find(of_kind("Deployment"), namespace, above["name"])
        if parent:
            wanted[parent["metadata"]["uid"]] = parent["spec"].get("replicas", 1)
    return sum(wanted.values())


def _log(world: World, resource: Resource, call: Call) -> Answer:
    pod = verbs.found(world, resource, call)
    if call.query.get("follow") in ("true", "1"):
        raise Unknown("following a log")
    names = [one["name"] for one in pod["spec"]["containers"]]
    container = call.query.get("container")
    if container is None and len(names) > 1:
        raise answers.bad_request(
            f"a container name must be specified for pod {call.name}, choose one of: [{' '.join(names)}]"
        )
    if container is not None and container not in names:
        raise answers.bad_request(f"container {container} is not valid for pod {call.name}")
    if pod.get("status", {}).get("phase") == "Pending":
        waiting = [one["state"]["waiting"]["reason"] for one in pod["status"].get("containerStatuses") or []]
        raise answers.bad_request(
            f'container "{container or names[0]}" in pod "{call.name}" is waiting to start:'
            f" {waiting[0] if waiting else 'ContainerCreating'}"
        )
    lines = world.logs.get((call.namespace, call.name), "").splitlines(keepends=True)
    if "tailLines" in call.query:
        lines = lines[-int(call.query["tailLines"]) :] if int(call.query["tailLines"]) else []
    return Answer(200, "".join(lines).encode(), content_type="text/plain")
