"""The http probe against servers that answer well, badly, endlessly or not at all."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
import zlib
from typing import Any

import pytest

from gameday.engine.ports import Answer
from gameday.probes.answers import LARGEST
from gameday.probes.fetching import LARGEST_BODY
from gameday.probes.prober import LiveProber

from .asking import SLACK, ask_bounded, ask_of, http, run, target
from .servers import Behaviour, Reader, Writer, endless, json_page, page, resetting, saying, serving, silent

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "302 Found", "404 Not Found", "503 Busy", "599 Own"])
def test_any_status_is_an_answer_and_redirects_are_not_followed(status: str) -> None:
    answer = ask_of(page(b"", status=status, extra="location: http://127.0.0.1:1/\r\n"), http())
    assert (answer.kind, answer.value, answer.status) == ("value", int(status[:3]), int(status[:3]))


def test_the_status_does_not_wait_for_the_body() -> None:
    answer = ask_of(endless(OK + b"\r\n", b"x", pause=0.05), http(timeout=1.5))
    assert (answer.kind, answer.value) == ("value", 200)
    assert answer.took < 1.5


def test_body_json_and_latency() -> None:
    assert ask_of(page("größer".encode()), http(read="body")).value == "größer"
    assert ask_of(json_page('{"a": [1]}'), http(read="json")).value == {"a": [1]}
    answer = ask_of(page(b"hello"), http(read="latency"))
    assert isinstance(answer.value, float)
    assert 0 < answer.value < 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.items[0].price", 3.5),
        ("items[-1].price", 4),
        ("$.items[0]['a name']", "x"),
        ('$["with.dot"]["it\'s"]', True),
        ("$.nothing", None),
        ("$.items[0].price-list[1]", 2),
    ],
)
def test_a_path_leads_to_a_value(path: str, value: Any) -> None:
    document = {
        "items": [{"price": 3.5, "a name": "x", "price-list": [1, 2]}, {"price": 4}],
        "with.dot": {"it's": True},
        "nothing": None,
    }
    answer = ask_of(json_page(json.dumps(document)), http(path=path))
    assert (answer.kind, answer.value) == ("value", value)


@pytest.mark.parametrize("path", ["$.b", "$.a[3]", "$.a.b", "$.a[0].c", "$['']"])
def test_a_path_to_nowhere_is_no_data(path: str) -> None:
    answer = ask_of(json_page('{"a": [1]}'), http(path=path))
    assert (answer.kind, answer.value) == ("no_data", None)
    assert "nothing at" in answer.detail


@pytest.mark.parametrize("path", ["$..a", "$.a[*]", "$.a[0:1]", "$.a b", "$[?(@.a)]", "[", "x" * 2000])
def test_a_path_that_is_none_is_an_error_that_says_how_to_write_one(path: str) -> None:
    answer = ask_of(json_page('{"a": [1]}'), http(path=path))
    assert answer.kind == "error"
    assert "path" in answer.detail


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        ('{"v": NaN}', "nan", None),
        ('{"v": Infinity}', "value", "+Inf"),
        ('{"v": -Infinity}', "value", "-Inf"),
        ('{"v": 1e999}', "value", "+Inf"),
        ('{"v": "NaN"}', "value", "NaN"),
        ('{"v": [NaN, -1e999]}', "value", ["NaN", "-Inf"]),
        ('{"v": "half \\ud800 pair \\u0000"}', "value", "half ? pair �"),
        ('{"v": ' + "9" * 400 + "}", "error", None),
        ('{"v": ' + "9" * 5000 + "}", "error", None),
        ('{"v": ' + "[" * 100_000 + "]" * 100_000 + "}", "error", None),
        ('{"v": ' + "[" * 100 + "]" * 100 + "}", "value", ...),
        ('{"v": "' + "x" * 200_000 + '"}', "value", "x" * LARGEST),
        ('{"v": [' + "1," * 100_000 + "1]}", "error", None),
        ("<html>Bad gateway</html>", "error", None),
        ("", "error", None),
        ("{", "error", None),
        ("\x00", "error", None),
    ],
)
def test_odd_json(body: str, kind: str, value: Any) -> None:
    answer = ask_of(json_page(body), http(path="$.v"))
    assert answer.kind == kind
    if value is not ...:
        assert answer.value == value
    json.dumps(answer.to_json(), allow_nan=False).encode("utf-8")


def test_html_labelled_json_shows_what_really_came() -> None:
    answer = ask_of(json_page("<html>Bad gateway</html>", "502 Bad Gateway"), http(path="$.v"))
    assert (answer.kind, answer.status) == ("error", 502)
    assert "<html>Bad gateway</html>" in answer.detail


@pytest.mark.parametrize(
    "charset", ["utf-8", "latin-1", "no-such-thing", "punycode", "hex", "undefined", "x" * 5000, ""]
)
def test_wrong_charsets_still_give_text(charset: str) -> None:
    answer = ask_of(page(b"caf\xe9 \xff\xfe", f"text/plain; charset={charset}"), http(read="body"))
    assert answer.kind == "value"
    assert answer.value.startswith("caf")
    answer.value.encode("utf-8")


def chunked(piece: bytes) -> bytes:
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


CHUNKED_HEAD = OK + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("name", "behaviour", "read", "kind"),
    [
        ("no HTTP at all", saying(b"\x16\x03\x01 this is not http\r\n\r\n"), "status", "error"),
        ("garbage", saying(bytes(range(256)) * 40), "status", "error"),
        ("a banner of another protocol", saying(b"SSH-2.0-OpenSSH_9.6\r\n"), "status", "unreachable"),
        ("nothing, closed", saying(b""), "status", "unreachable"),
        ("reset", resetting, "status", "unreachable"),
        ("silent", silent, "status", "unreachable"),
        ("status line, then nothing", endless(OK, b""), "status", "unreachable"),
        ("endless headers", endless(OK, b"x-more: " + b"y" * 500 + b"\r\n"), "status", "error"),
        ("one endless header", endless(OK + b"x: ", b"y" * 4096), "status", "error"),
        ("dripping headers", endless(OK, b"x: y\r\n", pause=0.05), "status", "unreachable"),
        ("endless interim replies", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "status", "unreachable"),
        ("endless body", endless(OK + b"\r\n", b"x" * 65536), "body", "value"),
        ("endless body as JSON", endless(OK + b"\r\n", b" " * 65536), "json", "error"),
        ("endless one-byte chunks", endless(CHUNKED_HEAD, chunked(b"x") * 2000), "json", ...),
        ("dripping body", endless(OK + b"\r\n", b"x", pause=0.05), "body", "unreachable"),
        ("cut short", saying(OK + b"content-length: 500\r\n\r\n", b"only this"), "body", "error"),
        ("chunks that are none", saying(CHUNKED_HEAD, b"zz\r\nnonsense\r\n"), "body", "error"),
        ("10 MB", page(b"x" * 10_000_000), "body", "value"),
        ("10 MB, labelled as gzip", page(b"x" * 10_000_000, extra="content-encoding: gzip\r\n"), "body", "error"),
        ("an unknown packing", page(b"xyz", extra="content-encoding: br\r\n"), "body", "error"),
        ("two lengths", saying(OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello"), "body", "error"),
        ("a negative length", saying(OK + b"content-length: -5\r\n\r\nhello"), "body", "error"),
        ("status 1000", saying(b"HTTP/1.1 1000 What\r\n\r\n"), "status", "error"),
    ],
)
def test_bad_servers_give_an_answer_or_none_and_in_time(name: str, behaviour: Behaviour, read: str, kind: Any) -> None:
    answer = ask_of(behaviour, http(timeout=0.6, read=read), timeout=0.6)
    assert answer.kind == kind or (kind is ... and answer.kind in ("error", "unreachable")), answer
    if answer.kind != "value":
        assert answer.detail
    assert len(json.dumps(answer.to_json())) <= 2 * LARGEST


def test_what_came_before_the_time_was_over_is_told() -> None:
    answer = ask_of(endless(OK + b"\r\n", b"x", pause=0.05), http(timeout=0.5, read="body"), timeout=0.5)
    assert (answer.kind, answer.status) == ("unreachable", 200)
    assert "status 200 came, but not the whole reply" in answer.detail


def test_a_long_body_is_cut_and_says_so() -> None:
    answer = ask_of(page(b"x" * (2 * LARGEST_BODY)), http(read="body"))
    assert answer.value == "x" * LARGEST
    assert "cut" in answer.detail or "longer" in answer.detail


def test_packed_replies_are_unpacked() -> None:
    for packed, coding in ((gzip.compress(b'{"v": 1}'), "gzip"), (zlib.compress(b'{"v": 1}'), "deflate")):
        assert ask_of(page(packed, extra=f"content-encoding: {coding}\r\n"), http(path="$.v")).value == 1


def test_a_gzip_bomb_is_unpacked_only_as_far_as_is_read() -> None:
    import tracemalloc

    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < LARGEST_BODY
    tracemalloc.start()
    answer = ask_of(page(bomb, extra="content-encoding: gzip\r\n"), http(read="json"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.kind == "error"
    assert peak < 20_000_000


def test_a_refused_connection_is_unreachable() -> None:
    answer = ask_of(silent, lambda _: {"http": {"url": "http://127.0.0.1:1/"}})
    assert (answer.kind, answer.detail) == ("unreachable", "connection refused")


@pytest.mark.parametrize(
    "url", ["", "not a url", "ftp://127.0.0.1/", "http://", "http://[::1", "http://a b/", "http://x:99999/"]
)
def test_an_address_that_is_none_is_no_crash(url: str) -> None:
    answer = ask_of(silent, lambda _: {"http": {"url": url, "timeout": "500ms"}}, timeout=0.5)
    assert answer.kind in ("error", "unreachable")
    assert answer.detail


def test_a_name_that_leads_nowhere_is_unreachable() -> None:
    answer = ask_of(silent, lambda _: {"http": {"url": "http://nowhere.invalid/", "timeout": "2s"}})
    assert answer.kind == "unreachable"


def test_a_lookup_that_hangs_holds_up_neither_the_ask_nor_the_thread_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver can't be made to hang on loopback, so the call to it is held here."""
    import socket

    release, threads = threading.Event(), set()

    def hanging(*args: Any, **keys: Any) -> Any:
        threads.add(threading.current_thread())
        release.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    async def test() -> None:
        prober = LiveProber(target())
        await prober.open()
        monkeypatch.setattr(socket, "getaddrinfo", hanging)
        probe = {"http": {"url": "http://shop.example.com/", "timeout": 0.2}}
        began = time.monotonic()
        answers = await asyncio.gather(*(ask_bounded(prober, probe, 0.2) for _ in range(20)))
        assert {answer.kind for answer in answers} == {"unreachable"}
        assert await asyncio.to_thread(lambda: "free") == "free"
        assert time.monotonic() - began < 0.2 + SLACK
        assert len(threads) == 1
        await prober.close()

    try:
        run(test())
    finally:
        release.set()
        for thread in threads:
            thread.join(5)


