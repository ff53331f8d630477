"""Parameters are filled in at loading, a target's names later; PromQL keeps its braces."""

from __future__ import annotations

import pytest

from gameday.scenario.names import names_used, resolve_names
from gameday.scenario.problems import ScenarioErrors
from tests.scenario.marked import assert_problem, loaded, scenario

TEXT = scenario(
    "parameters:",
    "  outage: {default: 25s, description: How long.}",
    "  count: 2",
    "  who: shoppers",
    "description: For ${who} and ${who}, not $${who}, at ${storefront}",
    "limits: {duration: '${outage}', pods: '${count}'}",
    "steady_state:",
    "  - prometheus: {query: 'sum by (a) (rate(x{job=\"${service}\"}[1m]))'}",
    "    expect: {above: '${count}'}",
    "  - metrics: {name: up}",
    "    expect: {equals: '$${x}'}",
)


def test_defaults_are_filled_in_and_keep_their_kind() -> None:
    found = loaded(TEXT)
    assert found.parameters == {"outage": "25s", "count": 2, "who": "shoppers"}
    assert found.document["description"] == "For shoppers and shoppers, not $${who}, at ${storefront}"
    assert found.document["limits"] == {"duration": "25s", "pods": 2}
    assert found.scenario.limits.duration == 25.0
    assert found.scenario.steady_state[0].expect.above == 2.0


def test_what_is_set_takes_the_place_of_a_default() -> None:
    found = loaded(TEXT, {"outage": "10m", "count": "3", "who": "on"})
    assert found.scenario.limits.duration == 600.0
    assert found.scenario.limits.pods == 3
    assert found.document["description"].startswith("For on and on,")
    assert found.parameters == {"outage": "10m", "count": 3, "who": "on"}


def test_declarations_stay_as_they_stand() -> None:
    assert loaded(TEXT, {"count": "9"}).document["parameters"]["count"] == 2


def test_a_set_name_that_does_not_exist() -> None:
    assert_problem(
        TEXT.replace("parameters:", "»parameters:"), "--set outtage", "'outage'", parameters={"outtage": "1s"}
    )
    assert_problem("»" + scenario("tags: [a]"), "--set x", "declares no parameters", parameters={"x": "1"})


def test_a_value_that_does_not_fit_says_where_it_comes_from() -> None:
    text = TEXT.replace("duration: '${outage}'", "duration: »'${outage}'")
    assert_problem(
        text, "needs its unit (from ${outage}, which is 10)", "write 10ms, 10s or 10m", parameters={"outage": "10"}
    )


def test_a_parameter_without_default_must_be_set() -> None:
    text = scenario("parameters: {»region: {description: Where.}}", "description: In ${region}.")
    assert_problem(text, "parameter 'region' has no value", "--set region=")
    assert loaded(text.replace("»", ""), {"region": "north"}).document["description"] == "In north."


def test_a_parameter_that_nothing_uses() -> None:
    text = scenario("parameters: {»outage: 5m}", "description: For ${outagee}.")
    assert_problem(text, "parameter 'outage' is never used", "the file says 'outagee'")


def test_a_parameter_has_a_name_that_can_be_written() -> None:
    assert_problem(scenario('parameters: {»"a b": 5m}'), "can't be a parameter's name", "letters, digits")


def test_values_are_not_looked_at_again() -> None:
    text = scenario("parameters: {a: '${b}', b: '${a}'}", "description: ${a} ${b}")
    assert loaded(text).document["description"] == "${b} ${a}"


def test_names_of_a_target_are_filled_in_where_it_is_known() -> None:
    found = loaded(TEXT)
    assert names_used(found.document) == {"service", "storefront"}
    scenario_, document = found.resolve(
        {"storefront": "http://h:1", "service": "shop", "metrics": "http://h:2/metrics", "prometheus": "http://h:3"}
    )
    assert document["description"] == "For shoppers and shoppers, not ${who}, at http://h:1"
    assert document["steady_state"][0]["prometheus"]["query"] == 'sum by (a) (rate(x{job="shop"}[1m]))'
    assert document["steady_state"][1]["expect"]["equals"] == "${x}"
    assert scenario_.steady_state[1].metrics is not None
    assert scenario_.steady_state[1].metrics.url == "http://h:2/metrics"
    assert found.document["description"].endswith("${storefront}")


def test_unknown_names_of_a_target_are_named_with_their_lines() -> None:
    found = loaded(TEXT)
    with pytest.raises(ScenarioErrors) as raised:
        found.resolve({"storefrnt": "http://h:1", "metrics": "http://h:2", "prometheus": "http://h:3"})
    said = [str(problem) for problem in raised.value.problems]
    assert said == [
        "s.yaml:7:14: the target publishes no name 'storefront'; did you mean 'storefrnt'?",
        "s.yaml:10:25: the target publishes no name 'service'; write metrics, prometheus or storefrnt",
    ]


def test_without_positions_the_way_is_said() -> None:
    with pytest.raises(
        ScenarioErrors, match=r"a\.0\.b: the target publishes no name 'x'; it publishes none; name one with target:"
    ):
        resolve_names({"a": [{"b": "${x}"}]}, {})


@pytest.mark.parametrize("text", ["$name", "{a}", "${}", "${1a}", "${a b}", "$ {a}", "{{a}}", "${a.b}"])
def test_only_a_name_in_braces_after_a_dollar_is_a_placeholder(text: str) -> None:
    assert names_used({"x": text}) == set()
    assert resolve_names({"x": text}, {"a": "!", "name": "!"}) == {"x": text}
