"""Tolerances: what holds, in which words, how much is left, and that no value whatsoever breaks them."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameday.probes.judge import LONGEST_TEXT, explain, headroom, holds, judge


def value(of: Any, status: int | None = None) -> dict[str, Any]:
    return {"kind": "value", "value": of, "detail": "", "status": status, "took": 0.1}


@pytest.mark.parametrize(
    ("tolerance", "answer", "held"),
    [
        ({"above": 0.5}, value(0.6), True),
        ({"above": 0.5}, value(0.5), False),
        ({"below": 0.5}, value(0.4), True),
        ({"below": 0.5}, value(0.5), False),
        ({"between": [1, 3]}, value(1), True),
        ({"between": [1, 3]}, value(3), True),
        ({"between": [1, 3]}, value(3.1), False),
        ({"above": 1, "below": 3}, value(2), True),
        ({"above": 1, "below": 3}, value(4), False),
        ({"above": 10**400}, value(1), False),
        ({"above": 1}, value(10**400), True),
        ({"above": 1e9}, value("+Inf"), True),
        ({"below": 1}, value("-Inf"), True),
        ({"above": 4}, value("5\n"), True),
        ({"above": 4}, value("5 apples"), False),
        ({"above": 0}, value(True), False),
        ({"above": 0}, value(None), False),
        ({"above": 0}, value([1]), False),
        ({"above": 0}, value(math.nan), False),
        ({"equals": None}, value(None), True),
        ({"equals": None}, value(0), False),
        ({"equals": 1}, value(1.0), True),
        ({"equals": 1}, value(True), False),
        ({"equals": False}, value(0), False),
        ({"equals": {"a": [1, 2]}}, value({"a": [1.0, 2]}), True),
        ({"equals": [True]}, value([1]), False),
        ({"equals": "5"}, value(5), False),
        ({"equals": 42}, value("42"), True),
        ({"equals": 42}, value(" 42.0\n"), True),
        ({"equals": 0.1}, value("0.1"), True),
        ({"equals": 42}, value("43"), False),
        ({"equals": 42}, value("42 apples"), False),
        ({"equals": 10**18 + 1}, value(str(10**18 + 1)), True),
        ({"equals": 10**18 + 1}, value(str(10**18)), False),
        ({"equals": 1}, value("1e9999"), False),
        ({"equals": math.inf}, value("+Inf"), True),
        ({"equals": True}, value("1"), False),
        ({"equals": True}, value("true"), False),
        ({"equals": None}, value("0"), False),
        ({"matches": "^ok$"}, value("ok"), True),
        ({"matches": "ok"}, value("it is ok now"), True),
        ({"matches": "healthy"}, value({"state": "healthy"}), True),
        ({"matches": "null"}, value(None), True),
        ({"matches": "("}, value("("), False),
        ({"matches": "x"}, value("a" * LONGEST_TEXT + "x"), False),
        ({"status": 200}, value("body", 200), True),
        ({"status": [200, 204]}, value("", 204), True),
        ({"status": 200}, value("body", 503), False),
        ({"status": 200}, value("no http"), False),
        ({"status": 200, "matches": "ok"}, value("ok", 503), False),
        ({"status": 200, "matches": "ok"}, value("down", 200), False),
        ({}, value(1), True),
        ({"above": "much"}, value(1), False),
        ({"between": [1]}, value(1), False),
        ({"between": 3}, value(3), False),
    ],
)
def test_what_holds(tolerance: dict[str, Any], answer: dict[str, Any], held: bool) -> None:
    assert holds(tolerance, answer) is held


@pytest.mark.parametrize("kind", ["unreachable", "no_data", "nan", "many", "error"])
@pytest.mark.parametrize(
    "tolerance", [{"below": 1}, {"above": -1}, {"equals": None}, {"matches": ""}, {"status": 200}, {}]
)
def test_only_a_value_can_hold(kind: str, tolerance: dict[str, Any]) -> None:
    answer = {"kind": kind, "value": None, "detail": "connection refused", "status": 200, "took": 0.0}
    verdict = judge(tolerance, answer)
    assert not verdict.holds
    assert "connection refused" in verdict.why


def test_the_reason_names_what_was_found_and_what_was_due() -> None:
    assert judge({"above": 0.5}, value("cats")).why == '"cats" is not a number'
    assert judge({"equals": True}, value("true")).why == '"true" is not true'
    assert judge({"above": 0.5}, value(0.25)).why == "0.25 is not above 0.5"
    assert judge({"status": 200}, value(503, 503)).why == "status 503, expected status 200"
    assert judge({"matches": "up"}, value("down")).why == "\"down\" does not match 'up'"
    assert len(judge({"equals": 1}, value("x" * 10_000_000)).why) < 200


@pytest.mark.parametrize(
    ("tolerance", "words"),
    [
        ({"below": 0.5}, "below 0.5"),
        ({"above": 3, "below": 7}, "above 3 and below 7"),
        ({"between": [1, 5]}, "between 1 and 5"),
        ({"status": 200}, "status 200"),
        ({"status": [200, 204]}, "status 200 or 204"),
        ({"equals": None}, "equal to null"),
        ({"equals": "ok"}, 'equal to "ok"'),
        ({"matches": "o+k"}, "matching 'o+k'"),
        ({}, "any answer"),
        ({"above": None, "status": 204}, "status 204"),
    ],
)
def test_tolerances_in_words(tolerance: dict[str, Any], words: str) -> None:
    assert explain(tolerance) == words


@pytest.mark.parametrize(
    ("tolerance", "unless", "of", "left"),
    [
        ({"above": 0.5}, False, 0.2, 0.6),
        ({"above": 0.5}, False, 0.0, 1.0),
        ({"above": 0.5}, False, 0.7, 0.0),
        ({"above": 0.5}, False, "+Inf", 0.0),
        ({"below": 2}, False, 4, 0.5),
        ({"below": 2}, False, 1, 0.0),
        ({"above": 0}, False, 0, 0.0),
        ({"above": 0}, False, -3, 1.0),
        ({"above": -5}, False, -10, 0.5),
        ({"between": [10, 20]}, False, 5, 0.5),
        ({"between": [10, 20]}, False, 40, 0.5),
        ({"between": [10, 20]}, False, 15, 0.0),
        ({"above": 10, "below": 100}, False, 5, 0.5),
        ({"below": 0.5}, True, 0.2, 0.6),
        ({"below": 0.5}, True, 0.9, 0.0),
        ({"between": [10, 40]}, True, 20, 0.5),
        ({"above": 0.5}, False, None, None),
        ({"above": 0.5}, False, "cats", None),
        ({"matches": "x"}, False, 3, None),
    ],
)
def test_headroom(tolerance: dict[str, Any], unless: bool, of: Any, left: float | None) -> None:
    assert headroom(tolerance, value(of), unless=unless) == (left if left is None else pytest.approx(left))


def test_no_headroom_without_a_value() -> None:
    assert headroom({"above": 1}, {"kind": "unreachable", "value": None}) is None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(a+)+$", "a" * 60_000 + "b"),
        (r"(a|aa)+$", "a" * 60_000 + "b"),
        (r"(\w+\s?)+$", "ab " * 20_000 + "!"),
        (r".*?,.*?,.*?,.*?x", "," * LONGEST_TEXT),
        (r"(x+x+)+y", "x" * LONGEST_TEXT),
    ],
)
def test_a_catastrophic_pattern_is_given_up_and_says_so(pattern: str, text: str) -> None:
    began = time.monotonic()
    verdict = judge({"matches": pattern}, value(text))
    assert time.monotonic() - began < 2.0
    assert not verdict.holds
    assert "given up" in verdict.why


def test_a_pattern_that_is_a_book_is_refused() -> None:
    assert not holds({"matches": "a" * 10_000}, value("a" * 20_000))
    assert not holds({"matches": "(" * 3000 + ")" * 1000}, value("a"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["equals", "above", "below", "between", "matches", "status", "unheard-of"])


@given(
    tolerance=st.dictionaries(NAMES, JSON | st.text("(a+*?[]{}1,)\\^$|.", max_size=20), max_size=4),
    answer=st.fixed_dictionaries(
        {"kind": st.sampled_from(["value", "no_data"]), "value": JSON, "detail": st.text(), "status": JSON}
    )
    | st.dictionaries(st.text(), JSON, max_size=3),
)
def test_nothing_ever_raises(tolerance: dict[str, Any], answer: dict[str, Any]) -> None:
    verdict = judge(tolerance, answer)
    assert verdict.holds is holds(tolerance, answer)
    assert isinstance(verdict.why, str)
    assert isinstance(explain(tolerance), str)
    for unless in (False, True):
        left = headroom(tolerance, answer, unless=unless)
        assert left is None or 0.0 <= left <= 1.0


@given(number=st.floats(allow_nan=False) | st.integers(), threshold=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_on_one_side_only_and_has_headroom_on_the_other(number: float, threshold: float) -> None:
    above, below = holds({"above": threshold}, value(number)), holds({"below": threshold}, value(number))
    assert not (above and below)
    if above:
        assert headroom({"above": threshold}, value(number)) == 0.0


def test_values_too_deep_for_python_are_not_held() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert not holds({"equals": 1}, value(deep))
    assert not holds({"equals": deep}, value(deep))
    assert not holds({"matches": "x"}, value(deep))
    assert isinstance(explain({"equals": deep}), str)


def test_the_answer_may_come_straight_from_json() -> None:
    assert holds(json.loads('{"between": [0, 1]}'), json.loads('{"kind": "value", "value": 0.5}'))
