"""What a fault makes: inert first, then set to work; taken away by name, and never somebody else's."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from gameday.cluster import creations
from gameday.cluster.api import Api
from gameday.cluster.errors import Unreachable
from gameday.cluster.resources import NETWORK_POLICIES
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .targets import CONTEXT, where

NAME = "gameday-x-1-fault-1"
OWN = creations.our_labels(CONTEXT)
STRIKE = [{"op": "replace", "path": "/spec/podSelector", "value": {"matchLabels": {"app": "web"}}}]


@pytest.fixture
def api(cluster: Cluster) -> Api:
    return Api(where(cluster))


def inert(cluster: Cluster) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": cluster.namespace, "labels": OWN},
        "spec": {"podSelector": {"matchLabels": {"gameday.dev/inert": "true"}}, "policyTypes": ["Ingress"]},
    }


def policy(cluster: Cluster) -> dict[str, Any] | None:
    return cluster.get("NetworkPolicy", NAME)


def remove(cluster: Cluster, api: Api) -> None:
    creations.remove(api, NETWORK_POLICIES, cluster.namespace, NAME, OWN)


def test_made_set_to_work_and_taken_away(cluster: Cluster, api: Api) -> None:
    creations.make(api, NETWORK_POLICIES, inert(cluster), STRIKE)
    made = policy(cluster)
    assert made is not None
    assert made["spec"]["podSelector"] == {"matchLabels": {"app": "web"}}
    assert made["metadata"]["labels"] == OWN
    said = creations.gone(api, NETWORK_POLICIES, cluster.namespace, NAME)
    assert said == {"holds": False, "evidence": f"networkpolicy {cluster.namespace}/{NAME} is still there"}
    remove(cluster, api)
    assert policy(cluster) is None
    assert creations.gone(api, NETWORK_POLICIES, cluster.namespace, NAME)["holds"]
    remove(cluster, api)


def test_one_of_the_same_name_that_is_not_ours_stays(cluster: Cluster, api: Api) -> None:
    theirs = inert(cluster)
    theirs["metadata"]["labels"] = {"team": "payments"}
    cluster.apply(theirs)
    with pytest.raises(RuntimeError, match="is there already and not this fault's"):
        creations.make(api, NETWORK_POLICIES, inert(cluster), STRIKE)
    with pytest.raises(RuntimeError, match="is not this fault's any more: it was left alone"):
        remove(cluster, api)
    there = policy(cluster)
    assert there is not None and there["spec"]["podSelector"] == inert(cluster)["spec"]["podSelector"]


def test_made_a_second_time_goes_on_where_it_was(cluster: Cluster, api: Api) -> None:
    """The answer to the first request was lost, say."""
    body = inert(cluster)
    body["metadata"]["annotations"] = {creations.STATE: "inert"}
    cluster.apply(body)
    creations.make(api, NETWORK_POLICIES, inert(cluster), STRIKE)
    made = policy(cluster)
    assert made is not None and made["spec"]["podSelector"] == {"matchLabels": {"app": "web"}}


@pytest.mark.parametrize("step", ["create", "patch"])
@pytest.mark.double
def test_what_a_slow_server_carries_out_after_the_undo_is_harmless(cluster: DoubleCluster, api: Api, step: str) -> None:
    cluster.misbehave(verb=step, resource="networkpolicies", times=1, delay=0.6)

    def inject() -> None:
        impatient = Api(where(cluster))
        real = impatient._once
        impatient._once = lambda *words: real(*words[:-1], 0.2)  # type: ignore[method-assign]
        with pytest.raises(Unreachable):
            creations.make(impatient, NETWORK_POLICIES, inert(cluster), STRIKE)

    thread = threading.Thread(target=inject)
    thread.start()
    thread.join()
    remove(cluster, api)
    assert creations.gone(api, NETWORK_POLICIES, cluster.namespace, NAME)["holds"]
    cluster.until(lambda: all(one.status is not None for one in cluster.asked(verb=step)), 5)
    late = policy(cluster)
    if step == "create":
        assert late is not None, "it did land late"
        assert late["spec"]["podSelector"] == inert(cluster)["spec"]["podSelector"], "and does nothing"
        remove(cluster, api)
    else:
        assert late is None


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("gameday-20261121-0859-3sqt-fault-1", "gameday-20261121-0859-3sqt-fault-1"),
        ("gameday-x-Payments_dark.1", "gameday-x-payments-dark-1-"),
        ("gameday-x-" + "a" * 64, "gameday-x-" + "a" * 44 + "-"),
    ],
)
def test_names_are_such_as_kubernetes_takes(name: str, made: str) -> None:
    found = creations.object_name(name)
    assert found.startswith(made) and len(found) <= 63
    assert found == creations.object_name(name)
    assert creations.object_name(name.upper()) != found
