"""Meaning across fields: triggers, contents, faults, undo, references, cycles, probes, tolerances, expectations."""

from __future__ import annotations

import pytest

from tests.scenario.marked import ABORT, assert_problem, entry, loaded, problems, scenario

ACTIVITY = "activity: {type: python, module: a.b, func: c}"
UNDO = "undo: {type: process, path: /bin/true}"
LATENCY = "fault: latency, with: {service: checkout, delay: 1s}"

ENTRIES = [
    ("»{inject: x}", "nothing says when this entry is due", "write one of at, after or manual"),
    ("{at: 1s, »manual: true, inject: x}", "two triggers in one entry: 'at' and 'manual'", ""),
    ("{at: 1s, »after: other, inject: x}", "two triggers in one entry: 'at' and 'after'", ""),
    ("{manual: »false, inject: x}", "'manual: false' releases nothing", "write manual: true"),
    ("»{at: 1s}", "nothing happens in this entry", "write fault: or inject:"),
    ("{at: 1s, fault: pod-kill, with: {service: a}, »inject: x}", "an entry is a fault or an inject", "make two"),
    ("{at: 1s, inject: »' '}", "the inject is empty", ""),
    ("{at: 1s, inject: x, »for: 1m}", "'for' belongs to a fault", "remove it"),
    ("{at: 1s, inject: x, »with: {a: b}}", "'with' belongs to a fault", ""),
    ("{at: 1s, fault: pod-kill, with: {service: a}, »hint: x}", "'hint' belongs to an inject", ""),
    ("{at: 1s, inject: x, audience: [»technical-led]}", "'technical-led' is no role", "did you mean 'technical-lead'?"),
    ("{after: »zzz, inject: x}", "no entry has the id 'zzz'", "ids are inject-1, other"),
    ("{after: {entry: »othr}, inject: x}", "no entry has the id 'othr'", "did you mean 'other'?"),
    ("{after: »{delay: 1m}, inject: x}", "'after' waits for exactly one thing", ""),
    ("{after: »{milestone: detected, entry: other}, inject: x}", "'after' waits for exactly one thing", ""),
    ("{id: a, after: »a, inject: x}", "entry 'a' waits for itself", "due at"),
    ("{at: 1s, fault: »latancy, for: 1m}", "there is no fault 'latancy'", "did you mean 'latency'?"),
    (
        "{at: 1s, fault: »earthquake, for: 1m}",
        "there is no fault 'earthquake'",
        "pod-kill, latency, dependency-outage or",
    ),
    (
        "{at: 1s, fault: »process, activity: {type: process, path: a}, one_shot: true}",
        "there is no fault 'process'",
        "write fault: activity, with activity: {type: process, path: …}",
    ),
    ("{at: 1s, fault: »python}", "there is no fault 'python'", "{type: python, module: …, func: …}"),
    ("{at: 1s, fault: »http}", "there is no fault 'http'", "write fault: activity, with activity: {type: http, url: …"),
    (
        f"{{at: 1s, {LATENCY.replace('fault: ', 'fault: »')}}}",
        "without 'for' latency would stay for ever",
        "add for: 5m",
    ),
    (f"{{at: 1s, {LATENCY}, for: »0s}}", "stays 0s does nothing", ""),
    ("{at: 1s, fault: pod-kill, with: {service: a}, »for: 1m}", "pod-kill happens once", "remove 'for'"),
    (f"{{at: 1s, {LATENCY}, for: 1m, »one_shot: true}}", "'one_shot' belongs to fault: activity", "remove it"),
    (f"{{at: 1s, {LATENCY}, for: 1m, »{UNDO}}}", "'undo' belongs to fault: activity", "remove it"),
    (f"{{at: 1s, {LATENCY}, for: 1m, »{ACTIVITY}}}", "'activity' belongs to fault: activity", "remove it"),
    ("{at: 1s, fault: latency, with: {service: a, delay: »5}, for: 1m}", "a duration needs its unit", "write 5ms, 5s"),
    ("{at: 1s, fault: latency, with: {service: a, »dealy: 5s}, for: 1m}", "in 'with' of latency", "'delay'"),
    ("{at: 1s, fault: latency, »with: {service: a}, for: 1m}", "missing key 'delay' in 'with' of latency", ""),
    ("{at: 1s, fault: latency, with: {service: a, delay: 1s, share: »2}, for: 1m}", "'share' must be at most 1", ""),
    (
        "{at: 1s, fault: latency, with: {service: a, delay: 1s, direction: »up}, for: 1m}",
        "'direction' can't be 'up'",
        "upstream",
    ),
    ("{at: 1s, »fault: pod-kill}", "missing key 'service' in 'with' of pod-kill", ""),
    ("{at: 1s, fault: »activity, one_shot: true}", "'fault: activity' needs the activity to run", "module and func"),
    (f"{{at: 1s, fault: »activity, {ACTIVITY}, for: 1m}}", "nothing undoes this fault", "add undo: "),
    (f"{{at: 1s, fault: »activity, {ACTIVITY}, {UNDO}}}", "this fault would stay for ever", "add for: 5m"),
    (
        f"{{at: 1s, fault: activity, {ACTIVITY}, one_shot: true, »for: 1m}}",
        "says that nothing is undone, and there is 'for'",
        "",
    ),
    (f"{{at: 1s, fault: activity, {ACTIVITY}, one_shot: true, »{UNDO}}}", "says that nothing is undone", ""),
    (
        f"{{id: a, at: 1s, fault: activity, {ACTIVITY}, {UNDO}, for: 9s}}\n"
        f"  - {{id: b, at: 1s, fault: activity, {ACTIVITY}, undone_with: a, »for: 9s}}",
        "says that another entry undoes this, and there is 'for'",
        "keep one",
    ),
    (f"{{at: 1s, fault: activity, {ACTIVITY}, undone_with: »a}}", "no entry has the id 'a'", ""),
    (
        f"{{id: a, at: 1s, fault: activity, {ACTIVITY}, {UNDO}, for: 9s}}\n"
        f"  - {{id: b, at: 1s, fault: activity, {ACTIVITY}, undone_with: »b}}",
        "'b' has no undo that could take this away too",
        "name another entry",
    ),
    (f"{{at: 1s, fault: activity, {ACTIVITY}, one_shot: true, »with: {{a: 1}}}}", "carries its own arguments", ""),
    (
        "{at: 1s, fault: activity, activity: »{type: python, module: a}, one_shot: true}",
        "an activity of type python needs 'func'",
        "",
    ),
    (
        "{at: 1s, fault: activity, activity: {type: process, path: a, timeout: »5x}, one_shot: true}",
        "'5x' is not a duration",
        "",
    ),
    (f"{{at: 1s, {LATENCY}, for: 1m, effective: »{{expect: {{above: 1}}}}}}", "nothing is asked here", "http"),
    (f"{{at: »2h, {LATENCY}, for: 1m}}", "due at 2h, when limits.duration (1h) has long ended", "make it earlier"),
    (f"{{at: 1m, {LATENCY}, for: »1h}}", "ends at 1h1m, after limits.duration (1h)", "make it shorter"),
]


