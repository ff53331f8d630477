"""The metrics probe and the reading of Prometheus text pages."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gameday.probes.fetching import LARGEST_BODY
from gameday.probes.page import NotAPage, read
from gameday.sandbox.metrics import Metrics

from .asking import ask_of
from .servers import page

PAGE = r"""# HELP shop_error_rate Share of purchases that failed.
# TYPE shop_error_rate gauge
shop_error_rate 0.25
# TYPE shop_requests_total counter
shop_requests_total{code="200",path="/"} 1027 1395066363000
shop_requests_total{code="503",path="/cart"} 3 1395066363000
shop_requests_total{code="200",path="C:\\DIR\\\"quoted\"\nnext",} 5e2
odd_spacing   {  a = "1" ,b="}"  }   +Inf   -3982045
no_number NaN
below_zero{x=""} -Inf
with_exemplar_bucket{le="0.5"} 8 # {trace_id="KOO5S4vxi0o"} 0.67 1520879607.789
with_exemplar_bucket{le="+Inf"} 9 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67
{"http.duration",route="/x"} 1.5
twice 7
twice 7
contradiction 1
contradiction 2
shop_error_rate_other 99
broken_value{a="1"} one
broken_labels{a="1" 3
broken_quote{a="1} 3
under_score 1_000
# EOF
"""


def metric(name: str, **keys: Any) -> Any:
    return lambda server: {"metrics": {"name": name, "url": server.url, "timeout": 2.0, **keys}}


@pytest.mark.parametrize(
    ("keys", "kind", "value"),
    [
        ({"name": "shop_error_rate"}, "value", 0.25),
        ({"name": "shop_requests_total", "labels": {"code": "503"}}, "value", 3.0),
        ({"name": "shop_requests_total", "labels": {"path": 'C:\\DIR\\"quoted"\nnext'}}, "value", 500.0),
        ({"name": "shop_requests_total", "labels": {"code": "200"}}, "many", None),
        ({"name": "shop_requests_total"}, "many", None),
        ({"name": "shop_requests_total", "combine": "sum"}, "value", 1530.0),
        ({"name": "shop_requests_total", "combine": "max"}, "value", 1027.0),
        ({"name": "shop_requests_total", "combine": "min"}, "value", 3.0),
        ({"name": "shop_requests_total", "combine": "avg"}, "value", 510.0),
        ({"name": "shop_requests_total", "labels": {"code": "404"}}, "no_data", None),
        ({"name": "shop_requests_total", "labels": {"code": "404"}, "combine": "sum"}, "no_data", None),
        ({"name": "odd_spacing", "labels": {"b": "}"}}, "value", "+Inf"),
        ({"name": "no_number"}, "nan", None),
        ({"name": "below_zero", "labels": {"x": "", "absent": ""}}, "value", "-Inf"),
        ({"name": "with_exemplar_bucket", "labels": {"le": "0.5"}}, "value", 8.0),
        ({"name": "with_exemplar_bucket", "labels": {"le": "+Inf"}}, "value", 9.0),
        ({"name": "http.duration"}, "value", 1.5),
        ({"name": "twice"}, "value", 7.0),
        ({"name": "contradiction"}, "error", None),
        ({"name": "broken_value"}, "error", None),
        ({"name": "broken_labels"}, "error", None),
        ({"name": "broken_quote"}, "error", None),
        ({"name": "under_score"}, "error", None),
        ({"name": "shop_error"}, "no_data", None),
        ({"name": ""}, "no_data", None),
    ],
)
def test_a_page_with_everything_on_it(keys: dict[str, Any], kind: str, value: Any) -> None:
    answer = ask_of(page(PAGE.encode(), "text/plain; version=0.0.4"), metric(**keys))
    assert (answer.kind, answer.value) == (kind, value), answer.detail
    assert answer.detail or kind == "value"


def test_several_series_are_shown_by_their_labels() -> None:
    answer = ask_of(page(PAGE.encode()), metric("shop_requests_total"))
    assert "3 series" in answer.detail
    assert "code='503'" in answer.detail


@pytest.mark.parametrize(
    ("body", "kind", "status", "wanted"),
    [
        (b"<html><body>shop_error_rate 0.5</body></html>", "text/html; charset=utf-8", "200 OK", "error"),
        (b"<html>\n<body>sign in</body></html>", "text/plain", "200 OK", "error"),
        (b"shop_error_rate 0.5\n", "text/plain", "500 Oops", "error"),
        (b"", "text/plain", "200 OK", "no_data"),
        (b"# only talk\n", "text/plain", "200 OK", "no_data"),
        (b"\xff\xfe\x00binary\x80", "application/octet-stream", "200 OK", "error"),
        (b"other 1\r\nshop_error_rate 0.5\r\n", "text/plain", "200 OK", "value"),
        (b"shop_error_rate 0.5", "", "200 OK", "value"),
        (b"a 1\n" * 400_000, "text/plain", "200 OK", "error"),
        (b"shop_error_rate 0.5\n" + b"a 1\n" * 400_000, "text/plain", "200 OK", "value"),
        (b"shop_error_rate 0.5\n" * 400_000, "text/plain", "200 OK", "error"),
        (b"x" * 3_000_000, "text/plain", "200 OK", "error"),
    ],
)
def test_pages_that_are_none_or_endless(body: bytes, kind: str, status: str, wanted: str) -> None:
    answer = ask_of(page(body, kind, status), metric("shop_error_rate"))
    assert answer.kind == wanted, answer.detail
    if wanted == "value":
        assert answer.value == 0.5


def test_a_number_that_the_cut_goes_through_is_not_taken() -> None:
    line = b"shop_error_rate 0.123456789\n"
    filler = b"# " + b"x" * 997 + b"\n"
    body = filler * ((LARGEST_BODY - 20) // 1000)
    body += b"#" * (LARGEST_BODY - 20 - len(body) - 1) + b"\n" + line + b"b 1\n" * 1000
    assert ask_of(page(body), metric("shop_error_rate")).kind == "error"


@given(
    labels=st.lists(
        st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), st.text(), max_size=3),
        max_size=4,
        unique_by=lambda one: tuple(sorted(one.items())),
    ),
    values=st.lists(st.floats() | st.integers(-5, 5).map(float), min_size=4, max_size=4),
)
def test_what_a_service_writes_is_read_back(labels: list[dict[str, str]], values: list[float]) -> None:
    metrics = Metrics()
    metrics.describe("other", "gauge", "Something else.")
    metrics.describe("shop", "gauge", "What is asked for.")
    metrics.set("other", 1.0)
    for one, value in zip(labels, values, strict=False):
        metrics.set("shop", value, **one)
    found = read(metrics.render(), "shop").samples
    assert [one for one, _ in found] == [dict(sorted(one.items())) for one in labels]
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for (_, a), b in zip(found, values, strict=False))


@given(st.text() | st.text(alphabet='ab{}="\\,\n #+-.0123456789eNI_:', max_size=60).map(lambda text: "a" + text))
@example('a{b="1",} 3')
@example("a{,} 3")
@example('{"a"} 3')
@example('{"a"')
@example('a{"')
@example('a{b="\\')
@example("a 1 2 3 4")
@example("a" * 10_000 + "{" * 10_000)
@example("a{" + 'b="1",' * 2000)
def test_no_page_breaks_the_reading(text: str) -> None:
    try:
        found = read(text, "a")
    except NotAPage:
        return
    assert all(isinstance(value, float) for _, value in found.samples)
