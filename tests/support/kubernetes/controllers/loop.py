"""Runs the controllers: a pass over everything, `pace` seconds after each change, and when something falls due."""

from __future__ import annotations

import sys
import threading
import time
import traceback

from tests.support.kubernetes.controllers import budgets, chaos_mesh, garbage, kubelet, rollouts, sets
from tests.support.kubernetes.world import World

# In the order in which a change travels; what comes late is seen in the next pass.
_PASS = [
    garbage.sweep,
    kubelet.tend_nodes,
    kubelet.tend_pods,
    rollouts.tend_deployments,
    sets.tend_replica_sets,
    sets.tend_stateful_sets,
    kubelet.tend_pods,
    sets.tend_replica_sets,
    rollouts.tend_deployments,
    budgets.tend_budgets,
    budgets.tend_endpoints,
    chaos_mesh.tend,
]


def once(world: World) -> float:
    """One pass; returns the unix time at which something falls due, or infinity."""
    due = float("inf")
    with world.lock:
        for tend in _PASS:
            due = min(due, tend(world, time.time()))
    return due


def run(world: World) -> None:
    """Until `world.stopping` is set."""
    seen, due = -1, 0.0
    while not world.stopping.is_set():
        with world.lock:
            if world.store.version == seen and time.time() < due:
                world.store.changed.wait(min(max(due - time.time(), 0.001), 1.0))
                if world.store.version == seen and time.time() < due:
                    continue
            if not world.settings.controllers:
                world.store.changed.wait(0.05)
                continue
        world.stopping.wait(world.settings.pace)
        try:
            with world.lock:
                # Switched off meanwhile, perhaps.
                if world.settings.controllers:
                    seen = world.store.version
                    due = once(world)
        except Exception as why:  # noqa: BLE001 - the test that runs now is told, and the others go on
            traceback.print_exc(file=sys.stderr)
            with world.lock:
                world.violations.append(f"a controller of the test server failed: {why!r}")
                seen = world.store.version


def start(world: World) -> None:
    threading.Thread(target=run, args=(world,), name="controllers", daemon=True).start()
