"""Bad days that a test can switch on, what is recorded, and what the double refuses to make up."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest

from tests.kubernetes.double.asking import request
from tests.support.kubernetes.cluster import DoubleCluster

pytestmark = pytest.mark.double


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def listed(cluster: DoubleCluster) -> tuple[int, dict[str, str], Any]:
    return request(cluster, "GET", cluster.path("ConfigMap"))


@pytest.mark.parametrize("status", [401, 403, 404, 409, 410, 422, 500, 503])
def test_a_status_instead_of_an_answer(cluster: DoubleCluster, status: int) -> None:
    cluster.misbehave(verb="create", resource="configmaps", status=status)
    answered, _, said = request(cluster, "POST", cluster.path("ConfigMap"), config_map("one"))
    assert (answered, said["code"], said["kind"]) == (status, status, "Status")
    assert cluster.get("ConfigMap", "one") is None, "nothing was done"
    assert listed(cluster)[0] == 200, "other requests are not touched"


def test_only_the_second_and_third(cluster: DoubleCluster) -> None:
    cluster.misbehave(resource="configmaps", after=1, times=2, status=429, retry_after=7)
    answers = [listed(cluster) for _ in range(4)]
    assert [one[0] for one in answers] == [200, 429, 429, 200]
    assert answers[1][1]["Retry-After"] == "7"
    assert answers[1][2]["details"]["retryAfterSeconds"] == 7


def test_bad_days_end(cluster: DoubleCluster) -> None:
    first = cluster.misbehave(verb="list", status=500)
    second = cluster.misbehave(verb="create", status=503)
    cluster.behave(first)
    assert listed(cluster)[0] == 200
    assert request(cluster, "POST", cluster.path("ConfigMap"), config_map("one"))[0] == 503
    cluster.behave(second)
    assert request(cluster, "POST", cluster.path("ConfigMap"), config_map("one"))[0] == 201


def test_acted_on_late_though_the_client_has_left(cluster: DoubleCluster) -> None:
    cluster.misbehave(verb="create", delay=0.6)
    with pytest.raises(TimeoutError):
        request(cluster, "POST", cluster.path("ConfigMap"), config_map("late"), timeout=0.1)
    assert cluster.get("ConfigMap", "late") is None
    cluster.until(lambda: cluster.get("ConfigMap", "late"), what="it is carried out all the same")


def test_acted_on_at_once_and_answered_late(cluster: DoubleCluster) -> None:
    cluster.misbehave(verb="create", delay_answer=0.4)
    asking = threading.Thread(target=request, args=(cluster, "POST", cluster.path("ConfigMap"), config_map("one")))
    asking.start()
    cluster.until(lambda: cluster.get("ConfigMap", "one"))
    assert [one.status for one in cluster.asked(verb="create")] == [None], "done, and not answered yet"
    asking.join()
    assert [one.status for one in cluster.asked(verb="create")] == [201]


def test_the_connection_is_reset_before_or_after_acting(cluster: DoubleCluster) -> None:
    number = cluster.misbehave(verb="create", reset="before")
    with pytest.raises(ConnectionError):
        request(cluster, "POST", cluster.path("ConfigMap"), config_map("one"))
    assert cluster.get("ConfigMap", "one") is None
    cluster.behave(number)
    cluster.misbehave(verb="create", reset="after")
    with pytest.raises(ConnectionError):
        request(cluster, "POST", cluster.path("ConfigMap"), config_map("one"))
    assert cluster.get("ConfigMap", "one")
    assert [one.status for one in cluster.asked(verb="create")] == [0, 0]


def test_gone_and_back_on_the_same_port(cluster: DoubleCluster) -> None:
    assert listed(cluster)[0] == 200
    cluster.gone()
    with pytest.raises(ConnectionRefusedError):
        listed(cluster)
    assert cluster.get("Namespace", cluster.namespace), "the test itself still gets through"
    cluster.back()
    assert listed(cluster)[0] == 200


def test_a_stopped_process_answers_when_it_goes_on(cluster: DoubleCluster) -> None:
    cluster.signal(signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        request(cluster, "GET", "/version", timeout=0.1)
    cluster.signal(signal.SIGCONT)
    assert request(cluster, "GET", "/version")[0] == 200


def test_a_killed_one_is_replaced_for_the_next_test(cluster: DoubleCluster) -> None:
    cluster.signal(signal.SIGKILL)
    cluster.until(lambda: not cluster.double.alive)


def test_what_was_asked_is_recorded(cluster: DoubleCluster) -> None:
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    request(cluster, "DELETE", cluster.path("Pod", "web-1") + "?propagationPolicy=Orphan", body)
    (one,) = cluster.requests
    assert (one.method, one.verb, one.resource, one.name, one.status) == ("DELETE", "delete", "pods", "web-1", 404)
    assert (one.user, one.namespace, one.body) == ("gameday", cluster.namespace, body)
    assert one.query == {"propagationPolicy": "Orphan"}
    assert one.content_type == "application/json"
    assert abs(one.time - time.time()) < 5
    cluster.forget_requests()
    assert cluster.requests == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/apis/storage.k8s.io/v1/storageclasses"),
        ("GET", "/api/v1/namespaces/default/pods?labelSelectors=app"),
        ("GET", "/api/v1/namespaces/default/pods/web-1/exec"),
        ("DELETE", "/api/v1/namespaces/default/pods"),
        ("GET", "/openapi/v3"),
    ],
)
def test_what_it_has_no_rule_for_is_held_against_the_test(cluster: DoubleCluster, method: str, path: str) -> None:
    status, _, said = request(cluster, method, path)
    assert (status, said["reason"]) == (501, "NotImplemented")
    (told,) = cluster.forgive()
    assert path.partition("?")[0] in told
    assert cluster.violations == []


def test_an_unforgiven_violation_fails_the_test_at_its_end(cluster: DoubleCluster) -> None:
    request(cluster, "GET", "/openapi/v3")
    with pytest.raises(AssertionError, match=r"neither state nor a rule for this path \(GET /openapi/v3\)"):
        cluster.close()
    cluster.forgive()
    cluster.close()