@pytest.mark.parametrize(("text", "message", "hint"), ENTRIES, ids=[text for text, _, _ in ENTRIES])
def test_an_entry_that_makes_no_sense(text: str, message: str, hint: str) -> None:
    assert_problem(
        scenario("timeline:", f"  - {text}", "  - {id: other, manual: true, inject: Something else.}"), message, hint
    )


@pytest.mark.parametrize(
    "text",
    [
        f"at: 1s, {LATENCY}, for: 1m, notes: for the facilitator",
        "manual: true, fault: pod-kill, with: {service: a}",
        f"after: other, fault: activity, {ACTIVITY}, one_shot: true",
        f"after: {{milestone: detected, delay: 3m}}, fault: activity, {ACTIVITY}, {UNDO}, for: 1m",
        "at: 1h, inject: x, audience: [incident-commander]",
        f"at: 1s, {LATENCY}, for: 1m, effective: {{measure: latency-p95, expect: {{above: 1}}}}",
    ],
)
def test_an_entry_that_is_right(text: str) -> None:
    assert len(loaded(entry(text)).scenario.timeline) == 2


def test_two_entries_with_one_id() -> None:
    found = scenario("timeline:", "  - {id: a, at: 1s, inject: x}", "  - {id: »a, at: 2s, inject: y}")
    assert_problem(found, "two entries have the id 'a': entry 1 and entry 2", "rename one")


def test_an_id_that_another_entry_would_be_given() -> None:
    found = scenario("timeline:", "  - {id: »inject-2, at: 1s, inject: x}", "  - {at: 2s, inject: y}")
    assert_problem(found, "two entries have the id 'inject-2'")


