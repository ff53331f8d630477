"""Whatever happens to the API server, to us or to the object: the fault is undone, or it is said.

Whole runs with real processes. The fault is a workload scaled to zero, whose undo is one patch of the Deployment.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.cluster.marks import MARK
from gameday.faults import planning
from tests.engine.rig import Rig
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.runs import Place, kinds

from .targets import CONTEXT, place_of, target_of

WEB = {"web": {"workload": "deployment/web", "service": "web"}}
DARK = "  - at: 0s\n    id: dark\n    fault: dependency-outage\n    with: {service: web, by: scale}\n    for: 10m\n"


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """What the abort condition watches: as long as it listens there is no reason to abort."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    yield listening
    listening.close()


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path, door: socket.socket) -> Iterator[Place]:
    cluster.deployment("web", replicas=2)
    watched = f"127.0.0.1:{door.getsockname()[1]}"
    made = place_of(tmp_path, cluster, WEB, DARK, watched=watched, recovery="40s" if cluster.is_real else "12s")
    yield made
    made.clean_up()


def dark(place: Place) -> subprocess.Popen[bytes]:
    """A run with the fault in effect."""
    process = place.start("run", "scenario.yaml", "--unattended")
    place.wait_until("the fault in effect", lambda x: "dark" in x.faults and x.faults["dark"].stage == "effective")
    return process


def web(cluster: Cluster) -> dict[str, Any]:
    found = cluster.get("Deployment", "web")
    assert found is not None
    return found


def is_as_it_was(cluster: Cluster) -> bool:
    """Nothing of the fault is left on the object, nor anything of the exercise in the namespace."""
    found = web(cluster)
    tags = {**found["metadata"].get("labels", {}), **found["metadata"].get("annotations", {})}
    return found["spec"]["replicas"] == 2 and not any("gameday" in key for key in tags)


def test_an_abort_undoes_it(cluster: Cluster, place: Place, door: socket.socket) -> None:
    process = dark(place)
    assert web(cluster)["spec"]["replicas"] == 0
    door.close()
    assert process.wait(90) == 3, place.said()
    assert is_as_it_was(cluster)
    place.gone()
    assert cluster.get("Lease", "gameday") is None, "the claim is given back when all is over"


@pytest.mark.parametrize("who", ["engine", "guardian", "command"])
def test_who_is_killed_makes_no_difference(cluster: Cluster, place: Place, who: str) -> None:
    process = dark(place)
    pid = {
        "engine": lambda: place.pids("-m gameday.cli.engine_process")[0],
        "guardian": place.guardian,
        "command": lambda: process.pid,
    }[who]()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    cluster.until(lambda: is_as_it_was(cluster), 15)
    process.wait(90)
    place.gone(90)
    assert place.exercise().faults["dark"].stage == "recovered", place.said()


def test_all_killed_at_once_and_recovered_later(cluster: Cluster, place: Place) -> None:
    """As if the machine had lost its power: nobody is left who could undo, but the journal knows."""
    dark(place)
    for pid in place.processes():
        os.kill(pid, signal.SIGSTOP)
    for pid in place.processes():
        os.kill(pid, signal.SIGKILL)
    place.gone()
    assert web(cluster)["spec"]["replicas"] == 0
    done = place.call("recover", timeout=120)
    assert done.returncode == 0, done.stderr
    assert is_as_it_was(cluster)
    assert place.exercise().faults["dark"].stage == "recovered"


@pytest.mark.long
def test_what_others_have_changed_is_left_to_them_and_said(cluster: Cluster, place: Place, door: socket.socket) -> None:
    place.write("scenario.yaml", (place.folder / "scenario.yaml").read_text().replace("40s", "2s").replace("12s", "2s"))
    process = dark(place)
    cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
    door.close()
    assert process.wait(90) == 4, place.said()
    assert web(cluster)["spec"]["replicas"] == 1, "nobody's change was overwritten"
    said = place.said()
    assert "somebody else has changed /spec/replicas to 1 since" in said
    assert f"kubectl --kubeconfig {cluster.kubeconfig} --context {cluster.context} -n {cluster.namespace} patch" in said
    # They put it back; then nothing is left to be said.
    cluster.patch("Deployment", "web", {"spec": {"replicas": 2}})
    cluster.whole("web")
    done = place.call("recover", timeout=120)
    assert done.returncode == 0, done.stderr
    assert is_as_it_was(cluster)


def test_the_commands_that_are_printed_undo_it(cluster: Cluster, place: Place) -> None:
    """They are pasted at three in the morning, by somebody who has nothing else."""
    dark(place)
    commands = place.exercise().faults["dark"].commands
    for pid in place.processes():
        os.kill(pid, signal.SIGSTOP)
    for pid in place.processes():
        os.kill(pid, signal.SIGKILL)
    place.gone()
    if not cluster.is_real:
        pytest.skip("kubectl asks for schemas that the double does not have")
    for command in commands:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert is_as_it_was(cluster)


