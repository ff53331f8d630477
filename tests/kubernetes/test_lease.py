"""One exercise at a time on a target: who has the claim keeps it, who is late is told whose it is."""

from __future__ import annotations

import datetime
import fcntl
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.cluster import holders, lease
from gameday.console.starting import CalledOff
from gameday.engine.processes import boot_clock
from gameday.errors import TargetError
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .targets import place_of, where


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWED", 0.05)
    monkeypatch.setattr(lease, "_LOOK", 0.1)


def claim(cluster: Cluster) -> dict[str, Any] | None:
    return cluster.get("Lease", lease.NAME)


def acquire(cluster: Cluster, identity: str) -> None:
    lease.acquire(where(cluster), [cluster.namespace], identity)


def run_out(cluster: Cluster, seconds: float = 3600.0) -> None:
    """Make the claim one that was renewed that long ago, and lasts for a second alone."""
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)
    spec = {"renewTime": then.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "leaseDurationSeconds": 1}
    cluster.patch("Lease", lease.NAME, {"spec": spec})


def test_taken_and_given_back(cluster: Cluster) -> None:
    assert lease.holder(where(cluster), [cluster.namespace]) is None
    acquire(cluster, "x-1")
    held = claim(cluster)
    assert held is not None and held["spec"]["holderIdentity"] == "x-1"
    assert held["spec"]["leaseDurationSeconds"] == holders.LASTS
    assert "exercise x-1 holds namespace" in str(lease.holder(where(cluster), [cluster.namespace]))
    lease.release(where(cluster), [cluster.namespace], "x-1")
    assert claim(cluster) is None


def test_the_second_is_told_who_has_it(cluster: Cluster) -> None:
    acquire(cluster, "x-1")
    with pytest.raises(lease.Held, match=r"exercise x-1 holds namespace .* one exercise at a time"):
        acquire(cluster, "x-2")
    lease.release(where(cluster), [cluster.namespace], "x-2")
    held = claim(cluster)
    assert held is not None and held["spec"]["holderIdentity"] == "x-1", "what is another's is not given back"


def test_all_namespaces_or_none(cluster: Cluster) -> None:
    other = f"{cluster.namespace}-b"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    try:
        lease.acquire(where(cluster), [other], "x-1")
        with pytest.raises(lease.Held):
            lease.acquire(where(cluster), [cluster.namespace, other], "x-2")
        assert claim(cluster) is None, "what was taken on the way is given back"
    finally:
        cluster.delete("Namespace", other)


def test_a_namespace_that_is_not_there_is_said_to_be_that(cluster: Cluster) -> None:
    namespaces = [cluster.namespace, f"{cluster.namespace}-nope"]
    wanted = rf"^there is no namespace {cluster.namespace}-nope: make it, or take it out of the target's namespaces"
    with pytest.raises(TargetError, match=wanted):
        lease.acquire(where(cluster), namespaces, "x-1")
    assert claim(cluster) is None, "what was taken on the way is given back"
    assert re.match(wanted, lease.holder(where(cluster), namespaces) or "")


def test_many_at_once_and_one_has_it(cluster: Cluster) -> None:
    winners: list[str] = []
    losers: list[str] = []

    def race(identity: str) -> None:
        try:
            acquire(cluster, identity)
        except lease.Held as held:
            losers.append(str(held))
        else:
            winners.append(identity)

    racers = [threading.Thread(target=race, args=(f"x-{number}",)) for number in range(5)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(winners) == 1 and len(losers) == 4
    held = claim(cluster)
    assert held is not None and held["spec"]["holderIdentity"] == winners[0]


def test_one_that_has_run_out_is_taken_over(cluster: Cluster) -> None:
    acquire(cluster, "x-1")
    run_out(cluster)
    assert lease.holder(where(cluster), [cluster.namespace]) is None
    acquire(cluster, "x-2")
    held = claim(cluster)
    assert held is not None and held["spec"]["holderIdentity"] == "x-2" and held["spec"]["leaseTransitions"] == 1


def test_a_dead_one_of_a_clock_that_was_ahead_is_watched_and_taken_over_too(cluster: Cluster) -> None:
    acquire(cluster, "x-1")
    run_out(cluster, -7 * 24 * 3600)
    said: list[str] = []
    assert lease.holder(where(cluster), [cluster.namespace], said.append) is None
    assert re.search(
        r"Lease gameday, renewed 604[78]\d\d s ahead of this machine's clock\): a run would watch", said[0]
    )
    said.clear()
    began = time.monotonic()
    lease.acquire(where(cluster), [cluster.namespace], "x-2", said.append)
    assert time.monotonic() - began >= 1, "watched for as long as it lasts"
    assert re.match(rf"watching for another 1 s whether exercise x-1 \(Lease {cluster.namespace}/gameday\)", said[0])
    held = claim(cluster)
    assert held is not None and held["spec"]["holderIdentity"] == "x-2"


def test_one_that_lasts_longer_than_anybody_watches_is_refused_with_the_way_out(cluster: Cluster) -> None:
    acquire(cluster, "x-1")
    run_out(cluster)
    cluster.patch("Lease", lease.NAME, {"spec": {"leaseDurationSeconds": 86400 * 365}})
    run_out_at = {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}}
    cluster.patch("Lease", lease.NAME, run_out_at)
    with pytest.raises(lease.Held, match=rf"too long to watch .*-n {cluster.namespace} delete leases\S*/gameday"):
        acquire(cluster, "x-2")


