"""The shop is a place to respond in: flags, scale and rollback help, and the logs say what is wrong."""

import json
import os
import signal
import threading
import time

import pytest

from gameday.sandbox import control

from .shop import Shop, eventually, http


def test_payments_fallback_takes_orders_and_charges_them_later(shop: Shop) -> None:
    shop.proxy("PATCH", "/proxies/payments", {"enabled": False})
    assert shop.buy().status_code == 502
    assert control.flag(shop.sandbox, "payments-fallback", True)["pending"] == []
    answer = shop.buy()
    assert (answer.status_code, answer.json()["payment"]) == (200, "queued")

    shop.proxy("PATCH", "/proxies/payments", {"enabled": True})
    assert shop.buy().json()["payment"] == "charged"
    eventually(lambda: any("queued payments charged" in line for line in control.logs(shop.sandbox, "checkout")))


def test_payments_fallback_does_not_wait_long_for_a_black_hole(shop: Shop) -> None:
    shop.proxy("POST", "/proxies/payments/toxics", {"type": "timeout", "attributes": {"timeout": 0}})
    control.flag(shop.sandbox, "payments-fallback", True)
    started = time.monotonic()
    assert shop.buy().json()["payment"] == "queued"
    assert time.monotonic() - started < 0.7


def test_inventory_cache_sells_while_inventory_is_frozen(shop: Shop) -> None:
    os.kill(shop.instances("inventory")[0]["pid"], signal.SIGSTOP)
    assert "inventory: no answer within 1 s" in shop.buy().json()["cause"]
    control.flag(shop.sandbox, "inventory-cache", True)
    assert shop.buy().status_code == 200


def test_a_frozen_replica_hurts_and_scaling_down_takes_it_out(shop: Shop) -> None:
    frozen = shop.instances("checkout")[0]
    os.kill(frozen["pid"], signal.SIGSTOP)
    eventually(lambda: shop.wrote("instance-frozen", pid=frozen["pid"]))
    assert shop.standing() == [f"instance {frozen['name']} frozen"]
    service = shop.service("checkout")
    assert (service["ready"], service["instances"][0]["state"]) == (1, "frozen")
    # The kernel shares connections out over the replicas, so sooner or later one hangs until its caller gives up.
    hung = eventually(lambda: (answer := shop.buy()).status_code != 200 and answer, within=20)
    assert (hung.status_code, hung.json()["cause"]) == (504, "checkout: no answer within 1.5 s")

    control.scale(shop.sandbox, "checkout", 1)
    eventually(lambda: [one["state"] for one in shop.instances("checkout")] == ["running"])
    assert [shop.buy().status_code for _ in range(10)] == [200] * 10
    assert shop.standing() == []


def test_a_thawed_replica_serves_again(shop: Shop) -> None:
    frozen = shop.instances("payments")[0]
    os.kill(frozen["pid"], signal.SIGSTOP)
    eventually(lambda: shop.service("payments")["ready"] == 0)
    os.kill(frozen["pid"], signal.SIGCONT)
    eventually(lambda: shop.service("payments")["ready"] == 1)
    assert shop.buy().status_code == 200
    assert shop.instances("payments")[0]["pid"] == frozen["pid"]


def test_both_replicas_of_checkout_serve(shop: Shop) -> None:
    served = {http.get(shop.sandbox.checkout + "/health").json()["instance"] for _ in range(40)}
    assert served == {one["name"] for one in shop.instances("checkout")}


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
    assert shop.buy().status_code == 200


def test_rollback_replaces_the_version_without_failing_a_purchase(shop: Shop) -> None:
    before = shop.instances("payments")
    assert [one["version"] for one in before] == ["v2"]
    codes: list[int] = []
    done = threading.Event()

    def shopping() -> None:
        while not done.is_set():
            codes.append(shop.buy().status_code)

    shopper = threading.Thread(target=shopping)
    shopper.start()
    assert control.rollback(shop.sandbox, "payments") == {"service": "payments", "version": "v1", "before": "v2"}
    eventually(lambda: [one["version"] for one in shop.instances("payments")] == ["v1"])
    done.set()
    shopper.join()

    assert set(codes) == {200}
    assert shop.instances("payments")[0]["pid"] != before[0]["pid"]
    assert http.get(shop.sandbox.payments + "/health").json()["version"] == "v1"
    deploys = [one for one in shop.status()["deploys"] if one["service"] == "payments"][:3]
    assert [(one["version"], one["kind"]) for one in deploys] == [
        ("v1", "deploy"),
        ("v2", "deploy"),
        ("v1", "rollback"),
    ]
    assert time.time() - deploys[1]["wall"] < 7200
    assert time.time() - deploys[2]["wall"] < 60
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
    answer = shop.buy().json()
    assert answer["upstream"] == "checkout"
    order = next(
        entry["request_id"]
        for line in reversed(list(control.logs(shop.sandbox, "storefront")))
        if (entry := json.loads(line))["level"] == "error"
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
    shop.buy()
    shop.proxy("PATCH", "/proxies/inventory", {"enabled": False})
    eventually(lambda: shop.buy().status_code == 502)
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
