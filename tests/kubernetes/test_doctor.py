"""`gameday doctor` on clusters: what can be reached, what is there, what was left, and what to do about each."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gameday.cli.doctor import doctor as command
from gameday.cli.doctor import examine
from gameday.cli.doctor_clusters import clusters, examine_cluster
from gameday.cluster import creations, lease
from gameday.targets.settings import load_settings
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .targets import CONTEXT, toml_of, where

WEB = {"web": {"workload": "deployment/web", "service": "web"}}


def doctor(cluster: Cluster, folder: Path, services: dict[str, dict[str, Any]], **more: Any) -> dict[str, str]:
    """What is said, with what to do, by state: `{"ok": all of it, "warn": …, "fail": …}`."""
    settings = folder / "gameday.toml"
    settings.write_text(toml_of(cluster, services, **more))
    (target,) = clusters(load_settings(explicit=settings))
    said: dict[str, str] = {"ok": "", "warn": "", "fail": ""}
    for finding in examine_cluster(target):
        assert finding.text.startswith("staging") or finding.state == "fail"
        assert bool(finding.do) == (finding.state != "ok"), "what is not well says what to do, and nothing else does"
        said[finding.state] += f"{finding.text} -> {finding.do}\n"
    return said


def test_all_is_well(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2)
    said = doctor(cluster, tmp_path, WEB, engines=["api"])
    assert said["fail"] == said["warn"] == ""
    assert "Kubernetes v1.36" in said["ok"] and f"at {cluster.url}" in said["ok"]
    assert f"may touch {cluster.namespace}" in said["ok"]
    assert "faults can be done by Kubernetes API" in said["ok"]
    assert f"web: 2 of 2 pods of deployment {cluster.namespace}/web are ready" in said["ok"]
    assert "no exercise has it" in said["ok"]


def test_what_the_settings_name_and_is_not_there(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", 1)
    services = {
        "web": {"workload": "deployment/web", "service": "nope"},
        "cart": {"selector": "app=cart"},
        "bank": {"external": ["bank.example.com"]},
    }
    more = {"namespaces": [cluster.namespace, "gameday-test-nowhere"]}
    said = doctor(cluster, tmp_path, services, **more)
    assert "there is no namespace gameday-test-nowhere -> correct namespaces in [targets.staging]" in said["fail"]
    assert "web: there is no Service nope" in said["fail"]
    assert "cart: no pod in namespace" in said["fail"] and "[targets.staging.services.cart]" in said["fail"]
    assert "bank: known by bank.example.com" in said["ok"]


def test_a_service_that_is_not_whole(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2, minReadySeconds=0)
    cluster.patch("Deployment", "web", {"spec": {"template": {"spec": {"nodeSelector": {"no-node": "has-this"}}}}})
    cluster.until(lambda: len(cluster.pods("app=web")) == 3, what="a pod of the new rollout that can't start")
    said = doctor(cluster, tmp_path, WEB)
    assert "its rollout is not through -> a fault would meet a service that is not whole" in said["warn"]


def test_claims_of_the_living_and_of_the_dead(cluster: Cluster, tmp_path: Path) -> None:
    lease.acquire(where(cluster), [cluster.namespace], "20260101-0000-abcd")
    said = doctor(cluster, tmp_path, {})
    assert "exercise 20260101-0000-abcd holds namespace" in said["warn"] and "gameday abort" in said["warn"]
    cluster.patch("Lease", lease.NAME, {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}})
    said = doctor(cluster, tmp_path, {})
    assert "20260101-0000-abcd never gave" in said["warn"] and "gameday recover --target staging" in said["warn"]


def test_faults_that_stand_there(cluster: Cluster, tmp_path: Path) -> None:
    cluster.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "gameday-x", "labels": creations.our_labels(CONTEXT)},
            "spec": {"podSelector": {"matchLabels": {"app": "nothing"}}, "policyTypes": ["Ingress"]},
        }
    )
    said = doctor(cluster, tmp_path, {})
    # Nodes belong to the whole cluster: where others use it, theirs may be named beside it.
    ours = f"networkpolicy {cluster.namespace}/gameday-x"
    assert ours in said["fail"] and "-> gameday recover --target staging" in said["fail"]
    lease.acquire(where(cluster), [cluster.namespace], str(CONTEXT["exercise"]))
    assert ours not in doctor(cluster, tmp_path, {})["fail"], "those of a living exercise are its own business"


def test_what_cant_be_reached_or_read(cluster: Cluster, tmp_path: Path) -> None:
    said = doctor(cluster, tmp_path, {}, context="nowhere")
    assert "nowhere" in said["fail"] and "correct context or kubeconfig in [targets.staging]" in said["fail"]
    said = doctor(cluster, tmp_path, {}, kubeconfig=str(tmp_path / "none"))
    assert str(tmp_path / "none") in said["fail"]


@pytest.mark.double
def test_a_server_that_is_gone_or_knows_nobody(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.expire()
    said = doctor(cluster, tmp_path, {})
    assert "401" in said["fail"] and "log in again" in said["fail"]
    cluster.expire(expired=False)
    cluster.gone()
    said = doctor(cluster, tmp_path, {})
    cluster.back()
    assert "can't be reached" in said["fail"] and said["ok"] == ""


@pytest.mark.double
def test_who_may_see_little_is_told_what_could_not_be_seen(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.deployment("web", 1)
    cluster.rules("gameday", [])
    said = doctor(cluster, tmp_path, WEB)
    assert said["fail"] == ""
    assert "403" in said["warn"] and "gameday preview" in said["warn"]


@pytest.mark.double(chaos_mesh=True)
def test_chaos_mesh_without_a_controller(cluster: DoubleCluster, tmp_path: Path) -> None:
    said = doctor(cluster, tmp_path, {})
    assert "Kubernetes API, Chaos Mesh" in said["ok"]
    assert "no ready controller" in said["warn"]
    labels = {"app.kubernetes.io/name": "chaos-mesh", "app.kubernetes.io/component": "controller-manager"}
    cluster.deployment("chaos-controller-manager", 1, labels)
    assert doctor(cluster, tmp_path, {})["warn"] == ""


def test_an_engine_that_is_not_there(cluster: Cluster, tmp_path: Path) -> None:
    said = doctor(cluster, tmp_path, {}, engines=["api", "toxiproxy"])
    assert "toxiproxy as engine, and it has none" in said["fail"]
    said = doctor(cluster, tmp_path, {}, proxy="http://127.0.0.1:1")
    assert "Toxiproxy" in said["fail"] and "correct proxy in [targets.staging]" in said["fail"]


def test_a_service_where_nothing_may_be_touched_keeps_nothing_else_from_being_said(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.deployment("web", 1)
    services = {"dns": {"namespace": "kube-system", "selector": "k8s-app=dns"}, **WEB}
    said = doctor(cluster, tmp_path, services, namespaces=[cluster.namespace, "kube-system"])
    assert "dns is in namespace kube-system, which is never touched -> correct it in [targets.staging]" in said["fail"]
    assert "1 of 1 pods" in said["ok"] and "no exercise has it" in said["ok"]


class Nonsense(BaseHTTPRequestHandler):
    """Takes itself for an API server, and knows nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def two_targets(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """Settings with a target whose server answers nonsense, and another that is well."""
    server = HTTPServer(("127.0.0.1", 0), Nonsense)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    kubeconfig = {
        "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "x", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    (tmp_path / "odd.json").write_text(json.dumps(kubeconfig))
    staging = toml_of(cluster, {}, engines=["api"])
    odd = toml_of(cluster, {}, kubeconfig=str(tmp_path / "odd.json"), context="x").replace("staging", "odd")
    (tmp_path / "gameday.toml").write_text(f"{odd}\n{staging}")
    yield tmp_path / "gameday.toml"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_target_that_breaks_the_check_hides_no_other(two_targets: Path, tmp_path: Path) -> None:
    found = [one for one in examine(two_targets, str(tmp_path / "no.db")) if one.check == "cluster"]
    (broken,) = [one for one in found if one.target == "odd"]
    assert broken.state == "fail" and broken.text.startswith("odd: could not be checked: KeyError")
    well = [one.text for one in found if one.target == "staging" and one.state == "ok"]
    assert any("Kubernetes v1.36" in text for text in well) and "staging: no exercise has it" in well


def test_the_summary_says_which_targets_are_not_well_and_each_once(
    two_targets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = two_targets.read_text()
    settings = text.replace('context = "', 'context = "not-', 1).replace("[targets.odd]", "[targets.other]")
    two_targets.write_text(f"{text.partition('[targets.staging]')[0]}\n{settings}")
    given = ["--config", str(two_targets), "--store", str(tmp_path / "no.db"), "--json"]
    assert command.main(given, standalone_mode=False) == 1
    out, said = capsys.readouterr()
    assert said == "Not fit for an exercise: cluster of odd, cluster of other.\n"
    assert {one["target"] for one in json.loads(out) if one["check"] == "cluster"} == {"odd", "other", "staging"}
