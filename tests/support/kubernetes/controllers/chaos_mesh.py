"""The controller of Chaos Mesh as far as its objects show it: finalizer, desired phase, records, conditions.

It follows the order of the real one: the finalizer first, then what is desired (deleted, duration over, paused, or
run), then the records one by one, then the conditions that are read off the records. Nothing happens to the traffic,
the clock or the disks of any pod; `pod-kill` does delete pods. A Schedule starts nothing.

A record of a NetworkChaos or an IOChaos waits half-way, `Not Injected/Wait` and `Injected/Wait`, until the pod's own
object has been carried out. Half-way there is no turning back: what could not be injected has to be before it can be
taken back, unless its pod goes. A StressChaos that could not be taken back is not tried again until it is changed.

`Settings.chaos_mode` switches on what goes wrong: "absent" (the definitions are there, the controller is not), "stuck"
(targets are selected, none is ever injected), "half" (only the first is), "never-recovers" (a fault stays injected and
so does the finalizer). `Settings.chaos_delay` is how many seconds an injection, and a recovery, takes to begin.
"""

from __future__ import annotations

import math
import random
import re
from typing import Any

from tests.support.kubernetes import verbs
from tests.support.kubernetes.controllers.common import POD, changed, emit, terminating
from tests.support.kubernetes.resources import CHAOS_MESH, Resource
from tests.support.kubernetes.selectors import by_object
from tests.support.kubernetes.store import stamp, unix
from tests.support.kubernetes.world import World

Json = dict[str, Any]

FINALIZER = "chaos-mesh/records"
PAUSE = "experiment.chaos-mesh.org/pause"
FORCED = "chaos-mesh.chaos-mesh.org/cleanFinalizer"
NEVER = float("inf")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def tend(world: World, now: float) -> float:
    due = NEVER
    if world.settings.chaos_mesh and world.settings.chaos_mode != "absent":
        for resource in CHAOS_MESH:
            if resource.kind != "Schedule":
                for obj in world.store.all(resource):
                    due = min(due, _Experiment(world, resource, obj, now).tend())
    return due


