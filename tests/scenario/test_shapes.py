"""A key or a value of the wrong kind: in the words of the file, with the nearest right word."""

from __future__ import annotations

import pytest

from tests.scenario.marked import assert_problem, entry, problems, scenario

HTTP = "http: {url: 'http://localhost'}"

KEYS = [
    (scenario("»discription: x"), "unknown key 'discription' in a scenario", "did you mean 'description'?"),
    (entry("at: 1s, inject: x, »hnit: y"), "unknown key 'hnit' in a timeline entry", "did you mean 'hint'?"),
    (entry("after: {»milestoen: detected, entry: other}, inject: x"), "in after", "did you mean 'milestone'?"),
    (scenario("limits: {»pod: 3}"), "unknown key 'pod' in limits", "did you mean 'pods'?"),
    (scenario("parameters: {a: {default: 1, »descr: x}}", "tags: ['${a}x']"), "in a parameter", "'description'"),
    (scenario(f"steady_state: [{{{HTTP}, expect: {{»equal: 1, below: 3}}}}]"), "in a tolerance", "'equals'"),
    (
        scenario("steady_state: [{http: {url: 'http://x', »metod: GET}, expect: {status: 200}}]"),
        "http probe",
        "'method'",
    ),
    (scenario("expect: [{milestone: detected, within: 1m, »ofs: impact}]"), "an expectation", "'of'"),
    (scenario("timeline: [{at: 1s, inject: x, »runbook: y}]"), "in a timeline entry", "it belongs to a scenario"),
    (
        scenario("steady_state: [{http: {url: 'http://x', headers: {a: {»evn: X, env: Y}}}, expect: {status: 200}}]"),
        "unknown key 'evn' in a secret",
        "did you mean 'env'?",
    ),
]
VALUES = [
    ("»version: 2\ntitle: x", None, None),
    (
        scenario("title2: »3").replace("title2", "severity_why"),
        "expected text, found the number 3",
        'write "3" in quotes',
    ),
    (scenario("description: »1.10"), "expected text, found the number 1.1", "in quotes"),
    (scenario("tags: »x"), "'tags': expected a list, found the text 'x'", "begin each item with -"),
    (scenario("tags: [a, »{b: c}]"), "an item of 'tags': expected text, found a mapping", ""),
    (scenario("limits: »[1]"), "'limits': expected a mapping, found a list", ""),
    (scenario("timeline: [»hello]"), "an item of 'timeline': expected a mapping", ""),
    (scenario("roles: [»incident-comander]"), "can't be 'incident-comander'", "did you mean 'incident-commander'?"),
    (scenario("category: »dependancy"), "'category' can't be 'dependancy'", "did you mean 'dependency'?"),
    (scenario("difficulty: »impossible"), "'difficulty' can't be 'impossible'", "write easy, medium or hard"),
    (entry("at: »5, inject: x"), "'at': a duration needs its unit", "write 5ms, 5s or 5m"),
    (entry("at: »5 minutes, inject: x"), "'5 minutes' is not a duration", "write it like 90s, 5m"),
    (entry("at: »'5', inject: x"), "a duration needs its unit", "write 5ms, 5s or 5m"),
    (entry("at: »true, inject: x"), "expected a duration such as 90s", ""),
    (entry("at: »40d, inject: x"), "longer than 30 days", ""),
    (entry("at: »30s5m, inject: x"), "is not a duration", ""),
    (entry("manual: »1, inject: x"), "expected true or false, found the number 1", ""),
    (entry("id: »'a b', at: 1s, inject: x"), "'a b' can't be an id", "up to 64 letters"),
    (entry("after: {milestone: »detectd}, inject: x"), "can't be 'detectd'", "did you mean 'detected'?"),
    (entry("at: »'${nothing}', inject: x"), "${nothing} is no parameter", "declare it under parameters"),
    (scenario("limits: {pods: »'3'}"), "expected a whole number, found the text '3'", ""),
    (scenario("limits: {pods: »0}"), "'pods' must be at least 1, found 0", ""),
    (scenario("limits: {percent: »101}"), "'percent' must be at most 100, found 101", ""),
    (scenario("title: »''").replace("title: Something breaks\n", ""), "'title' is empty", ""),
    (scenario(f"steady_state: [{{{HTTP}, expect: {{below: »'3'}}}}]"), "expected a number, found the text '3'", ""),
    (scenario(f"steady_state: [{{{HTTP}, expect: {{above: »true}}}}]"), "expected a number, found true", ""),
    (scenario(f"steady_state: [{{{HTTP}, expect: {{between: »[1]}}}}]"), "'between' needs 2 values", "[1, 5]"),
    (scenario(f"steady_state: [{{{HTTP}, expect: {{between: »[1, 2, 3]}}}}]"), "'between' has 3 values, at most 2", ""),
    (scenario(f"steady_state: [{{{HTTP}, expect: {{status: »'200'}}}}]"), "expected an HTTP status code", ""),
    (scenario(f"steady_state: [{{{HTTP}, expect: {{status: »[200, 99]}}}}]"), "expected an HTTP status code", ""),
    (
        scenario("steady_state: [{http: {url: 'http://x', headers: {a: »5}}, expect: {status: 200}}]"),
        "expected text, or a secret: {env: NAME} or {file: PATH}",
        'write "5" in quotes',
    ),
    (
        scenario("steady_state: [{process: {command: »[]}, expect: {equals: 0}}]"),
        "'command' is empty",
        "",
    ),
    (scenario("parameters: {a: {default: »[1]}}", "tags: ['${a}']"), "a parameter is one value", ""),
]
ABORTS = [
    (
        "{name: a, tcp: {address: 'h:1'}, equals: true, no_data: »tripp}",
        "'no_data' can't be 'tripp'",
        "did you mean 'trip'?",
    ),
    ("{name: a, tcp: {address: 'h:1'}, equals: true, no_data: {»nann: ok}}", "unknown key 'nann' in no_data", "'nan'"),
    ("{name: a, tcp: {address: 'h:1'}, equals: true, every: »1ms}", "'every' must be at least 0.05, found '1ms'", ""),
    ("{name: a, tcp: {address: 'h:1'}, equals: true, consecutive: »0}", "must be at least 1", ""),
    ("{name: a, tcp: {address: 'h:1'}, equals: true, consecutive: »2.5}", "expected a whole number", ""),
    ("{»tcp: {address: 'h:1'}, equals: true}", "missing key 'name' in an abort condition", "when it trips"),
]


