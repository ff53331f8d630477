"""What a guardian imports for the workers of a cluster, and that what they do there needs nothing heavier."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gameday.cli.launching import PRELOAD, preload_for
from gameday.cli.staging import payload_of, stage
from gameday.engine.plan_request import PLANNING, plan_call
from gameday.faults.asked import read
from gameday.faults.catalogue import catalogue
from gameday.faults.planning import validated
from gameday.targets.settings import load_settings
from tests.support.kubernetes.cluster import Cluster

from .targets import CONTEXT, place_of, target_of

ENGINES = ("api", "chaos-mesh")
WAYS = [
    (fault, engine) for fault in catalogue() for engine in catalogue()[fault].engines("kubernetes") if engine in ENGINES
]
IMPORTS = """
import json, sys
from gameday.engine import guarding
from gameday.engine.guardian import _preload
_preload(json.loads(sys.argv[1]))
print(*sys.modules)
"""
HEAVY = {"pydantic", "pydantic_core", "gameday.scenario.models", "sqlite3", "httpx", "chaoslib", "asyncio"}
LIFE = """
import json, sys
for name in ("pydantic", "pydantic_core", "gameday.scenario.models"):
    sys.modules[name] = None
from gameday.engine.workers import function
asked = json.load(sys.stdin)
plan = function(asked["plan"])(asked["target"], asked["params"], asked["context"])
held = {}
for which in ("inject", "effective", "standing", "undo", "recovered"):
    if (call := plan[which]) is not None:
        held[which] = function(call["name"])(**call["args"])
