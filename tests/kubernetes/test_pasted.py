"""Lines to paste that take back what a fault changed: applied to a cluster they do just that, and where somebody has
changed it since they do nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

import pytest

from gameday.cluster import marks
from gameday.cluster.api import Api
from gameday.cluster.marks import Interfered
from gameday.cluster.resources import DEPLOYMENTS
from tests.support.kubernetes.cluster import Cluster, Refused

from .planned import Planned
from .targets import where
from .test_outages import BOTH, RUNS, outage, the, traces, web

__all__ = ["web"]


def pasted(cluster: Cluster, lines: Sequence[str]) -> list[bool]:
    """Do what lines of kubectl's would; whether each did it."""
    found = (shlex.split(line, comments=True) for line in lines)
    return [_pasted(cluster, words) for words in found if words]


KINDS = {"deployments.apps": "Deployment", "services": "Service", "nodes": "Node"}


def _pasted(cluster: Cluster, words: list[str]) -> bool:
    words, others = (words[: words.index("||")], words[words.index("||") + 1 :]) if "||" in words else (words, [])
    assert "patch" in words and "--type=json" in words
    kind, _, name = words[words.index("patch") + 1].partition("/")
    assert kind == "nodes" or words[words.index("-n") + 1] == cluster.namespace
    patch = json.loads(words[words.index("-p") + 1])
    # Of what stands there, nothing is replaced or removed that was not looked at.
    tested = {step["path"] for step in patch if step["op"] == "test"}
    own = {marks._MARK_AT, *marks._LABELS_AT}
    assert {step["path"] for step in patch if step["op"] in ("replace", "remove")} - own <= tested
    try:
        cluster.patch(KINDS[kind], name, patch, how="application/json-patch+json")
    except Refused as refused:
        assert refused.status == 422
        return _pasted(cluster, others) if others else False
    return True


def named_values(cluster: Cluster) -> dict[str, str]:
    (container,) = the(cluster, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container.get("env") or ()}


FAULT_ENV = {"A": "x", "B": "z", "PYTHONHOME": "/broken"}


def broken_by_env(cluster: Cluster, env: dict[str, str]) -> Planned:
    """A workload whose variables are `env`, and a fault on three of them that stands."""
    cluster.deployment("web", replicas=2, **({"env": env} if env else {}))
    cluster.whole("web")
    fault = Planned(cluster, "rollout-break", BOTH, {"service": "web", "env": FAULT_ENV}, context={"checked": True})
    fault.inject()
    return fault


def set_env(cluster: Cluster, *, without: Sequence[str] = (), **env: str) -> None:
    """`kubectl set env deployment/web A- B=1`."""
    kept = {name: value for name, value in named_values(cluster).items() if name not in without} | env
    at = "/spec/template/spec/containers/0/env"
    made = [{"name": name, "value": value} for name, value in kept.items()]
    patch = [{"op": "replace", "path": at, "value": made}]
    cluster.patch("Deployment", "web", patch, how="application/json-patch+json")


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("env", [{}, {"A": "1"}, {"A": "1", "B": "2"}])
def test_the_line_of_a_leak_puts_all_back(cluster: Cluster, env: dict[str, str]) -> None:
    fault = broken_by_env(cluster, env)
    (line,) = fault.plan["commands"]
    assert pasted(cluster, [line]) == [True]
    assert named_values(cluster) == env and not traces(the(cluster, "Deployment"))
    assert pasted(cluster, [line]) == [False], "a second time it does nothing"
    fault.until_recovered()


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("env", [{}, {"A": "1", "B": "2"}])
def test_the_line_of_a_leak_does_nothing_where_somebody_has_changed_it_since(
    cluster: Cluster, env: dict[str, str]
) -> None:
    """What stands at a place of a list is another variable by then."""
    fault = broken_by_env(cluster, env)
    set_env(cluster, without=["A"], NEW="keepme")
    before = the(cluster, "Deployment")
    assert pasted(cluster, fault.plan["commands"]) == [False]
    now = the(cluster, "Deployment")
    assert now["spec"] == before["spec"] and named_values(cluster)["NEW"] == "keepme"
    assert now["metadata"]["labels"] == before["metadata"]["labels"], "it stays loud"


