"""Alerts from Alertmanager's API, and from servers that only look like one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gameday.probes.alertmanager import AlertsAnswer, unix_seconds
from gameday.probes.prober import LiveProber

from .asking import run, target
from .servers import Behaviour, endless, json_page, page, resetting, serving, silent

FIRING = {
    "annotations": {"summary": "More than 5 % of checkouts fail", "runbook": "https://runbooks.example.com/x"},
    "endsAt": "2024-05-01T14:37:00.000Z",
    "fingerprint": "1f8ef8bcd3a3b2c0",
    "receivers": [{"name": "on-call"}],
    "startsAt": "2024-05-01T14:32:00.123456789Z",
    "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
    "updatedAt": "2024-05-01T14:33:00.000Z",
    "generatorURL": "http://prometheus.example.com/graph",
    "labels": {"alertname": "CheckoutErrors", "service": "checkout", "severity": "page"},
}
OTHER = {"labels": {"alertname": "DiskFull"}, "startsAt": "2024-05-01T14:00:00+02:00", "status": {"state": "active"}}
SILENCED = {"labels": {"alertname": "CheckoutErrors"}, "status": {"state": "suppressed", "silencedBy": ["x"]}}
BARE = {"labels": {"alertname": "CheckoutErrors"}, "startsAt": "yesterday"}


def ask(behaviour: Behaviour, names: set[str], timeout: float = 2.0) -> tuple[AlertsAnswer, list[str]]:
    async def test() -> tuple[AlertsAnswer, list[str]]:
        async with serving(behaviour) as server:
            prober = LiveProber(target(names={"alertmanager": server.url + "/"}))
            answer = await prober.alerts(names, timeout)
            await prober.close()
            return answer, server.requests

    found: tuple[AlertsAnswer, list[str]] = run(test())
    return found


def test_the_firing_ones_that_were_asked_for() -> None:
    listed = json.dumps([FIRING, OTHER, SILENCED, BARE, 7, {}, {"labels": 3}])
    answer, requests = ask(json_page(listed), {"CheckoutErrors"})
    assert answer.kind == "value"
    assert [(alert.name, alert.starts_at, alert.summary) for alert in answer.alerts] == [
        ("CheckoutErrors", pytest.approx(1714573920.123456), "More than 5 % of checkouts fail"),
        ("CheckoutErrors", None, ""),
    ]
    assert answer.alerts[0].labels["service"] == "checkout"
    query = parse_qs(urlsplit(requests[0].split()[1]).query)
    assert requests[0].startswith("GET /api/v2/alerts?")
    assert query["filter"] == ['alertname=~"CheckoutErrors"']
    assert (query["active"], query["silenced"], query["inhibited"]) == (["true"], ["false"], ["false"])


def test_without_names_all_that_fire() -> None:
    answer, requests = ask(json_page(json.dumps([FIRING, OTHER])), set())
    assert {alert.name for alert in answer.alerts} == {"CheckoutErrors", "DiskFull"}
    assert "filter" not in requests[0]


def test_odd_names_are_quoted_in_the_filter() -> None:
    _, requests = ask(json_page("[]"), {'a"b', "c.d|e"})
    assert parse_qs(urlsplit(requests[0].split()[1]).query)["filter"] == ['alertname=~"a\\"b|c\\\\.d\\\\|e"']


def test_no_alerts_is_an_answer() -> None:
    assert ask(json_page("[]"), {"X"})[0] == AlertsAnswer("value", [])


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (json_page('{"status": "success"}'), "error"),
        (json_page("nonsense"), "error"),
        (json_page("[]", "500 Oops"), "error"),
        (page(b"<html>", "text/html"), "error"),
        (endless(b"HTTP/1.1 200 OK\r\n\r\n", b"[" * 4096), "error"),
        (resetting, "unreachable"),
        (silent, "unreachable"),
    ],
)
def test_bad_servers(behaviour: Behaviour, kind: str) -> None:
    answer, _ = ask(behaviour, {"X"}, timeout=0.5)
    assert (answer.kind, answer.alerts) == (kind, [])
    assert answer.detail


def test_a_target_without_alertmanager_says_so() -> None:
    answer = run(LiveProber(target()).alerts({"X"}))
    assert answer.kind == "error"
    assert "alertmanager" in answer.detail


@pytest.mark.parametrize(
    "text", [None, 7, "", "0000-00-00T00:00:00Z", "x" * 100, "9999-99-99", [], "0001-01-01T00:00:00+23:59"]
)
def test_times_that_are_none(text: Any) -> None:
    assert unix_seconds(text) is None or isinstance(unix_seconds(text), float)
