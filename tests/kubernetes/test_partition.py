"""A service is cut off: which policies are made, whom they would let through, and where they are refused."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.cluster.api import Api
from gameday.cluster.errors import Refused
from gameday.cluster.resources import Resource
from gameday.engine.composed import with_checks
from gameday.engine.ports import Plan
from gameday.engine.workers import function
from gameday.faults.kubernetes.policies import all_but, beyond
from gameday.scenario.models import Entry
from gameday.targets.selectors import matches
from tests.support.kubernetes.cluster import Cluster

from .planned import Planned
from .targets import where
from .test_outages import Door, door

__all__ = ["door"]
CHECKED = {"checked": True}
TWO = {"web": {"workload": "deployment/web"}, "api": {"workload": "deployment/api"}}


def cut(cluster: Cluster, services: dict[str, Any] = TWO, /, **params: Any) -> Planned:
    more = {key: params.pop(key) for key in ("context", "settings") if key in params}
    return Planned(cluster, "network-partition", services, {"service": "web", **params}, **more)


def lets_in(cluster: Cluster, spec: dict[str, Any], labels: dict[str, str], namespace: str) -> bool:
    """Whether a policy lets in a pod with these labels."""
    of_namespace = {"kubernetes.io/metadata.name": namespace}
    return any(
        matches(peer.get("namespaceSelector") or {}, of_namespace) and matches(peer.get("podSelector") or {}, labels)
        for rule in spec.get("ingress") or ()
        for peer in rule["from"]
    )


@pytest.fixture
def both(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    cluster.deployment("api", replicas=1)


@pytest.mark.usefixtures("both")
def test_where_both_sides_are_changed_the_limits_are_for_both_together(cluster: Cluster) -> None:
    params = {"from": "api", "direction": "both"}
    with pytest.raises(ValueError, match=r"it would touch 2 pods, and limits\.pods allows 1"):
        cut(cluster, context={**CHECKED, "pods": 1}, **params)
    with pytest.raises(ValueError, match=r"2 of 2 pods of the namespace, 100 %, and the target allows 80 %"):
        cut(cluster, context=CHECKED, settings={"namespace_percent": 80.0}, **params)
    assert cut(cluster, context={**CHECKED, "pods": 2}, **params).plan


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    ("direction", "kinds"), [("in", ["Ingress"]), ("out", ["Egress"]), ("both", ["Ingress", "Egress"])]
)
def test_from_everybody_one_policy_that_lets_nothing_through(
    cluster: Cluster, direction: str, kinds: list[str]
) -> None:
    fault = cut(cluster, direction=direction, context=CHECKED)
    assert cluster.list("NetworkPolicy") == []
    fault.inject()
    (made,) = cluster.list("NetworkPolicy")
    assert made["spec"]["policyTypes"] == kinds and not {"ingress", "egress"} & set(made["spec"])
    assert matches(made["spec"]["podSelector"], {"app": "web"})
    assert not matches(made["spec"]["podSelector"], {"app": "web", "gameday.dev/protected": "true"})
    assert fault.effective()["holds"]
    fault.undo()
    assert fault.recovered()["holds"] and cluster.list("NetworkPolicy") == []
    fault.undo()


@pytest.mark.usefixtures("both")
def test_it_is_seen_at_the_address_where_that_shows_it(cluster: Cluster, door: Door) -> None:
    services = {**TWO, "web": {**TWO["web"], "address": door.address}}
    fault = cut(cluster, services)
    fault.inject()
    assert "does not enforce NetworkPolicy" in fault.effective()["evidence"]
    door.close()
    assert fault.effective()["holds"]
    fault.undo()
    assert not fault.recovered()["holds"]
    door.open()
    fault.until_recovered()
    for blind in ({"direction": "out"}, {"from": "api"}):
        with pytest.raises(ValueError, match="add an `effective:` check to this entry"):
            cut(cluster, services, **blind)


@pytest.mark.usefixtures("both")
def test_what_was_not_asked_of_a_policy_that_is_gone_is_not_claimed(cluster: Cluster, door: Door) -> None:
    fault = cut(cluster, **{"from": "api"}, context=CHECKED)
    fault.inject()
    assert not fault.recovered()["holds"] and "not asked" not in fault.recovered()["evidence"]
    fault.undo()
    here = f"networkpolicy {cluster.namespace}/gameday-x-1-fault-1"
    gone = f"{here}-api is gone; {here}-web is gone"
    said = fault.until_recovered()
    assert said in (f"{gone}; {NOT_ASKED}", f"{here}-web is gone; {here}-api is gone; {NOT_ASKED}")
    own = {"name": "web answers api", "tcp": {"address": door.address.partition("//")[2]}, "expect": {"equals": True}}
    scripted = Entry.model_validate({"at": "0s", "fault": "network-partition", "recovered": own})
    both_asked = with_checks(Plan.from_json(fault.plan), scripted, fault.target).recovered
    assert both_asked is not None
    beside = function(both_asked.name)(**both_asked.args)
    assert beside["holds"] and beside["evidence"].startswith(said.removesuffix(f"; {NOT_ASKED}"))
    assert "not asked" not in beside["evidence"], "it was"


NOT_ASKED = "whether traffic passes again was not asked, which a `recovered:` check of the entry would"


@pytest.mark.usefixtures("both")
def test_from_one_other_everybody_else_is_let_in(cluster: Cluster) -> None:
    fault = cut(cluster, **{"from": "api"}, context=CHECKED)
    assert fault.plan["summary"] == "web is cut off from api (both directions)"
    fault.inject()
    made = {one["metadata"]["name"]: one["spec"] for one in cluster.list("NetworkPolicy")}
    assert set(made) == {"gameday-x-1-fault-1-web", "gameday-x-1-fault-1-api"}
    into_web, into_api = made["gameday-x-1-fault-1-web"], made["gameday-x-1-fault-1-api"]
    assert matches(into_web["podSelector"], {"app": "web"}) and matches(into_api["podSelector"], {"app": "api"})
    here = cluster.namespace
    assert not lets_in(cluster, into_web, {"app": "api"}, here) and not lets_in(cluster, into_api, {"app": "web"}, here)
    assert lets_in(cluster, into_web, {"app": "web"}, here) and lets_in(cluster, into_web, {}, here)
    assert lets_in(cluster, into_web, {"app": "api"}, "elsewhere"), "a namesake of another namespace is another"
    fault.undo()
    assert fault.recovered()["holds"] and cluster.list("NetworkPolicy") == []


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(("direction", "called"), [("in", "web"), ("out", "api")])
def test_one_direction_is_denied_where_it_arrives(cluster: Cluster, direction: str, called: str) -> None:
    fault = cut(cluster, **{"from": "api"}, direction=direction, context=CHECKED)
    (one,) = fault.plan["inject"]["args"]["objects"]
    assert one["name"] == f"gameday-x-1-fault-1-{called}"
    assert all(called in target for target in fault.plan["targets"])


def test_not_both_of_two_labels_is_not_the_one_or_not_the_other(cluster: Cluster) -> None:
    spec = {"ingress": [{"from": all_but("app=api,tier in (a,b),canary", "shop")}]}
    kept_out = {"app": "api", "tier": "b", "canary": ""}
    assert not lets_in(cluster, spec, kept_out, "shop")
    for key in kept_out:
        assert lets_in(cluster, spec, {other: kept_out[other] for other in kept_out if other != key}, "shop")
    assert lets_in(cluster, spec, kept_out, "other")


@pytest.mark.usefixtures("both")
def test_a_policy_that_is_there_already_is_neither_opened_nor_in_vain(cluster: Cluster) -> None:
    meta, selector = {"name": "theirs"}, {"matchLabels": {"app": "web"}}
    spec: dict[str, Any] = {"podSelector": selector, "policyTypes": ["Ingress"]}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
    cluster.apply(policy)
    assert cut(cluster, context=CHECKED).plan, "one that denies all takes nothing from ours"
    with pytest.raises(ValueError, match="would open what that one closes"):
        cut(cluster, **{"from": "api"}, context=CHECKED)
    cluster.apply({**policy, "spec": {**spec, "ingress": [{}]}})
    with pytest.raises(ValueError, match=r"lets traffic through \(ingress\) for these pods"):
        cut(cluster, context=CHECKED)
    assert cut(cluster, direction="out", context=CHECKED).plan


@pytest.mark.usefixtures("both")
def test_the_limits_and_what_is_wrong(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match=r"100 %, and limits\.percent allows 50 %"):
        cut(cluster, context={**CHECKED, "percent": 50.0})
    with pytest.raises(ValueError, match="can't be cut off from itself"):
        cut(cluster, **{"from": "web"}, context=CHECKED)
    (pod,) = cluster.pods("app=api")
    cluster.patch("Pod", pod["metadata"]["name"], {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    with pytest.raises(ValueError, match=r"labelled gameday\.dev/protected=true"):
        cut(cluster, **{"from": "api"}, context=CHECKED)


@pytest.mark.usefixtures("both")
def test_what_is_outside_of_the_cluster_needs_another_engine(cluster: Cluster) -> None:
    services = {**TWO, "pay": {"external": ["192.0.2.0/24"]}}
    with pytest.raises(ValueError, match=r"outside of the cluster \(192.0.2.0/24\).*Chaos Mesh could, were"):
        cut(cluster, services, **{"from": "pay"}, context=CHECKED)


@pytest.mark.usefixtures("both")
def test_a_policy_that_came_since_it_was_planned_is_not_opened(cluster: Cluster) -> None:
    """Somebody closes a service in the minute between: ours would let everybody in but the one."""
    fault = cut(cluster, **{"from": "api"}, direction="in", context=CHECKED)
    selector = {"matchLabels": {"app": "web"}}
    theirs = {"podSelector": selector, "policyTypes": ["Ingress"]}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    cluster.apply({**kind, "metadata": {"name": "theirs"}, "spec": theirs})
    with pytest.raises(RuntimeError, match=r"since it was planned: networkpolicy \S+/theirs rules what may come in"):
        fault.inject()
    ours = [one for one in cluster.list("NetworkPolicy") if one["metadata"]["name"] != "theirs"]
    assert not any(matches(one["spec"]["podSelector"], {"app": "web"}) for one in ours), "at most an inert one is there"
    fault.undo()
    assert fault.recovered()["holds"]
    assert [one["metadata"]["name"] for one in cluster.list("NetworkPolicy")] == ["theirs"]


@pytest.mark.usefixtures("both")
def test_that_later_policies_are_opened_is_said(cluster: Cluster) -> None:
    notes = cut(cluster, **{"from": "api"}, direction="in", context=CHECKED).plan["notes"]
    assert any("one that somebody adds while it lasts" in note and "is opened by ours" in note for note in notes)
    assert not any("somebody adds" in note for note in cut(cluster, context=CHECKED).plan["notes"])


class Beyond:
    """An API server with policies of other kinds, as far as they are asked for here."""

    def __init__(self, kinds: dict[str, list[dict[str, Any]]], forbidden: str = "") -> None:
        self.kinds = kinds
        self.forbidden = forbidden

    def ask(self, method: str, path: str) -> dict[str, Any]:
        assert (method, path) == ("GET", "/apis")
        return {"groups": [{"name": name} for name in ("cilium.io", "policy.networking.k8s.io")]}

    def items(self, resource: Resource, namespace: str | None = None) -> list[dict[str, Any]]:
        if resource.plural == self.forbidden:
            raise Refused("GET x", 403, {"reason": "Forbidden"})
        if resource.plural not in self.kinds:
            raise Refused("GET x", 404, {})
        assert (namespace is None) != resource.namespaced
        return self.kinds[resource.plural]


def named(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


def test_policies_of_other_kinds_that_ours_would_open(cluster: Cluster) -> None:
    assert beyond(Api(where(cluster)), cluster.namespace) == []
    of_cilium = Beyond({"ciliumnetworkpolicies": [named("zero-trust")]}, forbidden="ciliumclusterwidenetworkpolicies")
    first, second = beyond(of_cilium, "shop")  # type: ignore[arg-type]
    assert first.startswith("where CiliumNetworkPolicy zero-trust closes traffic") and "ours may open it" in first
    assert "whether there are any could not be looked at: GET x: 403" in second
    rules = [{"action": "Allow"}, {"action": "Deny"}]
    denying = Beyond({"baselineadminnetworkpolicies": [named("default", ingress=rules)]})
    with pytest.raises(ValueError, match=r"BaselineAdminNetworkPolicy default denies .* would open what that closes"):
        beyond(denying, "shop")  # type: ignore[arg-type]
    allowing = Beyond({"baselineadminnetworkpolicies": [named("default", egress=rules)]})
    assert beyond(allowing, "shop") == []  # type: ignore[arg-type]
