"""What is asked of Chaos Mesh: whom, how much, with which rights, and that its definitions take every form of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gameday.cluster import experiments
from gameday.cluster.errors import Refused
from gameday.cluster.resources import ALL, Access
from gameday.engine.ports import Plan
from gameday.faults.chaos_mesh import pod_kill
from gameday.faults.planning import needs, plan
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

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
    rule,
    run,
    target,
)
from .targets import CONTEXT, place_of, target_of

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


@MESH
def test_only_what_goes_to_one_other_service_is_late(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=3)
    made = planned(cluster, "latency", {**LATENCY, "to": "shop"}, pods=2)
    assert made.summary == "latency 200ms on web to shop"
    assert names(spec(made), cluster) == {"web"} and names(spec(made)["target"], cluster) == {"shop"}
    assert (spec(made)["action"], spec(made)["direction"]) == ("delay", "to")
    assert "externalTargets" not in spec(made)
    assert any("[targets.staging.services.shop], service" in note for note in made.notes)
    assert len(made.targets) == 2, "nothing is done to those that it sends to, and no limit counts them"
    assert all("web" in name for name in made.targets)
    assert not any("own requests to others" in note for note in made.notes)
    run(made.inject)
    cluster.until(holds(made.effective))
    run(made.undo)
    cluster.until(holds(made.recovered))


@pytest.mark.settings(chaos_mesh=True)
def test_what_goes_to_the_other_through_its_service_is_late_too(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    cluster.deployment("shop", replicas=1)
    tables = {"web": {"workload": "deployment/web"}, "shop": {"workload": "deployment/shop", "service": "shop"}}
    seen = target_of(cluster, tables, engines=["chaos-mesh"])
    made = planned(cluster, "latency", {**LATENCY, "to": "shop"}, on=seen)
    assert spec(made)["externalTargets"] == [f"shop.{cluster.namespace}.svc"] and "target" in spec(made)
    assert any("`effective:` check" in note for note in made.notes)
    checked = planned(cluster, "latency", {**LATENCY, "to": "shop"}, on=seen, checked=True)
    assert not any("`effective:` check" in note for note in checked.notes)


@pytest.mark.settings(chaos_mesh=True)
def test_what_goes_to_the_outside_is_late(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("shop", replicas=1, labels={"gameday.dev/protected": "true"})
    made = planned(cluster, "latency", {**LATENCY, "to": "bank"})
    assert spec(made)["externalTargets"] == ["198.51.100.7", "bank.example.com"] and "target" not in spec(made)
    seen = target(cluster)
    assert needs("latency", seen, {**LATENCY, "to": "bank"}) == needs("latency", seen, LATENCY)
    for to, said in (
        ("web", "to is web itself"),
        ("shop", "no pod of shop may be touched"),
        ("dark", r"which pods are those of dark is not known: say so under \[targets\.staging\.services\.dark\]"),
        ("nobody", "publishes no service 'nobody'"),
    ):
        with pytest.raises(ValueError, match=said):
            planned(cluster, "latency", {**LATENCY, "to": to})
    with pytest.raises(ValueError, match="direction is about whoever asks web"):
        planned(cluster, "latency", {**LATENCY, "to": "bank", "direction": "request"})


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


@pytest.mark.settings(chaos_mesh=True)
def test_a_share_is_not_of_pods_that_serve_nobody(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=3)
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "localhost/broken:1"}]
    cluster.patch("Deployment", "web", image, how="application/json-patch+json")
    cluster.until(lambda: len(cluster.pods("app=web")) == 4, what="a rollout that is stuck")
    for fault, params in (("network-partition", {}), ("latency", {"delay": "1s"})):
        with pytest.raises(ValueError, match=r"2 of 3 pods, 67 %, and limits\.percent allows 50 %"):
            planned(cluster, fault, {"service": "web", "count": 2, **params}, percent=50.0)
        seen = {**target(cluster), "settings": {**target(cluster)["settings"], "namespace_percent": 60.0}}
        with pytest.raises(ValueError, match=r"2 of 3 pods of the namespace, 67 %, and the target allows 60 %"):
            plan(fault, seen, {"service": "web", "count": 2, **params}, CONTEXT)


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
    (
        "disk-latency",
        {"service": "web", "volume": "/data", "delay": 0.05, "share": 0.5, "files": "/data/**/*", "container": "app"},
    ),
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
    needs_nobody_who_acts(cluster)
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
    needs_chaos_mesh(cluster)
    cluster.deployment("web", replicas=1)
    made = planned(cluster, "latency", LATENCY)
    inert = made.inject.args["made"]
    inert["spec"]["latncy"] = "1s"
    with pytest.raises(Refused, match="latncy"):
        run(made.inject)
    assert cluster.get(inert["kind"], inert["metadata"]["name"]) is None
    assert set(ALL) >= {inert["kind"]}


# --- what is drawn ---------------------------------------------------------------------------------------------------

SOME: dict[str, dict[str, Any]] = {
    "pod-kill": {"service": "web", "count": 1},
    "cpu-stress": {"service": "web", "count": 1, "workers": 1, "load": 10},
    "memory-stress": {"service": "web", "percent": 40, "size": "1MB"},
    "disk-latency": {"service": "web", "count": 1, "volume": "/data", "delay": 0.1},
    "latency": {**LATENCY, "share": 0.4},
    "network-partition": {"service": "web", "from": "shop", "count": 1},
}


@pytest.mark.settings(chaos_mesh=True)
def test_what_is_drawn_from_more_is_told_with_what_it_is_drawn_from(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=3)
    cluster.deployment("shop", replicas=1)
    pods = {pod["metadata"]["name"] for pod in cluster.pods("app=web")}
    for fault, params in SOME.items():
        made = planned(cluster, fault, params)
        among = {name.partition("/")[2].partition(" ")[0] for name in made.among}
        assert pods == {name for name in among if name.startswith("web-")}, fault
        assert len(among) == (4 if fault == "network-partition" else 3), "with those at the far end, which are sure"
        assert len(made.targets) == (2 if fault == "network-partition" else 1)
        assert set(made.targets) < set(made.among)
    for fault in ("pod-kill", "cpu-stress"):
        everything = {key: value for key, value in SOME[fault].items() if key != "count"}
        assert planned(cluster, fault, {**everything, "all": True}).among == (), "there is no choice"


@pytest.mark.settings(chaos_mesh=True)
@pytest.mark.parametrize("fault", ["pod-kill", "cpu-stress"])
def test_a_preview_names_no_pod_that_the_run_may_not_strike(cluster: Cluster, tmp_path: Path, fault: str) -> None:
    needs_chaos_mesh(cluster)
    cluster.deployment("web", replicas=3)
    told = ", ".join(f"{key}: {value}" for key, value in SOME[fault].items())
    timeline = f"  - {{at: 0s, fault: {fault}, with: {{{told}}}, for: 5s}}\n"
    timeline = timeline if fault != "pod-kill" else timeline.replace(", for: 5s", "")
    place = place_of(tmp_path, cluster, {"web": {"workload": "deployment/web"}}, timeline, engines=["chaos-mesh"])
    shown = " ".join(place.call("preview", "scenario.yaml").stdout.split())
    assert "1 of 3, chosen when it is due: pods " in shown
    assert all(pod["metadata"]["name"] in shown for pod in cluster.pods("app=web"))
    given = " ".join(place.call("preview", "scenario.yaml", "--seed", "3").stdout.split())
    assert "chosen when it is due" not in given, "the run would be given this seed"
