"""The prometheus probe: replies in the real API's forms, and those that are none."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gameday.probes.prober import LiveProber

from .asking import ask_of, run, target
from .servers import Server, json_page, page, serving, silent

INSTANCE = '{"__name__":"up","instance":"localhost:9090","job":"prometheus"}'


def vector(*samples: str) -> str:
    results = ",".join(f'{{"metric":{INSTANCE},"value":[1435781451.781,"{sample}"]}}' for sample in samples)
    return f'{{"status":"success","data":{{"resultType":"vector","result":[{results}]}}}}'


def query(text: str = "up", **keys: Any) -> Any:
    return lambda server: {"prometheus": {"query": text, "url": server.url, "timeout": 2.0, **keys}}


@pytest.mark.parametrize(
    ("reply", "kind", "value", "told"),
    [
        (vector("1"), "value", 1.0, ""),
        (vector("0.02531645569620253"), "value", 0.02531645569620253, ""),
        (vector("-1.5e-07"), "value", -1.5e-07, ""),
        (vector("+Inf"), "value", "+Inf", ""),
        (vector("-Inf"), "value", "-Inf", ""),
        (vector("NaN"), "nan", None, "NaN"),
        (vector(), "no_data", None, "no series"),
        (vector("1", "0"), "many", None, "2 series"),
        (vector("one"), "error", None, "not a number"),
        ('{"status":"success","data":{"resultType":"scalar","result":[1435781451.781,"42"]}}', "value", 42.0, ""),
        ('{"status":"success","data":{"resultType":"scalar","result":[1435781451.781,"NaN"]}}', "nan", None, ""),
        ('{"status":"success","data":{"resultType":"string","result":[1435781451.781,"foo"]}}', "error", None, "text"),
        (
            '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up"},'
            '"values":[[1435781430.781,"1"],[1435781445.781,"1"]]}]}}',
            "error",
            None,
            "a range",
        ),
        (
            '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1435781451.781,'
            '{"count":"60","sum":"33897","buckets":[[0,"0.5","1","2"]]}]}]}}',
            "error",
            None,
            "native histogram",
        ),
        (
            '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"query\\": 1:4: parse error: '
            'unexpected end of input"}',
            "error",
            None,
            "bad_data: invalid parameter",
        ),
        (
            '{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}',
            "error",
            None,
            "timed out",
        ),
        ('{"status":"error"}', "error", None, "no reason given"),
        (
            '{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["shard 2 is away"]}',
            "no_data",
            None,
            "shard 2",
        ),
        ('{"status":"success"}', "error", None, "unknown type"),
        ('{"status":"success","data":{"resultType":"vector","result":{}}}', "error", None, "unknown type"),
        ('{"status":"success","data":{"resultType":"vector","result":[7]}}', "error", None, "no number"),
        ('{"status":"success","data":{"resultType":"vector","result":[{"value":[1]}]}}', "error", None, "not a number"),
        ('{"status":"success","data":{"resultType":"vector","result":[null,null]}}', "many", None, "2 series"),
        ('{"status":"success","data":7}', "error", None, "unknown type"),
        ("[]", "error", None, "not Prometheus's form"),
        ('"up"', "error", None, "not Prometheus's form"),
        ('{"status":["success"]}', "error", None, "not Prometheus's form"),
        ("<html>login</html>", "error", None, "<html>login</html>"),
        ("{" + '"a":' * 3 + "1", "error", None, "not JSON"),
    ],
)
def test_replies(reply: str, kind: str, value: Any, told: str) -> None:
    answer = ask_of(json_page(reply), query())
    assert (answer.kind, answer.value, answer.status) == (kind, value, 200)
    assert told in answer.detail
    json.dumps(answer.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("400 Bad Request", '{"status":"error","errorType":"bad_data","error":"parse error"}'),
        ("503 Service Unavailable", "Service Unavailable"),
        ("401 Unauthorized", "<html>"),
        ("302 Found", ""),
    ],
)
def test_refusals_are_errors_with_their_status(status: str, body: str) -> None:
    answer = ask_of(page(body.encode(), status=status), query())
    assert (answer.kind, answer.status) == ("error", int(status[:3]))


def test_many_series_are_shown_by_their_labels() -> None:
    detail = ask_of(json_page(vector(*"12345")), query()).detail
    assert "5 series" in detail
    assert "up{instance='localhost:9090'" in detail


def test_silence_and_refusal_are_unreachable() -> None:
    assert ask_of(silent, lambda server: query(timeout=0.3)(server), timeout=0.3).kind == "unreachable"
    assert ask_of(silent, lambda _: {"prometheus": {"query": "up", "url": "http://127.0.0.1:1"}}).kind == "unreachable"


class Api(BaseHTTPRequestHandler):
    """Answers as Prometheus does, and keeps the questions."""

    asked: list[tuple[str, str, dict[str, list[str]]]]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer("GET", parts.path, parse_qs(parts.query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self._answer("POST", self.path, parse_qs(body))

    def _answer(self, method: str, path: str, form: dict[str, list[str]]) -> None:
        self.asked.append((method, path, form))
        body = vector("1").encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.mark.parametrize("base", ["", "/", "/select/0/prometheus/"])
def test_the_query_arrives_as_it_was_written(base: str) -> None:
    asked: list[tuple[str, str, dict[str, list[str]]]] = []
    api = ThreadingHTTPServer(("127.0.0.1", 0), type("OneApi", (Api,), {"asked": asked}))
    serving_thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
    serving_thread.start()
    url = f"http://127.0.0.1:{api.server_port}{base}"
    short = 'sum(rate(http_requests_total{code=~"5..",path="/a&b=ü"}[5m])) / 2 + ${1}'
    long = short + " + 0" * 1000

    async def test() -> None:
        prober = LiveProber(target(names={"prometheus": url}))
        for text in (short, long):
            answer = await prober.ask({"prometheus": {"query": text, "timeout": "4s"}})
            assert answer.value == 1.0, answer
        await prober.close()

    try:
        run(test())
    finally:
        api.shutdown()
        serving_thread.join(5)
        api.server_close()
    path = base.rstrip("/") + "/api/v1/query"
    assert [(method, way, form["query"]) for method, way, form in asked] == [
        ("GET", path, [short]),
        ("POST", path, [long]),
    ]
    assert all(3000 < int(form["timeout"][0].removesuffix("ms")) <= 4000 for _, _, form in asked)


def test_a_bearer_token_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GD_TEST_TOKEN", "Bearer s3cr3t-t0ken-value")

    async def test() -> None:
        body = '{"status":"error","error":"who is s3cr3t-t0ken-value?"}'
        async with serving(json_page(body, "401 Unauthorized")) as server:
            prober = LiveProber(target())
            probe = query(headers={"Authorization": {"env": "GD_TEST_TOKEN"}})(server)
            answer = await prober.ask(probe)
            await prober.close()
            assert "Authorization: Bearer s3cr3t-t0ken-value" in server.requests[0]
            assert answer.kind == "error"
            assert "who is" in answer.detail
            assert "s3cr3t" not in str(answer)

    run(test())


def test_without_an_address_the_target_must_publish_one() -> None:
    def probe(_: Server) -> dict[str, Any]:
        return {"prometheus": {"query": "up"}}

    answer = ask_of(silent, probe, names={"prometeus": "http://127.0.0.1:1"})
    assert answer.kind == "error"
    assert "did you mean 'prometeus'?" in answer.detail
