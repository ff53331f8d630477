"""A log-in that acts as somebody else: gameday does so too, with all that it asks, or does nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from gameday.cluster.api import Api
from gameday.cluster.errors import Refused
from gameday.cluster.impersonation import headers, send_with
from gameday.cluster.resources import PODS, SERVICES
from gameday.errors import TargetError
from gameday.faults import activity
from gameday.faults.chaostoolkit import ActivityFailed
from gameday.faults.planning import plan
from gameday.interchange.chaostoolkit.portable import CantExport, in_activities
from gameday.interchange.losses import Losses
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .targets import CONTEXT, place_of, target_of, where

Json = dict[str, Any]

ALL: Json = {
    "as": "jürgen",
    "as-uid": "7",
    "as-groups": ["readers", "late, shift"],
    "as-user-extra": {"example.com/Team%": ["a", "b"]},
}

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture
def acting(cluster: Cluster, tmp_path: Path) -> Cluster:
    """The cluster, by a kubeconfig whose user acts as `gameday-test-nobody`, who may do nothing."""
    return acts(cluster, tmp_path, {"as": "gameday-test-nobody"})


def acts(cluster: Cluster, folder: Path, keys: Json) -> Cluster:
    found = yaml.safe_load(cluster.kubeconfig.read_text())
    for each in found["users"]:
        each["user"] |= keys
    cluster.kubeconfig = folder / "acting.kubeconfig"
    cluster.kubeconfig.write_text(yaml.safe_dump(found))
    return cluster


def test_what_is_asked_is_asked_as_whom_the_kubeconfig_says(acting: Cluster) -> None:
    api = Api(where(acting))
    with pytest.raises(Refused, match=r"403 .*gameday-test-nobody") as refused:
        api.items(PODS, acting.namespace)
    assert refused.value.status == 403
    with pytest.raises(Refused, match=r"403 .*gameday-test-nobody"):
        api.patch(SERVICES, acting.namespace, "web", {})
    with pytest.raises(Refused, match=r"403 .*gameday-test-nobody"):
        list(api.watch(PODS, acting.namespace, since="0", seconds=1))


@pytest.mark.double
def test_user_uid_groups_and_more_go_with_every_request(cluster: DoubleCluster, tmp_path: Path) -> None:
    """As kubectl sends them: each group in a header of its own, keys escaped, values as UTF-8."""
    acts(cluster, tmp_path, ALL)
    cluster.rules("jürgen".encode().decode("latin-1"), None)
    api = Api(where(cluster))
    found, version = api.page(PODS, cluster.namespace)
    assert found == [] and api.identity()
    with pytest.raises(Refused, match="404"):
        api.patch(SERVICES, cluster.namespace, "web", {})
    list(api.watch(PODS, cluster.namespace, since=version, seconds=1))
    seen = [{key.lower(): values for key, values in one.impersonating.items()} for one in cluster.requests]
    assert len(seen) > 3
    for one in seen:
        assert one.pop("impersonate-user")[0].encode("latin-1").decode() == "jürgen"
        assert one == {
            "impersonate-uid": ["7"],
            "impersonate-group": ["readers", "late, shift"],
            "impersonate-extra-example.com%2fteam%25": ["a", "b"],
        }


@pytest.mark.double
def test_who_may_not_impersonate_is_told_so(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.rules("gameday", [{"verbs": ["*"], "resources": ["pods"]}])
    acts(cluster, tmp_path, {"as": "boss"})
    with pytest.raises(Refused, match=r"cannot impersonate resource .?users"):
        Api(where(cluster)).items(PODS, cluster.namespace)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"as-groups": ["a"]}, "as-groups or as-user-extra, and no `as`: say in the kubeconfig whom to impersonate"),
        ({"as-uid": "1", "as": ""}, "and no `as`"),
        ({"as": 5}, "as of its user is not text: put quotes around it"),
        ({"as": "a\nb"}, "as of its user holds a line break"),
        ({"as": "a", "as-groups": "b"}, "as-groups of its user is no list"),
        ({"as": "a", "as-groups": [7]}, "as-groups of its user is not text"),
        ({"as": "a", "as-user-extra": {"k": "v"}}, "as-user-extra of its user is no list"),
        ({"as": "a", "as-user-extra": ["k"]}, "as-user-extra of its user is no table"),
    ],
)
def test_what_cant_be_sent_is_refused(cluster: Cluster, tmp_path: Path, keys: Json, said: str) -> None:
    acts(cluster, tmp_path, keys)
    with pytest.raises(TargetError, match=f"context {cluster.context} can't be used: .*{said}"):
        Api(where(cluster))


def test_a_group_stays_one_on_its_way_through_a_proxy() -> None:
    """Where a request is sent on, and not through, the header dictionary of urllib3 would make one of several."""
    from urllib3 import ProxyManager

    came: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            came.extend(self.headers.get_all("Impersonate-Group") or ["none"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        manager = ProxyManager(f"http://127.0.0.1:{server.server_port}")
        send_with(manager, headers({"as": "me", "as-groups": ["one", "two"]}))
        manager.request("GET", "http://192.0.2.1/api", headers={"Accept": "*/*"})
        manager.clear()
    finally:
        server.shutdown()
        server.server_close()
    assert came == ["one", "two"]


# --- what logs in by itself ------------------------------------------------------------------------------------------


def scaled(cluster: Cluster, **more: Any) -> Json:
    arguments = {"name": "web", "replicas": 1, "ns": cluster.namespace}
    where = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment"}
    return {**where, "arguments": arguments, "timeout": "20s", **more}


LOOK: Json = {"type": "process", "path": "sh", "arguments": ["-c", "cat $KUBECONFIG"]}


def test_chaosk8s_does_not_act_with_all_the_rights_of_the_account(acting: Cluster) -> None:
    """Its client knows no `as`. Neither does it as what judges a probe."""
    acting.deployment("web", 2)
    target = target_of(acting, {})
    made = plan("activity", target, {"activity": scaled(acting), "one_shot": True}, CONTEXT)
    said = "impersonates 'gameday-test-nobody', which chaosk8s does not do: .*an activity of type process"
    with pytest.raises(ActivityFailed, match=said):
        activity.run_activity(**made["inject"]["args"])
    with pytest.raises(ActivityFailed, match=said):
        activity.undo(**made["inject"]["args"])
    judged = {**LOOK, "tolerance": {"type": "probe", "name": "x", "provider": scaled(acting)}}
    with pytest.raises(ActivityFailed, match=said):
        activity.run_activity(judged, cluster=where(acting))
    assert acting.get("Deployment", "web")["spec"]["replicas"] == 2  # type: ignore[index]


def test_another_function_finds_no_cluster_and_a_program_whom_to_act_as(acting: Cluster) -> None:
    view = {"type": "python", "module": "os", "func": "getenv", "arguments": {"key": "KUBECONFIG"}}
    assert "fd" in str(activity.run_activity(view, cluster=where(acting)))
    done = activity.run_activity(LOOK, cluster=where(acting))
    assert json.loads(done["stdout"])["users"][0]["user"]["as"] == "gameday-test-nobody"
    read = {"type": "python", "module": "tests.kubernetes.test_impersonation", "func": "lent_server"}
    assert activity.run_activity(read, cluster=where(acting)) == "https://not-the-target.invalid"


def lent_server() -> str:
    """What a Python function is led to."""
    import os

    found = json.loads(Path(os.environ["KUBECONFIG"]).read_text())
    return str(found["clusters"][0]["cluster"]["server"])


@pytest.fixture
def experiment(acting: Cluster, tmp_path: Path) -> Iterator[Any]:
    place = place_of(tmp_path, acting, {}, "")
    action = {"type": "action", "name": "smaller", "provider": scaled(acting)}
    action["provider"].pop("timeout")
    made = {"title": "Smaller", "description": "x", "method": [action], "rollbacks": [action]}
    place.write("k8s.json", json.dumps(made))
    yield place
    place.clean_up()


@pytest.mark.double
def test_an_experiment_by_chaosk8s_is_refused_before_anything_is_touched(experiment: Any) -> None:
    run = ("k8s.json", "--target", "staging", "--no-abort-condition")
    for words in (("preview", *run), ("run", *run, "--unattended")):
        done = experiment.call(*words)
        assert done.returncode == 5
        said = " ".join((done.stdout + done.stderr).split())
        assert "the log-in of context gameday impersonates 'gameday-test-nobody'" in said
    assert not experiment.begun()


def test_nothing_is_exported_that_would_act_with_all_rights(acting: Cluster) -> None:
    kill = {"at": "0s", "fault": "pod-kill", "with": {"service": "web"}}
    document = {"version": 1, "title": "x", "target": "staging", "timeline": [kill]}
    with pytest.raises(CantExport, match="impersonates 'gameday-test-nobody'"):
        in_activities(document, target_of(acting, {"web": {"workload": "deployment/web"}}), Losses())
