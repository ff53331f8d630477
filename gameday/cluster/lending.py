"""The target's way into its cluster, lent to what logs in by itself: chaosk8s and other libraries, kubectl, helm.

Left to themselves they take whichever context is current, in whichever kubeconfig they find. What they get is a
kubeconfig that knows the target's context and no other, so that also what asks for another one reaches nothing. It is
made from what gameday itself logs in with (`logins`), and lies in memory: no key is written to a disk, and it is gone
with the process that lent it.

It is lent only where it still leads to the cluster that the exercise began on (`recognise`): what is run by it looks at
no uid.

Who brings a kubeconfig, an address and credentials of its own is not kept from using them. Python's client knows less
of a kubeconfig than kubectl does: `beyond_python` says what.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gameday.cluster import proxies
from gameday.cluster.api import CONNECTING, Where, taken, words
from gameday.cluster.errors import AnotherCluster, Refused, Unreachable
from gameday.cluster.impersonation import headers, whom
from gameday.errors import TargetError

Json = Any

IN_POD = "in-cluster"
"""What the context of a pod's own service account is called; it has no name of its own."""
_MODULE = "kubernetes.config.kube_config"
_NOWHERE = "https://not-the-target.invalid"
_ASKING = 2 * CONNECTING
"""Seconds in which the cluster has to say which one it is, before an activity is run."""


def context_of(where: Where) -> str:
    """The name of the only context that is lent."""
    return IN_POD if where.get("in_cluster") else str(where.get("context"))


def kubeconfig_of(where: Where) -> dict[str, Json]:
    """The kubeconfig with the target's context alone, paths made absolute. It may hold keys and tokens.

    Raises:
        TargetError: it can't be read, has no such context, or leads to another server than it did.
    """
    from yaml import YAMLError

    from gameday.cluster.official import load

    load()
    from kubernetes.config.config_exception import ConfigException

    from gameday.cluster import logins

    name, where = context_of(where), taken(where)
    server = str(where.get("server") or "")
    try:
        if where.get("in_cluster"):
            cluster, user, more = _service_account()
        else:
            cluster, user, more = logins.parts(str(where.get("kubeconfig") or ""), context_of(where), server)
            headers(user)
            proxies.chosen(str(cluster.get("server")), cluster.get("proxy-url"))
    except (ConfigException, YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(f"{words(where)} can't be lent: {' '.join(str(error).split())}") from None
    leads = str(cluster.get("server") or "").rstrip("/")
    if server and leads != server.rstrip("/"):
        raise TargetError(f"{words(where)} leads to {leads} now; it was {server} when this exercise began")
    return _kubeconfig(name, cluster, user, more)


def beyond_python(where: Where, kubeconfig: Mapping[str, Json]) -> str:
    """What this kubeconfig (as `kubeconfig_of` makes it) asks for that Python's client does not do, in words; or ""."""
    user = kubeconfig["users"][0]["user"]
    if whom(user):
        return (
            f"the log-in of {words(where)} impersonates {whom(user)!r}, which chaosk8s does not do: it would act with "
            "all the rights of the account that logs in. Use a context that logs in as that user itself, or kubectl in "
            "an activity of type process"
        )
    if kubeconfig["clusters"][0]["cluster"].get("proxy-url"):
        return (
            f"the kubeconfig of {words(where)} has a proxy-url, which chaosk8s does not heed: it would go to that "
            "address by another way, and maybe to another cluster. Say the proxy by HTTPS_PROXY and HTTP_PROXY "
            "instead, or use kubectl in an activity of type process"
        )
    return ""


def beyond(where: Where) -> str:
    """As `beyond_python`, of the way itself; "" where it can't be had, which is told by whoever takes it."""
    try:
        return beyond_python(where, kubeconfig_of(where))
    except TargetError:
        return ""


def recognise(where: Where, *, ahead: bool = False) -> None:
    """See that this way still leads to the cluster that it led to when it was resolved. For one thread of a process.

    On a connection of its own, since whoever is lent the way makes one too; the log-in is kept for the next time. Where
    it was not to be known which cluster it was (see `Api.identity`), nothing is asked. `ahead`: it is no error that it
    can't be asked now.

    Raises:
        AnotherCluster: it is another one.
        TargetError: that can't be asked now.
    """
    if taken(where).get("uid") is None:
        return
    from gameday.cluster.marks import prepared

    try:
        api = prepared(where)
        api.reconnect()
        api.recognise(CONNECTING if ahead else _ASKING)
    except AnotherCluster:
        raise
    except (Refused, Unreachable, TargetError) as error:
        if not ahead:
            raise TargetError(f"whether it is the same cluster as before can't be asked: {error}") from None


def nowhere(where: Where) -> dict[str, Json]:
    """A kubeconfig by which nothing is reached, for what is run although the target's own can't be had."""
    return _kubeconfig(context_of(where), {"server": _NOWHERE}, {}, {})


def _kubeconfig(
    name: str, cluster: Mapping[str, Json], user: Mapping[str, Json], more: Mapping[str, Json]
) -> dict[str, Json]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": name,
        "clusters": [{"name": name, "cluster": dict(cluster)}],
        "users": [{"name": name, "user": dict(user)}],
        "contexts": [{"name": name, "context": {**more, "cluster": name, "user": name}}],
    }


def _service_account() -> tuple[dict[str, Json], dict[str, Json], dict[str, Json]]:
    from kubernetes.client.configuration import Configuration
    from kubernetes.config import incluster_config

    from gameday.cluster import logins

    found = Configuration()
    logins.load_pod(found)
    token = Path(incluster_config.SERVICE_TOKEN_FILENAME)
    space = token.with_name("namespace")
    more = {"namespace": space.read_text().strip()} if space.is_file() else {}
    cluster = {"server": found.host, "certificate-authority": str(found.ssl_ca_cert)}
    return cluster, {"tokenFile": str(token), "token": logins.token_in(token)}, more


@contextmanager
def lent_to(kubeconfig: Mapping[str, Json]) -> Iterator[dict[str, str]]:
    """What a program finds in its environment to log in by `kubeconfig`, for as long as this lasts."""
    with _file() as file:
        file.write(json.dumps(kubeconfig).encode())
        name = str(kubeconfig["current-context"])
        path = str(file.name) if isinstance(file.name, str) else f"/proc/{os.getpid()}/fd/{file.fileno()}"
        yield {"KUBECONFIG": path, "KUBERNETES_CONTEXT": name, "HELM_KUBECONTEXT": name, "HELM_KUBEAPISERVER": ""}


def _file() -> Any:
    """In memory, or where the system has no such thing, one that nobody else may read."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("kubeconfig"), "wb", buffering=0)
    return tempfile.NamedTemporaryFile(prefix="gameday-", buffering=0)


@contextmanager
def lent(kubeconfig: Mapping[str, Json]) -> Iterator[None]:
    """This process, and what it starts, logs in by `kubeconfig` where it takes the default."""
    with lent_to(kubeconfig) as given:
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        usual = getattr(sys.modules.get(_MODULE), "KUBE_CONFIG_DEFAULT_LOCATION", None)
        _take(given["KUBECONFIG"])
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            _take(usual or os.environ.get("KUBECONFIG", "~/.kube/config"))


def _take(path: str) -> None:
    """The client has read `$KUBECONFIG` when it was imported, which in a worker was long ago."""
    module: Any = sys.modules.get(_MODULE)
    if module is not None:
        module.KUBE_CONFIG_DEFAULT_LOCATION = path
        # Certificates and keys that it wrote into files, which a worker would leave behind.
        module._cleanup_temp_files()