def seconds(text: str) -> float | None:
    """A Go duration, as `1m30s`; None when it can't be read."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


class _Experiment:
    """One object on its way from selected to injected to recovered; `tend` takes it as far as it goes now."""

    def __init__(self, world: World, resource: Resource, obj: Json, now: float) -> None:
        self.world, self.resource, self.now = world, resource, now
        self.before = obj
        self.obj = changed(obj)
        self.meta, self.spec = self.obj["metadata"], self.obj["spec"]
        self.status: Json = self.obj.setdefault("status", {})
        self.experiment: Json = self.status.setdefault("experiment", {})
        self.due = NEVER
        self.one_shot = resource.kind == "PodChaos" and self.spec["action"] in ("pod-kill", "container-kill")

    def tend(self) -> float:
        held = self.meta.setdefault("finalizers", [])
        if FINALIZER not in held and not terminating(self.obj):
            held.append(FINALIZER)
            self._say("Normal", "FinalizerInited", "Finalizer has been inited")
        self._desire()
        self._select()
        self._move()
        self._judge()
        records = self.experiment.get("containerRecords") or []
        forced = (self.meta.get("annotations") or {}).get(FORCED) == "forced"
        if terminating(self.obj) and (forced or all(one["phase"] == "Not Injected" for one in records)):
            self.meta["finalizers"] = []
        if not self.meta["finalizers"]:
            del self.meta["finalizers"]
        if self.obj != self.before:
            self.world.store.put(self.resource, self.obj)
        return self.due

    def _say(self, kind: str, reason: str, message: str) -> None:
        emit(self.world, self.resource, self.before, kind, reason, message, "chaos-mesh")

    def _paused(self) -> bool:
        return bool((self.meta.get("annotations") or {}).get(PAUSE) == "true")

    def _desire(self) -> None:
        phase, reason, message = "Run", "Started", "Experiment has started"
        lasting = seconds(str(self.spec.get("duration", "")))
        if terminating(self.obj):
            phase, reason, message = "Stop", "Deleted", "Experiment has been deleted"
        elif self.one_shot:
            pass
        elif lasting is not None and self.now >= unix(self.meta["creationTimestamp"]) + lasting:
            phase, reason, message = "Stop", "TimeUp", "Time up according to the duration"
        else:
            if lasting is not None:
                self.due = min(self.due, unix(self.meta["creationTimestamp"]) + lasting)
            if self._paused():
                phase, reason, message = "Stop", "Paused", "Experiment has been paused"
        if self.experiment.get("desiredPhase") != phase:
            self.experiment["desiredPhase"] = phase
            self._say("Normal", reason, message)

    def _select(self) -> None:
        if "containerRecords" in self.experiment:
            return
        records: list[Json] = []
        selectors = {".": self.spec}
        if self.resource.kind == "NetworkChaos" and self.spec.get("target"):
            selectors[".Target"] = self.spec["target"]
        for key, spec in selectors.items():
            targets = self._targets(spec)
            if not targets:
                # The real one tries again with every change of the object; so do we, but say it once.
                if self.meta["uid"] not in _TOLD:
                    _TOLD.add(self.meta["uid"])
                    self._say("Warning", "Failed", "Failed to select targets: no target has been selected")
                return
            for target in targets:
                records.append({"id": target, "selectorKey": key, "phase": "Not Injected"})
        for record in records:
            record |= {"injectedCount": 0, "recoveredCount": 0, "events": []}
        self.experiment["containerRecords"] = records

    def _targets(self, spec: Json) -> list[str]:
        selector = spec.get("selector") or {}
        exact = by_object(
            {
                "matchLabels": selector.get("labelSelectors") or {},
                "matchExpressions": selector.get("expressionSelectors") or [],
            }
        )
        named = selector.get("pods") or {}
        namespaces = selector.get("namespaces") or list(named) or [self.meta["namespace"]]
        nodes, phases = selector.get("nodes") or [], selector.get("podPhaseSelectors") or []
        pods = [
            pod
            for pod in self.world.store.all(POD)
            if pod["metadata"]["namespace"] in namespaces
            and exact(pod["metadata"].get("labels") or {})
            and (not named or pod["metadata"]["name"] in named.get(pod["metadata"]["namespace"], []))
            and (not nodes or pod["spec"].get("nodeName") in nodes)
            and (not phases or pod["status"].get("phase") in phases)
            and not terminating(pod)
        ]
        chosen = _chosen(pods, spec.get("mode", "all"), str(spec.get("value", "")))
        in_container = self.resource.kind in ("StressChaos", "IOChaos", "DNSChaos") or (
            self.spec.get("action") == "container-kill"
        )
        found = []
        for pod in chosen:
            place = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            names = [one["name"] for one in pod["spec"]["containers"]]
            wanted = self.spec.get("containerNames") or names[:1]
            found += [f"{place}/{name}" for name in wanted if name in names] if in_container else [place]
        return found

    def _move(self) -> None:
        settings = self.world.settings
        records = self.experiment.get("containerRecords") or []
        wanted = "Injected" if self.experiment["desiredPhase"] == "Run" else "Not Injected"
        moving = [one for one in records if one["phase"] != wanted]
        if not moving:
            _BEGUN.pop(self.meta["uid"], None)
            return
        goal, begun = _BEGUN.setdefault(self.meta["uid"], (wanted, self.now))
        if goal != wanted:
            _, begun = _BEGUN[self.meta["uid"]] = (wanted, self.now)
        if self.now < begun + settings.chaos_delay:
            self.due = min(self.due, begun + settings.chaos_delay)
            return
        for record in moving:
            there = self.world.store.find(POD, *record["id"].split("/")[:2]) is not None
            half_way = record["phase"].endswith("/Wait")
            if record["phase"].startswith("Not Injected") and (half_way or wanted == "Injected"):
                stuck = settings.chaos_mode == "stuck" or (settings.chaos_mode == "half" and record is not records[0])
                self._step(record, "Apply", half_way=half_way, fails=stuck, there=there)
            else:
                fails = settings.chaos_mode == "never-recovers" or _GIVEN_UP.get(self.meta["uid"]) == self._seen()
                self._step(record, "Recover", half_way=half_way, fails=fails, there=there)

    def _seen(self) -> Json:
        return {key: self.meta.get(key) for key in ("annotations", "deletionTimestamp")}

    def _step(self, record: Json, operation: str, *, half_way: bool, fails: bool, there: bool) -> None:
        waits = self.resource.kind in ("NetworkChaos", "IOChaos")
        if waits and there and not half_way:
            record["phase"] += "/Wait"
        elif fails and there:
            if self.resource.kind == "StressChaos" and operation == "Recover":
                _GIVEN_UP[self.meta["uid"]] = self._seen()
            else:
                self._fail(record, operation)
        elif operation == "Apply" and half_way and not there:
            record["phase"] = "Not Injected"
        elif operation == "Apply":
            self._apply(record)
        else:
            self._note(record, operation, "Succeeded")
            record |= {"phase": "Not Injected", "recoveredCount": record["recoveredCount"] + 1}
            self._say("Normal", "Recovered", f"Successfully recover chaos for {record['id']}")

    def _apply(self, record: Json) -> None:
        if self.resource.kind == "PodChaos" and self.spec["action"] == "pod-kill":
            namespace, name = record["id"].split("/")
            pod = self.world.store.find(POD, namespace, name)
            if pod is not None:
                verbs.remove(self.world, POD, pod, {"gracePeriodSeconds": self.spec.get("gracePeriod", 0)})
        self._note(record, "Apply", "Succeeded")
        record |= {"phase": "Injected", "injectedCount": record["injectedCount"] + 1}
        self._say("Normal", "Applied", f"Successfully apply chaos for {record['id']}")

    def _fail(self, record: Json, operation: str) -> None:
        """As when the daemon on the node does not answer; the real one tries on and on, we say it once."""
        if any(one["type"] == "Failed" and one["operation"] == operation for one in record["events"]):
            return
        why = "rpc error: code = Unavailable desc = connection error"
        self._note(record, operation, "Failed", why)
        self._say("Warning", "Failed", f"Failed to {operation.lower()} chaos: {why}")

    def _note(self, record: Json, operation: str, kind: str, message: str = "") -> None:
        event = {"operation": operation, "type": kind, "timestamp": stamp()}
        record["events"] = [*record["events"], event | ({"message": message} if message else {})]

    def _judge(self) -> None:
        records = self.experiment.get("containerRecords")
        phases = {one["phase"] for one in records or []}
        states = {
            "Selected": records is not None,
            "AllInjected": records is not None and phases == {"Injected"},
            "AllRecovered": records is not None and phases == {"Not Injected"},
            "Paused": self._paused(),
        }
        self.status["conditions"] = [
            {"type": kind, "status": "True" if state else "False"} for kind, state in states.items()
        ]


# What the objects do not tell: when a move began, and who was told that there are no targets, by uid.
_BEGUN: dict[str, tuple[str, float]] = {}
_TOLD: set[str] = set()
# As it was when its recovery failed, by uid.
_GIVEN_UP: dict[str, Json] = {}


def _chosen(pods: list[Json], mode: str, value: str) -> list[Json]:
    """Those that `mode` picks out of the pods that match."""
    if mode == "all" or not pods:
        return pods
    if mode == "one":
        count = 1
    elif mode == "fixed":
        count = int(value)
    elif mode == "fixed-percent":
        count = math.floor(len(pods) * int(value) / 100)
    else:
        count = math.floor(len(pods) * random.randint(0, int(value)) / 100)
    return sorted(random.sample(pods, min(count, len(pods))), key=lambda pod: pod["metadata"]["name"])
