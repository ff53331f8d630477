"""A dependency goes away by its Service, its replicas or a policy: seen in the cluster, and taken back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gameday.faults import planning
from gameday.faults.kubernetes.service_outage import KEY
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .planned import Planned
from .targets import CONTEXT, place_of, target_of
from .test_pod_kill import idle

BOTH = {"web": {"workload": "deployment/web", "service": "web"}}
RUNS = {"web": {"workload": "deployment/web"}}


def outage(cluster: Cluster, services: dict[str, Any] = BOTH, /, **params: Any) -> Planned:
    more = {key: params.pop(key) for key in ("context", "settings") if key in params}
    return Planned(cluster, "dependency-outage", services, {"service": "web", **params}, **more)


def the(cluster: Cluster, kind: str, name: str = "web") -> dict[str, Any]:
    found = cluster.get(kind, name)
    assert found is not None, f"there is no {kind} {name}"
    return found


def ready_endpoints(cluster: Cluster) -> int:
    slices = cluster.list("EndpointSlice", selector="kubernetes.io/service-name=web")
    endpoints = [one for part in slices for one in part.get("endpoints") or ()]
    return sum((one.get("conditions") or {}).get("ready") is not False for one in endpoints)


def traces(thing: dict[str, Any]) -> list[str]:
    data = thing["metadata"]
    return [key for key in {**data.get("labels", {}), **data.get("annotations", {})} if key.startswith("gameday.dev/")]


@pytest.fixture
def web(cluster: Cluster) -> dict[str, Any]:
    made = cluster.deployment("web", replicas=2)
    cluster.until(lambda: ready_endpoints(cluster) == 2, what="both pods are endpoints")
    return made


# --- the Service points at nothing ---------------------------------------------------------------------------------


@pytest.mark.proves("dependency-outage", "kubernetes/api")
@pytest.mark.usefixtures("web")
def test_a_service_that_points_at_nothing_and_back_while_its_pods_go_on(cluster: Cluster) -> None:
    before = the(cluster, "Service")
    pods = {pod["metadata"]["uid"] for pod in cluster.pods("app=web")}
    fault = outage(cluster)
    assert fault.plan["targets"] == (f"service {cluster.namespace}/web (2 ready endpoints)",)
    assert the(cluster, "Service")["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert fault.effective() == {
        "holds": False,
        "evidence": f"service {cluster.namespace}/web still has 2 ready endpoints",
    }
    fault.inject()
    assert fault.until_effective() == f"service {cluster.namespace}/web has no ready endpoint"
    assert ready_endpoints(cluster) == 0
    assert not fault.recovered()["holds"]
    fault.undo()
    assert fault.until_recovered() == (f"service {cluster.namespace}/web is as it was; 2 ready endpoints, 2 ready pods")
    after = the(cluster, "Service")
    assert after["spec"] == before["spec"] and not traces(after)
    assert {pod["metadata"]["uid"] for pod in cluster.pods("app=web")} == pods, "no pod was touched"
    fault.undo()
    assert the(cluster, "Service")["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


@pytest.mark.usefixtures("web")
def test_endpoints_that_dont_follow_the_selector_are_named_where_the_outage_shows_no_effect(cluster: Cluster) -> None:
    cluster.apply(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "web-by-hand",
                "labels": {"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "us"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.77"]}],
            "ports": [{"port": 8080}],
        }
    )
    fault = outage(cluster)
    fault.inject()
    cluster.until(lambda: ready_endpoints(cluster) == 1, what="only the one by hand is left")
    said = fault.effective()
    assert not said["holds"] and "web-by-hand (managed by us), which don't follow its selector" in said["evidence"]
    fault.undo()
    fault.until_recovered()


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"selector": None, "ports": [{"port": 80}]}, "has no selector"),
        ({"type": "ExternalName", "externalName": "pay.example.com"}, "ExternalName and stands for pay.example.com"),
        ({"selector": {"app": "nobody"}, "ports": [{"port": 80}]}, "no ready endpoint now, so nothing would change"),
        ({"selector": {"app": "web", KEY: "x"}, "ports": [{"port": 80}]}, "in its selector already"),
    ],
)
def test_a_service_that_an_outage_can_change_nothing_of_is_refused(
    cluster: Cluster, spec: dict[str, Any], why: str
) -> None:
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other"}, "spec": spec}
    cluster.apply({**made, "spec": {key: value for key, value in spec.items() if value is not None}})
    with pytest.raises(ValueError, match=why):
        outage(cluster, {"web": {"service": "other", "workload": "deployment/web"}})


@pytest.mark.usefixtures("web")
def test_what_is_protected_or_marked_already_is_not_changed(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match=r"service .*/web may not be touched: it has not opted in \(chaos=yes\)"):
        outage(cluster, settings={"opt_in": "chaos=yes"})
    (pod, _) = cluster.pods("app=web")
    cluster.patch("Pod", pod["metadata"]["name"], {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    for by in ("service", "scale", "policy"):
        with pytest.raises(ValueError, match=f"{pod['metadata']['name']}: labelled gameday.dev/protected=true"):
            outage(cluster, by=by)
    cluster.patch("Pod", pod["metadata"]["name"], {"metadata": {"labels": {"gameday.dev/protected": None}}})
    cluster.patch("Service", "web", {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    with pytest.raises(ValueError, match=r"service .*/web may not be touched: labelled"):
        outage(cluster)
    cluster.patch("Service", "web", {"metadata": {"labels": {"gameday.dev/protected": None}}})
    fault = outage(cluster)
    fault.inject()
    with pytest.raises(ValueError, match="is changed by fault-1 of this exercise still"):
        outage(cluster, context={"fault": "fault-2"})
    with pytest.raises(ValueError, match="carries a fault of x-1 already"):
        outage(cluster, context={"exercise": "x-2"})
    fault.undo()
    fault.until_recovered()


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("by", ["service", "scale"])
def test_what_is_protected_between_plan_and_strike_is_not_changed(cluster: Cluster, by: str) -> None:
    kind = "Service" if by == "service" else "Deployment"
    cluster.patch(kind, "web", {"metadata": {"labels": {"chaos": "yes"}}})
    for pod in cluster.pods("app=web"):
        cluster.patch("Pod", pod["metadata"]["name"], {"metadata": {"labels": {"chaos": "yes"}}})
    fault = outage(cluster, by=by, settings={"opt_in": "chaos=yes"})
    for label, why in (("gameday.dev/protected", "labelled gameday.dev/protected=true"), ("chaos", "not opted in")):
        cluster.patch(kind, "web", {"metadata": {"labels": {label: "true"}}})
        with pytest.raises(RuntimeError, match=f"may not be touched any more: .*{why}"):
            fault.inject()
        cluster.patch(kind, "web", {"metadata": {"labels": {label: None}}})
    assert the(cluster, "Deployment")["spec"]["replicas"] == 2
    assert the(cluster, "Service")["spec"]["selector"] == {"app": "web"}
    fault.undo()
    assert fault.recovered()["holds"]


# --- scaled to nothing ---------------------------------------------------------------------------------------------


@pytest.mark.proves("dependency-outage", "kubernetes/api")
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_scaled_to_nothing_and_whole_again(cluster: Cluster, kind: str) -> None:
    cluster.deployment("web", replicas=2, kind=kind)
    fault = outage(cluster, {"web": {"workload": f"{kind.lower()}/web"}})
    assert fault.plan["summary"] == f"outage of web: {kind.lower()} {cluster.namespace}/web scaled from 2 to 0"
    assert len(fault.plan["targets"]) == 3, "the workload and both pods"
    assert any(note.startswith("2 of 2 pods (100 %)") for note in fault.plan["notes"])
    assert any("limits.recovery must be longer than its start-up" in note for note in fault.plan["notes"])
    assert not fault.effective()["holds"]
    fault.inject()
    fault.until_effective()
    assert cluster.pods("app=web") == []
    assert not fault.recovered()["holds"]
    fault.undo()
    fault.until_recovered()
    after = the(cluster, kind)
    assert after["spec"]["replicas"] == 2 and not traces(after)
    assert len(cluster.pods("app=web")) == 2


@pytest.mark.double
def test_it_is_not_over_before_its_pods_are_ready(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=2)
    fault = outage(cluster, RUNS)
    fault.inject()
    fault.until_effective()
    cluster.settings(startup=60)
    fault.undo()
    cluster.until(lambda: len(cluster.pods("app=web")) == 2)
    assert the(cluster, "Deployment")["spec"]["replicas"] == 2
    said = fault.recovered()
    assert not said["holds"] and "0 of 2 pods" in said["evidence"]


@pytest.mark.usefixtures("web")
def test_replicas_that_somebody_else_set_meanwhile_are_left_and_loud(cluster: Cluster) -> None:
    fault = outage(cluster, RUNS)
    fault.inject()
    fault.until_effective()
    cluster.patch("Deployment", "web", {"spec": {"replicas": 5}})
    with pytest.raises(RuntimeError, match="somebody else has changed /spec/replicas to 5 since"):
        fault.undo()
    assert the(cluster, "Deployment")["spec"]["replicas"] == 5
    assert not fault.recovered()["holds"]
    assert "patch deployments.apps/web --type=json -p '[{" in fault.plan["commands"][0]
    cluster.patch("Deployment", "web", {"spec": {"replicas": 2}})
    fault.undo()
    fault.until_recovered()


@pytest.mark.usefixtures("web")
def test_the_limits_count_all_its_pods(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match=r"would touch 2 pods, and limits\.pods allows 1"):
        outage(cluster, RUNS, context={"pods": 1})
    with pytest.raises(ValueError, match=r"100 %, and limits\.percent allows 50 %"):
        outage(cluster, RUNS, context={"percent": 50.0})
    with pytest.raises(ValueError, match=r"2 of 2 pods of the namespace, 100 %, and the target allows 80 %"):
        outage(cluster, RUNS, settings={"namespace_percent": 80.0})
    idle(cluster, 2)
    with pytest.raises(ValueError, match=r"2 of 2 pods of the namespace, 100 %, and the target allows 80 %"):
        outage(cluster, RUNS, settings={"namespace_percent": 80.0})
    assert outage(cluster, context={"pods": 1, "percent": 50.0}).plan, "a Service without endpoints touches no pod"


def test_a_workload_that_is_not_whole_or_has_nothing_or_loses_volumes_is_refused(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1, command=["no-such-program"], env={"WHY": "broken"}, wait=False)
    with pytest.raises(ValueError, match="it has to be whole before"):
        outage(cluster, RUNS)
    cluster.patch("Deployment", "web", {"spec": {"replicas": 0}})
    with pytest.raises(ValueError, match="has no replicas now, so nothing would change"):
        cluster.until(lambda: the(cluster, "Deployment")["status"].get("observedGeneration", 0) > 1)
        outage(cluster, RUNS)
    volume = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    more = {
        "volumeClaimTemplates": [volume],
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Retain"},
    }
    from gameday.cluster.resources import STATEFULSETS
    from gameday.cluster.services import as_workload
    from gameday.faults.kubernetes.scale_outage import check_kept

    thing = {"metadata": {"name": "db", "namespace": "shop"}, "spec": more}
    with pytest.raises(ValueError, match="deletes its volumes when it is scaled down"):
        check_kept(as_workload(STATEFULSETS, thing), thing)


@pytest.mark.usefixtures("web")
def test_an_autoscaler_is_named(cluster: Cluster) -> None:
    aim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    cluster.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web-hpa"},
            "spec": {"scaleTargetRef": aim, "minReplicas": 1, "maxReplicas": 4},
        }
    )
    notes = outage(cluster, RUNS).plan["notes"]
    assert any("HorizontalPodAutoscaler web-hpa scales it: it stops at 0" in note for note in notes)


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("by", ["service", "scale"])
def test_who_may_change_it_back_meanwhile_is_named(cluster: Cluster, by: str) -> None:
    kind = "Service" if by == "service" else "Deployment"
    assert not any("may change it back" in note for note in outage(cluster, by=by).plan["notes"])
    labels = {"argocd.argoproj.io/instance": "shop", "kustomize.toolkit.fluxcd.io/name": "shop"}
    cluster.patch(kind, "web", {"metadata": {"labels": labels}})
    notes = outage(cluster, by=by).plan["notes"]
    told = [note.partition(" keeps it")[0] for note in notes if "may change it back at once" in note]
    assert told == ["Argo CD", "Flux"]


# --- a policy ------------------------------------------------------------------------------------------------------


class Door:
    """Something that answers at an address until it is closed; open again at the same one."""

    def __init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.open()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    def open(self) -> None:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing of it is interesting."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Answer)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def door() -> Iterator[Door]:
    one = Door()
    yield one
    one.close()


def at(door: Door) -> dict[str, Any]:
    return {"web": {**BOTH["web"], "address": door.address}}


@pytest.mark.usefixtures("web")
def test_a_policy_denies_all_that_comes_in_and_is_taken_away(cluster: Cluster, door: Door) -> None:
    fault = outage(cluster, at(door), mode="blackhole")
    name = "gameday-x-1-fault-1"
    assert cluster.get("NetworkPolicy", name) is None, "planning makes nothing"
    fault.inject()
    made = the(cluster, "NetworkPolicy", name)
    assert made["spec"]["policyTypes"] == ["Ingress"] and not made["spec"].get("ingress")
    selected = made["spec"]["podSelector"]["matchExpressions"]
    assert {"key": "app", "operator": "In", "values": ["web"]} in selected
    assert {"key": "gameday.dev/protected", "operator": "NotIn", "values": ["true", "True", "TRUE"]} in selected
    still = fault.effective()
    assert not still["holds"] and f"{door.address} still answered 200" in still["evidence"]
    assert "most likely this cluster's network does not enforce NetworkPolicy" in still["evidence"]
    door.close()
    assert "is refused after" in fault.until_effective()
    fault.undo()
    assert cluster.get("NetworkPolicy", name) is None
    assert not fault.recovered()["holds"], "it is gone, and the service does not answer yet"
    door.open()
    assert "is gone; http://127.0.0.1" in fault.until_recovered()
    fault.undo()


@pytest.mark.usefixtures("web")
def test_a_policy_that_nothing_could_verify_is_refused_with_what_to_add(cluster: Cluster, door: Door) -> None:
    with pytest.raises(ValueError, match=r"add \[targets.*web\] address = .* or an `effective:` check to this entry"):
        outage(cluster, by="policy")
    door.close()
    with pytest.raises(ValueError, match=r"is refused after .* before the fault, so it can't show an effect"):
        outage(cluster, at(door), by="policy")
    fault = outage(cluster, by="policy", context={"checked": True})
    fault.inject()
    said = fault.effective()
    assert said["holds"] and "does not enforce NetworkPolicy" in said["doubt"]
    fault.undo()
    assert fault.recovered()["holds"]


@pytest.mark.usefixtures("web")
def test_where_another_policy_lets_traffic_in_ours_could_deny_nothing(cluster: Cluster, door: Door) -> None:
    def other(name: str, spec: dict[str, Any]) -> None:
        cluster.apply(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": name},
                "spec": {"podSelector": {"matchLabels": {"app": "web"}}, **spec},
            }
        )

    other("deny", {"policyTypes": ["Ingress"]})
    assert outage(cluster, at(door), by="policy").plan, "one that denies takes nothing from ours"
    other("allow", {"policyTypes": ["Ingress"], "ingress": [{}]})
    with pytest.raises(ValueError, match=r"networkpolicy .*/allow lets traffic through \(ingress\)"):
        outage(cluster, at(door), by="policy")


# --- which way -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("web")
def test_the_way_is_as_asked_or_as_mode_says_or_as_the_settings_allow(cluster: Cluster, door: Door) -> None:
    def kind(services: dict[str, Any], **params: Any) -> str:
        return str(outage(cluster, services, **params).plan["objects"][0].partition(":")[0])

    assert kind(BOTH) == "service"
    assert kind(RUNS) == "deployment"
    assert kind({"web": {"selector": "app=web"}}) == "deployment"
    assert kind({"web": {"service": "web"}}) == "service"
    assert kind(BOTH, mode="refused") == "service"
    assert kind(at(door), mode="blackhole") == "networkpolicy"
    assert kind(BOTH, by="scale") == "deployment"
    assert kind({"web": {"service": "web", "address": door.address}}, by="policy") == "networkpolicy"
    with pytest.raises(ValueError, match=r"which Service others reach web by is not known"):
        kind(RUNS, by="service")
    with pytest.raises(ValueError, match=r"outside of the cluster \(pay.example.com\).*Chaos Mesh could, were"):
        kind({"web": {"external": ["pay.example.com"]}})


@pytest.mark.parametrize(
    ("by", "mode", "other"),
    [("service", "blackhole", "policy"), ("scale", "blackhole", "policy"), ("policy", "refused", "service")],
)
def test_a_way_and_a_mode_that_contradict_each_other_are_wrong(
    cluster: Cluster, by: str, mode: str, other: str
) -> None:
    with pytest.raises(ValueError, match=f"by: {by} .*: leave mode away, or say by: {other}"):
        outage(cluster, by=by, mode=mode)


# --- as it is run --------------------------------------------------------------------------------------------------

TIMELINE = """\
  - at: 0s
    fault: dependency-outage
    with: {service: web, by: %s}
    for: 1s
