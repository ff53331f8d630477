"""The official client without its thousand model classes: more than half of its import, and not used here.

`kubernetes`, `kubernetes.client` and `kubernetes.client.models` are put into `sys.modules` as packages whose own
`__init__` has not run yet: modules below them can be imported, and the first name that is asked of such a package runs
its `__init__` and is found. So whoever else imports the client in this process (chaosk8s, say) gets all of it, later.
"""

from __future__ import annotations

import importlib
import importlib.util
import ssl
import sys
import tempfile
import threading
from contextlib import ExitStack
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from gameday.cluster import proxies
from gameday.cluster.impersonation import send_with

_ONE_AT_A_TIME = threading.RLock()
"""The client remembers the files that it wrote, for all threads: one would be given the name of another's."""
_PEM = "what is wanted is PEM (-----BEGIN …), for -data in base64 once more, and a key without a password"
_PACKAGES = ("kubernetes", "kubernetes.client", "kubernetes.client.models")


class _Later(ModuleType):
    """A package whose `__init__` runs when something is asked of it that is not there."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        if name.startswith("__") or spec is None or spec.loader is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__) is not None:
            return importlib.import_module(f"{self.__name__}.{name}")
        # From now on it is a module like any other.
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def load() -> None:
    """Import as much of the client as requests need; what is imported already stays as it is."""
    with _ONE_AT_A_TIME:
        _load()


def _load() -> None:
    if "kubernetes" not in sys.modules:
        parent: ModuleType | None = None
        for name in _PACKAGES:
            parent = _put(name, parent)
    configuration = importlib.import_module("kubernetes.client.configuration")
    api_client = importlib.import_module("kubernetes.client.api_client")
    client = sys.modules["kubernetes.client"]
    if isinstance(client, _Later):
        # What `kubernetes.config` takes from the package.
        vars(client).update(Configuration=configuration.Configuration, ApiClient=api_client.ApiClient)
    importlib.import_module("kubernetes.config")


def _put(name: str, parent: ModuleType | None) -> ModuleType:
    spec: ModuleSpec | None
    spec = importlib.util.find_spec(name) if parent is None else PathFinder.find_spec(name, parent.__path__)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module = _Later(name)
    module.__spec__, module.__file__, module.__package__ = spec, spec.origin, name
    module.__path__ = list(spec.submodule_search_locations or ())
    module.__loader__ = spec.loader
    sys.modules[name] = module
    if parent is not None:
        setattr(parent, name.rpartition(".")[2], module)
    return module


def connect(*, kubeconfig: str | None, context: str | None, in_cluster: bool, server: str = "") -> Any:
    """An `ApiClient` with a configuration of its own, for one connection, that repeats nothing by itself.

    The client writes certificates and keys that stand in a kubeconfig into files that are deleted when the process ends
    in an orderly way, which a worker never does. Here they are read and deleted at once.

    `server`: where it is to lead to, "" for wherever it does; see `logins`.

    Raises:
        ConfigException, YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError: the kubeconfig is wrong.
    """
    load()
    from kubernetes.client.api_client import ApiClient
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
            folder = until_read.enter_context(tempfile.TemporaryDirectory(prefix="gameday-"))
            until_read.callback(logins.forget_files, folder)
            login = logins.load(kubeconfig or "", context, server, folder, configuration)
        made = ApiClient(configuration)
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
