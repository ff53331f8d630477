"""Limits hold for all that is out at the same time: by several faults of one exercise, or by somebody else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gameday.faults.kubernetes import pod_kill
from tests.support.kubernetes.cluster import Cluster, is_ready
from tests.support.runs import Place

from .meshed import MESH, needs_chaos_mesh
from .planned import Planned
from .targets import place_of

SHOP = {"orders": {"workload": "deployment/orders"}, "web": {"workload": "deployment/web"}}
HALF = {"percent": 50.0, "pods": 2}
SLOW = pytest.mark.settings(startup=1.0)
"""Pods need a second to be ready."""


def planned(
    cluster: Cluster,
    fault: str,
    params: Mapping[str, Any],
    beside: Mapping[str, Planned] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    **context: Any,
) -> Planned:
    """A fault that is planned while those `beside` it stand, each by its entry's name, as the engine plans it."""
    standing = [
        {"entry": name, "takes": other.plan["takes"], "stands": other.plan["standing"]}
        for name, other in (beside or {}).items()
    ]
    return Planned(cluster, fault, SHOP, params, context={"standing": standing, **context}, settings=settings)


def kill(cluster: Cluster, beside: Mapping[str, Planned] | None = None, /, **given: Any) -> Planned:
    context = {key: given.pop(key) for key in ("percent", "pods", "seed", "settings") if key in given}
    return planned(cluster, "pod-kill", {"service": "orders", **given}, beside, **context)


def names(one: Planned) -> set[str]:
    return {str(pod["name"]) for pod in one.plan["inject"]["args"]["pods"]}


@pytest.fixture
def orders(cluster: Cluster) -> None:
    cluster.deployment("orders", replicas=4)


# --- one after the other ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("orders")
def test_what_another_fault_is_about_to_kill_counts_and_is_not_chosen_again(cluster: Cluster) -> None:
    first = kill(cluster, **HALF, count=2)
    with pytest.raises(ValueError, match=r"it would touch 4 pods, 2 that are out already among them") as no:
        kill(cluster, {"first": first}, **HALF, count=2)
    assert "(2 taken by first of this exercise)" in str(no.value)
    assert str(no.value).endswith(": have it begin later (`at:`), when those are back, or raise limits.pods")
    with pytest.raises(ValueError, match=r"3 of 4 pods, 75 %, 2 that are out already .*or raise limits\.percent"):
        kill(cluster, {"first": first}, percent=50.0, count=1)
    for seed in range(6):
        second = kill(cluster, {"first": first}, count=2, seed=seed)
        assert not names(first) & names(second)


@SLOW
@pytest.mark.usefixtures("orders")
def test_what_is_not_back_counts_whoever_has_taken_it(cluster: Cluster) -> None:
    kill(cluster, count=2).inject()
    with pytest.raises(ValueError, match=r"3 of 4 pods, 75 %, 2 that are out already among them .*: wait, when those"):
        kill(cluster, percent=50.0)
    cluster.whole("orders")
    assert len(names(kill(cluster, percent=50.0, count=2))) == 2


def test_one_more_of_a_degraded_workload_is_killed_where_the_limits_allow_both(cluster: Cluster) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    cluster.deployment("orders", replicas=4, strategy=strategy)
    broken = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.com/broken:1"}]
    cluster.patch("Deployment", "orders", broken, how="application/json-patch+json")
    cluster.until(lambda: [is_ready(pod) for pod in cluster.pods("app=orders")].count(True) == 3)
    cluster.until(lambda: len(cluster.pods("app=orders")) == 4)
    with pytest.raises(ValueError, match=r"2 of 4 pods, 50 %, 1 that is out already among them"):
        kill(cluster, percent=49.0)
    done = kill(cluster, percent=50.0)
    assert any("; 2 with those that are out already" in note for note in done.plan["notes"])


@SLOW
def test_two_at_once_do_not_take_a_namespace(cluster: Cluster) -> None:
    cluster.deployment("orders", replicas=2)
    cluster.deployment("web", replicas=2)
    most = {"namespace_percent": 80.0}
    first = kill(cluster, settings=most, all=True)
    web = {"service": "web", "all": True}
    with pytest.raises(ValueError, match=r"4 of 4 pods of the namespace, 100 %, 2 that are out .*\[targets\.staging\]"):
        planned(cluster, "pod-kill", web, {"first": first}, settings=most)
    first.inject()
    cluster.until(lambda: len(cluster.pods("app=orders")) == 2)
    with pytest.raises(ValueError, match=r"4 of 4 pods of the namespace, 100 %, 2 that are out .* under first of this"):
        planned(cluster, "pod-kill", web, {"first": first}, settings=most)
    with pytest.raises(ValueError, match=r"of the namespace, 100 %, and the target allows 80 %"):
        planned(cluster, "pod-kill", web, settings=most)
    planned(cluster, "pod-kill", {"service": "web", "count": 1}, {"first": first}, settings=most)


