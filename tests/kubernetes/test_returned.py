"""A mark that a rollback brought back, or took: what somebody wants is not undone, and what stands is not forgotten."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gameday.cli.recover_target import recover_target
from gameday.cluster import lease, litter, marks
from gameday.cluster.api import Api
from tests.support.kubernetes.cluster import Cluster

from .planned import Planned
from .targets import CONTEXT, toml_of, where

WEB = {"web": {"workload": "deployment/web", "service": "web"}}
MODE = "/spec/template/spec/containers/0/env/0/value"
NO_LABELS = {"metadata": {"labels": {marks.EXERCISE: None, marks.FAULT: None}}}

Recover = Callable[[], tuple[int, str]]


@pytest.fixture
def recover(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Recover:
    """`recover --target` without a store, in this process: exit code and all that is said."""
    settings = tmp_path / "gameday.toml"
    settings.write_text(toml_of(cluster, {}))

    def call() -> tuple[int, str]:
        capsys.readouterr()
        code = recover_target("staging", settings, f"sqlite:///{tmp_path}/none.db")
        return int(code), "".join(capsys.readouterr())

    return call


def web(cluster: Cluster) -> dict[str, Any]:
    found = cluster.get("Deployment", "web")
    assert found is not None
    return found


def is_marked(thing: dict[str, Any]) -> bool:
    return marks.MARK in (thing["metadata"].get("annotations") or {})


def outage(cluster: Cluster, **context: Any) -> Planned:
    return Planned(cluster, "dependency-outage", WEB, {"service": "web", "by": "scale"}, context=context)


def broken(cluster: Cluster) -> Planned:
    params = {"service": "web", "env": {"MODE": "next"}}
    return Planned(cluster, "rollout-break", WEB, params, context={"checked": True})


def mark_of(fault: Planned) -> str:
    return str(fault.plan["inject"]["args"]["objects"][0]["mark"])


def copied(cluster: Cluster, fault: Planned) -> None:
    """A copy of its mark on every ReplicaSet, as the controller makes one where it is faster than the strike."""
    for one in cluster.list("ReplicaSet"):
        cluster.patch(
            "ReplicaSet", one["metadata"]["name"], {"metadata": {"annotations": {marks.MARK: mark_of(fault)}}}
        )


def template(cluster: Cluster, **env: str) -> None:
    """A release of the team's, as `kubectl set env` makes one."""
    items = [{"name": name, "value": value} for name, value in env.items()]
    patch = [{"op": "add", "path": "/spec/template/spec/containers/0/env", "value": items}]
    cluster.patch("Deployment", "web", patch, how="application/json-patch+json")
    cluster.whole("web")


def paste(cluster: Cluster, said: str, which: str) -> None:
    """The lines below the comment that begins so, done as kubectl does them."""
    lines = [line.strip() for line in said.splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith(f"# {which}"))
    for line in lines[first + 1 :]:
        words = shlex.split(line) if line.startswith("kubectl") else []
        if "patch" in words:
            kind, name = words[words.index("patch") + 1].split("/")
            assert kind == "deployments.apps"
            cluster.patch("Deployment", name, json.loads(words[-1]), how="application/json-patch+json")
            # Faster than any shell, and the controller would copy the mark once more.
            cluster.until(
                lambda: web(cluster)["status"]["observedGeneration"] == web(cluster)["metadata"]["generation"]
            )
        elif "annotate" in words:
            for each in words[words.index("annotate") + 1 : -1]:
                assert each.startswith("replicasets.apps/") and words[-1] == f"{marks.MARK}-"
                off = {"metadata": {"annotations": {marks.MARK: None}}}
                cluster.patch("ReplicaSet", each.partition("/")[2], off)
        else:
            return


