"""A service that is said by its workload and by a selector: both have to mean the same pods."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.cli.doctor_clusters import examine_cluster
from gameday.engine.ports import TargetInfo
from tests.support.kubernetes.cluster import Cluster

from .planned import Planned
from .targets import target_of

WRONG = {"checkout": {"workload": "deployment/checkout", "selector": "app=payments", "service": "checkout"}}
SAID = r"checkout: 3 of the 3 pods with app=payments are not of deployment .*/checkout \(payments-.*\), so it is not"
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("pod-kill", {}),
    ("network-partition", {}),
    ("rollout-break", {}),
    *(("dependency-outage", {"by": by}) for by in ("service", "scale", "policy")),
]


@pytest.fixture
def _both(cluster: Cluster) -> None:
    cluster.deployment("checkout", replicas=3)
    cluster.deployment("payments", replicas=3)


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize(("fault", "params"), FAULTS)
def test_where_they_do_not_nothing_is_touched(cluster: Cluster, fault: str, params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=SAID) as no:
        Planned(cluster, fault, WRONG, {"service": "checkout", **params}, context={"checked": True})
    assert "under [targets.staging.services.checkout] of gameday.toml, let selector be for its" in str(no.value)


@pytest.mark.usefixtures("_both")
def test_a_doctor_says_so(cluster: Cluster) -> None:
    target = TargetInfo.from_json(target_of(cluster, WRONG))
    (found,) = [one for one in examine_cluster(target) if "checkout: 3 of the 3 pods" in one.text]
    assert found.state == "fail" and "[targets.staging.services.checkout]" in found.do


@pytest.mark.usefixtures("_both")
def test_pods_of_others_among_them_are_told(cluster: Cluster) -> None:
    wide = {"checkout": {"workload": "deployment/checkout", "selector": "app in (checkout,payments)"}}
    with pytest.raises(ValueError, match=r"3 of the 6 pods with app in \(checkout,payments\) are not of deployment"):
        Planned(cluster, "pod-kill", wide, {"service": "checkout"})


def test_a_selector_for_some_of_its_pods_is_right_and_the_share_is_of_all(cluster: Cluster) -> None:
    cluster.deployment("checkout", replicas=4)
    some = sorted(pod["metadata"]["name"] for pod in cluster.pods("app=checkout"))[:2]
    for name in some:
        cluster.patch("Pod", name, {"metadata": {"labels": {"tier": "canary"}}})
    narrow = {"checkout": {"workload": "deployment/checkout", "selector": "tier=canary"}}
    kill = {"service": "checkout", "all": True}
    done = Planned(cluster, "pod-kill", narrow, kill, context={"percent": 50.0})
    assert [pod["name"] for pod in done.plan["inject"]["args"]["pods"]] == some
    with pytest.raises(ValueError, match=r"it would touch 2 of 4 pods, 50 %, and limits\.percent allows 49 %"):
        Planned(cluster, "pod-kill", narrow, kill, context={"percent": 49.0})


def test_a_stranger_that_comes_later_keeps_nothing_from_recovering(cluster: Cluster) -> None:
    cluster.deployment("checkout", replicas=2, labels={"tier": "front"})
    both = {"checkout": {"workload": "deployment/checkout", "selector": "tier=front"}}
    killed = Planned(cluster, "pod-kill", both, {"service": "checkout"})
    killed.inject()
    cluster.deployment("canary", replicas=1, labels={"tier": "front"})
    assert killed.until_recovered() == "2 of 2 pods of checkout are ready"


def test_pods_of_another_deployment_that_its_selector_finds_too_are_not_its(cluster: Cluster) -> None:
    cluster.deployment("checkout", replicas=3)
    canary = {"matchLabels": {"app": "checkout", "track": "canary"}}
    labels = {"app": "checkout", "track": "canary"}
    cluster.deployment("canary", replicas=1, labels=labels, pod_labels=labels, selector=canary)
    assert len(cluster.pods("app=checkout")) == 4
    its = {"checkout": {"workload": "deployment/checkout"}}
    done = Planned(cluster, "pod-kill", its, {"service": "checkout", "all": True}, context={"percent": 100.0})
    names = [pod["name"] for pod in done.plan["inject"]["args"]["pods"]]
    assert len(names) == 3 and not any(name.startswith("canary") for name in names)
