"""Faults that Chaos Mesh does: what is made, when it counts as injected, and how it ends, on good days and bad ones."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.cluster import experiments, litter
from gameday.cluster.api import Api
from gameday.cluster.errors import Refused
from gameday.cluster.resources import ALL, NETWORK_CHAOS, Access
from gameday.engine.ports import Call, Plan
from gameday.engine.workers import function
from gameday.faults.chaos_mesh import pod_kill
from gameday.faults.planning import needs, plan
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.mesh import Mesh
from tests.support.runs import Place

from .targets import CONTEXT, place_of, target_of, where

MESH = pytest.mark.double(chaos_mesh=True)
LATENCY = {"service": "web", "delay": 0.2}


def planned(cluster: Cluster, fault: str, params: dict[str, Any], /, **context: Any) -> Plan:
    return Plan.from_json(plan(fault, target(cluster), params, {**CONTEXT, **context}))


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


# --- a whole life ----------------------------------------------------------------------------------------------------

EVERY = {
    "latency": LATENCY,
    "dns-failure": {"service": "web", "names": ["payments.example.com", "mail.*"]},
    "cpu-stress": {"service": "web", "count": 2, "workers": 2, "load": 80},
    "memory-stress": {"service": "web", "all": True, "size": "64MB"},
    "dependency-outage": {"service": "web", "mode": "blackhole"},
    "network-partition": {"service": "web", "direction": "both"},
}


@MESH
@pytest.mark.proves("latency", "kubernetes/chaos-mesh")
@pytest.mark.proves("dns-failure", "kubernetes/chaos-mesh")
@pytest.mark.proves("cpu-stress", "kubernetes/chaos-mesh")
@pytest.mark.proves("memory-stress", "kubernetes/chaos-mesh")
@pytest.mark.proves("dependency-outage", "kubernetes/chaos-mesh")
@pytest.mark.proves("network-partition", "kubernetes/chaos-mesh")
@pytest.mark.parametrize("fault", EVERY)
def test_a_fault_is_injected_and_taken_back(cluster: DoubleCluster, fault: str) -> None:
    cluster.deployment("web", replicas=2)
    live(cluster, fault)


@pytest.mark.parametrize("fault", EVERY)
@pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
def test_the_same_with_what_the_api_server_makes_of_each_step(cluster: Cluster, fault: str) -> None:
    """On a real one with its definitions, too. The controller is one of the tests, so it proves no fault."""
    if cluster.is_real and not has_chaos_mesh(cluster):
        pytest.skip("the cluster has no Chaos Mesh")
    cluster.deployment("web", replicas=2)
    with Mesh(cluster):
        live(cluster, fault)


def live(cluster: Cluster, fault: str) -> None:
    made = planned(cluster, fault, EVERY[fault])
    assert object_of(cluster, made) is None, "planning only reads"
    run(made.inject)
    evidence = cluster.until(holds(made.effective))
    for pod in cluster.pods("app=web"):
        assert pod["metadata"]["name"] in evidence
    assert phases(cluster, made) == ["Injected"] * 2
    there = object_of(cluster, made)
    assert there is not None
    assert there["spec"]["duration"] == "90s"
    assert there["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "gameday"
    run(made.undo)
    assert "is gone" in cluster.until(holds(made.recovered))
    assert object_of(cluster, made) is None
    run(made.undo)
    assert run(made.recovered)["holds"], "an undo is legal where nothing is left"


@MESH
def test_it_is_seen_recovered_before_it_is_deleted_and_never_replaced(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "latency", LATENCY)
    cluster.settings(chaos_delay=0.3)
    run(made.inject)
    cluster.until(holds(made.effective))
    cluster.forget_requests()
    run(made.undo)
    asked = [one for one in cluster.requests if one.resource == "networkchaos"]
    verbs = [one.verb for one in asked]
    assert "update" not in verbs and all(not one.subresource for one in asked)
    assert verbs.index("patch") < verbs.index("delete")
    assert verbs.count("get") > 3, "it waits between its pause and its deletion"
    assert all(one.query.get("fieldValidation") == "Strict" for one in asked if one.verb in ("patch", "create"))


@MESH
def test_it_is_made_inert_and_a_late_strike_does_nothing(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "latency", LATENCY)
    cluster.misbehave(verb="patch", resource="networkchaos", delay=0.6, times=1)
    refused: list[str] = []

    def strike() -> None:
        try:
            run(made.inject)
        except Refused as error:
            refused.append(str(error))

    late = threading.Thread(target=strike)
    late.start()
    there = cluster.until(lambda: object_of(cluster, made), what="made")
    assert there["metadata"]["annotations"][experiments.PAUSE] == "true"
    cluster.until(lambda: phases(cluster, made) == ["Not Injected"] * 2, what="selected, and nothing injected")
    run(made.undo)
    late.join()
    assert len(refused) == 1, "it came after the undo, and found nothing to work on"
    cluster.until(holds(made.recovered))
    run(made.undo)
    assert object_of(cluster, made) is None


@MESH
def test_a_strike_after_the_pause_of_the_undo_is_void(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(holds(made.effective))
    cluster.settings(chaos_mode="never-recovers")
    place = (NETWORK_CHAOS, cluster.namespace, made.inject.args["made"]["metadata"]["name"])
    experiments.end(Api(where(cluster)), *place, made.undo.args["own"] if made.undo else {}, patience=0.0)
    strike = [
        {"op": "test", "path": "/metadata/annotations/gameday.dev~1state", "value": "inert"},
        {"op": "replace", "path": "/metadata/annotations/experiment.chaos-mesh.org~1pause", "value": "false"},
    ]
    with pytest.raises(Refused):
        Api(where(cluster)).patch(*place, strike)
    cluster.settings(chaos_mode="")
    cluster.until(holds(made.recovered))


# --- bad days --------------------------------------------------------------------------------------------------------


@pytest.mark.double(chaos_mesh=True, chaos_mode="stuck")
def test_what_is_never_injected_is_not_effective_and_is_taken_back(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(lambda: "connection error" in run(made.effective)["evidence"], what="the reason is told")
    assert not run(made.effective)["holds"]
    run(made.undo)
    cluster.until(holds(made.recovered))


@pytest.mark.double(chaos_mesh=True, chaos_mode="half")
def test_half_applied_is_not_effective_and_names_the_pod(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(lambda: sorted(phases(cluster, made)) == ["Injected", "Not Injected"])
    said = run(made.effective)
    there = object_of(cluster, made) or {}
    records = there["status"]["experiment"]["containerRecords"]
    (left,) = [one["id"] for one in records if one["phase"] == "Not Injected"]
    assert not said["holds"]
    assert said["evidence"].startswith(f"1 of 2 pods are injected: {left} is Not Injected (rpc error")
    run(made.undo)
    cluster.until(holds(made.recovered))


@pytest.mark.double(chaos_mesh=True, chaos_mode="never-recovers")
def test_what_never_recovers_is_not_recovered_and_says_what_not_to_do(
    cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gameday.faults.chaos_mesh.experiment._PATIENCE", 0.3)
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(holds(made.effective))
    run(made.undo)
    said = run(made.recovered)
    assert not said["holds"]
    assert "held by chaos-mesh/records: 1 of 1 pods have not recovered" in said["evidence"]
    assert "don't take the finalizer off" in said["evidence"]
    there = object_of(cluster, made) or {}
    assert there["metadata"]["finalizers"] == ["chaos-mesh/records"]
    assert "cleanFinalizer" not in str(there["metadata"]["annotations"])
    assert made.commands[0].endswith(f"{experiments.PAUSE}=true") and "delete" in made.commands[-1]
    cluster.settings(chaos_mode="")
    cluster.until(holds(made.recovered))


@pytest.mark.double(chaos_mesh=True, chaos_mode="never-recovers")
def test_what_has_not_recovered_is_kept_where_nothing_holds_it(
    cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gameday.faults.chaos_mesh.experiment._PATIENCE", 0.1)
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(holds(made.effective))
    cluster.settings(controllers=False)
    there = object_of(cluster, made) or {}
    cluster.patch("NetworkChaos", there["metadata"]["name"], {"metadata": {"finalizers": None}})
    with pytest.raises(RuntimeError, match="the only record"):
        run(made.undo)
    assert object_of(cluster, made) is not None
    assert not run(made.recovered)["holds"]


@MESH
def test_pods_that_vanish_before_it_looks_leave_only_an_event(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    cluster.settings(chaos_mode="absent")
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    assert run(made.effective)["evidence"] == "Chaos Mesh has selected no pod"
    cluster.delete("Deployment", "web")
    cluster.until(lambda: not cluster.list("Pod"))
    cluster.settings(chaos_mode="")
    cluster.until(lambda: "no target has been selected" in run(made.effective)["evidence"])
    assert not run(made.effective)["holds"]
    run(made.undo)
    cluster.until(holds(made.recovered))


@pytest.mark.double(chaos_mesh=True, chaos_mode="absent")
def test_without_its_controller_nothing_is_injected_and_nothing_stays(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    assert not run(made.effective)["holds"]
    run(made.undo)
    assert run(made.recovered)["holds"]


@MESH
def test_somebody_else_deleted_it(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(holds(made.effective))
    cluster.delete("NetworkChaos", (object_of(cluster, made) or {})["metadata"]["name"])
    cluster.until(holds(made.recovered))
    run(made.undo)
    assert "is not there any more" in run(made.effective)["evidence"]


@MESH
def test_one_of_the_same_name_that_is_not_ours_is_left_alone(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    inert = made.inject.args["made"]
    theirs = {**inert, "metadata": {"name": inert["metadata"]["name"]}}
    cluster.apply(theirs)
    with pytest.raises(RuntimeError, match="not this fault's"):
        run(made.inject)
    with pytest.raises(RuntimeError, match="left alone"):
        run(made.undo)
    assert (object_of(cluster, made) or {})["metadata"].get("deletionTimestamp") is None


@MESH
def test_with_the_store_lost_it_is_found_and_recovered(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "cpu-stress", {"service": "web", "all": True})
    run(made.inject)
    cluster.until(holds(made.effective))
    api = Api(where(cluster))
    found, blind = litter.find(api, [cluster.namespace])
    assert blind == []
    (one,) = found
    assert (one.shown, one.exercise, one.entry) == (
        f"StressChaos {cluster.namespace}/gameday-x-1-fault-1",
        "x-1",
        "fault-1",
    )
    assert litter.by_hand(api, one) == made.commands
    cluster.forget_requests()
    assert litter.clear(api, one)["holds"]
    verbs = [call.verb for call in cluster.requests if call.resource == "stresschaos"]
    assert verbs.index("patch") < verbs.index("delete")
    assert object_of(cluster, made) is None


@pytest.mark.double(chaos_mesh=True, chaos_mode="never-recovers")
def test_litter_that_never_recovers_is_said_to_be_there(
    cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litter, "PATIENCE", 0.3)
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(holds(made.effective))
    (one,), _ = litter.find(Api(where(cluster)), [cluster.namespace])
    said = litter.clear(Api(where(cluster)), one)
    assert not said["holds"] and "don't take the finalizer off" in said["evidence"]


# --- pod-kill --------------------------------------------------------------------------------------------------------


def uids(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.pods("app=web")}


def marked(cluster: Cluster) -> list[str]:
    return [one["metadata"]["name"] for one in cluster.list("Pod", selector=pod_kill.MARK)]


@MESH
@pytest.mark.proves("pod-kill", "kubernetes/chaos-mesh")
def test_pods_are_killed_and_the_experiment_goes(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=3)
    kill(cluster)


@pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
def test_a_kill_with_what_the_api_server_makes_of_each_step(cluster: Cluster) -> None:
    if cluster.is_real and not has_chaos_mesh(cluster):
        pytest.skip("the cluster has no Chaos Mesh")
    cluster.deployment("web", replicas=3)
    with Mesh(cluster):
        kill(cluster)


def kill(cluster: Cluster) -> None:
    before = uids(cluster)
    made = planned(cluster, "pod-kill", {"service": "web", "count": 2}, duration=None)
    assert made.passes and len(made.targets) == 2
    doomed = {pod["uid"] for pod in made.inject.args["pods"]}
    assert doomed < before
    run(made.inject)
    cluster.until(holds(made.effective))
    assert (object_of(cluster, made) or {})["spec"]["gracePeriod"] == 0
    run(made.undo)
    cluster.until(holds(made.recovered))
    after = uids(cluster)
    assert len(after) == 3 and before & after == before - doomed
    assert object_of(cluster, made) is None
    assert marked(cluster) == []


@MESH
def test_a_kill_that_is_made_after_its_undo_finds_nobody(cluster: DoubleCluster) -> None:
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
    if cluster.is_real and not has_chaos_mesh(cluster):
        pytest.skip("the cluster has no Chaos Mesh")
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
    if cluster.is_real and not has_chaos_mesh(cluster):
        pytest.skip("the cluster has no Chaos Mesh")
    monkeypatch.setattr(pod_kill, "_PAUSES", (0.01,))
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "pod-kill", {"service": "web", "all": True}, duration=None)
    run(made.inject)
    assert len(marked(cluster)) == 2
    api = Api(where(cluster))
    (one,), _ = litter.find(api, [cluster.namespace])
    assert litter.clear(api, one)["holds"]
    assert (object_of(cluster, made), marked(cluster)) == (None, [])


@pytest.mark.settings(chaos_mesh=True)
def test_what_chaos_mesh_can_not_do_to_pods(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    for params in ({"every": 5.0}, {"evict": True}):
        with pytest.raises(ValueError, match="the Kubernetes API can"):
            planned(cluster, "pod-kill", {"service": "web", **params})


# --- what is cut off -------------------------------------------------------------------------------------------------


def spec(made: Plan) -> dict[str, Any]:
    found: dict[str, Any] = made.inject.args["made"]["spec"]
    return found


def names(side: dict[str, Any], cluster: Cluster) -> set[str]:
    """The pods of a side, without what is random in their names."""
    return {name.partition("-")[0] for name in side["selector"]["pods"][cluster.namespace]}


@MESH
def test_two_services_are_cut_off_from_each_other(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=1)
    made = planned(cluster, "network-partition", {"service": "web", "from": "shop", "direction": "in"})
    assert made.summary == "web is cut off from shop, only what it is sent"
    assert names(spec(made), cluster) == {"web"} and names(spec(made)["target"], cluster) == {"shop"}
    assert spec(made)["direction"] == "from"
    assert len(made.targets) == 3, "rules are set on both sides"
    run(made.inject)
    cluster.until(holds(made.effective))
    assert phases(cluster, made) == ["Injected"] * 3
    run(made.undo)
    cluster.until(holds(made.recovered))


@pytest.mark.settings(chaos_mesh=True)
def test_what_is_outside_is_cut_off_where_it_is_called_from(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=1)
    outage = planned(cluster, "dependency-outage", {"service": "bank"})
    assert names(spec(outage), cluster) == {"web", "shop"}
    assert spec(outage)["externalTargets"] == ["198.51.100.7", "bank.example.com"]
    assert spec(outage)["direction"] == "to"
    assert outage.summary == "outage of bank (blackhole) for web, shop"
    one = planned(cluster, "network-partition", {"service": "bank", "from": "shop", "direction": "out"})
    assert names(spec(one), cluster) == {"shop"}
    assert spec(one)["direction"] == "from", "what the bank sends is what the shop is sent"
    other = planned(cluster, "network-partition", {"service": "shop", "from": "bank", "direction": "out"})
    assert (names(spec(other), cluster), spec(other)["direction"]) == ({"shop"}, "to")


@pytest.mark.settings(chaos_mesh=True)
def test_what_can_not_be_cut_off(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=2)
    for params in ({"mode": "refused"}, {"by": "scale"}):
        with pytest.raises(ValueError, match="mode: blackhole"):
            planned(cluster, "dependency-outage", {"service": "web", **params})
    with pytest.raises(ValueError, match="both outside"):
        planned(cluster, "network-partition", {"service": "mail", "from": "bank"})
    with pytest.raises(ValueError, match="which pods are those of dark is not known"):
        planned(cluster, "dependency-outage", {"service": "dark"})
    with pytest.raises(ValueError, match=r"it would touch 4 pods, and limits\.pods allows 3"):
        planned(cluster, "network-partition", {"service": "web", "from": "shop"}, pods=3)


@MESH
def test_an_outage_that_is_not_felt_at_its_address_is_not_effective(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    seen = {**target(cluster), "names": {"web": f"{cluster.url}/version"}}
    made = Plan.from_json(plan("dependency-outage", seen, {"service": "web"}, CONTEXT))
    run(made.inject)
    cluster.until(lambda: phases(cluster, made) == ["Injected"])
    said = cluster.until(lambda: "AllInjected; " in (one := run(made.effective))["evidence"] and one)
    assert not said["holds"] and "answered 401" in said["evidence"]
    run(made.undo)
    cluster.until(holds(made.recovered))


@MESH
def test_a_latency_is_felt_at_its_address(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    seen = {**target(cluster), "names": {"web": f"{cluster.url}/apis/apps/v1/namespaces/slow/deployments/web"}}
    made = Plan.from_json(plan("latency", seen, LATENCY, CONTEXT))
    run(made.inject)
    cluster.until(lambda: phases(cluster, made) == ["Injected"])
    said = cluster.until(lambda: "AllInjected; " in (one := run(made.effective))["evidence"] and one)
    assert not said["holds"], "Chaos Mesh says so, and it answers as quickly as ever"
    cluster.misbehave(namespace="slow", delay=0.3)
    assert run(made.effective)["holds"]
    cluster.behave()
    run(made.undo)
    cluster.until(holds(made.recovered))


# --- what is planned --------------------------------------------------------------------------------------------------


@MESH
def test_what_is_protected_is_left_out_and_said(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=3)
    spared = cluster.pods("app=web")[0]["metadata"]["name"]
    cluster.patch("Pod", spared, {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    made = planned(cluster, "latency", LATENCY)
    assert spared not in made.inject.args["made"]["spec"]["selector"]["pods"][cluster.namespace]
    assert f"left out: {spared}: labelled gameday.dev/protected=true" in made.notes
    run(made.inject)
    cluster.until(holds(made.effective))
    ids = [one["id"] for one in (object_of(cluster, made) or {})["status"]["experiment"]["containerRecords"]]
    assert f"{cluster.namespace}/{spared}" not in ids and len(ids) == 2


@MESH
def test_a_pod_that_became_protected_after_planning_stops_it(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "latency", LATENCY)
    name = cluster.pods("app=web")[0]["metadata"]["name"]
    cluster.patch("Pod", name, {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    with pytest.raises(RuntimeError, match="may not be touched any more"):
        run(made.inject)
    assert object_of(cluster, made) is None


@pytest.mark.settings(chaos_mesh=True)
def test_limits_and_shares(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=4)
    half = planned(cluster, "latency", {**LATENCY, "share": 0.5})
    assert len(half.targets) == 2 and half.summary.endswith("on web, 2 of 4 pods")
    assert any("a share of connections can't be had" in note for note in half.notes)
    again = planned(cluster, "latency", {**LATENCY, "share": 0.5})
    assert again.targets == half.targets, "the same seed chooses the same"
    with pytest.raises(ValueError, match=r"limits\.pods allows 3"):
        planned(cluster, "latency", LATENCY, pods=3)
    with pytest.raises(ValueError, match="add for:"):
        planned(cluster, "latency", LATENCY, duration=None)
    with pytest.raises(ValueError, match="direction: response"):
        planned(cluster, "latency", {**LATENCY, "direction": "request"})


@pytest.mark.settings(chaos_mesh=True)
def test_a_target_without_chaos_mesh_is_told_what_it_needs(cluster: Cluster) -> None:
    bare = target_of(cluster, {"web": {"workload": "deployment/web"}})
    with pytest.raises(ValueError, match=r"it needs Chaos Mesh .*chaos-mesh\.org"):
        plan("dns-failure", bare, {"service": "web"}, CONTEXT)


@MESH
@pytest.mark.parametrize(
    ("fault", "params"),
    [
        *EVERY.items(),
        ("pod-kill", {"service": "web"}),
        ("network-partition", {"service": "web", "from": "shop"}),
        ("dependency-outage", {"service": "bank"}),
        ("latency", {**LATENCY, "service": "shop"}),
    ],
)
def test_the_rights_it_names_are_enough_and_none_is_idle(
    cluster: DoubleCluster, fault: str, params: dict[str, Any]
) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=1)
    rights = needs(fault, target(cluster), params)
    cluster.rules("gameday", [rule(text) for text in rights])
    cluster.settings(chaos_delay=0.1)
    made = planned(cluster, fault, params)
    assert set(made.permissions) == set(rights)
    run(made.inject)
    cluster.until(holds(made.effective))
    run(made.undo)
    cluster.until(holds(made.recovered))
    used = {(one.verb, one.resource) for one in cluster.requests}
    assert all(one.status < 400 or one.status == 404 for one in cluster.requests)
    idle = {(one.verb, one.plural) for one in map(Access.parse, rights)} - used
    # Which of the two runs a service is known only when it is looked at; events are asked when something is late.
    assert idle <= {("get", "statefulsets"), ("list", "events")}


def rule(text: str) -> dict[str, Any]:
    one = Access.parse(text)
    resource = f"{one.plural}/{one.sub}" if one.sub else one.plural
    found: dict[str, Any] = {"apiGroups": [one.group], "resources": [resource], "verbs": [one.verb]}
    return {**found, **({"namespace": one.namespace} if one.namespace else {})}


# --- what the schemas of Chaos Mesh take ------------------------------------------------------------------------------

FORMS: list[tuple[str, dict[str, Any]]] = [
    *EVERY.items(),
    ("latency", {"service": "web", "delay": 1.5, "jitter": 0.25, "share": 0.5}),
    ("latency", {"service": "web", "delay": 0.001}),
    ("dns-failure", {"service": "web", "answer": "random"}),
    ("dns-failure", {"service": "web", "percent": 50.0, "names": ["*"]}),
    ("cpu-stress", {"service": "web"}),
    ("cpu-stress", {"service": "web", "percent": 50.0, "workers": 256, "load": 1, "container": "app"}),
    ("memory-stress", {"service": "web", "size": "1GiB", "workers": 3}),
    ("memory-stress", {"service": "web", "size": "100%", "container": "app"}),
    ("dependency-outage", {"service": "web"}),
    ("dependency-outage", {"service": "bank"}),
    *[
        ("network-partition", {"service": service, "direction": direction, **other})
        for direction in ("in", "out", "both")
        for service, other in (("web", {}), ("web", {"from": "shop"}), ("web", {"from": "bank"}), ("bank", {}))
    ],
    ("pod-kill", {"service": "web"}),
    ("pod-kill", {"service": "web", "all": True, "grace": 5.0}),
]


@pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
def test_every_form_of_every_experiment_is_taken_as_it_is(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody will ever find the pods here.
    monkeypatch.setattr(pod_kill, "_PAUSES", (0.01,))
    if cluster.is_real and not has_chaos_mesh(cluster):
        pytest.skip("the cluster has no Chaos Mesh")
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=1)
    for number, (fault, params) in enumerate(FORMS):
        made = planned(cluster, fault, params, fault=f"form-{number}")
        run(made.inject)
        there = object_of(cluster, made)
        assert there is not None
        assert_within(made.inject.args["made"]["spec"], there["spec"])
        if fault != "pod-kill":
            assert there["metadata"]["annotations"][experiments.PAUSE] == "false"
        run(made.undo)
        cluster.until(holds(made.recovered))


def has_chaos_mesh(cluster: Cluster) -> bool:
    groups = cluster.ask("GET", "/apis")["groups"]
    return any(one["name"] == "chaos-mesh.org" for one in groups)


def assert_within(part: Any, whole: Any) -> None:
    """All of `part` is in `whole`, which may have defaults beside it."""
    if isinstance(part, dict):
        for key, value in part.items():
            assert key in whole
            assert_within(value, whole[key])
    else:
        assert part == whole


@pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
def test_what_the_schema_does_not_know_is_refused_and_not_dropped(cluster: Cluster) -> None:
    if cluster.is_real and not has_chaos_mesh(cluster):
        pytest.skip("the cluster has no Chaos Mesh")
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    inert = made.inject.args["made"]
    inert["spec"]["latncy"] = "1s"
    with pytest.raises(Refused, match="latncy"):
        run(made.inject)
    assert cluster.get(inert["kind"], inert["metadata"]["name"]) is None
    assert set(ALL) >= {inert["kind"]}


# --- by hand ----------------------------------------------------------------------------------------------------------


@pytest.mark.settings(chaos_mesh=True)
@pytest.mark.parametrize(("fault", "params"), [("latency", LATENCY), ("pod-kill", {"service": "web", "grace": 1.0})])
def test_the_commands_that_are_printed_end_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, fault: str, params: dict[str, Any]
) -> None:
    if not cluster.is_real:
        pytest.skip("kubectl asks for schemas that the double does not have")
    if not has_chaos_mesh(cluster):
        pytest.skip("the cluster has no Chaos Mesh")
    monkeypatch.setattr(pod_kill, "_PAUSES", (0.01,))
    cluster.deployment("web", replicas=1)
    made = planned(cluster, fault, params)
    run(made.inject)
    with Mesh(cluster):
        cluster.until(holds(made.effective))
        for command in made.commands:
            done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        cluster.until(lambda: object_of(cluster, made) is None)
    cluster.until(lambda: marked(cluster) == [])


# --- whole runs ------------------------------------------------------------------------------------------------------


@MESH
def test_a_run_with_a_latency_and_a_kill(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.deployment("web", replicas=2)
    before = uids(cluster)
    timeline = """\
  - at: 0s
    fault: latency
    with: {service: web, delay: 300ms}
    for: 1s
    id: slow
  - after: {effective: slow, delay: 0s}
    fault: pod-kill
    with: {service: web}
