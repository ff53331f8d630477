"""Workloads: rollouts, scaling, budgets, endpoints, events, nodes, as the controllers of a cluster keep them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kubernetes.cluster import Cluster, DoubleCluster, Refused, is_ready

STRATEGIC = "application/strategic-merge-patch+json"


def evict(cluster: Cluster, pod: str, **options: Any) -> Any:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": cluster.namespace}}
    return cluster.ask("POST", cluster.path("Pod", pod, below="eviction"), body | {"deleteOptions": options})


def names(found: list[dict[str, Any]]) -> list[str]:
    return sorted(one["metadata"]["name"] for one in found)


def waiting(pod: dict[str, Any]) -> str:
    states = [one.get("state", {}).get("waiting", {}) for one in pod["status"].get("containerStatuses") or []]
    return states[0].get("reason", "") if states else ""


def image(what: str) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": what}]}}}}


def test_a_rollout_with_a_bad_image_leaves_the_old_pods_serving(cluster: Cluster) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    cluster.deployment("web", replicas=2, strategy=rolling)
    before = names(cluster.pods("app=web"))
    cluster.patch("Deployment", "web", image("example.com/broken:1"), how=STRATEGIC)
    cluster.until(
        lambda: [pod for pod in cluster.pods("app=web") if waiting(pod) == "ErrImageNeverPull"],
        what="the new pod fails to start",
    )
    pods = cluster.pods("app=web")
    assert names([pod for pod in pods if is_ready(pod)]) == before
    assert len(pods) == 3
    cluster.patch("Deployment", "web", image(cluster.image), how=STRATEGIC)
    whole = cluster.whole("web")
    assert names(cluster.pods("app=web")) == before, "the old pods never went"
    assert whole["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_a_new_template_replaces_every_pod(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=3)
    before = set(names(cluster.pods("app=web")))
    annotation = {"spec": {"template": {"metadata": {"annotations": {"example.com/again": "1"}}}}}
    cluster.patch("Deployment", "web", annotation)
    cluster.whole("web")
    assert not before & set(names(cluster.pods("app=web")))
    sets = cluster.list("ReplicaSet")
    assert sorted(one["spec"]["replicas"] for one in sets) == [0, 3]


@pytest.mark.double
def test_an_environment_that_breaks_crashes_the_new_pod(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2, env={"MODE": "fine"})
    env = {"containers": [{"name": "app", "env": [{"name": "MODE", "value": "broken"}]}]}
    cluster.patch("Deployment", "web", {"spec": {"template": {"spec": env}}}, how=STRATEGIC)
    crashed = cluster.until(lambda: [pod for pod in cluster.pods("app=web") if waiting(pod) == "CrashLoopBackOff"])
    assert crashed[0]["status"]["containerStatuses"][0]["restartCount"] == 1
    assert sum(is_ready(pod) for pod in cluster.pods("app=web")) == 2


@pytest.mark.double
def test_a_rollout_that_does_not_progress_is_said_to_be_late(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1, progressDeadlineSeconds=1)
    cluster.patch("Deployment", "web", image("example.com/broken:1"), how=STRATEGIC)

    def late() -> bool:
        status = (cluster.get("Deployment", "web") or {})["status"]
        return any(one["reason"] == "ProgressDeadlineExceeded" for one in status["conditions"])

    cluster.until(late)


def test_scale_and_parent_agree(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    scale = cluster.patch("Deployment", "web", {"spec": {"replicas": 0}}, below="scale")
    assert scale["spec"] == {}
    assert scale["status"]["selector"] == "app=web"
    cluster.until(lambda: not cluster.list("Pod", selector="app=web"), what="all pods are gone")
    parent = cluster.get("Deployment", "web")
    assert parent is not None
    assert parent["spec"]["replicas"] == 0
    test = [
        {"op": "test", "path": "/spec/replicas", "value": 0},
        {"op": "replace", "path": "/spec/replicas", "value": 1},
    ]
    with pytest.raises(Refused) as refused:
        # A zero is not there, and so is no 0.
        cluster.patch("Deployment", "web", test, below="scale", how="application/json-patch+json")
    assert refused.value.status == 422
    cluster.patch("Deployment", "web", test, how="application/json-patch+json")
    assert len(cluster.whole("web")["spec"]) > 1
    assert len(cluster.pods("app=web")) == 1


def test_a_stateful_set_keeps_its_names(cluster: Cluster) -> None:
    cluster.deployment("db", replicas=2, kind="StatefulSet")
    before = {one["metadata"]["name"]: one["metadata"]["uid"] for one in cluster.pods("app=db")}
    assert sorted(before) == ["db-0", "db-1"]
    cluster.delete("Pod", "db-0", gracePeriodSeconds=0)
    cluster.until(
        lambda: (
            (cluster.get("Pod", "db-0") or {"metadata": {"uid": before["db-0"]}})["metadata"]["uid"] != before["db-0"]
        )
    )
    cluster.whole("db", kind="StatefulSet")
    cluster.patch("StatefulSet", "db", {"spec": {"replicas": 1}}, below="scale")
    cluster.until(lambda: names(cluster.list("Pod", selector="app=db")) == ["db-0"])


def test_a_budget_refuses_an_eviction(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
    cluster.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": spec})
    cluster.until(lambda: (cluster.get("PodDisruptionBudget", "web") or {})["status"]["expectedPods"] == 2)
    pod = names(cluster.pods("app=web"))[0]
    with pytest.raises(Refused) as refused:
        evict(cluster, pod)
    assert refused.value.status == 429
    assert refused.value.body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    cluster.patch("PodDisruptionBudget", "web", {"spec": {"minAvailable": 1}})
    cluster.until(lambda: (cluster.get("PodDisruptionBudget", "web") or {})["status"]["disruptionsAllowed"] == 1)
    evict(cluster, pod, dryRun=["All"])
    assert cluster.get("Pod", pod)
    evict(cluster, pod)
    cluster.until(lambda: cluster.get("Pod", pod) is None)


def addresses(cluster: Cluster, service: str) -> list[str]:
    slices = cluster.list("EndpointSlice", selector=f"kubernetes.io/service-name={service}")
    return sorted(
        one["targetRef"]["name"]
        for found in slices
        for one in found.get("endpoints") or []
        if one["conditions"]["ready"]
    )


def test_endpoints_follow_the_pods_and_the_selector(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.until(lambda: addresses(cluster, "web") == names(cluster.pods("app=web")))
    cluster.patch("Service", "web", {"spec": {"selector": {"gameday.dev/nobody": "yes"}}})
    cluster.until(lambda: addresses(cluster, "web") == [], what="no endpoints")
    nobody = {"spec": {"selector": {"gameday.dev/nobody": None}}}
    cluster.patch("Service", "web", nobody)
    cluster.until(lambda: addresses(cluster, "web") == names(cluster.pods("app=web")))


def test_events_tell_of_a_pod(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    (pod,) = names(cluster.pods("app=web"))
    cluster.delete("Pod", pod)
    fields = f"involvedObject.name={pod},involvedObject.kind=Pod"
    cluster.until(
        lambda: {"Scheduled", "Started", "Killing"} <= {one["reason"] for one in cluster.list("Event", fields=fields)}
    )


def test_a_pod_by_itself_stays_away(cluster: Cluster) -> None:
    container = {"name": "app", "image": cluster.image, "imagePullPolicy": "Never", "command": ["sleep", "1000"]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"}, "spec": spec})
    cluster.until(lambda: is_ready(cluster.get("Pod", "alone") or {}))
    cluster.delete("Pod", "alone")
    cluster.until(lambda: cluster.get("Pod", "alone") is None)


def test_a_relabelled_pod_is_replaced_and_lives_on(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    (pod,) = names(cluster.pods("app=web"))
    cluster.patch("Pod", pod, {"metadata": {"labels": {"app": "aside"}}})
    cluster.whole("web")
    aside = cluster.get("Pod", pod)
    assert aside is not None
    assert "ownerReferences" not in aside["metadata"]
    assert names(cluster.pods("app=web")) != [pod]
    cluster.delete("Pod", pod)


@pytest.mark.double
def test_a_cordoned_node_takes_no_pods(cluster: DoubleCluster) -> None:
    for node in ("n1", "n2", "n3"):
        cluster.patch("Node", node, {"spec": {"unschedulable": True}}, how=STRATEGIC)
    cluster.until(lambda: (cluster.get("Node", "n1") or {})["spec"].get("taints"))
    cluster.deployment("web", replicas=1, wait=False)
    cluster.until(lambda: [one for one in cluster.list("Event") if one["reason"] == "FailedScheduling"])
    cluster.patch("Node", "n2", {"spec": {"unschedulable": None}}, how=STRATEGIC)
    cluster.whole("web")
    assert cluster.pods("app=web")[0]["spec"]["nodeName"] == "n2"


@pytest.mark.double(termination=30.0)
def test_a_pod_ends_in_its_own_time(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1, grace=30)
    (pod,) = names(cluster.pods("app=web"))
    cluster.delete("Pod", pod)
    going = cluster.get("Pod", pod)
    assert going is not None
    assert going["metadata"]["deletionGracePeriodSeconds"] == 30
    cluster.whole("web")
    assert cluster.get("Pod", pod), "replaced before it is gone"
    cluster.settings(termination=0.0)
    cluster.until(lambda: cluster.get("Pod", pod) is None)


@pytest.mark.double
def test_a_status_that_a_test_sets_stays(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    pod = cluster.pods("app=web")[0]
    unready = [one | ({"status": "False"} if one["type"] == "Ready" else {}) for one in pod["status"]["conditions"]]
    cluster.patch("Pod", pod["metadata"]["name"], {"status": {"conditions": unready}}, below="status")
    cluster.until(lambda: (cluster.get("Deployment", "web") or {})["status"].get("readyReplicas") == 1)
    cluster.until(lambda: len(addresses(cluster, "web")) == 1)


@pytest.mark.double
def test_logs(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    (pod,) = names(cluster.pods("app=web"))
    cluster.log(pod, "one\ntwo\nthree\n")
    assert cluster.ask("GET", cluster.path("Pod", pod, below="log") + "?tailLines=2") == "two\nthree\n"
    with pytest.raises(Refused) as refused:
        cluster.ask("GET", cluster.path("Pod", pod, below="log") + "?container=nobody")
    assert refused.value.status == 400


def test_a_namespace_that_goes_takes_everything_along(cluster: Cluster) -> None:
    space = f"{cluster.namespace}-b"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    meta = {"name": "one", "namespace": space}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    cluster.until(lambda: cluster.get("ServiceAccount", "default", space))
    cluster.delete("Namespace", space)
    cluster.until(lambda: cluster.get("Namespace", space) is None, timeout=15)
    assert cluster.list("ConfigMap", space) == []


def test_a_set_keeps_a_revision_of_each_template_with_the_annotations_of_that_moment(cluster: Cluster) -> None:
    cluster.deployment("db", 1, kind="StatefulSet", podManagementPolicy="Parallel")

    def kept() -> dict[str, tuple[int, bool]]:
        """Its number, and whether it has the annotation, by image."""
        return {
            one["data"]["spec"]["template"]["spec"]["containers"][0]["image"]: (
                one["revision"],
                "example.com/note" in (one["metadata"].get("annotations") or {}),
            )
            for one in cluster.list("ControllerRevision", selector="app=db")
        }

    def take(image: str) -> None:
        patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
        cluster.patch("StatefulSet", "db", patch, how="application/json-patch+json")

    assert kept() == {cluster.image: (1, False)}
    cluster.patch("StatefulSet", "db", {"metadata": {"annotations": {"example.com/note": "x"}}})
    take("example.com/broken:1")
    cluster.until(lambda: kept() == {cluster.image: (1, False), "example.com/broken:1": (2, True)})
    take(cluster.image)
    cluster.until(lambda: kept() == {cluster.image: (3, False), "example.com/broken:1": (2, True)})
