"""Watches: what is there, what changes, what no longer matches, and how a watch ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kubernetes.double.asking import request, watching
from tests.support.kubernetes.cluster import DoubleCluster

pytestmark = pytest.mark.double


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def seen(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


def version(cluster: DoubleCluster) -> str:
    _, _, found = request(cluster, "GET", cluster.path("ConfigMap"))
    at: str = found["metadata"]["resourceVersion"]
    return at


def test_from_a_version_on_with_a_selector(cluster: DoubleCluster) -> None:
    cluster.apply(config_map("before", app="web"))
    path = f"{cluster.path('ConfigMap')}?watch=true&labelSelector=app%3Dweb&resourceVersion={version(cluster)}"
    with watching(cluster, path) as events:
        cluster.apply(config_map("other", app="db"))
        cluster.apply(config_map("one", app="web"))
        assert seen(next(events)) == ("ADDED", "one")
        cluster.patch("ConfigMap", "one", {"data": {"a": "1"}})
        assert seen(next(events)) == ("MODIFIED", "one")
        cluster.patch("ConfigMap", "one", {"metadata": {"labels": {"app": "db"}}})
        assert seen(next(events)) == ("DELETED", "one"), "it no longer matches"
        cluster.patch("ConfigMap", "other", {"metadata": {"labels": {"app": "web"}}})
        assert seen(next(events)) == ("ADDED", "other")
        cluster.delete("ConfigMap", "other")
        last = next(events)
        assert seen(last) == ("DELETED", "other")
        assert last["object"]["kind"] == "ConfigMap"


def test_without_a_version_what_is_there_comes_first(cluster: DoubleCluster) -> None:
    cluster.apply(config_map("one", app="web"))
    with watching(cluster, f"{cluster.path('ConfigMap')}?watch=1&labelSelector=app&timeoutSeconds=1") as events:
        assert [seen(event) for event in events] == [("ADDED", "one")], "and the watch ends in its time"


def test_bookmarks(cluster: DoubleCluster) -> None:
    path = f"{cluster.path('Pod')}?watch=1&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion={version(cluster)}"
    with watching(cluster, path) as events:
        kinds = [event["type"] for event in events]
    assert set(kinds) == {"BOOKMARK"}


def test_too_old_is_an_error_inside_the_stream(cluster: DoubleCluster) -> None:
    at = version(cluster)
    cluster.compact()
    with watching(cluster, f"{cluster.path('Pod')}?watch=1&resourceVersion={at}") as events:
        (event,) = list(events)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


def test_a_compaction_also_reaches_lists_in_pages(cluster: DoubleCluster) -> None:
    for name in ("one", "two"):
        cluster.apply(config_map(name))
    _, _, first = request(cluster, "GET", cluster.path("ConfigMap") + "?limit=1")
    cluster.compact()
    path = f"{cluster.path('ConfigMap')}?limit=1&continue={first['metadata']['continue']}"
    status, _, said = request(cluster, "GET", path)
    assert (status, said["reason"]) == (410, "Expired")


def test_dropped_watches_end_and_can_be_taken_up(cluster: DoubleCluster) -> None:
    path = f"{cluster.path('ConfigMap')}?watch=1&labelSelector=app&resourceVersion="
    with watching(cluster, path + version(cluster)) as events:
        cluster.apply(config_map("one", app="web"))
        at = next(events)["object"]["metadata"]["resourceVersion"]
        cluster.drop_watches()
        assert list(events) == []
    cluster.apply(config_map("two", app="web"))
    with watching(cluster, path + at) as events:
        assert seen(next(events)) == ("ADDED", "two")
        cluster.drop_watches(abrupt=True)
        with pytest.raises(ConnectionResetError):
            list(events)


def test_the_deployment_of_a_pod_is_seen_from_its_creation_to_its_end(cluster: DoubleCluster) -> None:
    at = version(cluster)
    cluster.deployment("web", replicas=1)
    (pod,) = cluster.pods("app=web")
    cluster.delete("Pod", pod["metadata"]["name"], gracePeriodSeconds=0)
    with watching(cluster, f"{cluster.path('Pod')}?watch=1&resourceVersion={at}") as events:
        kinds = []
        for event in events:
            if event["object"]["metadata"]["name"] == pod["metadata"]["name"]:
                kinds.append(event["type"])
            if event["type"] == "DELETED":
                break
    assert kinds[0] == "ADDED"
    assert kinds[-1] == "DELETED"
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(at)
