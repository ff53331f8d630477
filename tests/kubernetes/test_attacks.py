"""What would make a fault look undone that stands, or take away what is not ours: each of these did so once."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gameday.cli.recover_target import recover_target
from gameday.cluster import creations, engines, experiments, lease, litter, marks
from gameday.cluster.api import Api
from gameday.cluster.errors import Unreachable
from gameday.cluster.kubectl import kubectl
from gameday.cluster.resources import DEPLOYMENTS, NETWORK_POLICIES, NODES, meta
from gameday.cluster.services import as_workload
from gameday.errors import TargetError
from gameday.targets.resolving import check_target
from gameday.targets.settings import load_settings
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.process import write_kubeconfig

from .planned import Planned
from .targets import CONTEXT, toml_of, where


class Stranger(http.server.ThreadingHTTPServer):
    """Answers everything with the same, and remembers what it was asked."""

    status = 404
    content = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Says)
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Says(http.server.BaseHTTPRequestHandler):
    server: Stranger

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    do_PATCH = do_GET

    def log_message(self, *_: Any) -> None:
        """A test's output is its own."""


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    made = Stranger()
    yield made
    made.shutdown()
    made.server_close()


def struck(cluster: Cluster) -> str:
    """A deployment `web` scaled to nothing; the fault's mark."""
    made = cluster.deployment("web", 2)
    mark = marks.mark_of(CONTEXT, made["metadata"]["uid"], [{"path": "/spec/replicas", "before": 2, "after": 0}])
    marks.strike(Api(where(cluster)), DEPLOYMENTS, cluster.namespace, "web", mark)
    return mark


# --- who answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "content"),
    [
        pytest.param(404, b"<html><h1>404 Not Found</h1></html>", id="a proxy's page"),
        pytest.param(404, b"404 page not found\n", id="a proxy's line"),
        pytest.param(404, b'{"error": "no such route"}', id="a proxy's JSON"),
        pytest.param(200, b'{"status": "ok"}', id="a page for health checks"),
    ],
)
def test_what_is_no_api_server_does_not_say_that_a_fault_is_gone(
    tmp_path: Path, stranger: Stranger, status: int, content: bytes
) -> None:
    """A load balancer whose API server is down, say: it stood, and was told to be recovered."""
    stranger.status, stranger.content = status, content
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", stranger.server_port, "shop")
    api = Api({"kubeconfig": str(kubeconfig), "context": "gameday", "in_cluster": False})
    mark = marks.mark_of(CONTEXT, "u-1", [{"path": "/spec/replicas", "before": 2, "after": 0}])
    for ask in (marks.undo, marks.undone):
        with pytest.raises(Unreachable, match="not an API server's"):
            ask(api, DEPLOYMENTS, "shop", "web", mark)
    try:
        _, blind = litter.find(api, ["shop"])
    except Unreachable:
        return
    assert any(line.startswith("deployments in shop") for line in blind), "nothing was looked at"


@pytest.mark.double
def test_logging_in_again_does_not_lead_to_another_cluster(cluster: DoubleCluster, stranger: Stranger) -> None:
    """The kubeconfig was written anew, and an undo that waits finds its token expired."""
    mark = struck(cluster)
    stranger.content = json.dumps({"kind": "Status", "reason": "NotFound", "code": 404}).encode()
    api = Api(where(cluster))
    cluster.expire()
    write_kubeconfig(cluster.kubeconfig, stranger.server_port, cluster.namespace)
    for ask in (marks.undo, marks.undone):
        with pytest.raises(TargetError, match=rf"leads to http://127.0.0.1:{stranger.server_port} now"):
            ask(api, DEPLOYMENTS, cluster.namespace, "web", mark)
    assert stranger.asked == []


# --- recover --target ------------------------------------------------------------------------------------------------


def recover(cluster: Cluster, folder: Path, namespaces: list[str] | None = None) -> int:
    """`recover --target` in this process, without a store."""
    settings = folder / "gameday.toml"
    more = {"namespaces": namespaces} if namespaces else {}
    settings.write_text(toml_of(cluster, {}, **more))
    return int(recover_target("staging", settings, f"sqlite:///{folder}/none.db"))


