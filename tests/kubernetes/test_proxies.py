"""By which proxy an API server is reached: as kubectl does it, and said where it is the proxy that refuses."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from gameday.cluster.api import Api
from gameday.cluster.errors import Unreachable
from gameday.cluster.proxies import chosen
from gameday.cluster.resources import PODS
from gameday.errors import TargetError
from gameday.faults import activity
from gameday.faults.chaostoolkit import ActivityFailed
from tests.support.kubernetes.cluster import Cluster

from .targets import where
from .test_in_cluster import TlsFront

Json = dict[str, Any]

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


class Proxy:
    """An HTTP proxy, or, with `socks`, a SOCKS one: carries on what it is asked to, or gives `answer`."""

    def __init__(self, tls: dict[str, Path] | None = None, answer: str = "", *, socks: bool = False) -> None:
        self.asked: list[str] = []
        self.credentials: list[str] = []
        self._answer, self._socks = answer, socks
        self._tls: ssl.SSLContext | None = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(tls["cert"], tls["key"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                came, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(came,), daemon=True).start()

    def _serve(self, came: socket.socket) -> None:
        with contextlib.suppress(OSError), came:
            here = self._tls.wrap_socket(came, server_side=True) if self._tls else came
            to, first = self._wanted_by_socks(here) if self._socks else self._wanted(here)
            if to is None:
                return
            with socket.create_connection(to) as there:
                there.sendall(first)
                back = threading.Thread(target=self._copy, args=(there, here), daemon=True)
                back.start()
                self._copy(here, there)
                back.join(5)

    def _wanted(self, here: socket.socket) -> tuple[tuple[str, int] | None, bytes]:
        head = b""
        while b"\r\n\r\n" not in head:
            head += here.recv(65536)
        line, *fields = head.split(b"\r\n\r\n")[0].decode().split("\r\n")
        self.asked.append(line.rpartition(" ")[0])
        self.credentials += [field.split(": ")[1] for field in fields if field.lower().startswith("proxy-auth")]
        if self._answer:
            here.sendall(self._answer.encode())
            return None, b""
        method, target, _ = line.split(" ")
        if method == "CONNECT":
            here.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            host, _, port = target.rpartition(":")
            return (host, int(port)), b""
        said = urlsplit(target)
        return (str(said.hostname), int(said.port or 80)), head

    def _wanted_by_socks(self, here: socket.socket) -> tuple[tuple[str, int], bytes]:
        here.recv(2 + here.recv(2, socket.MSG_PEEK)[1])
        here.sendall(b"\5\0")
        head = here.recv(5)
        name = here.recv(head[4]).decode() if head[3] == 3 else socket.inet_ntoa(head[4:] + here.recv(3))
        (port,) = struct.unpack("!H", here.recv(2))
        here.sendall(b"\5\0\0\1\0\0\0\0\0\0")
        self.asked.append(f"{name}:{port}")
        return (name, port), b""

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


Open = Callable[..., Proxy]


@pytest.fixture
def proxy() -> Iterator[Open]:
    opened: list[Proxy] = []

    def make(*words: Any, **more: Any) -> Proxy:
        opened.append(Proxy(*words, **more))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def secure(cluster: Cluster, tmp_path: Path, authority: dict[str, Path]) -> Iterator[Cluster]:
    """The cluster, by TLS, and a kubeconfig of the test's own."""
    found = yaml.safe_load(cluster.kubeconfig.read_text())
    front = None
    if not cluster.url.startswith("https"):
        front = TlsFront(int(urlsplit(cluster.url).port or 0), authority)
        trusted = base64.b64encode(authority["cert"].read_bytes()).decode()
        for each in found["clusters"]:
            each["cluster"] = {"server": f"https://127.0.0.1:{front.port}", "certificate-authority-data": trusted}
    cluster.kubeconfig = tmp_path / "secure.kubeconfig"
    cluster.kubeconfig.write_text(yaml.safe_dump(found))
    yield cluster
    if front is not None:
        front.close()


