"""Alerts fire when shoppers are hurt, in Alertmanager's form, and go when they aren't any more."""

import os
import signal
from datetime import datetime

import pytest

from gameday.sandbox import rules
from gameday.sandbox.rules import Sample

from .shop import Shop, eventually, http

CALM = Sample(error_rate=0.0, p95=0.05, storefront_answers=True)
NAN = float("nan")


def firing(samples: list[Sample]) -> list[list[str]]:
    """The names of the alerts that fire after each sample, one second apart."""
    known: rules.Alerts = {}
    names = []
    for second, sample in enumerate(samples):
        known = rules.evaluate(known, sample, 1000.0 + second)
        names.append([alert.name for alert in rules.firing(known)])
    return names


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (Sample(0.21, 0.05, True), "CheckoutErrors"),
        (Sample(0.0, 0.81, True), "CheckoutSlow"),
        (Sample(0.0, 0.05, True, {"payments": "0 of 1"}), "InstanceDown"),
        (Sample(0.0, 0.05, False), "StorefrontDown"),
    ],
)
def test_an_alert_fires_after_three_seconds_and_is_gone_at_once(bad: Sample, name: str) -> None:
    assert firing([CALM, bad, bad, bad, bad, bad, CALM]) == [[], [], [], [], [name], [name], []]
    assert firing([bad, bad, bad, CALM, bad, bad, bad]) == [[]] * 7


def test_limits_themselves_and_no_data_breach_nothing() -> None:
    assert firing([Sample(0.2, 0.8, True)] * 6) == [[]] * 6
    assert firing([Sample(NAN, NAN, True)] * 6) == [[]] * 6


def test_two_services_with_missing_instances_are_two_alerts() -> None:
    both = Sample(0.0, 0.05, True, {"payments": "0 of 1", "checkout": "1 of 2"})
    assert firing([both] * 4)[-1] == ["InstanceDown", "InstanceDown"]


def test_alerts_of_an_outage_fire_and_clear(shop: Shop) -> None:
    eventually(lambda: not shop.alerts(), within=15)
    frozen = shop.instances("payments")[0]
    os.kill(frozen["pid"], signal.SIGSTOP)
    wanted = {"CheckoutErrors/checkout", "CheckoutSlow/checkout", "InstanceDown/payments"}
    alerts = eventually(lambda: (found := shop.alerts()).keys() == wanted and found, within=15)

    alert = alerts["CheckoutErrors/checkout"]
    assert alert["labels"] == {"alertname": "CheckoutErrors", "service": "checkout", "severity": "critical"}
    assert alert["status"]["state"] == "active"
    assert alert["status"]["silencedBy"] == alert["status"]["inhibitedBy"] == []
    assert sorted(alert["annotations"]) == ["dashboard", "runbook", "summary"]
    assert "of purchases fail" in alert["annotations"]["summary"]
    assert alert["receivers"] == [{"name": "on-call"}]
    assert len(alert["fingerprint"]) == 16
    times = [datetime.fromisoformat(alert[name]) for name in ("startsAt", "updatedAt", "endsAt")]
    assert times == sorted(times)
    assert shop.seen_by_shoppers()["shop_error_rate"] > 0.2

    matching = http.get(shop.sandbox.alertmanager + "/api/v2/alerts", params={"filter": 'alertname=~"Checkout.*"'})
    assert {one["labels"]["alertname"] for one in matching.json()} == {"CheckoutErrors", "CheckoutSlow"}
    assert http.get(shop.sandbox.alertmanager + "/api/v2/alerts", params={"active": "false"}).json() == []
    bad = http.get(shop.sandbox.alertmanager + "/api/v2/alerts", params={"filter": "nonsense"})
    assert bad.status_code == 400

    os.kill(frozen["pid"], signal.SIGCONT)
    eventually(lambda: not shop.alerts(), within=15)
    for name in ("CheckoutErrors", "CheckoutSlow", "InstanceDown"):
        fired, gone = shop.wrote("alert-fired", alert=name)[-1], shop.wrote("alert-resolved", alert=name)[-1]
        assert fired.boot < gone.boot


def test_status_and_health_of_the_alertmanager(shop: Shop) -> None:
    assert http.get(shop.sandbox.alertmanager + "/api/v2/status").json()["cluster"]["status"] == "disabled"
    assert http.get(shop.sandbox.alertmanager + "/-/healthy").text == "OK\n"
