"""All that is wrong with a file is said at once: no mistake hides another, and none is invented because of another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameday.scenario.problems import ScenarioErrors
from tests.scenario.marked import loaded, problems

RIGHT = """\
version: 1
title: Something breaks
severity: SEV2
roles: [incident-commander, technical-lead]
parameters:
  outage: {default: 30s}
  pace: 2s
steady_state:
  - name: it answers
    http:
      url: http://127.0.0.1/health
      timeout: 2s
    expect: {status: 200}
  - measure: error-rate
    expect:
      below: 0.05
timeline:
  - id: slow
    at: 5s
    fault: latency
    with:
      service: checkout
      delay: 1s
    for: ${outage}
    effective:
      measure: latency-p95
      expect: {above: 1}
  - id: told
    after:
      entry: slow
      delay: ${pace}
    inject: Something is slow.
    audience: [technical-lead, incident-commander]
    hint: Look at the latency.
  - id: killed
    at: 1m
    fault: pod-kill
    with: {service: checkout}
  - id: ours
    at: 2m
    fault: activity
    activity:
      type: python
      module: a.b
      func: c
    undo:
      type: process
      path: /bin/true
    for: 20s
expect:
  - alert: CheckoutErrors
    within: 20s
  - milestone: mitigated
    within: 5m
    of: detected
  - update: stakeholders
    every: 20m
abort_when:
  - name: too many fail
    measure: error-rate
    above: 0.5
    for: 5s
    no_data: ok
  - name: it is down
    tcp: {address: 'localhost:80'}
    unless:
      equals: true
    consecutive: 3
limits:
  duration: 45m
  pods: 2
