"""Parts of an exercise on a cluster are killed or frozen, and its API server goes away, at random moments.

Whatever was hit: every object is as it was before, or the exercise says what is not and the command that it names
mends it. Six faults stand at once, one for each way in which something on a cluster is changed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gameday.cluster.lease import NAME
from tests.support.kubernetes.cluster import Cluster, DoubleCluster, Json
from tests.support.processes import wait_for
from tests.support.runs import Place

from .targets import place_of

KILLS = 3
"""Of which `make torture` does a hundred."""
VICTIMS = (
    "everybody, store lost",
    "guardian, API frozen",
    "engine, API gone",
    "engine and guardian",
    "engine frozen",
    "guardian",
    "everybody",
    "command",
    "engine",
    "everybody, API gone",
    "API gone",
    "API frozen",
)
"""Who is struck. Where the API goes, it comes back a moment later."""
OF_THE_DOUBLE = ("engine, API gone", "everybody, API gone", "guardian, API frozen", "API gone", "API frozen")
TIMELINE = """
  - {at: 0s, fault: dependency-outage, with: {service: cache, by: scale}, for: 2s}
  - {at: 100ms, fault: dependency-outage, with: {service: db, by: service}, for: 2s}
  - {at: 200ms, fault: rollout-break, with: {service: web, env: {PYTHONHOME: /broken}}, for: 2s}
  - at: 300ms
    fault: network-partition
    with: {service: mail}
    for: 2s
    effective: {tcp: {address: "ADDRESS"}, expect: {equals: true}}
  - {at: 400ms, fault: pod-kill, with: {service: mail, count: 1, every: 1s}, for: 2s}
"""
OF_ITS_MESH = """\
  - {at: 300ms, fault: latency, with: {service: web, delay: 200ms}, for: 2s}
  - {at: 400ms, fault: node-cordon, with: {service: db}, for: 2s}
"""
"""What only the double has: Chaos Mesh's controllers, and nodes that nobody else uses."""
WORKLOADS = {"cache": 2, "db": 2, "web": 2, "mail": 3}
KINDS = ("Deployment", "Service", "NetworkPolicy", "NetworkChaos", "PodChaos")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("kill", range(metafunc.config.getoption("--kills") or KILLS))


@pytest.mark.settings(chaos_mesh=True)
def test_kill(kill: int, cluster: Cluster, tmp_path: Path) -> None:
    dice = random.Random(kill)
    victims = [one for one in VICTIMS if isinstance(cluster, DoubleCluster) or one not in OF_THE_DOUBLE]
    victim = victims[kill % len(victims)]
    for name, replicas in WORKLOADS.items():
        cluster.deployment(name, replicas, wait=False)
    for name in WORKLOADS:
        cluster.whole(name)
    before = picture(cluster)
    address = cluster.url.partition("://")[2].rstrip("/")
    timeline = TIMELINE.replace("ADDRESS", address) + (OF_ITS_MESH if isinstance(cluster, DoubleCluster) else "")
    engines = ["api", "chaos-mesh"] if isinstance(cluster, DoubleCluster) else ["api"]
    services = {name: {"workload": f"deployment/{name}", "service": name} for name in WORKLOADS}
    place = place_of(tmp_path, cluster, services, timeline, engines=engines)
    command = place.start("run", "scenario.yaml", "--unattended")
    try:
        wait = moment(dice, place, command)
        strike(victim, place, command.pid, cluster, dice)
        code = command.wait(120)
        place.gone(90)
        told = f"{victim} at {wait:.2f} s: exit {code}\n{place.said()}"
        if victim.startswith(("everybody", "engine and guardian")) and place.begun():
            recovered = recover(place, cluster, lost="store lost" in victim)
            told += f"\nrecover: {recovered.returncode}\n{recovered.stdout}{recovered.stderr}"
            assert recovered.returncode == 0, told
        elif place.begun():
            state = place.exercise()
            assert state.phase == "ended" and not state.unrecovered, told
            if victim != "command" and "guardian" not in victim:
                assert code == state.exit_code, told
    finally:
        place.clean_up()
    cluster.until(lambda: picture(cluster) == before, 20, f"all is as it was before\n{told}\n{odd(cluster, before)}")