def test_a_cycle_is_named() -> None:
    text = scenario(
        "timeline:",
        "  - {id: a, after: »c, inject: x}",
        "  - {id: b, after: a, inject: x}",
        "  - {id: c, after: b, inject: x}",
        "  - {id: d, after: c, inject: x}",
    )
    assert_problem(text, "these entries wait for each other: a → c → b → a", "let one of them be due at")


def test_a_long_chain_is_no_cycle_and_ends_in_time() -> None:
    chain = [f"  - {{id: e{n}, after: {{entry: e{n - 1}, delay: 1s}}, inject: x}}" for n in range(1, 3000)]
    loaded(scenario("timeline:", "  - {id: e0, at: 0s, inject: x}", *chain))
    found = problems(scenario("timeline:", "  - {id: e0, at: 0s, inject: x}", *chain, "limits: {duration: 2990s}"))
    assert [problem.line for problem in found] == list(range(4 + 2991, 4 + 3000))


def test_a_fault_needs_an_abort_condition() -> None:
    text = scenario("timeline:", "  - {at: 1s, »fault: pod-kill, with: {service: a}}", abort="")
    assert_problem(text, "a fault, and no abort condition that would stop it", "add abort_when:")


def test_a_tabletop_needs_none() -> None:
    loaded(scenario("target: none", "timeline: [{at: 1s, inject: x}]", abort=""))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "timeline: [{at: 1s, »fault: pod-kill, with: {service: a}}]\n" + ABORT,
            "'target: none' has nothing to disturb",
        ),
        ("timeline: [{at: 1s, inject: »'See ${storefront}'}]", "so ${storefront} stands for nothing"),
        ("expect: [{»alert: A, within: 1m}]", "nowhere to see an alert"),
        ("steady_state: [{»measure: a, expect: {below: 1}}]", "publishes no measures"),
    ],
)
def test_without_a_target(text: str, message: str) -> None:
    assert_problem(scenario("target: none", text, abort=""), message)


PROBES = [
    ("»{expect: {below: 1}}", "nothing is asked here", "http, prometheus, metrics, tcp, process, measure or activity"),
    ("{tcp: {address: 'h:1'}, »measure: a, expect: {equals: 1}}", "two probes in one: 'tcp' and 'measure'", ""),
    ("{measure: a, expect: »{}}", "this holds whatever the answer is", "at least one of equals"),
    ("{measure: a, expect: {»status: 200}}", "'status' is for http probes, this is measure", ""),
    ("{measure: a, expect: {between: »[5, 1]}}", "between 5 and 1 is nothing", "write [1, 5]"),
    ("{measure: a, expect: {above: »5, below: 1}}", "nothing is above 5 and below 1", ""),
    ("{measure: a, expect: {matches: »'('}}", "'(' is not a regular expression: missing )", "escape it"),
    ("{tcp: {address: 'h:1'}, expect: {»above: 1}}", "a tcp probe answers true or false", "write equals: true"),
    (
        "{activity: {type: process, path: kubectl}, expect: {»equals: true}}",
        "an activity of type process answers its exit code with its output, which never equals true",
        "add tolerance: 0 to the activity, and write equals: true",
    ),
    (
        "{activity: {type: http, url: 'http://h'}, expect: {»equals: 200}}",
        "answers a status code with a body, which never equals 200",
        "write status: 200",
    ),
    (
        "{process: {command: [a]}, expect: {»equals: true}}",
        "a process probe answers its exit code, which never equals true",
        "write equals: 0",
    ),
    (
        "{process: {command: [a], read: stdout}, expect: {»equals: false}}",
        "a process probe answers the text that it prints, which never equals false",
        'write equals: "false"',
    ),
    ("{tcp: {address: »'http://h'}, expect: {equals: true}}", "'http://h' is not host:port", ""),
    ("{http: {url: »storefront}, expect: {status: 200}}", "'storefront' is not an address", "begin with http://"),
    (
        "{http: {url: 'http://h', path: $.x, read: »body}, expect: {equals: 1}}",
        "'path' looks into JSON, and 'read' says body",
        "write read: json",
    ),
    (
        "{http: {url: 'http://h', headers: {a: »{env: A, file: B}}}, expect: {status: 200}}",
        "a secret needs exactly one of 'env' and 'file'",
        "",
    ),
    ("{http: {url: 'http://h', headers: {a: »{}}}, expect: {status: 200}}", "exactly one of 'env' and 'file'", ""),
    ("{process: {command: [a], env: {B: »{}}}, expect: {equals: 0}}", "exactly one of 'env' and 'file'", ""),
    ("{prometheus: {query: »' '}, expect: {below: 1}}", "the query is empty", ""),
    ("{activity: »{type: http}, expect: {equals: 1}}", "an activity of type http needs 'url'", ""),
]


