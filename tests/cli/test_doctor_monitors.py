"""`gameday doctor` on the Prometheus and the Alertmanager of each target: who answers, and what to do about silence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gameday.cli.doctor import Finding, examine
from gameday.cli.doctor_monitors import PATIENCE

NUMBER = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1.0, "1"]}]}}
FIRING = [{"labels": {"alertname": name}, "status": {"state": "active"}} for name in ("Slow", "Down", "Slow")]
SAYS = {
    "/prom/api/v1/query": (200, NUMBER),
    "/prom/api/v1/status/buildinfo": (200, {"status": "success", "data": {"version": "2.53.1"}}),
    "/am/api/v2/alerts": (200, FIRING),
    "/am/api/v2/status": (200, {"versionInfo": {"version": "0.27.0"}}),
    "/bare/api/v1/query": (200, NUMBER),
    "/quiet/api/v2/alerts": (200, []),
    "/locked/api/v1/query": (401, {"status": "error", "error": "who are you?"}),
    "/locked/api/v2/alerts": (401, {}),
}


class Monitors(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith("/silent"):
            self.server.over.wait(30)  # type: ignore[attr-defined]
            return
        status, said = SAYS.get(path, (404, "nothing here"))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def monitors() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Monitors)
    server.over = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def said(folder: Path, **targets: dict[str, str]) -> list[Finding]:
    text = ""
    for name, names in targets.items():
        addresses = ", ".join(f"{key} = {json.dumps(value)}" for key, value in names.items())
        text += f'[targets.{name}]\nkind = "other"\nenvironment = "test"\nnames = {{{addresses}}}\n'
    (folder / "gameday.toml").write_text(text)
    found = examine(folder / "gameday.toml", str(folder / "no.db"))
    return [one for one in found if one.check == "monitors"]


def test_who_answers_and_what_fires(monitors: str, tmp_path: Path) -> None:
    found = said(
        tmp_path,
        staging={"prometheus": f"{monitors}/prom", "alertmanager": f"{monitors}/am/"},
        lab={"prometheus": f"{monitors}/bare", "alertmanager": f"{monitors}/quiet", "shop": f"{monitors}/silent"},
        plain={"shop": f"{monitors}/silent"},
    )
    assert [(one.state, one.target, one.text, one.do) for one in found] == [
        ("ok", "staging", f"staging: Prometheus 2.53.1 at {monitors}/prom answers queries", ""),
        ("ok", "staging", f"staging: Alertmanager 0.27.0 at {monitors}/am/; firing now: Down, Slow", ""),
        ("ok", "lab", f"lab: Prometheus at {monitors}/bare answers queries", ""),
        ("ok", "lab", f"lab: Alertmanager at {monitors}/quiet; no alert fires", ""),
    ]


def test_who_does_not_answer_keeps_nobody_waiting_and_comes_with_what_to_do(monitors: str, tmp_path: Path) -> None:
    began = time.monotonic()
    found = said(
        tmp_path,
        silent={"prometheus": f"{monitors}/silent", "alertmanager": f"{monitors}/silent"},
        gone={"prometheus": "http://127.0.0.1:1", "alertmanager": "http://127.0.0.1:1"},
        wrong={"prometheus": f"{monitors}/am", "alertmanager": f"{monitors}/prom"},
        locked={"prometheus": f"{monitors}/locked", "alertmanager": f"{monitors}/locked"},
        well={"prometheus": f"{monitors}/prom"},
    )
    assert time.monotonic() - began < 2 * PATIENCE + 6
    assert [(one.target, one.state) for one in found] == [
        *((target, "fail") for target in ("silent", "silent", "gone", "gone", "wrong", "wrong")),
        ("locked", "warn"),
        ("locked", "fail"),
        ("well", "ok"),
    ]
    prometheus, alertmanager = found[2:4]
    assert prometheus.text.startswith("gone: Prometheus at http://127.0.0.1:1: ") and "refused" in prometheus.text
    assert "or correct prometheus under names in [targets.gone]" in prometheus.do
    assert "or correct alertmanager under names in [targets.gone]" in alertmanager.do
    assert "headers" in found[6].do
