"""Faults that Chaos Mesh does: when one counts as injected, and how it ends, on good days and bad ones."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from gameday.cluster import experiments, litter
from gameday.cluster.api import Api
from gameday.cluster.errors import Refused
from gameday.cluster.resources import DEPLOYMENTS, NETWORK_CHAOS, Resource
from gameday.engine.ports import Plan
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.mesh import Mesh

from .meshed import (
    EVERY,
    LATENCY,
    MESH,
    holds,
    needs_chaos_mesh,
    needs_nobody_who_acts,
    object_of,
    phases,
    planned,
    run,
)
from .targets import where

# --- a whole life ----------------------------------------------------------------------------------------------------


@MESH
@pytest.mark.proves("latency", "kubernetes/chaos-mesh")
@pytest.mark.proves("dns-failure", "kubernetes/chaos-mesh")
@pytest.mark.proves("cpu-stress", "kubernetes/chaos-mesh")
@pytest.mark.proves("memory-stress", "kubernetes/chaos-mesh")
@pytest.mark.proves("disk-latency", "kubernetes/chaos-mesh")
@pytest.mark.proves("dependency-outage", "kubernetes/chaos-mesh")
@pytest.mark.proves("network-partition", "kubernetes/chaos-mesh")
@pytest.mark.parametrize("fault", EVERY)
def test_a_fault_is_injected_and_taken_back(cluster: DoubleCluster, fault: str) -> None:
    cluster.deployment("web", replicas=2)
    live(cluster, fault)


@pytest.mark.parametrize("fault", EVERY)
@pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
def test_the_same_with_what_the_api_server_makes_of_each_step(cluster: Cluster, fault: str) -> None:
    """On a real one, too: with Chaos Mesh's own controllers, or with its definitions and a controller of the tests."""
    needs_chaos_mesh(cluster, fault)
    cluster.deployment("web", replicas=2)
    with Mesh(cluster):
        live(cluster, fault)


@pytest.mark.parametrize("fault", ["latency", "disk-latency"])
@pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
def test_the_undo_gets_out_of_what_waits_half_way(cluster: Cluster, fault: str) -> None:
    needs_nobody_who_acts(cluster)
    cluster.deployment("web", replicas=2)
    half_way = ["Not Injected/Wait"] * 2
    with Mesh(cluster, stuck=True) as mesh:
        made = planned(cluster, fault, EVERY[fault])
        run(made.inject)
        cluster.until(lambda: phases(cluster, made) == half_way)
        said = run(made.effective)
        assert not said["holds"] and "is Not Injected/Wait" in said["evidence"]
        undo = threading.Thread(target=run, args=[made.undo])
        undo.start()
        cluster.until(lambda: annotations(cluster, made).get(experiments.PAUSE) == "true", what="its pause")
        assert not run(made.recovered)["holds"] and phases(cluster, made) == half_way
        mesh.stuck = False
        undo.join(30)
        assert "is gone" in cluster.until(holds(made.recovered))
    # It was injected after all before it was taken back, and what holds the record of that was waited for.
    assert [set(phases) for phases in mesh.moves[-4:]] == [
        {phase} for phase in ("Not Injected/Wait", "Injected", "Injected/Wait", "Not Injected")
    ]


def annotations(cluster: Cluster, made: Plan) -> dict[str, str]:
    found: dict[str, str] = (object_of(cluster, made) or {}).get("metadata", {}).get("annotations") or {}
    return found


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
    made = planned(cluster, "cpu-stress", EVERY["cpu-stress"])
    run(made.inject)
    cluster.until(lambda: "connection error" in run(made.effective)["evidence"], what="the reason is told")
    assert not run(made.effective)["holds"]
    run(made.undo)
    cluster.until(holds(made.recovered))


