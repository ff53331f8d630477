"""Pods die by the plain API: those that were planned and no others, within the limits, once or again and again."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from gameday.cluster.services import as_pod
from gameday.engine.ports import announced
from gameday.faults import planning
from gameday.faults.kubernetes import pod_kill
from tests.support.kubernetes.cluster import Cluster, DoubleCluster, is_ready

from .targets import CONTEXT, place_of, target_of

WEB = {"web": {"workload": "deployment/web", "service": "web"}}


def plan(cluster: Cluster, context: dict[str, Any] | None = None, /, **params: Any) -> dict[str, Any]:
    target = target_of(cluster, params.pop("services", WEB), **params.pop("settings", {}))
    return planning.plan("pod-kill", target, {"service": "web", **params}, {**CONTEXT, **(context or {})})


def call(planned: dict[str, Any], which: str) -> Any:
    from gameday.engine.workers import function

    return function(planned[which]["name"])(**planned[which]["args"])


def uids(cluster: Cluster, selector: str = "app=web") -> dict[str, str]:
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in cluster.pods(selector)}


@pytest.fixture
def web(cluster: Cluster) -> dict[str, Any]:
    return cluster.deployment("web", replicas=3)


@pytest.mark.proves("pod-kill", "kubernetes/api")
@pytest.mark.usefixtures("web")
def test_one_dies_and_the_service_is_whole_again(cluster: Cluster) -> None:
    before = uids(cluster)
    planned = plan(cluster)
    (pod,) = planned["inject"]["args"]["pods"]
    assert pod["uid"] in before
    assert planned["summary"] == f"kill {pod['name']} of web"
    assert planned["targets"][0].startswith(f"pod {cluster.namespace}/{pod['name']} (ReplicaSet web-")
    assert planned["undo"] is None and planned["engine"] == "api"
    assert any(note.startswith("1 of 3 pods (33 %), of 3 in the namespace") for note in planned["notes"])
    assert not call(planned, "effective")["holds"]
    assert call(planned, "inject") == {"evidence": f"deleted {pod['name']}"}
    assert call(planned, "effective") == {"holds": True, "evidence": f"gone: {pod['name']}"}
    whole = cluster.until(lambda: (said := call(planned, "recovered"))["holds"] and said)
    assert whole["evidence"] == "3 of 3 pods of web are ready"
    after = uids(cluster)
    assert set(before) - set(after) == {pod["uid"]} and len(after) == 3


@pytest.mark.usefixtures("web")
def test_planning_touches_nothing(cluster: Cluster) -> None:
    if isinstance(cluster, DoubleCluster):
        cluster.forget_requests()
        plan(cluster)
        assert {one.verb for one in cluster.requests} <= {"get", "list"}
    else:
        before = uids(cluster)
        plan(cluster)
        assert uids(cluster) == before


@pytest.mark.usefixtures("web")
def test_the_same_seed_is_the_same_pods_and_another_turn_others(cluster: Cluster) -> None:
    def chosen(seed: int) -> tuple[str, ...]:
        return tuple(pod["name"] for pod in plan(cluster, {"seed": seed}, count=2)["inject"]["args"]["pods"])

    assert chosen(7) == chosen(7)
    assert len({chosen(seed) for seed in range(20)}) == 3, "each pair of three comes up"


@pytest.mark.usefixtures("web")
def test_a_pod_that_was_replaced_since_is_not_killed_in_its_place(cluster: Cluster) -> None:
    planned = plan(cluster)
    (pod,) = planned["inject"]["args"]["pods"]
    cluster.delete("Pod", pod["name"])
    cluster.until(lambda: pod["uid"] not in uids(cluster))
    cluster.whole("web")
    survivors = uids(cluster)
    with pytest.raises(RuntimeError, match=f"{pod['name']} was gone before it was killed"):
        call(planned, "inject")
    assert uids(cluster) == survivors


@pytest.mark.usefixtures("web")
def test_one_that_is_protected_at_the_last_moment_lives(cluster: Cluster) -> None:
    planned = plan(cluster)
    (pod,) = planned["inject"]["args"]["pods"]
    cluster.patch("Pod", pod["name"], {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    with pytest.raises(RuntimeError, match=r"may not be touched any more: labelled gameday.dev/protected=true"):
        call(planned, "inject")
    assert pod["uid"] in uids(cluster)
    assert call(planned, "recovered")["holds"], "nobody was killed, and so nobody is waited for"


@pytest.mark.usefixtures("web")
def test_a_change_that_means_nothing_keeps_nobody_alive(cluster: Cluster) -> None:
    planned = plan(cluster)
    (pod,) = planned["inject"]["args"]["pods"]
    cluster.patch("Pod", pod["name"], {"metadata": {"annotations": {"seen-by": "somebody"}}})
    call(planned, "inject")
    assert call(planned, "effective")["holds"]


@pytest.mark.usefixtures("web")
def test_protected_pods_are_left_out_and_said(cluster: Cluster) -> None:
    first, second, third = sorted(uids(cluster).values())
    for name in (first, second):
        cluster.patch("Pod", name, {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    planned = plan(cluster)
    assert [pod["name"] for pod in planned["inject"]["args"]["pods"]] == [third]
    assert f"left out: {first}: labelled gameday.dev/protected=true" in planned["notes"]
    with pytest.raises(ValueError, match=r"2 pods asked for, 1 of 3 may be touched .*gameday.dev/protected"):
        plan(cluster, count=2)


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("said", [{"workload": "deployment/web"}, {"selector": "app=web"}])
def test_the_pods_of_a_protected_workload_are_protected(cluster: Cluster, said: dict[str, Any]) -> None:
    cluster.patch("Deployment", "web", {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    with pytest.raises(ValueError, match=r"0 of 3 may be touched .*its deployment .*/web is labelled gameday.dev/prot"):
        plan(cluster, services={"web": said})


@pytest.mark.usefixtures("web")
def test_only_what_has_opted_in(cluster: Cluster) -> None:
    opt_in = {"opt_in": "gameday.dev/enabled=true"}
    with pytest.raises(ValueError, match=r"it has not opted in \(gameday.dev/enabled=true\)"):
        plan(cluster, settings=opt_in)
    name = sorted(uids(cluster).values())[1]
    cluster.patch("Pod", name, {"metadata": {"labels": {"gameday.dev/enabled": "true"}}})
    planned = plan(cluster, settings=opt_in)
    assert [pod["name"] for pod in planned["inject"]["args"]["pods"]] == [name]
    cluster.patch("Pod", name, {"metadata": {"labels": {"gameday.dev/enabled": "false"}}})
    with pytest.raises(RuntimeError, match="it has not opted in"):
        call(planned, "inject")


@pytest.mark.usefixtures("web")
def test_a_protected_namespace(cluster: Cluster) -> None:
    cluster.patch("Namespace", cluster.namespace, {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    try:
        with pytest.raises(ValueError, match=r"gameday.dev/protected=true: nothing in it is touched"):
            plan(cluster)
    finally:
        cluster.patch("Namespace", cluster.namespace, {"metadata": {"labels": {"gameday.dev/protected": None}}})


def test_the_system_is_never_touched(cluster: Cluster) -> None:
    dns = {"dns": {"workload": "deployment/coredns", "namespace": "kube-system"}}
    target = target_of(cluster, dns, namespaces=["kube-system"])
    with pytest.raises(ValueError, match="kube-system, which is never touched"):
        planning.plan("pod-kill", target, {"service": "dns"}, CONTEXT)


@pytest.mark.parametrize(
    ("params", "limits", "settings", "said"),
    [
        ({"count": 2}, {"pods": 1}, {}, "it would touch 2 pods, and limits.pods allows 1"),
        ({"count": 2}, {"percent": 50.0}, {}, "2 of 3 pods, 67 %, and limits.percent allows 50 %"),
        (
            {"all": True},
            {},
            {"namespace_percent": 80.0},
            "3 of 3 pods of the namespace, 100 %, and the target allows 80",
        ),
        ({"percent": 20}, {}, {}, "20 % of 3 pods is less than one"),
        ({"count": 4}, {}, {}, "4 pods asked for, 3 of 3 may be touched"),
        ({"instance": "nobody"}, {}, {}, "no pod of it is called 'nobody'; there is web-"),
    ],
)
@pytest.mark.usefixtures("web")
def test_limits_hold_with_the_numbers(
    cluster: Cluster, params: dict[str, Any], limits: dict[str, Any], settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        plan(cluster, limits, settings=settings, **params)


@pytest.mark.usefixtures("web")
def test_a_share_is_not_of_pods_that_serve_nobody(cluster: Cluster) -> None:
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "localhost/broken:1"}]
    cluster.patch("Deployment", "web", image, how="application/json-patch+json")
    cluster.until(lambda: len(cluster.pods("app=web")) == 4, what="a rollout that is stuck")
    with pytest.raises(ValueError, match=r"2 of 3 pods, 67 %, and limits\.percent allows 50 %"):
        plan(cluster, {"percent": 50.0}, count=2)
    assert len(plan(cluster, {"percent": 50.0}, percent=50)["inject"]["args"]["pods"]) == 1


def idle(cluster: Cluster, replicas: int) -> None:
    """As many pods as that, which never start."""
    cluster.deployment("idle", replicas=0)
    broken = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "localhost/broken:1"},
        {"op": "replace", "path": "/spec/replicas", "value": replicas},
    ]
    cluster.patch("Deployment", "idle", broken, how="application/json-patch+json")
    cluster.until(lambda: len(cluster.pods("app=idle")) == replicas)


@pytest.mark.usefixtures("web")
def test_a_share_of_a_namespace_is_of_pods_that_run(cluster: Cluster) -> None:
    idle(cluster, 3)
    with pytest.raises(ValueError, match=r"3 of 3 pods of the namespace, 100 %, and the target allows 80 %"):
        plan(cluster, settings={"namespace_percent": 80.0}, all=True)
    assert any(note.startswith("1 of 3 pods (33 %), of 3 in the namespace") for note in plan(cluster)["notes"])


@pytest.mark.parametrize(
    ("phase", "leaving", "counts"),
    [("Running", False, True), ("Running", True, False), ("Pending", False, False), ("Failed", False, False)],
)
def test_what_counts_in_a_share(phase: str, leaving: bool, counts: bool) -> None:
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {}
    assert as_pod({"metadata": {"name": "web-1", **going}, "status": {"phase": phase}}).counts is counts


@pytest.mark.usefixtures("web")
def test_shares_and_all(cluster: Cluster) -> None:
    assert len(plan(cluster, percent=67)["inject"]["args"]["pods"]) == 2
    planned = plan(cluster, all=True)
    before = uids(cluster)
    call(planned, "inject")
    cluster.until(lambda: call(planned, "recovered")["holds"])
    assert not set(before) & set(uids(cluster))


def test_a_service_that_is_known_by_its_selector_alone(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    planned = plan(cluster, services={"web": {"selector": "app=web"}})
    call(planned, "inject")
    cluster.until(lambda: call(planned, "recovered")["holds"])
    assert not any("not known" in note for note in planned["notes"]), "its Deployment is found by its owners"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"workload": "deployment/nobody"}, "there is no deployment/nobody in namespace"),
        ({"selector": "app=nobody"}, "no pod in namespace .* matches app=nobody"),
        ({"service": "web"}, "which pods are those of web is not known: say so under"),
    ],
)
def test_a_service_that_can_not_be_found(cluster: Cluster, table: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plan(cluster, services={"web": table})


def test_a_statefulset(cluster: Cluster) -> None:
    cluster.deployment("db", replicas=2, kind="StatefulSet")
    target = target_of(cluster, {"db": {"workload": "statefulset/db"}})
    planned = planning.plan("pod-kill", target, {"service": "db", "instance": "db-1"}, CONTEXT)
    call(planned, "inject")
    assert call(planned, "effective")["holds"]
    cluster.until(lambda: call(planned, "recovered")["holds"])


# --- evictions -----------------------------------------------------------------------------------------------


def budget(cluster: Cluster, least: int) -> None:
    cluster.apply(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": cluster.namespace},
            "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "web"}}},
        }
    )
    cluster.until(
        lambda: (
            (found := cluster.get("PodDisruptionBudget", "web"))
            and found.get("status", {}).get("disruptionsAllowed") == 3 - least
        )
    )


@pytest.mark.usefixtures("web")
def test_evictions_ask_the_budgets_and_deletions_say_that_they_do_not(cluster: Cluster) -> None:
    budget(cluster, 2)
    said = "PodDisruptionBudget web allows 1 of its pods to be disrupted now"
    assert said in plan(cluster, evict=True)["notes"]
    assert f"{said}; deleting does not ask it (evict: true does)" in plan(cluster)["notes"]
    with pytest.raises(ValueError, match="allows 1 of its pods to be disrupted now, and 2 would be evicted"):
        plan(cluster, evict=True, count=2)
    planned = plan(cluster, evict=True)
    budget(cluster, 3)
    with pytest.raises(RuntimeError, match="Cannot evict pod as it would violate the pod's disruption budget"):
        call(planned, "inject")
    budget(cluster, 1)
    assert "evicted" in call(planned, "inject")["evidence"]
    assert call(planned, "effective")["holds"]


# --- again and again -----------------------------------------------------------------------------------------


def strike(strikes: Any) -> str:
    """What became of the next turn; where it strikes, that was announced with just those pods."""
    said = next(strikes)
    if not announced(said):
        return str(said["evidence"])
    names = said["striking"]
    assert [one["name"] for one in said["objects"]] == names
    outcome = str(next(strikes)["evidence"])
    assert any(name in outcome for name in names)
    return outcome


@pytest.mark.usefixtures("web")
def test_again_and_again_with_others_each_time(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(cluster, every="1s")
    assert planned["undo"] is not None and planned["summary"].endswith("of web, and again every 1s")
    monkeypatch.setattr(pod_kill.time, "sleep", lambda _: None)
    strikes = call(planned, "inject")
    dead: set[str] = set()
    for _ in range(3):
        living = set(uids(cluster).values())
        said = strike(strikes)
        (killed,) = [name for name in living if said == f"deleted {name}"]
        assert killed not in dead
        dead.add(killed)
        cluster.whole("web")
    assert not dead & set(uids(cluster).values())
    call(planned, "undo")


@pytest.mark.usefixtures("web")
def test_a_turn_that_the_limits_do_not_allow_passes(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(cluster, {"percent": 40.0}, every="1s")
    monkeypatch.setattr(pod_kill.time, "sleep", lambda _: None)
    strikes = call(planned, "inject")
    next(strikes)
    cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
    cluster.whole("web")
    assert strike(strikes).startswith("not this time: pod-kill on web: it would touch 1 of 1 pods, 100 %")
    cluster.patch("Deployment", "web", {"spec": {"replicas": 3}})
    cluster.whole("web")
    assert strike(strikes).startswith("deleted web-")


@pytest.mark.double
@pytest.mark.usefixtures("web")
def test_the_limits_are_for_all_its_turns_together(cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn alone was within them, and three in a row took the whole service down."""
    planned = plan(cluster, {"percent": 40.0}, every="1s")
    monkeypatch.setattr(pod_kill.time, "sleep", lambda _: None)
    cluster.settings(startup=60.0)
    strikes = call(planned, "inject")
    assert strike(strikes).startswith("deleted web-")
    said = strike(strikes)
    assert said.startswith("not this time: pod-kill on web: it would touch 2 of 3 pods, 67 %, 1 that are not ready")
    assert sum(is_ready(pod) for pod in cluster.pods("app=web")) == 2


