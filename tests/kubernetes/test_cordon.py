"""Nodes take no new pods for a while: those that were planned, never all, and none that somebody else cordoned."""

from __future__ import annotations

import fcntl
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.faults.kubernetes import node_cordon
from tests.support.kubernetes.cluster import Cluster

from .planned import Planned
from .targets import place_of

WEB = {"web": {"workload": "deployment/web", "service": "web"}}


def cordon(cluster: Cluster, /, **params: Any) -> Planned:
    more = {key: params.pop(key) for key in ("context", "settings") if key in params}
    return Planned(cluster, "node-cordon", WEB, params, **more)


def unschedulable(cluster: Cluster, name: str) -> bool:
    found = cluster.get("Node", name)
    assert found is not None
    return bool(found["spec"].get("unschedulable", False))


class Nodes:
    """Nodes that are none: ready by what their status says, and without room for a pod."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.made: list[str] = []
        # Of several tests at once on a real cluster, each would see the others' exercises.
        self.turn = (Path(tempfile.gettempdir()) / "gameday-test-nodes").open("w") if cluster.is_real else None
        if self.turn is not None:
            fcntl.flock(self.turn, fcntl.LOCK_EX)

    def add(self, labels: dict[str, str] | None = None, **spec: Any) -> str:
        name = f"gameday-test-{secrets.token_hex(3)}"
        self.made.append(name)
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels or {}}, "spec": spec}
        self.cluster.apply(node)
        ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "", "lastHeartbeatTime": None}
        room = {"pods": "0", "cpu": "0", "memory": "0"}
        status = {"conditions": [ready], "allocatable": room, "capacity": room}
        self.cluster.patch("Node", name, {"status": status}, below="status")
        self.cluster.until(lambda: not self._tainted(name), 10, "a new node has no taint of a controller's left")
        return name

    def _tainted(self, name: str) -> bool:
        found = self.cluster.get("Node", name)
        assert found is not None
        taints = found["spec"].get("taints") or []
        return any(str(one["key"]).startswith("node.kubernetes.io/not-ready") for one in taints)

    def clear(self) -> None:
        for name in self.made:
            self.cluster.delete("Node", name)
        if self.turn is not None:
            self.turn.close()


@pytest.fixture
def nodes(cluster: Cluster) -> Iterator[Nodes]:
    made = Nodes(cluster)
    yield made
    made.clear()


def kept_off(cluster: Cluster, pod: str) -> bool:
    """Whether the scheduler says that it does not place the pod because nodes are unschedulable."""
    found = cluster.get("Pod", pod)
    conditions = (found or {}).get("status", {}).get("conditions") or []
    said = [one.get("message", "") for one in conditions if one["type"] == "PodScheduled"]
    return any("were unschedulable" in one for one in said)


def pod_for(cluster: Cluster, label: dict[str, str], name: str) -> str:
    container = {"name": "app", "image": cluster.image, "imagePullPolicy": "Never"}
    spec = {"nodeSelector": label, "containers": [container], "automountServiceAccountToken": False}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    return name


@pytest.mark.proves("node-cordon", "kubernetes/api")
def test_a_node_takes_no_pods_and_then_does_again(cluster: Cluster, nodes: Nodes) -> None:
    label = {"gameday-test": secrets.token_hex(3)}
    name = nodes.add(label)
    fault = cordon(cluster, node=name)
    assert fault.plan["targets"] == (f"node {name}",)
    assert fault.effective() == {"holds": False, "evidence": f"node {name} still takes pods"}
    fault.inject()
    assert unschedulable(cluster, name)
    assert fault.effective() == {"holds": True, "evidence": f"{name} takes no new pods"}
    pod = pod_for(cluster, label, "wants-it")
    cluster.until(lambda: kept_off(cluster, pod), 10, "the scheduler keeps the pod off the node")
    assert not fault.recovered()["holds"]
    with pytest.raises(ValueError, match=r"another exercise has a fault on node \S+ \(exercise x-1\)"):
        cordon(cluster, node=name, context={"exercise": "x-2"})
    fault.undo()
    assert fault.recovered() == {"holds": True, "evidence": f"node {name} is as it was"}
    assert not unschedulable(cluster, name)
    cluster.until(lambda: not kept_off(cluster, pod), 10, "the scheduler considers the node again")
    fault.undo()


def test_uncordoned_by_somebody_else_meanwhile_is_no_obstacle(cluster: Cluster, nodes: Nodes) -> None:
    name = nodes.add()
    fault = cordon(cluster, node=name)
    fault.inject()
    cluster.patch("Node", name, {"spec": {"unschedulable": None}})
    assert not fault.effective()["holds"]
    fault.undo()
    assert fault.recovered()["holds"] and not unschedulable(cluster, name)


def test_what_was_cordoned_or_protected_is_left_alone(cluster: Cluster, nodes: Nodes) -> None:
    cordoned = nodes.add(unschedulable=True)
    with pytest.raises(ValueError, match=f"node {cordoned} is cordoned already, so nothing would change"):
        cordon(cluster, node=cordoned)
    protected = nodes.add({"gameday.dev/protected": "true"})
    with pytest.raises(ValueError, match=f"node {protected} may not be touched: labelled"):
        cordon(cluster, node=protected)
    with pytest.raises(ValueError, match="has not opted in"):
        cordon(cluster, node=nodes.add(), settings={"opt_in": "chaos=yes"})
    with pytest.raises(ValueError, match="there is no node nobody: there is "):
        cordon(cluster, node="nobody")


def test_never_all_nodes_that_take_pods_nor_more_than_the_limits(cluster: Cluster, nodes: Nodes) -> None:
    others = [one for one in cluster.list("Node") if not one["spec"].get("unschedulable")]
    name = nodes.add()
    share = 100 / (len(others) + 1)
    with pytest.raises(ValueError, match=rf"1 of {len(others) + 1} nodes .* limits\.percent allows"):
        cordon(cluster, node=name, context={"percent": share - 1})
    with pytest.raises(ValueError, match=r"the target allows .* \(namespace_percent\)"):
        cordon(cluster, node=name, settings={"namespace_percent": share - 1})
    assert cordon(cluster, node=name, context={"percent": share + 1}).plan


@pytest.mark.double
def test_the_only_node_is_never_cordoned(cluster: Cluster) -> None:
    for one in cluster.list("Node")[1:]:
        cluster.delete("Node", one["metadata"]["name"])
    (only,) = cluster.list("Node")
    with pytest.raises(ValueError, match="no node would be left that takes new pods"):
        cordon(cluster, node=only["metadata"]["name"])


def test_nodes_of_a_service_are_those_that_run_its_pods(cluster: Cluster, nodes: Nodes) -> None:
    cluster.deployment("web", replicas=2)
    nodes.add()
    theirs = {pod["spec"]["nodeName"] for pod in cluster.pods("app=web")}
    fault = cordon(cluster, service="web")
    assert {target.removeprefix("node ") for target in fault.plan["targets"]} <= theirs
    assert fault.plan["targets"] == cordon(cluster, service="web").plan["targets"], "the same seed, the same node"
    among = {name.removeprefix("node ") for name in fault.plan["among"]}
    assert among == (theirs if len(theirs) > 1 else set()), "a run draws with a seed of its own"
    with pytest.raises(ValueError, match="99 nodes of web asked for"):
        cordon(cluster, service="web", count=99)


@pytest.mark.double
def test_nodes_of_the_control_plane_are_left_out_unless_named(cluster: Cluster, nodes: Nodes) -> None:
    cluster.deployment("web", replicas=1)
    nodes.add()
    (pod,) = cluster.pods("app=web")
    label = {"node-role.kubernetes.io/control-plane": ""}
    cluster.patch("Node", pod["spec"]["nodeName"], {"metadata": {"labels": label}})
    with pytest.raises(ValueError, match=r"0 of 1 may be touched \(.* of the control plane \(name it"):
        cordon(cluster, service="web")
    assert cordon(cluster, node=pod["spec"]["nodeName"]).plan


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "one of the two"),
        ({"node": "a", "service": "web"}, "one of the two"),
        ({"node": "a", "count": 2}, "is one"),
    ],
)
def test_what_is_meant_has_to_be_said_once(cluster: Cluster, params: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        cordon(cluster, **params)


def test_a_run_cordons_and_uncordons(cluster: Cluster, nodes: Nodes, tmp_path: Any) -> None:
    name = nodes.add()
    timeline = f"  - at: 0s\n    fault: node-cordon\n    with: {{node: {name}}}\n    for: 1s\n"
    ran = place_of(tmp_path, cluster, WEB, timeline).call("run", "--unattended", "scenario.yaml")
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert f"EFFECTIVE: {name} takes no new pods" in ran.stderr
    assert not unschedulable(cluster, name)


# --- others ----------------------------------------------------------------------------------------------------------


def test_two_exercises_never_take_away_nodes_at_the_same_time(cluster: Cluster, nodes: Nodes) -> None:
    """Each in a namespace of its own, so that no claim keeps them apart: each leaves a node, and both none."""
    first, second = nodes.add(), nodes.add()
    ours = cordon(cluster, node=first)
    theirs = cordon(cluster, node=second, context={"exercise": "x-other"})
    ours.inject()
    told = rf"another exercise has a fault on node {first} \(exercise x-1\), which has not recovered.* recover --target"
    with pytest.raises(ValueError, match=told):
        cordon(cluster, node=second, context={"exercise": "x-other"})
    with pytest.raises(RuntimeError, match=told):
        theirs.inject()
    assert not unschedulable(cluster, second)
    ours.undo()
    theirs.inject()
    assert unschedulable(cluster, second)
    theirs.undo()
    assert theirs.recovered()["holds"]


def test_who_is_overtaken_between_its_mark_and_its_strike_strikes_nothing(
    cluster: Cluster, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = nodes.add(), nodes.add()
    ours = cordon(cluster, node=first)
    theirs = cordon(cluster, node=second, context={"exercise": "x-other"})
    looked: list[str] = []
    real = node_cordon._of_others

    def look(*args: Any) -> str:
        found = real(*args)
        looked.append(found)
        if len(looked) == 1:
            theirs.inject()
        return found

    monkeypatch.setattr(node_cordon, "_of_others", look)
    with pytest.raises(RuntimeError, match=f"another exercise has a fault on node {second}"):
        ours.inject()
    monkeypatch.undo()
    assert not unschedulable(cluster, first)
    ours.undo()
    assert ours.recovered()["holds"]
    theirs.undo()
