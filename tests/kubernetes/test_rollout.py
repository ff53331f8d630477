"""A bad deploy: what is changed in the template, how it shows, that it goes back, and where it is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from gameday.cli.recover_target import recover_target
from gameday.cluster import litter, marks
from gameday.cluster.api import Api
from gameday.cluster.resources import ALL
from gameday.cluster.services import as_workload
from gameday.faults.kubernetes.rollout_break import broken_image
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .planned import Planned
from .targets import CONTEXT, toml_of, where

WEB = {"web": {"workload": "deployment/web", "service": "web"}}


def broken(cluster: Cluster, services: dict[str, Any] = WEB, /, **params: Any) -> Planned:
    more = {key: params.pop(key) for key in ("context", "settings") if key in params}
    return Planned(cluster, "rollout-break", services, {"service": "web", **params}, **more)


def the(cluster: Cluster, kind: str = "Deployment") -> dict[str, Any]:
    found = cluster.get(kind, "web")
    assert found is not None
    return found


def container(cluster: Cluster) -> dict[str, Any]:
    one: dict[str, Any] = the(cluster)["spec"]["template"]["spec"]["containers"][0]
    return one


def env(cluster: Cluster) -> dict[str, Any]:
    return {one["name"]: one.get("value", "") for one in container(cluster).get("env") or ()}


def change(cluster: Cluster, patch: list[dict[str, Any]]) -> None:
    cluster.patch("Deployment", "web", patch, how="application/json-patch+json")


@pytest.mark.proves("rollout-break", "kubernetes/api")
def test_an_image_that_does_not_exist_hangs_the_rollout_and_comes_back(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    before = the(cluster)["spec"]["template"]
    old = {pod["metadata"]["uid"] for pod in cluster.pods("app=web")}
    fault = broken(cluster)
    bad = broken_image(cluster.image)
    assert bad in fault.plan["summary"]
    assert any("takes down none of 2 old pods" in note for note in fault.plan["notes"])
    assert not fault.effective()["holds"]
    fault.inject()
    assert container(cluster)["image"] == bad
    said = fault.until_effective()
    assert "Image" in said or "ErrImageNeverPull" in said
    assert old <= {pod["metadata"]["uid"] for pod in cluster.pods("app=web")}, "the old pods serve on"
    assert not fault.recovered()["holds"]
    fault.undo()
    fault.until_recovered()
    assert the(cluster)["spec"]["template"] == before
    assert {pod["metadata"]["uid"] for pod in cluster.pods("app=web")} == old
    assert "gameday" not in str(the(cluster)["metadata"].get("labels", {}))


def test_bad_values_come_and_go_and_the_other_variables_stay_unsaid(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1, env={"PASSWORD": "hunter2", "PYTHONHOME": "", "COLOUR": "blue"})
    before = the(cluster)["spec"]["template"]
    bad = {"PYTHONHOME": "/broken", "FIRST": "1", "SECOND": ""}
    fault = broken(cluster, env=bad)
    assert "hunter2" not in str(fault.plan)
    fault.inject()
    assert env(cluster) == {"PASSWORD": "hunter2", "COLOUR": "blue", **bad}
    said = fault.until_effective()
    assert "new pod web-" in said and ("CrashLoopBackOff" in said or "ended with 1" in said), said
    fault.undo()
    fault.until_recovered()
    assert the(cluster)["spec"]["template"] == before


def test_variables_where_there_were_none(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    fault = broken(cluster, env={"PYTHONHOME": "/broken", "MORE": "1"})
    fault.inject()
    assert env(cluster) == {"PYTHONHOME": "/broken", "MORE": "1"}
    fault.undo()
    fault.until_recovered()
    assert "env" not in container(cluster)


def test_a_value_that_breaks_nothing_is_no_break_unless_a_check_of_the_entry_sees_it(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    seen = broken(cluster, env={"COLOUR": "green"}, context={"checked": True})
    alone = broken(cluster, env={"COLOUR": "green"})
    seen.inject()
    assert "new pods run with other values of COLOUR" in seen.until_effective()
    cluster.whole("web")
    said = alone.effective()
    assert not said["holds"] and "other values of COLOUR breaks nothing" in said["evidence"]
    seen.undo()
    seen.until_recovered()


def test_what_somebody_else_deployed_meanwhile_is_left_and_loud(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    fault = broken(cluster)
    fault.inject()
    at = "/spec/template/spec/containers/0"
    change(cluster, [{"op": "replace", "path": f"{at}/image", "value": "example.com/fix:2"}])
    with pytest.raises(RuntimeError, match=r"somebody else has changed .*/image to .example.com/fix:2. since"):
        fault.undo()
    assert container(cluster)["image"] == "example.com/fix:2"
    assert not fault.recovered()["holds"]


def test_a_container_that_is_another_one_by_now_is_not_changed(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    fault = broken(cluster)
    other = {**container(cluster), "name": "other"}
    change(cluster, [{"op": "replace", "path": "/spec/template/spec/containers/0", "value": other}])
    with pytest.raises(RuntimeError, match="containers/0/name was changed since"):
        fault.inject()
    assert container(cluster)["image"] == cluster.image
    fault.undo()
    assert container(cluster)["name"] == "other"


def test_which_container_has_to_be_said_where_nothing_else_says_it(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    side = {**container(cluster), "name": "side", "command": ["python3", "-c", "import time; time.sleep(1e9)"]}
    side.pop("ports", None)
    change(cluster, [{"op": "add", "path": "/spec/template/spec/containers/-", "value": side}])
    cluster.whole("web")
    with pytest.raises(ValueError, match="several containers: say `container`, one of app, side"):
        broken(cluster)
    with pytest.raises(ValueError, match=r"no container 'sid': there is app, side"):
        broken(cluster, container="sid")
    assert "container side of" in broken(cluster, container="side").plan["summary"]


def test_a_strategy_that_takes_old_pods_down_counts_against_the_limits(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2, strategy={"type": "Recreate"})
    with pytest.raises(ValueError, match=r"2 of 2 pods, 100 %, and limits\.percent allows 50 %"):
        broken(cluster, context={"percent": 50.0})
    cluster.deployment("web", replicas=2, strategy={"rollingUpdate": {"maxUnavailable": "50%", "maxSurge": 0}})
    with pytest.raises(ValueError, match=r"would touch 1 of 2 pods, 50 %, and limits\.percent allows 40 %"):
        broken(cluster, context={"percent": 40.0})
    notes = broken(cluster, context={"percent": 50.0}).plan["notes"]
    assert any("takes down 1 of 2 old pods" in note for note in notes)


def test_a_rollout_that_would_not_begin_or_not_come_back_is_refused(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    cluster.patch("Deployment", "web", {"spec": {"paused": True}})
    with pytest.raises(ValueError, match="is paused, so nothing would be rolled out"):
        broken(cluster)
    cluster.patch("Deployment", "web", {"spec": {"paused": False}})
    with pytest.raises(ValueError, match=r"has the image .* already, so nothing would change"):
        cluster.whole("web")
        broken(cluster, image=cluster.image)
    fault = broken(cluster)
    fault.inject()
    with pytest.raises(ValueError, match="is changed by fault-1 of this exercise still"):
        broken(cluster, context={"fault": "fault-2"})
    fault.undo()
    fault.until_recovered()
    change(cluster, [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "x/broken:1"}])
    cluster.until(lambda: len(cluster.pods("app=web")) == 2, what="the rollout hangs beside a pod that is ready")
    with pytest.raises(ValueError, match="has to be whole before, and in no rollout"):
        broken(cluster)


def test_a_set_that_starts_in_order_does_not_come_back_by_itself(cluster: Cluster) -> None:
    services = {"web": {"workload": "statefulset/web"}}
    cluster.deployment("web", replicas=1, kind="StatefulSet")
    with pytest.raises(ValueError, match="its broken pod must be deleted by hand"):
        broken(cluster, services)


def test_a_set_that_starts_at_once_comes_back(cluster: Cluster) -> None:
    services = {"web": {"workload": "statefulset/web"}}
    cluster.deployment("web", replicas=2, kind="StatefulSet", podManagementPolicy="Parallel")
    with pytest.raises(ValueError, match=r"limits\.percent allows 40 %"):
        broken(cluster, services, context={"percent": 40.0})
    fault = broken(cluster, services)
    fault.inject()
    fault.until_effective()
    assert broken_image(cluster.image) in images_of_history(cluster, "ControllerRevision")
    fault.undo()
    fault.until_recovered()
    assert len(cluster.pods("app=web")) == 2
    assert broken_image(cluster.image) not in images_of_history(cluster, "ControllerRevision")


@pytest.mark.parametrize(
    ("image", "bad"),
    [
        ("web", "web:gameday-broken"),
        ("shop/web:1.4", "shop/web:gameday-broken"),
        ("registry:5000/shop/web", "registry:5000/shop/web:gameday-broken"),
        ("registry:5000/web:1@sha256:0123", "registry:5000/web:gameday-broken"),
    ],
)
def test_the_tag_that_does_not_exist(image: str, bad: str) -> None:
    assert broken_image(image) == bad


def test_one_cause_at_a_time(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="keep one of image and env"):
        broken(cluster, image="x", env={"A": "b"})


@pytest.mark.parametrize(
    ("kind", "spec", "status", "through"),
    [
        ("Deployment", {}, {"replicas": 2, "updatedReplicas": 2}, True),
        ("Deployment", {}, {"replicas": 3, "updatedReplicas": 1}, False),
        ("Deployment", {}, {"replicas": 3, "updatedReplicas": 2}, False),
        ("Deployment", {"paused": True}, {"replicas": 2, "updatedReplicas": 0}, True),
        ("StatefulSet", {}, {"replicas": 2, "updatedReplicas": 1}, False),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, {"replicas": 2, "updatedReplicas": 0}, True),
        ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, {"updatedReplicas": 1}, True),
    ],
)
def test_a_rollout_is_through_when_its_strategy_has_nothing_left_to_do(
    kind: str, spec: dict[str, Any], status: dict[str, Any], through: bool
) -> None:
    thing = {"metadata": {"name": "web"}, "spec": {"replicas": 2, **spec}, "status": {"readyReplicas": 2, **status}}
    assert as_workload(ALL[kind], thing).whole is through


# --- the history -----------------------------------------------------------------------------------------------------


def images_of_history(cluster: Cluster, kind: str = "ReplicaSet") -> list[str]:
    found = []
    for one in cluster.list(kind):
        held = one["data"] if kind == "ControllerRevision" else one
        found.append(held["spec"]["template"]["spec"]["containers"][0]["image"])
    return found


def test_its_revision_is_out_of_the_history_afterwards(cluster: Cluster) -> None:
    """`kubectl rollout undo` would bring the fault back."""
    cluster.deployment("web", replicas=2)
    fault = broken(cluster)
    bad = broken_image(cluster.image)
    fault.inject()
    fault.until_effective()
    assert bad in images_of_history(cluster)
    assert not fault.recovered()["holds"] and bad in images_of_history(cluster), "not while it stands"
    fault.undo()
    assert "of the broken rollout, is out of the history" in fault.until_recovered()
    assert images_of_history(cluster) == [cluster.image]


def test_a_revision_like_it_that_was_there_before_stays(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    before, bad = container(cluster)["image"], broken_image(cluster.image)
    at = "/spec/template/spec/containers/0/image"
    change(cluster, [{"op": "replace", "path": at, "value": bad}])
    cluster.until(lambda: bad in images_of_history(cluster))
    change(cluster, [{"op": "replace", "path": at, "value": before}])
    cluster.whole("web")
    fault = broken(cluster)
    fault.inject()
    fault.until_effective()
    fault.undo()
    fault.until_recovered()
    assert sorted(images_of_history(cluster)) == sorted([before, bad])


@pytest.mark.double
def test_without_the_right_to_it_the_fault_is_recovered_and_the_rest_is_said(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=1)
    fault = broken(cluster)
    fault.inject()
    fault.until_effective()
    rules = [{"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["get", "list", "patch"]}]
    cluster.rules("gameday", rules)
    fault.undo()
    said = fault.until_recovered()
    assert "stays in the rollout history" in said and "403" in said
    assert f"-n {cluster.namespace} delete replicasets.apps/web-" in said
    cluster.rules(
        "gameday",
        [
            {"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["get", "patch"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        ],
    )
    assert any("it stays in the rollout history" in note for note in broken(cluster).plan["notes"])


def cleared(cluster: Cluster) -> str:
    """What `recover --target` says of the one fault that it finds."""
    api = Api(where(cluster))
    (one,), blind = litter.find(api, [cluster.namespace])
    assert not blind
    return str(cluster.until(lambda: (said := litter.clear(api, one))["holds"] and said["evidence"], 15, "cleared"))


@pytest.mark.parametrize("bad", [{}, {"env": {"PYTHONHOME": "/broken", "MODE": ""}}], ids=["image", "env"])
def test_without_the_journal_its_revision_goes_from_the_history_too(cluster: Cluster, bad: dict[str, Any]) -> None:
    cluster.deployment("web", replicas=1, env={"MODE": "good"})
    (before,) = [one["metadata"]["uid"] for one in cluster.list("ReplicaSet")]
    fault = broken(cluster, **bad)
    fault.inject()
    fault.until_effective()
    assert "of the broken rollout, is out of the history" in cleared(cluster)
    assert [one["metadata"]["uid"] for one in cluster.list("ReplicaSet")] == [before]
    assert fault.until_recovered()


def test_without_the_journal_what_an_undo_that_was_cut_off_left_in_the_history_goes_too(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    (before,) = [one["metadata"]["uid"] for one in cluster.list("ReplicaSet")]
    fault = broken(cluster)
    fault.inject()
    fault.until_effective()
    api = Api(where(cluster))
    assert list(litter.forgotten(api, [cluster.namespace])) == [], "not while it stands"
    # And here it is killed, before it has verified anything.
    fault.undo()
    cluster.whole("web")
    assert litter.find(api, [cluster.namespace]) == ([], [])
    said = cluster.until(lambda: [one for _, one in litter.forgotten(api, [cluster.namespace]) if one["holds"]], 15)
    assert "of the broken rollout, is out of the history" in said[0]["evidence"]
    assert [one["metadata"]["uid"] for one in cluster.list("ReplicaSet")] == [before]
    assert list(litter.forgotten(api, [cluster.namespace])) == []


SET = {"web": {"workload": "statefulset/web"}}
AT_ONCE = {"kind": "StatefulSet", "podManagementPolicy": "Parallel"}


def revisions(cluster: Cluster) -> list[str]:
    return [one["metadata"]["uid"] for one in cluster.list("ControllerRevision")]


def test_without_the_journal_the_revision_of_a_set_goes_too(cluster: Cluster) -> None:
    cluster.deployment("web", 1, **AT_ONCE)
    before = revisions(cluster)
    fault = broken(cluster, SET)
    fault.inject()
    fault.until_effective()
    assert len(before) == 1 and len(revisions(cluster)) == 2
    assert "of the broken rollout, is out of the history" in cleared(cluster)
    assert revisions(cluster) == before


def test_without_the_journal_what_a_cut_off_undo_of_a_set_left_goes_too(cluster: Cluster) -> None:
    cluster.deployment("web", 2, **AT_ONCE)
    before, api = revisions(cluster), Api(where(cluster))
    fault = broken(cluster, SET)
    fault.inject()
    fault.until_effective()
    assert list(litter.forgotten(api, [cluster.namespace])) == [], "not while it stands"
    fault.undo()
    cluster.whole("web", kind="StatefulSet", timeout=30)
    assert litter.find(api, [cluster.namespace]) == ([], [])
    said = cluster.until(lambda: [one for _, one in litter.forgotten(api, [cluster.namespace]) if one["holds"]], 15)
    assert "of the broken rollout, is out of the history" in said[0]["evidence"]
    assert revisions(cluster) == before
    assert list(litter.forgotten(api, [cluster.namespace])) == []


def test_without_the_journal_a_revision_of_a_set_like_it_that_was_there_before_stays(cluster: Cluster) -> None:
    cluster.deployment("web", 1, **AT_ONCE)
    before, bad = cluster.image, broken_image(cluster.image)
    for image in (bad, before):
        patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
        cluster.patch("StatefulSet", "web", patch, how="application/json-patch+json")
        cluster.until(lambda image=image: image in images_of_history(cluster, "ControllerRevision"))
        if image == bad:
            cluster.until(lambda: the(cluster, "StatefulSet")["status"].get("readyReplicas", 0) == 0)
    cluster.whole("web", kind="StatefulSet", timeout=30)
    fault = broken(cluster, SET)
    fault.inject()
    fault.until_effective()
    cleared(cluster)
    assert sorted(images_of_history(cluster, "ControllerRevision")) == sorted([before, bad])


def test_what_a_rollback_of_a_set_brought_back_is_loud(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`kubectl rollout undo` patches a set with what its revision holds: the template, and no mark."""
    cluster.deployment("web", 1, **AT_ONCE)
    before = revisions(cluster)
    fault = broken(cluster, SET)
    fault.inject()
    fault.until_effective()
    (broke,) = [one for one in cluster.list("ControllerRevision") if one["metadata"]["uid"] not in before]
    fault.undo()
    cluster.whole("web", kind="StatefulSet", timeout=30)
    cluster.patch("StatefulSet", "web", broke["data"], how="application/strategic-merge-patch+json")
    settings = tmp_path / "gameday.toml"
    settings.write_text(toml_of(cluster, {}))
    code = recover_target("staging", settings, f"sqlite:///{tmp_path / 'none.db'}")
    out, said = capsys.readouterr()
    bad, good = broken_image(cluster.image), cluster.image
    why = (
        f'/spec/template/spec/containers/0/image is "{bad}", and was "{good}" before: as fault-1 of exercise x-1 had it'
    )
    assert code == 4 and f"statefulset {cluster.namespace}/web  leaked  {why}" in out, out + said
    assert "nothing of gameday's" not in out
    (patch,) = [line for line in said.splitlines() if " patch statefulsets.apps/web --type=json " in line]
    steps = json.loads(shlex.split(patch)[-1])
    cluster.patch("StatefulSet", "web", steps, how="application/json-patch+json")
    cluster.whole("web", kind="StatefulSet", timeout=30)
    assert recover_target("staging", settings, f"sqlite:///{tmp_path / 'none.db'}") == 0
    assert "out of the history" in capsys.readouterr().out and revisions(cluster) == before


