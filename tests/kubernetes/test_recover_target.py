"""What gameday left in a cluster is found there and taken away, with the journals lost; nothing under the living."""

from __future__ import annotations

import datetime
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gameday.cli.recover_target import recover_target
from gameday.cluster import creations, holders, lease, marks
from gameday.cluster.api import Api
from gameday.cluster.resources import DEPLOYMENTS, NETWORK_POLICIES
from gameday.errors import GamedayError
from gameday.store import open_store
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.processes import kill_together, wait_for
from tests.support.runs import Place

from .targets import CONTEXT, place_of, toml_of, where

Recover = Callable[[], tuple[int, str, str]]
RECOVER = ("recover", "--target", "staging")
SERVICES = {"web": {"workload": "deployment/web"}}


@pytest.fixture
def place(tmp_path: Path, cluster: Cluster) -> Place:
    place = Place(tmp_path)
    place.write("gameday.toml", toml_of(cluster, {}))
    return place


@pytest.fixture
def recover(place: Place, capsys: pytest.CaptureFixture[str]) -> Recover:
    """The command's function in this process: exit code, stdout, stderr."""

    def call() -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = recover_target("staging", place.folder / "gameday.toml", f"sqlite:///{place.store}")
        except GamedayError as error:
            code = int(error.exit_code)
            print(error, file=sys.stderr)
        out, said = capsys.readouterr()
        return code, out, said

    return call


def scaled(cluster: Cluster) -> None:
    """A deployment `web` that a fault of a lost journal has scaled to nothing."""
    made = cluster.deployment("web", 2)
    change = {"path": "/spec/replicas", "before": 2, "after": 0}
    mark = marks.mark_of(CONTEXT, made["metadata"]["uid"], [change])
    marks.strike(Api(where(cluster)), DEPLOYMENTS, cluster.namespace, "web", mark)


def cut(cluster: Cluster) -> None:
    """A NetworkPolicy that such a fault has made."""
    inert = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "gameday-x", "namespace": cluster.namespace, "labels": creations.our_labels(CONTEXT)},
        "spec": {"podSelector": {"matchLabels": {"app": "nothing-yet"}}, "policyTypes": ["Ingress"]},
    }
    strike = [{"op": "replace", "path": "/spec/podSelector", "value": {"matchLabels": {"app": "web"}}}]
    creations.make(Api(where(cluster)), NETWORK_POLICIES, inert, strike)


def replicas(cluster: Cluster) -> int:
    found = cluster.get("Deployment", "web")
    assert found is not None
    return int(found["spec"].get("replicas", 1))


def claimed(cluster: Cluster, identity: str, seconds_ago: float = 0.0) -> None:
    lease.acquire(where(cluster), [cluster.namespace], identity)
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds_ago)
    spec = {"renewTime": then.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "leaseDurationSeconds": 60 if not seconds_ago else 1}
    cluster.patch("Lease", lease.NAME, {"spec": spec})


def test_what_was_changed_and_what_was_made_goes_with_the_store_lost(cluster: Cluster, recover: Recover) -> None:
    scaled(cluster)
    cut(cluster)
    code, out, _ = recover()
    assert code == 0, out
    assert f"deployment {cluster.namespace}/web  recovered" in out
    assert f"networkpolicy {cluster.namespace}/gameday-x  recovered" in out
    assert "(exercise x-1, fault-1)" in out
    assert replicas(cluster) == 2
    assert cluster.get("NetworkPolicy", "gameday-x") is None
    web = cluster.get("Deployment", "web")
    assert web is not None and "gameday.dev" not in json.dumps(web["metadata"].get("labels", {}))
    assert cluster.get("Lease", lease.NAME) is None, "the recovery's own claim is given back"
    assert recover()[:2] == (0, f"nothing of gameday's is in {cluster.namespace}\n")