@pytest.mark.parametrize(("text", "message", "hint"), PROBES, ids=[text for text, _, _ in PROBES])
def test_a_probe_that_makes_no_sense(text: str, message: str, hint: str) -> None:
    assert_problem(scenario(f"steady_state: [{text}]"), message, hint)


def test_a_pattern_that_is_too_long() -> None:
    assert_problem(
        scenario(f"steady_state: [{{measure: a, expect: {{matches: »'{'a' * 2000}'}}}}]"), "2,000 characters"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{http: {url: '${storefront}/health'}, expect: {status: [200, 204]}}",
        "{http: {url: 'https://h', path: $.x}, expect: {equals: null}}",
        "{http: {url: 'https://h', read: body}, expect: {matches: '^ok', status: 200}}",
        "{tcp: {address: '[::1]:80'}, expect: {equals: false}}",
        "{tcp: {address: '${checkout}'}, expect: {equals: true}}",
        "{prometheus: {query: 'sum(rate(x{a=\"b\"}[1m]))'}, expect: {between: [1, 1]}}",
        "{metrics: {name: up, labels: {a: b}, combine: max}, expect: {above: 0, below: 2}}",
        "{process: {command: [a, b], read: stdout}, expect: {matches: x}}",
        "{measure: error-rate, expect: {below: 0.1}}",
        "{activity: {type: process, path: a, tolerance: 0}, expect: {equals: true}}",
        "{activity: {type: http, url: 'http://h'}, expect: {status: 200}}",
        "{activity: {type: python, module: a, func: b}, expect: {equals: true}}",
    ],
)
def test_a_probe_that_is_right(text: str) -> None:
    assert len(loaded(scenario(f"steady_state: [{text}]")).scenario.steady_state) == 1


CONDITIONS = [
    ("»{name: a, tcp: {address: 'h:1'}}", "nothing says when 'a' trips", "or `unless:`"),
    (
        "{name: a, tcp: {address: 'h:1'}, »equals: true, unless: {equals: true}}",
        "'unless' when it does not",
        "keep one",
    ),
    ("{name: a, measure: m, above: 1, »below: 0, no_data: ok}", "two tolerances in one abort condition", "make two"),
    ("{name: a, measure: m, above: 1, for: 3s, »consecutive: 2, no_data: ok}", "both say how long it must last", ""),
    ("{name: a, »measure: m, above: 1}", "'measure' can have no data", "add no_data: trip, ok or hold"),
    ("{name: a, »prometheus: {query: x}, above: 1}", "'prometheus' can have no data", ""),
    ("{name: a, »metrics: {name: x}, above: 1}", "'metrics' can have no data", ""),
    ("{name: a, measure: m, unless: »{}, no_data: ok}", "this holds whatever the answer is", ""),
    ("{name: a, measure: m, unless: {»status: 200}, no_data: ok}", "'status' is for http probes", ""),
    ("{name: a, http: {url: 'http://h'}, »tcp: {address: 'h:1'}, equals: true}", "two probes in one", ""),
]


@pytest.mark.parametrize(("text", "message", "hint"), CONDITIONS, ids=[text for text, _, _ in CONDITIONS])
def test_an_abort_condition_that_makes_no_sense(text: str, message: str, hint: str) -> None:
    assert_problem(scenario(f"abort_when: [{text}]", abort=""), message, hint)


def test_abort_conditions_have_names_of_their_own() -> None:
    one = "{name: %sa, tcp: {address: 'h:1'}, equals: false}"
    text = scenario(f"abort_when: [{one % ''}, {one % '»'}]", abort="")
    assert_problem(text, "two abort conditions are called 'a'")


