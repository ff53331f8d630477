"""Objects: created, read, selected, changed, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kubernetes.cluster import Cluster, Refused

JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels or {}}, "data": data}


def names(found: list[dict[str, Any]]) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def test_a_deployment_becomes_whole_and_replaces_a_pod(cluster: Cluster) -> None:
    made = cluster.deployment("web", replicas=2)
    assert made["status"]["availableReplicas"] == 2
    pods = cluster.pods("app=web")
    assert len(pods) == 2
    gone = pods[0]["metadata"]
    cluster.delete("Pod", gone["name"], preconditions={"uid": gone["uid"]}, gracePeriodSeconds=0)
    cluster.until(lambda: gone["uid"] not in {one["metadata"]["uid"] for one in cluster.pods("app=web")})
    cluster.whole("web")
    assert len(cluster.pods("app=web")) == 2


def test_an_update_of_an_old_version_is_a_conflict(cluster: Cluster) -> None:
    first = cluster.apply(config_map("one", a="1"))
    newer = cluster.patch("ConfigMap", "one", {"data": {"a": "2"}})
    assert newer["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    with pytest.raises(Refused) as refused:
        cluster.ask("PUT", cluster.path("ConfigMap", "one"), first)
    assert (refused.value.status, refused.value.body["reason"]) == (409, "Conflict")
    again = cluster.patch("ConfigMap", "one", {"data": {"a": "2"}})
    assert again["metadata"]["resourceVersion"] == newer["metadata"]["resourceVersion"], "nothing changed"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=a", ["one", "two"]),
        ("tier==a,zone!=x", ["two"]),
        ("tier in (a, b),zone", ["one", "three"]),
        ("tier notin (a)", ["three"]),
        ("!zone,tier", ["two"]),
    ],
)
def test_label_selectors(cluster: Cluster, selector: str, expected: list[str]) -> None:
    cluster.apply(config_map("one", {"tier": "a", "zone": "x"}))
    cluster.apply(config_map("two", {"tier": "a"}))
    cluster.apply(config_map("three", {"tier": "b", "zone": "y"}))
    found = [name for name in names(cluster.list("ConfigMap", selector=selector)) if not name.startswith("kube-root")]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("selector", ["app===", "app in a", "=x", "a b", "a in (b"])
def test_a_selector_that_can_not_be_read_is_refused(cluster: Cluster, selector: str) -> None:
    with pytest.raises(Refused) as refused:
        cluster.list("Pod", selector=selector)
    assert (refused.value.status, refused.value.body["reason"]) == (400, "BadRequest")


def test_a_field_that_can_not_be_selected_by_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Refused) as refused:
        cluster.list("Pod", fields="spec.color=blue")
    assert refused.value.status == 400
    with pytest.raises(Refused) as refused:
        cluster.list("Deployment", fields="spec.replicas=3")
    assert refused.value.status == 400


def test_pages_of_a_list(cluster: Cluster) -> None:
    for number in range(5):
        cluster.apply(config_map(f"page-{number}", {"paged": "yes"}))
    path = cluster.path("ConfigMap") + "?labelSelector=paged%3Dyes&limit=2"
    first = cluster.ask("GET", path)
    second = cluster.ask("GET", f"{path}&continue={first['metadata']['continue']}")
    third = cluster.ask("GET", f"{path}&continue={second['metadata']['continue']}")
    found = names([*first["items"], *second["items"], *third["items"]])
    assert found == [f"page-{number}" for number in range(5)]
    assert not third["metadata"].get("continue")


def test_json_patch_and_its_test(cluster: Cluster) -> None:
    cluster.apply(config_map("one", a="1"))
    steps = [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "replace", "path": "/data/a", "value": "2"}]
    assert cluster.patch("ConfigMap", "one", steps, how=JSON_PATCH)["data"] == {"a": "2"}
    with pytest.raises(Refused) as refused:
        cluster.patch("ConfigMap", "one", steps, how=JSON_PATCH)
    said = refused.value.body
    assert (said["code"], said["reason"]) == (422, "Invalid")
    assert said["message"] == "the server rejected our request due to an error in our request"
    with pytest.raises(Refused) as refused:
        cluster.patch("ConfigMap", "one", [{"op": "remove", "path": "/data/none"}], how=JSON_PATCH)
    assert refused.value.status == 422


def test_strategic_patch_merges_containers_and_environment_by_name(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=0, env={"A": "1", "B": "2"})
    change = {"containers": [{"name": "app", "env": [{"name": "A", "value": "9"}, {"name": "C", "value": "3"}]}]}
    made = cluster.patch("Deployment", "web", {"spec": {"template": {"spec": change}}}, how=STRATEGIC)
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["value"] for one in container["env"]} == {"A": "9", "B": "2", "C": "3"}
    assert container["image"] == cluster.image
    drop = {"containers": [{"name": "app", "env": [{"name": "B", "$patch": "delete"}]}]}
    made = cluster.patch("Deployment", "web", {"spec": {"template": {"spec": drop}}}, how=STRATEGIC)
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert {one["name"] for one in container["env"]} == {"A", "C"}


def test_merge_patch_replaces_lists_and_drops_nulls(cluster: Cluster) -> None:
    cluster.apply(config_map("one", {"x": "1", "y": "2"}, a="1"))
    made = cluster.patch("ConfigMap", "one", {"metadata": {"labels": {"x": None}}, "data": {"b": "2"}})
    assert made["metadata"]["labels"] == {"y": "2"}
    assert made["data"] == {"a": "1", "b": "2"}


def test_a_patch_of_an_unknown_kind_is_refused(cluster: Cluster) -> None:
    cluster.apply(config_map("one"))
    with pytest.raises(Refused) as refused:
        cluster.patch("ConfigMap", "one", {}, how="application/json")
    assert (refused.value.status, refused.value.body["reason"]) == (415, "UnsupportedMediaType")


def test_a_dry_run_beside_a_body_deletes_for_real(cluster: Cluster) -> None:
    cluster.apply(config_map("one"))
    cluster.apply(config_map("two"))
    cluster.delete("ConfigMap", "one", dryRun=["All"])
    assert cluster.get("ConfigMap", "one")
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    cluster.ask("DELETE", cluster.path("ConfigMap", "one") + "?dryRun=All", body)
    assert cluster.get("ConfigMap", "one") is None
    cluster.ask("DELETE", cluster.path("ConfigMap", "two") + "?dryRun=All")
    assert cluster.get("ConfigMap", "two")


def test_an_object_of_an_absent_namespace(cluster: Cluster) -> None:
    with pytest.raises(Refused) as refused:
        cluster.ask("POST", cluster.path("ConfigMap", namespace="nowhere-at-all"), config_map("one"))
    assert refused.value.status == 404
    assert refused.value.body["message"] == 'namespaces "nowhere-at-all" not found'


def test_finalizers_hold_a_deleted_object(cluster: Cluster) -> None:
    cluster.apply(config_map("one") | {"metadata": {"name": "one", "finalizers": ["example.com/hold"]}})
    cluster.delete("ConfigMap", "one")
    held = cluster.get("ConfigMap", "one")
    assert held is not None
    assert held["metadata"]["deletionTimestamp"]
    cluster.patch("ConfigMap", "one", {"metadata": {"finalizers": None}})
    assert cluster.get("ConfigMap", "one") is None


def test_what_belongs_to_a_deployment_goes_with_it(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.delete("Deployment", "web", propagationPolicy="Foreground")
    cluster.until(lambda: not cluster.list("Pod", selector="app=web"), what="the pods are gone")
    cluster.until(lambda: cluster.get("Deployment", "web") is None)
    assert cluster.list("ReplicaSet") == []


def test_the_uid_of_a_precondition_must_match(cluster: Cluster) -> None:
    made = cluster.apply(config_map("one"))
    with pytest.raises(Refused) as refused:
        cluster.delete("ConfigMap", "one", preconditions={"uid": "00000000-0000-0000-0000-000000000000"})
    assert refused.value.status == 409
    cluster.delete("ConfigMap", "one", preconditions={"uid": made["metadata"]["uid"]})
    assert cluster.get("ConfigMap", "one") is None


def policy(name: str, **spec: Any) -> dict[str, Any]:
    whole = {"podSelector": {}, "policyTypes": ["Egress"], **spec}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": whole}


def test_an_unknown_field_is_dropped_or_refused(cluster: Cluster) -> None:
    made = cluster.ask("POST", cluster.path("NetworkPolicy"), policy("lax", policyTipes=["Ingress"]))
    assert "policyTipes" not in made["spec"]
    strict = "?fieldValidation=Strict"
    with pytest.raises(Refused) as refused:
        cluster.ask("POST", cluster.path("NetworkPolicy") + strict, policy("strict", policyTipes=["Ingress"]))
    assert refused.value.status == 400
    assert 'strict decoding error: unknown field "spec.policyTipes"' in refused.value.body["message"]
    for how in ("application/merge-patch+json", STRATEGIC):
        with pytest.raises(Refused) as refused:
            change = {"spec": {"policyTipes": ["Ingress"]}}
            cluster.ask("PATCH", cluster.path("NetworkPolicy", "lax") + strict, change, how)
        assert refused.value.status in (400, 422)
        assert 'unknown field "spec.policyTipes"' in refused.value.body["message"]


def test_a_value_of_a_wrong_type_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Refused) as refused:
        cluster.ask("POST", cluster.path("ConfigMap"), {**config_map("one"), "data": {"a": 1}})
    assert refused.value.status == 400
    assert "cannot unmarshal number into Go struct field ConfigMap.data of type string" in refused.value.body["message"]


def test_an_update_that_says_no_version(cluster: Cluster) -> None:
    cluster.apply(config_map("one", a="1"))
    cluster.ask("PUT", cluster.path("ConfigMap", "one"), config_map("one", a="2"))
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "one"}}
    cluster.apply(lease)
    with pytest.raises(Refused) as refused:
        cluster.ask("PUT", cluster.path("Lease", "one"), lease)
    assert (refused.value.status, refused.value.body["reason"]) == (422, "Invalid")


def test_a_version_that_is_not_yet(cluster: Cluster) -> None:
    with pytest.raises(Refused) as refused:
        cluster.ask("GET", cluster.path("ConfigMap") + "?resourceVersion=999999999")
    assert refused.value.status == 504
    assert refused.value.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
