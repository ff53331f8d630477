"""How the official client logs in by a kubeconfig here: from memory where the file is gone, and never waiting for ever.

Whoever forks workers keeps the kubeconfig as it was (`keep`): an exercise that has begun must be undone also where the
file was deleted, or written anew, meanwhile. A log-in plugin is bounded by time and killed with all that it started;
that it fails is raised, where the client itself would go on as nobody. Of a token that runs out, the old one is used
for as long as no new one can be had: whether it is still good is for the API server to say. A token that no header can
carry is refused before it is sent: what fails then would say the token in its text.

Imported with the client, not before.
"""

from __future__ import annotations

import base64
import copy
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kubernetes.config import incluster_config, kube_config
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.dateutil import parse_rfc3339
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigLoader, KubeConfigMerger

from gameday.cluster.impersonation import headers
from gameday.cluster.kubeconfigs import KINDS, check, check_cluster, check_file, check_user

PLUGIN = 8.0
"""Seconds that a log-in plugin may take; a person at a terminal, whom it may ask, gets `ASKING`."""
ASKING = 120.0
NOT_AGAIN = 30.0
"""Seconds for which a plugin that has failed is not asked for a fresh token, while there is an old one."""

_FIT = re.compile(r"[\x20-\x7e]+")
"""What a token may be made of."""

_kept: dict[str, Any] = {}
_understood: dict[str, tuple[dict[str, bytes], Any]] = {}
"""By what names kubeconfigs: their content, and what that was found to say. To read YAML takes long."""


class Login(NamedTuple):
    """What a kubeconfig says beside that which the client understands."""

    headers: Sequence[tuple[str, str]] = ()
    """To be sent with each request."""
    proxy: Any = None
    """Its `proxy-url`."""


def keep(kubeconfig: str) -> None:
    """Remember a kubeconfig ("" for the default) for this process and all that are forked from it."""
    try:
        _kept[kubeconfig] = _read(kubeconfig)
    except Exception as error:  # noqa: BLE001 - whoever needs it reads it again and tells why it can't be read
        sys.stderr.write(f"the kubeconfig can't be kept in memory: {error}\n")


def load(kubeconfig: str, context: str | None, server: str, folder: Callable[[], str], configuration: Any) -> Login:
    """Set `configuration` up by a kubeconfig; by that which was kept where it does not lead to `server` any more.

    `folder` makes one for keys and certificates that the client is to find in files; asked where there may be any.

    Raises:
        ConfigException, YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError: it is wrong, or its
            plugin failed.
    """
    found = _found(kubeconfig, context, server)
    loader = _Loader(config_dict=found, config_base_path=None, active_context=context)
    check_cluster(loader.cluster)
    check_user(loader.user)
    if "exec" in loader.user or any(str(key).endswith("-data") for key in (*loader.cluster, *loader.user)):
        loader.put_files_into(folder())
    login = Login(headers(loader.user), loader.cluster.get("proxy-url"))
    loader.load_and_set(configuration)
    return login


def forget_files(folder: str) -> None:
    """Make the client forget the files that it wrote there: not all its versions see that they are gone."""
    known: dict[str, str] = vars(kube_config)["_temp_files"]
    for content in [content for content, name in known.items() if Path(name).is_relative_to(folder)]:
        del known[content]


def load_pod(configuration: Any) -> None:
    """Set `configuration` up by the service account of the pod that we run in. Raises as `load` does."""
    _Pod(incluster_config.SERVICE_TOKEN_FILENAME, incluster_config.SERVICE_CERT_FILENAME).load_and_set(configuration)


def _found(kubeconfig: str, context: str | None, server: str) -> Any:
    """The kubeconfig as it is now, or as it was kept where it is gone or does not lead to `server` any more."""
    kept = _kept.get(kubeconfig)
    try:
        found = _read(kubeconfig)
    except Exception:
        if kept is None:
            raise
        found = kept
    if kept is not None and server and _server(found, context) != server:
        found = kept
    return found


