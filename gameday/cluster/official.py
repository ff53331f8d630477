"""The official client for one connection: as `logins` say, by the proxy that leads there, and no key in any file.

It is imported without what a run does not use: see `sparing`.
"""

from __future__ import annotations

import importlib
import ssl
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gameday.cluster import proxies, sparing
from gameday.cluster.impersonation import send_with

_ONE_AT_A_TIME = threading.RLock()
"""The client remembers the files that it wrote, for all threads: one would be given the name of another's."""
_NOT_ASKED_FOR = "authorities that are not asked for"
"""In place of a file with them."""
_PEM = "what is wanted is PEM (-----BEGIN …), for -data in base64 once more, and a key without a password"


def load() -> None:
    """Import as much of the client as requests need; what is imported already stays as it is."""
    with _ONE_AT_A_TIME:
        _load()


def _load() -> None:
    sparing.install()
    configuration = importlib.import_module("kubernetes.client.configuration")
    api_client = importlib.import_module("kubernetes.client.api_client")
    client = sys.modules["kubernetes.client"]
    if isinstance(client, sparing.Package):
        # What `kubernetes.config` takes from the package.
        vars(client).update(Configuration=configuration.Configuration, ApiClient=api_client.ApiClient)
    importlib.import_module("kubernetes.config")


def connect(*, kubeconfig: str | None, context: str | None, in_cluster: bool, server: str = "") -> Any:
    """An `ApiClient` with a configuration of its own, for one connection, that repeats nothing by itself.

    The client writes certificates and keys that stand in a kubeconfig into files that are deleted when the process ends
    in an orderly way, which a worker never does. Here they are read and deleted at once.

    `server`: where it is to lead to, "" for wherever it does; see `logins`.

    Raises:
        ConfigException, YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError: the kubeconfig is wrong.
    """
    load()
    from kubernetes.client.configuration import Configuration
    from urllib3 import Retry

    from gameday.cluster import logins

    configuration = Configuration()
    configuration.retries = Retry(total=0, redirect=0)
    configuration.connection_pool_maxsize = 1
    # What the client takes from the environment by itself is not what kubectl takes.
    configuration.proxy = None
    login = logins.Login()
    with _ONE_AT_A_TIME, ExitStack() as until_read:
        if in_cluster:
            # It brings files of its own: a pod whose file system is read-only needs no /tmp for this.
            logins.load_pod(configuration)
        else:

            def folder() -> str:
                made = until_read.enter_context(tempfile.TemporaryDirectory(prefix="gameday-"))
                until_read.callback(logins.forget_files, made)
                return made

            login = logins.load(kubeconfig or "", context, server, folder, configuration)
        made = _made(configuration)
        made.user_agent = "gameday"
        if str(configuration.host).startswith("https:"):
            _keep_secrets_in_memory(made, configuration)
        if (proxy := proxies.chosen(str(configuration.host), login.proxy)) is not None:
            words = made.rest_client.pool_manager.connection_pool_kw
            tls = _to_proxy(configuration) if proxy.url.startswith("https:") else None
            made.rest_client.pool_manager = proxies.pool_manager(proxy, words, tls)
            # To be shown; it is without credentials.
            configuration.proxy = str(proxy)
    send_with(made.rest_client.pool_manager, login.headers)
    return made


def _made(configuration: Any) -> Any:
    """A client that has not looked for the authorities that it brings: all TLS here is by contexts of our own."""
    from kubernetes.client.api_client import ApiClient

    authority = configuration.ssl_ca_cert
    configuration.ssl_ca_cert = authority or _NOT_ASKED_FOR
    try:
        return ApiClient(configuration)
    finally:
        configuration.ssl_ca_cert = authority


def contexts(kubeconfig: str | None) -> list[str]:
    """The names of the contexts of a kubeconfig; none where it can't be read."""
    from kubernetes import config
    from kubernetes.config.config_exception import ConfigException
    from yaml import YAMLError

    try:
        found, _ = config.list_kube_config_contexts(str(Path(kubeconfig).expanduser()) if kubeconfig else None)
    except (ConfigException, YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [str(one["name"]) for one in found]


def _keep_secrets_in_memory(client: Any, configuration: Any) -> None:
    """Certificates and keys as a TLS context instead of as files that are read for each connection."""
    try:
        tls = _trusting(configuration, ssl.create_default_context(cafile=configuration.ssl_ca_cert))
    except ssl.SSLError:
        raise ValueError(f"certificate-authority of its cluster, or its -data, holds no certificate: {_PEM}") from None
    if configuration.key_file and not configuration.cert_file:
        raise ValueError("its user has a client-key and no client-certificate: add that, or take the key out")
    if configuration.cert_file:
        try:
            # Without a password somebody would be asked for one.
            tls.load_cert_chain(configuration.cert_file, configuration.key_file, password="")
        except ssl.SSLError as error:
            why = "they don't belong together" if error.reason == "KEY_VALUES_MISMATCH" else _PEM
            raise ValueError(f"client-certificate and client-key of its user can't be used: {why}") from None
    words = client.rest_client.pool_manager.connection_pool_kw
    for name in ("ca_certs", "cert_file", "key_file", "cert_reqs"):
        words.pop(name, None)
    words["ssl_context"] = tls


def _to_proxy(configuration: Any) -> ssl.SSLContext:
    """TLS to a proxy: the cluster's authority is trusted there as well, as kubectl does, and those of this machine."""
    tls = ssl.create_default_context()
    if configuration.ssl_ca_cert:
        tls.load_verify_locations(cafile=configuration.ssl_ca_cert)
    return _trusting(configuration, tls)


def _trusting(configuration: Any, tls: ssl.SSLContext) -> ssl.SSLContext:
    # Newer Pythons are stricter about authorities than kubectl is, and than the authorities of many clusters are.
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls
