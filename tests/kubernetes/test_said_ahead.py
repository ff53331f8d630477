"""What a preview says of a cluster, and that `manifests` agrees with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gameday.cli import preview, previewing
from gameday.faults.catalogue import catalogue
from gameday.scenario.loading import load
from gameday.targets.resolving import check_target
from gameday.targets.settings import load_settings
from tests.support.kubernetes.cluster import Cluster

from .meshed import needs_chaos_mesh
from .targets import place_of

BANK = {"web": {"workload": "deployment/web"}, "bank": {"external": ["bank.example.com"]}}
OUTAGE = "  - at: 0s\n    fault: dependency-outage\n    with: {service: bank}\n    for: 5s\n"
SLOW = "  - at: 0s\n    fault: latency\n    with: {service: web, delay: 1s}\n    for: 5s\n"
KILL = "  - at: 0s\n    fault: pod-kill\n    with: {service: bank, count: 1}\n"


def test_what_can_not_be_done_ends_alike_everywhere_and_says_what_it_would_take(
    cluster: Cluster, tmp_path: Path
) -> None:
    place = place_of(tmp_path, cluster, BANK, OUTAGE, engines=["api"])
    for command in (["preview", "scenario.yaml"], ["manifests", "scenario.yaml"]):
        done = place.call(*command)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 5, said
        assert "bank is outside of the cluster (bank.example.com)" in said
        # The cluster of others may have it, and then it is the settings that leave it out.
        could = "Chaos Mesh could, were it " + ("" if cluster.is_real else "installed in the cluster")
        assert could in said
        assert "--engine dependency-outage" not in said, "there is none to choose"


@pytest.mark.settings(chaos_mesh=True)
def test_an_engine_that_is_there_and_left_out_is_not_called_missing(cluster: Cluster, tmp_path: Path) -> None:
    needs_chaos_mesh(cluster)
    cluster.deployment("web", 1)
    place = place_of(tmp_path, cluster, {**BANK, "web": {"workload": "deployment/web"}}, SLOW, engines=["api"])
    for more in ([], ["--engine", "latency=chaos-mesh"]):
        done = place.call("preview", "scenario.yaml", *more)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 5 and "and there is none" not in said and "has no Chaos Mesh" not in said
        assert "`engines` under [targets.staging] leaves Chaos Mesh out, which is there: add" in said
    place = place_of(tmp_path, cluster, BANK, OUTAGE, engines=["api"])
    done = place.call("preview", "scenario.yaml")
    said = " ".join((done.stdout + done.stderr).split())
    assert "Chaos Mesh could, were it not left out of `engines` under [targets.staging]" in said


@pytest.mark.parametrize("engines", [["api"], ["api", "chaos-mesh"]])
def test_what_would_do_it_is_not_said_of_a_fault_that_can_not_be_done(
    cluster: Cluster, tmp_path: Path, engines: list[str]
) -> None:
    cluster.deployment("web", 1)
    place_of(
        tmp_path, cluster, {"web": {"workload": "deployment/web"}}, KILL.replace("bank", "web").replace("1}", "2}")
    )
    settings = load_settings(explicit=tmp_path / "gameday.toml")
    info = check_target("staging", settings)
    info = replace(info, settings={**info.settings, "engines": engines})
    scenario = load(tmp_path / "scenario.yaml", catalogue=catalogue()).scenario
    (fault,) = previewing._faults(scenario, info, True, [7])
    assert fault.error
    assert fault.engine == ""
    assert fault.instead == "", "what is not there to be touched is so by any engine"
    rows = dict(preview._fault_rows(fault))
    assert "by" not in rows and rows["CAN'T NOW"] == fault.error


EVICT = "  - at: 0s\n    fault: pod-kill\n    with: {service: web, evict: true}\n"


@pytest.mark.parametrize("why", ["limits", "protection", "the engine"])
def test_another_engine_is_named_where_it_is_the_engine_that_can_not(
    cluster: Cluster, tmp_path: Path, why: str
) -> None:
    cluster.deployment("web", 2)
    kill = {"limits": KILL.replace("1}", "2}"), "protection": KILL, "the engine": EVICT}[why]
    place_of(tmp_path, cluster, {"web": {"workload": "deployment/web"}}, kill.replace("bank", "web"))
    if why == "protection":
        cluster.patch("Deployment", "web", {"metadata": {"labels": {"gameday.dev/protected": "true"}}})
    text = (tmp_path / "scenario.yaml").read_text()
    (tmp_path / "scenario.yaml").write_text(text.replace("recovery: 60s", "percent: 50"))
    info = check_target("staging", load_settings(explicit=tmp_path / "gameday.toml"))
    order = ["chaos-mesh", "api"] if why == "the engine" else ["api", "chaos-mesh"]
    info = replace(info, settings={**info.settings, "engines": order})
    scenario = load(tmp_path / "scenario.yaml", catalogue=catalogue()).scenario
    (fault,) = previewing._faults(scenario, info, True, [7])
    assert fault.error
    assert fault.instead == ("--engine pod-kill=api" if why == "the engine" else "")


def test_the_settings_are_named_by_their_target(cluster: Cluster, tmp_path: Path) -> None:
    place = place_of(tmp_path, cluster, BANK, KILL, engines=["api"])
    done = place.call("preview", "scenario.yaml", "--json")
    (fault,) = json.loads(done.stdout)["faults"]
    assert "say so under [targets.staging.services.bank]" in fault["error"]


@pytest.mark.parametrize(("said", "shown"), [("namespace_percent = 30\n", ("30 %", False)), ("", ("80 %", True))])
def test_the_share_of_a_namespace_is_among_the_limits(
    cluster: Cluster, tmp_path: Path, said: str, shown: tuple[str, bool]
) -> None:
    cluster.deployment("web", 2)
    place = place_of(tmp_path, cluster, BANK, KILL.replace("bank", "web"), engines=["api"])
    settings = (tmp_path / "gameday.toml").read_text()
    assert "namespace_percent = 100\n" in settings
    place.write("gameday.toml", settings.replace("namespace_percent = 100\n", said))
    limits = json.loads(place.call("preview", "scenario.yaml", "--json").stdout)["limits"]
    assert [(one["value"], one["default"]) for one in limits if one["name"] == "namespace"] == [shown]


def test_nothing_is_claimed_of_a_cluster_that_was_not_asked(cluster: Cluster, tmp_path: Path) -> None:
    place = place_of(tmp_path, cluster, BANK, SLOW, environment="production")
    done = place.call("preview", "scenario.yaml")
    assert done.returncode == 5 and "is production" in done.stdout
    assert "can't be done" not in done.stdout and "CAN'T NOW" not in done.stdout