EXPECTATIONS = [
    ("»{within: 1m}", "nothing is expected here", "alert, milestone, update or check"),
    ("{alert: A, »update: b, within: 1m}", "two expectations in one: 'alert' and 'update'", "make two"),
    ("{»milestone: detected}", "by when the milestone is expected", "add within: 5m"),
    ("{»alert: A}", "by when the alert is expected", ""),
    ("{»check: {measure: a, expect: {below: 1}}}", "by when the check is expected", ""),
    ("{milestone: detected, within: 1m, »every: 5m}", "'every' is for updates", ""),
    ("»{update: stakeholders}", "how often updates are expected", "every: 20m"),
    ("{update: stakeholders, every: »0s}", "an update every 0s", ""),
    ("{update: »' ', every: 5m}", "'update' is empty", ""),
    ("{update: stakeholders, every: 5m, of: »detected}", "'of' says from when 'within' counts", "add within"),
    ("{milestone: detected, within: 5m, of: »detected}", "'detected' can't be awaited from itself", ""),
    ("{milestone: »impact, within: 5m}", "the start of all", ""),
    ("{check: {measure: a, expect: »{}}, within: 1m}", "this holds whatever the answer is", ""),
]


@pytest.mark.parametrize(("text", "message", "hint"), EXPECTATIONS, ids=[text for text, _, _ in EXPECTATIONS])
def test_an_expectation_that_makes_no_sense(text: str, message: str, hint: str) -> None:
    assert_problem(scenario(f"expect: [{text}]"), message, hint)


def test_milestones_in_an_odd_order_are_no_mistake() -> None:
    loaded(scenario("expect: [{milestone: detected, within: 5m, of: resolved}]"))


def test_severity_by_preset() -> None:
    assert_problem(scenario("severity: »SEV7"), "'SEV7' is no level of any preset", "did you mean 'SEV")
    assert_problem(scenario("severity: »P0"), "is no level of the preset 'sev'", "SEV1", preset="sev")
    loaded(scenario("severity: P0"))
    loaded(scenario("severity: P0"), preset="alerting")


def test_roles_stand_once_and_the_audience_is_there() -> None:
    assert_problem(scenario("roles: [technical-lead, »technical-lead]"), "stands twice")
    text = scenario("roles: [technical-lead]", "timeline: [{at: 1s, inject: x, audience: [»incident-commander]}]")
    assert_problem(text, "nobody is incident-commander in this scenario", "add it to roles:")


def test_what_follows_from_a_refused_value_is_not_reported() -> None:
    text = scenario("timeline:", "  - {at: 1s, fault: latency, with: {service: a, delay: »12:30}, for: 1m}")
    assert_problem(text, "unquoted 12:30")
    text = scenario("timeline:", "  - {id: a, at: »12:30, inject: x}", "  - {after: a, inject: y}")
    assert_problem(text, "unquoted 12:30")


RECOVERIES = [
    ("0s", UNDO, "limits: {recovery: »0s}", "in 0s no fault is undone and seen to be gone"),
    ("250ms", UNDO, "limits: {recovery: »250ms}", "each would count as leaked"),
    (
        "1m",
        "undo: {type: process, path: /bin/true, timeout: »90s}",
        "limits: {duration: 2h}",
        "this undo may take 1m30s, and after limits.recovery (1m) the fault counts as leaked",
    ),
    (
        "30s",
        "undo: {type: http, url: 'http://localhost', timeout: »31}",
        "limits: {recovery: 30s}",
        "this undo may take 31s, and after limits.recovery (30s)",
    ),
]


@pytest.mark.parametrize(("recovery", "undo", "limits", "message"), RECOVERIES, ids=[one[0] for one in RECOVERIES])
def test_a_recovery_limit_that_no_undo_can_keep(recovery: str, undo: str, limits: str, message: str) -> None:
    assert_problem(
        scenario("timeline:", f"  - {{at: 1s, fault: activity, {ACTIVITY}, {undo}, for: 1m}}", limits), message
    )


@pytest.mark.parametrize(
    "parts",
    [
        ("timeline:", "  - {at: 1s, inject: x}", "limits: {recovery: 0s}"),
        ("timeline:", f"  - {{at: 1s, {LATENCY}, for: 1m}}", "limits: {recovery: 300ms}"),
        (
            "timeline:",
            f"  - {{at: 1s, fault: activity, {ACTIVITY}, {UNDO[:-1]}, timeout: 30s}}, for: 1m}}",
            "limits: {recovery: 30s}",
        ),
    ],
)
def test_a_recovery_limit_that_can_be_kept(parts: tuple[str, ...]) -> None:
    assert loaded(scenario(*parts))
