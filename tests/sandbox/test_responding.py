"""The shop is a place to respond in: flags, scale and rollback help, and the logs say what is wrong."""

import json
import os
import signal
import threading
import time

import pytest

from gameday.sandbox import control
from gameday.sandbox.shop import BACKEND_PATIENCE

from .shop import Shop, eventually, http


def test_payments_fallback_takes_orders_and_charges_them_later(shop: Shop) -> None:
    shop.proxy("PATCH", "/proxies/payments", {"enabled": False})
    assert shop.buy().status_code == 502
    assert control.flag(shop.sandbox, "payments-fallback", True)["pending"] == []
    assert shop.sells().json()["payment"] == "queued"

    shop.proxy("PATCH", "/proxies/payments", {"enabled": True})
    eventually(lambda: shop.sells().json()["payment"] == "charged")
    eventually(lambda: any("queued payments charged" in line for line in control.logs(shop.sandbox, "checkout")))


def test_payments_fallback_does_not_wait_long_for_a_black_hole(shop: Shop) -> None:
    shop.proxy("POST", "/proxies/payments/toxics", {"type": "timeout", "attributes": {"timeout": 0}})
    control.flag(shop.sandbox, "payments-fallback", True)
    assert shop.sells().json()["payment"] == "queued"

    def seconds() -> float:
        started = time.monotonic()
        shop.sells()
        return time.monotonic() - started

    eventually(lambda: seconds() < BACKEND_PATIENCE)


def test_inventory_cache_sells_while_inventory_is_frozen(shop: Shop) -> None:
    os.kill(shop.instances("inventory")[0]["pid"], signal.SIGSTOP)
    shop.fails("inventory: no answer within 1 s")
    control.flag(shop.sandbox, "inventory-cache", True)
    shop.sells()


def test_a_frozen_replica_hurts_and_scaling_down_takes_it_out(shop: Shop) -> None:
    frozen = shop.instances("checkout")[0]
    os.kill(frozen["pid"], signal.SIGSTOP)
    eventually(lambda: shop.wrote("instance-frozen", pid=frozen["pid"]))
    assert shop.standing() == [f"instance {frozen['name']} frozen"]
    service = shop.service("checkout")
    assert (service["ready"], service["instances"][0]["state"]) == (1, "frozen")
    # The kernel shares connections out over the replicas, so sooner or later one hangs until its caller gives up.
    assert shop.fails("checkout: no answer within 1.5 s").status_code == 504

    control.scale(shop.sandbox, "checkout", 1)
    eventually(lambda: [one["state"] for one in shop.instances("checkout")] == ["running"])
    for _ in range(5):
        shop.sells()
    assert shop.standing() == []


def test_a_thawed_replica_serves_again(shop: Shop) -> None:
    frozen = shop.instances("payments")[0]
    os.kill(frozen["pid"], signal.SIGSTOP)
    eventually(lambda: shop.service("payments")["ready"] == 0)
    os.kill(frozen["pid"], signal.SIGCONT)
    eventually(lambda: shop.service("payments")["ready"] == 1)
    shop.sells()
    assert shop.instances("payments")[0]["pid"] == frozen["pid"]


def test_both_replicas_of_checkout_serve(shop: Shop) -> None:
    wanted = {one["name"] for one in shop.instances("checkout")}
    served = set()

    def all_served() -> bool:
        served.add(http.get(shop.sandbox.checkout + "/health").json()["instance"])
        return served == wanted

    eventually(all_served)


def test_scaling_up_and_down(shop: Shop) -> None:
    assert control.scale(shop.sandbox, "checkout", 4)["before"] == 2
    eventually(lambda: shop.service("checkout")["ready"] == 4)
    pids = {one["pid"] for one in shop.instances("checkout")}
    assert len(pids) == 4
    assert shop.wrote("scaled", service="checkout", replicas=4, before=2)
    control.scale(shop.sandbox, "checkout", 0)
    eventually(lambda: not shop.instances("checkout"))
    assert shop.buy().status_code == 502
    control.scale(shop.sandbox, "checkout", 2)
    eventually(lambda: shop.service("checkout")["ready"] == 2)
    shop.sells()


