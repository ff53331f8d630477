"""What a kubeconfig has to look like, in words that say which key is wrong and what belongs there.

The official client stumbles over what is not so wherever it comes to it, takes some of it for something else (a
certificate that is not to be looked at, say, for `insecure-skip-tls-verify: "false"`), and says entries with all that
is in them. Nothing here says a value that may be a secret, and nothing reads a file but `check_file`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

KINDS = {"clusters": "cluster", "users": "user", "contexts": "context"}
"""The lists of a kubeconfig, and what the table of an entry is called."""

_TEXT = {
    "cluster": ("server", "certificate-authority", "certificate-authority-data", "tls-server-name"),
    "user": (
        "client-certificate",
        "client-certificate-data",
        "client-key",
        "client-key-data",
        "token",
        "tokenFile",
        "username",
        "password",
    ),
}
_TABLES = ("exec", "auth-provider")


def check_file(path: str) -> None:
    """As `check`, for a file that could not be taken as it is; where nothing is found wrong, none the less.

    Raises:
        ValueError: always.
        YAMLError, OSError: it can't be read.
    """
    from yaml import safe_load

    try:
        check(safe_load(Path(path).read_text("utf-8")), path)
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text: is this a kubeconfig?") from None
    raise ValueError(f"{path} is no kubeconfig that can be understood: compare it with `kubectl config view`")


def check(said: Any, path: str) -> None:
    """See that a file has the form of a kubeconfig: what is in its entries is not looked at.

    Raises:
        ValueError: it has not.
    """
    if not isinstance(said, Mapping):
        raise ValueError(f"{path} is no kubeconfig: it holds {_kind(said)} in place of clusters, users and contexts")
    for plural, kind in KINDS.items():
        entries = said.get(plural) or []
        if not isinstance(entries, list):
            raise ValueError(f"{path}: {plural} is {_kind(entries)}, and must be a list of entries with `name`")
        for number, entry in enumerate(entries, 1):
            if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
                raise ValueError(f"{path}: entry {number} of {plural} has no `name` that is text: write name: …")
            inner = entry.get(kind)
            if inner is not None and not isinstance(inner, Mapping):
                raise ValueError(f"{path}: {kind} {entry['name']!r} holds {_kind(inner)}, and must hold a table")


def check_cluster(cluster: Mapping[str, Any]) -> None:
    """See that a cluster of a kubeconfig says what it must, in the form that it must have. Raises ValueError."""
    _check_texts("cluster", cluster)
    _check_server(cluster.get("server"))
    insecure = cluster.get("insecure-skip-tls-verify")
    if insecure is not None and not isinstance(insecure, bool):
        raise ValueError("insecure-skip-tls-verify of its cluster is neither true nor false: take the quotes away")


def check_user(user: Mapping[str, Any]) -> None:
    """See that a user of a kubeconfig has what it says in the form that it must have. Raises ValueError."""
    _check_texts("user", user)
    for key in _TABLES:
        if user.get(key) is not None and not isinstance(user[key], Mapping):
            raise ValueError(f"{key} of its user is {_kind(user[key])}, and must be a table")
    plugin = user.get("exec")
    if plugin is None:
        return
    if not isinstance(plugin.get("command"), str):
        raise ValueError("exec of its user has no `command` that is text: write the program that logs in")
    arguments, variables = plugin.get("args") or [], plugin.get("env") or []
    if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
        raise ValueError("args of its user's exec is no list of text: put quotes around numbers")
    if not isinstance(variables, list) or not all(_is_variable(each) for each in variables):
        raise ValueError("env of its user's exec is no list of tables with `name` and `value`, both text")


def _check_texts(kind: str, table: Mapping[str, Any]) -> None:
    for key in _TEXT[kind]:
        value = table.get(key)
        if value is None:
            continue
        if not isinstance(value, str):
            raise ValueError(f"{key} of its {kind} is not text, it is {_kind(value)}: put quotes around it")
        if key.endswith("-data"):
            try:
                base64.b64decode("".join(value.split()), validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(
                    f"{key} of its {kind} is not base64: a file's path belongs under {key.removesuffix('-data')}"
                ) from None


def _check_server(server: Any) -> None:
    if not server:
        raise ValueError("its cluster has no `server`: write server: https://HOST:PORT")
    try:
        said = urlsplit(server)
        fits = said.scheme in ("http", "https") and bool(said.hostname) and said.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ValueError("server of its cluster is no address: write https://HOST:PORT")
    if said.password or said.username:
        raise ValueError(
            "server of its cluster holds a user or password, which would be shown: say them under its user"
        )


def _is_variable(said: Any) -> bool:
    return isinstance(said, Mapping) and isinstance(said.get("name"), str) and isinstance(said.get("value"), str)


def _kind(value: Any) -> str:
    """What a value is, in words, without it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "something else")