def test_what_is_scaled_away_is_out_of_the_namespace(cluster: Cluster) -> None:
    cluster.deployment("orders", replicas=4)
    cluster.deployment("web", replicas=4)
    most = {"namespace_percent": 80.0}
    outage = planned(cluster, "dependency-outage", {"service": "orders", "by": "scale"}, settings=most)
    outage.inject()
    outage.until_effective()
    cluster.until(lambda: not cluster.pods("app=orders"))
    web = {"service": "web", "count": 3}
    with pytest.raises(
        ValueError, match=r"7 of 8 pods of the namespace, .* \(4 that outage of this exercise has taken"
    ):
        planned(cluster, "pod-kill", web, {"outage": outage}, settings=most)
    planned(cluster, "pod-kill", {"service": "web", "count": 2}, {"outage": outage}, settings=most)
    outage.undo()
    outage.until_recovered()


# --- faults that leave pods ready ------------------------------------------------------------------------------------


def test_pods_that_are_cut_off_count_though_they_are_ready(cluster: Cluster) -> None:
    cluster.deployment("orders", replicas=2)
    cluster.deployment("web", replicas=2)
    most = {"namespace_percent": 80.0}
    cut = planned(cluster, "network-partition", {"service": "orders"}, settings=most, checked=True)
    web = {"service": "web", "all": True}
    with pytest.raises(ValueError, match=r"4 of 4 pods of the namespace, .*taken by cut of this exercise"):
        planned(cluster, "pod-kill", web, {"cut": cut}, settings=most)
    planned(cluster, "pod-kill", web, settings={"namespace_percent": 100.0})
    # They die by nobody's hand: all of them are here to be killed, and are no more than they were.
    assert len(names(kill(cluster, {"cut": cut}, all=True, settings=most))) == 2


@MESH
@pytest.mark.usefixtures("orders")
def test_pods_that_are_slow_count_though_they_are_ready(cluster: Cluster) -> None:
    needs_chaos_mesh(cluster)
    both = {"engines": ["chaos-mesh", "api"], "chosen": {"pod-kill": "api"}}
    params = {"service": "orders", "delay": 0.2, "count": 2}
    slow = planned(cluster, "latency", params, settings=both, duration=30.0, **HALF)
    with pytest.raises(ValueError, match=r"4 pods, 2 that are out already among them .*taken by slow of this exercise"):
        kill(cluster, {"slow": slow}, **HALF, count=2, settings=both)
    first = kill(cluster, **HALF, count=2, settings=both)
    with pytest.raises(ValueError, match=r"taken by first of this exercise"):
        planned(cluster, "latency", params, {"first": first}, settings=both, duration=30.0, **HALF)


@MESH
@pytest.mark.usefixtures("orders")
def test_beside_what_strikes_again_and_does_not_see_it_there_is_room_for_all_that_may_take(cluster: Cluster) -> None:
    both = {"engines": ["chaos-mesh", "api"], "chosen": {"pod-kill": "api"}}
    again = kill(cluster, every="1s", settings=both, percent=75.0)
    slow = {"service": "orders", "delay": 0.2, "count": 1}
    with pytest.raises(ValueError, match=r"4 of 4 pods, 100 %, 3 that are out .*that again of this exercise may take"):
        planned(cluster, "latency", slow, {"again": again}, settings=both, duration=30.0, percent=75.0)
    first = planned(cluster, "latency", slow, settings=both, duration=30.0, percent=75.0)
    assert len(names(kill(cluster, {"slow": first}, every="1s", settings=both, percent=75.0))) == 1


def test_a_rollout_that_hangs_counts_with_what_its_strategy_takes(cluster: Cluster) -> None:
    cluster.deployment("orders", replicas=4)
    strategy = {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}}}}
    cluster.patch("Deployment", "orders", strategy)
    cluster.whole("orders")
    rollout = planned(cluster, "rollout-break", {"service": "orders"}, percent=50.0)
    with pytest.raises(ValueError, match=r"3 of 4 pods, 75 %, .*2 that rollout of this exercise may take"):
        kill(cluster, {"rollout": rollout}, percent=50.0)
    first = kill(cluster, percent=50.0)
    with pytest.raises(ValueError, match=r"3 of 4 pods, 75 %, .*taken by first of this exercise"):
        planned(cluster, "rollout-break", {"service": "orders"}, {"first": first}, percent=50.0)