"""

WRONG = [
    # A line, and what to make of it.
    ("version: 1", "version: 2"),
    ("severity: SEV2", "severity: SEV9"),
    ("title: Something breaks", "titel: Something breaks"),
    ("roles: [incident-commander, technical-lead]", "roles: [incident-commander, technical-lead, technical-lead]"),
    ("  - name: it answers", "  - name: 5"),
    ("      url: http://127.0.0.1/health", "      url: 127.0.0.1/health"),
    ("      timeout: 2s", "      timeout: soon"),
    ("    expect: {status: 200}", "    expect: {status: 99}"),
    ("  - measure: error-rate", "  - measure: ' '"),
    ("      below: 0.05", "      below: low"),
    ("      below: 0.05", "      bellow: 0.05"),
    ("    at: 5s", "    at: 5"),
    ("    at: 5s", "    att: 5s"),
    ("    at: 5s", "    at: 12:30"),
    ("    at: 5s", "    manual: false"),
    ("    fault: latency", "    fault: latency\n    colour: red"),
    ("      service: checkout", "      service: 5"),
    ("      delay: 1s", "      delay: 010"),
    ("    for: ${outage}", "    for: 5\n    notes: ${outage}"),
    ("    for: ${outage}", "    for: 0s\n    notes: ${outage}"),
    ("    for: ${outage}", "    notes: ${outage}"),
    ("  outage: {default: 30s}", "  outage: {description: How long}"),
    ("  outage: {default: 30s}", "  outage: {defaul: 30s}"),
    ("  pace: 2s", "  pace: [2s]"),
    ("  pace: 2s", "  pace: 12:30"),
    ("  pace: 2s", "  off: 1\n  pace: 2s"),
    ("      measure: latency-p95", "      measur: latency-p95"),
    ("      expect: {above: 1}", "      expect: {above: 1, matches: '('}"),
    ("      expect: {above: 1}", "      expect: {status: 200}"),
    ("      entry: slow", "      entry: sloww"),
    ("      entry: slow", "      milestone: impct"),
    ("      delay: ${pace}", "      delay: soon\n    notes: ${pace}"),
    ("    inject: Something is slow.", "    inject: ' '"),
    ("    inject: Something is slow.", "    inject: [a]"),
    ("    audience: [technical-lead, incident-commander]", "    audience: [technical-led, 5]"),
    ("    hint: Look at the latency.", "    hint: 5"),
    ("    hint: Look at the latency.", "    for: 5s"),
    ("    fault: pod-kill", "    fault: pod-kil"),
    ("    fault: pod-kill", "    fautl: pod-kill"),
    ("    fault: pod-kill", "    fault: pod-kill\n    undo: {type: process, path: a}"),
    ("    with: {service: checkout}", "    with: {servic: checkout}"),
    ("    with: {service: checkout}", "    with: [checkout]"),
    ("  - id: ours", "  - id: slow"),
    ("  - id: ours", "  - id: a b"),
    ("      type: python", "      type: pyton"),
    ("      func: c", "      funk: c"),
    ("      path: /bin/true", "      path: /bin/true\n      timeout: soon"),
    ("    for: 20s", "    for: 20"),
    ("    for: 20s", "    for: 20s\n  - {}"),
    ("    for: 20s", "    for: 20s\n  - nonsense"),
    ("    for: 20s", "    for: 20s\n    inject: Both."),
    ("    within: 20s", "    within: 20"),
    ("    within: 20s", "    within: 20s\n    every: 20s"),
    ("    of: detected", "    of: detectd"),
    ("    of: detected", "    of: mitigated"),
    ("    every: 20m", "    every: 0s"),
    ("    every: 20m", "    evry: 20m"),
    ("  - name: too many fail", "  - name: it is down"),
    ("    measure: error-rate", "    measure: error-rate\n    tcp: {address: 'localhost:80'}"),
    ("    above: 0.5", "    above: half"),
    ("    above: 0.5", "    abov: 0.5"),
    ("    for: 5s", "    for: 5s\n    consecutive: 3"),
    ("    for: 5s", "    for: 5"),
    ("    no_data: ok", "    no_data: fine"),
    ("    no_data: ok", "    nodata: ok"),
    ("    tcp: {address: 'localhost:80'}", "    tcp: {address: 'http://localhost'}"),
    ("      equals: true", "      above: 1"),
    ("      equals: true", "      foo: 1"),
    ("    consecutive: 3", "    consecutive: 0"),
    ("  duration: 45m", "  duration: 45"),
    ("  duration: 45m", "  duration: 10s"),
    ("  pods: 2", "  pods: many"),
]
LINES = RIGHT.splitlines()
DEPEND = [
    # One of the second says something about what the first leaves unread, which nobody can judge then.
    ("    at: ", "  duration: 10s"),
    ("    att: ", "  duration: 10s"),
    ("    manual: false", "  duration: 10s"),
    ("    for: ", "  duration: 10s"),
    ("    notes: ", "  duration: 10s"),
    ("  outage: ", "  duration: 10s"),
    ("  pace: ", "  duration: 10s"),
    ("  off: ", "  duration: 10s"),
    ("      delay: soon", "  duration: 10s"),
    ("      entry: sloww", "  duration: 10s"),
    ("      milestone: ", "  duration: 10s"),
    ("  - id: slow", "  duration: 10s"),
    ("    fautl: ", "  duration: 10s"),
    ("  off: 1", "  outage: "),
    ("    fautl: ", "    with: "),
    ("    fault: pod-kil\n", "    with: "),
    ("      type: pyton", "      funk: "),
    ("      measur: ", "      expect: {status"),
    ("    inject: [a]", "    audience: "),
]


def changed(*changes: int) -> str:
    lines = list(LINES)
    for number in changes:
        old, new = WRONG[number]
        index = LINES.index(old)
        lines[index] = new
    return "\n".join(lines) + "\n"


def said(text: str) -> set[tuple[str, str]]:
    """Message and hint of each problem: the lines move with what is put in."""
    return {(problem.message, problem.hint) for problem in problems(text)}


def independent(chosen: list[int]) -> bool:
    """Each is on a line of its own, and none is about what another makes unreadable."""
    if len({WRONG[number][0] for number in chosen}) < len(chosen):
        return False
    made = [WRONG[number][1] + "\n" for number in chosen]
    return not any(
        any(one.startswith(first) for one in made) and any(other.startswith(second) for other in made)
        for first, second in DEPEND
    )


def test_what_is_right_is_right() -> None:
    assert loaded(RIGHT).scenario.title == "Something breaks"


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[repr(new) for _, new in WRONG])
def test_each_is_wrong_by_itself(number: int) -> None:
    with pytest.raises(ScenarioErrors):
        loaded(changed(number))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, len(WRONG) - 1), min_size=2, max_size=6, unique=True).filter(independent))
def test_together_they_are_said_as_each_alone(chosen: list[int]) -> None:
    alone = set().union(*(said(changed(number)) for number in chosen))
    assert said(changed(*chosen)) == alone