# --- copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [outage, broken], ids=["scale", "rollout"])
def test_no_copy_of_its_mark_is_left_for_a_rollback(cluster: Cluster, make: Callable[[Cluster], Planned]) -> None:
    cluster.deployment("web", 1, env={"MODE": "good"})
    fault = make(cluster)
    fault.inject()
    fault.until_effective()
    copied(cluster, fault)
    fault.undo()
    fault.until_recovered()
    left = cluster.list("ReplicaSet")
    assert len(left) == 1 and not is_marked(left[0])


def test_nor_by_recover_target(cluster: Cluster, recover: Recover) -> None:
    cluster.deployment("web", 1)
    fault = outage(cluster)
    fault.inject()
    copied(cluster, fault)
    assert recover()[0] == 0
    assert not any(map(is_marked, cluster.list("ReplicaSet")))
    # Whoever undid it was killed before it came to that.
    copied(cluster, fault)
    assert recover()[0] == 0
    assert not any(map(is_marked, cluster.list("ReplicaSet")))


# --- what somebody wants ---------------------------------------------------------------------------------------------


def released(cluster: Cluster, recover: Recover) -> str:
    """A broken rollout, undone; the team rolls out the same value itself, back and forward; then the mark is back."""
    cluster.deployment("web", 1, env={"MODE": "good"})
    fault = broken(cluster)
    fault.inject()
    fault.until_effective()
    fault.undo()
    fault.until_recovered()
    template(cluster, MODE="next")
    cluster.patch("Deployment", "web", {"metadata": {"annotations": {marks.MARK: mark_of(fault)}}})
    template(cluster, MODE="good")
    template(cluster, MODE="next")
    cluster.until(lambda: all(map(is_marked, cluster.list("ReplicaSet"))))
    code, said = recover()
    assert code == 4, said
    assert marks.value_at(web(cluster), MODE) == "next" and len(cluster.list("ReplicaSet")) == 2
    assert 'env/0 is {"name": "MODE", "value": "next"}, and was {"name": "MODE", "value": "good"} before' in said
    assert "or somebody wants it so and a rollback brought the mark back, can't be told; it was left alone" in said
    assert is_marked(web(cluster)), "what it was before is kept"
    return said


def test_a_release_of_the_teams_own_with_the_faults_value_is_left_to_it(cluster: Cluster, recover: Recover) -> None:
    paste(cluster, released(cluster, recover), "to keep what stands there")
    code, said = recover()
    assert code == 0 and f"nothing of gameday's is in {cluster.namespace}\n" in said, said
    assert marks.value_at(web(cluster), MODE) == "next" and len(cluster.list("ReplicaSet")) == 2


def test_that_its_value_runs_again_is_said_until_somebody_has_chosen(cluster: Cluster, recover: Recover) -> None:
    """Whoever undid it was killed before copies of its mark were taken off, and the Deployment has none."""
    cluster.deployment("web", 1, env={"MODE": "good"})
    fault = broken(cluster)
    fault.inject()
    fault.until_effective()
    fault.undo()
    cluster.whole("web")
    template(cluster, MODE="next")
    copied(cluster, fault)
    code, said = recover()
    assert code == 4 and "it was rolled out again since" in said, said
    paste(cluster, said, "to keep it")
    code, said = recover()
    assert code == 0, said
    assert marks.value_at(web(cluster), MODE) == "next" and len(cluster.list("ReplicaSet")) == 2


def test_and_put_back_where_they_say_so(cluster: Cluster, recover: Recover) -> None:
    paste(cluster, released(cluster, recover), "or to put back")
    cluster.whole("web")
    code, said = recover()
    assert code == 0, said
    assert marks.value_at(web(cluster), MODE) == "good"
    assert len(cluster.list("ReplicaSet")) == 2, "the team's revision is the team's"
    assert not any(map(is_marked, cluster.list("ReplicaSet")))


