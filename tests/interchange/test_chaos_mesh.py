"""Manifests of Chaos Mesh become scenarios, valid on a target with the printed services; nothing is lost unsaid."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.faults.catalogue import catalogue
from gameday.interchange.chaos_mesh.parts import go_duration
from gameday.interchange.files import from_chaos_mesh, load_file
from gameday.scenario.problems import ScenarioErrors
from tests.interchange.manifests import BANK, WEB, chaos, entries, imported, lost, scenario_of, schedule, settings_of
from tests.support import forking


def test_all_pods_of_nobody_knows_which_namespace_are_not_taken() -> None:
    everything = chaos("PodChaos", "everything", action="pod-kill", selector={})
    del everything["metadata"]["namespace"]
    with pytest.raises(ScenarioErrors, match="nobody knows whose pods are all of them"):
        imported(everything)
    labelled = chaos("PodChaos", action="pod-kill", selector={"labelSelectors": {"app": "web"}})
    del labelled["metadata"]["namespace"]
    found = imported(labelled, everything)
    assert "timeline: [{id: it," in found.text and "id: everything" not in found.text
    assert [loss.what.partition(": ")[2] for loss in found.losses] == [
        "spec.selector.namespaces",
        "spec.selector.namespaces",
    ]
    guess, refused = found.losses
    assert refused.lost and not guess.lost and "a guess, the first of the target's" in guess.why
    assert any(line.startswith("# in which namespace is a guess") for line in found.services)
    # Where the manifest is in a namespace, that is meant.
    here = imported(chaos("PodChaos", "everything", action="pod-kill", selector={}))
    assert 'namespace = "chaos"' in here.services and not here.losses


DELAY = {"action": "delay", "delay": {"latency": "200ms"}, "duration": "5m"}
CUT = {"action": "partition", "duration": "1m30s"}
SLOW = {"action": "latency", "volumePath": "/data", "delay": "100ms", "duration": "1m"}
CPU = {"stressors": {"cpu": {"workers": 2, "load": 80}}, "duration": "30s"}

CARRIED: dict[str, tuple[dict[str, Any], list[tuple[Any, ...]]]] = {
    "kill one": (
        chaos("PodChaos", action="pod-kill", mode="one"),
        [("pod-kill", {"service": "web", "count": 1, "grace": "0s"}, None)],
    ),
    "kill a share, gently": (
        chaos("PodChaos", action="pod-kill", mode="fixed-percent", value="50", gracePeriod=30),
        [("pod-kill", {"service": "web", "percent": 50, "grace": "30s"}, None)],
    ),
    "kill all": (
        chaos("PodChaos", action="pod-kill"),
        [("pod-kill", {"service": "web", "all": True, "grace": "0s"}, None)],
    ),
    "kill these": (
        chaos("PodChaos", action="pod-kill", selector={"pods": {"shop": ["db-0", "db-1"]}}),
        [("pod-kill", {"service": "db", "instance": f"db-{n}", "grace": "0s"}, None) for n in (0, 1)],
    ),
    "all pods fail": (
        chaos("PodChaos", action="pod-failure", duration="2m"),
        [("dependency-outage", {"service": "web", "mode": "refused"}, 120.0)],
    ),
    "delay": (
        chaos("NetworkChaos", **DELAY | {"delay": {"latency": "0.2s", "jitter": "50ms", "correlation": "0"}}),
        [("latency", {"service": "web", "delay": "200ms", "jitter": "50ms"}, 300.0)],
    ),
    "delay of a share": (
        chaos("NetworkChaos", **DELAY, mode="fixed-percent", value="25"),
        [("latency", {"service": "web", "delay": "200ms", "share": 0.25}, 300.0)],
    ),
    "delay of two": (
        chaos("NetworkChaos", **DELAY, mode="fixed", value=2),
        [("latency", {"service": "web", "delay": "200ms", "count": 2}, 300.0)],
    ),
    "delay to one other": (
        chaos("NetworkChaos", **DELAY, direction="to", target={"mode": "all", "selector": BANK}),
        [("latency", {"service": "web", "delay": "200ms", "to": "bank"}, 300.0)],
    ),
    "delay from one other": (
        chaos("NetworkChaos", **DELAY, direction="from", target={"mode": "one", "selector": BANK}),
        [("latency", {"service": "bank", "delay": "200ms", "count": 1, "to": "web"}, 300.0)],
    ),
    "delay both ways": (
        chaos("NetworkChaos", **DELAY, direction="both", target={"mode": "all", "selector": BANK}),
        [
            ("latency", {"service": "web", "delay": "200ms", "to": "bank"}, 300.0),
            ("latency", {"service": "bank", "delay": "200ms", "to": "web"}, 300.0),
        ],
    ),
    "delay to what is outside": (
        chaos("NetworkChaos", **DELAY, mode="one", direction="to", externalTargets=["pay.example.com"]),
        [("latency", {"service": "web", "delay": "200ms", "count": 1, "to": "pay-example-com"}, 300.0)],
    ),
    "delay to one other and outside": (
        chaos("NetworkChaos", **DELAY, target={"mode": "all", "selector": BANK}, externalTargets=["198.51.100.7"]),
        [
            ("latency", {"service": "web", "delay": "200ms", "to": "bank"}, 300.0),
            ("latency", {"service": "web", "delay": "200ms", "to": "external-198-51-100-7"}, 300.0),
        ],
    ),
    "partition from one other": (
        chaos("NetworkChaos", **CUT, direction="from", target={"mode": "all", "selector": BANK}),
        [("network-partition", {"service": "web", "from": "bank", "direction": "in"}, 90.0)],
    ),
    "partition of one, both ways": (
        chaos("NetworkChaos", **CUT, mode="one", direction="both", target={"mode": "all", "selector": BANK}),
        [("network-partition", {"service": "web", "from": "bank", "direction": "both", "count": 1}, 90.0)],
    ),
    "partition from outside": (
        chaos("NetworkChaos", **CUT, direction="to", externalTargets=["pay.example.com", "198.51.100.0/24"]),
        [("network-partition", {"service": "web", "from": "pay-example-com", "direction": "out"}, 90.0)],
    ),
    "partition from everybody": (
        chaos("NetworkChaos", **CUT),
        [("network-partition", {"service": "web", "direction": "out"}, 90.0)],
    ),
    "names": (
        chaos("DNSChaos", action="error", patterns=["bank.example.com", "mail.*"], duration="1h"),
        [("dns-failure", {"service": "web", "answer": "error", "names": ["bank.example.com", "mail.*"]}, 3600.0)],
    ),
    "wrong names": (
        chaos("DNSChaos", action="random", mode="one", duration="1m"),
        [("dns-failure", {"service": "web", "answer": "random", "count": 1}, 60.0)],
    ),
    "processor": (
        chaos("StressChaos", **CPU, containerNames=["app"]),
        [("cpu-stress", {"service": "web", "all": True, "workers": 2, "load": 80, "container": "app"}, 30.0)],
    ),
    "memory": (
        chaos("StressChaos", stressors={"memory": {"workers": 1, "size": "256MB"}}, mode="one", duration="1m"),
        [("memory-stress", {"service": "web", "count": 1, "workers": 1, "size": "256MB"}, 60.0)],
    ),
    "disk": (
        chaos("IOChaos", **SLOW, percent=50, path="/data/*.log", mode="one"),
        [
            (
                "disk-latency",
                {
                    "service": "web",
                    "count": 1,
                    "volume": "/data",
                    "delay": "100ms",
                    "share": 0.5,
                    "files": "/data/*.log",
                },
                60.0,
            )
        ],
    ),
}


@pytest.mark.parametrize("name", CARRIED)
def test_what_is_portable_is_carried_over_and_nothing_of_it_is_lost(name: str, tmp_path: Path) -> None:
    manifest, wanted = CARRIED[name]
    found = imported(manifest)
    assert entries(found, tmp_path) == wanted
    assert not lost(found.losses)
    assert scenario_of(found, tmp_path).imported == "chaos-mesh"


PARTLY: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "correlation": (
        chaos("NetworkChaos", **DELAY | {"delay": {"latency": "1s", "correlation": "25", "reorder": {"gap": 1}}}),
        {"spec.delay.correlation": "by chance", "spec.delay.reorder": "nothing here"},
    ),
    "delay to one pod of another": (
        chaos("NetworkChaos", **DELAY, direction="to", target={"mode": "one", "selector": BANK}, device="eth1"),
        {"spec.target": "all that web sends is late, to whomever", "spec.device": "nothing here"},
    ),
    "delay both ways, of some": (
        chaos("NetworkChaos", **DELAY, mode="one", direction="both", target={"mode": "all", "selector": BANK}),
        {"spec.target": "all that web and bank send is late, to whomever"},
    ),
    "delay of some to another and outside": (
        chaos(
            "NetworkChaos",
            **DELAY,
            mode="one",
            target={"mode": "all", "selector": BANK},
            externalTargets=["pay.example.com"],
        ),
        {"spec.target": "all that web sends is late, to whomever"},
    ),
    "several namespaces": (
        chaos("PodChaos", action="pod-kill", selector={"namespaces": ["shop", "other"], "labelSelectors": {"a": "b"}}),
        {"spec.selector.namespaces": "shop is taken, and not other"},
    ),
    "nodes and annotations": (
        chaos("PodChaos", action="pod-kill", selector={**WEB, "nodes": ["n1"], "annotationSelectors": {"a": "b"}}),
        {"spec.selector.nodes": "label of their own", "spec.selector.annotationSelectors": "label of their own"},
    ),
    "one container": (
        chaos("PodChaos", action="container-kill", containerNames=["app"], mode="one"),
        {"spec.containerNames": "the whole pod is killed"},
    ),
    "a schedule": (
        schedule("PodChaos", chaos("PodChaos", action="pod-kill")["spec"], historyLimit=2, concurrencyPolicy="Forbid"),
        {
            "spec.schedule": "CronJob run `gameday run` at '5 * * * *'",
            "spec.historyLimit": "goes with the schedule",
            "spec.concurrencyPolicy": "goes with the schedule",
        },
    ),
    "an old schedule": (
        chaos("PodChaos", action="pod-kill", scheduler={"cron": "@every 2m"}),
        {"spec.scheduler": "'@every 2m'"},
    ),
    "a wildcard in front": (
        chaos("DNSChaos", action="error", patterns=["*.example.com", "a.example.com"], duration="1m"),
        {"spec.patterns": "'*.example.com'"},
    ),
    "methods": (chaos("IOChaos", **SLOW, methods=["read"]), {"spec.methods": "all reads and writes"}),
    "a word that nobody knows": (
        chaos("StressChaos", **CPU, wonders=3),
        {"spec.wonders": "nothing here"},
    ),
}


@pytest.mark.parametrize("name", PARTLY)
def test_what_is_not_carried_over_is_listed_with_its_place(name: str, tmp_path: Path) -> None:
    manifest, wanted = PARTLY[name]
    found = imported(manifest)
    assert entries(found, tmp_path)
    said = lost(found.losses)
    assert said.keys() == wanted.keys()
    comments = " ".join(" ".join(line.lstrip("# ") for line in found.text.splitlines() if line[:1] == "#").split())
    for what, why in wanted.items():
        assert why in said[what]
        assert said[what] in comments
    for loss in found.losses:
        assert loss.what.startswith(f"document 1, {manifest['kind']} {manifest['metadata']['name']}")
        line = yaml.safe_dump_all([manifest]).splitlines()[(loss.at or (0, 0))[0] - 1]
        assert loss.what.rpartition(".")[2] in line


NOT_AT_ALL = {
    "loss": chaos("NetworkChaos", action="loss", loss={"loss": "10"}),
    "bandwidth": chaos("NetworkChaos", action="bandwidth", bandwidth={"rate": "1mbps"}),
    "an action there is not": chaos("PodChaos", action="pod-hug"),
    "some pods fail": chaos("PodChaos", action="pod-failure", mode="one", duration="1m"),
    "errors of a disk": chaos("IOChaos", action="fault", volumePath="/data", errno=5),
    "time": chaos("TimeChaos", timeOffset="-10m"),
    "paused": {
        **CARRIED["delay"][0],
        "metadata": {"name": "it", "annotations": {"experiment.chaos-mesh.org/pause": "true"}},
    },
    "what settings don't take for a place": chaos("NetworkChaos", **CUT, externalTargets=["*.example.com"]),
    "another cluster": chaos("PodChaos", action="pod-kill", remoteCluster="east"),
    "more at the other end": chaos("NetworkChaos", **CUT, target={"mode": "one", "selector": BANK}),
    "from itself": chaos("NetworkChaos", **CUT, target={"mode": "all", "selector": WEB}),
    "no pods that run": chaos("PodChaos", action="pod-kill", selector={**WEB, "podPhaseSelectors": ["Pending"]}),
    "no selector": chaos("PodChaos", action="pod-kill", selector=None),
    "half a percent": chaos("PodChaos", action="pod-kill", mode="fixed-percent", value="0"),
    "all names": chaos("DNSChaos", action="error", patterns=["*.example.com"]),
    "no spec": {"apiVersion": "chaos-mesh.org/v1alpha1", "kind": "PodChaos", "metadata": {"name": "it"}},
    "odd spec": {"apiVersion": "chaos-mesh.org/v1alpha1", "kind": "PodChaos", "spec": ["a"]},
    "nobody's": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}},
    "a text": "hello",
    "templated": chaos("PodChaos", action="pod-kill", mode="{{ .Values.mode }}"),
}


@pytest.mark.parametrize("name", NOT_AT_ALL)
def test_a_fault_that_can_not_be_carried_over_is_listed_and_the_others_are_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioErrors) as alone:
        imported(NOT_AT_ALL[name])
    assert "document 1" in str(alone.value)
    found = imported(CARRIED["kill one"][0], NOT_AT_ALL[name])
    assert len(entries(found, tmp_path)) == 1
    assert [loss for loss in found.losses if loss.lost and loss.what.startswith("document 2")]


def test_a_fault_without_duration_gets_one_and_it_is_said(tmp_path: Path) -> None:
    found = imported(chaos("StressChaos", **{**CPU, "duration": None}))
    assert scenario_of(found, tmp_path).timeline[0].for_ == 300.0
    assert "5m is our choice" in found.losses[0].why
    assert "# how long is our choice (5m)" in found.text


def test_selectors_become_services_of_the_target(tmp_path: Path) -> None:
    expressions = [{"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"}]
    found = imported(
        chaos("PodChaos", "a", action="pod-kill"),
        chaos("PodChaos", "b", action="pod-kill", selector={**WEB, "expressionSelectors": expressions}),
        chaos("PodChaos", "c", action="pod-kill", selector={"labelSelectors": {"app": "web"}}),
        chaos("PodChaos", "d", action="pod-kill", selector={"namespaces": ["shop"]}),
        chaos("PodChaos", "e", action="pod-kill", selector={**WEB, "fieldSelectors": {"metadata.name": "web-0"}}),
        chaos("PodChaos", "f", action="pod-kill", selector={**WEB, "nodeSelectors": {"zone": "east"}}),
        chaos("PodChaos", "g", action="pod-kill", selector={"pods": {"shop": ["api-7d9c5b6f4d-x2x9z"]}}),
        chaos("NetworkChaos", "h", **CUT, externalTargets=["198.51.100.7"]),
    )
    tables = settings_of(found, tmp_path).targets["staging"].service_tables
    said = {name: one.model_dump(exclude_unset=True) for name, one in tables.items()}
    assert said == {
        "web": {"namespace": "shop", "selector": "app=web"},
        "web-2": {"namespace": "shop", "selector": "app=web,tier in (a,b),!old"},
        "web-3": {"namespace": "chaos", "selector": "app=web"},
        "shop": {"namespace": "shop", "selector": "!gameday.dev/protected"},
        "web-4": {"namespace": "shop", "selector": "app=web"},
        "api": {"namespace": "shop", "workload": "deployment/api"},
        "external-198-51-100-7": {"external": ["198.51.100.7"]},
    }
    whom = [entry.with_["service"] for entry in scenario_of(found, tmp_path).timeline]
    assert whom == ["web", "web-2", "web-3", "shop", "web", "web-4", "api", "web"]
    assert scenario_of(found, tmp_path).timeline[4].with_["instance"] == "web-0"
    assert '# the manifest means only its pods on nodes with these labels: {"zone": "east"}' in found.services
    assert "# [targets.….services.web-2]" in found.text


def test_an_outage_asks_for_the_workload(tmp_path: Path) -> None:
    found = imported(CARRIED["all pods fail"][0], CARRIED["kill one"][0])
    assert [line for line in found.services if 'workload = "deployment/…"' in line]
    assert [fault[1]["service"] for fault in entries(found, tmp_path)] == ["web", "web"]


def test_schedules_and_workflows(tmp_path: Path) -> None:
    def step(name: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "templateType": kind, **more}

    def bare(kind: str, **spec: Any) -> dict[str, Any]:
        found: dict[str, Any] = chaos(kind, **spec)["spec"]
        return found

    again = schedule("PodChaos", bare("PodChaos", action="pod-kill"), historyLimit=1)
    workflow = {
        "apiVersion": "chaos-mesh.org/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "flow", "namespace": "shop"},
        "spec": {
            "entry": "all",
            "templates": [
                step("all", "Serial", deadline="10m", children=["kill", "wait", "both", "ask", "again"]),
                step("kill", "PodChaos", deadline="20s", podChaos=bare("PodChaos", action="pod-kill")),
                step("wait", "Suspend", deadline="30s"),
                step("both", "Parallel", children=["slow", "busy"]),
                step(
                    "slow",
                    "NetworkChaos",
                    deadline="1m",
                    networkChaos=bare(
                        "NetworkChaos",
                        **DELAY,
                    )
                    | {"duration": None},
                ),
                step("busy", "StressChaos", deadline="2m", stressChaos=bare("StressChaos", **CPU)),
                step("ask", "Task", task={"container": {}}),
                step("again", "Schedule", deadline="40s", schedule=again["spec"]),
            ],
        },
    }
    found = imported(workflow, schedule("IOChaos", bare("IOChaos", **SLOW)))
    when = [(entry.id, entry.at, entry.for_) for entry in scenario_of(found, tmp_path).timeline]
    assert when == [
        ("kill", 0.0, None),
        ("nightly", 0.0, 60.0),
        ("slow", 50.0, 60.0),
        ("busy", 50.0, 30.0),
        ("again", 170.0, None),
    ]
    said = lost(found.losses)
    assert "a step of type 'Task' is no fault" in said["spec.templates[7].templateType"]
    assert "it is done once" in said["spec.templates[8].schedule.schedule"]
    assert "goes with the schedule" in said["spec.templates[8].schedule.historyLimit"]
    assert "# Chaos Mesh does this by schedule: 5 * * * *" in found.text


def test_lists_json_and_several_documents(tmp_path: Path) -> None:
    one, two = CARRIED["kill one"][0], chaos("PodChaos", "other", action="pod-kill", wonders=1)
    listed = {"apiVersion": "v1", "kind": "List", "items": [one, two]}
    for text in (json.dumps(listed, indent="\t"), json.dumps(one) + "\n" + json.dumps(two), yaml.safe_dump(listed)):
        found = from_chaos_mesh(text.encode(), text, "m.json" if text[0] == "{" else "m.yaml")
        assert [entry.id for entry in scenario_of(found, tmp_path).timeline] == ["it", "other"]
        assert list(lost(found.losses)) == ["spec.wonders"]
    both = chaos("StressChaos", "both", stressors={"cpu": {"workers": 1}, "memory": {"workers": 1, "size": "64MB"}})
    title = scenario_of(imported(both, one), tmp_path).title
    assert title == "3 faults of m.yaml", "a manifest may be several"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{- if .Values.on }}\napiVersion: chaos-mesh.org/v1alpha1\n{{- end }}\n", "m.yaml:1:1: a template"),
        ("apiVersion: chaos-mesh.org/v1alpha1\nspec:\n  mode: {{ .Values.mode }}\n", "m.yaml:3:9: a template"),
        ("apiVersion: chaos-mesh.org/v1alpha1\nspec: [\n", "not YAML"),
        ("apiVersion: chaos-mesh.org/v1alpha1\nspec: &a {b: *a}\n", "far too much"),
        ("apiVersion: chaos-mesh.org/v1alpha1\nspec: " + "[" * 5000, "far too much"),
        ("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
         "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\napiVersion: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", "far too much"),
        ("apiVersion: chaos-mesh.org/v1alpha1\nspec: 2026-13-45\n", "m.yaml"),
        ("---\n---\n", "there is no fault of Chaos Mesh"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_said(text: str, said: str) -> None:
    with pytest.raises(ScenarioErrors) as caught:
        from_chaos_mesh(text.encode(), text, "m.yaml")
    assert said in str(caught.value)


def test_a_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    text = yaml.safe_dump(CARRIED["kill one"][0]).replace("  mode: one\n", "  mode: all\n  mode: one\n")
    found = from_chaos_mesh(text.encode(), text, "m.yaml")
    assert scenario_of(found, tmp_path).timeline[0].with_["count"] == 1
    assert any("stands twice; the last one counts" in loss.why for loss in found.losses)


def test_durations_are_those_of_go() -> None:
    assert go_duration("1h30m") == 5400 and go_duration("1.5s") == 1.5 and go_duration("10m0s") == 600
    assert go_duration("250us") == pytest.approx(0.00025)
    assert [go_duration(text) for text in ("5", "1d", "", "-1s", "1m 2s")] == [None] * 5


def test_a_file_is_taken_for_what_it_is(tmp_path: Path) -> None:
    manifest = CARRIED["kill one"][0]
    files = {
        "m.yaml": (yaml.safe_dump(manifest), "chaos-mesh"),
        "m.json": (json.dumps(manifest), "chaos-mesh"),
        "list.json": (json.dumps([manifest]), "chaos-mesh"),
        "e.json": (
            json.dumps({"title": "t", "description": "d", "method": [], "tags": [str(manifest)]}),
            "chaostoolkit",
        ),
        "s.yaml": ("version: 1\ntitle: t\ntimeline: []\ndescription: |\n  apiVersion: chaos-mesh.org/v1alpha1\n", None),
    }
    for name, (text, tool) in files.items():
        (tmp_path / name).write_text(text)
        assert load_file(tmp_path / name, catalogue=catalogue()).scenario.imported == tool, name


# --- the command -----------------------------------------------------------------------------------------------------


def gameday(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    extra = {"GAMEDAY_STORE": str(folder / "store.db"), "XDG_STATE_HOME": str(folder / "state")}
    return forking.call(words, cwd=folder, env={**os.environ, **extra})


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(yaml.safe_dump_all([CARRIED["delay"][0], NOT_AT_ALL["loss"]]))
    made = gameday(tmp_path, "import", "m.yaml", "--output", "s.yaml")
    assert made.returncode == 1
    assert "m.yaml:26:3: document 2, NetworkChaos it: spec.action: not carried over: no portable fault" in made.stderr
    assert '[targets.….services.web]\nnamespace = "shop"\nselector = "app=web"' in made.stderr
    assert "there are faults and no abort condition" in made.stderr
    text = (tmp_path / "m.yaml").read_text()
    settings_of(from_chaos_mesh(text.encode(), text, "m.yaml"), tmp_path)
    both = gameday(tmp_path, "validate", "s.yaml", "m.yaml", "--target", "staging")
    assert both.returncode == 0, both.stderr
    refused = gameday(tmp_path, "run", "m.yaml", "--target", "staging", "--unattended")
    assert refused.returncode == 5
    assert "imported from chaos-mesh" in refused.stderr and "--no-abort-condition" in refused.stderr
    (tmp_path / "gameday.toml").write_text(
        (tmp_path / "gameday.toml").read_text().replace("services.web]", "services.shop]")
    )
    unknown = gameday(tmp_path, "validate", "m.yaml", "--target", "staging")
    assert unknown.returncode == 2
    assert "no service 'web'; `gameday import m.yaml` prints the tables" in unknown.stderr
    (tmp_path / "none.yaml").write_text(yaml.safe_dump(NOT_AT_ALL["loss"]))
    assert gameday(tmp_path, "import", "none.yaml").returncode == 2
