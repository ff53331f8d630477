"""A log-in that gets lost under way: the kubeconfig deleted or changed, its plugin hanging or failing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.cluster import lease, logins
from gameday.cluster.api import Api
from gameday.errors import TargetError
from tests.support.kubernetes.cluster import Cluster, DoubleCluster
from tests.support.kubernetes.process import TOKENS

from .targets import place_of, where

TIMELINE = """\
  - {at: 0s, id: dark, fault: dependency-outage, with: {service: web, by: scale}, for: 3s}
  - {after: {entry: dark, delay: 1s}, id: dead, fault: pod-kill, with: {service: web}}
"""


@pytest.fixture
def own(cluster: Cluster, tmp_path: Path) -> Path:
    """A kubeconfig of the test's own."""
    path = tmp_path / "own.kubeconfig"
    path.write_text(cluster.kubeconfig.read_text())
    cluster.kubeconfig = path
    return path


@pytest.fixture
def forgetful() -> Iterator[None]:
    yield
    logins._kept.clear()


def test_an_exercise_goes_on_without_its_kubeconfig(cluster: Cluster, own: Path, tmp_path: Path) -> None:
    """Undone, and another fault planned, injected, verified and undone, with what was read when it began."""
    cluster.deployment("web", replicas=2)
    services = {"web": {"workload": "deployment/web", "service": "web"}}
    place = place_of(tmp_path, cluster, services, TIMELINE)
    try:
        process = place.start("run", "scenario.yaml", "--unattended")
        place.wait_until("the fault in effect", lambda x: "dark" in x.faults and x.faults["dark"].stage == "effective")
        own.unlink()
        assert process.wait(90) == 0, place.said()
        faults = place.exercise().faults
        assert {name: fault.stage for name, fault in faults.items()} == {"dark": "recovered", "dead": "recovered"}
        place.gone()
        assert cluster.get("Lease", "gameday") is None
    finally:
        place.clean_up()


def several(count: int, server: str) -> str:
    """A kubeconfig with as many clusters, and a token and a certificate's worth of text for each."""
    said: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": "x0"}
    said["clusters"] = [{"name": f"c{one}", "cluster": {"server": server}} for one in range(count)]
    said["users"] = [{"name": f"u{one}", "user": {"token": "abc" * 500}} for one in range(count)]
    said["contexts"] = [{"name": f"x{n}", "context": {"cluster": f"c{n}", "user": f"u{n}"}} for n in range(count)]
    return yaml.safe_dump(said)


