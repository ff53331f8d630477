"""The official client is imported in part, whole when somebody wants it whole, and leaves no key in any file."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameday.cluster.api import Api
from gameday.cluster.errors import Unreachable
from gameday.cluster.resources import PODS

ANSWER = {"kind": "PodList", "apiVersion": "v1"}
ALONE = """
import sys
from gameday.cluster import official
official.load()
assert "kubernetes.client.models.v1_pod" not in sys.modules, "the models are what costs"
from chaosk8s.pod.actions import terminate_pods
from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException
assert client.V1Pod(metadata=client.V1ObjectMeta(name="x")).metadata.name == "x"
assert client.CoreV1Api and client.ApiClient is sys.modules["kubernetes.client.api_client"].ApiClient
assert client.Configuration is sys.modules["kubernetes.client.configuration"].Configuration
assert client.ApiException is ApiException and config.new_client_from_config and watch.Watch
assert not hasattr(client, "NoSuchThing")
print("whole")
"""


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_in_part_and_then_whole() -> None:
    assert run(ALONE) == "whole"


def test_one_that_is_there_whole_stays() -> None:
    program = "import kubernetes.client as whole\nfrom gameday.cluster import official\nofficial.load()\n"
    assert (
        run(program + "import kubernetes.client\nprint(kubernetes.client is whole, bool(whole.V1Pod))") == "True True"
    )


@pytest.fixture
def server(authority: dict[str, Path]) -> Iterator[int]:
    """An HTTPS server that wants a client's certificate; says who came."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert isinstance(self.connection, ssl.SSLSocket)
            who = self.connection.getpeercert()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({**ANSWER, "items": [{"metadata": {"name": str(bool(who))}}]}).encode())

        def log_message(self, *_: object) -> None: ...

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority["cert"], authority["key"])
    tls.load_verify_locations(authority["cert"])
    tls.verify_mode = ssl.CERT_REQUIRED
    served = http.server.HTTPServer(("127.0.0.1", 0), Page)
    served.socket = tls.wrap_socket(served.socket, server_side=True)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield served.server_port
    served.shutdown()
    thread.join()
    served.server_close()


def kubeconfig(folder: Path, authority: dict[str, Path], port: int, *, trusted: bool = True) -> Path:
    def inline(name: str) -> str:
        return base64.b64encode(authority[name].read_bytes()).decode()

    user = {"client-certificate-data": inline("cert"), "client-key-data": inline("key")}
    cluster = {"server": f"https://127.0.0.1:{port}"}
    if trusted:
        cluster["certificate-authority-data"] = inline("cert")
    path = folder / "config"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(json.dumps(config))
    return path


def test_certificates_and_keys_stay_in_memory(
    tmp_path: Path, authority: dict[str, Path], server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    from kubernetes.config import kube_config

    where = {"kubeconfig": str(kubeconfig(tmp_path, authority, server)), "context": "x", "in_cluster": False}
    for _ in range(2):
        api = Api(where)
        assert list(scratch.iterdir()) == [], "no key of anybody's lies about"
        assert not [name for name in kube_config._temp_files.values() if name.startswith(str(scratch))]
        assert api.items(PODS, "default") == [{"metadata": {"name": "True"}}]


def test_a_server_that_nobody_vouches_for_is_not_spoken_to(
    tmp_path: Path, authority: dict[str, Path], server: int
) -> None:
    where = {"kubeconfig": str(kubeconfig(tmp_path, authority, server, trusted=False)), "context": "x"}
    with pytest.raises(Unreachable, match="its certificate is not to be trusted: self-signed certificate"):
        Api(where).items(PODS, "default", timeout=2.0)
