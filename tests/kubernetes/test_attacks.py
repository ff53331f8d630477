"""What would make a fault look undone that stands, or take away what is not ours: each of these did so once."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gameday.cluster import litter, marks
from gameday.cluster.api import Api
from gameday.cluster.errors import Unreachable
from gameday.cluster.resources import DEPLOYMENTS
from gameday.errors import TargetError
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.process import write_kubeconfig

from .targets import CONTEXT, where


class Stranger(http.server.ThreadingHTTPServer):
    """Answers everything with the same, and remembers what it was asked."""

    status = 404
    content = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Says)
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Says(http.server.BaseHTTPRequestHandler):
    server: Stranger

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    do_PATCH = do_GET

    def log_message(self, *_: Any) -> None:
        """A test's output is its own."""


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    made = Stranger()
    yield made
    made.shutdown()
    made.server_close()


def struck(cluster: Cluster) -> str:
    """A deployment `web` scaled to nothing; the fault's mark."""
    made = cluster.deployment("web", 2)
    mark = marks.mark_of(CONTEXT, made["metadata"]["uid"], [{"path": "/spec/replicas", "before": 2, "after": 0}])
    marks.strike(Api(where(cluster)), DEPLOYMENTS, cluster.namespace, "web", mark)
    return mark


# --- who answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "content"),
    [
        pytest.param(404, b"<html><h1>404 Not Found</h1></html>", id="a proxy's page"),
        pytest.param(404, b"404 page not found\n", id="a proxy's line"),
        pytest.param(404, b'{"error": "no such route"}', id="a proxy's JSON"),
        pytest.param(200, b'{"status": "ok"}', id="a page for health checks"),
    ],
)
def test_what_is_no_api_server_does_not_say_that_a_fault_is_gone(
    tmp_path: Path, stranger: Stranger, status: int, content: bytes
) -> None:
    """A load balancer whose API server is down, say: it stood, and was told to be recovered."""
    stranger.status, stranger.content = status, content
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", stranger.server_port, "shop")
    api = Api({"kubeconfig": str(kubeconfig), "context": "gameday", "in_cluster": False})
    mark = marks.mark_of(CONTEXT, "u-1", [{"path": "/spec/replicas", "before": 2, "after": 0}])
    for ask in (marks.undo, marks.undone):
        with pytest.raises(Unreachable, match="not an API server's"):
            ask(api, DEPLOYMENTS, "shop", "web", mark)
    try:
        _, blind = litter.find(api, ["shop"])
    except Unreachable:
        return
    assert any(line.startswith("deployments in shop") for line in blind), "nothing was looked at"


@pytest.mark.double
def test_logging_in_again_does_not_lead_to_another_cluster(cluster: DoubleCluster, stranger: Stranger) -> None:
    """The kubeconfig was written anew, and an undo that waits finds its token expired."""
    mark = struck(cluster)
    stranger.content = json.dumps({"kind": "Status", "reason": "NotFound", "code": 404}).encode()
    api = Api(where(cluster))
    cluster.expire()
    write_kubeconfig(cluster.kubeconfig, stranger.server_port, cluster.namespace)
    for ask in (marks.undo, marks.undone):
        with pytest.raises(TargetError, match=rf"leads to http://127.0.0.1:{stranger.server_port} now"):
            ask(api, DEPLOYMENTS, cluster.namespace, "web", mark)
    assert stranger.asked == []