def test_a_mark_that_came_back_goes_where_nothing_is_as_the_fault_had_it(cluster: Cluster, recover: Recover) -> None:
    cluster.deployment("web", 2)
    fault = outage(cluster)
    fault.inject()
    fault.until_effective()
    fault.undo()
    fault.until_recovered()
    for version, tags in (("2", {}), ("1", {marks.MARK: mark_of(fault)})):
        patch = {"spec": {"template": {"metadata": {"annotations": {"version": version}}}}}
        cluster.patch("Deployment", "web", {"metadata": {"annotations": tags}, **patch})
        cluster.whole("web")
    cluster.patch("Deployment", "web", {"spec": {"replicas": 3}})
    code, said = recover()
    assert code == 0, said
    assert "of a fault that does not stand, as a rollback brings one back: it was taken off" in said
    assert "left alone, as somebody has it since: /spec/replicas is 3, and was 2 before that fault" in said
    assert web(cluster)["spec"]["replicas"] == 3 and not is_marked(web(cluster))
    assert not any(map(is_marked, cluster.list("ReplicaSet")))


def test_a_revision_of_the_teams_that_is_like_the_fault_stays_in_the_history(
    cluster: Cluster, recover: Recover
) -> None:
    """A mark that had come back was on the Deployment when it was rolled out, and so on the revision."""
    cluster.deployment("web", 1, env={"MODE": "good"})
    fault = broken(cluster)
    fault.inject()
    fault.until_effective()
    fault.undo()
    cluster.whole("web")
    template(cluster, MODE="next", MORE="1")
    (theirs,) = [one for one in cluster.list("ReplicaSet") if "MORE" in str(one["spec"])]
    copied(cluster, fault)
    template(cluster, MODE="newest")
    code, said = recover()
    assert code == 0, said
    assert "of the broken rollout, is out of the history" in said
    left = {one["metadata"]["uid"] for one in cluster.list("ReplicaSet")}
    assert theirs["metadata"]["uid"] in left and len(left) == 3


# --- what stands -----------------------------------------------------------------------------------------------------


def older_mark_over(cluster: Cluster) -> Planned:
    """An outage that stands; `kubectl rollout undo` under it has put the mark of an older one in the place of its."""
    cluster.deployment("web", 2)
    fault = outage(cluster)
    older = marks.mark_of(
        {**CONTEXT, "exercise": "x-0"}, web(cluster)["metadata"]["uid"], json.loads(mark_of(fault))["changes"]
    )
    fault.inject()
    fault.until_effective()
    cluster.until(lambda: any(map(is_marked, cluster.list("ReplicaSet"))))
    (runs,) = cluster.list("ReplicaSet")
    back = {"metadata": {"annotations": {marks.MARK: older}}}
    cluster.patch("Deployment", "web", {**back, "spec": {"template": {"metadata": {"annotations": {"version": "0"}}}}})
    cluster.until(lambda: len(cluster.list("ReplicaSet")) == 2)
    cluster.patch("ReplicaSet", runs["metadata"]["name"], {"metadata": {"annotations": {marks.MARK: mark_of(fault)}}})
    return fault


def test_a_fault_under_an_older_mark_is_undone_by_the_copy_of_its_own(cluster: Cluster, recover: Recover) -> None:
    older_mark_over(cluster)
    code, said = recover()
    assert code == 0, said
    assert f"deployment {cluster.namespace}/web  recovered  is as it was (exercise x-1, fault-1)" in said
    now = web(cluster)
    assert now["spec"]["replicas"] == 2
    assert not is_marked(now) and marks.EXERCISE not in now["metadata"].get("labels", {})
    assert recover()[0] == 0
    assert not any(map(is_marked, cluster.list("ReplicaSet"))), "nor of the older one"


def test_and_is_loud_where_there_is_no_copy(cluster: Cluster, recover: Recover) -> None:
    older_mark_over(cluster)
    for one in cluster.list("ReplicaSet"):
        cluster.patch("ReplicaSet", one["metadata"]["name"], {"metadata": {"annotations": {marks.MARK: None}}})
    before = web(cluster)
    for _ in range(2):
        code, said = recover()
        assert code == 4, said
        assert "NOT RECOVERED" in said and "has the labels of a fault, and its mark is gone" in said
        assert "left alone, as somebody has it since" not in said
    assert web(cluster)["metadata"]["annotations"][marks.MARK] == before["metadata"]["annotations"][marks.MARK]
    assert web(cluster)["spec"]["replicas"] == 0


