"""Each fault of the plain API lives its whole life with the rights that it says it needs, and with no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gameday.cluster.marks import MARK
from gameday.cluster.resources import Access
from gameday.faults import planning
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .planned import Planned
from .targets import target_of
from .test_cordon import Nodes

BY_WORKLOAD = {"web": {"workload": "deployment/web", "service": "web"}, "api": {"workload": "deployment/api"}}
BY_SELECTOR = {"web": {"selector": "app=web"}, "api": {"selector": "app=api"}}
BY_SERVICE = {"web": {"service": "web"}, "api": {"service": "api"}}
LIVES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("dependency-outage", BY_WORKLOAD, {"by": "service"}),
    ("dependency-outage", BY_WORKLOAD, {"by": "scale"}),
    ("dependency-outage", BY_SELECTOR, {"by": "scale"}),
    ("dependency-outage", BY_WORKLOAD, {"by": "policy"}),
    ("dependency-outage", BY_SELECTOR, {"by": "policy"}),
    ("dependency-outage", BY_SERVICE, {"by": "policy"}),
    ("network-partition", BY_WORKLOAD, {"from": "api"}),
    ("network-partition", BY_SERVICE, {}),
    ("node-cordon", BY_WORKLOAD, {}),
    ("node-cordon", BY_SELECTOR, {}),
    ("node-cordon", BY_SERVICE, {}),
    ("rollout-break", BY_WORKLOAD, {}),
    ("rollout-break", BY_SELECTOR, {"env": {"PYTHONHOME": "/broken"}}),
]


@pytest.fixture
def nodes(cluster: Cluster) -> Iterator[Nodes]:
    made = Nodes(cluster)
    yield made
    made.clear()


def rule(text: str) -> dict[str, Any]:
    access = Access.parse(text)
    what = f"{access.plural}/{access.sub}" if access.sub else access.plural
    place = {"namespace": access.namespace} if access.namespace else {}
    return {"apiGroups": [access.group], "resources": [what], "verbs": [access.verb], **place}


@pytest.mark.double
@pytest.mark.parametrize(("fault", "services", "params"), LIVES)
def test_a_whole_life_with_these_rights_alone(
    cluster: DoubleCluster, nodes: Nodes, fault: str, services: dict[str, Any], params: dict[str, Any]
) -> None:
    for name in ("web", "api"):
        cluster.deployment(name, replicas=1)
    cluster.until(
        lambda: cluster.list("EndpointSlice") and all(one["endpoints"] for one in cluster.list("EndpointSlice"))
    )
    nodes.add()
    asked = {"service": "web", **params}
    cluster.rules("gameday", [rule(text) for text in planning.needs(fault, target_of(cluster, services), asked)])
    cluster.forget_requests()
    life = Planned(cluster, fault, services, asked, context={"checked": True})
    life.inject()
    life.until_effective()
    for one in cluster.list("ReplicaSet") if fault == "rollout-break" else ():
        # As its controller does where it is faster than the strike.
        mark = {MARK: life.plan["inject"]["args"]["objects"][0]["mark"]}
        cluster.patch("ReplicaSet", one["metadata"]["name"], {"metadata": {"annotations": mark}})
    life.undo()
    life.until_recovered()
    # What is asked of no resource (which groups there are) everybody may ask.
    used = {(one.verb, one.resource) for one in cluster.requests if one.resource}
    named = {(Access.parse(text).verb, Access.parse(text).plural) for text in life.rights}
    assert used <= named
    if services is BY_WORKLOAD:
        assert used == named, "no right is asked for that is not used"
    assert set(life.plan["permissions"]) == set(life.rights)