@pytest.mark.usefixtures("web")
def test_no_strike_is_begun_that_is_due_when_its_time_is_over(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 2 s for 4 s are two strikes: whether there was a third was chance."""
    clock = [100.0]
    monkeypatch.setattr(pod_kill, "boot_clock", lambda: clock[0])
    monkeypatch.setattr(pod_kill, "confirm", lambda *_: float("inf"))
    real = pod_kill.time.sleep

    def wait(seconds: float) -> None:
        if seconds > 1.0:
            clock[0] += seconds
        real(min(seconds, 0.1))

    monkeypatch.setattr(pod_kill.time, "sleep", wait)
    strikes = call(plan(cluster, {"duration": 4.0}, every="2s"), "inject")
    for begun in (100.0, 102.0):
        assert strike(strikes).startswith("deleted web-") and clock == [begun]
        cluster.whole("web")
    before = uids(cluster)
    assert list(strikes) == []
    assert uids(cluster) == before


@pytest.mark.usefixtures("web")
def test_a_strike_that_was_let_too_late_touches_nothing(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    strikes = call(plan(cluster, {"duration": 4.0}, every="2s"), "inject")
    monkeypatch.setattr(pod_kill, "boot_clock", lambda: clock[0])
    strike(strikes)
    cluster.whole("web")
    before = uids(cluster)
    monkeypatch.setattr(pod_kill.time, "sleep", lambda pause: clock.__setitem__(0, clock[0] + pause))
    assert announced(next(strikes))
    clock[0] = 104.0
    assert next(strikes)["evidence"].startswith("called off: web-")
    assert uids(cluster) == before and list(strikes) == []


@pytest.mark.double
@pytest.mark.usefixtures("web")
def test_a_strike_whose_answer_gets_lost_may_have_struck(
    cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told as one that did not come through; the pod was gone."""
    strikes = call(plan(cluster, every="1s", count=1), "inject")
    strike(strikes)
    cluster.whole("web")
    before = uids(cluster)
    cluster.misbehave(verb="delete", resource="pods", reset="after", times=1)
    said = strike(strikes)
    assert said.startswith("may have struck: web-") and "can't be reached" in said
    assert len(set(before) - set(uids(cluster))) == 1


@pytest.mark.usefixtures("web")
def test_a_strike_that_hit_some_of_its_pods_is_a_strike(cluster: Cluster) -> None:
    """It was told as a turn that it let pass."""
    strikes = call(plan(cluster, every="1s", count=2), "inject")
    strike(strikes)
    cluster.whole("web")
    first, second = next(strikes)["striking"]
    cluster.delete("Pod", second)
    cluster.until(lambda: cluster.get("Pod", second) is None)
    said = next(strikes)["evidence"]
    assert said.startswith(f"deleted {first}; then: pod ") and "was gone before it was killed" in said


@pytest.mark.usefixtures("web")
def test_recovery_reckons_with_a_strike_that_was_stopped_halfway(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deletion comes through a moment after its sender was killed: it was called recovered before that."""
    planned = plan(cluster, every="1s")
    assert planned["recovered"]["args"]["struck"] == []
    late, spared = [pod_kill._small(as_pod(pod)) for pod in cluster.pods("app=web")][:2]
    asked = {**planned["recovered"]["args"], "struck": [late, spared]}

    def meanwhile(seconds: float) -> None:
        assert seconds == 1.0
        monkeypatch.undo()
        cluster.delete("Pod", str(late["name"]))

    monkeypatch.setattr(pod_kill.time, "sleep", meanwhile)
    # Another may be there in its place by the time that is looked at, but never without a word of the one that was hit.
    whole = cluster.until(lambda: (said := pod_kill.recovered(**asked))["holds"] and said)
    assert whole["evidence"].endswith(
        f"of the strike that was stopped: {late['name']} was hit; {spared['name']} was not hit"
    )


# --- bad days ------------------------------------------------------------------------------------------------


@pytest.mark.double
@pytest.mark.usefixtures("web")
def test_an_answer_that_gets_lost_is_a_failed_injection_and_the_target_heals(cluster: DoubleCluster) -> None:
    planned = plan(cluster)
    cluster.misbehave(verb="delete", resource="pods", reset="after", times=1)
    with pytest.raises(RuntimeError, match="can't be reached"):
        call(planned, "inject")
    assert call(planned, "effective")["holds"], "it was killed all the same"
    cluster.until(lambda: call(planned, "recovered")["holds"])


@pytest.mark.double
@pytest.mark.usefixtures("web")
def test_what_is_asked_for_is_what_is_needed(cluster: DoubleCluster) -> None:
    """Everything that it does is among the rights that it says it needs, and with them alone it works."""
    target = target_of(cluster, WEB)
    needed = planning.needs("pod-kill", target, {"service": "web"})
    rules = [_rule(text) for text in needed]
    cluster.rules("gameday", rules)
    planned = plan(cluster)
    call(planned, "inject")
    cluster.until(lambda: call(planned, "recovered")["holds"])
    assert all(one.status and one.status < 400 for one in cluster.requests)


def _rule(text: str) -> dict[str, Any]:
    from gameday.cluster.resources import Access

    right = Access.parse(text)
    resource = f"{right.plural}/{right.sub}" if right.sub else right.plural
    return {
        "apiGroups": [right.group],
        "resources": [resource],
        "verbs": [right.verb],
        "namespace": right.namespace or None,
    }


# --- whole runs ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("web")
def test_a_run_from_the_file_to_the_debrief(cluster: Cluster, tmp_path: Any) -> None:
    timeline = "  - at: 0s\n    fault: pod-kill\n    with: {service: web}\n"
    place = place_of(tmp_path, cluster, WEB, timeline)
    before = uids(cluster)
    done = place.call("run", "scenario.yaml", "--unattended", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "has RECOVERED: 3 of 3 pods of web are ready" in done.stderr
    cluster.whole("web")
    assert len(set(before) - set(uids(cluster))) == 1
    assert cluster.get("Lease", "gameday") is None, "the claim is given back"


@pytest.mark.usefixtures("web")
def test_an_unattended_run_that_goes_on_is_stopped(cluster: Cluster, tmp_path: Any) -> None:
    timeline = "  - at: 0s\n    fault: pod-kill\n    with: {service: web, every: 1s}\n    for: 4s\n"
    place = place_of(tmp_path, cluster, WEB, timeline)
    before = uids(cluster)
    done = place.call("run", "scenario.yaml", "--unattended", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "struck again: deleted web-" in done.stderr
    cluster.whole("web")
    assert len(set(before) - set(uids(cluster))) >= 1


@pytest.mark.double
@pytest.mark.usefixtures("web")
def test_a_strike_in_the_midst_of_which_a_run_is_stopped_is_in_its_journal(
    cluster: DoubleCluster, tmp_path: Any
) -> None:
    """The pod was gone, and nobody had told of it: the server carries the deletion out when its sender is dead."""
    timeline = "  - at: 0s\n    fault: pod-kill\n    with: {service: web, every: 2s, grace: 0s}\n    for: 1m\n"
    place = place_of(tmp_path, cluster, WEB, timeline)
    process = place.start("run", "scenario.yaml", "--unattended")
    place.wait_until("the first strike", lambda x: any(fault.effective for fault in x.faults.values()))
    cluster.whole("web")
    before = uids(cluster)
    cluster.misbehave(verb="delete", resource="pods", delay=0.5, times=1)
    cluster.until(lambda: len(cluster.asked(verb="delete", resource="pods")) == 2, 20, "the second strike")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 3, place.said()
    (fault,) = place.exercise().faults.values()
    (name,) = fault.maybe
    assert fault.strikes == 1 and not fault.striking, "it is known that nobody knows"
    gone = [one for uid, one in before.items() if uid not in uids(cluster)]
    assert gone == [name], "it came through after all"
    assert f"of the strike that was stopped: {name} was hit" in place.said()
    assert f"MAY HAVE STRUCK again, which nobody heard of: {name}" in place.said()
    assert json.loads(place.call("show", "--json").stdout)["faults"][0]["strikes"]["may_have_struck"] == [name]


@pytest.mark.usefixtures("web")
def test_a_run_whose_later_strikes_were_all_refused_failed_and_says_how_many_and_why(
    cluster: Cluster, tmp_path: Any
) -> None:
    """The namespace is protected after the first strike."""
    timeline = "  - at: 0s\n    fault: pod-kill\n    with: {service: web, every: 2s}\n    for: 5s\n"
    place = place_of(tmp_path, cluster, WEB, timeline)
    process = place.start("run", "scenario.yaml", "--unattended")
    place.wait_until("the first strike", lambda x: any(fault.effective for fault in x.faults.values()))
    cluster.patch("Namespace", cluster.namespace, {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    assert process.wait(60) == 1, place.said()
    exercise = place.exercise()
    (fault,) = exercise.faults.values()
    assert fault.strikes == 1 and sum(fault.passed.values()) >= 1 and exercise.verdict == "failed"
    said = f"struck 1 of {1 + sum(fault.passed.values())} times; the others were refused: namespace {cluster.namespace}"
    assert said in exercise.reason and said in place.said()
    shown = place.call("show", "--json")
    assert json.loads(shown.stdout)["faults"][0]["strikes"]["struck"] == 1
    assert said in place.call("show").stdout


BROKEN = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.com/broken:1"}]


def hanging(cluster: Cluster) -> str:
    """A Deployment of two in a rollout that hangs, with one pod that is ready: its name."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    cluster.deployment("web", replicas=2, strategy=strategy)
    cluster.patch("Deployment", "web", BROKEN, how="application/json-patch+json")

    def stuck() -> str | None:
        pods = [pod for pod in cluster.pods("app=web") if "deletionTimestamp" not in pod["metadata"]]
        ready = [str(pod["metadata"]["name"]) for pod in pods if is_ready(pod)]
        broken = [pod for pod in pods if pod["spec"]["containers"][0]["image"] == "example.com/broken:1"]
        return ready[0] if len(pods) == 2 and len(ready) == len(broken) == 1 else None

    name = cluster.until(stuck, what="the rollout hangs with one old pod")
    assert name is not None
    return name


def test_what_was_degraded_before_is_as_it_was_and_need_not_be_whole(cluster: Cluster) -> None:
    name, was = hanging(cluster), "1 of 2 pods were ready, its rollout was not through"
    planned = plan(cluster, instance=name)
    assert f"degraded before, {was}: the fault counts as recovered when it is so again" in planned["notes"]
    assert planned["recovered_when"] == "when 1 of its pods are ready, as many as before: it is degraded"
    before = uids(cluster)
    call(planned, "inject")
    said = cluster.until(lambda: (one := call(planned, "recovered"))["holds"] and one)
    assert said["evidence"] == (
        f"1 of 2 pods of web are ready, as many as before; it was degraded before the fault: {was}"
    )
    ready = {pod["metadata"]["uid"] for pod in cluster.pods("app=web") if is_ready(pod)}
    assert len(ready) == 1 and not ready & set(before)


def test_a_run_on_what_was_degraded_before_is_as_hoped_and_says_so(cluster: Cluster, tmp_path: Any) -> None:
    entry = {"at": "0s", "id": "kill", "fault": "pod-kill", "with": {"service": "web", "instance": hanging(cluster)}}
    place = place_of(tmp_path, cluster, WEB, f"  - {json.dumps(entry)}\n", recovery="10s")
    done = place.call("run", "scenario.yaml", "--unattended", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "kill has RECOVERED: 1 of 2 pods of web are ready, as many as before; it was degraded before" in done.stderr


def test_one_that_does_not_come_back_is_missed_also_where_others_were_missing(cluster: Cluster) -> None:
    name = hanging(cluster)
    planned = plan(cluster, instance=name)
    call(planned, "inject")
    cluster.until(lambda: call(planned, "recovered")["holds"])
    # As if the one that came for it were not ready.
    planned["recovered"]["args"]["before"]["ready"] = 2
    assert call(planned, "recovered")["evidence"].startswith("1 of 2 pods of web are ready; it was degraded")
    assert not call(planned, "recovered")["holds"]


def test_what_was_degraded_before_and_is_whole_by_then_has_recovered_and_both_is_said(cluster: Cluster) -> None:
    planned = plan(cluster, instance=hanging(cluster))
    call(planned, "inject")
    good = [{**BROKEN[0], "value": cluster.image}]
    cluster.patch("Deployment", "web", good, how="application/json-patch+json")
    cluster.whole("web", timeout=30)
    said = call(planned, "recovered")
    assert said["holds"] and said["evidence"].startswith("2 of 2 pods of web are ready; it was degraded before")


@pytest.mark.double
def test_one_that_runs_and_is_not_ready_before_is_not_waited_for_either(cluster: DoubleCluster) -> None:
    """Where only a selector tells what a service is; it runs, and so was counted among those that are to be ready."""
    for name in ("one", "two"):
        cluster.deployment(name, replicas=1, pod_labels={"tier": "shop"})
    (sick,) = cluster.pods("app=two")
    for condition in sick["status"]["conditions"]:
        condition["status"] = "False" if condition["type"] in ("Ready", "ContainersReady") else condition["status"]
    cluster.seed({"apiVersion": "v1", "kind": "Pod", **sick})
    (mine,) = cluster.pods("app=one")
    planned = plan(cluster, instance=mine["metadata"]["name"], services={"web": {"selector": "tier=shop"}})
    call(planned, "inject")
    said = cluster.until(lambda: (one := call(planned, "recovered"))["holds"] and one)
    assert said["evidence"] == (
        "1 of 2 pods of web are ready, as many as before; it was degraded before the fault: 1 of 2 pods were ready"
    )
    assert mine["metadata"]["uid"] not in uids(cluster, "app=one")


def test_a_workload_that_is_not_whole_beforehand_is_said(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    assert not any("counts as recovered" in note for note in plan(cluster)["notes"])
    cluster.patch("Deployment", "web", BROKEN, how="application/json-patch+json")
    cluster.until(lambda: len(cluster.pods("app=web")) > 2, what="the rollout hangs")
    said = "its rollout was not through: the fault counts as recovered when it is so again"
    assert any(said in note for note in plan(cluster)["notes"])
