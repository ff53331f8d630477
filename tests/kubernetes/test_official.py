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
from contextlib import contextmanager
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
ASKING = """
import sys
from gameday.cluster import official, warm
from gameday.cluster.api import Api
from gameday.cluster.resources import PODS
for path in sys.argv[2:]:
    Api({"kubeconfig": path, "context": "x"})
assert Api({"kubeconfig": sys.argv[1], "context": "x"}).items(PODS, "default")
print(*sorted(sys.modules))
"""
NOT_USED = {
    "adal",
    "certifi",
    "charset_normalizer",
    "dateutil",
    "google.auth",
    "http.cookiejar",
    "idna",
    "importlib.metadata",
    "importlib.resources",
    "kubernetes.client.api",
    "kubernetes.client.models.v1_pod",
    "multiprocessing",
    "oauthlib",
    "pickle",
    "platform",
    "requests",
    "requests_oauthlib",
    "zipfile",
}
"""What costs more than all that a request takes, and comes with the client where nobody sees to it."""
LATER = """
import sys
from gameday.cluster import official
official.load()
from kubernetes.client import api_client, configuration, rest
from kubernetes.config import kube_config
import threading
import requests_oauthlib, multiprocessing.pool, urllib3.http2, certifi
assert isinstance(requests_oauthlib.OAuth2Session, type), "who asks for it himself has it"
assert isinstance(kube_config.OAuth2Session(client_id="x"), requests_oauthlib.OAuth2Session)
assert issubclass(kube_config.oauthlib.oauth2.rfc6749.errors.InvalidClientIdError, Exception)
assert kube_config.platform.node() and kube_config.platform.system() == "Linux"
assert configuration.multiprocessing.cpu_count() == multiprocessing.cpu_count()
assert configuration.multiprocessing.Process is multiprocessing.Process
assert rest.certifi.where() == certifi.where() and rest.should_bypass_proxies("http://a", no_proxy="*")
assert urllib3.http2.inject_into_urllib3 and urllib3.http2.probe.acquire_and_get
client = api_client.ApiClient()
with client:
    assert isinstance(client.pool, multiprocessing.pool.ThreadPool)
found = []
def ask(): found.append(__import__("kubernetes").client.V1Pod)
several = [threading.Thread(target=ask) for _ in range(4)]
for one in several: one.start()
for one in several: one.join()
assert len(set(found)) == 1 and len(found) == 4, found
class Said: data = '{"metadata": {"creationTimestamp": "2026-01-02T03:04:05Z"}}'
assert client.deserialize(Said, "V1Pod").metadata.creation_timestamp.year == 2026
import kubernetes
assert kubernetes.__version__ == kubernetes.client.__version__ and "V1Pod" in dir(kubernetes.client)
assert kubernetes.client.rest is rest and kubernetes.config.kube_config is kube_config
print("all there")
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_in_part_and_then_whole() -> None:
    assert run(ALONE) == "whole"


def test_one_that_is_there_whole_stays() -> None:
    program = "import kubernetes.client as whole\nfrom gameday.cluster import official\nofficial.load()\n"
    assert (
        run(program + "import kubernetes.client\nprint(kubernetes.client is whole, bool(whole.V1Pod))") == "True True"
    )


def test_what_a_run_does_not_use_is_not_imported(tmp_path: Path, authority: dict[str, Path], server: int) -> None:
    plain = tmp_path / "plain"
    plain.write_text(kubeconfig(tmp_path, authority, 1, trusted=False).read_text().replace("https://", "http://"))
    loaded = set(run(ASKING, str(kubeconfig(tmp_path, authority, server)), str(plain)).split())
    assert "kubernetes.config.kube_config" in loaded
    assert not loaded & NOT_USED


def test_a_request_of_a_forked_worker_imports_nothing(tmp_path: Path, authority: dict[str, Path], server: int) -> None:
    program = """
