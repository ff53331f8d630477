"""Somebody else is at the same objects while a fault stands: what they did is named, and no fault is said to have
recovered, verified, over a dependency that is dead."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameday.cli.recover_target import recover_target
from gameday.cluster import marks
from gameday.cluster.marks import Interfered
from gameday.exercise.state import Exercise
from gameday.faults.kubernetes.service_outage import KEY
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .meshed import MESH, holds, planned, run
from .planned import Planned
from .targets import place_of, toml_of
from .test_outages import BOTH, RUNS, outage, ready_endpoints, the, traces, web
from .test_pasted import pasted

__all__ = ["web"]


def settled(fault: Planned, cluster: Cluster, **wanted: object) -> str:
    """Evidence of the verification once it answers as `wanted`."""
    said = cluster.until(
        lambda: (found := fault.recovered()) and all(found.get(key) == one for key, one in wanted.items()) and found,
        15,
        str(wanted),
    )
    return str(said["evidence"])


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("by", ["service", "scale", "policy"])
def test_what_somebody_took_away_is_seen_not_to_stand_and_undone_all_the_same(cluster: Cluster, by: str) -> None:
    fault = outage(cluster, by=by, context={"checked": True})
    fault.inject()
    assert fault.call("standing")["holds"]
    if by == "service":
        cluster.patch("Service", "web", {"spec": {"selector": {KEY: None}}})
    elif by == "scale":
        cluster.patch("Deployment", "web", {"spec": {"replicas": 2}})
    else:
        (policy,) = cluster.list("NetworkPolicy")
        cluster.delete("NetworkPolicy", policy["metadata"]["name"])
    seen = fault.call("standing")
    assert not seen["holds"]
    said = {"service": "is absent, as it was before", "scale": "/spec/replicas is 2, as it was before"}
    assert said.get(by, "was deleted") in seen["evidence"]
    fault.undo()
    fault.until_recovered()


# --- an outage by its Service --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("web")
def test_a_workload_that_somebody_scaled_to_nothing_under_an_outage_has_not_recovered(cluster: Cluster) -> None:
    fault = outage(cluster)
    fault.inject()
    fault.until_effective()
    cluster.patch("Deployment", "web", {"spec": {"replicas": 0}})
    fault.undo()
    cluster.until(lambda: not cluster.pods("app=web"), 30)
    # The endpoints follow the pods in their own time.
    cluster.until(lambda: "; 0 ready endpoints" in settled(fault, cluster, holds=False, undone=True), 30)
    assert settled(fault, cluster, holds=False, undone=True) == (
        f"service {cluster.namespace}/web is as it was; deployment {cluster.namespace}/web was scaled by somebody else "
        f"since: 2 -> 0 replicas; 0 ready endpoints, 0 ready pods, and 2 before"
    )
    cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
    assert "2 -> 1 replicas; 1 ready endpoints" in fault.until_recovered(), "fewer are wanted, and they are there"
    cluster.patch("Deployment", "web", {"spec": {"replicas": 2}})
    cluster.until(lambda: ready_endpoints(cluster) == 2)
    assert fault.until_recovered().startswith(f"service {cluster.namespace}/web is as it was; 2 ready endpoints")


@pytest.mark.usefixtures("web")
def test_a_selector_that_somebody_changed_under_an_outage_is_named_and_counts_by_what_it_leads_to(
    cluster: Cluster,
) -> None:
    fault = outage(cluster)
    fault.inject()
    fault.until_effective()
    cluster.patch("Service", "web", {"spec": {"selector": {"app": "web-v2"}}})
    fault.undo()
    assert the(cluster, "Service")["spec"]["selector"] == {"app": "web-v2"}, "theirs is left to them"
    said = settled(fault, cluster, holds=False, undone=True)
    assert 'its selector was changed by somebody else since: {"app":"web"} -> {"app":"web-v2"}' in said
    assert "is as it was" not in said and "0 ready endpoints, 0 ready pods, and 2 before" in said
    cluster.deployment("web-v2", replicas=1, service=False)
    said = fault.until_recovered()
    assert '{"app":"web"} -> {"app":"web-v2"}; 1 ready endpoints' in said, "somebody has failed over"


@pytest.mark.usefixtures("web")
def test_a_service_or_what_runs_it_that_somebody_deleted_has_not_recovered(cluster: Cluster) -> None:
    fault = outage(cluster)
    fault.inject()
    cluster.delete("Deployment", "web")
    fault.undo()
    cluster.until(lambda: not cluster.pods("app=web"), 30)
    assert "deployment " in (said := settled(fault, cluster, holds=False, undone=True))
    assert "web was deleted by somebody else since; 0 ready endpoints" in said
    cluster.delete("Service", "web")
    said = settled(fault, cluster, holds=False, undone=True)
    assert said == f"service {cluster.namespace}/web does not exist any more: somebody else has deleted it since"


@pytest.mark.double
@pytest.mark.usefixtures("web")
def test_endpoints_that_do_not_come_back_by_themselves_are_not_taken_for_somebody_elses(cluster: DoubleCluster) -> None:
    fault = outage(cluster)
    fault.inject()
    fault.undo()
    fault.until_recovered()
    cluster.settings(startup=60)
    pods = cluster.pods("app=web")
    for pod in pods:
        cluster.delete("Pod", pod["metadata"]["name"])
    cluster.until(lambda: ready_endpoints(cluster) == 0 and len(cluster.pods("app=web")) == 2)
    said = fault.recovered()
    assert not said["holds"] and "undone" not in said, "as many ready endpoints as ready pods, and yet it is dead"


@pytest.mark.usefixtures("web")
def test_another_fault_on_what_runs_it_is_verified_by_itself(cluster: Cluster) -> None:
    first, second = outage(cluster), outage(cluster, RUNS, context={"fault": "fault-2"})
    first.inject()
    second.inject()
    second.until_effective()
    first.undo()
    assert "to have 0 replicas now, 2 before: fault-2 stands on it" in settled(first, cluster, holds=True)
    second.undo()
    second.until_recovered()


@pytest.mark.parametrize("labels", [True, False], ids=["labels", "no-labels"])
@pytest.mark.parametrize("journal", [True, False], ids=["journal", "target"])
@pytest.mark.usefixtures("web")
def test_a_service_made_anew_from_what_it_was_under_an_outage_is_led_back(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: bool, journal: bool
) -> None:
    """`kubectl replace --force`: another uid, and what only the fault can have set."""
    fault = outage(cluster)
    fault.inject()
    fault.until_effective()
    thing = the(cluster, "Service")
    cluster.delete("Service", "web")
    tags = thing["metadata"]["labels"] if labels else {"team": "web"}
    spec = {"selector": thing["spec"]["selector"], "ports": [{"port": 80, "targetPort": 8080}]}
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": tags}, "spec": spec}
    cluster.apply(made)
    assert not fault.recovered()["holds"] and "undone" not in fault.recovered()
    assert fault.call("standing")["holds"]
    if journal:
        fault.undo()
    else:
        settings = tmp_path / "gameday.toml"
        settings.write_text(toml_of(cluster, {}))
        assert recover_target("staging", settings, f"sqlite:///{tmp_path}/none.db") == 0
        assert f"service {cluster.namespace}/web  recovered" in capsys.readouterr().out
    now = the(cluster, "Service")
    assert now["spec"]["selector"] == {"app": "web"}
    left = now["metadata"].get("labels", {})
    assert marks.EXERCISE not in left and marks.FAULT not in left and (labels or left == tags)
    fault.until_recovered()


# --- an outage by scale --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("web")
def test_a_workload_that_somebody_deleted_while_it_was_scaled_away_has_not_recovered(cluster: Cluster) -> None:
    fault = outage(cluster, RUNS)
    fault.inject()
    fault.until_effective()
    cluster.delete("Deployment", "web")
    fault.undo()
    said = settled(fault, cluster, holds=False, undone=True)
    assert said == f"deployment {cluster.namespace}/web does not exist any more: somebody else has deleted it since"
    cluster.deployment("web", replicas=2)
    fault.undo()
    assert "was deleted and made anew by somebody else since" in fault.until_recovered()
    cluster.patch("Deployment", "web", {"spec": {"replicas": 0}})
    said = fault.recovered()
    assert not said["holds"] and "undone" not in said
    assert "made anew since, and /spec/replicas is 0, as the fault had it, but the fault's mark" in said["evidence"]


# --- what is verified alone ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("web")
def test_killed_pods_of_what_somebody_took_away_since_are_waited_for_by_nobody(cluster: Cluster) -> None:
    fault = Planned(cluster, "pod-kill", BOTH, {"service": "web", "count": 1})
    fault.inject()
    fault.until_effective()
    cluster.patch("Deployment", "web", {"spec": {"replicas": 0}})
    said = settled(fault, cluster, holds=False, undone=True)
    assert (
        said == f"deployment {cluster.namespace}/web is to have 0 replicas, set by somebody else since, so nothing runs"
    )
    cluster.until(lambda: not cluster.pods("app=web"), 30)
    assert settled(fault, cluster, holds=False, undone=True) == said
    cluster.delete("Deployment", "web")
    said = settled(fault, cluster, holds=False, undone=True)
    assert said == f"deployment {cluster.namespace}/web does not exist any more: somebody else has deleted it since"


@MESH
def test_those_that_chaos_mesh_killed_neither(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = planned(cluster, "pod-kill", {"service": "web", "count": 1}, duration=None)
    run(made.inject)
    cluster.until(holds(made.effective))
    cluster.delete("Deployment", "web")
    cluster.until(lambda: not cluster.pods("app=web"), 30)
    run(made.undo)
    said = cluster.until(lambda: (found := run(made.recovered)).get("undone") and found)
    assert not said["holds"] and said["evidence"].startswith("PodChaos ")
    assert said["evidence"].endswith("web does not exist any more: somebody else has deleted it since")


@pytest.mark.double
def test_a_cordoned_node_that_somebody_deleted_is_not_as_it_was(cluster: DoubleCluster) -> None:
    name = cluster.list("Node")[0]["metadata"]["name"]
    fault = Planned(cluster, "node-cordon", {}, {"node": name})
    fault.inject()
    cluster.delete("Node", name)
    fault.undo()
    said = settled(fault, cluster, holds=False, undone=True)
    assert said == f"node {name} does not exist any more: somebody else has deleted it since"


# --- as it is run --------------------------------------------------------------------------------------------------

TIMELINE = """\
  - at: 0s
    fault: dependency-outage
    with: {service: web, by: %s}
    for: 4s
