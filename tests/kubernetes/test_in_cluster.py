"""gameday as a pod has it: a service account's files where the kubelet puts them, and nothing else.

The pod is a mount namespace with such files, around the real command. What is a pod of its own account on a real
cluster, its image, its limits, its end, is not shown here.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from gameday.cluster.api import Api
from gameday.cluster.resources import PODS
from gameday.errors import TargetError
from tests.support.kubernetes.cluster import Cluster
from tests.support.runs import Place

from .targets import place_of, target_of, toml_of
from .test_manifests import Account, Print, missing, printed

__all__ = ["printed"]

WEB = {"web": {"workload": "deployment/web", "service": "web"}}
KILL = "  - {at: 0s, fault: pod-kill, with: {service: web}}\n"
OUTAGE = "  - {at: 0s, fault: dependency-outage, with: {service: web}, for: 1s}\n"
HERE = {"in_cluster": True}

POD = """
folder=$1; shift
mount -t tmpfs none "$(readlink -f /var/run)" || exit 99
mkdir -p /var/run/secrets/kubernetes.io && ln -s "$folder" /var/run/secrets/kubernetes.io/serviceaccount || exit 99
exec "$@"
"""


@pytest.fixture(scope="module")
def unshared() -> list[str]:
    """Words before a command that give it a mount namespace of its own."""
    for words in (["unshare", "-m"], ["unshare", "-rm"]):
        probe = [*words, "sh", "-c", POD, "sh", "/nowhere", "true"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0:
            return words
    pytest.skip("no mount namespaces here: nothing can be put where a service account's files are")


class TlsFront:
    """HTTPS before the double's plain HTTP: a pod knows no other."""

    def __init__(self, port: int, certificate: dict[str, Path]) -> None:
        self._to = port
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate["cert"], certificate["key"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                came, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(came,), daemon=True).start()

    def _carry(self, came: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as there:
            with self._tls.wrap_socket(came, server_side=True) as here:
                back = threading.Thread(target=self._copy, args=(there, here), daemon=True)
                back.start()
                self._copy(here, there)
                back.join(5)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


class Pod:
    """A service account's files, and what else a pod knows of its API server."""

    def __init__(self, folder: Path, host: str, port: int, authority: bytes, token: str) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "ca.crt").write_bytes(authority)
        self.token(token)
        self.environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}

    def token(self, token: str) -> None:
        """As the kubelet does when it gives it a new one."""
        (self.folder / "token").write_text(token)


Enter = Callable[[str], Pod]


@pytest.fixture
def pod(cluster: Cluster, tmp_path: Path, authority: dict[str, Path]) -> Iterator[Enter]:
    """Makes a pod's files for a token."""
    fronts: list[TlsFront] = []

    def enter(token: str) -> Pod:
        server = urlsplit(cluster.url)
        assert server.hostname and server.port
        if server.scheme == "https":
            (found,) = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"]
            trusted = base64.b64decode(found["cluster"]["certificate-authority-data"])
            return Pod(tmp_path / "account", server.hostname, server.port, trusted, token)
        fronts.append(TlsFront(server.port, authority))
        return Pod(tmp_path / "account", "127.0.0.1", fronts[-1].port, authority["cert"].read_bytes(), token)

    yield enter
    for front in fronts:
        front.close()


def inside(unshared: list[str], pod: Pod, place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    """`gameday WORDS` in the pod, to its end. It has no kubeconfig."""
    return subprocess.run(
        [*unshared, "sh", "-c", POD, "sh", str(pod.folder), sys.executable, "-m", "gameday", *words],
        cwd=place.folder,
        env={**place.environment, **pod.environment, "KUBECONFIG": "/nowhere", "HOME": str(place.folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def settings(cluster: Cluster) -> str:
    lines = toml_of(cluster, WEB, **HERE).splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("kubeconfig", "context")))


def test_a_pod_runs_a_scenario_with_its_service_account_alone(
    cluster: Cluster, tmp_path: Path, printed: Print, pod: Enter, unshared: list[str]
) -> None:
    cluster.deployment("web", 3)
    before = {one["metadata"]["uid"] for one in cluster.pods("app=web")}
    place = place_of(tmp_path, cluster, WEB, KILL + OUTAGE)
    account = Account(cluster, printed(place, "--namespace", cluster.namespace)[0], tmp_path)
    cluster.until(lambda: not missing(place, target_of(account.seen, WEB)), what="the roles are in force")
    place.write("gameday.toml", settings(cluster))
    here = pod(account.token)
    done = inside(unshared, here, place, "run", "scenario.yaml", "--unattended")
    assert done.returncode == 0, done.stderr + place.said()
    assert done.stderr.count("RECOVERED") == 2
    after = {one["metadata"]["uid"] for one in cluster.pods("app=web")}
    assert len(before - after) == 1, "it was the cluster that was meant"
    selector = cluster.get("Service", "web")["spec"]["selector"]
    assert selector == {"app": "web"}
    assert cluster.get("Lease", "gameday") is None, "the claim is given back"


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Pod], None]:
    """This very process as the pod's: the official client's two paths lead to its files."""

    def enter(pod: Pod) -> None:
        from kubernetes.config import incluster_config

        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(pod.folder / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(pod.folder / "ca.crt"))
        for name, value in pod.environment.items():
            monkeypatch.setenv(name, value)

    return enter


IN_CLUSTER: dict[str, Any] = {"kubeconfig": None, "context": None, "in_cluster": True}


def test_a_token_that_has_run_out_is_read_anew(
    cluster: Cluster, tmp_path: Path, printed: Print, pod: Enter, entered: Callable[[Pod], None]
) -> None:
    """An undo that waits for an hour finds the one that the kubelet has put there meanwhile."""
    cluster.deployment("web", 1)
    place = place_of(tmp_path, cluster, WEB, KILL)
    account = Account(cluster, printed(place, "--namespace", cluster.namespace)[0], tmp_path)
    here = pod("one-that-has-run-out")
    entered(here)
    api = Api(IN_CLUSTER)
    here.token(account.token)
    cluster.until(lambda: api.items(PODS, cluster.namespace), what="the roles are in force")


def test_a_pod_needs_no_place_for_temporary_files(
    tmp_path: Path, authority: dict[str, Path], entered: Callable[[Pod], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file system may be read-only."""
    entered(Pod(tmp_path / "account", "127.0.0.1", 1, authority["cert"].read_bytes(), "t"))
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    assert Api(IN_CLUSTER).server == "https://127.0.0.1:1"


def test_what_a_pod_lacks_is_said(tmp_path: Path, authority: dict[str, Path], entered: Callable[[Pod], None]) -> None:
    here = Pod(tmp_path / "account", "127.0.0.1", 1, authority["cert"].read_bytes(), "t")
    entered(here)
    (here.folder / "token").unlink()
    said = (
        r"^the service account of this pod can't be used: Service token file does not exist; is this a pod, with auto"
    )
    with pytest.raises(TargetError, match=said):
        Api(IN_CLUSTER)