@pytest.mark.parametrize(("text", "message", "hint"), KEYS, ids=[hint for _, _, hint in KEYS])
def test_an_unknown_key(text: str, message: str, hint: str) -> None:
    assert_problem(text, message, hint)


@pytest.mark.parametrize(("text", "message", "hint"), VALUES[1:], ids=[str(message) for _, message, _ in VALUES[1:]])
def test_a_value_of_the_wrong_kind(text: str, message: str, hint: str) -> None:
    assert_problem(text, message, hint)


@pytest.mark.parametrize(("text", "message", "hint"), ABORTS[:-1], ids=[message for _, message, _ in ABORTS[:-1]])
def test_an_abort_condition_of_the_wrong_shape(text: str, message: str, hint: str) -> None:
    assert_problem(scenario("abort_when:", f"  - {text}", abort=""), message, hint)


def test_a_missing_key_is_reported_at_the_mapping() -> None:
    text, message, hint = ABORTS[-1]
    assert_problem(scenario("abort_when:", f"  - »{text.replace('»', '')}", abort=""), message, hint)
    found = problems("title: x\n")
    assert [(p.line, p.column, p.message) for p in found] == [(1, 1, "missing key 'version' in a scenario")]
    assert "version: 1" in found[0].hint


@pytest.mark.parametrize("version", ["2", "'1'", "one", "true", "1.5"])
def test_another_version_is_told_so(version: str) -> None:
    assert_problem(f"title: x\nversion: »{version}\n", "this reads version 1", "write `version: 1`")


def test_a_misspelled_key_is_one_problem_and_not_two() -> None:
    assert_problem("version: 1\n»titel: x\n", "unknown key 'titel'", "did you mean 'title'?")


def test_a_check_that_expects_nothing_is_one_problem() -> None:
    """What is missing was taken for something that could be anything, and so for what can't stand there."""
    check = "{tcp: {address: 'h:1'}}"
    found = problems(scenario(f"steady_state: [{check}]", "timeline: [{manual: true, inject: x}]"))
    assert [problem.message for problem in found] == ["missing key 'expect' in a steady-state check"]


def test_everything_wrong_is_named_in_one_run() -> None:
    text = scenario(
        "severity: SEV9",
        "roles: [incident-comander]",
        "timeline:",
        "  - {at: 12:30, fautl: latency}",
        "  - {at: 5, fault: latancy, with: {service: x}}",
        "  - {id: here, after: nowhere, inject: x}",
        "  - {at: 1s, fault: latency, with: {service: x, dely: 3s}, for: 1m}",
        "expect: [{milestone: detected}]",
    )
    lines = [problem.line for problem in problems(text)]
    assert lines == [3, 4, 6, 6, 7, 7, 8, 9, 10]
