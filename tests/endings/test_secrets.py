"""Secrets of a scenario reach what they are for and nothing else: no journal, debrief, log, output or process list."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.endings.judging import assert_ended, assert_undone
from tests.endings.scripts import activity, script
from tests.support.processes import wait_for
from tests.support.runs import Place, Target

RUN = ("run", "scenario.yaml", "--target", "lab", "--unattended", "--reports", "reports")
ENV, FILE = "env-hunter2 /+&\"'", "file-correct-horse-battery"


Heard = list[tuple[str, str, dict[str, str]]]


@pytest.fixture
def confidant() -> Iterator[tuple[str, Heard]]:
    """A server that is told secrets, remembers them as (path, `is`, headers), and gives them all back in its answer."""
    heard: Heard = []

    class Echo(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            parts = urlsplit(self.path)
            headers = dict(self.headers)
            heard.append((parts.path, "".join(parse_qs(parts.query).get("is", [])), headers))
            answer = f"{self.path} {headers}".encode()
            self.send_response(404 if parts.path == "/gone" else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_DELETE = do_PUT

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def watching_command_lines(place: Place) -> Iterator[set[bytes]]:
    """Every command line that any process of the run had, looked at again and again; `seen-curl` once there was one."""
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for pid in place.processes():
                try:
                    seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())
                except OSError:
                    continue  # it has ended
            if any(b"curl" in line for line in seen):
                (place.folder / "seen-curl").touch()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def forms(secret: str) -> list[bytes]:
    """The secret as it may stand somewhere: plain, as a URL has it, as JSON has it, in base64."""
    texts = {secret, quote(secret), quote(secret, safe=""), secret.replace('"', '\\"')}
    coded = base64.b64encode(secret.encode()).rstrip(b"=")
    return [*(text.encode() for text in texts), coded]


def assert_nowhere(place: Place, said: set[bytes]) -> None:
    """In no file below the run's folder (store, write-ahead log, debrief, logs, output), and in `said` neither."""
    secret_file, ledger = place.folder / "token", place.folder / "target-ledger.jsonl"
    files = [path for path in place.folder.rglob("*") if path.is_file() and path not in (secret_file, ledger)]
    kinds = {path.suffix for path in files}
    assert {".db", ".log", ".html", ".md", ".json"} <= kinds, kinds
    for form in (*forms(ENV), *forms(FILE)):
        found = [path for path in files if form in path.read_bytes()]
        assert not found, f"{form!r} stands in {found}"
        assert not [line for line in said if form in line], f"{form!r} stood in a command line"