def test_a_host_with_several_addresses_is_asked_at_the_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]

    async def test() -> tuple[Answer, list[str]]:
        async with serving(page(b"hello")) as server:
            prober = LiveProber(target())
            await prober.open()
            monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **keys: infos)
            answer = await prober.ask({"http": {"url": f"http://shop.example.com:{server.port}/x?y=1"}})
            await prober.close()
            return answer, server.requests

    answer, requests = run(test())
    assert answer.value == 200
    assert requests[0].startswith("GET /x?y=1 HTTP/1.1\r\n")
    assert "host: shop.example.com:" in requests[0].lower()


def test_method_headers_and_body_are_sent_and_nothing_of_the_machine_is() -> None:
    async def test() -> list[str]:
        bodies = []

        async def behave(reader: Reader, writer: Writer) -> None:
            bodies.append((await reader.readexactly(6)).decode())
            await page(b"{}", extra="set-cookie: session=abc; path=/\r\n")(reader, writer)

        async with serving(behave) as server:
            prober = LiveProber(target())
            for _ in range(2):
                await prober.ask(
                    {"http": {"url": server.url, "method": "POST", "headers": {"X-Own": "1"}, "body": "grüß"}}
                )
            await prober.close()
            assert bodies == ["grüß"] * 2
            return server.requests

    for request in run(test()):
        lines = request.lower().splitlines()
        assert lines[0] == "post / http/1.1"
        assert "x-own: 1" in lines
        assert "accept-encoding: identity" in lines
        assert not [line for line in lines if line.startswith("cookie")]


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert ask_of(page(b""), http()).value == 200


def test_the_loop_goes_on_while_a_server_sends_tiny_chunks_without_end() -> None:
    async def test() -> float:
        worst = 0.0

        async def tick() -> None:
            nonlocal worst
            while True:
                began = time.monotonic()
                await asyncio.sleep(0.005)
                worst = max(worst, time.monotonic() - began - 0.005)

        async with serving(endless(CHUNKED_HEAD, chunked(b"x") * 5000)) as server:
            prober = LiveProber(target())
            await prober.open()
            ticking = asyncio.create_task(tick())
            await ask_bounded(prober, {"http": {"url": server.url, "read": "body", "timeout": 0.6}}, 0.6)
            ticking.cancel()
            await prober.close()
        return worst

    assert run(test()) < 0.5
