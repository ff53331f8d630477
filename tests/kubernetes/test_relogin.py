"""Recovering where the log-in of the journal is good no more: by that of the settings, to the same cluster alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.cli.doctor_clusters import clusters, examine_cluster
from gameday.cli.recover_login import way_in, ways_in
from gameday.cluster import relogin
from gameday.cluster.api import Api, ways
from gameday.cluster.engines import resolved
from gameday.cluster.errors import Refused
from gameday.errors import TargetError
from gameday.exercise.events import ExerciseStarted
from gameday.targets.settings import load_settings
from tests.support.kubernetes.cluster import DoubleCluster
from tests.support.processes import kill_together

from .targets import place_of, target_of, toml_of, where

pytestmark = pytest.mark.double
SERVICES = {"web": {"workload": "deployment/web"}}
TIMELINE = "  - {at: 0s, id: dark, fault: dependency-outage, with: {service: web, by: scale}, for: 5m}\n"


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    yield
    ways.clear()


def another(cluster: DoubleCluster, folder: Path, token: str = "fresh", user: str = "else") -> dict[str, Any]:
    """Another file that leads there, by another user's token."""
    text = cluster.kubeconfig.read_text()
    said = yaml.safe_load(text)
    for one in said["users"]:
        one["user"] = {"token": token}
    (folder / "another").write_text(yaml.safe_dump(said))
    cluster.rules(user, None, token=token)
    return {**where(cluster), "kubeconfig": str(folder / "another")}


def begun(cluster: DoubleCluster) -> ExerciseStarted:
    """The beginning of an exercise there, as its journal has it."""
    target = target_of(cluster, {})
    target["settings"] = resolved(target["settings"], "staging")
    fields: dict[str, Any] = dict.fromkeys(ExerciseStarted.__dataclass_fields__)
    return replace(ExerciseStarted(**fields), target=target)


def test_one_to_the_same_cluster_is_taken_in_place_of_the_old(cluster: DoubleCluster, tmp_path: Path) -> None:
    old = begun(cluster).target["settings"]["cluster"]
    new = another(cluster, tmp_path)
    assert relogin.trouble(old) == ""
    cluster.expire()
    assert f"asked by context {cluster.context} of {cluster.kubeconfig}" in relogin.trouble(old)
    with pytest.raises(Refused, match="401"):
        Api(old).identity()
    relogin.instead(relogin.as_text(old, relogin.other_way(old, new)))
    assert Api(old).identity() == old["uid"]


def test_one_to_another_cluster_or_to_who_knows_where_is_not(cluster: DoubleCluster, tmp_path: Path) -> None:
    old, new = begun(cluster).target["settings"]["cluster"], another(cluster, tmp_path)
    with pytest.raises(TargetError, match="leads to another cluster"):
        relogin.other_way({**old, "uid": "another"}, new)
    # The same by its uid, whatever its address.
    assert relogin.other_way({**old, "server": "https://elsewhere.example.com"}, new)["server"] == cluster.url
    unknown = {key: value for key, value in old.items() if key != "uid"}
    with pytest.raises(TargetError, match="whether that is the same cluster can't be told"):
        relogin.other_way({**unknown, "server": "https://elsewhere.example.com"}, new)
    cluster.rules("else", [], token="fresh")
    assert relogin.other_way(old, new)["uid"] == old["uid"], "the same address will do where no more can be known"
    cluster.expire("else")
    with pytest.raises(TargetError, match="401"):
        relogin.other_way(old, new)


def test_where_there_is_no_other_it_is_said_which_it_was_and_what_to_do(
    cluster: DoubleCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started, settings = begun(cluster), tmp_path / "gameday.toml"
    settings.write_text(toml_of(cluster, {}))
    old = started.target["settings"]["cluster"]
    assert way_in("x-1", started, settings) == old and capsys.readouterr().err == "", "all is well"
    assert ways_in(started, old) == []
    cluster.expire()
    assert way_in("x-1", started, settings) == old
    said = capsys.readouterr().err
    assert f"context {cluster.context} of {cluster.kubeconfig}, by which it was run, is of no use now: " in said
    assert "the settings here say the same of target staging" in said
    assert f"write a log-in that works into {cluster.kubeconfig}, or have target staging in gameday.toml" in said


def test_recover_undoes_by_the_new_log_in_and_the_journal_hears_of_it(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2)
    place = place_of(tmp_path, cluster, SERVICES, TIMELINE)
    new = another(cluster, tmp_path)
    try:
        place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("an outage", lambda x: "dark" in x.faults and x.faults["dark"].stage == "effective")
        kill_together(place.processes())
        place.gone()
        cluster.expire()
        done = place.call(
            "recover", "--config", str(place.write("new.toml", toml_of(cluster, SERVICES, **new_of(new))))
        )
        assert done.returncode == 0, done.stdout + done.stderr + place.said()
        assert f"of {new['kubeconfig']} leads to the same cluster, and is used instead" in done.stderr
        assert place.exercise().faults["dark"].stage == "recovered"
    finally:
        place.clean_up()


def new_of(way: dict[str, Any]) -> dict[str, Any]:
    return {key: way[key] for key in ("kubeconfig", "context")}


def test_that_nobody_is_logged_in_is_said_and_not_that_it_may_be_right(cluster: DoubleCluster, tmp_path: Path) -> None:
    nobody = another(cluster, tmp_path, token="nothing", user="system:anonymous")
    cluster.rules("system:anonymous", [], token="nothing")
    with pytest.raises(TargetError, match=rf"403, nobody is logged in: context .* of {tmp_path}/another has neither"):
        resolved({**target_of(cluster, {})["settings"], "cluster": nobody}, "staging")
    (tmp_path / "gameday.toml").write_text(toml_of(cluster, SERVICES, **new_of(nobody)))
    (target,) = clusters(load_settings(explicit=tmp_path / "gameday.toml"))
    (finding,) = examine_cluster(target)
    assert finding.state == "fail" and "nobody is logged in" in finding.text and "log in again" in finding.do


def test_a_token_that_ran_out_is_said_once_and_not_recursed_into(cluster: DoubleCluster) -> None:
    api = Api(begun(cluster).target["settings"]["cluster"])
    api.identity()
    cluster.expire()
    cluster.forget_requests()
    with pytest.raises(Refused, match="401"):
        api.identity()
    assert len(cluster.requests) <= 4


def test_recover_undoes_an_activity_by_the_new_log_in_too(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2)
    scale = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment", "timeout": "4s"}
    one, two = ({**scale, "arguments": {"name": "web", "replicas": n, "ns": cluster.namespace}} for n in (1, 2))
    entry = {"at": "0s", "id": "smaller", "fault": "activity", "for": "5m", "activity": one, "undo": two}
    place = place_of(tmp_path, cluster, {}, f"  - {json.dumps(entry)}\n", recovery="6s")
    new = another(cluster, tmp_path)
    try:
        place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("fewer", lambda x: "smaller" in x.faults and x.faults["smaller"].stage == "effective")
        kill_together(place.processes())
        place.gone()
        cluster.expire()
        done = place.call("recover", "--config", str(place.write("new.toml", toml_of(cluster, {}, **new_of(new)))))
        assert done.returncode == 0, done.stdout + done.stderr + place.said()
        web = cluster.get("Deployment", "web")
        assert web is not None and web["spec"]["replicas"] == 2
    finally:
        place.clean_up()