@pytest.mark.double(chaos_mesh=True, chaos_mode="stuck")
def test_one_that_hangs_half_way_is_not_recovered_and_goes_with_its_pods(
    cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gameday.faults.chaos_mesh.experiment._PATIENCE", 0.1)
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(lambda: phases(cluster, made) == ["Not Injected/Wait"] * 2)
    cluster.until(lambda: "connection error" in run(made.effective)["evidence"], what="the reason is told")
    run(made.undo)
    said = run(made.recovered)
    assert not said["holds"] and "is Not Injected/Wait (rpc error" in said["evidence"]
    assert "a pod that is deleted is let go of" in said["evidence"]
    cluster.delete("Deployment", "web")
    cluster.until(holds(made.recovered))


@pytest.mark.double(chaos_mesh=True, chaos_mode="never-recovers")
def test_what_chaos_mesh_does_not_try_again_is_nudged(cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gameday.faults.chaos_mesh.experiment._PATIENCE", 0.1)
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "cpu-stress", EVERY["cpu-stress"] | {"count": 1})
    run(made.inject)
    cluster.until(holds(made.effective))
    run(made.undo)
    assert "is being deleted" in run(made.recovered)["evidence"]
    cluster.deployment("shop", replicas=1)
    cluster.whole("shop")  # so by now its controller has tried, and given up
    cluster.settings(chaos_mode="")
    run(made.undo)
    cluster.until(holds(made.recovered))


@MESH
@pytest.mark.parametrize("status", [500, 403])
def test_what_may_not_be_paused_is_deleted_and_ends_when_its_controller_is_back(
    cluster: DoubleCluster, status: int
) -> None:
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(holds(made.effective))
    cluster.settings(controllers=False)
    # As its webhook does for whoever changes an experiment; deletions it is not asked about.
    cluster.misbehave(verb="patch", resource="networkchaos", status=status, message="failed calling webhook")
    run(made.undo)
    there = object_of(cluster, made) or {}
    assert there["metadata"]["annotations"][experiments.PAUSE] == "false"
    assert "deletionTimestamp" in there["metadata"]
    assert "is being deleted, held by chaos-mesh/records" in run(made.recovered)["evidence"]
    run(made.undo)
    cluster.settings(controllers=True)
    cluster.until(holds(made.recovered))


@MESH
def test_what_may_not_be_paused_stays_where_nothing_holds_it(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(holds(made.effective))
    cluster.settings(controllers=False)
    there = object_of(cluster, made) or {}
    cluster.patch("NetworkChaos", there["metadata"]["name"], {"metadata": {"finalizers": None}})
    cluster.misbehave(verb="patch", resource="networkchaos", status=500, message="failed calling webhook")
    with pytest.raises(Refused, match="failed calling webhook"):
        run(made.undo)
    assert object_of(cluster, made) is not None


@pytest.mark.double(chaos_mesh=True, chaos_mode="half")
def test_half_applied_is_not_effective_and_names_the_pod(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(lambda: sorted(phases(cluster, made)) == ["Injected", "Not Injected/Wait"])
    said = run(made.effective)
    there = object_of(cluster, made) or {}
    records = there["status"]["experiment"]["containerRecords"]
    (left,) = [one["id"] for one in records if one["phase"] == "Not Injected/Wait"]
    assert not said["holds"]
    assert said["evidence"].startswith(f"1 of 2 pods are injected: {left} is Not Injected/Wait (rpc error")
    cluster.settings(chaos_mode="")
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
    assert run(made.effective)["evidence"] == "Chaos Mesh has not looked at it so far: does its controller run?"
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


# --- Chaos Mesh itself goes away -------------------------------------------------------------------------------------


def live_latency(cluster: DoubleCluster) -> Plan:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "latency", LATENCY)
    run(made.inject)
    cluster.until(holds(made.effective))
    return made


@pytest.mark.double(chaos_mesh=True)
def test_with_its_kinds_uninstalled_it_is_recovered_only_when_its_pods_are_gone(cluster: DoubleCluster) -> None:
    made = live_latency(cluster)
    cluster.settings(chaos_mesh=False)
    run(made.undo)
    said = run(made.recovered)
    assert not said["holds"]
    assert "Chaos Mesh was uninstalled: the API server knows no NetworkChaos any more" in said["evidence"]
    names = sorted(pod["metadata"]["name"] for pod in cluster.pods("app=web"))
    command = rf"kubectl .*-n {cluster.namespace} delete pod {' '.join(names)}$"
    assert re.search(rf"network rules .* may still be in these pods.*: {command}", said["evidence"])
    let_go = {"ownerReferences": None, "labels": {"app": "none", "pod-template-hash": "none"}}
    cluster.patch("Pod", names[0], {"metadata": let_go})
    alone = (
        rf"{command[:-1]}; {names[0]}: nothing would make it anew \(it has no controller\), so make it anew yourself$"
    )
    assert re.search(alone, str(run(made.recovered)["evidence"]))
    for name in names:
        cluster.delete("Pod", name)
    assert "all pods that it was for are gone" in cluster.until(holds(made.recovered))


@pytest.mark.double(chaos_mesh=True)
def test_with_its_controller_uninstalled_it_is_not_recovered_and_the_way_out_is_told(cluster: DoubleCluster) -> None:
    made = live_latency(cluster)
    cluster.settings(chaos_mode="never-recovers")
    run(made.undo)
    said = run(made.recovered)
    assert not said["holds"] and "held by chaos-mesh/records" in said["evidence"]
    assert re.search(
        r"where Chaos Mesh is gone for good: its network rules .* kubectl .* delete pod web", said["evidence"]
    )


@pytest.mark.double(chaos_mesh=True)
def test_one_whose_finalizer_was_taken_off_by_force_has_not_recovered(cluster: DoubleCluster) -> None:
    """Its events are all that tells."""
    made = live_latency(cluster)
    there = object_of(cluster, made)
    assert there is not None
    pods = [pod["metadata"]["name"] for pod in cluster.pods("app=web")]
    cluster.settings(chaos_mode="never-recovers")
    run(made.undo)
    cluster.patch("NetworkChaos", there["metadata"]["name"], {"metadata": {"finalizers": None}})
    cluster.until(lambda: object_of(cluster, made) is None)
    said = run(made.recovered)
    assert not said["holds"] and "its finalizer was taken off" in said["evidence"] and pods[0] in said["evidence"]
    for number, pod in enumerate(pods):
        message = f"Successfully recover chaos for {cluster.namespace}/{pod}/app"
        happened(cluster, there, f"recovered-{number}", message)
    assert run(made.recovered)["holds"]


def happened(cluster: DoubleCluster, whose: dict[str, Any], name: str, message: str) -> None:
    event = {"kind": "Event", "apiVersion": "v1", "metadata": {"name": name, "namespace": cluster.namespace}}
    about = {"kind": whose["kind"], "name": whose["metadata"]["name"], "namespace": cluster.namespace}
    at = {"lastTimestamp": "2099-01-01T00:00:00Z"}
    cluster.apply({**event, **at, "involvedObject": about, "type": "Normal", "reason": "Recovered", "message": message})


def test_that_a_kind_is_not_known_is_told_from_that_an_object_is_not_there(cluster: Cluster) -> None:
    api = Api(where(cluster))
    assert not experiments._unknown(api, DEPLOYMENTS)
    assert experiments._unknown(api, Resource("apps", "v1", "nothings", "Nothing"))
    assert experiments._unknown(api, Resource("nothing.example.com", "v1", "nothings", "Nothing"))
