"""A kubeconfig that is wrong: what is, where, and what belongs there; never a value that may be a secret."""

from __future__ import annotations

import base64
import json
import subprocess
import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml

from gameday.cluster.api import Api
from gameday.cluster.lending import kubeconfig_of
from gameday.errors import TargetError

Json = dict[str, Any]

SECRET = "s3cr3t"


def kubeconfig(**more: Any) -> Json:
    """One that is right, but for this; `cluster` and `user` are what their tables say beside the rest."""
    cluster = {"server": "https://127.0.0.1:1", **more.pop("cluster", {})}
    user = {"token": SECRET, **more.pop("user", {})}
    return {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u"}}],
        **more,
    }


def complaint(path: Path) -> str:
    """What is said of the context `lab`, the same by whoever logs in and whoever lends."""
    where = {"kubeconfig": str(path), "context": "lab", "in_cluster": False}
    with pytest.raises(TargetError) as caught:
        Api(where)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    said = str(caught.value)
    assert said.startswith("context lab can't be used: ") and str(path) in said
    return said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "is no kubeconfig: it holds text in place of clusters, users and contexts"),
        ("7", "is no kubeconfig: it holds a number"),
        ("[a]", "is no kubeconfig: it holds a list"),
        ("clusters: x", ": clusters is text, and must be a list of entries with `name`"),
        ("users: {a: b}", ": users is a table, and must be a list"),
        ("contexts: [x]", ": entry 1 of contexts has no `name` that is text"),
        ("contexts: [{name: a}, {name: 5}]", ": entry 2 of contexts has no `name` that is text"),
        ("clusters: [{name: a, cluster: x}]", ": cluster 'a' holds text, and must hold a table"),
        ("users: [{name: a, user: [token]}]", ": user 'a' holds a list, and must hold a table"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        ("", "file is empty"),
        ("a: b: c", "mapping values are not allowed here"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = tmp_path / "config"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert said in complaint(path)


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"server": 5}, "server of its cluster is not text, it is a number: put quotes around it"),
        ({"server": None}, "its cluster has no `server`: write server: https://HOST:PORT"),
        ({"server": "k.example.com:6443"}, "server of its cluster is no address: write https://HOST:PORT"),
        ({"server": "https://k.example.com:x"}, "server of its cluster is no address"),
        ({"server": f"https://me:{SECRET}@k.example.com"}, "server of its cluster holds a user or password"),
        ({"insecure-skip-tls-verify": "false"}, "insecure-skip-tls-verify of its cluster is neither true nor false"),
        ({"certificate-authority-data": "not base64!"}, "certificate-authority-data of its cluster is not base64: a"),
        ({"certificate-authority-data": base64.b64encode(b"no PEM").decode()}, "holds no certificate: what is wanted"),
        ({"certificate-authority-data": 7}, "certificate-authority-data of its cluster is not text"),
        ({"certificate-authority": "/nowhere/ca.crt"}, "File does not exist: /nowhere/ca.crt"),
    ],
)
def test_a_cluster_that_is_wrong(tmp_path: Path, cluster: Json, said: str) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig(cluster=cluster)))
    assert said in complaint(path)


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"tokenFile": 5}, "tokenFile of its user is not text"),
        ({"exec": "aws"}, "exec of its user is text, and must be a table"),
        ({"exec": {"apiVersion": "v1"}}, "exec of its user has no `command` that is text"),
        ({"exec": {"command": "x", "args": [1]}}, "args of its user's exec is no list of text: put quotes around"),
        ({"exec": {"command": "x", "env": {"A": "b"}}}, "env of its user's exec is no list of tables"),
        ({"auth-provider": "oidc"}, "auth-provider of its user is text, and must be a table"),
        ({"client-key-data": "%"}, "client-key-data of its user is not base64"),
        ({"client-key-data": base64.b64encode(b"x").decode()}, "its user has a client-key and no client-certificate"),
        (
            dict.fromkeys(("client-certificate-data", "client-key-data"), base64.b64encode(b"x").decode()),
            "client-certificate and client-key of its user can't be used: what is wanted is PEM",
        ),
    ],
)
def test_a_user_that_is_wrong(tmp_path: Path, user: Json, said: str) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig(user=user)))
    assert said in complaint(path)


def test_entries_are_never_said_with_all_that_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "config"
    users = [
        {"name": "u", "user": {"token": SECRET, "auth-provider": {"name": "gcp", "config": {"access-token": None}}}}
    ]
    path.write_text(json.dumps(kubeconfig(users=users)))
    assert "user 'u'/user/auth-provider" in complaint(path)
    path.write_text(json.dumps(kubeconfig(contexts=[{"name": "lab", "context": {"user": "u"}}])))
    assert "Expected key cluster in" in complaint(path)


def test_a_key_with_nothing_after_it_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "config"
    nothing = dict.fromkeys(("certificate-authority", "certificate-authority-data", "proxy-url", "tls-server-name"))
    user = dict.fromkeys(("client-key", "client-certificate-data", "tokenFile", "as", "as-groups", "exec"))
    path.write_text(json.dumps(kubeconfig(cluster=nothing, user=user)))
    where = {"kubeconfig": str(path), "context": "lab", "in_cluster": False}
    assert Api(where).server == "https://127.0.0.1:1"
    assert kubeconfig_of(where)["users"][0]["user"] == {"token": SECRET}


def test_a_key_that_is_another_ones_or_has_a_password(tmp_path: Path, authority: dict[str, Path]) -> None:
    path, other = tmp_path / "config", tmp_path / "other.pem"
    key = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", str(other)]
    user = {"client-certificate": str(authority["cert"]), "client-key": str(other)}
    path.write_text(json.dumps(kubeconfig(user=user)))
    subprocess.run(key, check=True, capture_output=True)
    assert "client-key of its user can't be used: they don't belong together" in complaint(path)
    subprocess.run([*key, "-aes256", "-pass", "pass:x"], check=True, capture_output=True)
    assert "and a key without a password" in complaint(path)
