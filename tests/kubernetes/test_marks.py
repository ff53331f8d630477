"""A change to somebody else's object: marked, struck, taken back; never over what others did, never late."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from gameday.cluster import marks
from gameday.cluster.api import Api
from gameday.cluster.errors import Refused, Unreachable
from gameday.cluster.resources import DEPLOYMENTS, NODES
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .targets import CONTEXT, where

TO_ZERO = [{"path": "/spec/replicas", "before": 2, "after": 0}]


@pytest.fixture
def api(cluster: Cluster) -> Api:
    return Api(where(cluster))


@pytest.fixture
def mark(cluster: Cluster) -> str:
    made = cluster.deployment("web", replicas=2)
    return marks.mark_of(CONTEXT, made["metadata"]["uid"], TO_ZERO)


def web(cluster: Cluster) -> dict[str, Any]:
    found = cluster.get("Deployment", "web")
    assert found is not None
    return found


def strike(cluster: Cluster, api: Api, mark: str) -> None:
    marks.strike(api, DEPLOYMENTS, cluster.namespace, "web", mark)


def undo(cluster: Cluster, api: Api, mark: str) -> None:
    marks.undo(api, DEPLOYMENTS, cluster.namespace, "web", mark)


def undone(cluster: Cluster, api: Api, mark: str) -> dict[str, Any]:
    return marks.undone(api, DEPLOYMENTS, cluster.namespace, "web", mark)


def test_struck_and_taken_back_without_a_trace(cluster: Cluster, api: Api, mark: str) -> None:
    before = web(cluster)
    strike(cluster, api, mark)
    now = web(cluster)
    assert now["spec"]["replicas"] == 0
    assert json.loads(now["metadata"]["annotations"][marks.MARK])["changes"] == TO_ZERO
    assert now["metadata"]["labels"][marks.EXERCISE] == "x-1"
    assert undone(cluster, api, mark) == {
        "holds": False,
        "evidence": f"deployment {cluster.namespace}/web: it still carries the fault",
    }
    undo(cluster, api, mark)
    after = web(cluster)
    assert after["spec"]["replicas"] == 2
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert marks.MARK not in after["metadata"].get("annotations", {})
    assert undone(cluster, api, mark)["holds"]
    undo(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 2, "undoing twice is undoing once"


def test_the_undo_of_what_was_never_done_does_nothing(cluster: Cluster, api: Api, mark: str) -> None:
    version = web(cluster)["metadata"]["resourceVersion"]
    undo(cluster, api, mark)
    assert undone(cluster, api, mark)["holds"]
    assert web(cluster)["spec"]["replicas"] == 2
    assert web(cluster)["metadata"]["resourceVersion"] == version


def test_what_others_changed_before_it_was_injected_is_no_business_of_the_undo(
    cluster: Cluster, api: Api, mark: str
) -> None:
    cluster.patch("Deployment", "web", {"spec": {"replicas": 3}})
    with pytest.raises(RuntimeError, match="/spec/replicas was changed since it was looked at"):
        strike(cluster, api, mark)
    undo(cluster, api, mark)
    assert undone(cluster, api, mark)["holds"]
    assert web(cluster)["spec"]["replicas"] == 3


def test_what_others_changed_since_is_left_alone_and_said(cluster: Cluster, api: Api, mark: str) -> None:
    strike(cluster, api, mark)
    cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
    with pytest.raises(marks.Interfered, match=r"somebody else has changed /spec/replicas to 1 since .* was 2\)"):
        undo(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 1
    said = undone(cluster, api, mark)
    assert not said["holds"] and "somebody else" in said["evidence"]
    # Once they have put it back as it was, the undo is done, and nothing of ours stays.
    cluster.patch("Deployment", "web", {"spec": {"replicas": 2}})
    undo(cluster, api, mark)
    assert undone(cluster, api, mark)["holds"]
    assert marks.MARK not in web(cluster)["metadata"].get("annotations", {})


def test_a_mark_that_somebody_took_off_leaves_a_fault_that_is_said(cluster: Cluster, api: Api, mark: str) -> None:
    strike(cluster, api, mark)
    off = {"annotations": {marks.MARK: None}, "labels": {marks.EXERCISE: None, marks.FAULT: None}}
    cluster.patch("Deployment", "web", {"metadata": off})
    with pytest.raises(marks.Interfered, match="the fault's mark is gone: it was 2 before"):
        undo(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 0
    assert not undone(cluster, api, mark)["holds"]


@pytest.mark.parametrize("left", [None, "older"], ids=["none", "an-older-one"])
def test_a_rollback_under_a_fault_that_took_the_mark_keeps_nobody_from_the_undo(
    cluster: Cluster, api: Api, mark: str, left: str | None
) -> None:
    """On-call rolls back, as on-call does: the annotations are an old ReplicaSet's then, the labels are not."""
    strike(cluster, api, mark)
    uid = web(cluster)["metadata"]["uid"]
    older = marks.mark_of({**CONTEXT, "exercise": "x-0"}, uid, TO_ZERO) if left else None
    cluster.patch("Deployment", "web", {"metadata": {"annotations": {marks.MARK: older}}})
    assert not undone(cluster, api, mark)["holds"]
    undo(cluster, api, mark)
    now = web(cluster)
    assert now["spec"]["replicas"] == 2
    assert "gameday" not in str(now["metadata"].get("labels", {})) + str(now["metadata"].get("annotations", {}))
    assert undone(cluster, api, mark)["holds"]
    with pytest.raises(RuntimeError):
        late(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 2


def late(cluster: Cluster, api: Api, mark: str) -> None:
    """The second request of a strike, carried out after the undo."""
    patch = [{"op": "test", "path": "/metadata/annotations/gameday.dev~1fault", "value": mark}]
    api.patch(DEPLOYMENTS, cluster.namespace, "web", [*patch, {"op": "replace", "path": "/spec/replicas", "value": 0}])


def test_made_anew_is_another_object(cluster: Cluster, api: Api, mark: str) -> None:
    strike(cluster, api, mark)
    cluster.delete("Deployment", "web")
    cluster.until(lambda: cluster.get("Deployment", "web") is None)
    assert undone(cluster, api, mark) == {
        "holds": True,
        "evidence": f"deployment {cluster.namespace}/web does not exist any more",
        "gone": True,
    }
    undo(cluster, api, mark)
    cluster.deployment("web", replicas=0, wait=False)
    with pytest.raises(marks.Interfered, match="made anew since, and /spec/replicas is 0, as the fault had it"):
        undo(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 0
    assert not undone(cluster, api, mark)["holds"], "made of what it was under the fault, perhaps"
    cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
    undo(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 1
    assert "made anew by somebody else since, and has nothing of the fault" in undone(cluster, api, mark)["evidence"]
    with pytest.raises(RuntimeError, match="deleted and made anew"):
        strike(cluster, api, mark)


def test_one_fault_at_a_time_on_an_object(cluster: Cluster, api: Api, mark: str) -> None:
    strike(cluster, api, mark)
    other = marks.mark_of({**CONTEXT, "fault": "fault-2"}, web(cluster)["metadata"]["uid"], TO_ZERO)
    with pytest.raises(ValueError, match="carries a fault of x-1 already"):
        strike(cluster, api, other)


def test_nor_where_a_rollback_took_the_mark_of_the_first(cluster: Cluster, api: Api, mark: str) -> None:
    strike(cluster, api, mark)
    cluster.patch("Deployment", "web", {"metadata": {"annotations": {marks.MARK: None}}})
    other = marks.mark_of({**CONTEXT, "exercise": "x-2"}, web(cluster)["metadata"]["uid"], TO_ZERO)
    with pytest.raises(ValueError, match="carries a fault of x-1 already"):
        strike(cluster, api, other)
    undo(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 2


def test_a_value_that_was_not_there_goes_again(cluster: Cluster, api: Api, mark: str) -> None:
    changes = [{"path": "/spec/paused", "before": marks.ABSENT, "after": True}]
    paused = marks.mark_of(CONTEXT, web(cluster)["metadata"]["uid"], changes)
    strike(cluster, api, paused)
    assert web(cluster)["spec"]["paused"] is True
    undo(cluster, api, paused)
    assert "paused" not in web(cluster)["spec"]


@pytest.mark.parametrize("step", ["mark", "strike"])
@pytest.mark.double
def test_what_a_slow_server_carries_out_after_the_undo_does_nothing(
    cluster: DoubleCluster, api: Api, mark: str, step: str
) -> None:
    """The injection's process is killed while its request is under way, and the request lands later all the same."""
    cluster.misbehave(verb="patch", resource="deployments", after=0 if step == "mark" else 1, times=1, delay=0.6)

    def inject() -> None:
        impatient = Api(where(cluster))
        real = impatient._once
        impatient._once = lambda *words: real(*words[:-1], 0.2)  # type: ignore[method-assign]
        with pytest.raises(Unreachable):
            strike(cluster, impatient, mark)

    thread = threading.Thread(target=inject)
    thread.start()
    thread.join()
    undo(cluster, api, mark)
    assert undone(cluster, api, mark)["holds"]
    cluster.until(lambda: [one for one in cluster.asked(verb="patch", resource="deployments") if one.status], 5)
    late = cluster.asked(verb="patch", resource="deployments")
    cluster.until(lambda: all(one.status is not None for one in cluster.asked(verb="patch")), 5)
    assert len(late) >= 1
    assert web(cluster)["spec"]["replicas"] == 2, "the strike came too late to do anything"
    if step == "mark":
        # A mark that does nothing may be left; what takes litter away finds it, and the object is as it was.
        undo(cluster, api, mark)
    assert undone(cluster, api, mark)["holds"]


@pytest.mark.double
def test_an_answer_that_gets_lost_leaves_nothing_that_the_undo_does_not_find(
    cluster: DoubleCluster, api: Api, mark: str
) -> None:
    cluster.misbehave(verb="patch", resource="deployments", after=1, times=1, reset="after")
    with pytest.raises(Unreachable):
        strike(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 0
    undo(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 2


@pytest.mark.double
def test_a_controller_that_writes_all_the_time_is_no_reason_to_give_up(
    cluster: DoubleCluster, api: Api, mark: str
) -> None:
    cluster.misbehave(verb="patch", resource="deployments", times=2, status=409, reason="Conflict")
    strike(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 0
    cluster.misbehave(verb="patch", resource="deployments", times=2, status=409, reason="Conflict")
    undo(cluster, api, mark)
    assert web(cluster)["spec"]["replicas"] == 2


@pytest.mark.double
def test_a_refusal_changes_nothing(cluster: DoubleCluster, api: Api, mark: str) -> None:
    cluster.rules("gameday", [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]}])
    with pytest.raises(Refused) as refused:
        strike(cluster, api, mark)
    assert refused.value.status == 403
    assert web(cluster)["spec"]["replicas"] == 2


def test_the_lines_to_paste_say_where(cluster: Cluster, mark: str) -> None:
    (line,) = marks.by_hand(where(cluster), DEPLOYMENTS, cluster.namespace, "web", mark)
    start = f"kubectl --kubeconfig {cluster.kubeconfig} --context {cluster.context} -n "
    back, _, alone = line.partition(" || ")
    assert back.startswith(start) and alone.startswith(start)
    tested = '"op": "test", "path": "/spec/replicas", "value": '
    assert f'{tested}0}}, {{"op": "replace", "path": "/spec/replicas", "value": 2' in back
    assert f"{tested}2" in alone and "replace" not in alone


def test_an_object_without_a_namespace(cluster: Cluster, api: Api) -> None:
    node = cluster.list("Node", namespace="")[0]
    name, changes = node["metadata"]["name"], [{"path": "/spec/unschedulable", "before": marks.ABSENT, "after": True}]
    assert marks.value_at(node, "/spec/unschedulable") == marks.ABSENT
    mark = marks.mark_of(CONTEXT, node["metadata"]["uid"], changes)
    marks.strike(api, NODES, None, name, mark)
    try:
        found = cluster.get("Node", name)
        assert found is not None and found["spec"]["unschedulable"] is True
    finally:
        marks.undo(api, NODES, None, name, mark)
    assert marks.undone(api, NODES, None, name, mark)["holds"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("20261121-0859-3sqt", "20261121-0859-3sqt"), ("päy ments/1", "p-y-ments-1"), ("-", "x"), ("a" * 80, "a" * 63)],
)
def test_labels_take_any_name(text: str, value: str) -> None:
    assert marks.label_value(text) == value


def test_pointers() -> None:
    thing = {"metadata": {"annotations": {"a/b": "1", "c~d": "2"}}, "list": [{"x": 1}]}
    assert marks.value_at(thing, marks.pointer("metadata", "annotations", "a/b")) == "1"
    assert marks.value_at(thing, marks.pointer("metadata", "annotations", "c~d")) == "2"
    assert marks.value_at(thing, marks.pointer("list", 0, "x")) == 1
    assert marks.value_at(thing, "/list/1/x") == marks.ABSENT
    assert marks.value_at(thing, "/metadata/none/x") == marks.ABSENT
