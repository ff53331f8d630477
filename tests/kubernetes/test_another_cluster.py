"""Activities, where another cluster answers by the way to the target's: none is run, and no undo counts as done."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gameday.cluster import engines, marks
from gameday.engine.ports import Plan
from gameday.faults import activity, dynamic
from gameday.faults.chaostoolkit import ActivityFailed
from gameday.faults.planning import plan
from gameday.probes.sync import ask
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.runs import Place

from .targets import CONTEXT, place_of, target_of

Json = dict[str, Any]
ELSEWHERE = "leads to another cluster now, at the same address .* it was not run"

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    yield
    marks._prepared.clear()


def scaled(cluster: Cluster, replicas: int) -> Json:
    arguments = {"name": "web", "replicas": replicas, "ns": cluster.namespace}
    where = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment"}
    return {**where, "arguments": arguments, "timeout": "2s"}


def touch(path: Path) -> Json:
    return {"type": "process", "path": sys.executable, "arguments": ["-c", f"open({str(path)!r}, 'w')"]}


def target(cluster: Cluster, **of_cluster: Any) -> Json:
    made = target_of(cluster, {})
    made["settings"] = engines.resolved(made["settings"], "staging")
    made["settings"]["cluster"] |= of_cluster
    return made


def planned(to: Json, provider: Json, undo: Any) -> Plan:
    return Plan.from_json(plan("activity", to, {"activity": provider, "undo": undo}, CONTEXT))


def replicas(cluster: Cluster) -> int:
    found = cluster.get("Deployment", "web")
    assert found is not None
    return int(found["spec"]["replicas"])


def test_no_action_no_undo_and_no_probe_is_run_there(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2)
    there, trace = target(cluster, uid="of the other cluster"), tmp_path / "trace"
    made = planned(there, scaled(cluster, 1), [scaled(cluster, 1), touch(trace)])
    assert made.undo is not None
    with pytest.raises(ActivityFailed, match=f"{ELSEWHERE}.*`gameday recover` undoes"):
        activity.run_activity(**made.inject.args)
    with pytest.raises(RuntimeError, match=f"1 of 2 .*{ELSEWHERE}.*2 of 2 .*{ELSEWHERE}"):
        activity.undo_all(**made.undo.args)
    with pytest.raises(ActivityFailed, match=ELSEWHERE):
        activity.prepare_undo_all(**made.undo.args)
    answer = ask({"activity": touch(trace)}, there)
    assert answer["kind"] == "error" and "leads to another cluster now" in answer["detail"], answer
    answer = ask({"process": {"command": [sys.executable, *touch(trace)["arguments"]]}}, there)
    assert answer["kind"] == "error" and "leads to another cluster now" in answer["detail"], answer
    with pytest.raises(dynamic.DynamicError, match="leads to another cluster now"):
        dynamic.find({"way": {"type": "probe", "provider": touch(trace)}}, there["settings"]["cluster"])
    assert replicas(cluster) == 2 and not trace.exists()


def test_where_it_is_the_same_one_they_are_run(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", 2)
    made = planned(target(cluster), scaled(cluster, 1), [scaled(cluster, 2), touch(tmp_path / "trace")])
    assert made.undo is not None
    activity.prepare_undo_all(**made.undo.args)
    activity.run_activity(**made.inject.args)
    assert replicas(cluster) == 1
    activity.undo_all(**made.undo.args)
    assert replicas(cluster) == 2 and (tmp_path / "trace").exists()


@pytest.mark.double
def test_what_asks_no_cluster_is_run_where_none_answers(cluster: DoubleCluster, tmp_path: Path) -> None:
    made = planned(target(cluster), scaled(cluster, 1), [scaled(cluster, 2), touch(tmp_path / "trace")])
    assert made.undo is not None
    cluster.gone()
    # An undo waits until it is sent; by then somebody may answer.
    activity.prepare_undo_all(**made.undo.args)
    with pytest.raises(RuntimeError, match=r"^1 of 2 .*whether it is the same cluster as before can't be asked"):
        activity.undo_all(**made.undo.args)
    assert (tmp_path / "trace").exists()
    cluster.back()


@pytest.mark.double
def test_a_program_that_is_a_probe_does_not_wait_long_for_an_api_server_that_hangs(cluster: DoubleCluster) -> None:
    there = target(cluster)
    cluster.signal(signal.SIGSTOP)
    try:
        answer = ask({"process": {"command": ["true"], "timeout": 3}}, there)
    finally:
        cluster.signal(signal.SIGCONT)
    assert answer["kind"] == "value" and answer["value"] == 0, answer


@contextmanager
def another(cluster: DoubleCluster) -> Iterator[None]:
    """As long as this lasts another cluster answers, in which there is all that is in this one."""
    system = cluster.get("Namespace", "kube-system")
    assert system is not None
    cluster.seed({**system, "metadata": {**system["metadata"], "uid": "of the other cluster"}})
    yield
    cluster.seed(system)


@pytest.mark.double
def test_an_exercise_says_that_its_fault_stands_and_recover_undoes_it_when_the_cluster_is_back(
    cluster: DoubleCluster, tmp_path: Path
) -> None:
    cluster.deployment("web", 2)
    entry: Json = {"at": "0s", "id": "smaller", "fault": "activity", "for": "2s"}
    entry |= {"activity": scaled(cluster, 1), "undo": scaled(cluster, 2)}
    place = place_of(tmp_path, cluster, {}, f"  - {entry}\n", recovery="3s")
    try:
        run = place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("smaller", lambda x: "smaller" in x.faults and x.faults["smaller"].stage == "effective")
        with another(cluster):
            assert run.wait(60) == 4, place.said()
            assert replicas(cluster) == 1
            leaked = place.exercise().faults["smaller"]
            assert leaked.stage == "leaked" and "leads to another cluster now" in leaked.error
            assert place.call("recover").returncode == 4 and replicas(cluster) == 1
        done = place.call("recover")
        assert done.returncode == 0, done.stdout + done.stderr
        assert replicas(cluster) == 2 and place.exercise().faults["smaller"].stage == "recovered"
    finally:
        place.clean_up()


@pytest.mark.double
def test_a_fault_is_not_begun_there(cluster: DoubleCluster, tmp_path: Path) -> None:
    """What is armed first is the undo, and it says so before anything is touched."""
    cluster.deployment("web", 2)
    entry: Json = {"at": "3s", "id": "smaller", "fault": "activity", "for": "1s"}
    entry |= {"activity": scaled(cluster, 1), "undo": scaled(cluster, 2)}
    first = {"at": "0s", "check": {"process": {"command": ["true"]}}}
    place: Place = place_of(tmp_path, cluster, {}, f"  - {first}\n  - {entry}\n", recovery="3s")
    place.write("gameday.toml", (tmp_path / "gameday.toml").read_text() + "[policy]\nallow_process = true\n")
    try:
        run = place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("the beginning", lambda x: x.phase == "running")
        with another(cluster):
            assert run.wait(60) != 0, place.said()
        assert replicas(cluster) == 2
        fault = place.exercise().faults["smaller"]
        assert fault.stage == "recovered" and fault.cleared == "nothing was injected"
        assert "its undo could not be armed, so nothing was touched" in fault.error and ELSEWHERE[:29] in fault.error
    finally:
        place.clean_up()