def test_without_the_journal_a_revision_like_it_that_was_there_before_stays(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=1)
    before, bad = container(cluster)["image"], broken_image(cluster.image)
    at = "/spec/template/spec/containers/0/image"
    change(cluster, [{"op": "replace", "path": at, "value": bad}])
    cluster.until(lambda: bad in images_of_history(cluster))
    change(cluster, [{"op": "replace", "path": at, "value": before}])
    cluster.whole("web")
    broken(cluster).inject()
    cleared(cluster)
    assert sorted(images_of_history(cluster)) == sorted([before, bad])


def test_what_a_rollback_brought_back_goes_from_the_history_too(cluster: Cluster) -> None:
    """Nobody could take the revision out when the fault was undone; then `kubectl rollout undo`, without its labels."""
    cluster.deployment("web", replicas=1)
    fault = broken(cluster)
    fault.inject()
    fault.until_effective()
    (broke,) = [one for one in cluster.list("ReplicaSet") if broken_image(cluster.image) in str(one["spec"])]
    fault.undo()
    cluster.whole("web")
    template = {"spec": {"containers": broke["spec"]["template"]["spec"]["containers"]}}
    tags = {marks.MARK: fault.plan["inject"]["args"]["objects"][0]["mark"]}
    cluster.patch("Deployment", "web", {"metadata": {"annotations": tags}, "spec": {"template": template}})
    assert "out of the history" in cleared(cluster)
    assert images_of_history(cluster) == [cluster.image]


def test_without_the_journal_a_mark_that_knows_no_history_says_what_stays(cluster: Cluster) -> None:
    """Nobody could look when the fault was planned."""
    cluster.deployment("web", replicas=1)
    data, image = the(cluster)["metadata"], container(cluster)["image"]
    at = "/spec/template/spec/containers/0"
    changes = [
        {"path": f"{at}/name", "before": "app", "after": "app"},
        {"path": f"{at}/image", "before": image, "after": broken_image(image)},
    ]
    marks.strike(
        Api(where(cluster)), ALL["Deployment"], cluster.namespace, "web", marks.mark_of(CONTEXT, data["uid"], changes)
    )
    cluster.until(lambda: broken_image(image) in images_of_history(cluster))
    assert "`kubectl rollout undo` without --to-revision brings it back" in cleared(cluster)
    assert broken_image(image) in images_of_history(cluster)
