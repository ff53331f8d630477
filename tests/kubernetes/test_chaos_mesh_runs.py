"""Whole runs of faults that Chaos Mesh does, and what somebody types who has no gameday."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.cluster import experiments
from gameday.faults.chaos_mesh import pod_kill
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.mesh import Mesh
from tests.support.runs import Place

from .meshed import (
    LATENCY,
    MESH,
    holds,
    marked,
    needs_chaos_mesh,
    object_of,
    planned,
    run,
    uids,
)
from .targets import place_of

# --- by hand ----------------------------------------------------------------------------------------------------------


@pytest.mark.settings(chaos_mesh=True)
@pytest.mark.parametrize(("fault", "params"), [("latency", LATENCY), ("pod-kill", {"service": "web", "grace": 1.0})])
def test_the_commands_that_are_printed_end_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, fault: str, params: dict[str, Any]
) -> None:
    if not cluster.is_real:
        pytest.skip("kubectl asks for schemas that the double does not have")
    needs_chaos_mesh(cluster, fault)
    monkeypatch.setattr(pod_kill, "_PAUSES", (0.01,))
    cluster.deployment("web", replicas=1)
    made = planned(cluster, fault, params)
    run(made.inject)
    with Mesh(cluster):
        cluster.until(holds(made.effective))
        for command in made.commands:
            done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        cluster.until(lambda: object_of(cluster, made) is None)
    cluster.until(lambda: marked(cluster) == [])


# --- whole runs ------------------------------------------------------------------------------------------------------


@MESH
def test_a_run_with_a_latency_and_a_kill(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.deployment("web", replicas=2)
    before = uids(cluster)
    timeline = """\
  - at: 0s
    fault: latency
    with: {service: web, delay: 300ms}
    for: 1s
    id: slow
  - after: {effective: slow, delay: 0s}
    fault: pod-kill
    with: {service: web}
"""
    place = place_of(tmp_path, cluster, {"web": {"workload": "deployment/web"}}, timeline, engines=["chaos-mesh"])
    done = place.call("run", "scenario.yaml", "--unattended", timeout=60)
    assert done.returncode == 0, done.stderr
    faults = place.exercise().faults
    assert {fault.stage for fault in faults.values()} == {"recovered"}
    for kind in ("NetworkChaos", "PodChaos"):
        assert cluster.list(kind) == []
    cluster.whole("web")
    assert len(before - uids(cluster)) == 1
    assert marked(cluster) == []


SLOW = "  - at: 0s\n    id: slow\n    fault: latency\n    with: {service: web, delay: 300ms}\n    for: 10m\n"


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """What the abort condition watches: as long as it listens there is no reason to abort."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    yield listening
    listening.close()


@pytest.fixture
def slow(cluster: DoubleCluster, tmp_path: Path, door: socket.socket) -> Iterator[Place]:
    """A run with a latency in effect."""
    cluster.deployment("web", replicas=2)
    services = {"web": {"workload": "deployment/web"}}
    more = {"watched": f"127.0.0.1:{door.getsockname()[1]}", "recovery": "4s", "engines": ["chaos-mesh"]}
    place = place_of(tmp_path, cluster, services, SLOW, **more)
    try:
        place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("the fault in effect", lambda x: "slow" in x.faults and x.faults["slow"].stage == "effective")
        yield place
    finally:
        place.clean_up()


@MESH
def test_an_abort_takes_it_back(cluster: DoubleCluster, slow: Place, door: socket.socket) -> None:
    door.close()
    assert slow.started[0].wait(60) == 3, slow.said()
    assert cluster.list("NetworkChaos") == []
    assert slow.exercise().faults["slow"].stage == "recovered"


@MESH
def test_without_a_guardian_it_is_taken_back_all_the_same(cluster: DoubleCluster, slow: Place) -> None:
    guardian = slow.guardian()
    assert guardian is not None
    os.kill(guardian, signal.SIGKILL)
    cluster.until(lambda: cluster.list("NetworkChaos") == [])
    slow.started[0].wait(60)
    slow.gone(60)


@MESH
def test_one_that_never_recovers_is_leaked_loudly_and_recovered_later(
    cluster: DoubleCluster, slow: Place, door: socket.socket
) -> None:
    cluster.settings(chaos_mode="never-recovers")
    door.close()
    assert slow.started[0].wait(60) == 4, slow.said()
    said = slow.said()
    assert "have not recovered: " in said and "don't take the finalizer off" in said
    assert "by hand: kubectl" in said and f"{experiments.PAUSE}=true" in said
    cluster.settings(chaos_mode="")
    done = slow.call("recover", timeout=60)
    assert done.returncode == 0, done.stderr
    assert cluster.list("NetworkChaos") == []
