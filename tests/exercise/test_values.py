"""What is left of a value where there is no room for it."""

from __future__ import annotations

import math

import pytest

from gameday.exercise.values import in_short


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"status": 200, "headers": {"Server": "x"}, "body": "all\nis well"}, "200: all is well"),
        ({"status": 503, "headers": {}, "body": {"error": "it's gone"}}, '503: {"error": "it\'s gone"}'),
        ({"status": 204, "headers": {"Server": "x"}, "body": ""}, "204"),
        ({"status": 1, "stdout": "", "stderr": "no such pod\n"}, "exit code 1: no such pod"),
        ({"status": "ok", "body": "x"}, '{"status": "ok", "body": "x"}'),
        (["a", True, None], '["a", true, null]'),
        ("text as it is", "text as it is"),
        (True, "true"),
        (math.nan, "NaN"),
    ],
)
def test_what_counts_is_said_first(value: object, said: str) -> None:
    assert in_short(value) == said


def test_it_stays_short() -> None:
    assert in_short({"status": 200, "body": "x" * 10_000}, 20) == "200: " + "x" * 14 + "…"


def test_what_is_no_json_and_what_never_ends_is_named() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert in_short(endless) == "<list>"
    assert in_short({1, 2}).startswith('"{')