def test_a_kubeconfig_that_is_as_it_was_is_not_read_as_yaml_again(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(several(60, "http://a.example.com"))
    there, took = {"kubeconfig": str(path), "context": "x7"}, []
    for _ in range(2):
        began = time.process_time()
        assert Api(there).server == "http://a.example.com"
        took.append(time.process_time() - began)
    assert took[1] < took[0] / 4
    before = path.stat()
    path.write_text(several(60, "http://b.example.com"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert Api(there).server == "http://b.example.com"


def test_what_a_log_in_writes_into_it_is_not_taken_for_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(several(1, "http://a.example.com"))
    for _ in range(2):
        found = logins._read(str(path))
        assert found["users"].get_with_name("u0")["user"]["token"].startswith("abc")
        found["users"].get_with_name("u0")["user"].value["token"] = "fresh"


@pytest.mark.double
def test_no_folder_is_made_for_keys_where_there_are_none(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert Api(where(cluster)).identity()


@pytest.mark.usefixtures("forgetful")
def test_what_was_kept_is_used_where_the_file_leads_elsewhere(cluster: Cluster, own: Path) -> None:
    logins.keep(str(own))
    there = {**where(cluster), "server": Api(where(cluster)).server}
    said = yaml.safe_load(own.read_text())
    for each in said["clusters"]:
        each["cluster"]["server"] = "https://127.0.0.1:1"
    own.write_text(yaml.safe_dump(said))
    assert Api(there).identity()
    own.write_text("{")
    assert Api(there).identity()
    own.unlink()
    assert Api(there).identity()
    logins._kept.clear()
    with pytest.raises(TargetError, match="can't be used"):
        Api(there)


# --- plugins ---------------------------------------------------------------------------------------------------------


def plugged(cluster: Cluster, path: Path, script: str) -> dict[str, Any]:
    """The cluster, logged in to by a plugin that is this script."""
    said = yaml.safe_load(path.read_text())
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", script],
        "interactiveMode": "Never",
    }
    for each in said["users"]:
        each["user"] = {"exec": plugin}
    path.write_text(yaml.safe_dump(said))
    return where(cluster)


def test_a_plugin_that_hangs_is_killed_with_what_it_started(
    cluster: Cluster, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "PLUGIN", 0.5)
    pid = tmp_path / "pid"
    there = plugged(cluster, own, f"sleep 600 & echo $! > {pid}; wait")
    began = time.monotonic()
    with pytest.raises(TargetError, match=r"its log-in plugin sh did not answer within 0.5 s and was killed: log in"):
        Api(there)
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        cluster.until(lambda: os.kill(int(pid.read_text()), 0), 5)


def test_a_plugin_that_fails_is_told_and_nobody_goes_on_as_nobody(cluster: Cluster, own: Path) -> None:
    there = plugged(cluster, own, "echo 'your session has expired' >&2; exit 3")
    with pytest.raises(TargetError, match=r"plugin sh failed with exit code 3: your session has expired: log in anew"):
        Api(there)
    with pytest.raises(TargetError, match="gave no ExecCredential"):
        Api(plugged(cluster, own, "echo hello"))


def credential(**status: str) -> str:
    said = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"printf %s '{json.dumps(said)}'"


def certified(cluster: Cluster) -> dict[str, str]:
    """What the cluster's own kubeconfig logs in with."""
    from base64 import b64decode

    user = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]
    if "token" in user:
        return {"token": next(token for token, name in TOKENS.items() if name == "gameday")}
    names = ("client-certificate-data", "clientCertificateData"), ("client-key-data", "clientKeyData")
    return {new: b64decode(user[old]).decode() for old, new in names}


def test_a_plugin_that_works(cluster: Cluster, own: Path) -> None:
    assert Api(plugged(cluster, own, credential(**certified(cluster)))).identity()


@pytest.mark.double
def test_when_it_begins_to_fail_the_old_token_is_used_on(
    cluster: DoubleCluster, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would ask it for a fresh one before each request, and wait for it each time."""
    monkeypatch.setattr(logins, "PLUGIN", 0.3)
    bad, asked = tmp_path / "bad", tmp_path / "asked"
    fine = credential(**certified(cluster), expirationTimestamp="2020-01-01T00:00:00Z")
    api = Api(plugged(cluster, own, f"echo >> {asked}; test -e {bad} && sleep 60; {fine}"))
    assert api.identity()
    bad.touch()
    before = len(asked.read_text())
    began = time.monotonic()
    for _ in range(5):
        assert api.identity()
    assert len(asked.read_text()) == before + 1
    assert time.monotonic() - began < 3


@pytest.mark.double
def test_a_claim_that_we_cant_log_in_for_any_more_ends_the_exercise(
    cluster: DoubleCluster, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEWED", 0.05)
    monkeypatch.setattr(lease, "LASTS", 1)
    lease.acquire(where(cluster), [cluster.namespace], "x-1")
    kept = lease.keep(where(cluster), [cluster.namespace], "x-1")
    assert "confirmed" in next(kept)
    cluster.rules("gameday", [])
    monkeypatch.setattr(Api, "_once", _unauthorized)
    own.unlink()
    said = list(kept)
    assert "the claim can't be renewed: context" in said[0]["warn"] and "can't be used" in said[0]["warn"]
    assert "has run out, and we may not renew it" in said[-1]["abort"]


def _unauthorized(*_: Any) -> Any:
    from gameday.cluster.errors import Refused

    raise Refused("GET /", 401, {"message": "Unauthorized"})
