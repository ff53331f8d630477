"""What a NetworkPolicy does to those that call a service, as a pod sees it: that only a real network shows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kubernetes.cluster import Cluster

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


class Caller:
    """A pod that calls web."""

    def __init__(self, cluster: Cluster) -> None:
        if not cluster.is_real:
            pytest.skip("the double has no network")
        self.cluster = cluster
        cluster.deployment("caller", 1, command=["python3", "-c", CALLS])
        (pod,) = cluster.pods("app=caller")
        self.logs = cluster.path("Pod", pod["metadata"]["name"], below="log")

    def says(self, word: str) -> str:
        """Wait until the last three calls were all like this."""
        last = self.cluster.until(lambda: self._last() == [word] * 3 and word, 20, f"{word} calls of the other pod")
        return str(last)

    def _last(self) -> list[str]:
        return str(self.cluster.ask("GET", f"{self.logs}?tailLines=3")).split()


def felt(cluster: Cluster, fault: str, **params: Any) -> None:
    cluster.deployment("web", 1)
    caller = Caller(cluster)
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


def caller_is_cut_off(caller: Caller) -> bool:
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