def test_a_claim_that_another_took_over_ends_the_exercise(cluster: Cluster, place: Place) -> None:
    process = dark(place)
    cluster.patch("Lease", "gameday", {"spec": {"holderIdentity": "x-other"}})
    assert process.wait(120) == 3, place.said()
    assert "the claim to the target is lost: exercise x-other holds" in place.said()
    assert is_as_it_was(cluster)
    held = cluster.get("Lease", "gameday")
    assert held is not None and held["spec"]["holderIdentity"] == "x-other", "what is another's is not given back"


def test_a_second_run_is_refused_before_anything_is_touched(cluster: Cluster, place: Place, tmp_path: Path) -> None:
    process = dark(place)
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other")
    for name in ("gameday.toml", "scenario.yaml"):
        other.write(name, (place.folder / name).read_text())
    before = web(cluster)
    done = other.call("run", "scenario.yaml", "--unattended")
    assert done.returncode == 5, done.stderr
    assert "dark" in done.stderr or "one exercise at a time" in done.stderr
    assert web(cluster)["metadata"]["generation"] == before["metadata"]["generation"]
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 3, place.said()


# --- the API server's bad days ---------------------------------------------------------------------------------------


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A guardian that can undo on a cluster, without an engine or a command."""
    (tmp_path / "rig").mkdir()
    made = Rig(tmp_path / "rig", preload=["calls", "gameday.cluster.warm"])
    yield made
    made.close()


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({"verb": "patch", "status": 500, "times": 3}, id="500"),
        pytest.param({"verb": "patch", "status": 429, "retry_after": 1, "times": 1}, id="429"),
        pytest.param({"verb": "patch", "status": 409, "reason": "Conflict", "times": 7}, id="409"),
        pytest.param({"verb": "patch", "reset": "before", "times": 3}, id="reset"),
        pytest.param({"verb": "patch", "reset": "after", "times": 1}, id="answer-lost"),
        pytest.param({"verb": "patch", "delay": 2, "times": 1}, id="slow"),
        pytest.param({"verb": "get", "status": 503, "times": 6}, id="503-on-reads"),
        pytest.param({"verb": "patch", "status": 401, "times": 3}, id="401"),
        pytest.param({"verb": "patch", "status": 403, "times": 3}, id="403"),
        pytest.param({"verb": "patch", "status": 422, "reason": "Invalid", "times": 7}, id="422"),
        pytest.param({"verb": "patch", "status": 404, "times": 2}, id="404"),
    ],
)
@pytest.mark.double
def test_the_undo_comes_through(cluster: DoubleCluster, rig: Rig, trouble: Any) -> None:
    """A guardian tries again until it holds; here with a plan's own undo and verification."""
    cluster.deployment("web", replicas=2)
    target = target_of(cluster, WEB)
    plan = planning.plan("dependency-outage", target, {"service": "web", "by": "scale"}, CONTEXT)
    assert rig.ask(do="arm", entry="dark", **{key: plan[key] for key in ("undo", "recovered")}, recovery=20.0)["ok"]
    assert rig.ask(do="inject", entry="dark", call=plan["inject"])["ok"]
    assert web(cluster)["spec"]["replicas"] == 0
    cluster.misbehave(resource="deployments", **trouble)
    rig.send(do="undo", entries=["dark"], reason="its time is over")
    rig.fact("recovered", "dark", 30.0)
    assert is_as_it_was(cluster)
    assert rig.end(0) == 0
    assert "Traceback" not in rig.log.read_text()


@pytest.mark.double
def test_a_server_that_is_gone_during_the_undo_and_comes_back(
    cluster: DoubleCluster, place: Place, door: socket.socket
) -> None:
    process = dark(place)
    cluster.gone()
    door.close()
    place.wait_until("an undo that failed", lambda x: x.faults["dark"].undo_error)
    assert "can't be reached" in place.exercise().faults["dark"].undo_error
    cluster.back()
    assert process.wait(60) == 3, place.said()
    assert is_as_it_was(cluster)
    assert "undo_failed" in kinds(place.records())
    assert "FAILED" in place.said() and "trying again" in place.said()


@pytest.mark.double
def test_a_server_that_is_back_for_the_undo_is_heard_before_the_end(
    cluster: DoubleCluster, place: Place, door: socket.socket
) -> None:
    """Nothing is left to wait for but that: the workload itself was whole all the time."""
    text = (place.folder / "scenario.yaml").read_text()
    place.write("scenario.yaml", text.replace("by: scale", "by: service"))
    process = dark(place)
    cluster.gone()
    place.wait_until("nothing to be heard", lambda x: "nothing is heard from the cluster" in place.said())
    door.close()
    cluster.back()
    assert process.wait(60) == 3, place.said()
    said = place.said()
    assert "the API server: heard again after" in said
    assert said.index("heard again after") < said.index(" END ")