# --- again and again -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("orders")
def test_what_strikes_again_and_again_keeps_its_share(cluster: Cluster) -> None:
    again = kill(cluster, every="1s", percent=50.0)
    next(again.call("inject"))
    cluster.whole("orders")
    with pytest.raises(
        ValueError, match=r"3 of 4 pods, 75 %, 1 that is out already .*1 that again of this exercise may"
    ):
        kill(cluster, {"again": again}, percent=50.0, count=2)
    assert len(names(kill(cluster, {"again": again}, percent=50.0))) == 1


@pytest.mark.usefixtures("orders")
def test_a_turn_counts_what_stood_when_it_began_as_long_as_that_stands(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.deployment("web", replicas=1)
    monkeypatch.setattr(pod_kill.time, "sleep", lambda _: None)
    monkeypatch.setattr(pod_kill, "confirm", lambda *_: float("inf"))
    most = {"namespace_percent": 30.0}
    cut = planned(cluster, "network-partition", {"service": "web"}, settings=most, checked=True)
    again = kill(cluster, every="1s", settings=most)
    again.plan["inject"]["args"]["again"]["context"]["standing"] = [
        {"entry": "cut", "takes": cut.plan["takes"], "stands": cut.plan["standing"]}
    ]
    strikes = again.call("inject")
    next(strikes)
    cluster.whole("orders")
    cut.inject()
    assert "2 of 5 pods of the namespace, 40 %" in next(strikes)["evidence"]
    cut.undo()
    next(strikes)  # It says whom it is about to strike.
    assert next(strikes)["evidence"].startswith("deleted ")


# --- ahead, by the timeline ------------------------------------------------------------------------------------------

ENTRY = "  - at: {at}\n    id: {name}\n    fault: pod-kill\n    with: {{service: orders, count: 2}}\n"


def timeline(*times: str) -> str:
    return "".join(ENTRY.format(at=at, name=f"kill-{number}") for number, at in enumerate(times, 1))


def preview(cluster: Cluster, folder: Path, timeline: str) -> tuple[int, list[dict[str, Any]]]:
    place = place_of(folder, cluster, SHOP, timeline, namespace_percent=80)
    place.write(
        "scenario.yaml", (folder / "scenario.yaml").read_text().replace("{recovery: 60s", "{percent: 50, pods: 2")
    )
    done = place.call("preview", "scenario.yaml", "--json")
    found: Sequence[dict[str, Any]] = json.loads(done.stdout)["faults"]
    return done.returncode, list(found)


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize(
    ("times", "certain", "noted"),
    [(("1s", "1500ms"), True, False), (("1s", "20s"), False, True), (("1s", "5m"), False, False)],
)
def test_a_preview_tells_what_would_stand_together(
    cluster: Cluster, tmp_path: Path, times: tuple[str, str], certain: bool, noted: bool
) -> None:
    code, (first, second) = preview(cluster, tmp_path, timeline(*times))
    assert first["error"] == "" and not any("refused if" in note for note in first["notes"])
    assert code == (5 if certain else 0)
    assert ("taken by kill-1 of this exercise" in second["error"]) is certain
    assert any(note.startswith("refused if kill-1 still stands when it is due: ") for note in second["notes"]) is noted


@SLOW
@pytest.mark.usefixtures("orders")
def test_of_two_that_begin_at_once_the_second_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    go = "  - at: 0s\n    id: go\n    inject: Begin.\n"
    both = timeline("0s", "0s").replace("at: 0s", "after: go")
    code, (_, second) = preview(cluster, tmp_path, go + both)
    assert code == 0 and any(note.startswith("refused if kill-1 still stands") for note in second["notes"])
    before = {pod["metadata"]["uid"] for pod in cluster.pods("app=orders")}
    done = Place(tmp_path).call("run", "scenario.yaml", "--unattended")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    assert "kill-1 has RECOVERED" in said and "kill-1 of this exercise), and limits.pods allows 2" in said
    assert len(before & {pod["metadata"]["uid"] for pod in cluster.pods("app=orders")}) == 2


@pytest.mark.usefixtures("orders")
def test_a_run_is_refused_as_its_preview_is(cluster: Cluster, tmp_path: Path) -> None:
    assert preview(cluster, tmp_path, timeline("1s", "1s"))[0] == 5
    before = {pod["metadata"]["uid"] for pod in cluster.pods("app=orders")}
    done = Place(tmp_path).call("run", "scenario.yaml", "--unattended")
    assert done.returncode == 5 and "kill-2: pod-kill on orders: it would touch 4 pods" in done.stderr
    assert {pod["metadata"]["uid"] for pod in cluster.pods("app=orders")} == before