print(json.dumps([plan["summary"], held.get("recovered")]))
"""


def in_a_worker(program: str, *words: str, given: Any = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *words], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def target(**settings: Any) -> dict[str, Any]:
    return {"name": "staging", "kind": "kubernetes", "settings": {"cluster": {"in_cluster": True}, **settings}}


@pytest.mark.parametrize(("fault", "engine"), WAYS)
def test_a_guardian_imports_how_a_fault_is_done_and_neither_models_nor_a_store(fault: str, engine: str) -> None:
    names = preload_for(target(engines=ENGINES, chosen={fault: engine}), {"timeline": [{"fault": fault}]})
    imported = set(in_a_worker(IMPORTS, json.dumps(names)).split())
    assert {names[-1], "kubernetes.client.api_client"} <= imported
    assert names[-1].startswith(f"gameday.faults.{engine.replace('api', 'kubernetes').replace('-', '_')}.")
    assert not HEAVY & imported


def test_what_is_imported_is_the_way_that_will_be_taken() -> None:
    kill = {"timeline": [{"fault": "pod-kill"}]}
    client = "gameday.cluster.warm"
    api, mesh = "gameday.faults.kubernetes.pod_kill", "gameday.faults.chaos_mesh.pod_kill"
    assert preload_for(target(), kill) == preload_for(target(engines=["api", "chaos-mesh"]), kill) == [client, api]
    assert preload_for(target(engines=["chaos-mesh", "api"]), kill) == [client, mesh]
    # One that is gone on with, or undone: whatever stands in its journal.
    whatever = preload_for(target(engines=["api"]), None)
    assert {client, api, mesh} < set(whatever) and whatever[-len(PRELOAD) :] == PRELOAD
    # An activity is one of Chaos Toolkit's.
    assert preload_for(target(), {"timeline": [{"fault": "activity", "activity": {}}]}) == [client, *PRELOAD]
    # Elsewhere its faults, and all that they may take.
    there = {"kind": "sandbox", "settings": {}}
    assert preload_for(there, kill) == [*PRELOAD, "gameday.faults.pod_kill"] and preload_for(there, None) == PRELOAD
    # Checks of its own verify an entry, and the undo of its fault.
    tcp = {"fault": "pod-kill", "recovered": {"tcp": {"address": "h:1"}, "expect": {"equals": True}}}
    asked = [client, api, "gameday.engine.composed", "gameday.probes.sync"]
    assert preload_for(target(), {"timeline": [tcp]}) == asked
    http = {"fault": "pod-kill", "effective": {"http": {"url": "http://h"}, "expect": {"status": 200}}}
    assert preload_for(target(), {"timeline": [http]}) == [*asked, "httpx"]
    assert not (HEAVY - {"asyncio"}) & set(in_a_worker(IMPORTS, json.dumps(asked)).split())


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("pod-kill", {"count": 1, "grace": "5s"}),
        ("node-cordon", {}),
        ("rollout-break", {"env": {"MODE": "bad"}}),
        ("dependency-outage", {"by": "service"}),
        ("dependency-outage", {"by": "scale"}),
        ("dependency-outage", {"by": "policy"}),
        ("network-partition", {"from": "api"}),
    ],
)
def test_a_fault_is_planned_done_and_undone_without_pydantic(
    cluster: Cluster, fault: str, params: dict[str, Any]
) -> None:
    for name in ("web", "api"):
        cluster.deployment(name, replicas=2)
    services = {name: {"workload": f"deployment/{name}", "service": name} for name in ("web", "api")}
    where = target_of(cluster, services)
    if fault == "node-cordon" and cluster.is_real:
        pytest.skip("all its nodes may be one")
    ready = validated(fault, where, {"service": "web", **params})
    asked = {**ready, "target": where, "context": {**CONTEXT, "checked": True, "duration": 30.0}}
    summary, recovered = json.loads(in_a_worker(LIFE, given=asked))
    assert "web" in summary or fault == "node-cordon"
    assert set(recovered) >= {"holds", "evidence"}


def test_parameters_are_read_as_their_model_has_them(cluster: Cluster) -> None:
    where = target_of(cluster, {"web": {"workload": "deployment/web"}})
    ready = validated("network-partition", where, {"service": "web", "from": "api"})
    asked = read(json.loads(json.dumps(ready))["params"])
    assert (asked.service, asked.from_, asked.direction, asked.count) == ("web", "api", "both", None)
    with pytest.raises(AttributeError, match="'grace' is not among the validated parameters: service, from"):
        _ = asked.grace
    with pytest.raises(AttributeError, match="read-only"):
        asked.service = "other"


def test_what_nobody_has_validated_is_validated_by_the_worker_that_plans_it(cluster: Cluster) -> None:
    where = target_of(cluster, {"web": {"workload": "deployment/web"}})
    args = {"fault": "pod-kill", "target": where, "params": {"service": "web", "count": 0}, "context": CONTEXT}
    left = plan_call(args, None)
    assert (left.name, left.args) == (PLANNING.name, args)
    with pytest.raises(ValueError, match="pod-kill: count: Input should be greater than or equal to 1"):
        validated("pod-kill", where, args["params"])
    # What was validated is what is used, whatever stands beside it.
    call = plan_call(args, validated("pod-kill", where, {"service": "web", "count": 1, "grace": "5s"}))
    assert call.name == "gameday.faults.kubernetes.pod_kill:plan"
    assert (call.args["params"]["count"], call.args["params"]["grace"], call.timeout) == (1, 5.0, PLANNING.timeout)


def test_a_run_hands_on_what_was_validated_of_every_fault(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deployment("web", replicas=3)
    timeline = """\
  - at: 0s
    fault: pod-kill
    with: {service: web, count: 1, grace: 2s}
  - at: 5s
    inject: Somebody calls.
  - at: 10s
    id: dark
    fault: dependency-outage
    with: {service: web, by: scale}
    for: 1m
"""
    place = place_of(tmp_path, cluster, {"web": {"workload": "deployment/web"}}, timeline)
    settings = load_settings(explicit=place.folder / "gameday.toml")
    path = place.folder / "scenario.yaml"
    staged = stage(path, target=None, parameters={}, settings=settings, confirm=None, say=lambda text: None)
    payload = payload_of(staged, store=str(place.store), attended=False)
    assert list(payload.validated) == [staged.scenario.entry_id(0), "dark"]
    kill, dark = payload.validated.values()
    assert kill["params"]["grace"] == 2.0 and kill["engine"] == "api"
    assert dark["plan"] == "gameday.faults.kubernetes.dependency_outage:plan" and dark["params"]["by"] == "scale"
    assert json.loads(json.dumps(payload.validated)) == payload.validated
