"""Whether an experiment still stands while its fault lasts: what somebody takes away, all or some of it, is seen."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.cluster import experiments
from gameday.cluster.errors import Refused, Unreachable
from gameday.engine.ports import Plan
from gameday.faults.chaos_mesh import experiment
from gameday.faults.planning import needs
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.mesh import Mesh

from .meshed import EVERY, LATENCY, MESH, holds, needs_chaos_mesh, object_of, phases, planned, rule, run, target

Seen = dict[str, Any]
ON_BOTH = pytest.mark.settings(chaos_mesh=True, chaos_mode="absent")
"""With Chaos Mesh's own controllers, or those of the tests (`Mesh`)."""


def live(cluster: Cluster, fault: str, params: dict[str, Any] | None = None, /, **context: Any) -> Plan:
    """A fault that is in effect, and stands."""
    made = planned(cluster, fault, params or EVERY[fault], **context)
    run(made.inject)
    cluster.until(holds(made.effective))
    seen = run(made.standing)
    assert seen["holds"] and "but" not in seen
    return made


def gone(cluster: Cluster, made: Plan) -> str:
    """Evidence, once it is seen not to stand; until then it stands, or that can't be told."""

    def ask() -> str:
        try:
            seen: Seen = run(made.standing)
        except RuntimeError:
            return ""
        return "" if seen["holds"] else str(seen["evidence"])

    return cluster.until(ask)


def but(cluster: Cluster, made: Plan) -> str:
    """What of it is gone, once some of it is."""

    def ask() -> str:
        try:
            seen: Seen = run(made.standing)
        except RuntimeError:
            return ""
        return str(seen.get("but", ""))

    return cluster.until(ask)


def name_of(made: Plan) -> str:
    return str(made.inject.args["made"]["metadata"]["name"])


def kind_of(made: Plan) -> str:
    return str(made.inject.args["made"]["kind"])


def pods_in(cluster: Cluster, app: str = "web") -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in cluster.pods(f"app={app}"))


def pause(cluster: Cluster, made: Plan, paused: str) -> None:
    cluster.patch(kind_of(made), name_of(made), {"metadata": {"annotations": {experiments.PAUSE: paused}}})


# --- somebody takes it away -------------------------------------------------------------------------------------------


@ON_BOTH
@pytest.mark.parametrize("fault", EVERY)
def test_one_that_somebody_deletes_does_not_stand_and_is_undone_all_the_same(cluster: Cluster, fault: str) -> None:
    needs_chaos_mesh(cluster, fault)
    cluster.deployment("web", replicas=2)
    with Mesh(cluster):
        made = live(cluster, fault)
        cluster.delete(kind_of(made), name_of(made))
        cluster.until(lambda: object_of(cluster, made) is None)
        seen = run(made.standing)
        assert not seen["holds"]
        assert seen["evidence"] == f"{kind_of(made)} {cluster.namespace}/{name_of(made)} was deleted"
        run(made.undo)
        cluster.until(holds(made.recovered))


@ON_BOTH
@pytest.mark.parametrize("fault", ["dependency-outage", "cpu-stress"])
def test_one_that_somebody_pauses_does_not_stand_until_it_goes_on(cluster: Cluster, fault: str) -> None:
    needs_chaos_mesh(cluster, fault)
    cluster.deployment("web", replicas=2)
    one, other = pods_in(cluster)
    with Mesh(cluster):
        made = live(cluster, fault)
        pause(cluster, made, "true")
        said = gone(cluster, made)
        assert " is paused; 2 of 2 pods are not in it any more: " in said
        assert f"{cluster.namespace}/{one} is Not Injected, {cluster.namespace}/{other} is Not Injected" in said
        pause(cluster, made, "false")
        assert f"{cluster.namespace}/{one}" in cluster.until(lambda: whole(made))
        run(made.undo)
        cluster.until(holds(made.recovered))


