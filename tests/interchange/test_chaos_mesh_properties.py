"""Manifests of Chaos Mesh as chance makes them: what comes out is valid, and what is lost is listed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gameday.faults.catalogue import catalogue
from gameday.interchange.files import from_chaos_mesh
from gameday.scenario.loading import load_text
from gameday.scenario.problems import ScenarioErrors
from tests.interchange.manifests import chaos, scenario_of, schedule

NAMES = st.sampled_from(["web", "db-0", "Ünï", "a b", "x" * 80, "${x}", "on", "12:30", ""])
SELECTORS = st.fixed_dictionaries(
    {},
    optional={
        "namespaces": st.lists(st.sampled_from(["shop", "pay", "NOT"]), max_size=2),
        "labelSelectors": st.dictionaries(st.sampled_from(["app", "tier", "example.com/x"]), NAMES, max_size=2),
        "expressionSelectors": st.lists(
            st.fixed_dictionaries(
                {"key": st.just("tier"), "operator": st.sampled_from(["In", "NotIn", "Exists", "Like"])},
                optional={"values": st.lists(st.sampled_from(["a", "b"]), max_size=2)},
            ),
            max_size=2,
        ),
        "fieldSelectors": st.dictionaries(st.sampled_from(["metadata.name", "spec.nodeName"]), NAMES, max_size=2),
        "nodeSelectors": st.dictionaries(st.just("zone"), NAMES, max_size=1),
        "podPhaseSelectors": st.lists(st.sampled_from(["Running", "Pending"]), max_size=2),
        "pods": st.dictionaries(
            st.sampled_from(["shop", "pay"]),
            st.lists(st.sampled_from(["db-0", "db-1", "web-7d9c5b6f4d-x2x9z"]), max_size=3),
        ),
    },
)
TIMES = st.sampled_from(["30s", "1h30m", "100000h", "0s", "5", "", "1.5ms", "x"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | NAMES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
SPECS = st.fixed_dictionaries(
    {
        "action": st.sampled_from(
            [
                "pod-kill",
                "pod-failure",
                "container-kill",
                "delay",
                "partition",
                "error",
                "random",
                "latency",
                "loss",
                "netem",
            ]
        ),
        "mode": st.sampled_from(["one", "all", "fixed", "fixed-percent", "random-max-percent", "odd"]),
        "selector": SELECTORS,
    },
    optional={
        "value": st.sampled_from(["1", "50", "0", "101", 3, "x", None]),
        "duration": TIMES,
        "gracePeriod": st.integers(-1, 10**7),
        "direction": st.sampled_from(["to", "from", "both"]),
        "target": st.fixed_dictionaries({"mode": st.sampled_from(["one", "all"]), "selector": SELECTORS}),
        "externalTargets": st.lists(st.sampled_from(["pay.example.com", "198.51.100.0/24", "a b"]), max_size=2),
        "delay": st.one_of(TIMES, st.fixed_dictionaries({"latency": TIMES}, optional={"jitter": TIMES, "odd": JUNK})),
        "patterns": st.lists(st.sampled_from(["a.example.com", "*.b", "c*", "*"]), max_size=2),
        "stressors": st.fixed_dictionaries(
            {},
            optional={
                "cpu": st.fixed_dictionaries(
                    {"workers": st.integers(-1, 9999)}, optional={"load": st.integers(0, 120)}
                ),
                "memory": st.fixed_dictionaries(
                    {"workers": st.integers(0, 3)},
                    optional={
                        "size": st.sampled_from(["1.5GiB", "512Mi", "50%", "0%", "100", "1e9", "9999999B", "0.5MB"])
                    },
                ),
            },
        ),
        "volumePath": st.sampled_from(["/data", "data", "/${x}"]),
        "path": st.sampled_from(["/data/**", "**"]),
        "percent": st.integers(-1, 120),
        "containerNames": st.lists(NAMES, max_size=2),
        "odd": JUNK,
    },
)
KINDS = st.sampled_from(["PodChaos", "NetworkChaos", "DNSChaos", "StressChaos", "IOChaos"])


def manifest_of(kind: str, spec: dict[str, Any], name: str, scheduled: bool) -> dict[str, Any]:
    made = schedule(kind, spec) if scheduled else {**chaos(kind), "spec": spec}
    made["metadata"] = {"name": name}
    return made


MANIFESTS = st.builds(manifest_of, KINDS, SPECS, NAMES, st.booleans())


@given(manifests=st.lists(MANIFESTS, min_size=1, max_size=4), form=st.sampled_from(["json", "yaml"]))
@settings(max_examples=150, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_what_comes_out_is_valid_on_a_target_with_the_printed_services(
    manifests: list[dict[str, Any]], form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
    text = json.dumps(listed) if form == "json" else yaml.safe_dump_all(manifests)
    try:
        found = from_chaos_mesh(text.encode(), text, f"m.{form}")
    except ScenarioErrors as errors:
        assert "can be carried over" in errors.problems[0].message
        assert len(errors.problems) > len(manifests)
        return
    scenario = scenario_of(found, tmp_path_factory.mktemp("manifests"))
    assert scenario.timeline and scenario.imported == "chaos-mesh"
    for loss in found.losses:
        assert loss.located("m").isprintable()
    for number, manifest in enumerate(manifests, 1):
        where = f"document {number}, " if form == "yaml" else f"document 1, item {number}, "
        spec = next((value for key, value in manifest["spec"].items() if key.endswith("Chaos")), manifest["spec"])
        said = [loss for loss in found.losses if loss.what.startswith(where)]
        if spec.get("odd") not in (None, "", [], {}):
            # Whatever nobody knows is listed, or the whole fault is.
            assert any(loss.what.endswith(".odd") or "not in the scenario" in loss.why for loss in said)


@given(manifest=MANIFESTS, data=st.data())
@settings(max_examples=100, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_manifests_with_something_broken_in_them(manifest: dict[str, Any], data: st.DataObject) -> None:
    """One value anywhere replaced by another, or the text cut off."""
    here: Any = json.loads(json.dumps(manifest))
    top = here
    while isinstance(here, dict | list) and here:
        key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[key], dict | list) or not here[key] or data.draw(st.booleans()):
            here[key] = data.draw(JUNK)
            break
        here = here[key]
    text = yaml.safe_dump(top)
    if data.draw(st.booleans()):
        text = text[: data.draw(st.integers(1, len(text)))]
    try:
        found = from_chaos_mesh(text.encode("utf-8", "replace"), text, "m.yaml")
    except ScenarioErrors as errors:
        assert errors.problems
    else:
        load_text(found.text, path="s.yaml", catalogue=catalogue())