import sys
from gameday.cluster import warm
before = set(sys.modules)
from gameday.cluster.api import Api
from gameday.cluster.resources import PODS
assert Api({"kubeconfig": sys.argv[1], "context": "x"}).items(PODS, "default")
print(*sorted(set(sys.modules) - before))
"""
    assert run(program, str(kubeconfig(tmp_path, authority, server))) == ""


def test_what_was_not_imported_is_there_for_whoever_asks() -> None:
    assert run(LATER) == "all there"


def test_a_token_that_has_run_out_is_refreshed(tmp_path: Path, authority: dict[str, Path], issuer: int) -> None:
    said = {"idp-issuer-url": f"https://127.0.0.1:{issuer}", "id-token": token(1), "refresh-token": "old"}
    path = kubeconfig(tmp_path, authority, issuer, oidc=said)
    program = ASKING.replace("assert Api", "found = Api").replace("*sorted(sys.modules)", "found[0]")
    assert token(FRESH) in run(program, str(path))


def test_what_somebody_has_imported_before_stays() -> None:
    program = (
        "import multiprocessing.pool as pool, platform, requests_oauthlib, urllib3.http2 as http2\n"
        "from gameday.cluster import official\nofficial.load()\n"
        "from kubernetes.client import api_client\nfrom kubernetes.config import kube_config\nimport urllib3\n"
        "print(api_client.ThreadPool is pool.ThreadPool, kube_config.platform is platform, urllib3.http2 is http2,\n"
        "kube_config.OAuth2Session is requests_oauthlib.OAuth2Session)"
    )
    assert run(program) == "True True True True"


class Page(http.server.BaseHTTPRequestHandler):
    """An API server with one pod, named after who came."""

    def do_GET(self) -> None:
        assert isinstance(self.connection, ssl.SSLSocket)
        self.say({**ANSWER, "items": [{"metadata": {"name": str(bool(self.connection.getpeercert()))}}]})

    def say(self, what: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(what).encode())

    def log_message(self, *_: object) -> None: ...


class Issuer(Page):
    """And one that gives tokens by OpenID Connect, whose pod is named after the token that came."""

    def do_GET(self) -> None:
        assert isinstance(self.server, http.server.HTTPServer)
        if self.path == "/.well-known/openid-configuration":
            self.say({"token_endpoint": f"https://127.0.0.1:{self.server.server_port}/token"})
        else:
            self.say({**ANSWER, "items": [{"metadata": {"name": self.headers["Authorization"]}}]})

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert "refresh_token=old" in said, said
        self.say({"access_token": "a", "id_token": token(FRESH), "refresh_token": "new", "token_type": "Bearer"})


FRESH = 4_000_000_000
"""A time that is far off."""


def token(until: int) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps({'exp': until}).encode()).decode().rstrip('=')}.s"


@contextmanager
def serving(authority: dict[str, Path], page: type[Page], who: ssl.VerifyMode) -> Iterator[int]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority["cert"], authority["key"])
    tls.load_verify_locations(authority["cert"])
    tls.verify_mode = who
    served = http.server.HTTPServer(("127.0.0.1", 0), page)
    served.socket = tls.wrap_socket(served.socket, server_side=True)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield served.server_port
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture
def server(authority: dict[str, Path]) -> Iterator[int]:
    """An HTTPS server that wants a client's certificate; says who came."""
    with serving(authority, Page, ssl.CERT_REQUIRED) as port:
        yield port


@pytest.fixture
def issuer(authority: dict[str, Path]) -> Iterator[int]:
    with serving(authority, Issuer, ssl.CERT_NONE) as port:
        yield port


def kubeconfig(
    folder: Path, authority: dict[str, Path], port: int, *, trusted: bool = True, oidc: dict[str, str] | None = None
) -> Path:
    def inline(name: str) -> str:
        return base64.b64encode(authority[name].read_bytes()).decode()

    user: dict[str, object] = {"client-certificate-data": inline("cert"), "client-key-data": inline("key")}
    if oidc is not None:
        said = {"client-id": "c", "client-secret": "s", "idp-certificate-authority-data": inline("cert"), **oidc}
        user = {"auth-provider": {"name": "oidc", "config": said}}
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