def whole(made: Plan) -> str:
    """Evidence where all of it stands."""
    try:
        seen = run(made.standing)
    except RuntimeError:
        return ""
    return str(seen["evidence"]) if seen["holds"] and "but" not in seen else ""


@ON_BOTH
def test_pods_that_are_made_anew_are_named_and_with_the_last_of_them_it_does_not_stand(cluster: Cluster) -> None:
    """Chaos Mesh says Injected of them all the same."""
    needs_chaos_mesh(cluster, "dependency-outage")
    cluster.deployment("web", replicas=2)
    one, other = pods_in(cluster)
    with Mesh(cluster):
        made = live(cluster, "dependency-outage")
        cluster.delete("Pod", one)
        assert but(cluster, made) == f"1 of 2 pods are not in it any more: {cluster.namespace}/{one} is gone"
        cluster.delete("Pod", other)
        said = gone(cluster, made)
        assert said.startswith("2 of 2 pods") and f"{cluster.namespace}/{other} is gone" in said
        assert set(phases(cluster, made)) == {"Injected"}
        run(made.undo)
        cluster.until(holds(made.recovered))


@ON_BOTH
def test_a_pod_of_the_same_name_is_not_the_same(cluster: Cluster) -> None:
    needs_chaos_mesh(cluster, "cpu-stress")
    cluster.deployment("web", replicas=2, kind="StatefulSet")
    services = target(cluster)
    services["settings"]["services"]["web"]["workload"] = "statefulset/web"
    with Mesh(cluster):
        made = planned(cluster, "cpu-stress", EVERY["cpu-stress"], on=services)
        run(made.inject)
        cluster.until(holds(made.effective))
        cluster.delete("Pod", "web-0")
        cluster.whole("web", kind="StatefulSet", timeout=30)
        assert but(cluster, made) == f"1 of 2 pods are not in it any more: {cluster.namespace}/web-0 was made anew"
        cluster.delete("Pod", "web-1")
        cluster.whole("web", kind="StatefulSet", timeout=30)
        seen = run(made.standing)
        assert not seen["holds"] and seen["replaced"], "nobody took it away"
        run(made.undo)
        cluster.until(holds(made.recovered))


@ON_BOTH
def test_without_all_of_its_other_end_it_does_not_stand(cluster: Cluster) -> None:
    """Its rules are for addresses that nobody has any more."""
    needs_chaos_mesh(cluster, "network-partition")
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=1)
    (shop,) = pods_in(cluster, "shop")
    with Mesh(cluster):
        made = live(cluster, "network-partition", {"service": "web", "from": "shop"})
        cluster.delete("Pod", shop)
        said = gone(cluster, made)
        assert said == f"1 of 3 pods are not in it any more: {cluster.namespace}/{shop} is gone, all of one end"
        run(made.undo)
        cluster.until(holds(made.recovered))


@MESH
def test_what_goes_through_a_service_is_late_whichever_pods_are_behind_it(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=1)
    on = target(cluster)
    on["settings"]["services"]["shop"]["service"] = "shop"
    made = planned(cluster, "latency", {**LATENCY, "to": "shop"}, on=on)
    run(made.inject)
    cluster.until(holds(made.effective))
    cluster.delete("Pod", pods_in(cluster, "shop")[0])
    cluster.until(lambda: len(pods_in(cluster, "shop")) == 1)
    assert whole(made)