def by(cluster: Cluster, **keys: Any) -> Json:
    """The way to the cluster, whose entry in the kubeconfig says this too."""
    found = yaml.safe_load(cluster.kubeconfig.read_text())
    for each in found["clusters"]:
        each["cluster"] |= keys
    cluster.kubeconfig.write_text(yaml.safe_dump(found))
    return where(cluster)


def test_proxy_url_comes_before_the_environment_also_to_this_machine(
    secure: Cluster, proxy: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    one = proxy()
    api = Api(by(secure, **{"proxy-url": f"http://me:p%40ss@{one.place}"}))
    found, version = api.page(PODS, secure.namespace)
    assert found == [] and api.identity()
    list(api.watch(PODS, secure.namespace, since=version, seconds=1))
    assert one.asked and set(one.asked) == {f"CONNECT {api.server.removeprefix('https://')}"}
    assert set(one.credentials) == {"Basic " + base64.b64encode(b"me:p@ss").decode()}


@pytest.mark.double
def test_what_is_no_https_is_sent_on(cluster: Cluster, proxy: Open) -> None:
    one = proxy()
    api = Api(by(cluster, **{"proxy-url": f"http://{one.place}"}))
    assert api.identity() and api.items(PODS, cluster.namespace) == []
    assert one.asked[0].startswith(f"GET {api.server}/api/v1/")


def test_a_proxy_that_speaks_tls(secure: Cluster, proxy: Open, authority: dict[str, Path], tmp_path: Path) -> None:
    """Its certificate is by the cluster's authority, or by one that this machine knows."""
    one = proxy(authority)
    there = by(secure, **{"proxy-url": f"https://{one.place}"})
    if secure.is_real:
        with pytest.raises(Unreachable, match="the proxy's certificate is not to be trusted"):
            Api(there).identity()
        return
    assert Api(there).identity() and one.asked
    there = by(secure, **{"certificate-authority-data": ""})
    with pytest.raises(Unreachable, match="the proxy's certificate is not to be trusted"):
        Api(there).identity()


def test_who_refuses_is_said_and_no_password(secure: Cluster, proxy: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(by(secure, **{"proxy-url": "http://me:s3cret@127.0.0.1:1"}))
    with pytest.raises(Unreachable) as caught:
        api.ask("DELETE", "/x")
    assert caught.value.never_sent and "s3cret" not in str(caught.value)
    said = r"can't be reached by the proxy http://127\.0\.0\.1:1 \(proxy-url of the kubeconfig\) \(DELETE /x\): connect"
    assert caught.match(said + "ion refused by the proxy")
    one = proxy(answer="HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    by(secure, **{"proxy-url": None, "server": "https://192.0.2.1:6443"})
    said = rf"by the proxy http://{one.place} \(HTTPS_PROXY\) .*: the proxy does not let it through: 403 Forbidden"
    with monkeypatch.context() as there, pytest.raises(Unreachable, match=said):
        there.setenv("HTTPS_PROXY", one.place)
        Api(where(secure)).ask("GET", "/x")
    assert one.asked[0] == "CONNECT 192.0.2.1:6443"


def test_of_the_environment_none_is_for_this_machine(secure: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as there:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "http_proxy", "https_proxy"):
            there.setenv(name, "http://127.0.0.1:1")
        assert Api(where(secure)).identity()


HTTPS = {"HTTPS_PROXY": "http://p:3128"}


@pytest.mark.parametrize(
    ("server", "environ", "url"),
    [
        ("https://k.example.com:6443", HTTPS, "http://p:3128"),
        ("https://k.example.com:6443", {"https_proxy": "p:3128"}, "http://p:3128"),
        ("https://k.example.com:6443", {"HTTP_PROXY": "http://p:3128"}, None),
        ("http://k.example.com", {"HTTP_PROXY": "http://p:3128"}, "http://p:3128"),
        ("https://localhost:6443", HTTPS, None),
        ("https://127.1.2.3:6443", HTTPS, None),
        ("https://[::1]:6443", HTTPS, None),
        ("https://k.example.com:6443", {**HTTPS, "NO_PROXY": "other, .example.com"}, None),
        ("https://k.example.com:6443", {**HTTPS, "no_proxy": "EXAMPLE.com"}, None),
        ("https://example.com:6443", {**HTTPS, "NO_PROXY": ".example.com,*.example.com"}, "http://p:3128"),
        ("https://badexample.com", {**HTTPS, "NO_PROXY": "example.com"}, "http://p:3128"),
        ("https://k.example.com:6443", {**HTTPS, "NO_PROXY": "k.example.com:443"}, "http://p:3128"),
        ("https://k.example.com:6443", {**HTTPS, "NO_PROXY": "k.example.com:6443"}, None),
        ("https://10.0.7.9:6443", {**HTTPS, "NO_PROXY": "10.0.0.0/16"}, None),
        ("https://10.1.7.9:6443", {**HTTPS, "NO_PROXY": "10.0.0.0/16,10.1.7.8"}, "http://p:3128"),
        ("https://10.1.7.9:6443", {**HTTPS, "NO_PROXY": "10.1.7.9"}, None),
        ("https://[2001:db8::1]:6443", {**HTTPS, "NO_PROXY": "2001:db8::/32"}, None),
        ("https://[2001:db8::1]:6443", {**HTTPS, "NO_PROXY": "2001:db8::1"}, None),
        ("https://k.example.com", {**HTTPS, "NO_PROXY": "*"}, None),
    ],
)
def test_the_environment_is_read_as_kubectl_does(server: str, environ: dict[str, str], url: str | None) -> None:
    found = chosen(server, None, environ)
    assert (found and found.url) == url
    mine = chosen(server, "http://mine:1", environ)
    assert mine is not None and mine.url == "http://mine:1"


@pytest.mark.parametrize(
    "said", ["localhost:3128", "127.0.0.1:3128", "ftp://p", "http://", "http://p:x", "http://[", 7]
)
def test_what_is_no_proxy_is_refused_with_the_right_form(secure: Cluster, said: Any) -> None:
    there = by(secure, **{"proxy-url": said})
    with pytest.raises(TargetError, match="the proxy of proxy-url of the kubeconfig is no address of one: write http:"):
        Api(there)


def test_socks_needs_its_package(secure: Cluster, proxy: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    one = proxy(socks=True)
    there = by(secure, **{"proxy-url": f"socks5://{one.place}"})
    with monkeypatch.context() as without:
        without.setattr("gameday.cluster.proxies.find_spec", lambda _: None)
        with pytest.raises(TargetError, match=r"speaks SOCKS, for which the Python package PySocks is needed: install"):
            Api(there)
    pytest.importorskip("socks", reason="PySocks is not installed")
    api = Api(there)
    assert api.identity() and set(one.asked) == {api.server.removeprefix("https://")}


def test_chaosk8s_is_not_led_past_the_proxy_and_programs_know_of_it(secure: Cluster, proxy: Open) -> None:
    there = by(secure, **{"proxy-url": f"http://{proxy().place}"})
    scale = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment"}
    arguments = {"name": "web", "replicas": 1, "ns": secure.namespace}
    with pytest.raises(ActivityFailed, match=r"has a proxy-url, which chaosk8s does not heed: .*HTTPS_PROXY"):
        activity.run_activity({**scale, "arguments": arguments}, cluster=there)
    look = {"type": "process", "path": "sh", "arguments": ["-c", "cat $KUBECONFIG"]}
    lent = json.loads(activity.run_activity(look, cluster=there)["stdout"])
    assert lent["clusters"][0]["cluster"]["proxy-url"].startswith("http://127.0.0.1:")