def test_a_mark_that_a_rollback_brought_back_is_found(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kubectl rollout undo` puts the template and the annotations of an old ReplicaSet on a Deployment, no labels."""
    made = cluster.deployment("web", 1, env={"MODE": "good"})
    value = "/spec/template/spec/containers/0/env/0/value"
    mark = marks.mark_of(CONTEXT, made["metadata"]["uid"], [{"path": value, "before": "good", "after": "bad"}])
    env = json.loads(json.dumps(made["spec"]["template"]["spec"]["containers"]).replace('"good"', '"bad"'))
    back = {"metadata": {"annotations": {marks.MARK: mark}}, "spec": {"template": {"spec": {"containers": env}}}}
    cluster.patch("Deployment", "web", back)
    assert recover(cluster, tmp_path) == 4, "whether that is the fault, or somebody's own, can't be told"
    said = capsys.readouterr()
    assert f"deployment {cluster.namespace}/web  leaked" in said.out and "can't be told" in said.err
    web = cluster.get("Deployment", "web")
    assert web is not None and marks.value_at(web, value) == "bad"
    assert marks.MARK in web["metadata"]["annotations"], "what it was before is kept"


def test_a_fault_that_stands_is_undone_also_where_somebody_took_its_labels(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2)
    services = {"web": {"workload": "deployment/web"}}
    Planned(cluster, "dependency-outage", services, {"service": "web", "by": "scale"}).inject()
    cluster.patch("Deployment", "web", {"metadata": {"labels": {marks.EXERCISE: None, marks.FAULT: None}}})
    assert recover(cluster, tmp_path) == 0
    web = cluster.get("Deployment", "web")
    assert web is not None and web["spec"]["replicas"] == 2


def test_a_fault_whose_mark_a_rollback_took_is_loud_with_the_store_lost(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.deployment("web", 2)
    services = {"web": {"workload": "deployment/web"}}
    Planned(cluster, "dependency-outage", services, {"service": "web", "by": "scale"}).inject()
    cluster.patch("Deployment", "web", {"metadata": {"annotations": {marks.MARK: None}}})
    cluster.until(lambda: as_workload(DEPLOYMENTS, cluster.get("Deployment", "web") or {}).settled)

    def no_copy_left() -> bool:
        # Its controller may just be writing one.
        copies = [one for one in cluster.list("ReplicaSet") if marks.MARK in (meta(one).get("annotations") or {})]
        for one in copies:
            cluster.patch("ReplicaSet", one["metadata"]["name"], {"metadata": {"annotations": {marks.MARK: None}}})
        return not copies

    cluster.until(no_copy_left)
    assert recover(cluster, tmp_path) == 4
    said = capsys.readouterr().err
    assert "has the labels of a fault, and its mark is gone" in said
    assert "kubectl" in said and " delete " not in said, "the workload is somebody's"
    assert cluster.get("Deployment", "web") is not None


def test_pods_that_chaos_mesh_was_to_kill_lose_their_mark_without_a_podchaos(cluster: Cluster, tmp_path: Path) -> None:
    """Everything died between the marks and the PodChaos."""
    cluster.deployment("web", 1)
    (pod,) = cluster.pods("app=web")
    name = pod["metadata"]["name"]
    cluster.patch("Pod", name, {"metadata": {"labels": {experiments.KILL: "gameday-x-1-kill"}}})
    assert recover(cluster, tmp_path) == 0
    after = cluster.get("Pod", name)
    assert after is not None and experiments.KILL not in after["metadata"]["labels"]


@pytest.fixture
def elsewhere(cluster: Cluster) -> Iterator[str]:
    """Another namespace, with the claim of a living exercise that has cordoned a node."""
    name = f"{cluster.namespace}-other"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    lease.acquire(where(cluster), [name], CONTEXT["exercise"])
    yield name
    cluster.delete("Namespace", name)


@pytest.fixture
def cordoned(cluster: Cluster) -> Iterator[str]:
    name = f"{cluster.namespace}-node"
    made = cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}})
    change = {"path": "/spec/unschedulable", "before": marks.ABSENT, "after": True}
    mark = marks.mark_of(CONTEXT, made["metadata"]["uid"], [change])
    marks.strike(Api(where(cluster)), NODES, None, name, mark)
    yield name
    cluster.delete("Node", name)


def is_cordoned(cluster: Cluster, name: str) -> bool:
    found = cluster.get("Node", name)
    assert found is not None
    return bool(found["spec"].get("unschedulable"))


def test_a_node_of_a_living_exercise_in_other_namespaces_is_left_alone(
    cluster: Cluster, tmp_path: Path, elsewhere: str, cordoned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recover(cluster, tmp_path) == 4
    assert f"exercise x-1 holds namespace {elsewhere}" in capsys.readouterr().err
    assert is_cordoned(cluster, cordoned)
    lease.release(where(cluster), [elsewhere], CONTEXT["exercise"])
    assert recover(cluster, tmp_path) == 0
    assert not is_cordoned(cluster, cordoned)


@pytest.mark.double
def test_a_node_of_whom_nobody_can_say_whether_they_live_is_left_and_said(
    cluster: DoubleCluster, tmp_path: Path, cordoned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.misbehave(verb="list", resource="leases", status=403)
    assert recover(cluster, tmp_path) == 4
    said = capsys.readouterr().err
    assert f"NOT RECOVERED: node {cordoned} (exercise x-1, fault-1): whether that exercise is alive can't be" in said
    assert "kubectl" in said and is_cordoned(cluster, cordoned)


def test_a_recovery_that_lost_its_claim_touches_nothing_more(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It took so long that its claim ran out, and an exercise has begun: what stands now may be that one's."""
    struck(cluster)
    looked = litter.find

    def slowly(api: Api, namespaces: Sequence[str]) -> tuple[list[litter.Litter], list[str]]:
        found = looked(api, namespaces)
        cluster.patch("Lease", lease.NAME, {"spec": {"holderIdentity": "x-other"}})
        return found

    monkeypatch.setattr(litter, "find", slowly)
    assert recover(cluster, tmp_path) == 4
    assert "exercise x-other holds" in capsys.readouterr().err
    web = cluster.get("Deployment", "web")
    assert web is not None and web["spec"]["replicas"] == 0


# --- from elsewhere --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["named", "environment", "several"])
def test_whoever_undoes_finds_the_kubeconfig_from_any_folder(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """`recover` in another shell: neither the folder nor KUBECONFIG are those of the run."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("config").write_text(cluster.kubeconfig.read_text())
    Path("other").write_text("apiVersion: v1\nkind: Config\n")
    settings = Path("gameday.toml")
    text = toml_of(cluster, {})
    if how == "named":
        settings.write_text(text.replace(str(cluster.kubeconfig), "config"))
    else:
        lines = [line for line in text.splitlines() if not line.startswith("kubeconfig")]
        settings.write_text("\n".join(lines))
        monkeypatch.setenv("KUBECONFIG", "config" if how == "environment" else "other:config")
    there = check_target("staging", load_settings(explicit=settings)).settings["cluster"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Api(there).server == cluster.url
    command = kubectl(there, None)
    file = f"{tmp_path}/here/config"
    if how == "several":
        assert command[:3] == ["env", f"KUBECONFIG={tmp_path}/here/other:{file}", "kubectl"]
    else:
        assert command[:3] == ["kubectl", "--kubeconfig", file]


@pytest.mark.parametrize("waits", [True, False], ids=["an undo that waits", "recover"])
def test_another_cluster_at_the_same_address_is_not_taken_for_the_one_that_was(cluster: Cluster, waits: bool) -> None:
    """A tunnel to another one: that the object is not there, or another one, said that the fault was undone."""
    resolved = engines.resolved({"cluster": where(cluster)}, "staging")["cluster"]
    system = cluster.get("Namespace", "kube-system")
    assert system is not None and resolved["uid"] == system["metadata"]["uid"]
    mark = marks.mark_of(CONTEXT, "of the other cluster", [{"path": "/spec/replicas", "before": 2, "after": 0}])
    cluster.deployment("web", 1)
    api = Api(resolved)
    if waits:
        api.warm_up()
    asks: list[Callable[[], object]] = [
        lambda: marks.undo(api, DEPLOYMENTS, cluster.namespace, "web", mark),
        lambda: marks.undone(api, DEPLOYMENTS, cluster.namespace, "web", mark),
        lambda: marks.undone(api, DEPLOYMENTS, cluster.namespace, "gone", mark),
        lambda: creations.gone(api, NETWORK_POLICIES, cluster.namespace, "gone"),
    ]
    for ask in asks:
        # In its own cluster they are gone.
        ask()
    api.where["uid"] = "of the other cluster"
    if not waits:
        api = Api(api.where)
    for ask in asks:
        with pytest.raises(TargetError, match="leads to another cluster now, at the same address"):
            ask()


# --- the claim -------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setattr(lease, "RENEWED", 0.05)
    monkeypatch.setattr(lease, "LASTS", 1)
    lease.acquire(where(cluster), [cluster.namespace], "x-1")
    keeping = lease.keep(where(cluster), [cluster.namespace], "x-1")
    assert "confirmed" in next(keeping)
    return keeping


@pytest.mark.double
def test_who_may_not_renew_the_claim_any_more_stops_before_another_begins(
    cluster: DoubleCluster, kept: Iterator[dict[str, Any]]
) -> None:
    """Nor may they read whose it is by then: two exercises went on in one namespace."""
    cluster.rules("gameday", [{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]}])
    said = list(kept)
    assert "the claim can't be renewed: " in said[0]["warn"]
    assert "has run out, and we may not renew it" in said[-1]["abort"]


@pytest.mark.double
def test_a_claim_to_a_namespace_that_is_gone_is_not_renewed(
    cluster: DoubleCluster, kept: Iterator[dict[str, Any]]
) -> None:
    cluster.delete("Namespace", cluster.namespace)
    cluster.until(lambda: cluster.get("Namespace", cluster.namespace) is None)
    assert "the claim can't be renewed" in next(kept)["warn"]


def test_who_wakes_up_in_another_exercise_kills_none_of_its_pods(cluster: Cluster) -> None:
    """A laptop was closed, its claim ran out: on waking up, it went on killing until it heard of that."""
    cluster.deployment("web", 2)
    lease.acquire(where(cluster), [cluster.namespace], CONTEXT["exercise"])
    fault = Planned(cluster, "pod-kill", {"web": {"workload": "deployment/web"}}, {"service": "web", "every": "1s"})
    kills = fault.call("inject")
    assert "deleted" in next(kills)["evidence"]
    cluster.whole("web")
    cluster.patch("Lease", lease.NAME, {"spec": {"holderIdentity": "x-other"}})
    before = {pod["metadata"]["uid"] for pod in cluster.pods("app=web")}
    with pytest.raises(lease.Held, match="exercise x-other holds"):
        next(kills)
    assert {pod["metadata"]["uid"] for pod in cluster.pods("app=web")} == before


@pytest.mark.double
def test_a_claim_that_can_neither_be_had_nor_given_back_is_a_refusal(cluster: DoubleCluster) -> None:
    """It ended in a traceback, as if gameday were wrong; what it had claimed runs out by itself."""
    other = f"{cluster.namespace}-other"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    cluster.misbehave(verb="create", resource="leases", namespace=other, status=500)
    cluster.misbehave(verb="delete", resource="leases", status=500)
    with pytest.raises(TargetError, match=r"the target can't be claimed: POST .*500"):
        lease.acquire(where(cluster), [cluster.namespace, other], "x-1")
