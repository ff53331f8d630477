"""A check as a verification: what was found against what was expected, each once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from gameday.engine.ports import TargetInfo
from gameday.probes.sync import check

TARGET = TargetInfo("lab", "other", "test").to_json()


class Broken(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(502)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def broken() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_expected_status_is_said_once(broken: str) -> None:
    said = check({"http": {"url": broken}, "expect": {"status": 200}}, TARGET)
    assert said == {"holds": False, "evidence": "status 502, expected status 200"}


def test_what_else_was_expected_is_said_too() -> None:
    asked: dict[str, Any] = {"process": {"command": [sys.executable, "-c", "raise SystemExit(3)"]}}
    said = check({**asked, "expect": {"above": 3}}, TARGET)
    assert said == {"holds": False, "evidence": "3 is not above 3; expected above 3"}
