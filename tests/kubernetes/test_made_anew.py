"""Pods that nobody would make anew are not killed, by whichever engine; and of whom that is not known it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gameday.cluster.anew import not_made_anew, unsure
from gameday.cluster.services import as_pod
from gameday.faults import planning
from tests.support.kubernetes.cluster import Cluster

from .meshed import holds, needs_chaos_mesh, planned, run, uids
from .targets import CONTEXT, place_of, target_of
from .test_pod_kill import call

FRONT = {"web": {"selector": "tier=front"}}
ALONE = "nothing would make it anew (it has no controller)"


def plan(cluster: Cluster, engine: str = "api", **params: Any) -> dict[str, Any]:
    target = target_of(cluster, FRONT, engines=[engine])
    return planning.plan("pod-kill", target, {"service": "web", **params}, CONTEXT)


def bare(cluster: Cluster, name: str, owner: dict[str, Any] | None = None) -> None:
    """A pod that nothing but `owner` runs; the server's own JSON of an object."""
    cluster.deployment("like", replicas=1)
    template = cluster.get("Deployment", "like")
    assert template is not None
    owners = []
    if owner is not None:
        data = owner["metadata"]
        whose = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": data["name"], "uid": data["uid"]}
        owners = [{**whose, "controller": True}]
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"tier": "front"}, "ownerReferences": owners},
            "spec": template["spec"]["template"]["spec"],
        }
    )
    cluster.until(lambda: as_pod(cluster.get("Pod", name) or {"metadata": {}}).ready, 30, f"{name} is ready")


@pytest.mark.settings(chaos_mesh=True)
@pytest.mark.parametrize("engine", ["api", "chaos-mesh"])
@pytest.mark.parametrize("params", [{"count": 1}, {"all": True}, {"instance": "alone"}, {"percent": 100}])
def test_a_pod_without_a_controller_is_refused(cluster: Cluster, engine: str, params: dict[str, Any]) -> None:
    bare(cluster, "alone")
    with pytest.raises(ValueError, match=r"0 of 1 may be touched \(alone: nothing would make it anew \(it has no con"):
        plan(cluster, engine, **params)


def test_one_beside_others_is_left_out_and_named(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2, pod_labels={"tier": "front"})
    bare(cluster, "alone")
    for evict in (False, True):
        made = plan(cluster, all=True, evict=evict)
        assert len(made["targets"]) == 2 and all("/web-" in name for name in made["targets"])
        assert f"left out: alone: {ALONE}" in made["notes"]
    call(made, "inject")
    assert call(made, "effective")["holds"] and cluster.get("Pod", "alone") is not None
    cluster.until(lambda: call(made, "recovered")["holds"], 15)


def test_one_that_lost_its_controller_since_it_was_planned_lives(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1, pod_labels={"tier": "front"})
    made = plan(cluster)
    (pod,) = made["inject"]["args"]["pods"]
    # Its ReplicaSet lets it go.
    cluster.patch("Pod", pod["name"], {"metadata": {"labels": {"app": "none", "pod-template-hash": "none"}}})
    cluster.until(lambda: as_pod(cluster.get("Pod", pod["name"]) or {}).controller is None, 15, "it is let go")
    with pytest.raises(RuntimeError, match="may not be touched any more: nothing would make it anew"):
        call(made, "inject")
    assert cluster.get("Pod", pod["name"]) is not None


@pytest.mark.settings(chaos_mesh=True)
def test_by_chaos_mesh_too(cluster: Cluster) -> None:
    needs_chaos_mesh(cluster, "pod-kill")
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "pod-kill", {"service": "web", "count": 1}, duration=None)
    before = uids(cluster)
    (pod,) = cluster.pods("app=web")
    cluster.patch("Pod", pod["metadata"]["name"], {"metadata": {"labels": {"pod-template-hash": "none"}}})
    cluster.until(lambda: as_pod(cluster.get("Pod", pod["metadata"]["name"]) or {}).controller is None, 15)
    with pytest.raises(RuntimeError, match="may not be touched any more: nothing would make it anew"):
        run(made.inject)
    assert before <= uids(cluster)
    run(made.undo)
    cluster.until(holds(made.recovered))


def test_a_controller_that_is_nobody_known_is_named(cluster: Cluster) -> None:
    owner = cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keeper"}, "data": {}})
    bare(cluster, "kept", {"apiVersion": "v1", "kind": "ConfigMap", **owner})
    made = plan(cluster)
    assert len(made["targets"]) == 1
    assert "their controller is ConfigMap keeper (core): whether it makes them anew is not known" in made["notes"]


@pytest.mark.parametrize(
    ("version", "kind", "why", "known"),
    [
        ("apps/v1", "ReplicaSet", "", True),
        ("apps/v1", "StatefulSet", "", True),
        ("apps/v1", "DaemonSet", "", True),
        ("v1", "ReplicationController", "", True),
        ("v1", "Node", "it is a static pod of node x, which no deletion ends", False),
        ("batch/v1", "Job", "it is of Job x: its work would begin once more, or the Job fail", False),
        ("batch.example.com/v1", "Job", "", False),
        ("postgresql.example.com/v1", "Cluster", "", False),
    ],
)
def test_who_makes_pods_anew(version: str, kind: str, why: str, known: bool) -> None:
    owner = {"apiVersion": version, "kind": kind, "name": "x", "controller": True}
    pod = as_pod({"metadata": {"name": "p", "ownerReferences": [owner]}})
    assert not_made_anew(pod) == why
    assert (list(unsure([pod])) == []) is known
    only_owned = as_pod({"metadata": {"name": "p", "ownerReferences": [{**owner, "controller": False}]}})
    assert not_made_anew(only_owned) == ALONE, "who only owns it is no controller: with it gone the pod goes too"


def test_a_preview_refuses_what_nothing_would_bring_back(cluster: Cluster, tmp_path: Path) -> None:
    bare(cluster, "alone")
    timeline = "  - {at: 0s, fault: pod-kill, with: {service: web, count: 1}}\n"
    place = place_of(tmp_path, cluster, FRONT, timeline)
    said = place.call("preview", "scenario.yaml")
    assert "CAN'T NOW" in said.stdout and "nothing would make it anew" in " ".join(said.stdout.split())
    ran = place.call("run", "--unattended", "scenario.yaml")
    assert ran.returncode == 5 and "nothing would make it anew" in ran.stderr
    assert cluster.get("Pod", "alone") is not None