@pytest.mark.long
def test_secrets_in_headers_processes_and_python_activities(
    place: Place, target: Target, confidant: tuple[str, Heard]
) -> None:
    url, heard = confidant
    place.extra["LAB_TOKEN"] = ENV
    token = place.write("token", FILE + "\n")
    secrets: dict[str, Any] = {"lab": {"token": {"env": "LAB_TOKEN"}, "file": {"file": str(token)}}}
    header = {"Authorization": {"env": "LAB_TOKEN"}, "X-Token": {"file": str(token)}}
    # Each hands its secrets on, and prints, returns, logs or raises them besides.
    telling = (
        'for one in "$token" "$file"; do printf %s "$one" | curl -sS -G -X PUT --data-urlencode is@- '
        f'{url}/process; echo "$one"; echo "$one" >&2; done; '
        # It stays until its command line has been looked at.
        f"for _ in $(seq 200); do [ -e {place.folder}/seen-curl ] && break; sleep 0.05; done"
    )
    process: dict[str, Any] = {"type": "process", "path": "/bin/sh", "arguments": ["-c", telling], "secrets": secrets}
    python: dict[str, Any] = {"type": "python", "module": "tests.endings.actions", "func": "tell"}
    python |= {"arguments": {"url": f"{url}/python"}, "secrets": secrets}
    raising = {**python, "func": "raise_secrets", "arguments": {}}
    http = {"type": "http", "url": f"{url}/http", "method": "PUT", "headers": header}
    refused = {**http, "url": f"{url}/gone"}
    echo = {"http": {"url": f"{url}/probe", "headers": header, "read": "body"}}
    program: dict[str, Any] = {
        "command": ["/bin/sh", "-c", 'echo "$token"'],
        "env": {"token": {"env": "LAB_TOKEN"}},
        "read": "stdout",
    }
    timeline = [
        activity("process", lasts="1s", activity=process, effective=None),
        activity("python", lasts="1s", activity=python, effective=None),
        activity("raising", lasts="1s", activity=raising, effective=None),
        activity("http", lasts="1s", activity=http, undo={**http, "method": "DELETE"}, effective=None, recovered=None),
        activity("refused", lasts="1s", activity=refused, effective=None),
        activity("unmet", lasts="1s", effective={**echo, "expect": {"matches": "something else"}}),
    ]
    conditions = [
        {"name": "echo", **echo, "matches": "something else", "every": "200ms", "no_data": "ok"},
        {"name": "program", "process": program, "matches": "something else", "every": "500ms", "no_data": "ok"},
    ]
    expect = [{"check": {"name": "echoed", **echo, "expect": {"matches": "something else"}}, "within": "1m"}]
    place.write("scenario.yaml", script(*timeline, abort_when=conditions, expect=expect))
    with watching_command_lines(place) as said:
        running = place.start(*RUN)
        wait_for(lambda: running.poll() is not None, 90, "the end")
    ended = assert_ended(place, running.returncode, 1)
    assert_undone(target, ["process", "python", "raising", "refused", "unmet"])

    assert {told for path, told, _ in heard if path == "/process"} == {ENV, FILE}, "the process had them"
    assert {told for path, told, _ in heard if path == "/python"} == {ENV, FILE}, "the function had them"
    for where in ("/http", "/gone", "/probe"):
        found = [headers for path, _, headers in heard if path == where]
        assert found, where
        assert (found[0]["Authorization"], found[0]["X-Token"]) == (ENV, FILE)
    assert any(b"curl" in line for line in said), "command lines were looked at while it ran"
    assert "ValueError" in ended.faults["raising"].error, "what failed is said all the same"
    assert any("•••" in str(record.event) for record in place.records())
    for command in (("show", ended.id), ("show", ended.id, "--json"), ("list",), ("report", ended.id)):
        called = place.call(*command)
        assert called.returncode == 0, called.stderr
        place.write(f"said-{'-'.join(command)}.txt", called.stdout + called.stderr)
    assert_nowhere(place, said)


def test_a_secret_in_an_undo_that_leaks_is_not_in_the_commands_to_paste(
    place: Place, confidant: tuple[str, Heard]
) -> None:
    url, heard = confidant
    place.extra["LAB_TOKEN"] = ENV
    token = place.write("token", FILE + "\n")
    header = {"Authorization": {"env": "LAB_TOKEN"}, "X-Token": {"file": str(token)}}
    undo = {"type": "http", "url": f"{url}/undo", "method": "DELETE", "headers": header}
    leaking = activity(lasts="200ms", undo=undo)
    place.write("scenario.yaml", script(leaking, limits={"recovery": "1s"}))
    with watching_command_lines(place) as said:
        running = place.start(*RUN)
        wait_for(lambda: running.poll() is not None, 90, "the end")
    ended = assert_ended(place, running.returncode, 4)
    assert next(headers["Authorization"] for path, _, headers in heard if path == "/undo") == ENV
    assert "curl" in ended.faults["broken"].commands[0]
    recovering = place.call("recover", ended.id)
    assert recovering.returncode == 4, recovering.stderr
    place.write("said-recover.txt", recovering.stdout + recovering.stderr)
    assert_nowhere(place, said)
