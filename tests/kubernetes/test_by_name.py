"""Containers and variables are found by their names: whoever adds or takes away one moves all that follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gameday.cluster import litter, marks
from gameday.cluster.api import Api
from gameday.cluster.places import ABSENT, located
from tests.support.kubernetes.cluster import Cluster

from .targets import where
from .test_rollout import broken, change, container, env, the

ENV = "/spec/template/spec/containers/0/env"


def applied(cluster: Cluster, *items: Mapping[str, str]) -> None:
    """What the API server makes of a manifest with other variables: the fault's own, which no manifest has, stays."""
    change(cluster, [{"op": "replace", "path": ENV, "value": list(items)}])


def var(name: str, value: str = "1") -> dict[str, str]:
    return {"name": name, "value": value}


FEWER = [var("B"), var("BREAK")]
MORE = [var("A"), var("B"), var("NEW"), var("BREAK")]
TURNED = [var("BREAK"), var("B"), var("A")]


@pytest.mark.parametrize("now", [FEWER, MORE, TURNED], ids=["fewer", "more", "turned"])
@pytest.mark.parametrize("journal", [True, False], ids=["journal", "target"])
def test_an_added_variable_goes_wherever_it_is_by_now(
    cluster: Cluster, now: list[dict[str, str]], journal: bool
) -> None:
    """It went by its index: nothing was there, so nothing was undone, and the mark was taken off."""
    cluster.deployment("web", replicas=1, env={"A": "1", "B": "1"})
    fault = broken(cluster, env={"BREAK": "1"}, context={"checked": True})
    fault.inject()
    fault.until_effective()
    applied(cluster, *now)
    assert fault.call("standing")["holds"]
    if journal:
        fault.undo()
    else:
        api = Api(where(cluster))
        (one,), _ = litter.find(api, [cluster.namespace])
        cluster.until(lambda: litter.clear(api, one)["holds"], 15)
    assert env(cluster) == {one["name"]: "1" for one in now if one["name"] != "BREAK"}
    assert marks.MARK not in the(cluster)["metadata"]["annotations"]
    assert "is as it was" in fault.until_recovered()


def test_several_variables_come_and_go_each_by_its_name(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1, env={"A": "1", "MODE": "good", "B": "1"})
    fault = broken(cluster, env={"FIRST": "1", "MODE": "bad", "SECOND": "1"}, context={"checked": True})
    fault.inject()
    applied(cluster, var("SECOND"), var("B"), var("MODE", "bad"), var("NEW"), var("FIRST"))
    fault.undo()
    assert container(cluster)["env"] == [var("B"), var("MODE", "good"), var("NEW")]


def test_variables_where_there_were_none_go_from_among_others(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    fault = broken(cluster, env={"FIRST": "1", "SECOND": "1"}, context={"checked": True})
    fault.inject()
    applied(cluster, var("FIRST"), var("THEIRS"), var("SECOND"))
    assert fault.call("standing")["holds"]
    fault.undo()
    assert env(cluster) == {"THEIRS": "1"}


def test_a_variable_that_somebody_set_anew_is_left_and_said(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1, env={"A": "1"})
    fault = broken(cluster, env={"BREAK": "1"}, context={"checked": True})
    fault.inject()
    applied(cluster, var("BREAK", "theirs"))
    with pytest.raises(marks.Interfered, match=r"somebody else has changed .*env/0 to .*theirs") as raised:
        fault.undo()
    assert env(cluster) == {"BREAK": "theirs"}
    assert f'"path": "{ENV}/0"' in str(raised.value.commands), "the lines are for where it is by now"


def test_a_container_is_found_where_another_was_put_before_it(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    before = container(cluster)["image"]
    fault = broken(cluster)
    fault.inject()
    fault.until_effective()
    side = {**container(cluster), "name": "side", "command": ["python3", "-c", "import time; time.sleep(1e9)"]}
    side.pop("ports", None)
    change(cluster, [{"op": "add", "path": "/spec/template/spec/containers/0", "value": {**side, "image": before}}])
    fault.undo()
    found = {one["name"]: one["image"] for one in the(cluster)["spec"]["template"]["spec"]["containers"]}
    assert found == {"side": before, "app": before}
    fault.until_recovered()


def thing(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


AT = "/spec/template/spec/containers"
NAMED = {"path": f"{AT}/1/name", "before": "app", "after": "app"}


@pytest.mark.parametrize(
    ("there", "path"),
    [
        (thing({"name": "app", "env": [var("X")]}), f"{AT}/0/env/0"),
        (thing({"name": "a"}, {"name": "b"}, {"name": "app", "env": [var("A"), var("X")]}), f"{AT}/2/env/1"),
        (thing({"name": "a"}, {"name": "app", "env": [var("X", "2"), var("X")]}), f"{AT}/1/env/1"),
        (thing({"name": "a"}, {"name": "app", "env": [var("A")]}), f"{AT}/1/env/-"),
        (thing({"name": "a"}, {"name": "other", "env": [var("X")]}), f"{AT}/-/env/-"),
    ],
    ids=["earlier", "later", "twice", "gone", "another-container"],
)
def test_where_it_is_by_now(there: dict[str, Any], path: str) -> None:
    added = {"path": f"{AT}/1/env/3", "before": ABSENT, "after": var("X")}
    (found,) = [one for one in located(there, [NAMED, added]) if "env" in one["path"]]
    assert found["path"] == path


def test_what_has_no_name_stays_at_its_index() -> None:
    bare = {"path": f"{AT}/0/env/1/value", "before": "1", "after": "2"}
    assert located(thing({"name": "app"}), [bare]) == [bare]
    replicas = {"path": "/spec/replicas", "before": 2, "after": 0}
    assert located(thing(), [replicas]) == [replicas]
