"""Error rates are kept at the supervisor, reach every instance, and outlive any of them."""

import os
import signal

import pytest

from .shop import Shop, eventually, http


def set_rate(shop: Shop, service: str = "payments", share: float = 1.0, status: int = 503) -> None:
    """Have a service fail."""
    body = {"id": "f1", "service": service, "status": status, "share": share}
    answer = shop.control("POST", "/faults/error-rate", body)
    assert (answer.status_code, answer.json()["pending"]) == (200, [])


def told(shop: Shop, service: str) -> list[list[str]]:
    """The ids of the faults that each instance of a service has been told of."""
    return [
        [fault["id"] for fault in http.get(f"http://127.0.0.1:{one['port']}/admin/faults").json()["faults"]]
        for one in shop.instances(service)
        if one["state"] == "running"
    ]


def test_an_error_rate_is_felt_at_once_and_taken_away(shop: Shop) -> None:
    set_rate(shop, status=500)
    assert shop.fails("payments answered 500: error-rate fault f1 is set on payments").status_code == 502
    assert http.get(shop.sandbox.payments + "/health").status_code == 200
    fault = shop.control("GET", "/faults").json()["faults"][0]
    assert (fault["id"], fault["service"], fault["status"], fault["share"]) == ("f1", "payments", 500, 1.0)
    assert shop.standing() == ["error rate f1 on payments"]

    gone = shop.control("DELETE", "/faults/error-rate/f1")
    assert (gone.status_code, gone.json()) == (200, {"removed": True, "pending": []})
    shop.sells()
    assert shop.control("GET", "/faults").json() == {"faults": []}


def test_taking_away_what_is_not_there_is_no_error(shop: Shop) -> None:
    gone = shop.control("DELETE", "/faults/error-rate/nothing")
    assert (gone.status_code, gone.json()["removed"]) == (200, False)


def test_a_share_of_requests_fails_on_every_replica(shop: Shop) -> None:
    set_rate(shop, "checkout", share=0.5)
    assert told(shop, "checkout") == [["f1"], ["f1"]]
    answers = [shop.buy().status_code for _ in range(40)]
    assert answers.count(502) >= 5
    assert answers.count(200) >= 5


def test_an_error_rate_outlives_a_restart_and_reaches_new_replicas(shop: Shop) -> None:
    set_rate(shop, "checkout")
    os.kill(shop.instances("checkout")[0]["pid"], signal.SIGKILL)
    shop.control("POST", "/scale", {"service": "checkout", "replicas": 3})
    eventually(lambda: shop.service("checkout")["ready"] == 3)
    assert told(shop, "checkout") == [["f1"]] * 3


def test_a_frozen_replica_is_told_when_it_thaws(shop: Shop) -> None:
    set_rate(shop, "checkout")
    frozen = shop.instances("checkout")[0]
    os.kill(frozen["pid"], signal.SIGSTOP)
    eventually(lambda: shop.service("checkout")["ready"] == 1)
    gone = shop.control("DELETE", "/faults/error-rate/f1").json()
    assert gone == {"removed": True, "pending": [frozen["name"]]}
    assert told(shop, "checkout") == [[]]
    os.kill(frozen["pid"], signal.SIGCONT)
    eventually(lambda: told(shop, "checkout") == [[], []])


def test_an_instance_can_be_told_directly(shop: Shop) -> None:
    admin = f"http://127.0.0.1:{shop.instances('inventory')[0]['port']}/admin/faults"
    assert http.post(admin + "/error-rate", json={"id": "own", "status": 503, "share": 1.0}).status_code == 200
    assert shop.buy().status_code == 502
    assert http.request("DELETE", admin + "/error-rate/own").json() == {"removed": True}
    assert http.request("DELETE", admin + "/error-rate/own").json() == {"removed": False}
    shop.sells()


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"service": "paymnts"}, 404, "no service 'paymnts'; did you mean 'payments'?"),
        ({"service": "proxy"}, 404, "no service 'proxy'; there are checkout, inventory, payments, storefront"),
        ({"id": ""}, 400, "an error rate needs an id, a string"),
        ({"status": 200}, 400, "status is an HTTP error code from 400 to 599, not 200"),
        ({"share": 1.5}, 400, "share is a number from 0 to 1, not 1.5"),
        ({"share": True}, 400, "share is a number from 0 to 1, not True"),
    ],
)
def test_a_bad_error_rate_is_refused(shop: Shop, change: dict[str, object], status: int, said: str) -> None:
    body = {"id": "f1", "service": "payments", "status": 503, "share": 1.0, **change}
    answer = shop.control("POST", "/faults/error-rate", body)
    assert (answer.status_code, answer.json()) == (status, {"error": said})
    assert shop.control("GET", "/faults").json() == {"faults": []}