def parts(kubeconfig: str, context: str, server: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Of a context: its cluster, its user, and what else it says; paths made absolute. Taken as `load` takes them.

    Raises:
        ConfigException, YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError: as `load`.
    """
    said = _found(kubeconfig, context, server).value

    def named(kind: str, name: object) -> dict[str, Any]:
        for one in said.get(f"{kind}s") or ():
            if one.value.get("name") == name:
                folder = Path(one.path).expanduser().absolute().parent
                return {key: _absolute(key, value, folder) for key, value in (one.value.get(kind) or {}).items()}
        raise ConfigException(f"the kubeconfig has no {kind} {name!r}")

    own = named("context", context)
    cluster = named("cluster", own.pop("cluster", None))
    user = named("user", own.pop("user")) if own.get("user") else {}
    check_cluster(cluster)
    check_user(user)
    if token := _token(user):
        # For Python's client, which takes the token before its file, and that as it is.
        user["token"] = token
    return cluster, user, own


def token_in(path: Path) -> str:
    """The token that a file holds, without the line break that an editor leaves at its end.

    Raises:
        ConfigException: it holds none, or one that can't be sent.
        OSError: it can't be read.
    """
    found = path.read_bytes().strip()
    if not found:
        raise ConfigException(f"its token file {path} is empty")
    return _fit(found.decode("latin-1"), f"token in {path}")


def _token(user: Mapping[str, Any], folder: str = "") -> str:
    """The token of a kubeconfig's user, "" for none. As with kubectl its file comes first, where that can be read."""
    said, file = user.get("token"), user.get("tokenFile")
    token = _fit(said, "token") if said else ""
    if file:
        try:
            return token_in(Path(folder, str(file)))
        except (OSError, ConfigException):
            if not token:
                raise
    return token


def _fit(token: Any, what: str) -> str:
    if not isinstance(token, str):
        raise ConfigException(f"its {what} is not text: put quotes around it")
    if not _FIT.fullmatch(token):
        raise ConfigException(
            f"its {what} holds a line break, or another character that can't be sent in a header (it is not shown "
            "here): write it anew, in one line, without anything around it"
        )
    return token


_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _absolute(key: str, value: Any, folder: Path) -> Any:
    """A path in a kubeconfig is one from the folder that this lies in; that of a program only where it has a slash."""
    if key in _PATHS and isinstance(value, str) and value:
        return str(folder / value)
    if key == "exec" and isinstance(value, Mapping) and "/" in str(value.get("command")):
        return {**value, "command": str(folder / str(value["command"]))}
    return value


def _read(kubeconfig: str) -> Any:
    path = str(Path(kubeconfig).expanduser()) if kubeconfig else KUBE_CONFIG_DEFAULT_LOCATION
    content = _content(path)
    before, found = _understood.get(path, (None, None))
    if content is None or content != before:
        found = _read_anew(path)
        if content is not None and content == _content(path):
            _understood[path] = content, found
    # Whoever logs in by it may write a fresh token into it.
    return copy.deepcopy(found)


def _content(path: str) -> dict[str, bytes] | None:
    """What is in the files that a path names; None where one can't be read, which is told by whoever needs it."""
    try:
        files = [Path(file).expanduser() for file in path.split(os.pathsep) if file]
        return {str(file): file.read_bytes() for file in files if file.exists()}
    except (OSError, RuntimeError):
        return None


def _read_anew(path: str) -> Any:
    found = _Merger(path).config
    if found is None:
        raise ConfigException(f"there is no kubeconfig at {path}, or nothing is in it")
    for plural, kind in KINDS.items():
        for one in found.value[plural]:
            # It is called by all that it holds, and errors say that.
            one.name = f"{one.path}: {kind} {one.value['name']!r}"
            # A key with nothing after it is one that is not there.
            inner = one.value.get(kind) or {}
            one.value[kind] = {key: value for key, value in inner.items() if value is not None}
    return found


class _Merger(KubeConfigMerger):  # type: ignore[misc]
    """With words for what is no kubeconfig."""

    def load_config(self, path: str) -> None:
        try:
            super().load_config(path)
        except (AttributeError, KeyError, TypeError, UnicodeDecodeError):
            check_file(path)
        check(self.config_files[path], path)


def _server(config: Any, context: str | None) -> str:
    """Where a context leads to; "" where it is not there."""
    said: Mapping[str, Any] = config.value or {}

    def of(kind: str, name: str) -> Mapping[str, Any]:
        several = (getattr(one, "value", one) for one in said.get(f"{kind}s") or ())
        return next((one.get(kind) or {} for one in several if one.get("name") == name), {})

    cluster = of("cluster", str(of("context", context or str(said.get("current-context"))).get("cluster")))
    return str(cluster.get("server") or "").rstrip("/")


class _Loader(KubeConfigLoader):  # type: ignore[misc]
    """With plugins that can't hang, and whose failure is heard of."""

    _failed_at = 0.0

    @property
    def user(self) -> Mapping[str, Any]:
        """As the kubeconfig has it; empty where the context has none."""
        return {} if self._user is None else self._user.value

    @property
    def cluster(self) -> Mapping[str, Any]:
        """As the kubeconfig has it."""
        return dict(self._cluster.value)

    def put_files_into(self, folder: str) -> None:
        self._temp_file_path = folder

    def _load_authentication(self) -> None:
        super()._load_authentication()
        if "token" in self.__dict__:
            # Also that of an `auth-provider`.
            _fit(self.token, "token")

    def _load_user_token(self) -> bool | None:
        token = _token(self.user, self._get_base_path(self._user.path))
        if token:
            self.token = f"Bearer {token}"
        return bool(token) or None

    def _load_user_pass_token(self) -> bool | None:
        name, password = self.user.get("username"), self.user.get("password")
        if name is None or password is None:
            return None
        self.token = f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"
        return True

    def _load_from_exec_plugin(self) -> bool | None:
        if "exec" not in self._user:
            return None
        old = "token" in self.__dict__
        if old and time.monotonic() - self._failed_at < NOT_AGAIN:
            return True
        try:
            self._ask_plugin()
        except ConfigException:
            if not old:
                raise
            self._failed_at = time.monotonic() or 1.0
        return True

    def _ask_plugin(self) -> None:
        plugin = ExecProvider(self._user["exec"], self._get_base_path(self._cluster.path), self._cluster)
        status, name = _run(plugin), f"its log-in plugin {plugin.args[0]}"
        expiry = None
        if said := status.get("expirationTimestamp"):
            try:
                expiry = parse_rfc3339(said)
            except (AttributeError, TypeError, ValueError):
                raise ConfigException(f"{name} gave an expirationTimestamp that is no time") from None
        if status.get("token"):
            self.token = f"Bearer {_fit(status['token'], f'token, which comes from {name},')}"
        elif status.get("clientCertificateData") and status.get("clientKeyData"):
            self.cert_file = self._written(str(status["clientCertificateData"]))
            self.key_file = self._written(str(status["clientKeyData"]))
        else:
            raise ConfigException(f"{name} gave neither a token nor a certificate with its key")
        if expiry is not None:
            self.expiry = expiry

    def _written(self, content: str) -> str:
        descriptor, name = tempfile.mkstemp(dir=self._temp_file_path)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        return name


class _Pod(incluster_config.InClusterConfigLoader):  # type: ignore[misc]
    """With a token that can be sent, and goes on with the one it has where the next can't be read."""

    def _read_token_file(self) -> None:
        try:
            self.token = f"Bearer {token_in(Path(self._token_filename))}"
        except (ConfigException, OSError):
            if "token" not in self.__dict__:
                raise
        self.token_expires_at = datetime.datetime.now() + self._token_refresh_period


def _run(plugin: Any) -> dict[str, Any]:
    """What a log-in plugin says: the `status` of its ExecCredential. Raises ConfigException."""
    asks = sys.stdout.isatty() and sys.stdin.isatty()
    spec: dict[str, Any] = {"interactive": asks}
    if plugin.cluster:
        spec["cluster"] = dict(plugin.cluster.value)
        for one in spec["cluster"].get("extensions") or ():
            if one["name"] == "client.authentication.k8s.io/exec":
                spec["cluster"]["config"] = one["extension"]
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    patience, command = ASKING if asks else PLUGIN, str(plugin.args[0])
    try:
        process = subprocess.Popen(
            plugin.args,
            stdin=None if asks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if asks else subprocess.PIPE,
            cwd=plugin.cwd,
            env={**plugin.env, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            text=True,
            # Where it may ask somebody it stays in the group that the terminal listens to.
            start_new_session=not asks,
        )
    except OSError as error:
        raise ConfigException(f"its log-in plugin {command} can't be started: {error}") from None
    try:
        said, complaint = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        raise ConfigException(
            f"its log-in plugin {command} did not answer within {patience:g} s and was killed: log in anew with it"
        ) from None
    finally:
        _end(process, alone=asks)
    if process.returncode != 0:
        why = " ".join((complaint or "").split())[-300:]
        raise ConfigException(
            f"its log-in plugin {command} failed with exit code {process.returncode}{f': {why}' if why else ''}: "
            "log in anew with it"
        )
    try:
        credential = json.loads(said)
        status = dict(credential["status"])
    except (ValueError, KeyError, TypeError):
        raise ConfigException(f"its log-in plugin {command} gave no ExecCredential with a status") from None
    if credential.get("apiVersion") != plugin.api_version:
        raise ConfigException(
            f"its log-in plugin {command} speaks {credential.get('apiVersion')}, and the kubeconfig says "
            f"{plugin.api_version}"
        )
    return status


def _end(process: subprocess.Popen[str], *, alone: bool) -> None:
    """The plugin, and what it started."""
    try:
        if not alone:
            os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
    except ProcessLookupError:
        pass
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