def test_a_fault_whose_mark_a_rollback_took_is_undone_by_its_copy(cluster: Cluster, recover: Recover) -> None:
    cluster.deployment("web", 2)
    fault = outage(cluster)
    fault.inject()
    copied(cluster, fault)
    cluster.patch("Deployment", "web", {"metadata": {"annotations": {marks.MARK: None}}})
    code, said = recover()
    assert code == 0, said
    assert web(cluster)["spec"]["replicas"] == 2 and marks.EXERCISE not in web(cluster)["metadata"].get("labels", {})


def test_many_changes_since_do_not_prove_that_a_fault_without_labels_was_undone(
    cluster: Cluster, recover: Recover
) -> None:
    cluster.deployment("web", 2)
    fault = outage(cluster)
    fault.inject()
    fault.until_effective()
    cluster.patch("Deployment", "web", NO_LABELS)
    for version in "123":
        cluster.patch("Deployment", "web", {"spec": {"template": {"metadata": {"annotations": {"version": version}}}}})
    # Its exercise was killed, and its claim has run out.
    lease.acquire(where(cluster), [cluster.namespace], CONTEXT["exercise"])
    old = {"renewTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 1}
    cluster.patch("Lease", lease.NAME, {"spec": old})
    for had in (True, False):
        code, said = recover()
        assert code == 4 and "can't be told; it was left alone" in said, said
        assert ("had the claim here to its end, which speaks for its fault" in said) is had
        assert web(cluster)["spec"]["replicas"] == 0 and is_marked(web(cluster))
    paste(cluster, said, "or to put back what was before the fault (/spec/replicas was 2)")
    cluster.whole("web")
    assert recover()[0] == 0
    assert web(cluster)["spec"]["replicas"] == 2


def test_no_rollback_puts_a_mark_on_a_service(cluster: Cluster, recover: Recover) -> None:
    """It counts no generations, and whoever takes its labels off has undone nothing."""
    cluster.deployment("web", 1)
    fault = Planned(cluster, "dependency-outage", WEB, {"service": "web"})
    cluster.until(lambda: not fault.effective()["holds"])
    fault.inject()
    cluster.patch("Service", "web", NO_LABELS)
    code, said = recover()
    assert code == 0, said
    service = cluster.get("Service", "web")
    assert service is not None and service["spec"]["selector"] == {"app": "web"}


def test_what_is_there_still_after_it_was_taken_away_is_said(
    cluster: Cluster, recover: Recover, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.deployment("web", 2)
    outage(cluster).inject()
    monkeypatch.setattr(litter, "clear", lambda *_: {"holds": True, "evidence": "so it seemed"})
    tried: list[str] = []
    monkeypatch.setattr(litter, "meant", lambda _, one: tried.append(one.shown) or one)
    recover()
    assert tried == [f"deployment {cluster.namespace}/web"] * 2


def test_the_newest_revision_tells_a_rollback_to_the_broken_one(cluster: Cluster, recover: Recover) -> None:
    """Nobody could take it out of the history; then `kubectl rollout undo` brought it back, with the mark."""
    cluster.deployment("web", 1, env={"MODE": "good"})
    fault = broken(cluster)
    fault.inject()
    fault.until_effective()
    fault.undo()
    cluster.whole("web")
    template(cluster, MODE="next")
    cluster.patch("Deployment", "web", {"metadata": {"annotations": {marks.MARK: mark_of(fault)}}})
    code, said = recover()
    assert code == 0, said
    assert marks.value_at(web(cluster), MODE) == "good" and len(cluster.list("ReplicaSet")) == 1
    assert litter.find(Api(where(cluster)), [cluster.namespace]) == ([], [])
