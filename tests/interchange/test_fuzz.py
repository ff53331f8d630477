"""Whatever stands in a file: a valid scenario comes out, or problems with their places; never anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gameday.engine.ports import TargetInfo
from gameday.faults.catalogue import catalogue
from gameday.interchange.chaostoolkit.exporting import exported
from gameday.interchange.files import from_chaostoolkit
from gameday.interchange.losses import Losses
from gameday.interchange.yaml_text import dumped
from gameday.scenario.loading import load_text
from gameday.scenario.parsing import parse
from gameday.scenario.problems import ScenarioErrors

from .shapes import SHAPES

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Without making what fails smaller: experiments are large, and that takes minutes."""
TEXT = st.one_of(
    st.sampled_from(
        ["${x}", "$x", "$${x}", "on", "1e3", "12:30", "a: b", "# c", "x\ny", " ", "{", "é\u2028", "-", "~", "0"]
    ),
    st.text(max_size=12),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
NAMES = st.text(min_size=1, max_size=10)
SECONDS = st.one_of(st.integers(0, 300), st.floats(0, 300), st.just("${x}"))


def optional(required: dict[str, Any], maybe: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=maybe)


PROVIDERS = st.one_of(
    optional(
        {
            "type": st.just("python"),
            "module": st.sampled_from(["a.b", "c"]),
            "func": st.sampled_from(["start_x", "stop_x"]),
        },
        {"arguments": st.dictionaries(TEXT, JSON, max_size=3), "secrets": st.lists(NAMES, max_size=2)},
    ),
    optional(
        {"type": st.just("http"), "url": st.sampled_from(["http://a/${x}", "https://b"])},
        {
            "method": st.sampled_from(["GET", "post"]),
            "headers": st.dictionaries(TEXT, TEXT, max_size=2),
            "arguments": st.dictionaries(TEXT, JSON, max_size=2) | TEXT,
            "timeout": st.one_of(SECONDS, st.lists(st.integers(0, 9), max_size=3)),
        },
    ),
    optional(
        {"type": st.just("process"), "path": st.sampled_from(["true", "/bin/sh"])},
        {"arguments": st.one_of(TEXT, st.lists(SCALARS, max_size=3)), "timeout": SECONDS, "odd": JSON},
    ),
)
TOLERANCES = st.one_of(
    st.booleans(),
    st.integers(),
    TEXT,
    st.lists(SCALARS, max_size=3),
    st.builds(
        lambda a, b: {"type": "range", "range": [a, b]},
        st.integers(-99, 99),
        st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
    ),
    st.builds(lambda t: {"type": "regex", "pattern": "a+", **t}, st.sampled_from([{}, {"target": "body"}])),
    st.just({"type": "jsonpath", "path": "$.a[*].b", "count": 1}),
    st.builds(lambda name, provider: {"type": "probe", "name": name, "provider": provider}, NAMES, PROVIDERS),
)
MORE = {
    "pauses": optional({}, {"before": SECONDS, "after": SECONDS}),
    "background": st.booleans(),
    "timeout": st.integers(-5, 500),
    "controls": st.lists(JSON, max_size=1),
    "dry": st.sampled_from(["actions", "probes", "activities", "pause", False]),
    "odd": JSON,
}
ACTIVITIES = optional({"type": st.sampled_from(["action", "probe"]), "name": NAMES, "provider": PROVIDERS}, MORE)
PROBES = optional(
    {"type": st.just("probe"), "name": NAMES, "provider": PROVIDERS, "tolerance": TOLERANCES},
    {"pauses": MORE["pauses"]},
)
VALUES = st.one_of(
    JSON.filter(lambda value: not isinstance(value, dict) or value.get("type") not in ("env", "probe")),
    optional({"type": st.just("env"), "key": st.just("HOME")}, {"default": SCALARS}),
    st.builds(lambda provider: {"type": "probe", "name": "n", "provider": provider}, PROVIDERS),
)
EXPERIMENTS = optional(
    {"title": NAMES, "method": st.lists(ACTIVITIES, max_size=4)},
    {
        "description": NAMES,
        "tags": st.lists(NAMES, max_size=2),
        "contributions": st.dictionaries(NAMES, st.sampled_from(["high", "none"]), max_size=2),
        "configuration": st.dictionaries(st.one_of(st.just("x"), TEXT), VALUES, max_size=3),
        "secrets": st.dictionaries(NAMES, st.one_of(TEXT, st.dictionaries(NAMES, JSON, max_size=2)), max_size=2),
        "steady-state-hypothesis": st.fixed_dictionaries({"title": NAMES, "probes": st.lists(PROBES, max_size=2)}),
        "rollbacks": st.lists(ACTIVITIES, max_size=3),
        "extensions": JSON,
        "runtime": st.dictionaries(TEXT, JSON, max_size=2),
        "controls": JSON,
    },
)


@given(experiment=EXPERIMENTS, form=st.sampled_from(["json", "yaml"]))
@settings(max_examples=80, phases=PHASES)
def test_every_experiment_becomes_a_scenario_and_an_experiment_again(experiment: Any, form: str) -> None:
    text = json.dumps(experiment) if form == "json" else yaml.safe_dump(experiment)
    made, losses = from_chaostoolkit(text.encode(), text, f"e.{form}")
    loaded = load_text(made, path="s.yaml", catalogue=catalogue())
    scenario, _ = loaded.resolve({})
    assert load_text(made, path="s.yaml", catalogue=catalogue()).scenario == loaded.scenario
    for loss in losses:
        assert loss.located("e").isprintable()
    back = exported(loaded.document, TargetInfo("none", "none", "tabletop").to_json(), Losses())
    acting = [entry for entry in scenario.timeline if entry.fault]
    actions = [each for each in back["method"] if each["type"] == "action" and not each["name"].startswith("undo ")]
    assert len(actions) == len(acting)
    assert len(back["rollbacks"]) == sum(len(entry.undo or ()) for entry in acting)
    json.dumps(back)


@given(
    junk=st.one_of(
        JSON,
        st.dictionaries(
            st.sampled_from(
                [
                    "title",
                    "method",
                    "rollbacks",
                    "steady-state-hypothesis",
                    "configuration",
                    "secrets",
                    "tags",
                    "controls",
                ]
            ),
            JSON,
            max_size=6,
        ),
    )
)
@settings(max_examples=80)
def test_whatever_is_no_experiment_is_said(junk: Any) -> None:
    text = json.dumps(junk)
    try:
        from_chaostoolkit(text.encode(), text, "e.json")
    except ScenarioErrors as errors:
        assert errors.problems
        assert all(problem.path == "e.json" and problem.message for problem in errors.problems)


@pytest.mark.parametrize("name", SHAPES)
@given(data=st.data())
@settings(max_examples=8, phases=PHASES)
def test_experiments_with_something_broken_in_them(name: str, data: st.DataObject) -> None:
    """One value anywhere replaced by another, or the text cut off."""
    experiment = json.loads(json.dumps(SHAPES[name]))
    here: Any = experiment
    while isinstance(here, dict | list) and here:
        key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[key], dict | list) or not here[key] or data.draw(st.booleans()):
            here[key] = data.draw(JSON)
            break
        here = here[key]
    text = json.dumps(experiment, indent=1)
    if data.draw(st.booleans()):
        text = text[: data.draw(st.integers(1, len(text)))]
    try:
        made, _ = from_chaostoolkit(text.encode(), text, "e.json")
        load_text(made, path="s.yaml", catalogue=catalogue())
    except ScenarioErrors as errors:
        assert errors.problems


@given(document=st.dictionaries(st.text(max_size=20), JSON, min_size=1, max_size=5))
def test_what_is_written_as_yaml_is_read_back_as_what_it_was(document: Any) -> None:
    parsed = parse(dumped(document), "s.yaml")
    assert not parsed.problems
    assert parsed.document == document