@pytest.mark.parametrize(
    "labels",
    [
        {"app.kubernetes.io/managed-by": "somebody"},
        {"app.kubernetes.io/managed-by": None, marks.EXERCISE: None},
        {"app.kubernetes.io/managed-by": None, marks.EXERCISE: None, marks.FAULT: None},
    ],
    ids=["managed", "exercise", "all"],
)
def test_what_was_made_is_found_whoever_changed_its_labels(
    cluster: Cluster, recover: Recover, labels: dict[str, str | None]
) -> None:
    cut(cluster)
    cluster.patch("NetworkPolicy", "gameday-x", {"metadata": {"labels": labels}})
    code, out, said = recover()
    assert code == 0, said
    assert f"networkpolicy {cluster.namespace}/gameday-x  recovered" in out
    assert cluster.get("NetworkPolicy", "gameday-x") is None


def test_a_copy_that_somebody_made_of_it_is_said_and_left(cluster: Cluster, recover: Recover) -> None:
    tags = {marks.EXERCISE: "x-1", marks.FAULT: "fault-1"}
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
    meta = {"name": "theirs", "labels": tags}
    cluster.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec})
    code, out, said = recover()
    assert code == 4 and f"networkpolicy {cluster.namespace}/theirs  leaked" in out
    assert "whether one made it can't be told" in said and "delete networkpolicies.networking.k8s.io/theirs" in said
    assert cluster.get("NetworkPolicy", "theirs") is not None


def test_what_is_there_is_found_also_where_the_store_is_damaged(
    cluster: Cluster, place: Place, recover: Recover
) -> None:
    scaled(cluster)
    place.store.write_bytes(b"SQLite format 3\0" + b"\7" * 5000)
    said = place.call("recover")
    assert said.returncode == 4 and "`gameday recover --target NAME` finds what stands" in said.stderr
    code, out, err = recover()
    assert "is damaged" in err and "the target itself is searched" in err
    assert f"deployment {cluster.namespace}/web  recovered" in out and replicas(cluster) == 2
    assert code == 4, "what its journals knew of nobody can say"


def test_nothing_is_touched_while_an_exercise_has_the_claim(cluster: Cluster, recover: Recover) -> None:
    scaled(cluster)
    claimed(cluster, "20260101-0000-abcd")
    code, out, said = recover()
    assert (code, out) == (5, "")
    assert f"exercise 20260101-0000-abcd holds namespace {cluster.namespace}" in said
    assert replicas(cluster) == 0


@pytest.mark.parametrize("seconds_ago", [3600, -3600], ids=["run-out", "ahead"])
def test_a_claim_that_nobody_renews_is_no_obstacle_and_is_cleared_away(
    cluster: Cluster, recover: Recover, seconds_ago: float
) -> None:
    scaled(cluster)
    claimed(cluster, "20260101-0000-abcd", seconds_ago=seconds_ago)
    code, _, said = recover()
    assert code == 0, said
    assert "watching for another" in said and "20260101-0000-abcd" in said
    assert replicas(cluster) == 2
    assert cluster.get("Lease", lease.NAME) is None


def of_namespaces(place: Place, cluster: Cluster, *namespaces: str) -> None:
    place.write("gameday.toml", toml_of(cluster, {}, namespaces=list(namespaces)))


def test_a_namespace_that_is_gone_keeps_nothing_from_being_recovered(
    cluster: Cluster, place: Place, recover: Recover
) -> None:
    scaled(cluster)
    gone = f"{cluster.namespace}-gone"
    of_namespaces(place, cluster, gone, cluster.namespace)
    code, out, said = recover()
    assert code == 0, said
    assert f"there is no namespace {gone}: what was in it is gone with it" in said
    assert f"deployment {cluster.namespace}/web  recovered" in out
    assert replicas(cluster) == 2
    assert cluster.get("Lease", lease.NAME) is None


def test_where_none_of_its_namespaces_is_there_it_may_be_another_cluster(
    cluster: Cluster, place: Place, recover: Recover
) -> None:
    of_namespaces(place, cluster, f"{cluster.namespace}-gone")
    code, _, said = recover()
    assert code == 4
    assert "CAN'T SAY: none of the namespaces of staging is there" in said and cluster.url in said


