"""A scenario that was rehearsed on the sandbox runs on a cluster as it is: the target says what its names stand for."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubernetes.cluster import Cluster
from tests.support.runs import Place

from .targets import toml_of

SHIPPED = Path(__file__).parents[2] / "scenarios" / "sandbox" / "pod-kill.yaml"
ANSWERS = {"/health": "ok", "/error-rate": "0.0", "/request-rate": "50"}


@pytest.fixture
def shop() -> Iterator[str]:
    """What the services' addresses lead to; the double's pods serve nothing."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ANSWERS.get(self.path, "").encode())

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_shipped_pod_kill_runs_on_a_cluster(cluster: Cluster, shop: str, tmp_path: Path) -> None:
    cluster.deployment("checkout", replicas=2)
    before = {pod["metadata"]["name"] for pod in cluster.pods("app=checkout")}
    services = {
        "checkout": {"workload": "deployment/checkout", "service": "checkout", "address": shop},
        "storefront": {"address": shop},
    }
    measures = "".join(
        f'\n[targets.staging.measures.{name}.http]\nurl = "{shop}/{name}"\nread = "body"\n'
        for name in ("error-rate", "request-rate")
    )
    place = Place(tmp_path)
    place.write("gameday.toml", toml_of(cluster, services) + measures)
    times = ("--set", "second=7s", "--set", "third=9s")
    done = place.call("run", str(SHIPPED), "--target", "staging", "--unattended", *times, timeout=180)
    assert done.returncode == 0, done.stderr
    faults = place.exercise().faults
    assert [fault.stage for fault in faults.values()] == ["recovered"] * 3, done.stderr
    cluster.whole("checkout")
    assert before != {pod["metadata"]["name"] for pod in cluster.pods("app=checkout")}
