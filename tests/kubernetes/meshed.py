"""Chaos Mesh's faults as the tests see them: planned on a cluster that has it, run as a worker would, looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gameday.cluster.resources import Access
from gameday.engine.ports import Call, Plan
from gameday.engine.workers import function
from gameday.faults.chaos_mesh import pod_kill
from gameday.faults.planning import plan
from tests.support.kubernetes.cluster import Cluster
from tests.support.kubernetes.mesh import OWN

from .targets import CONTEXT, target_of

MESH = pytest.mark.double(chaos_mesh=True)
LATENCY = {"service": "web", "delay": 0.2}


def planned(
    cluster: Cluster, fault: str, params: dict[str, Any], /, on: dict[str, Any] | None = None, **context: Any
) -> Plan:
    """`on`: another target than the usual one."""
    return Plan.from_json(plan(fault, on or target(cluster), params, {**CONTEXT, **context}))


def target(cluster: Cluster, **settings: Any) -> dict[str, Any]:
    services = {
        "web": {"workload": "deployment/web"},
        "shop": {"selector": "app=shop"},
        "bank": {"external": ["198.51.100.7", "bank.example.com"]},
        "mail": {"external": ["mail.example.com"]},
        "dark": {"service": "dark"},
    }
    return target_of(cluster, services, engines=["chaos-mesh"], **settings)


def run(call: Call | None) -> Any:
    assert call is not None
    return function(call.name)(**call.args)


def holds(call: Call | None) -> Callable[[], str]:
    """A question for `cluster.until`: the evidence once it holds."""

    def ask() -> str:
        said = run(call)
        return str(said["evidence"]) if said["holds"] else ""

    return ask


def object_of(cluster: Cluster, made: Plan) -> dict[str, Any] | None:
    inert = made.inject.args["made"]
    return cluster.get(inert["kind"], inert["metadata"]["name"])


def phases(cluster: Cluster, made: Plan) -> list[str]:
    there = object_of(cluster, made) or {}
    found = there.get("status", {}).get("experiment", {}).get("containerRecords") or []
    return [one["phase"] for one in found]


EVERY = {
    "latency": LATENCY,
    "dns-failure": {"service": "web", "names": ["payments.example.com", "mail.*"]},
    "cpu-stress": {"service": "web", "count": 2, "workers": 2, "load": 80},
    "memory-stress": {"service": "web", "all": True, "size": "64MB"},
    "disk-latency": {"service": "web", "volume": "/data", "delay": 0.1},
    "dependency-outage": {"service": "web", "mode": "blackhole"},
    "network-partition": {"service": "web", "direction": "both"},
}


def uids(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.pods("app=web")}


def marked(cluster: Cluster) -> list[str]:
    return [one["metadata"]["name"] for one in cluster.list("Pod", selector=pod_kill.MARK)]


def rule(text: str) -> dict[str, Any]:
    one = Access.parse(text)
    resource = f"{one.plural}/{one.sub}" if one.sub else one.plural
    found: dict[str, Any] = {"apiGroups": [one.group], "resources": [resource], "verbs": [one.verb]}
    return {**found, **({"namespace": one.namespace} if one.namespace else {})}


def needs_nobody_who_acts(cluster: Cluster) -> None:
    """Skip the test on a real cluster whose own Chaos Mesh would do what the test has nobody do."""
    needs_chaos_mesh(cluster)
    if cluster.is_real and OWN:
        pytest.skip("the cluster's Chaos Mesh has controllers")


def needs_chaos_mesh(cluster: Cluster, fault: str = "") -> None:
    """Skip the test on a real cluster without its definitions, or whose own Chaos Mesh can't do this fault."""
    if cluster.is_real and OWN and fault and fault not in OWN:
        pytest.skip(f"the cluster's own Chaos Mesh can't do {fault}")
    groups = cluster.ask("GET", "/apis")["groups"]
    if cluster.is_real and all(one["name"] != "chaos-mesh.org" for one in groups):
        pytest.skip("the cluster has no Chaos Mesh")