@pytest.mark.usefixtures("web")
def test_what_is_to_be_chosen_does_nothing_where_somebody_has_moved_it_since(cluster: Cluster) -> None:
    """It removed what stood in the place of the fault's last variable by then, and left one of the fault's."""
    fault = broken_by_env(cluster, {"A": "1", "B": "2"})
    set_env(cluster, A="2")
    with pytest.raises(Interfered) as raised:
        fault.undo()
    keep = raised.value.commands[:2]
    set_env(cluster, without=["A"], NEW="keepme")
    assert pasted(cluster, keep) == [False] and pasted(cluster, raised.value.commands[2:]) == [False]
    assert named_values(cluster) == {"B": "z", "PYTHONHOME": "/broken", "NEW": "keepme"}
    # Whoever looks again finds each where it is by now.
    with pytest.raises(Interfered) as raised:
        fault.undo()
    assert pasted(cluster, raised.value.commands[:2]) == [True]
    assert named_values(cluster) == {"B": "2", "NEW": "keepme"}
    assert not traces(the(cluster, "Deployment"))


@pytest.mark.usefixtures("web")
def test_the_line_of_replicas_does_nothing_where_somebody_has_set_them_since(cluster: Cluster) -> None:
    fault = outage(cluster, RUNS)
    fault.inject()
    cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
    assert pasted(cluster, fault.plan["commands"]) == [False]
    assert the(cluster, "Deployment")["spec"]["replicas"] == 1 and traces(the(cluster, "Deployment"))
    cluster.patch("Deployment", "web", {"spec": {"replicas": 0}})
    assert pasted(cluster, fault.plan["commands"]) == [True]
    assert the(cluster, "Deployment")["spec"]["replicas"] == 2 and not traces(the(cluster, "Deployment"))


@pytest.mark.usefixtures("web")
def test_the_line_takes_off_a_mark_alone_where_nothing_was_changed_so_far(cluster: Cluster) -> None:
    fault = outage(cluster, RUNS)
    (one,) = fault.plan["inject"]["args"]["objects"]
    marks._put_mark(Api(where(cluster)), DEPLOYMENTS, cluster.namespace, "web", one["mark"])
    assert traces(the(cluster, "Deployment"))
    assert pasted(cluster, fault.plan["commands"]) == [True]
    assert the(cluster, "Deployment")["spec"]["replicas"] == 2 and not traces(the(cluster, "Deployment"))


@pytest.mark.usefixtures("web")
def test_the_line_works_where_a_rollback_took_the_annotation(cluster: Cluster) -> None:
    fault = outage(cluster, RUNS)
    fault.inject()
    cluster.patch("Deployment", "web", {"metadata": {"annotations": {marks.MARK: None}}})
    assert pasted(cluster, fault.plan["commands"]) == [True]
    assert the(cluster, "Deployment")["spec"]["replicas"] == 2 and not traces(the(cluster, "Deployment"))


@pytest.mark.usefixtures("web")
def test_the_line_of_a_selector_takes_out_only_what_the_fault_put_in(cluster: Cluster) -> None:
    fault = outage(cluster)
    before = dict(the(cluster, "Service")["spec"]["selector"])
    fault.inject()
    fault.until_effective()
    (key,) = the(cluster, "Service")["spec"]["selector"].keys() - before.keys()
    ours = the(cluster, "Service")["spec"]["selector"][key]
    cluster.patch("Service", "web", {"spec": {"selector": {key: "theirs"}}})
    assert pasted(cluster, fault.plan["commands"]) == [False]
    assert the(cluster, "Service")["spec"]["selector"][key] == "theirs"
    cluster.patch("Service", "web", {"spec": {"selector": {key: ours}}})
    assert pasted(cluster, fault.plan["commands"]) == [True]
    assert the(cluster, "Service")["spec"]["selector"] == before and not traces(the(cluster, "Service"))