"""


def is_effective(x: Exercise) -> bool:
    return any(one.stage == "effective" for one in x.faults.values())


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("by", ["service", "scale"])
def test_a_run_over_a_dependency_that_is_dead_is_not_done_as_hoped(cluster: Cluster, tmp_path: Path, by: str) -> None:
    place = place_of(tmp_path, cluster, BOTH, TIMELINE % by, recovery="3s")
    try:
        command = place.start("run", "--unattended", "scenario.yaml")
        place.wait_until("it is effective", is_effective, 60)
        cluster.delete("Deployment", "web")
        code = command.wait(60)
        told = place.said()
        assert code == 1, told
        assert "is UNDONE, nothing of it is left, and it is NOT AS IT WAS BEFORE" in told and "RECOVERED" not in told
        assert "somebody else" in told and "done as hoped" not in told
        (report,) = (tmp_path / "reports").glob("*.md")
        assert "that was verified" not in report.read_text() and "by somebody else's change" in report.read_text()
        assert not traces(the(cluster, "Service"))
        again = place.call("recover")
        assert again.returncode == 0 and "nothing to recover" in again.stdout, "there is nothing left to undo"
    finally:
        place.clean_up()


# --- whose will it is ------------------------------------------------------------------------------------------------


def scaled_by_somebody(cluster: Cluster) -> tuple[Planned, tuple[str, ...]]:
    """A workload of 2, scaled away by a fault, and to 1 by whoever mends it; and what they are to choose from."""
    fault = outage(cluster, RUNS)
    fault.inject()
    fault.until_effective()
    cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
    with pytest.raises(Interfered, match="somebody else has changed /spec/replicas to 1 since") as raised:
        fault.undo()
    return fault, raised.value.commands


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("keep", [True, False])
def test_whoever_changed_it_chooses_and_what_is_true_is_said(cluster: Cluster, keep: bool) -> None:
    fault, lines = scaled_by_somebody(cluster)
    assert lines[0] == (
        "# to keep what somebody else has set (/spec/replicas is 1), and only take the fault's mark off:"
    )
    assert lines[2] == "# or to put back what was before the fault (/spec/replicas was 2):"
    assert pasted(cluster, lines[:2] if keep else lines[2:]) == [True]
    there = the(cluster, "Deployment")
    assert there["spec"]["replicas"] == (1 if keep else 2) and not traces(there)
    fault.undo()
    what = f"deployment {cluster.namespace}/web"
    theirs = "has nothing of the fault any more; /spec/replicas is 1, set by somebody else since (before the fault it"
    said = fault.until_recovered()
    assert said == (
        f"{what} {theirs} was 2); 1 of 1 pods are ready" if keep else f"{what} is as it was; 2 of 2 pods are ready"
    )


@pytest.mark.usefixtures("web")
def test_pasted_as_a_whole_theirs_is_kept(cluster: Cluster) -> None:
    _, lines = scaled_by_somebody(cluster)
    assert pasted(cluster, lines) == [True, False]
    assert the(cluster, "Deployment")["spec"]["replicas"] == 1


@pytest.mark.usefixtures("web")
def test_what_of_a_fault_nobody_else_has_changed_goes_either_way(cluster: Cluster) -> None:
    params = {"service": "web", "env": {"A": "x", "B": "y"}}
    cluster.deployment("web", replicas=2, env={"A": "1", "B": "2"})
    cluster.whole("web")
    fault = Planned(cluster, "rollout-break", BOTH, params, context={"checked": True})
    fault.inject()
    at = "/spec/template/spec/containers/0/env/0/value"
    patch = [{"op": "replace", "path": at, "value": "theirs"}]
    cluster.patch("Deployment", "web", patch, how="application/json-patch+json")
    with pytest.raises(Interfered) as raised:
        fault.undo()
    assert pasted(cluster, raised.value.commands[:2]) == [True]
    (container,) = the(cluster, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["value"] for one in container["env"]} == {"A": "theirs", "B": "2"}


@pytest.mark.usefixtures("web")
def test_a_run_tells_once_that_somebody_has_to_choose_and_how(cluster: Cluster, tmp_path: Path) -> None:
    place = place_of(tmp_path, cluster, RUNS, TIMELINE % "scale", recovery="12s")
    try:
        command = place.start("run", "--unattended", "scenario.yaml")
        place.wait_until("it is effective", is_effective, 60)
        cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
        code = command.wait(90)
        told = (tmp_path / "err").read_text()
        assert code == 4, told
        first = told.partition("NOT UNDONE")[0]
        assert first.count("somebody else has changed /spec/replicas to 1") <= 2, "at first, and at the end"
        assert place.exercise().faults["fault-1"].attempts <= 8
        assert "by hand: to keep what somebody else has set (/spec/replicas is 1)" in told
        assert "or to put back what was before the fault (/spec/replicas was 2): kubectl" in told
        (chosen, *_) = [line for line in place.exercise().faults["fault-1"].commands if not line.startswith("#")]
        assert pasted(cluster, [chosen]) == [True]
        again = place.call("recover")
        assert again.returncode == 0 and "/spec/replicas is 1, set by somebody else since" in again.stdout
    finally:
        place.clean_up()