@pytest.mark.double
def test_rights_that_went_with_a_namespace_keep_nothing_else_from_being_recovered(
    cluster: DoubleCluster, place: Place, recover: Recover
) -> None:
    scaled(cluster)
    gone = f"{cluster.namespace}-gone"
    of_namespaces(place, cluster, gone, cluster.namespace)
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "namespace": cluster.namespace}
    nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}
    cluster.rules("gameday", [everything, nodes])
    code, out, said = recover()
    assert code == 4
    assert f"CAN'T SAY: namespace {gone} is not there any more, or this account has no rights in it" in said
    assert f"deployment {cluster.namespace}/web  recovered" in out


@pytest.mark.double
def test_a_namespace_that_is_on_its_way_out_is_searched_without_a_claim(
    cluster: DoubleCluster, recover: Recover
) -> None:
    scaled(cluster)
    cluster.patch("Deployment", "web", {"metadata": {"finalizers": ["example.com/held"]}})
    cluster.delete("Namespace", cluster.namespace)
    code, out, said = recover()
    assert code == 0 and f"deployment {cluster.namespace}/web  recovered" in out, said


def test_what_somebody_else_has_changed_since_is_left_and_said_with_the_commands(
    cluster: Cluster, recover: Recover
) -> None:
    scaled(cluster)
    cluster.patch("Deployment", "web", {"spec": {"replicas": 1}})
    code, out, said = recover()
    assert code == 4
    assert f"deployment {cluster.namespace}/web  leaked" in out
    assert "somebody else has changed /spec/replicas to 1" in said
    assert "kubectl" in said and "deployments.apps/web" in said and "--type=json" in said
    assert replicas(cluster) == 1


def test_a_mark_that_cant_be_read_is_loud_and_nothing_is_deleted(cluster: Cluster, recover: Recover) -> None:
    scaled(cluster)
    cluster.patch("Deployment", "web", {"metadata": {"annotations": {marks.MARK: "{"}}})
    code, _, said = recover()
    assert code == 4
    assert "its mark can't be read" in said
    assert "delete" not in said, "the workload is somebody's"
    assert replicas(cluster) == 0


@pytest.mark.double
def test_what_may_not_be_looked_at_is_not_certain(cluster: DoubleCluster, recover: Recover) -> None:
    scaled(cluster)
    groups = ["apps", "", "coordination.k8s.io"]
    everything_else: list[dict[str, Any]] = [{"apiGroups": groups, "resources": ["*"], "verbs": ["*"]}]
    cluster.rules("gameday", everything_else)
    code, out, said = recover()
    assert code == 4
    assert "web  recovered" in out and replicas(cluster) == 2, "what can be seen is taken away all the same"
    assert f"CAN'T SAY: this account may not list networkpolicies in {cluster.namespace} (" in said
    assert "chaos" not in said, "a cluster without Chaos Mesh has nothing of it"


@pytest.mark.double
def test_nothing_is_certain_of_a_cluster_that_is_gone_nor_of_one_that_goes_meanwhile(
    cluster: DoubleCluster, recover: Recover
) -> None:
    scaled(cluster)
    cluster.misbehave(verb="patch", resource="deployments", status=500)
    code, out, said = recover()
    assert code == 4 and "web  leaked" in out and "500" in said
    cluster.behave()
    cluster.gone()
    code, out, said = recover()
    cluster.back()
    assert (code, out) == (4, "") and "can't be reached" in said
    assert recover()[0] == 0
    assert replicas(cluster) == 2