@MESH
def test_stress_goes_with_its_container_and_rules_of_a_network_do_not(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    stress = live(cluster, "cpu-stress")
    network = live(cluster, "dependency-outage", fault="fault-2")
    one, other = pods_in(cluster)
    restart(cluster, one, at="2001-01-01T00:00:00Z")
    assert whole(stress), "that was before"
    restart(cluster, one, at="2099-01-01T00:00:00Z")
    said = run(stress.standing)["but"]
    assert said == f"1 of 2 pods are not in it any more: {cluster.namespace}/{one} had its container app restarted"
    restart(cluster, other, at=None)
    seen = run(stress.standing)
    assert not seen["holds"], "one that has yet to start again has none either"
    assert "replaced" not in seen, "its pods are the same"
    assert whole(network)


def restart(cluster: DoubleCluster, pod: str, at: str | None) -> None:
    """As the kubelet tells it; without a time it waits to be started again."""
    there = cluster.get("Pod", pod)
    assert there is not None
    (container,) = there["status"]["containerStatuses"]
    state = {"running": {"startedAt": at}} if at else {"waiting": {"reason": "CrashLoopBackOff"}}
    container |= {"restartCount": container["restartCount"] + 1, "state": state}
    cluster.patch("Pod", pod, {"status": {"containerStatuses": [container]}}, below="status")


@MESH
def test_a_container_that_had_been_restarted_before_is_in_it(cluster: DoubleCluster) -> None:
    """Whatever the clocks of its node and of the controller make of it."""
    cluster.deployment("web", replicas=2)
    for pod in pods_in(cluster):
        restart(cluster, pod, at="2099-01-01T00:00:00Z")
    live(cluster, "cpu-stress")


@MESH
def test_many_pods_are_looked_at_with_one_request(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=9)
    made = live(cluster, "dependency-outage")
    cluster.forget_requests()
    assert "and 4 more" in whole(made)
    assert [(one.verb, one.resource) for one in cluster.requests] == [("get", "networkchaos"), ("list", "pods")]
    assert all(one.verb == "get" or one.verb == "list" for one in cluster.requests), "it only reads"


# --- what Chaos Mesh makes of it -------------------------------------------------------------------------------------


@MESH
def test_a_record_that_is_not_injected_any_more_is_named(cluster: DoubleCluster) -> None:
    """And cannot be injected again, its daemon being gone."""
    cluster.deployment("web", replicas=2)
    made = live(cluster, "latency")
    cluster.settings(chaos_mode="stuck")
    forget(cluster, made, 1)
    said = but(cluster, made)
    assert said.startswith("1 of 2 pods are not in it any more: ") and said.endswith(" is Not Injected")
    assert sorted(cluster.until(lambda: waiting(cluster, made))) == ["Injected", "Not Injected/Wait"]
    assert run(made.standing)["but"] == said, "it is told once"
    cluster.settings(chaos_mode="")
    assert cluster.until(lambda: whole(made))


def waiting(cluster: DoubleCluster, made: Plan) -> list[str]:
    found = phases(cluster, made)
    return found if "Not Injected/Wait" in found else []


def forget(cluster: DoubleCluster, made: Plan, number: int) -> None:
    """Somebody, or something, notes of one pod that nothing is injected there."""
    there = object_of(cluster, made)
    assert there is not None
    records = there["status"]["experiment"]["containerRecords"]
    records[number]["phase"] = "Not Injected"
    cluster.patch(kind_of(made), name_of(made), {"status": {"experiment": {"containerRecords": records}}})


@MESH
def test_a_pod_of_which_there_is_no_record_is_not_in_it_and_without_any_it_can_not_be_told(
    cluster: DoubleCluster,
) -> None:
    cluster.deployment("web", replicas=2)
    made = live(cluster, "latency")
    cluster.settings(controllers=False)
    (record, _) = (object_of(cluster, made) or {})["status"]["experiment"]["containerRecords"]
    cluster.patch(kind_of(made), name_of(made), {"status": {"experiment": {"containerRecords": [record]}}})
    assert run(made.standing)["but"].endswith("has no record")
    cluster.patch(kind_of(made), name_of(made), {"status": None})
    with pytest.raises(RuntimeError, match="says of no pod"):
        run(made.standing)


@MESH
@pytest.mark.parametrize("how", ["is paused", "is being deleted"])
@pytest.mark.parametrize("why", ["no controller", "no daemon"])
def test_what_is_not_taken_back_stands_still_however_it_is_marked(cluster: DoubleCluster, how: str, why: str) -> None:
    cluster.deployment("web", replicas=2)
    made = live(cluster, "latency")
    if why == "no controller":
        cluster.settings(controllers=False)
        assert whole(made), "that nobody looks after it takes nothing away"
    else:
        cluster.settings(chaos_mode="never-recovers")
    if how == "is paused":
        pause(cluster, made, "true")
    else:
        cluster.delete(kind_of(made), name_of(made))
    seen = run(made.standing)
    assert seen["holds"]
    what = f"NetworkChaos {cluster.namespace}/{name_of(made)}"
    assert seen["but"] == f"{what} {how}; none of its 2 pods has recovered so far"
    cluster.settings(controllers=True, chaos_mode="")
    assert gone(cluster, made).startswith(what)


@MESH
def test_where_nobody_answers_nothing_is_said(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = live(cluster, "latency")
    for resource in ("networkchaos", "pods"):
        trouble = cluster.misbehave(resource=resource, status=403)
        with pytest.raises(Refused):
            run(made.standing)
        cluster.behave(trouble)
    cluster.gone()
    with pytest.raises(Unreachable):
        run(made.standing)
    cluster.back()
    cluster.settings(chaos_mesh=False)
    with pytest.raises(Unreachable):
        run(made.standing)


@MESH
def test_one_whose_finalizer_was_taken_off_by_force_may_stand_until_its_pods_are_gone(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    one, other = pods_in(cluster)
    made = live(cluster, "latency")
    cluster.settings(chaos_mode="never-recovers")
    cluster.delete(kind_of(made), name_of(made))
    cluster.patch(kind_of(made), name_of(made), {"metadata": {"finalizers": None}})
    cluster.until(lambda: object_of(cluster, made) is None)
    seen = run(made.standing)
    assert seen["holds"] and "its finalizer was taken off" in seen["but"]
    assert one in seen["but"] and other in seen["but"]
    cluster.delete("Pod", one)
    cluster.until(lambda: one not in run(made.standing)["but"])
    cluster.delete("Pod", other)
    assert gone(cluster, made).endswith("was deleted")


@MESH
def test_one_of_the_same_name_is_not_this_faults(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    made = live(cluster, "latency")
    cluster.patch(kind_of(made), name_of(made), {"metadata": {"labels": {"gameday.dev/exercise": "another"}}})
    assert gone(cluster, made).endswith("is not this fault's any more")


# --- its own duration ------------------------------------------------------------------------------------------------


@MESH
def test_that_its_own_duration_is_over_is_not_told_as_somebodys_doing(
    cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "SPARE", 0.0)
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY, duration=1.0)
    run(made.inject)
    cluster.until(holds(made.effective))
    cluster.until(lambda: phases(cluster, made) == ["Not Injected"])
    with pytest.raises(RuntimeError, match="its own duration, 1s, is over"):
        run(made.standing)
    run(made.undo)
    cluster.until(holds(made.recovered))


@MESH
def test_that_somebody_made_it_shorter_is(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    made = live(cluster, "latency")
    cluster.patch(kind_of(made), name_of(made), {"spec": {"duration": "1ms"}})
    assert "has a duration of 1ms by now, which was 90s, and it is over; 1 of 1 pods" in gone(cluster, made)


# --- rights ----------------------------------------------------------------------------------------------------------


@MESH
@pytest.mark.parametrize(
    ("fault", "params"),
    [
        *EVERY.items(),
        ("network-partition", {"service": "web", "from": "shop"}),
        ("dependency-outage", {"service": "bank"}),
        ("latency", {**LATENCY, "to": "shop"}),
    ],
)
def test_the_rights_of_the_fault_are_enough_to_look(cluster: DoubleCluster, fault: str, params: dict[str, Any]) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=1)
    cluster.rules("gameday", [rule(text) for text in needs(fault, target(cluster), params)])
    made = live(cluster, fault, params)
    cluster.delete(kind_of(made), name_of(made))
    assert gone(cluster, made).endswith("was deleted")
    assert all(one.status < 400 or one.status == 404 for one in cluster.requests)
