"""Requests on bad days: repeated only where nothing can happen twice, and every failure is said in words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gameday.cluster.api import Api
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.resources import DEPLOYMENTS, EVENTS, NETWORK_POLICIES, PODS, SERVICES
from gameday.errors import TargetError
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.process import write_kubeconfig

from .targets import where


@pytest.fixture
def api(cluster: Cluster) -> Api:
    return Api(where(cluster))


def policy(cluster: Cluster, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "one", "namespace": cluster.namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], **more},
    }


def test_what_is_not_there_is_none_and_an_empty_list(cluster: Cluster, api: Api) -> None:
    assert api.get(PODS, cluster.namespace, "nobody") is None
    assert api.items(PODS, cluster.namespace, selector="app=nobody") == []
    assert api.items(PODS, "no-such-namespace") == []


def test_long_lists_come_in_pages(cluster: Cluster, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gameday.cluster.api.PAGE", 2)
    for number in range(5):
        cluster.apply(policy(cluster) | {"metadata": {"name": f"p-{number}", "namespace": cluster.namespace}})
    found = api.items(NETWORK_POLICIES, cluster.namespace)
    assert [one["metadata"]["name"] for one in found] == [f"p-{number}" for number in range(5)]


def test_a_mistake_is_said_with_what_the_server_says(cluster: Cluster, api: Api) -> None:
    with pytest.raises(Refused) as refused:
        body = policy(cluster) | {"metadata": {"name": "Bad_Name", "namespace": cluster.namespace}}
        api.ask("POST", NETWORK_POLICIES.path(cluster.namespace), body=body)
    assert refused.value.status == 422
    assert "Bad_Name" in str(refused.value) and str(refused.value).startswith("POST /apis/networking.k8s.io/v1/")


def test_a_field_that_the_server_does_not_know_is_refused_and_not_dropped(cluster: Cluster, api: Api) -> None:
    if not cluster.is_real:
        pytest.skip("the double knows the fields of custom resources alone")
    with pytest.raises(Refused) as refused:
        api.ask("POST", NETWORK_POLICIES.path(cluster.namespace), body=policy(cluster, polcyTypes=["Ingress"]))
    assert refused.value.status == 400 and "polcyTypes" in str(refused.value)


def test_another_server_than_the_one_it_was_is_not_spoken_to(cluster: Cluster) -> None:
    assert Api({**where(cluster), "server": Api(where(cluster)).server}).server
    with pytest.raises(TargetError, match=r"leads to .* now; it was https://elsewhere.example.com when"):
        Api({**where(cluster), "server": "https://elsewhere.example.com"})


@pytest.mark.parametrize(
    ("content", "context", "said"),
    [
        (None, "x", "context x can't be used: there is no kubeconfig at [^ ]*/nowhere, or nothing is in it$"),
        ("", "x", "context x can't be used"),
        ("a: [", "x", "context x can't be used"),
        ("[]", "x", "context x can't be used"),
        ("apiVersion: v1\nkind: Config\ncontexts: []\nclusters: []\nusers: []\n", "x", "context x can't be used"),
    ],
)
def test_a_kubeconfig_that_is_wrong(tmp_path: Path, content: str | None, context: str, said: str) -> None:
    path = tmp_path / ("nowhere" if content is None else "config")
    if content is not None:
        path.write_text(content)
    with pytest.raises(TargetError, match=said):
        Api({"kubeconfig": str(path), "context": context, "in_cluster": False})


def test_a_context_that_is_not_there_is_told_with_those_that_are(cluster: Cluster) -> None:
    with pytest.raises(TargetError, match=r"nobody can't be used: the kubeconfig has no context of this name; "):
        Api({**where(cluster), "context": "nobody"})
    with pytest.raises(TargetError, match=f"did you mean '{cluster.context}'"):
        Api({**where(cluster), "context": f"{cluster.context}x"})


def test_outside_of_a_cluster_there_is_no_service_account() -> None:
    with pytest.raises(TargetError, match="the service account of this pod can't be used"):
        Api({"kubeconfig": None, "context": None, "in_cluster": True})


def test_a_client_of_ours_is_not_everybodys(cluster: Cluster) -> None:
    from kubernetes.client import Configuration

    Api(where(cluster))
    assert Configuration.get_default_copy().host == "http://localhost"


# --- bad days --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.double
def test_a_read_is_repeated_on_a_busy_server(cluster: DoubleCluster, api: Api, status: int) -> None:
    cluster.misbehave(verb="list", resource="pods", status=status, times=2)
    assert api.items(PODS, cluster.namespace) == []
    assert len(cluster.asked(verb="list", resource="pods")) == 3


@pytest.mark.double
def test_a_read_is_repeated_when_the_connection_breaks(cluster: DoubleCluster, api: Api) -> None:
    cluster.misbehave(verb="list", resource="pods", reset="before", times=2)
    assert api.items(PODS, cluster.namespace) == []


@pytest.mark.double
def test_the_server_says_how_long_to_wait(cluster: DoubleCluster, api: Api) -> None:
    cluster.misbehave(verb="list", resource="pods", status=429, retry_after=1, times=1)
    api.items(PODS, cluster.namespace)
    first, second = cluster.asked(verb="list", resource="pods")
    assert second.time - first.time >= 0.95


@pytest.mark.double
def test_no_longer_than_there_is_time(cluster: DoubleCluster, api: Api) -> None:
    cluster.misbehave(verb="list", resource="pods", status=429, retry_after=60)
    began = time.monotonic()
    with pytest.raises(Refused, match="429"):
        api.items(PODS, cluster.namespace, timeout=0.5)
    assert time.monotonic() - began < 0.5


@pytest.mark.double
def test_a_write_that_was_turned_away_is_repeated(cluster: DoubleCluster, api: Api) -> None:
    cluster.misbehave(verb="create", resource="networkpolicies", status=429, retry_after=0, times=1)
    api.ask("POST", NETWORK_POLICIES.path(cluster.namespace), body=policy(cluster))
    assert cluster.get("NetworkPolicy", "one") is not None


@pytest.mark.parametrize("trouble", [{"status": 500}, {"status": 503}, {"reset": "before"}, {"reset": "after"}])
@pytest.mark.double
def test_a_write_of_which_nobody_knows_is_not_repeated(
    cluster: DoubleCluster, api: Api, trouble: dict[str, Any]
) -> None:
    cluster.misbehave(verb="create", resource="networkpolicies", times=1, **trouble)
    with pytest.raises((Refused, Unreachable)):
        api.ask("POST", NETWORK_POLICIES.path(cluster.namespace), body=policy(cluster))
    assert len(cluster.asked(verb="create", resource="networkpolicies")) == 1


@pytest.mark.double
def test_a_log_in_that_has_expired_is_made_again(cluster: DoubleCluster, api: Api, tmp_path: Path) -> None:
    api.items(PODS, cluster.namespace)
    cluster.rules("renewed", None, token="another-token")
    cluster.expire()
    text = cluster.kubeconfig.read_text()
    token = next(line.split("token:")[1].strip() for line in text.splitlines() if "token:" in line)
    cluster.kubeconfig.write_text(text.replace(token, "another-token"))
    assert api.items(PODS, cluster.namespace) == []


@pytest.mark.double
def test_a_log_in_that_stays_expired_is_said(cluster: DoubleCluster, api: Api) -> None:
    cluster.expire()
    with pytest.raises(Refused, match="401, the API server does not know who asks: log in again"):
        api.items(PODS, cluster.namespace)


@pytest.mark.double
def test_a_server_that_is_gone(cluster: DoubleCluster, api: Api) -> None:
    cluster.gone()
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"the API server http://127.0.0.1:\d+ can't be reached \(DELETE .*refused"):
        api.ask("DELETE", SERVICES.path(cluster.namespace, "web"), timeout=2.0)
    assert time.monotonic() - began < 2.0
    cluster.back()
    assert api.items(PODS, cluster.namespace) == []


@pytest.mark.double
def test_a_server_that_is_slow(cluster: DoubleCluster, api: Api) -> None:
    cluster.misbehave(verb="list", resource="events", delay=5)
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        api.items(EVENTS, cluster.namespace, timeout=0.2)


@pytest.mark.double
def test_writes_carry_their_time_limit_and_are_strict(cluster: DoubleCluster, api: Api) -> None:
    api.ask("POST", NETWORK_POLICIES.path(cluster.namespace), body=policy(cluster), timeout=4.0)
    (asked,) = cluster.asked(verb="create", resource="networkpolicies")
    assert asked.query == {"timeout": "4s", "fieldValidation": "Strict"}
    assert asked.user_agent == "gameday"


def test_something_else_than_an_api_server(tmp_path: Path, serving_html: int) -> None:
    config = write_kubeconfig(tmp_path / "config", serving_html, "default")
    with pytest.raises(Unreachable, match=r"the answer is not JSON: .*is this an API server"):
        Api({"kubeconfig": str(config), "context": "gameday", "in_cluster": False}).items(DEPLOYMENTS, "default")


@pytest.fixture
def serving_html() -> Any:
    import http.server
    import threading

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>log in</html>")

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_that_keeps_everything_from_being_changed_is_told_with_the_way_out() -> None:
    """A fault may have taken down what answers it: then neither an undo nor what is pasted changes anything."""
    message = 'Internal error occurred: failed calling webhook "check.example.com": connection refused'
    said = str(Refused("PATCH /x", 500, {"reason": "InternalError", "message": message}))
    assert "set failurePolicy: Ignore in its webhook configuration, or delete that" in said
