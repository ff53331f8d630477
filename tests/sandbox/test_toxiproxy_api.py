"""The proxy's API is Toxiproxy's: paths, status codes, bodies, errors."""

import socket
from typing import Any

import httpx
import pytest

from .shop import Shop, http

LATENCY = {"name": "slow", "type": "latency", "stream": "downstream", "toxicity": 1.0}


@pytest.fixture
def spare(shop: Shop) -> Any:
    """A proxy of the test's own, taken away afterwards."""
    made = shop.proxy("POST", "/proxies", {"name": "spare", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"})
    assert made.status_code == 201
    yield made.json()
    shop.proxy("DELETE", "/proxies/spare")


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and message of an error, which stand in the body as well."""
    body = response.json()
    assert body["status"] == response.status_code
    return response.status_code, body["error"]


def test_version(shop: Shop) -> None:
    found = shop.proxy("GET", "/version")
    assert found.status_code == 200
    assert found.json()["version"].startswith("2.")


def test_index_shows_the_hops_of_the_shop(shop: Shop) -> None:
    found = shop.proxy("GET", "/proxies").json()
    assert sorted(found) == ["checkout", "inventory", "payments", "storefront"]
    payments = found["payments"]
    assert sorted(payments) == ["enabled", "listen", "name", "toxics", "upstream"]
    assert (payments["name"], payments["enabled"], payments["toxics"]) == ("payments", True, [])
    assert f"http://{payments['listen']}" == shop.sandbox.payments
    assert shop.proxy("GET", "/proxies/payments").json() == payments


def test_a_proxy_lives_and_dies(shop: Shop, spare: dict[str, Any]) -> None:
    host, port = spare["listen"].split(":")
    assert port != "0"
    socket.create_connection((host, int(port)), 2).close()
    assert spare == {**spare, "name": "spare", "upstream": "127.0.0.1:9", "enabled": True, "toxics": []}

    again = shop.proxy("POST", "/proxies", {"name": "spare", "upstream": "127.0.0.1:9"})
    assert problem(again) == (409, "proxy already exists")

    gone = shop.proxy("DELETE", "/proxies/spare")
    assert (gone.status_code, gone.content) == (204, b"")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 2)
    for method in ("GET", "PATCH", "POST", "DELETE"):
        assert problem(shop.proxy(method, "/proxies/spare", {})) == (404, "proxy not found")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_proxy_is_disabled_and_enabled_again(shop: Shop, spare: dict[str, Any], method: str) -> None:
    host, port = spare["listen"].split(":")
    off = shop.proxy(method, "/proxies/spare", {"enabled": False})
    assert (off.status_code, off.json()) == (200, {**spare, "enabled": False})
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 2)
    assert shop.proxy(method, "/proxies/spare", {"enabled": True}).json() == spare
    socket.create_connection((host, int(port)), 2).close()


def test_a_new_upstream_takes_effect(shop: Shop, spare: dict[str, Any]) -> None:
    upstream = shop.proxy("GET", "/proxies/payments").json()["upstream"]
    assert shop.proxy("PATCH", "/proxies/spare", {"upstream": upstream}).json()["upstream"] == upstream
    assert http.get(f"http://{spare['listen']}/health").json()["service"] == "payments"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"upstream": "127.0.0.1:9"}, "missing required field: name"),
        ({"name": "x"}, "missing required field: upstream"),
        ({"name": 5, "upstream": "127.0.0.1:9"}, "bad request body: name is a string"),
        (["x"], "bad request body: expected a JSON object"),
        ({"name": "x", "upstream": "nowhere"}, "bad request body: 'nowhere' isn't host:port"),
    ],
)
def test_a_bad_proxy_is_refused(shop: Shop, body: Any, said: str) -> None:
    assert problem(shop.proxy("POST", "/proxies", body)) == (400, said)
    assert len(shop.proxy("GET", "/proxies").json()) == 4


def test_a_body_that_is_no_json_is_refused(shop: Shop) -> None:
    for path in ("/proxies", "/proxies/payments", "/proxies/payments/toxics", "/populate"):
        status, said = problem(http.post(shop.sandbox.proxy + path, content=b"{nonsense"))
        assert status == 400
        assert said.startswith("bad request body")


def test_populate_creates_keeps_and_replaces(shop: Shop, spare: dict[str, Any]) -> None:
    shop.proxy("POST", "/proxies/spare/toxics", LATENCY)
    same = {"name": "spare", "listen": spare["listen"], "upstream": spare["upstream"]}
    kept = shop.proxy("POST", "/populate", [same])
    assert kept.status_code == 201
    assert [toxic["name"] for toxic in kept.json()["proxies"][0]["toxics"]] == ["slow"]

    replaced = shop.proxy("POST", "/populate", [{**same, "upstream": "127.0.0.1:10"}]).json()["proxies"][0]
    assert (replaced["upstream"], replaced["toxics"]) == ("127.0.0.1:10", [])
    assert problem(shop.proxy("POST", "/populate", [{"name": "spare"}])) == (400, "missing required field: upstream")
    assert problem(shop.proxy("POST", "/populate", same))[0] == 400


def test_a_toxic_lives_and_dies(shop: Shop, spare: dict[str, Any]) -> None:
    path = "/proxies/spare/toxics"
    assert shop.proxy("GET", path).json() == []

    made = shop.proxy("POST", path, {**LATENCY, "attributes": {"latency": 300, "jitter": 10, "unknown": 1}})
    assert made.status_code == 200
    wanted = {**LATENCY, "attributes": {"latency": 300, "jitter": 10}}
    assert made.json() == wanted
    assert shop.proxy("GET", path).json() == [wanted]
    assert shop.proxy("GET", path + "/slow").json() == wanted
    assert shop.proxy("GET", "/proxies/spare").json()["toxics"] == [wanted]
    assert problem(shop.proxy("POST", path, LATENCY)) == (409, "toxic already exists")

    changed = shop.proxy("PATCH", path + "/slow", {"toxicity": 0.5, "attributes": {"latency": 100}})
    assert changed.status_code == 200
    assert changed.json() == {**wanted, "toxicity": 0.5, "attributes": {"latency": 100, "jitter": 10}}
    assert shop.proxy("POST", path + "/slow", {"attributes": {"jitter": 0}}).json()["attributes"]["jitter"] == 0

    gone = shop.proxy("DELETE", path + "/slow")
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "PATCH", "POST", "DELETE"):
        assert problem(shop.proxy(method, path + "/slow", {})) == (404, "toxic not found")


def test_a_toxic_has_defaults(shop: Shop, spare: dict[str, Any]) -> None:
    made = shop.proxy("POST", "/proxies/spare/toxics", {"type": "timeout"}).json()
    assert made == {
        "name": "timeout_downstream",
        "type": "timeout",
        "stream": "downstream",
        "toxicity": 1.0,
        "attributes": {"timeout": 0},
    }
    upstream = shop.proxy("POST", "/proxies/spare/toxics", {"type": "reset_peer", "stream": "upstream"}).json()
    assert upstream["name"] == "reset_peer_upstream"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "gremlin"}, "invalid toxic type"),
        ({"stream": "sideways"}, "stream was invalid, can be either upstream or downstream"),
        ({"attributes": {"latency": "long"}}, "bad request body: attribute latency is a whole number of milliseconds"),
        ({"attributes": [1]}, "bad request body: attributes is an object"),
        ({"toxicity": "high"}, "bad request body: toxicity is a number from 0 to 1"),
    ],
)
def test_a_bad_toxic_is_refused(shop: Shop, spare: dict[str, Any], change: dict[str, Any], said: str) -> None:
    assert problem(shop.proxy("POST", "/proxies/spare/toxics", {**LATENCY, **change})) == (400, said)
    assert shop.proxy("GET", "/proxies/spare/toxics").json() == []


def test_toxics_of_an_unknown_proxy(shop: Shop) -> None:
    assert problem(shop.proxy("GET", "/proxies/nobody/toxics")) == (404, "proxy not found")
    assert problem(shop.proxy("POST", "/proxies/nobody/toxics", LATENCY)) == (404, "proxy not found")
    assert problem(shop.proxy("DELETE", "/proxies/nobody/toxics/slow")) == (404, "proxy not found")


def test_reset_enables_all_and_takes_all_toxics_off(shop: Shop, spare: dict[str, Any]) -> None:
    shop.proxy("POST", "/proxies/spare/toxics", LATENCY)
    shop.proxy("PATCH", "/proxies/spare", {"enabled": False})
    done = shop.proxy("POST", "/reset")
    assert (done.status_code, done.content) == (204, b"")
    assert shop.proxy("GET", "/proxies/spare").json() == spare


def test_unknown_paths_and_browsers(shop: Shop) -> None:
    assert shop.proxy("GET", "/nothing").status_code == 404
    assert shop.proxy("DELETE", "/reset").status_code == 405
    browser = http.get(shop.sandbox.proxy + "/proxies", headers={"User-Agent": "Mozilla/5.0"})
    assert browser.status_code == 403


def test_requests_by_way_of_other_sites_are_refused(shop: Shop) -> None:
    for headers in ({"Host": "shop.example.com"}, {"Origin": "http://shop.example.com"}):
        for url in (shop.sandbox.proxy + "/reset", shop.sandbox.control + "/down"):
            assert http.post(url, headers=headers).status_code == 403
    assert shop.is_whole()
