"""A manifest that was imported, planned by Chaos Mesh: the experiment that gameday makes is that of the manifest."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.faults.catalogue import catalogue
from gameday.faults.chaos_mesh.experiment import SPARE
from gameday.interchange.chaos_mesh.parts import go_duration
from gameday.interchange.files import from_chaos_mesh
from gameday.scenario.loading import load_text
from tests.support.kubernetes.cluster import Cluster, DoubleCluster

from .meshed import MESH, holds, phases, planned, run, uids
from .targets import place_of, target_of

SLOW = {"latency": "90ms", "jitter": "10ms", "correlation": "0"}
BANK = {"mode": "all", "selector": {"labelSelectors": {"app": "bank"}}}
SPECS: dict[str, tuple[str, dict[str, Any]]] = {
    "delay": ("NetworkChaos", {"action": "delay", "direction": "to", "delay": SLOW}),
    "delay of one": ("NetworkChaos", {"action": "delay", "direction": "to", "mode": "one", "delay": SLOW}),
    "delay of half": (
        "NetworkChaos",
        {"action": "delay", "direction": "to", "mode": "fixed-percent", "value": "50", "delay": SLOW},
    ),
    "partition": ("NetworkChaos", {"action": "partition", "direction": "from", "target": BANK}),
    "partition of two": (
        "NetworkChaos",
        {"action": "partition", "direction": "both", "mode": "fixed", "value": "2", "target": BANK},
    ),
    "partition of three quarters": (
        "NetworkChaos",
        {"action": "partition", "direction": "to", "mode": "fixed-percent", "value": "75", "target": BANK},
    ),
    "from outside": (
        "NetworkChaos",
        {"action": "partition", "direction": "to", "externalTargets": ["198.51.100.0/24", "pay.example.com"]},
    ),
    "names": ("DNSChaos", {"action": "random", "mode": "one", "patterns": ["pay.example.com", "mail.*"]}),
    "processor": (
        "StressChaos",
        {"mode": "fixed", "value": "3", "containerNames": ["app"], "stressors": {"cpu": {"workers": 2, "load": 70}}},
    ),
    "memory": ("StressChaos", {"stressors": {"memory": {"workers": 1, "size": "64MB"}}}),
    "disk": (
        "IOChaos",
        {"action": "latency", "volumePath": "/data", "path": "/data/*.db", "delay": "20ms", "percent": 25},
    ),
    "kill": ("PodChaos", {"action": "pod-kill", "mode": "fixed-percent", "value": "50", "gracePeriod": 3}),
}


def manifest(kind: str, spec: dict[str, Any], namespace: str) -> dict[str, Any]:
    """In the namespace of the test; the selector says nothing of it, so it is the manifest's own."""
    whose = {"mode": "all", "selector": {"labelSelectors": {"app": "web"}}, "duration": "2m"}
    metadata = {"name": "it", "namespace": namespace}
    return {"apiVersion": "chaos-mesh.org/v1alpha1", "kind": kind, "metadata": metadata, "spec": whose | spec}


def experiments(cluster: Cluster, made: dict[str, Any]) -> list[Any]:
    """The plans of what a manifest becomes, on a target with the services that are printed with it."""
    text = yaml.safe_dump(made)
    found = from_chaos_mesh(text.encode(), text, "m.yaml")
    assert not [loss for loss in found.losses if loss.lost]
    tables = tomllib.loads("\n".join(found.services).replace("…", "staging"))["targets"]["staging"]["services"]
    target = target_of(cluster, tables, engines=["chaos-mesh"])
    scenario, _ = load_text(found.text, path="s.yaml", catalogue=catalogue()).resolve({})
    return [
        planned(cluster, str(entry.fault), entry.with_, on=target, duration=entry.for_) for entry in scenario.timeline
    ]