@pytest.mark.parametrize("behind", [3600.0, -3600.0], ids=["behind", "ahead"])
def test_one_that_is_renewed_while_it_is_watched_is_not(cluster: Cluster, behind: float) -> None:
    """Its holder's clock is an hour off, so that it looks as if it had run out, or never would; but it lives."""
    acquire(cluster, "x-1")
    run_out(cluster, behind)
    stop = threading.Event()

    def renew() -> None:
        seconds = behind
        while not stop.wait(0.05):
            seconds -= 1
            run_out(cluster, seconds)

    living = threading.Thread(target=renew)
    living.start()
    try:
        with pytest.raises(lease.Held, match=r"kubectl .* delete"):
            acquire(cluster, "x-2")
    finally:
        stop.set()
        living.join()


def keeping(cluster: Cluster) -> Iterator[dict[str, Any]]:
    return lease.keep(where(cluster), [cluster.namespace], "x-1")


def test_it_is_renewed_for_as_long_as_it_is_kept(cluster: Cluster) -> None:
    acquire(cluster, "x-1")
    first = claim(cluster)
    kept = keeping(cluster)
    before = boot_clock()
    first_said, second_said = next(kept)["confirmed"], next(kept)["confirmed"]
    assert before <= first_said < second_said <= boot_clock()
    renewed = claim(cluster)
    assert first is not None and renewed is not None
    assert renewed["spec"]["renewTime"] > first["spec"]["renewTime"]
    assert renewed["spec"]["acquireTime"] == first["spec"]["acquireTime"]


def test_who_loses_it_aborts(cluster: Cluster) -> None:
    acquire(cluster, "x-1")
    kept = keeping(cluster)
    next(kept)
    cluster.patch("Lease", lease.NAME, {"spec": {"holderIdentity": "x-2"}})
    assert "the claim to the target is lost: exercise x-2 holds" in next(kept)["abort"]
    assert list(kept) == []


