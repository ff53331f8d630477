"""The controller of Chaos Mesh in the double: what a client sees of a fault from selection to recovery."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kubernetes.cluster import DoubleCluster, Refused

MESH = pytest.mark.double(chaos_mesh=True)


def delay(name: str = "slow", **spec: Any) -> dict[str, Any]:
    whole = {
        "action": "delay",
        "mode": "all",
        "duration": "60s",
        "selector": {"labelSelectors": {"app": "web"}},
        "delay": {"latency": "100ms"},
    }
    return {
        "apiVersion": "chaos-mesh.org/v1alpha1",
        "kind": "NetworkChaos",
        "metadata": {"name": name},
        "spec": whole | spec,
    }


def conditions(cluster: DoubleCluster, name: str = "slow") -> dict[str, str]:
    status = (cluster.get("NetworkChaos", name) or {}).get("status", {})
    return {one["type"]: one["status"] for one in status.get("conditions") or []}


def experiment(cluster: DoubleCluster, name: str = "slow") -> dict[str, Any]:
    found: dict[str, Any] = (cluster.get("NetworkChaos", name) or {}).get("status", {}).get("experiment", {})
    return found


def phases(cluster: DoubleCluster, name: str = "slow") -> list[str]:
    return [one["phase"] for one in experiment(cluster, name).get("containerRecords") or []]


@MESH
def test_injected_then_paused_then_deleted(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = cluster.apply(delay())
    assert "status" not in made
    cluster.until(lambda: conditions(cluster).get("AllInjected") == "True", what="injected")
    held = cluster.get("NetworkChaos", "slow")
    assert held is not None
    assert held["metadata"]["finalizers"] == ["chaos-mesh/records"]
    assert experiment(cluster)["desiredPhase"] == "Run"
    ids = sorted(one["id"] for one in experiment(cluster)["containerRecords"])
    assert ids == sorted(f"{cluster.namespace}/{one['metadata']['name']}" for one in cluster.pods("app=web"))
    pause = {"metadata": {"annotations": {"experiment.chaos-mesh.org/pause": "true"}}}
    cluster.patch("NetworkChaos", "slow", pause)
    cluster.until(lambda: conditions(cluster).get("AllRecovered") == "True", what="recovered")
    assert conditions(cluster) == {
        "Selected": "True",
        "AllInjected": "False",
        "AllRecovered": "True",
        "Paused": "True",
    }
    assert experiment(cluster)["desiredPhase"] == "Stop"
    cluster.delete("NetworkChaos", "slow")
    cluster.until(lambda: cluster.get("NetworkChaos", "slow") is None, what="gone")


@MESH
def test_the_duration_ends_it(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    cluster.apply(delay(duration="1s"))
    cluster.until(lambda: experiment(cluster).get("desiredPhase") == "Stop" and phases(cluster) == ["Not Injected"])
    reasons = [one["reason"] for one in cluster.list("Event") if one["involvedObject"]["name"] == "slow"]
    assert "TimeUp" in reasons


@MESH
def test_without_targets_there_is_only_an_event(cluster: DoubleCluster) -> None:
    cluster.apply(delay())
    cluster.until(lambda: [one for one in cluster.list("Event") if "no target" in one["message"]])
    assert conditions(cluster)["AllInjected"] == "False"
    assert "containerRecords" not in experiment(cluster)
    cluster.delete("NetworkChaos", "slow")
    cluster.until(lambda: cluster.get("NetworkChaos", "slow") is None)


@pytest.mark.double(chaos_mesh=True, chaos_mode="stuck")
def test_stuck_half_way_there_is_no_turning_back_but_with_the_pods(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.apply(delay())
    cluster.until(lambda: phases(cluster) == ["Not Injected/Wait"] * 2)
    assert conditions(cluster)["AllInjected"] == "False"
    cluster.delete("NetworkChaos", "slow")
    cluster.until(lambda: experiment(cluster)["desiredPhase"] == "Stop")
    assert phases(cluster) == ["Not Injected/Wait"] * 2
    cluster.delete("Deployment", "web", propagationPolicy="Background")
    cluster.until(lambda: cluster.get("NetworkChaos", "slow") is None)


@pytest.mark.double(chaos_mesh=True, chaos_mode="half")
def test_half_applied(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.apply(delay())
    cluster.until(lambda: sorted(phases(cluster)) == ["Injected", "Not Injected/Wait"])
    assert (conditions(cluster)["AllInjected"], conditions(cluster)["AllRecovered"]) == ("False", "False")


@pytest.mark.double(chaos_mesh=True, chaos_mode="never-recovers")
def test_what_never_recovers_keeps_its_finalizer(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    cluster.apply(delay())
    cluster.until(lambda: phases(cluster) == ["Injected"])
    cluster.delete("NetworkChaos", "slow")
    cluster.until(lambda: phases(cluster) == ["Injected/Wait"])
    assert experiment(cluster)["desiredPhase"] == "Stop"
    cluster.settings(chaos_mode="")
    cluster.until(lambda: cluster.get("NetworkChaos", "slow") is None)


@pytest.mark.double(chaos_mesh=True, chaos_delay=60.0)
def test_slow(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    cluster.apply(delay())
    cluster.until(lambda: phases(cluster) == ["Not Injected"])
    cluster.settings(chaos_delay=0.0)
    cluster.until(lambda: phases(cluster) == ["Injected"])


@pytest.mark.double(chaos_mesh=True, chaos_mode="absent")
def test_without_its_controller_nothing_happens_to_an_object(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    cluster.apply(delay())
    cluster.patch("Deployment", "web", {"spec": {"replicas": 2}})
    cluster.whole("web")
    assert "status" not in (cluster.get("NetworkChaos", "slow") or {})
    cluster.delete("NetworkChaos", "slow")
    assert cluster.get("NetworkChaos", "slow") is None


@MESH
def test_pod_kill_deletes_one_pod_and_is_done(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=3)
    before = {one["metadata"]["uid"] for one in cluster.pods("app=web")}
    spec = {"action": "pod-kill", "mode": "one", "selector": {"labelSelectors": {"app": "web"}}}
    kill = {"apiVersion": "chaos-mesh.org/v1alpha1", "kind": "PodChaos", "metadata": {"name": "kill"}, "spec": spec}
    cluster.apply(kill)

    def done() -> bool:
        status = (cluster.get("PodChaos", "kill") or {}).get("status", {})
        return {"type": "AllInjected", "status": "True"} in status.get("conditions", [])

    cluster.until(done)
    cluster.whole("web")
    assert len(before & {one["metadata"]["uid"] for one in cluster.pods("app=web")}) == 2


@pytest.mark.double
def test_without_chaos_mesh_its_group_is_not_found(cluster: DoubleCluster) -> None:
    with pytest.raises(Refused) as refused:
        cluster.list("NetworkChaos")
    assert refused.value.status == 404
    groups = [one["name"] for one in cluster.ask("GET", "/apis")["groups"]]
    assert "chaos-mesh.org" not in groups


@MESH
def test_an_update_needs_the_version(cluster: DoubleCluster) -> None:
    cluster.apply(delay())
    with pytest.raises(Refused) as refused:
        cluster.ask("PUT", cluster.path("NetworkChaos", "slow"), delay())
    assert refused.value.status == 422


@MESH
@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"value": 1}, "spec.value", "FieldValueTypeInvalid"),
        ({"mode": "some"}, "spec.mode", "FieldValueNotSupported"),
        ({"delay": {"jitter": "1ms"}}, "spec.delay.latency", "FieldValueRequired"),
        ({"delay": {"latency": "soon"}}, "spec.delay.latency", "FieldValueInvalid"),
        ({"selector": None}, "spec.selector", "FieldValueRequired"),
        ({"target": {"mode": "all"}}, "spec.target.selector", "FieldValueRequired"),
    ],
)
def test_what_the_schema_refuses(cluster: DoubleCluster, spec: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        cluster.apply(delay(**spec))
    assert refused.value.status == 422
    assert [(one["field"], one["reason"]) for one in refused.value.body["details"]["causes"]] == [(field, reason)]