def chosen(spec: dict[str, Any], replicas: int) -> int:
    """How many pods a manifest is for."""
    value = int(spec.get("value", 0))
    return {"all": replicas, "one": 1, "fixed": value, "fixed-percent": replicas * value // 100}[spec["mode"]]


@pytest.mark.settings(chaos_mesh=True)
@pytest.mark.parametrize("name", SPECS)
def test_what_gameday_makes_does_what_the_manifest_does(name: str, cluster: Cluster) -> None:
    cluster.deployment("web", replicas=4)
    cluster.deployment("bank", replicas=2)
    theirs = manifest(*SPECS[name], cluster.namespace)
    (plan,) = experiments(cluster, theirs)
    ours = plan.inject.args["made"]
    assert ours["kind"] == theirs["kind"] and ours["metadata"]["namespace"] == cluster.namespace
    wanted, made = dict(theirs["spec"]), dict(ours["spec"])
    for key in ("mode", "value", "selector", "target"):
        wanted.pop(key, None), made.pop(key, None)
    lasts, as_long = go_duration(wanted.pop("duration")), go_duration(made.pop("duration"))
    assert as_long == (SPARE if name == "kill" else (lasts or 0) + SPARE)
    assert made == wanted
    hit = plan.inject.args["pods"]
    from_there = [pod["name"] for pod in hit if pod["name"].startswith("bank")]
    assert len(hit) - len(from_there) == chosen(theirs["spec"], 4)
    assert len(from_there) == (2 if "target" in theirs["spec"] else 0)


@MESH
def test_an_imported_fault_comes_and_goes(cluster: DoubleCluster) -> None:
    cluster.deployment("web", replicas=3)
    kind, spec = SPECS["delay of one"]
    (plan,) = experiments(cluster, manifest(kind, spec, cluster.namespace))
    run(plan.inject)
    cluster.until(holds(plan.effective))
    assert phases(cluster, plan) == ["Injected"]
    run(plan.undo)
    cluster.until(holds(plan.recovered))


@MESH
def test_manifests_are_run_as_they_are(cluster: DoubleCluster, tmp_path: Path) -> None:
    cluster.deployment("web", replicas=2)
    cluster.deployment("bank", replicas=2)
    before = uids(cluster)
    kill = manifest("PodChaos", {"action": "pod-kill", "mode": "one"}, cluster.namespace)
    del kill["spec"]["duration"]
    slow = {**SPECS["delay of one"][1], "selector": BANK["selector"], "duration": "1s"}
    slow = manifest("NetworkChaos", slow, cluster.namespace)
    tables = {name: {"selector": f"app={name}"} for name in ("web", "bank")}
    place = place_of(tmp_path, cluster, tables, "", engines=["chaos-mesh"])
    place.write("m.yaml", yaml.safe_dump_all([kill, {"apiVersion": "v1", "kind": "Namespace"}, slow]))
    refused = place.call("run", "m.yaml", "--target", "staging", "--unattended")
    assert refused.returncode == 5 and "imported from chaos-mesh" in refused.stderr
    done = place.call("run", "m.yaml", "--target", "staging", "--unattended", "--no-abort-condition")
    assert done.returncode == 0, done.stderr
    assert "document 2, Namespace: not carried over" in done.stderr
    faults = place.exercise().faults
    assert {name: fault.stage for name, fault in faults.items()} == {"it": "recovered", "it-2": "recovered"}
    assert len(before - uids(cluster)) == 1


@pytest.mark.settings(chaos_mesh=True)
def test_some_of_a_service_is_for_chaos_mesh_alone(cluster: Cluster) -> None:
    cluster.deployment("web", replicas=2)
    tables: dict[str, dict[str, Any]] = {
        "web": {"workload": "deployment/web", "proxy": "web"},
        "bank": {"external": ["198.51.100.7"]},
    }
    plain = target_of(cluster, tables, engines=["api", "toxiproxy"], proxy="http://127.0.0.1:9")
    with pytest.raises(ValueError, match="count and percent need Chaos Mesh"):
        planned(cluster, "network-partition", {"service": "web", "count": 1}, on=plain)
    with pytest.raises(ValueError, match="say share instead of count, or use Chaos Mesh"):
        planned(cluster, "latency", {"service": "web", "delay": "1s", "count": 1}, on=plain)
    with pytest.raises(ValueError, match=r"leave to away .* or use Chaos Mesh"):
        planned(cluster, "latency", {"service": "web", "delay": "1s", "to": "bank"}, on=plain)
    mesh = target_of(cluster, tables, engines=["chaos-mesh"])
    with pytest.raises(ValueError, match="outside of the cluster and has no pods there"):
        planned(cluster, "network-partition", {"service": "bank", "percent": 50.0}, on=mesh)
    for params in ({"share": 0.5, "count": 1, "delay": "1s"}, {"count": 1, "percent": 50.0}):
        fault = "latency" if "delay" in params else "network-partition"
        with pytest.raises(ValueError, match="only one of"):
            planned(cluster, fault, {"service": "web", **params}, on=mesh)
    assert json.dumps(planned(cluster, "network-partition", {"service": "web", "count": 1}, on=mesh).to_json())
