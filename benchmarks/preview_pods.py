"""A preview of a pod-kill among 6,000 pods against the raw list of those pods and `json.loads`, in one process each.

The API server is the test suite's double, which answers from memory; both ask it for the same namespace.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, talk
from benchmarks.lab import ROOT
from tests.kubernetes.targets import CONTEXT, target_of
from tests.support.kubernetes.cluster import DoubleCluster
from tests.support.kubernetes.process import Double

ROUNDS = 7
LIMIT = 2.0
PODS = 6000
_RAW = """
import json, sys, time, urllib.request
url, token = sys.argv[1:]
for _ in range(2):
    began = time.perf_counter()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        items = json.loads(answer.read())["items"]
    took = time.perf_counter() - began
print(len(items), took)
"""
_OURS = """
import json, sys, time
from gameday.faults.planning import plan
asked = json.loads(sys.stdin.read())
for _ in range(2):
    began = time.perf_counter()
    made = plan(**asked)
    took = time.perf_counter() - began
print(len(made["among"]), took)
"""


def measure(rounds: int, quick: bool) -> list[Figure]:
    number = 600 if quick else PODS
    with tempfile.TemporaryDirectory(prefix="gameday-bench-") as name:
        double = Double()
        try:
            cluster = DoubleCluster(double, Path(name))
            cluster.settings(controllers=False)
            _fill(cluster, number)
            pairs = [_pair(cluster, round_, rounds, number) for round_ in range(rounds)]
        finally:
            double.stop()
    ours, raw = [one for one, _ in pairs], [other for _, other in pairs]
    ratio = statistics.median(ours) / statistics.median(raw)
    return [
        Figure(f"planning a pod-kill among {number:,} pods, as a preview does", ours),
        Figure(f"GET of {number:,} pods and json.loads", raw),
        Figure("ratio of the medians", [ratio], LIMIT, judged="p50", unit="ratio"),
    ]


def _fill(cluster: DoubleCluster, number: int) -> None:
    """A Deployment that says it runs so many pods, and these; each as large as a plain real one (about 3.5 kB)."""
    template = json.loads((ROOT / "tests/kubernetes/wire/07-pod-get.json").read_text())["response"]["body"]
    cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": cluster.namespace},
            "spec": {
                "replicas": number,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a"}]}},
            },
        }
    )
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "web-1", "controller": True}
    for each in range(number):
        pod: dict[str, Any] = json.loads(json.dumps(template))
        pod["metadata"] |= {"name": f"web-{each}", "namespace": cluster.namespace, "labels": {"app": "web"}}
        for key in ("uid", "resourceVersion"):
            pod["metadata"].pop(key, None)
        pod["metadata"]["ownerReferences"] = [owner]
        cluster.seed(pod)


def _pair(cluster: DoubleCluster, number: int, rounds: int, pods: int) -> tuple[float, float]:
    target = target_of(cluster, {"web": {"workload": "deployment/web"}})
    asked = {"fault": "pod-kill", "target": target, "params": {"service": "web"}, "context": CONTEXT}
    ours = _run([sys.executable, "-c", _OURS], json.dumps(asked), pods)
    token = next(line.split("token:")[1] for line in cluster.kubeconfig.read_text().splitlines() if "token:" in line)
    url = f"{cluster.url}{cluster.path('Pod')}"
    raw = _run([sys.executable, "-c", _RAW, url, token.strip()], "", pods)
    talk(f"  round {number + 1} of {rounds}: planned {ours * 1000:.0f} ms, raw {raw * 1000:.0f} ms")
    return ours, raw


def _run(command: list[str], given: str, pods: int) -> float:
    """Seconds that the second of two times took, in a process of its own."""
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"after {time.monotonic() - began:.0f} s: {done.stderr}")
    found, took = done.stdout.split()
    if int(found) != pods:
        raise RuntimeError(f"{found} pods instead of {pods}")
    return float(took)
