"""Guardian and engine are started while the cluster is still being asked; where it says no, nothing is left of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.processes import wait_for
from tests.support.runs import Place

from .targets import place_of

WEB = {"web": {"workload": "deployment/web"}}
KILL = "  - at: 0s\n    fault: pod-kill\n    with: {service: web, count: 1}\n"


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    cluster.deployment("web", replicas=2)
    made = place_of(tmp_path, cluster, WEB, KILL)
    made.anew = True
    yield made
    made.clean_up()


def logs(place: Place) -> list[Path]:
    return list((place.folder / "state").rglob("*.log"))


def test_a_run_that_is_refused_leaves_no_process_and_no_log(place: Place) -> None:
    place.write("scenario.yaml", (place.folder / "scenario.yaml").read_text().replace("count: 1", "count: 9"))
    done = place.call("run", "scenario.yaml", "--unattended")
    assert done.returncode == 5 and "9 pods asked for" in done.stderr
    place.gone()
    assert logs(place) == [] and not place.begun()


@pytest.mark.double
def test_a_command_that_is_killed_while_they_wait_takes_them_along(cluster: DoubleCluster, place: Place) -> None:
    cluster.misbehave(resource="deployments", delay=30)
    process = place.start("run", "scenario.yaml", "--unattended")
    wait_for(lambda: place.pids("-m gameday.cli.engine_process"), 20, "an engine that waits")
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    place.gone()
    assert not place.begun()


@pytest.mark.double
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_before_the_exercise_begins_is_answered_in_words(
    cluster: DoubleCluster, place: Place, number: signal.Signals
) -> None:
    # All is looked at; what is left before it begins is the claim to the namespace, which takes its time.
    cluster.misbehave(resource="leases", verb="create", delay=3)
    process = place.start("run", "scenario.yaml", "--unattended")
    wait_for(lambda: cluster.asked(resource="leases", verb="create"), 20, "a claim that is under way")
    process.send_signal(number)
    assert process.wait(20) == 128 + number, place.said()
    assert f"stopped by {number.name} before the exercise could be followed" in place.said()
    assert "Traceback" not in place.said()
    place.gone()
    assert not place.begun() and len(cluster.pods("app=web")) == 2


@pytest.mark.double
@pytest.mark.parametrize("who", ["guardian", "engine"])
def test_one_of_them_that_dies_while_it_waits_is_a_run_that_is_refused(
    cluster: DoubleCluster, place: Place, who: str
) -> None:
    number = cluster.misbehave(resource="deployments", delay=30)
    process = place.start("run", "scenario.yaml", "--unattended")
    (engine,) = wait_for(lambda: place.pids("-m gameday.cli.engine_process"), 20, "an engine that waits")
    guardian = place.guardian()
    assert guardian is not None
    os.kill(guardian if who == "guardian" else engine, signal.SIGKILL)
    before = {pod["metadata"]["uid"] for pod in cluster.pods("app=web")}
    cluster.behave(number)
    cluster.drop_watches()
    assert process.wait(60) == 5, place.said()
    assert "Traceback" not in place.said()
    place.gone()
    assert {pod["metadata"]["uid"] for pod in cluster.pods("app=web")} == before
    assert cluster.get("Lease", "gameday") is None, "the claim is given back"


def test_an_engine_for_a_fault_that_is_not_in_the_scenario_is_a_mistake(place: Place) -> None:
    for command in ("preview", "run"):
        done = place.call(command, "scenario.yaml", "--engine", "latency=chaos-mesh")
        assert done.returncode == 2, done.stderr
        assert "--engine latency=…: the scenario has no latency; write pod-kill" in done.stderr