"""


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("by", ["service", "scale"])
def test_a_run_takes_it_away_and_brings_it_back(cluster: Cluster, tmp_path: Path, by: str) -> None:
    place = place_of(tmp_path, cluster, BOTH, TIMELINE % by)
    ran = place.call("run", "--unattended", "scenario.yaml")
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert "is EFFECTIVE" in ran.stderr and "has RECOVERED" in ran.stderr
    cluster.whole("web")
    assert not traces(the(cluster, "Deployment")) and not traces(the(cluster, "Service"))


@pytest.mark.usefixtures("web")
def test_a_policy_that_the_network_ignores_is_not_effective_and_undone(
    cluster: Cluster, tmp_path: Path, door: Door
) -> None:
    place = place_of(tmp_path, cluster, at(door), TIMELINE % "policy")
    ran = place.call("run", "--unattended", "scenario.yaml")
    assert ran.returncode == 1, f"{ran.stdout}\n{ran.stderr}"
    assert "FAILED: not effective" in ran.stderr and "does not enforce NetworkPolicy" in ran.stderr
    assert "has RECOVERED" in ran.stderr
    assert cluster.list("NetworkPolicy") == []


@pytest.mark.usefixtures("web")
def test_with_the_engine_and_the_guardian_killed_the_undo_still_comes(cluster: Cluster, tmp_path: Path) -> None:
    place = place_of(tmp_path, cluster, RUNS, (TIMELINE % "scale").replace("1s", "60s"))
    try:
        command = place.start("run", "--unattended", "scenario.yaml")
        place.wait_until("it is effective", lambda x: any(one.stage == "effective" for one in x.faults.values()), 60)
        assert the(cluster, "Deployment")["spec"]["replicas"] == 0
        guardian, engines = place.guardian(), place.pids("-m gameday.cli.engine_process")
        assert guardian is not None and engines
        for pid in (*engines, guardian):
            os.kill(pid, signal.SIGKILL)
        cluster.until(lambda: the(cluster, "Deployment")["spec"]["replicas"] == 2, 20, "its replicas are back")
        cluster.whole("web", timeout=20)
        assert not traces(the(cluster, "Deployment"))
        command.wait(90)
        place.gone()
    finally:
        place.clean_up()


@pytest.mark.usefixtures("web")
def test_a_protected_workload_protects_the_service_before_it(cluster: Cluster) -> None:
    cluster.patch("Deployment", "web", {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    for more in ({"workload": "deployment/web"}, {}):
        target = target_of(cluster, {"web": {"service": "web", **more}})
        with pytest.raises(ValueError, match=r"deployment .*/web may not be touched: labelled"):
            planning.plan("dependency-outage", target, {"service": "web", "by": "service"}, CONTEXT)


@pytest.mark.usefixtures("web")
def test_a_preview_tells_of_the_way_that_is_taken_and_of_no_other(cluster: Cluster, tmp_path: Path) -> None:
    place = place_of(tmp_path, cluster, RUNS, TIMELINE % "scale")
    shown = " ".join(place.call("preview", "scenario.yaml").stdout.split())
    assert "undone by setting the replicas back to 2" in shown and "deleting that policy" not in shown
    assert "in effect when no pod of the workload is left" in shown
