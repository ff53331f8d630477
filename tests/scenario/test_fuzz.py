"""Whatever stands in a file, the answer is a scenario or its problems; and durations survive being written."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gameday.scenario.duration import LONGEST, format_duration, parse_duration
from gameday.scenario.loading import Loaded, load_text
from gameday.scenario.models import Scenario
from gameday.scenario.names import resolve_names
from gameday.scenario.parsing import parse
from gameday.scenario.problems import ScenarioErrors
from gameday.scenario.reading import decode
from gameday.scenario.scalars import Trap, resolve
from tests.scenario.marked import CATALOGUE, SHIPPED

TEXTS = [path.read_text(encoding="utf-8") for path in SHIPPED]
WORDS = [
    "on", "12:30", "~", "null", "&a", "*a", "<<", "!!str", "{", "}", "[", "]", "- ", ": ", "\t", "\n", "'", '"', "${x}",
    "$${x}", "${outage}", "0", "-1", "1e999", "9" * 400, ".nan", "#", "|", ">", "---", "...", "?", "%", "@", "\x00",
    "\u2028", "\ufeff", "\U0001f692", "version", "timeline:", "fault: latency", "after: {entry: a}", "for: 5",
]  # fmt: skip
LIGHT = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def judge(text: str) -> None:
    """Load `text`; anything but a scenario or its problems is a failure."""
    try:
        found = load_text(text, path="f.yaml", catalogue=CATALOGUE)
    except ScenarioErrors as errors:
        assert errors.problems
        lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029")
        for problem in errors.problems:
            assert problem.line is not None and 1 <= problem.line <= lines + 2, problem
            assert problem.column is not None and problem.column >= 1
            assert problem.message
            assert "object at 0x" not in str(problem), problem
            assert "\n" not in str(problem)
            assert len(str(problem)) < 2000
    else:
        assert isinstance(found, Loaded)
        assert Scenario.model_validate(json.loads(json.dumps(found.document, allow_nan=False))) == found.scenario


@LIGHT
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    judge(text)


@LIGHT
@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
def test_any_sequence_of_what_yaml_is_made_of(text: str) -> None:
    judge(text)


@LIGHT
@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    try:
        text = decode(content, "f.yaml")
    except ScenarioErrors as errors:
        assert len(errors.problems) == 1
    else:
        judge(text)


@LIGHT
@given(st.data())
def test_any_mutation_of_what_ships(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        text = text[:start] + data.draw(st.sampled_from([*WORDS, ""])) + text[end:]
    judge(text)


Values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@LIGHT
@given(st.data())
def test_any_value_anywhere(data: st.DataObject) -> None:
    """Shapes that no person would write: any JSON-like value in the place of any other."""
    document = yaml.load(data.draw(st.sampled_from(TEXTS)), Loader=yaml.CSafeLoader)
    around = document
    while True:
        key = data.draw(st.sampled_from(list(around) if isinstance(around, dict) else list(range(len(around)))))
        if not isinstance(around[key], dict | list) or not around[key] or data.draw(st.booleans()):
            break
        around = around[key]
    around[key] = data.draw(Values)
    judge(yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True))


@LIGHT
@given(st.recursive(st.text(max_size=8), lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_what_is_quoted_comes_back_as_it_was(value: object) -> None:
    text = json.dumps({"x": value})
    parsed = parse(text, "f.yaml")
    assert parsed.document == {"x": value} or parsed.problems


@LIGHT
@given(st.text(max_size=12, alphabet="0123456789+-.eExXobnfiayNYOT_:~=<tTruFlsd "))
def test_a_plain_scalar_means_what_libyaml_says_or_is_refused(text: str) -> None:
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    found = resolve(text)
    if not isinstance(found, Trap):
        theirs = loader.construct_object(yaml.ScalarNode(tag, text))
        assert (found, type(found)) == (theirs, type(theirs))


@LIGHT
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4))
def test_names_resolve_or_are_named(document: dict[str, str]) -> None:
    try:
        resolved = resolve_names(document, {"x": "1"})
    except ScenarioErrors as errors:
        assert errors.problems
    else:
        assert resolved.keys() == document.keys()


@LIGHT
@given(st.integers(0, int(LONGEST * 1000)))
def test_a_duration_survives_being_written(thousandths: int) -> None:
    text = format_duration(thousandths / 1000)
    assert round(parse_duration(text) * 1000) == thousandths
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("1.5h", 5400), ("0s", 0), ("1d", 86400)],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "m", "30s5m", "-5s", "1h1h", "5 minutes", "٥s", 5, 5.0, True, None, []]
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
