"""What the proxy is told to do is felt where shoppers are: at the storefront."""

import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .shop import Shop, eventually, http


def poison(shop: Shop, proxy: str, kind: str, stream: str = "downstream", **rest: Any) -> None:
    """Put a toxic on."""
    toxicity = rest.pop("toxicity", 1.0)
    body = {"name": "t", "type": kind, "stream": stream, "toxicity": toxicity, "attributes": rest}
    assert shop.proxy("POST", f"/proxies/{proxy}/toxics", body).status_code == 200


def timed(work: Callable[[], httpx.Response]) -> float:
    """How long it took, in seconds."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_slows_a_purchase(shop: Shop, stream: str) -> None:
    poison(shop, "payments", "latency", stream, latency=400)
    assert timed(shop.sells) >= 0.4
    shop.proxy("DELETE", "/proxies/payments/toxics/t")
    eventually(lambda: timed(shop.sells) < 0.4)


def test_jitter_varies_the_latency(shop: Shop) -> None:
    poison(shop, "inventory", "latency", latency=100, jitter=90)
    times = [timed(lambda: http.get(shop.sandbox.inventory + "/health")) for _ in range(12)]
    assert 0.01 <= min(times) < max(times) - 0.03


def test_a_latency_beyond_patience_is_an_error_with_its_cause(shop: Shop) -> None:
    poison(shop, "payments", "latency", latency=3000)
    assert timed(lambda: shop.fails("checkout answered 504: payments: no answer within 1 s")) >= 1.0


def test_a_black_hole_is_an_error_until_it_is_taken_away(shop: Shop) -> None:
    poison(shop, "inventory", "timeout", "upstream", timeout=0)
    answer = shop.fails("inventory: no answer within 1 s")
    assert (answer.status_code, answer.json()["upstream"]) == (502, "checkout")
    shop.proxy("DELETE", "/proxies/inventory/toxics/t")
    shop.sells()


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_what_a_black_hole_swallowed_is_lost_and_its_connection_closes(shop: Shop, stream: str) -> None:
    host, port = shop.proxy("GET", "/proxies/payments").json()["listen"].split(":")
    poison(shop, "payments", "timeout", stream, timeout=0)
    with socket.create_connection((host, int(port)), timeout=0.3) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(100)
        shop.proxy("DELETE", "/proxies/payments/toxics/t")
        connection.settimeout(3)
        assert connection.recv(100) == b""


def test_a_service_that_closes_after_its_answer_leaves_no_black_hole_behind_it(shop: Shop) -> None:
    poison(shop, "payments", "timeout", timeout=0)
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(shop.sandbox.payments + "/health", headers={"Connection": "close"})


def test_toxics_come_over_connections_that_live_already(shop: Shop) -> None:
    with httpx.Client(base_url=shop.sandbox.payments, timeout=0.3) as client:
        assert client.get("/health").status_code == 200
        poison(shop, "payments", "timeout", timeout=0)
        with pytest.raises(httpx.ReadTimeout):
            client.get("/health")


def test_timeout_closes_the_connection_after_its_time(shop: Shop) -> None:
    poison(shop, "payments", "timeout", timeout=200)
    started = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(shop.sandbox.payments + "/health")
    assert 0.2 <= time.monotonic() - started < 2
    shop.fails("payments: connection closed before the answer came")


def test_reset_peer_resets(shop: Shop) -> None:
    poison(shop, "payments", "reset_peer", timeout=0)
    with pytest.raises(httpx.ReadError):
        http.get(shop.sandbox.payments + "/health")
    assert shop.fails("checkout answered 502: payments: connection reset by peer").status_code == 502


def test_reset_peer_after_its_time(shop: Shop) -> None:
    poison(shop, "payments", "reset_peer", "upstream", timeout=200)
    started = time.monotonic()
    with pytest.raises(httpx.ReadError):
        http.get(shop.sandbox.payments + "/health")
    assert 0.2 <= time.monotonic() - started < 2


def test_a_disabled_proxy_refuses_and_closes_what_lives(shop: Shop) -> None:
    with httpx.Client(base_url=shop.sandbox.payments) as client:
        assert client.get("/health").status_code == 200
        shop.proxy("PATCH", "/proxies/payments", {"enabled": False})
        # The connection that lived is reset in the middle of this, or was closed before it and another is refused.
        with pytest.raises(httpx.TransportError):
            client.get("/health")
        with pytest.raises(httpx.ConnectError):
            client.get("/health")
    assert shop.fails("checkout answered 502: payments: connection refused").status_code == 502
    shop.proxy("PATCH", "/proxies/payments", {"enabled": True})
    shop.sells()


def test_toxicity_is_the_share_of_connections(shop: Shop) -> None:
    poison(shop, "storefront", "reset_peer", timeout=0, toxicity=0.5)
    answers = []
    for _ in range(40):
        try:
            answers.append(http.get(shop.sandbox.storefront + "/health").status_code)
        except httpx.ReadError:
            answers.append(0)
    assert 5 <= answers.count(0) <= 35
    assert answers.count(0) + answers.count(200) == 40


def test_an_upstream_that_is_gone_closes_the_connection(shop: Shop) -> None:
    shop.control("POST", "/scale", {"service": "payments", "replicas": 0})
    eventually(lambda: not shop.instances("payments"))
    with pytest.raises(httpx.HTTPError):
        http.get(shop.sandbox.payments + "/health")
    shop.fails("payments: connection")


def test_a_large_body_passes_whole(shop: Shop) -> None:
    text = "x" * 900_000
    eventually(lambda: http.post(shop.sandbox.storefront + "/buy", json={"item": text}).status_code == 200)


def test_a_proxy_that_died_comes_back_with_its_proxies_and_without_toxics(shop: Shop) -> None:
    poison(shop, "payments", "timeout", timeout=0)
    assert shop.standing() == ["toxic t on proxy payments"]
    pid = shop.instances("proxy")[0]["pid"]
    before = shop.proxy("GET", "/proxies").json()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: shop.wrote("proxy-process-started")[-1].pid != pid)
    eventually(lambda: sorted(shop.proxy("GET", "/proxies").json()) == sorted(before))
    assert {name: one["listen"] for name, one in shop.proxy("GET", "/proxies").json().items()} == {
        name: one["listen"] for name, one in before.items()
    }
    assert shop.proxy("GET", "/proxies/payments/toxics").json() == []
    assert shop.standing() == []
    shop.sells()
