"""Pods that Chaos Mesh kills: those that were marked, and never one more."""

from __future__ import annotations

import threading

import pytest

from gameday.cluster import litter
from gameday.cluster.api import Api
from gameday.faults.chaos_mesh import pod_kill
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.mesh import Mesh

from .meshed import (
    MESH,
    holds,
    marked,
    needs_chaos_mesh,
    needs_nobody_who_acts,
    object_of,
    planned,
    run,
    target,
    uids,
)
from .targets import where
from .test_pod_kill import hanging


@MESH
@pytest.mark.proves("pod-kill", "kubernetes/chaos-mesh")
def test_pods_are_killed_and_the_experiment_goes(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=3)
    kill(cluster)


@pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
def test_a_kill_with_what_the_api_server_makes_of_each_step(cluster: Cluster) -> None:
    needs_chaos_mesh(cluster, "pod-kill")
    cluster.deployment("web", replicas=3)
    with Mesh(cluster):
        kill(cluster)


@MESH
def test_what_was_degraded_before_is_as_it_was_and_need_not_be_whole(cluster: DoubleCluster) -> None:
    made = planned(cluster, "pod-kill", {"service": "web", "instance": hanging(cluster)}, duration=None)
    assert made.recovered_when.endswith("when 1 of its pods are ready, as many as before: it is degraded")
    assert any(note.startswith("degraded before, 1 of 2 pods were ready") for note in made.notes)
    run(made.inject)
    cluster.until(holds(made.effective))
    run(made.undo)
    said = cluster.until(holds(made.recovered))
    assert "is gone; 1 of 2 pods of web are ready, as many as before; it was degraded before the fault" in said


@MESH
def test_the_share_of_one_that_is_named_is_of_all_also_where_only_a_selector_tells_which(
    cluster: DoubleCluster,
) -> None:
    for name in ("one", "two"):
        cluster.deployment(name, replicas=1, pod_labels={"tier": "shop"})
    on = target(cluster)
    on["settings"]["services"]["shop"]["selector"] = "tier=shop"
    (pod,) = cluster.pods("app=one")
    params = {"service": "shop", "instance": pod["metadata"]["name"]}
    made = planned(cluster, "pod-kill", params, on, duration=None, percent=60.0)
    assert any(note.startswith("1 of 2 pods (50 %)") for note in made.notes)
    assert made.recovered is not None and made.recovered.args["wanted"] == 2


def kill(cluster: Cluster) -> None:
    before = uids(cluster)
    made = planned(cluster, "pod-kill", {"service": "web", "count": 2}, duration=None)
    assert made.passes and len(made.targets) == 2
    doomed = {pod["uid"] for pod in made.inject.args["pods"]}
    assert doomed < before
    run(made.inject)
    cluster.until(holds(made.effective))
    assert made.inject.args["made"]["spec"]["gracePeriod"] == 0
    # The real one writes the object anew, and leaves out what is nothing.
    assert (object_of(cluster, made) or {})["spec"].get("gracePeriod", 0) == 0
    run(made.undo)
    cluster.until(holds(made.recovered))
    after = uids(cluster)
    assert len(after) == 3 and before & after == before - doomed
    assert object_of(cluster, made) is None
    assert marked(cluster) == []


@MESH
def test_a_kill_that_is_made_after_its_undo_finds_nobody(
    cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_kill, "_PAUSES", (0.05,))
    cluster.deployment("web", replicas=2)
    before = uids(cluster)
    made = planned(cluster, "pod-kill", {"service": "web"}, duration=None)
    cluster.misbehave(verb="create", resource="podchaos", delay=0.5, times=1)
    late = threading.Thread(target=run, args=(made.inject,))
    late.start()
    cluster.until(lambda: marked(cluster), what="marked")
    run(made.undo)
    assert marked(cluster) == []
    there = cluster.until(lambda: object_of(cluster, made), what="made late")
    cluster.until(lambda: "no target" in run(made.effective)["evidence"])
    late.join()
    assert "containerRecords" not in there.get("status", {}).get("experiment", {})
    assert uids(cluster) == before
    run(made.undo)
    cluster.until(holds(made.recovered))


@pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
def test_nobody_is_killed_where_one_has_become_protected_or_another(cluster: Cluster) -> None:
    needs_chaos_mesh(cluster)
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "pod-kill", {"service": "web", "all": True}, duration=None)
    last = made.inject.args["pods"][-1]["name"]
    cluster.patch("Pod", last, {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    with pytest.raises(RuntimeError, match="may not be touched any more"):
        run(made.inject)
    assert object_of(cluster, made) is None
    assert marked(cluster) == [made.inject.args["pods"][0]["name"]]
    run(made.undo)
    assert marked(cluster) == []
    made.inject.args["pods"][0]["uid"] = "another"
    with pytest.raises(RuntimeError, match="was gone before it was killed"):
        run(made.inject)
    assert (object_of(cluster, made), marked(cluster)) == (None, [])


@MESH
def test_marks_that_chaos_mesh_did_not_know_of_are_found_with_the_next_change(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "pod-kill", {"service": "web"}, duration=None)
    pod = made.inject.args["pods"][0]
    inert = made.inject.args["made"]
    api = Api(where(cluster))
    cluster.apply(inert)
    cluster.until(lambda: "conditions" in (object_of(cluster, made) or {}).get("status", {}), what="looked at")
    pod_kill._mark(api, pod, inert["metadata"]["name"], None)
    pod_kill._nudge(api, cluster.namespace, inert["metadata"]["name"])
    cluster.until(holds(made.effective))
    run(made.undo)
    cluster.until(holds(made.recovered))


@pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
def test_with_the_store_lost_a_kill_that_never_came_leaves_no_mark(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_nobody_who_acts(cluster)
    monkeypatch.setattr(pod_kill, "_PAUSES", (0.01,))
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "pod-kill", {"service": "web", "all": True}, duration=None)
    run(made.inject)
    assert len(marked(cluster)) == 2
    api = Api(where(cluster))
    (one, *_), _ = litter.find(api, [cluster.namespace])
    assert litter.clear(api, one)["holds"]
    assert (object_of(cluster, made), marked(cluster)) == (None, [])


@pytest.mark.settings(chaos_mesh=True)
def test_what_chaos_mesh_can_not_do_to_pods(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    for params in ({"every": 5.0}, {"evict": True}):
        with pytest.raises(ValueError, match="the Kubernetes API can"):
            planned(cluster, "pod-kill", {"service": "web", **params})
