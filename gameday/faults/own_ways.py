"""Whether an activity names a cluster of its own, beside the target's.

On a cluster an activity is led to the target's and to no other (`cluster.lending`). One that means another would fail
under way, or, with a kubeconfig of its own, break what nobody said may be broken: so it is refused before the start.
What a script does inside can't be known. One that can't take the target's way as that is meant is refused as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gameday.cluster.lending import beyond, context_of
from gameday.faults import secrets as secret_places
from gameday.faults.chaostoolkit import by_chaosk8s

Json = Any

_CONTEXTS = ("KUBERNETES_CONTEXT", "HELM_KUBECONTEXT")
_ADDRESSES = ("KUBERNETES_HOST", "HELM_KUBEAPISERVER")
_FILES = ("KUBECONFIG",)
_NAME = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_CLIENTS = re.compile(r"\b(?:kubectl|oc|helm)\b")
_OPTION = re.compile(
    r"(?:--(context|kube-context|kubeconfig|server|kube-apiserver)|\b(KUBECONFIG))(?:=|[\s\",]+)([^\s\",]+)"
)


def strays(provider: Mapping[str, Json], cluster: Mapping[str, Json]) -> Iterator[str]:
    """What of a provider leads elsewhere than to `cluster` (the target's settings of it), in words."""
    for name, value in _secrets(provider):
        if name in _CONTEXTS and value != context_of(cluster):
            yield f"{name} among its secrets names the context {value!r}"
        elif name in _ADDRESSES and value.rstrip("/") != str(cluster.get("server") or "").rstrip("/"):
            yield f"{name} among its secrets names the address {value}"
        elif name in _FILES:
            yield f"{name} among its secrets names a kubeconfig"
    if provider.get("type") != "process":
        return
    known = _known(provider.get("configuration"))
    line = f"{provider.get('path')} {_words(provider.get('arguments'))}"
    line = _NAME.sub(lambda found: known.get(found[1] or found[2], found[0]), line)
    if not _CLIENTS.search(line):
        return
    for option, variable, value in _OPTION.findall(line):
        if option in ("context", "kube-context") and value.strip("'") == context_of(cluster):
            continue
        yield f"{variable or f'--{option}'} {value} stands among its arguments"


def unable(provider: Mapping[str, Json], cluster: Mapping[str, Json]) -> str:
    """Why a provider can't do what it does by the log-in to `cluster`, in words; "" where it can, or nobody knows."""
    return beyond(cluster) if by_chaosk8s(provider) else ""


def _secrets(provider: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    written = provider.get("secrets")
    if not isinstance(written, Mapping):
        return
    for group in secret_places.groups(written).values():
        for name, where in group.items():
            if name in (*_CONTEXTS, *_ADDRESSES, *_FILES):
                try:
                    yield name, secret_places.read(where)
                except RuntimeError:
                    # That it is not there is told by whoever looks for all secrets.
                    continue


def _known(configuration: Json) -> dict[str, str]:
    """The values that are known before it is run: those that are written down, and the environment's."""
    found = {}
    for name, value in configuration.items() if isinstance(configuration, Mapping) else ():
        if not isinstance(value, Mapping):
            found[name] = str(value)
        elif value.get("type") == "env" and (said := os.environ.get(str(value.get("key")), value.get("default"))):
            found[name] = str(said)
    return found


def _words(arguments: Json) -> str:
    if isinstance(arguments, str):
        return arguments
    if isinstance(arguments, Mapping):
        return " ".join(f"{key} {value}" for key, value in arguments.items())
    return " ".join(map(str, arguments or ()))
