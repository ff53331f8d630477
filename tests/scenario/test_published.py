"""What a scenario names, held against what its target publishes: where it stands, and the nearest right word."""

from __future__ import annotations

import pytest

from gameday.scenario.loading import Loaded, load_text
from gameday.scenario.problems import ScenarioErrors
from gameday.scenario.published import Published, Targets
from tests.scenario.marked import CATALOGUE, MARK, scenario, unmarked

SHOP = Published(
    "shop", ("web", "metrics", "alertmanager"), ("web", "cart"), ("error-rate", "latency-p95"), ("TooManyErrors",)
)
PLAIN = Published("plain", ("web",), None, ())
WATCHED = Published("watched", ("alertmanager",), None, ())
TARGETS = Targets({"shop": SHOP, "plain": PLAIN, "watched": WATCHED})


def judged(text: str, targets: Targets = TARGETS) -> Loaded:
    return load_text(text, path="s.yaml", catalogue=CATALOGUE, targets=targets)


def found(text: str, targets: Targets = TARGETS) -> list[str]:
    """Each problem as `line:column message; hint`, the marks' places first checked against theirs."""
    plain, places = unmarked(text)
    with pytest.raises(ScenarioErrors) as raised:
        judged(plain, targets)
    problems = raised.value.problems
    assert [(problem.line, problem.column) for problem in problems] == places, [str(problem) for problem in problems]
    return [f"{problem.message}; {problem.hint}" for problem in problems]


STEADY = "steady_state:\n  - {measure: »error-rte, expect: {below: 1}}"
EFFECTIVE = "effective: {measure: »latency, expect: {above: 1}}"
WRONG = [
    (STEADY, "target 'shop' publishes no measure 'error-rte'; did you mean 'error-rate'?"),
    ("expect:\n  - {alert: »TooManyError, within: 1m}", "no alert 'TooManyError'; did you mean 'TooManyErrors'?"),
    ("expect:\n  - {check: {measure: »x, expect: {above: 1}}, within: 1m}", "'x'; write error-rate or latency-p95"),
    (
        "timeline:\n  - {at: 1s, fault: pod-kill, with: {service: »crt}}",
        "target 'shop' publishes no service 'crt'; did you mean 'cart'?",
    ),
    ("steady_state:\n  - {http: {url: »'${wbe}/x'}, expect: {status: 200}}", "no name 'wbe'; did you mean 'web'?"),
    (
        "steady_state:\n  - {prometheus: »{query: up}, expect: {above: 0}}",
        "publishes no address named prometheus; write url: with one",
    ),
    (
        f"timeline:\n  - {{at: 1s, fault: latency, with: {{service: web, delay: 1s}}, for: 1m, {EFFECTIVE}}}",
        "publishes no measure 'latency'; did you mean 'latency-p95'?",
    ),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_the_target_does_not_publish(text: str, said: str) -> None:
    [problem] = found(scenario("target: shop", text))
    assert said in problem


def test_an_alert_that_nobody_could_see() -> None:
    [problem] = found(scenario("target: plain", "expect:\n  - {»alert: Anything, within: 1m}"))
    assert problem.startswith("target 'plain' publishes no alertmanager, so nobody can see an alert; give it one")


def test_all_kinds_are_named_in_one_run_beside_all_else() -> None:
    text = scenario(
        "target: shop",
        STEADY,
        "  - {http: {url: »'${wbe}/x', timeout: »soon}, expect: {status: 200}}",
        "timeline:",
        "  - {at: »5, fault: pod-kill, with: {service: »crt}}",
        "expect:",
        "  - {alert: »Errors, »wihtin: 1m}",
    )
    assert len(found(text)) == 7


@pytest.mark.parametrize(
    "text",
    [
        "target: shop\nsteady_state:\n  - {metrics: {name: up}, expect: {above: 0}}",
        "target: shop\nsteady_state:\n  - {prometheus: {query: up, url: '${web}'}, expect: {above: 0}}",
        "target: shop\ntimeline:\n  - {at: 1s, inject: 'The text $${nobody}'}",
        "target: plain\ntimeline:\n  - {at: 1s, fault: pod-kill, with: {service: anything}}",
        "target: watched\nexpect:\n  - {alert: Anything, within: 1m}",
        "target: elsewhere\n" + STEADY.replace(MARK, ""),
        STEADY.replace(MARK, ""),
    ],
)
def test_what_is_published_or_not_known(text: str) -> None:
    assert judged(scenario(text)).scenario.title


def test_the_target_that_was_chosen_counts() -> None:
    text = scenario("target: plain", STEADY.replace("rte", "rate"))
    assert "it publishes none" in found(text)[0]
    assert judged(text.replace(MARK, ""), Targets(TARGETS.published, chosen="shop")).scenario.target == "plain"


def test_a_target_that_there_is_not() -> None:
    [near] = found(scenario("target: »shp"))
    assert near == "there is no target 'shp'; did you mean 'shop'? If not, add [targets.shp] to gameday.toml"
    [far] = found(scenario("target: »elsewhere"), Targets(TARGETS.published, all_known=True))
    assert far.startswith("there is no target 'elsewhere'; write none, shop, plain or watched, or add [targets.elsewhe")
    assert judged(scenario("target: elsewhere"))