def test_rollback_replaces_the_version_without_failing_a_purchase(shop: Shop) -> None:
    before = shop.instances("payments")
    known = len(shop.status()["deploys"])
    assert [one["version"] for one in before] == ["v2"]
    causes: list[str] = []
    done = threading.Event()

    def shopping() -> None:
        while not done.is_set():
            causes.append(shop.buy().json().get("cause", "none"))

    shopper = threading.Thread(target=shopping)
    shopper.start()
    answer = control.rollback(shop.sandbox, "payments")
    assert answer == {"service": "payments", "version": "v1", "before": "v2", "versions": ["v1", "v2"]}
    eventually(lambda: [one["version"] for one in shop.instances("payments")] == ["v1"])
    done.set()
    shopper.join()

    # Slowness alone is the machine's; a connection that breaks would be ours.
    assert [cause for cause in causes if "connection" in cause] == []
    assert "none" in causes
    assert shop.instances("payments")[0]["pid"] != before[0]["pid"]
    assert http.get(shop.sandbox.payments + "/health").json()["version"] == "v1"
    deploys = shop.status()["deploys"]
    assert [(one["service"], one["version"], one["kind"]) for one in deploys[known:]] == [
        ("payments", "v1", "rollback")
    ]
    assert time.time() - deploys[-1]["wall"] < 60
    # The version that a responder will suspect was deployed recently enough to be shown.
    assert any(one["version"] == "v2" and time.time() - one["wall"] < 7200 for one in deploys[:known])
    assert shop.wrote("rollback", service="payments", version="v1", before="v2")


def test_what_makes_no_sense_is_refused_with_the_nearest_word(shop: Shop) -> None:
    for work, said in (
        (lambda: control.scale(shop.sandbox, "chekout", 3), "no service 'chekout'; did you mean 'checkout'?"),
        (lambda: control.scale(shop.sandbox, "checkout", 99), "replicas is a whole number from 0 to 10, not 99"),
        (lambda: control.flag(shop.sandbox, "payment-fallback", True), "did you mean 'payments-fallback'?"),
        (lambda: control.rollback(shop.sandbox, "inventory"), "there is nothing to roll back to"),
        (lambda: list(control.logs(shop.sandbox, "invent")), "did you mean 'inventory'?"),
    ):
        with pytest.raises(control.Refused) as refused:
            work()
        assert said in str(refused.value)


def test_logs_show_the_cause(shop: Shop) -> None:
    shop.proxy("PATCH", "/proxies/payments", {"enabled": False})
    shop.fails("payments: connection refused")
    order = next(
        entry["request_id"]
        for line in reversed(list(control.logs(shop.sandbox, "storefront")))
        if "payments: connection refused" in (entry := json.loads(line)).get("cause", "")
    )
    entry = next(
        found
        for line in control.logs(shop.sandbox, "checkout")
        if (found := json.loads(line)).get("request_id") == order and found["level"] == "error"
    )
    assert (entry["upstream"], entry["cause"], entry["status"]) == ("payments", "payments: connection refused", 502)
    assert entry["instance"] in {one["name"] for one in shop.instances("checkout")}


def test_logs_follow(shop: Shop) -> None:
    lines = control.logs(shop.sandbox, "payments", follow=True)
    assert json.loads(next(lines))["event"] == "instance started"
    control.flag(shop.sandbox, "inventory-cache", True)
    assert any('"flag": "inventory-cache", "on": true' in line for line in lines)


def test_metrics_of_a_service(shop: Shop) -> None:
    shop.sells()
    shop.proxy("PATCH", "/proxies/inventory", {"enabled": False})
    shop.fails("inventory: connection refused")
    pages = [http.get(f"http://127.0.0.1:{one['port']}/metrics").text for one in shop.instances("checkout")]
    text = "".join(pages)
    for wanted in (
        'http_requests_total{code="200",service="checkout"} ',
        'http_requests_total{code="502",service="checkout"} ',
        'http_request_duration_seconds_bucket{service="checkout",le="0.25"} ',
        'http_request_duration_seconds_bucket{service="checkout",le="+Inf"} ',
        'http_request_duration_seconds_count{service="checkout"} ',
        'http_requests_in_flight{service="checkout"} ',
        'upstream_errors_total{kind="refused",upstream="inventory"} ',
        "\nup 1\n",
    ):
        assert wanted in text
    assert http.get(shop.sandbox.storefront + "/ready").json() == {"status": "ok", "dependencies": {"checkout": "ok"}}
    deep = http.get(shop.sandbox.checkout + "/ready")
    assert (deep.status_code, deep.json()["dependencies"]) == (
        503,
        {"payments": "ok", "inventory": "connection refused"},
    )