@pytest.mark.double
@pytest.mark.long
def test_a_server_that_stays_away_is_a_leak_that_is_said_and_can_be_recovered(
    cluster: DoubleCluster, place: Place, door: socket.socket
) -> None:
    place.write("scenario.yaml", (place.folder / "scenario.yaml").read_text().replace("12s", "2s"))
    process = dark(place)
    cluster.gone()
    door.close()
    assert process.wait(90) == 4, place.said()
    assert "is NOT UNDONE" in place.said() and "kubectl --kubeconfig" in place.said()
    assert place.call("recover", timeout=60).returncode == 4, "it is still away"
    cluster.back()
    assert web(cluster)["spec"]["replicas"] == 0
    done = place.call("recover", timeout=60)
    assert done.returncode == 0, done.stderr
    assert is_as_it_was(cluster)


@pytest.mark.double
@pytest.mark.long
def test_a_token_that_expires_during_the_fault_is_read_anew(
    cluster: DoubleCluster, place: Place, door: socket.socket
) -> None:
    process = dark(place)
    cluster.rules("renewed", None, token="another-token")
    cluster.expire()
    text = cluster.kubeconfig.read_text()
    token = next(line.split("token:")[1].strip() for line in text.splitlines() if "token:" in line)
    cluster.kubeconfig.write_text(text.replace(token, "another-token"))
    door.close()
    assert process.wait(60) == 3, place.said()
    assert is_as_it_was(cluster)


@pytest.mark.double
@pytest.mark.long
def test_a_frozen_server(cluster: DoubleCluster, place: Place, door: socket.socket) -> None:
    """It accepts and says nothing, as one whose etcd hangs does."""
    process = dark(place)
    cluster.signal(signal.SIGSTOP)
    door.close()
    thaw = threading.Timer(4.0, lambda: cluster.signal(signal.SIGCONT))
    thaw.start()
    assert process.wait(60) == 3, place.said()
    thaw.join()
    assert is_as_it_was(cluster)


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({"verb": "patch", "status": 500}, id="500"),
        pytest.param({"verb": "patch", "status": 403}, id="403"),
        pytest.param({"verb": "patch", "reset": "before"}, id="reset"),
        pytest.param({"verb": "patch", "after": 1, "reset": "after", "times": 1}, id="strike-answer-lost"),
    ],
)
@pytest.mark.double
@pytest.mark.long
def test_an_injection_that_fails_leaves_nothing(cluster: DoubleCluster, place: Place, trouble: Any) -> None:
    number = cluster.misbehave(resource="deployments", **trouble)
    process = place.start("run", "scenario.yaml", "--unattended")
    place.wait_until("a failed injection", lambda x: "dark" in x.faults and x.faults["dark"].error)
    cluster.behave(number)
    assert process.wait(60) == 1, place.said()
    assert is_as_it_was(cluster)
    assert "Traceback" not in place.said()


@pytest.mark.double
def test_an_injection_that_hangs_is_undone_and_what_lands_late_does_nothing(
    cluster: DoubleCluster, place: Place, door: socket.socket
) -> None:
    cluster.misbehave(verb="patch", resource="deployments", after=1, times=1, delay=5)
    process = place.start("run", "scenario.yaml", "--unattended")
    place.wait_until("an injection under way", lambda x: "dark" in x.faults and x.faults["dark"].stage == "injecting")
    cluster.until(lambda: MARK in web(cluster)["metadata"].get("annotations", {}))
    door.close()
    assert process.wait(60) == 3, place.said()
    assert is_as_it_was(cluster)
    cluster.until(lambda: all(one.status is not None for one in cluster.asked(verb="patch", resource="deployments")))
    assert is_as_it_was(cluster), "the strike that came late did nothing"


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"status": 401}, "log in again"),
        ({"status": 403, "message": "no"}, "403"),
        ({"status": 500}, "500"),
        ({"reset": "before"}, "can't be reached"),
    ],
)
@pytest.mark.double
@pytest.mark.long
def test_what_can_not_be_looked_at_is_refused_before_anything_is_touched(
    cluster: DoubleCluster, place: Place, trouble: dict[str, Any], said: str
) -> None:
    cluster.misbehave(path="/", **trouble)
    done = place.call("run", "scenario.yaml", "--unattended")
    cluster.behave()
    assert done.returncode == 5, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert is_as_it_was(cluster) and not place.begun()
