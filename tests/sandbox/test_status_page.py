"""The status page is one file that asks its own address only, and its data say what can't be had."""

import os
import re
import signal

from .shop import Shop, eventually, http


def test_the_page_is_complete_in_itself(shop: Shop) -> None:
    answer = http.get(shop.sandbox.storefront + "/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    addresses = re.findall(r"""(?:src|href|fetch\()\s*=?\s*["']([^"']+)""", answer.text)
    assert addresses == ["data:,", "/status.json"]
    assert "innerHTML" not in answer.text


def test_its_data_are_those_of_the_parts(shop: Shop) -> None:
    shop.control("POST", "/scale", {"service": "inventory", "replicas": 2})
    eventually(lambda: shop.service("inventory")["ready"] == 2)
    data = eventually(
        lambda: (
            all(
                (found := http.get(shop.sandbox.storefront + "/status.json").json()).get(part) is not None
                for part in ("shop", "alerts", "history")
            )
            and found["history"]
            and found
        )
    )
    assert data["shop"]["services"]["inventory"]["ready"] == 2
    assert isinstance(data["alerts"], list)
    assert data["history"][-1].keys() == {"wall", "error_rate", "p95", "per_second"}


def test_a_supervisor_that_does_not_answer_is_told(shop: Shop) -> None:
    os.kill(shop.sandbox.pid, signal.SIGSTOP)
    try:
        eventually(
            lambda: (
                (data := http.get(shop.sandbox.storefront + "/status.json").json())["shop"] is None
                and data["history"] is not None
            )
        )
    finally:
        os.kill(shop.sandbox.pid, signal.SIGCONT)
