"""Somebody else is at the same objects while a fault stands: what they did is named, and no fault is said to have
recovered, verified, over a dependency that is dead."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameday.exercise.state import Exercise
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .planned import Planned
from .targets import place_of
from .test_outages import BOTH, RUNS, outage, ready_endpoints, the, traces, web

__all__ = ["web"]


def settled(fault: Planned, cluster: Cluster, **wanted: object) -> str:
    """Evidence of the verification once it answers as `wanted`."""
    said = cluster.until(
        lambda: (found := fault.recovered()) and all(found.get(key) == one for key, one in wanted.items()) and found,
        15,
        str(wanted),
    )
    return str(said["evidence"])


# --- an outage by its Service --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("web")
def test_a_workload_that_somebody_scaled_to_nothing_under_an_outage_has_not_recovered(cluster: Cluster) -> None:
    fault = outage(cluster)
    fault.inject()
    fault.until_effective()
    cluster.patch("Deployment", "web", {"spec": {"replicas": 0}})
    fault.undo()
    cluster.until(lambda: not cluster.pods("app=web"), 30)
    said = settled(fault, cluster, holds=False, undone=True)
    assert said == (
        f"service {cluster.namespace}/web is as it was; deployment {cluster.namespace}/web was scaled by somebody else "
        f"since: 2 -> 0 replicas; 0 ready endpoints, 0 ready pods, and 2 before"
    )
    cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
    said = fault.until_recovered()
    assert "2 -> 1 replicas; 1 ready endpoints, 1 ready pods" in said, "fewer are wanted, and they are there"
    cluster.patch("Deployment", "web", {"spec": {"replicas": 2}})
    cluster.until(lambda: ready_endpoints(cluster) == 2)
    assert fault.until_recovered().startswith(f"service {cluster.namespace}/web is as it was; 2 ready endpoints")


@pytest.mark.usefixtures("web")
def test_a_selector_that_somebody_changed_under_an_outage_is_named_and_counts_by_what_it_leads_to(
    cluster: Cluster,
) -> None:
    fault = outage(cluster)
    fault.inject()
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
    assert "is to have 0 replicas, set by somebody else since" in settled(fault, cluster, holds=False, undone=True)


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