"""
    place = place_of(tmp_path, cluster, {"web": {"workload": "deployment/web"}}, timeline, engines=["chaos-mesh"])
    done = place.call("run", "scenario.yaml", "--unattended", timeout=60)
    assert done.returncode == 0, done.stderr
    faults = place.exercise().faults
    assert {fault.stage for fault in faults.values()} == {"recovered"}
    for kind in ("NetworkChaos", "PodChaos"):
        assert cluster.list(kind) == []
    cluster.whole("web")
    assert len(before - uids(cluster)) == 1
    assert marked(cluster) == []


SLOW = "  - at: 0s\n    id: slow\n    fault: latency\n    with: {service: web, delay: 300ms}\n    for: 10m\n"


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """What the abort condition watches: as long as it listens there is no reason to abort."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    yield listening
    listening.close()


@pytest.fixture
def slow(cluster: DoubleCluster, tmp_path: Path, door: socket.socket) -> Iterator[Place]:
    """A run with a latency in effect."""
    cluster.deployment("web", replicas=2)
    services = {"web": {"workload": "deployment/web"}}
    more = {"watched": f"127.0.0.1:{door.getsockname()[1]}", "recovery": "4s", "engines": ["chaos-mesh"]}
    place = place_of(tmp_path, cluster, services, SLOW, **more)
    try:
        place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("the fault in effect", lambda x: "slow" in x.faults and x.faults["slow"].stage == "effective")
        yield place
    finally:
        place.clean_up()


