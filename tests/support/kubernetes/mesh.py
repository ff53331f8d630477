"""The controller of Chaos Mesh for a real API server that has its definitions and nobody who acts on them.

What it knows of traffic and processes is nothing: it moves the objects as the real one does, each step a write of its
own (finalizer, desired phase, conditions, records), and for `pod-kill` it does delete pods. So it shows that our
requests and the API server's answers fit together, and proves no fault.

A record of a NetworkChaos or an IOChaos waits half-way, `Not Injected/Wait` and `Injected/Wait`, until the pod's own
object is carried out, and there is no turning back there: what was to be injected is before it is taken back, unless
its pod has gone. While `stuck` is set nothing is carried out.

Where the cluster has Chaos Mesh's own controllers, `GAMEDAY_TEST_CHAOS_MESH` names the faults, with commas, that it can
do there; then this one keeps still.
"""

from __future__ import annotations

import os
import threading
import urllib.error
from types import TracebackType
from typing import Any

from tests.support.kubernetes.cluster import Cluster, Refused

Json = dict[str, Any]

FINALIZER = "chaos-mesh/records"
PAUSE = "experiment.chaos-mesh.org/pause"
WAIT = "/Wait"
OWN = [name for name in os.environ.get("GAMEDAY_TEST_CHAOS_MESH", "").split(",") if name]
"""The faults that the real cluster's own Chaos Mesh can do; none where it has no controllers."""
KINDS = ("PodChaos", "NetworkChaos", "DNSChaos", "StressChaos", "IOChaos")


class Mesh:
    """Runs while it is entered, in the test's namespace."""

    def __init__(self, cluster: Cluster, *, stuck: bool = False) -> None:
        self.cluster = cluster
        self.stuck = stuck
        self.moves: list[list[str]] = []
        """The phases of an experiment's records, each time that they were written."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Mesh:
        if not (OWN and self.cluster.is_real):
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.1 if self.cluster.is_real else 0.01):
            for kind in KINDS:
                for thing in self.cluster.list(kind):
                    try:
                        self._tend(kind, thing)
                    except (Refused, urllib.error.URLError):
                        # Somebody else wrote at the same time, or it is gone: the next round sees it as it is.
                        continue

    def _tend(self, kind: str, thing: Json) -> None:
        name, meta = thing["metadata"]["name"], thing["metadata"]
        deleted = "deletionTimestamp" in meta
        if not deleted and FINALIZER not in meta.get("finalizers", []):
            self._patch(kind, name, {"metadata": {"finalizers": [FINALIZER]}})
            return
        experiment = thing.get("status", {}).get("experiment", {})
        paused = meta.get("annotations", {}).get(PAUSE) == "true"
        once = thing["spec"].get("action") == "pod-kill"
        desired = "Stop" if deleted or (paused and not once) else "Run"
        if experiment.get("desiredPhase") != desired:
            self._patch(kind, name, {"status": {"experiment": {"desiredPhase": desired}}})
            return
        records = experiment.get("containerRecords")
        conditions = _conditions(records, paused)
        if thing["status"].get("conditions") != conditions:
            self._patch(kind, name, {"status": {"conditions": conditions}})
            return
        newer = self._records(kind, thing, records, desired)
        if newer and newer != records:
            self._patch(kind, name, {"status": {"experiment": {"containerRecords": newer}}})
            self.moves.append([one["phase"] for one in newer])
            return
        if deleted and all(one["phase"] == "Not Injected" for one in records or []):
            self._patch(kind, name, {"metadata": {"finalizers": []}})

    def _records(self, kind: str, thing: Json, records: list[Json] | None, desired: str) -> list[Json] | None:
        if records is None:
            sides = [(".", thing["spec"])] + (
                [(".Target", thing["spec"]["target"])] if "target" in thing["spec"] else []
            )
            in_container = kind in ("DNSChaos", "StressChaos", "IOChaos")
            return [
                {"id": f"{place}/app" if in_container else place, "selectorKey": key, "phase": "Not Injected"}
                | {"injectedCount": 0, "recoveredCount": 0}
                for key, side in sides
                for place in self._selected(side["selector"])
            ]
        phase = "Injected" if desired == "Run" else "Not Injected"
        if thing["spec"].get("action") == "pod-kill" and desired == "Run":
            for one in (one for one in records if one["phase"] != phase):
                namespace, _, pod = one["id"].partition("/")
                self.cluster.delete("Pod", pod, namespace, gracePeriodSeconds=thing["spec"]["gracePeriod"])
        waits = kind in ("NetworkChaos", "IOChaos")
        return [one | {"phase": self._next(one, phase, waits)} for one in records]

    def _next(self, record: Json, wanted: str, waits: bool) -> str:
        phase = str(record["phase"])
        if phase == wanted or not waits:
            return wanted
        namespace, name, *_ = record["id"].split("/")
        there = self.cluster.get("Pod", name, namespace) is not None
        if not there:
            return "Not Injected"
        if not phase.endswith(WAIT):
            return phase + WAIT
        if self.stuck:
            return phase
        return "Injected" if phase == f"Not Injected{WAIT}" else "Not Injected"

    def _selected(self, selector: Json) -> list[str]:
        if "pods" in selector:
            return [f"{space}/{name}" for space, names in selector["pods"].items() for name in names]
        labels = ",".join(f"{key}={value}" for key, value in selector["labelSelectors"].items())
        pods = (pod for space in selector["namespaces"] for pod in self.cluster.pods(labels, space))
        return [f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods]

    def _patch(self, kind: str, name: str, patch: Json) -> None:
        self.cluster.patch(kind, name, patch)


def _conditions(records: list[Json] | None, paused: bool) -> list[Json]:
    phases = {one["phase"] for one in records or []}
    states = {
        "Selected": bool(records),
        "AllInjected": phases == {"Injected"},
        "AllRecovered": phases == {"Not Injected"},
        "Paused": paused,
    }
    return [{"type": kind, "status": "True" if state else "False"} for kind, state in states.items()]
