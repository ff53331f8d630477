"""What a fault does to pods, as a pod sees it: that only a real network and real processes show.

What Chaos Mesh does is seen where the cluster has its controllers (`GAMEDAY_TEST_CHAOS_MESH`).
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kubernetes.cluster import Cluster
from tests.support.kubernetes.mesh import OWN

from .planned import Planned

SERVICES = {"web": {"workload": "deployment/web"}}
CALLS = """
import time, urllib.request
while True:
    try:
        urllib.request.urlopen("http://web/", timeout=1).read()
        said = "answered"
    except OSError:
        said = "silent"
    print(said, flush=True)
    time.sleep(0.2)
"""
"""A program that asks web again and again, and says what came."""


LOAD = """
import pathlib, time
one, two = pathlib.Path("/sys/fs/cgroup/cpuacct/cpuacct.usage"), pathlib.Path("/sys/fs/cgroup/cpu.stat")
def used():
    if one.exists():
        return int(one.read_text()) / 1e9
    return int(two.read_text().split("usage_usec")[1].split()[0]) / 1e6
while True:
    before = used()
    time.sleep(0.5)
    print("busy" if used() - before > 0.15 else "idle", flush=True)
"""
"""A program that says how much processor its container takes, itself nearly none."""


class Speaker:
    """A pod that says all the time how it is."""

    def __init__(self, cluster: Cluster, name: str, program: str) -> None:
        if not cluster.is_real:
            pytest.skip("the double has neither network nor processes")
        self.cluster = cluster
        cluster.deployment(name, 1, command=["python3", "-c", program])
        (pod,) = cluster.pods(f"app={name}")
        self.logs = cluster.path("Pod", pod["metadata"]["name"], below="log")

    def says(self, word: str) -> str:
        """Wait until the last three things that it said were this."""
        last = self.cluster.until(lambda: self._last() == [word] * 3 and word, 20, f"{word}, says a pod")
        return str(last)

    def _last(self) -> list[str]:
        return str(self.cluster.ask("GET", f"{self.logs}?tailLines=3")).split()


def felt(cluster: Cluster, fault: str, **params: Any) -> None:
    cluster.deployment("web", 1)
    caller = Speaker(cluster, "caller", CALLS)
    caller.says("answered")
    planned = Planned(cluster, fault, SERVICES, {"service": "web", **params}, context={"checked": True})
    planned.inject()
    try:
        if not caller_is_cut_off(caller):
            pytest.skip("this cluster's network does not enforce NetworkPolicy")
        assert planned.effective()["holds"]
    finally:
        planned.undo()
    caller.says("answered")
    planned.until_recovered()
    assert cluster.list("NetworkPolicy") == []


def caller_is_cut_off(caller: Speaker) -> bool:
    try:
        caller.says("silent")
    except AssertionError:
        return False
    return True


@pytest.mark.proves("network-partition", "kubernetes/api", only="real")
def test_a_partition_is_felt_by_another_pod(cluster: Cluster) -> None:
    felt(cluster, "network-partition", direction="in")


@pytest.mark.proves("dependency-outage", "kubernetes/api", only="real")
def test_an_outage_by_policy_is_felt_by_another_pod(cluster: Cluster) -> None:
    felt(cluster, "dependency-outage", by="policy")


# --- by Chaos Mesh ---------------------------------------------------------------------------------------------------


def by_chaos_mesh(cluster: Cluster, speaker: Speaker, words: tuple[str, str], fault: str, **params: Any) -> None:
    """`words`: what the pod says without the fault, and with it."""
    without, during = words
    speaker.says(without)
    made = Planned(cluster, fault, SERVICES, {"service": "web", **params}, settings={"engines": ["chaos-mesh"]})
    made.inject()
    try:
        made.until_effective()
        speaker.says(during)
    finally:
        made.undo()
    speaker.says(without)
    made.until_recovered()
    assert cluster.list("NetworkChaos") == [] and cluster.list("StressChaos") == []


def needs_controllers(cluster: Cluster, fault: str) -> None:
    if not cluster.is_real or fault not in OWN:
        pytest.skip(f"needs a cluster whose own Chaos Mesh can do {fault}")


@pytest.mark.proves("network-partition", "kubernetes/chaos-mesh", only="real")
def test_a_partition_by_chaos_mesh_is_felt_by_another_pod(cluster: Cluster) -> None:
    needs_controllers(cluster, "network-partition")
    cluster.deployment("web", 1)
    caller = Speaker(cluster, "caller", CALLS)
    by_chaos_mesh(cluster, caller, ("answered", "silent"), "network-partition", direction="both")


@pytest.mark.proves("dependency-outage", "kubernetes/chaos-mesh", only="real")
def test_an_outage_by_chaos_mesh_is_felt_by_another_pod(cluster: Cluster) -> None:
    needs_controllers(cluster, "dependency-outage")
    cluster.deployment("web", 1)
    caller = Speaker(cluster, "caller", CALLS)
    by_chaos_mesh(cluster, caller, ("answered", "silent"), "dependency-outage", mode="blackhole")


@pytest.mark.proves("cpu-stress", "kubernetes/chaos-mesh", only="real")
def test_stress_by_chaos_mesh_is_felt_by_the_pod(cluster: Cluster) -> None:
    needs_controllers(cluster, "cpu-stress")
    web = Speaker(cluster, "web", LOAD)
    by_chaos_mesh(cluster, web, ("idle", "busy"), "cpu-stress", count=1, workers=1, load=60)


@pytest.mark.proves("pod-kill", "kubernetes/chaos-mesh", only="real")
def test_pods_that_chaos_mesh_kills_are_gone(cluster: Cluster) -> None:
    needs_controllers(cluster, "pod-kill")
    cluster.deployment("web", 3)
    before = {pod["metadata"]["uid"] for pod in cluster.pods("app=web")}
    made = Planned(cluster, "pod-kill", SERVICES, {"service": "web", "count": 2}, settings={"engines": ["chaos-mesh"]})
    made.inject()
    made.until_effective()
    made.undo()
    made.until_recovered()
    after = {pod["metadata"]["uid"] for pod in cluster.pods("app=web")}
    assert len(after) == 3 and len(before & after) == 1
    assert cluster.list("PodChaos") == []