@MESH
def test_an_abort_takes_it_back(cluster: DoubleCluster, slow: Place, door: socket.socket) -> None:
    door.close()
    assert slow.started[0].wait(60) == 3, slow.said()
    assert cluster.list("NetworkChaos") == []
    assert slow.exercise().faults["slow"].stage == "recovered"


@MESH
def test_without_a_guardian_it_is_taken_back_all_the_same(cluster: DoubleCluster, slow: Place) -> None:
    guardian = slow.guardian()
    assert guardian is not None
    os.kill(guardian, signal.SIGKILL)
    cluster.until(lambda: cluster.list("NetworkChaos") == [])
    slow.started[0].wait(60)
    slow.gone(60)


@MESH
def test_one_that_never_recovers_is_leaked_loudly_and_recovered_later(
    cluster: DoubleCluster, slow: Place, door: socket.socket
) -> None:
    cluster.settings(chaos_mode="never-recovers")
    door.close()
    assert slow.started[0].wait(60) == 4, slow.said()
    said = slow.said()
    assert "have not recovered: " in said and "don't take the finalizer off" in said
    assert "by hand: kubectl" in said and f"{experiments.PAUSE}=true" in said
    cluster.settings(chaos_mode="")
    done = slow.call("recover", timeout=60)
    assert done.returncode == 0, done.stderr
    assert cluster.list("NetworkChaos") == []