@pytest.mark.double
def test_journals_that_know_of_a_fault_there_are_told(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.deployment("web", 3)
    timeline = "  - {at: 0s, id: kills, fault: pod-kill, with: {service: web, every: 1s}, for: 5m}\n"
    place = place_of(tmp_path, cluster, SERVICES, timeline)
    try:
        run = place.start("run", "scenario.yaml", "--unattended")
        wait_for(lambda: cluster.asked(verb="delete", resource="pods"), 20, "a pod is deleted")
        ident = exercise_of(place)
        refused = place.call(*RECOVER)
        assert refused.returncode == 5 and f"exercise {ident} is alive" in refused.stderr
        kill_together(place.processes())
        run.wait()
        place.gone()
        done = place.call(*RECOVER)
        out = done.stdout
        assert done.returncode == 0, out + done.stderr + place.said()
        assert f"{ident}  kills  recovered" in out
        assert f"nothing of gameday's is in {cluster.namespace}" in out
        assert cluster.get("Lease", lease.NAME) is None, "the dead exercise's claim is given back before it runs out"
    finally:
        place.clean_up()


def test_recovering_an_attended_exercise_gives_its_claim_back(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", 1)
    timeline = "  - {at: 0s, id: dark, fault: dependency-outage, with: {service: web, by: scale}, for: 5m}\n"
    place = place_of(tmp_path, cluster, SERVICES, timeline)
    try:
        place.start("run", "scenario.yaml", "--plain")
        place.wait_until("an outage", lambda x: "dark" in x.faults and x.faults["dark"].stage == "effective")
        kill_together(place.processes())
        place.gone()
        assert cluster.get("Lease", lease.NAME) is not None
        done = place.call("recover")
        assert done.returncode == 0, done.stdout + done.stderr + place.said()
        assert replicas(cluster) == 1
        assert cluster.get("Lease", lease.NAME) is None
    finally:
        place.clean_up()


def test_on_the_same_machine_it_waits_for_the_last_process_and_no_longer(
    cluster: Cluster, recover: Recover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LATE", 0.5)
    cluster.deployment("web", 1)
    timeline = "  - {at: 0s, id: dark, fault: dependency-outage, with: {service: web, by: scale}, for: 5m}\n"
    place = place_of(tmp_path, cluster, SERVICES, timeline)
    try:
        place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("an outage", lambda x: "dark" in x.faults and x.faults["dark"].stage == "effective")
        cluster.until(lambda: holders.HELD in (cluster.get("Lease", lease.NAME) or {})["metadata"]["annotations"])
        everybody, undo = list(place.processes()), undo_worker(place)
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        kill_together(pid for pid in everybody if pid != undo)
        place.store.unlink()
        wait_for(lambda: list(place.processes()) == [undo], 20, "the undo worker is left alone")
        code, out, said = recover()
        assert (code, out) == (5, "") and "may be alive" in said
        os.kill(undo, signal.SIGKILL)
        # A process that ends gives up its memory, by which it is found here, before its files.
        wait_for(lambda: lease.claims(where(cluster), [cluster.namespace])[0].dead, 20, "nobody is left")
        code, out, said = recover()
        assert code == 0, said
        assert f"deployment {cluster.namespace}/web  recovered" in out
        assert replicas(cluster) == 1
    finally:
        place.clean_up()


def undo_worker(place: Place) -> int:
    """The one that has the lock, and is neither the guardian nor the engine."""
    others = {place.guardian(), *place.pids("gameday.cli.engine_process")}
    having = [pid for pid in place.processes() if pid not in others and has_the_lock(pid)]
    assert len(having) == 1, (having, place.processes())
    return having[0]


def has_the_lock(pid: int) -> bool:
    return any(path.readlink().name.startswith("target-") for path in Path(f"/proc/{pid}/fd").iterdir())


def exercise_of(place: Place) -> str:
    with open_store(str(place.store)) as store:
        return store.resolve(None)


@pytest.mark.parametrize(
    ("target", "wanted"), [("sandbox", "gameday sandbox down"), ("none", "kind none"), ("stagin", "staging")]
)
def test_where_nothing_can_be_found_it_says_so(tmp_path: Path, target: str, wanted: str) -> None:
    place = Place(tmp_path)
    place.write("gameday.toml", '[targets.staging]\nkind = "other"\nenvironment = "staging"\n')
    done = place.call("recover", "--target", target)
    assert done.returncode == 2
    assert wanted in done.stderr