def moment(dice: random.Random, place: Place, command: subprocess.Popen[bytes]) -> float:
    """Sleep until the moment that was drawn: mostly while faults stand, sometimes while the run only begins."""
    wait_for(lambda: place.pids("-m gameday.cli.engine_process"), 60, "an engine", every=0.05)
    early = dice.random() < 0.2
    if not early:
        wait_for(lambda: place.begun() or command.poll() is not None, 60, "a journal", every=0.05)
    assert command.poll() is None, place.said()
    wait = dice.uniform(0.0, 0.5 if early else 3.5)
    # The moment itself is what is drawn; there is no event to wait for.
    time.sleep(wait)
    return wait


def strike(victim: str, place: Place, command: int, cluster: Cluster, dice: random.Random) -> None:
    who = victim.partition(", ")[0]
    if isinstance(cluster, DoubleCluster) and "API" in victim:
        (cluster.gone if "gone" in victim else lambda: cluster.signal(signal.SIGSTOP))()
    guardian = place.guardian()
    engine = next(iter(place.pids("-m gameday.cli.engine_process")), None)
    match who:
        case "engine":
            kill(engine)
        case "guardian":
            kill(guardian)
        case "command":
            kill(command)
        case "engine and guardian":
            kill(engine), kill(guardian)
        case "engine frozen":
            kill(engine, signal.SIGSTOP)
        case "everybody":
            while living := place.processes():
                for pid in living:
                    kill(pid)
    if isinstance(cluster, DoubleCluster) and "API" in victim:
        time.sleep(dice.uniform(0.1, 3.0))
        (cluster.back if "gone" in victim else lambda: cluster.signal(signal.SIGCONT))()


def kill(pid: int | None, number: int = signal.SIGKILL) -> None:
    if pid is not None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it had just ended by itself


def recover(place: Place, cluster: Cluster, *, lost: bool) -> subprocess.CompletedProcess[str]:
    if not lost:
        return place.call("recover", timeout=120)
    for path in place.folder.glob("store.db*"):
        path.unlink()
    for folder in ("state", "run"):
        shutil.rmtree(place.folder / folder, ignore_errors=True)
    if cluster.get("Lease", NAME) is not None:
        # As on another machine nothing tells who is left: for as long as the claim lasts somebody may be alive.
        refused = place.call("recover", "--target", "staging")
        assert refused.returncode == 5 and "may be alive" in refused.stderr, refused.stderr
        cluster.delete("Lease", NAME)
    return place.call("recover", "--target", "staging", timeout=120)


def picture(cluster: Cluster) -> dict[str, Json]:
    """What a fault could have left on anything here."""
    seen: dict[str, Json] = {}
    for kind in KINDS:
        if kind.endswith("Chaos") and not isinstance(cluster, DoubleCluster):
            continue
        for one in cluster.list(kind):
            meta = one["metadata"]
            notes = {key: value for key, value in (meta.get("annotations") or {}).items() if "revision" not in key}
            seen[f"{kind} {meta['name']}"] = {"spec": one["spec"], "labels": meta.get("labels"), "annotations": notes}
    for one in cluster.list("ReplicaSet"):
        if "/broken" in json.dumps(one["spec"]["template"]):
            seen[f"ReplicaSet {one['metadata']['name']}"] = {"spec": "what `kubectl rollout undo` would bring back"}
    for pod in cluster.list("Pod"):
        ours = {key for key in pod["metadata"].get("labels") or {} if "gameday" in key}
        if ours:
            seen[f"Pod {pod['metadata']['name']}"] = {"labels": sorted(ours)}
    if isinstance(cluster, DoubleCluster):
        for node in cluster.list("Node"):
            ours = {key for key in node["metadata"].get("annotations") or {} if "gameday" in key}
            spec = {"unschedulable": node["spec"].get("unschedulable", False)}
            seen[f"Node {node['metadata']['name']}"] = {"spec": spec, "annotations": sorted(ours)}
    return seen


def odd(cluster: Cluster, before: dict[str, Json]) -> str:
    """What is not as it was."""
    now = picture(cluster)
    names = sorted({*now, *before})
    return "\n".join(
        f"{name}: {before.get(name)} -> {now.get(name)}" for name in names if now.get(name) != before.get(name)
    )