def test_one_that_somebody_deleted_is_made_again(cluster: Cluster) -> None:
    acquire(cluster, "x-1")
    kept = keeping(cluster)
    next(kept)
    cluster.delete("Lease", lease.NAME)
    assert "confirmed" in next(kept)
    held = claim(cluster)
    assert held is not None and held["spec"]["holderIdentity"] == "x-1"


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    """What all who may do anything for an exercise hold."""
    with (tmp_path / "target-1.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def held(cluster: Cluster, lock: int) -> None:
    """The claim of an exercise that began here."""
    acquire(cluster, "x-1")
    assert "confirmed" in next(lease.keep(where(cluster), [cluster.namespace], "x-1", holders.lock_of(lock, "x-1")))


def test_a_claim_of_which_nobody_is_left_on_this_machine_is_taken_over_at_once(
    cluster: Cluster, lock: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LATE", 0.3)
    held(cluster, lock)
    (living,) = lease.claims(where(cluster), [cluster.namespace])
    assert living.holds
    with pytest.raises(lease.Held):
        acquire(cluster, "x-2")
    fcntl.flock(lock, fcntl.LOCK_UN)
    (dead,) = lease.claims(where(cluster), [cluster.namespace])
    assert dead.left > 0 and not dead.holds
    assert lease.holder(where(cluster), [cluster.namespace]) is None
    acquire(cluster, "x-2")
    there = claim(cluster)
    assert there is not None and there["spec"]["holderIdentity"] == "x-2"
    assert holders.HELD not in there["metadata"].get("annotations", {}), "x-2 has not said anything of the kind yet"


def test_one_that_goes_on_without_that_lock_is_not_dead_by_it(cluster: Cluster, lock: int) -> None:
    held(cluster, lock)
    fcntl.flock(lock, fcntl.LOCK_UN)
    # Resumed: nothing is locked for that.
    assert "confirmed" in next(keeping(cluster))
    with pytest.raises(lease.Held):
        acquire(cluster, "x-2")


@pytest.mark.parametrize(
    "trouble", ["another boot", "another file", "no file", "no lock of ours", "another exercise", "nonsense"]
)
def test_where_this_machine_can_not_tell_it_is_not_dead(
    cluster: Cluster, lock: int, tmp_path: Path, trouble: str
) -> None:
    held(cluster, lock)
    fcntl.flock(lock, fcntl.LOCK_UN)
    path = tmp_path / "target-1.lock"
    said = json.loads(holders.lock_of(lock, "x-1"))
    match trouble:
        case "another boot":
            said["boot"] = "00000000-0000-0000-0000-000000000000"
        case "another file":
            path.rename(tmp_path / "target-2.lock")
            path.touch()
        case "no file":
            path.unlink()
        case "no lock of ours":
            path.rename(tmp_path / "passwd")
            said["lock"] = str(tmp_path / "passwd")
        case "another exercise":
            said["exercise"] = "x-0"
        case "nonsense":
            said = {}
    cluster.patch("Lease", lease.NAME, {"metadata": {"annotations": {holders.HELD: json.dumps(said)}}})
    assert lease.claims(where(cluster), [cluster.namespace])[0].holds
    with pytest.raises(lease.Held):
        acquire(cluster, "x-2")


@pytest.mark.double
def test_a_server_that_is_gone_is_said_once_and_when_it_is_back(
    cluster: DoubleCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_PATIENCE", 0.3)
    acquire(cluster, "x-1")
    kept = keeping(cluster)
    last = next(kept)["confirmed"]
    cluster.gone()
    assert "the claim can't be renewed: the API server" in next(kept)["warn"]
    assert next(kept) == {}
    cluster.back()
    back = next(kept)
    assert back["warn"] == "the claim is renewed again" and back["confirmed"] > last


@pytest.mark.double
def test_without_the_right_to_it_nothing_starts(cluster: DoubleCluster) -> None:
    cluster.rules("gameday", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}])
    with pytest.raises(TargetError, match=r"the target can't be claimed: .*403 Forbidden"):
        acquire(cluster, "x-1")


def test_a_preview_says_whose_it_is(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", replicas=2)
    timeline = "  - at: 0s\n    fault: pod-kill\n    with: {service: web}\n"
    place = place_of(tmp_path, cluster, {"web": {"workload": "deployment/web"}}, timeline)
    acquire(cluster, "x-other")
    done = place.call("preview", "scenario.yaml")
    assert done.returncode == 5, done.stderr
    assert "exercise x-other holds namespace" in " ".join(done.stdout.split())
    lease.release(where(cluster), [cluster.namespace], "x-other")
    assert place.call("preview", "scenario.yaml").returncode == 0


def test_an_abandoned_claim_is_said_before_a_run_waits_for_it(cluster: Cluster) -> None:
    acquire(cluster, "x-1")
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    cluster.patch("Lease", lease.NAME, {"spec": {"renewTime": then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}})
    said: list[str] = []
    assert lease.holder(where(cluster), [cluster.namespace], said.append) is None
    assert said == [
        f"exercise x-1 holds namespace {cluster.namespace} (Lease gameday, though by its own times it has run out): "
        "a run would watch for 60 s whether it is renewed, and then take it over"
    ]
    cluster.patch("Lease", lease.NAME, {"spec": {"leaseDurationSeconds": 3000}})
    assert "too long to watch" in str(lease.holder(where(cluster), [cluster.namespace]))


def test_whoever_waits_for_a_claim_may_call_it_off_and_has_claimed_nothing(cluster: Cluster) -> None:
    acquire(cluster, "x-1")
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    cluster.patch("Lease", lease.NAME, {"spec": {"renewTime": then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}})
    asked: list[None] = []

    def go_on() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise CalledOff("it was called off")

    began = boot_clock()
    with pytest.raises(CalledOff):
        lease.acquire(where(cluster), [cluster.namespace], "x-2", go_on=go_on)
    assert boot_clock() - began < 30
    there = claim(cluster)
    assert there is not None and there["spec"]["holderIdentity"] == "x-1"
