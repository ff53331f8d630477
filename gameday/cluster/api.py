"""Requests to one API server, in plain JSON, through the official client: it brings kubeconfig, TLS and log-ins.

Its typed models are left aside: they take seconds for thousands of pods, and drop what they don't know. The client is
imported when the first request is prepared. Nothing here sets its process-wide default configuration.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any

from gameday.cluster.errors import AnotherCluster, Refused, Unreachable
from gameday.cluster.resources import NAMESPACES, Resource
from gameday.errors import TargetError
from gameday.scenario.problems import nearest_or_all

Json = Any
Where = Mapping[str, Json]
"""How a cluster is reached: `{"kubeconfig": path | None, "context": name | None, "in_cluster": bool}`, and, once it was
resolved, `"server"`: the address that this led to then, and `"uid"`: which cluster that was, where we may ask that."""

PATIENCE = 10.0
"""Seconds that one request may take, unless said otherwise."""
CONNECTING = 3.0
"""Seconds of these for the connection."""
PAGE = 500
"""Objects of one page of a list."""
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
ways: dict[str, Where] = {}
"""Ways in this process (see `relogin`) that are taken in place of others, which are the keys, as sorted JSON."""
_BUSY = (429, 500, 502, 503, 504)
_LONGEST_PAUSE = 2.0


class Api:
    """One API server, and who we are there. Requests are made one after the other; threads need one each."""

    def __init__(self, where: Where) -> None:
        """Raises TargetError where the kubeconfig can't be read, or leads to another server than it did."""
        self.where = dict(taken(where))
        self.server = str(self.where.get("server") or "")
        self._recognising = False
        self._log_in()

    def _log_in(self) -> None:
        """By the kubeconfig as it is now, and only where that leads to the server that it led to before."""
        client = _client(self.where, self.server)
        server = str(client.configuration.host)
        if self.server and server != self.server:
            raise TargetError(
                f"{words(self.where)} leads to {server} now; it was {self.server} when this exercise began"
            )
        self._client, self.server = client, server
        # What is asked to recognise it is answered by the log-in that this is.
        self._recognised = "uid" not in self.where or self._recognising

    def recognise(self, timeout: float = PATIENCE) -> None:
        """See that this is the cluster that it was: a tunnel, or a kubeconfig written anew, may lead elsewhere by the
        same address. Nothing is said where we may not know. Done by itself before the first request of each log-in.

        Raises:
            AnotherCluster: it is another one.
            Refused, Unreachable: see `ask`.
        """
        expected = self.where.get("uid")
        self._recognised = self._recognising = True
        try:
            found = self.identity(timeout) if expected is not None else None
            if found not in (None, expected):
                raise AnotherCluster(
                    f"{words(self.where)} leads to another cluster now, at the same address {self.server}, than it did "
                    "when this exercise began"
                )
        except BaseException:
            self._recognised = False
            raise
        finally:
            self._recognising = False

    def identity(self, timeout: float = PATIENCE) -> str | None:
        """What tells this cluster from all others; None where we may not know. Raises as `ask` does."""
        try:
            found = self.get(NAMESPACES, None, "kube-system", timeout=timeout)
        except Refused as refused:
            if refused.status == 403 and not refused.nobody:
                return None
            raise
        return None if found is None else str(found["metadata"]["uid"])

    # --- requests ----------------------------------------------------------------------------------------------------

    def get(self, resource: Resource, namespace: str | None, name: str, *, timeout: float = PATIENCE) -> Json:
        """An object as it is, or None where there is none, as an API server says: nobody else is believed."""
        path = resource.path(namespace, name)
        try:
            found = self.ask("GET", path, timeout=timeout)
        except Refused as refused:
            if refused.absent:
                return None
            if refused.status == 404:
                raise _no_api_server("GET", path, f"404 {refused.message}") from None
            raise
        if found.get("kind") != resource.kind:
            raise _no_api_server("GET", path, json.dumps(found))
        return found

    def items(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        selector: str = "",
        fields: str = "",
        timeout: float = PATIENCE,
    ) -> list[dict[str, Json]]:
        """All objects that match; each has `kind` and `apiVersion` left out by the server, as lists have."""
        return self.page(resource, namespace, selector=selector, fields=fields, timeout=timeout)[0]

    def page(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        selector: str = "",
        fields: str = "",
        timeout: float = PATIENCE,
    ) -> tuple[list[dict[str, Json]], str]:
        """As `items`, with the resourceVersion that a watch can begin from."""
        query = {"labelSelector": selector, "fieldSelector": fields, "limit": str(PAGE)}
        query = {key: value for key, value in query.items() if value}
        found: list[dict[str, Json]] = []
        while True:
            answer = self.ask("GET", resource.path(namespace), query=query, timeout=timeout)
            if not str(answer.get("kind")).endswith("List"):
                raise _no_api_server("GET", resource.path(namespace), json.dumps(answer))
            found += answer.get("items") or []
            more = (answer.get("metadata") or {}).get("continue")
            if not more:
                return found, str((answer.get("metadata") or {}).get("resourceVersion") or "")
            query["continue"] = more

    def patch(
        self, resource: Resource, namespace: str | None, name: str, changes: Json, *, timeout: float = PATIENCE
    ) -> Json:
        """Change an object: a list is a JSON Patch (with its `test`s), a mapping a merge patch."""
        kind = JSON_PATCH if isinstance(changes, list) else MERGE
        return self.ask("PATCH", resource.path(namespace, name), body=changes, kind=kind, timeout=timeout)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json = None,
        kind: str = "application/json",
        timeout: float = PATIENCE,
    ) -> Json:
        """One request, repeated only where that can't do anything twice, or nothing was done; the answer as JSON.

        A read is repeated when the server is busy or the connection breaks. A write is when it was turned away
        (429, 401 with a log-in that has expired), never when nobody knows what became of it. Writes carry
        `fieldValidation=Strict`, without which what the server doesn't know is dropped in silence, and `timeout`, so
        that a server which is slow gives up when we do.

        Raises:
            Refused: it answered 400 or more.
            Unreachable: it did not answer within `timeout` seconds, or the connection broke.
            TargetError: it is another cluster than it was, or we can't log in again, or not to the same server.
        """
        until = time.monotonic() + timeout
        query = dict(query or {})
        reading = method == "GET"
        if not reading:
            query.setdefault("timeout", f"{max(1, round(timeout))}s")
        if method in ("POST", "PUT", "PATCH"):
            query.setdefault("fieldValidation", "Strict")
        logged_in, tries = False, 0
        while True:
            tries += 1
            left = until - time.monotonic()
            try:
                if not self._recognised:
                    self.recognise(max(left, 0.1))
                    left = until - time.monotonic()
                return self._once(method, path, query, body, kind, max(left, 0.1))
            except Refused as refused:
                if refused.status == 401 and not logged_in:
                    logged_in = True
                    self._log_in()
                    continue
                again = refused.status == 429 and not refused.caused_by("DisruptionBudget")
                if not (again or (reading and refused.status in _BUSY)):
                    raise
                pause = refused.retry_after or min(0.1 * 2**tries, _LONGEST_PAUSE)
                if time.monotonic() + pause >= until:
                    raise
            except Unreachable as unreachable:
                # A connection that was kept may have been closed by the server long ago.
                if not (reading or unreachable.never_sent) or tries > 3:
                    raise
                pause = 0.05 * 2**tries
                if time.monotonic() + pause >= until:
                    raise
            time.sleep(pause)

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        since: str,
        selector: str = "",
        fields: str = "",
        seconds: float,
    ) -> Iterator[Json]:
        """Changes as the server tells them, `{"type", "object"}`, for at most `seconds`; ends when the server ends it.

        Raises:
            Refused, Unreachable: see `ask`. A change of type ERROR is yielded like any other.
        """
        query = {
            "watch": "1",
            "resourceVersion": since,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        if selector:
            query["labelSelector"] = selector
        if fields:
            query["fieldSelector"] = fields
        path = resource.path(namespace)
        response = self._send("GET", path, query, None, "application/json", (CONNECTING, seconds + 5.0))
        try:
            rest = b""
            for chunk in self._chunks(response, path):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield _decoded(line, "GET", path)
        finally:
            response.release_conn()
            response.close()

    def reconnect(self) -> None:
        """Drop the connection that was kept: what is asked next goes where the address leads by then."""
        self._client.rest_client.pool_manager.clear()

    def warm_up(self) -> None:
        """Connect, so that what comes later finds a connection. That nobody answers now is no reason to fail then."""
        try:
            if self._recognised:
                self._once("GET", "/version", {}, None, "application/json", CONNECTING)
            else:
                self.recognise(CONNECTING)
        except (Refused, Unreachable):
            return

    # --- the client --------------------------------------------------------------------------------------------------

    def _once(self, method: str, path: str, query: Mapping[str, str], body: Json, kind: str, timeout: float) -> Json:
        limits = (min(CONNECTING, timeout), timeout)
        response = self._send(method, path, query, body, kind, limits)
        try:
            data = response.data
        except Exception as error:
            raise self._unreachable(method, path, error, timeout) from error
        return _decoded(data, method, path)

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Json, kind: str, limits: tuple[float, float]
    ) -> Any:
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config.config_exception import ConfigException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = kind
        try:
            return self._client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _preload_content=False,
                _request_timeout=limits,
            )
        except ApiException as error:
            if not error.status:
                raise self._unreachable(method, path, error, limits[1]) from error
            raise _refused(method, path, error, self.where) from None
        except (HTTPError, OSError) as error:
            raise self._unreachable(method, path, error, limits[1]) from error
        except ConfigException as error:
            raise TargetError(f"{words(self.where)} can't be used: {_why(error, self.where)}") from None
        except ValueError:
            # Its text is not said: what could not be sent stands in it, and that may be a token.
            raise TargetError(
                f"{words(self.where, whole=True)} can't be used: {method} {path} can't be sent: a header or the "
                "address holds what HTTP has no way to write. Look at the token, user and server of the log-in"
            ) from None

    def _chunks(self, response: Any, path: str) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        try:
            yield from response.stream(amt=None, decode_content=False)
        except (HTTPError, OSError) as error:
            raise self._unreachable("WATCH", path, error, 0.0) from error

    def _unreachable(self, method: str, path: str, error: Exception, timeout: float) -> Unreachable:
        from urllib3.exceptions import (
            ConnectTimeoutError,
            MaxRetryError,
            NewConnectionError,
            ProxyError,
            ReadTimeoutError,
        )

        cause: BaseException = error
        if isinstance(error, MaxRetryError) and error.reason is not None:
            cause = error.reason
        by_proxy = isinstance(cause, ProxyError)
        if isinstance(cause, ProxyError):
            # The connection to the proxy, or through it, did not come about.
            cause = cause.original_error
        never_sent = by_proxy or isinstance(cause, NewConnectionError | ConnectTimeoutError)
        inner = cause.args[0] if cause.args else None
        whose = "the proxy's" if by_proxy else "its"
        refused = cause if isinstance(cause, ssl.SSLCertVerificationError) else inner
        if isinstance(refused, ssl.SSLCertVerificationError):
            why = f"{whose} certificate is not to be trusted: {refused.verify_message}"
        elif "refused" in str(cause):
            why = f"connection refused{' by the proxy' if by_proxy else ''}"
        elif isinstance(cause, ConnectTimeoutError) and not isinstance(cause, NewConnectionError):
            why = f"no connection within {CONNECTING:g} s"
        elif isinstance(cause, ReadTimeoutError | TimeoutError):
            why = f"no answer within {timeout:.3g} s"
        else:
            why = str(cause).rpartition(": ")[2].strip("()'\" ") or type(cause).__name__
            if str(cause).startswith("Tunnel connection failed"):
                why = f"the proxy does not let it through: {why}"
        proxy = f" by the proxy {self._client.configuration.proxy}" if self._client.configuration.proxy else ""
        return Unreachable(
            f"the API server {self.server} can't be reached{proxy} ({method} {path}): {why}", never_sent=never_sent
        )


def taken(where: Where) -> Where:
    """The way that is taken in this process where `where` is asked for; see `ways`."""
    return ways.get(json.dumps(where, sort_keys=True), where) if ways else where


def words(where: Where, *, whole: bool = False) -> str:
    """A cluster as people know it: `context staging`, `the service account of this pod`. `whole`: and of which file."""
    if where.get("in_cluster"):
        return "the service account of this pod"
    return f"context {where.get('context')}{f' of {_file(where)}' if whole else ''}"


def _file(where: Where) -> str:
    return str(where.get("kubeconfig") or os.environ.get("KUBECONFIG") or "~/.kube/config")


def _client(where: Where, server: str) -> Any:
    """The official client for `where`, which is to lead to `server` (or "")."""
    from yaml import YAMLError

    from gameday.cluster.official import connect, load

    load()
    from kubernetes.config.config_exception import ConfigException

    path = where.get("kubeconfig")
    try:
        return connect(
            kubeconfig=path, context=where.get("context"), in_cluster=bool(where.get("in_cluster")), server=server
        )
    except (ConfigException, YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(f"{words(where)} can't be used: {_no_such_context(where) or _why(error, where)}") from None


def _no_such_context(where: Where) -> str:
    """That the context is not there, with those that are; "" where that is not what is wrong."""
    from gameday.cluster.official import contexts

    there = [] if where.get("in_cluster") else contexts(where.get("kubeconfig"))
    if not there or where.get("context") in there:
        return ""
    return f"the kubeconfig has no context of this name; {nearest_or_all(where.get('context'), there)}"


def _why(error: Exception, where: Where) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if where.get("in_cluster"):
        return f"{text.rstrip('.')}; is this a pod, with automountServiceAccountToken?"
    path = _file(where)
    return text if path in text else f"{text} (looked in {path})"


def _refused(method: str, path: str, error: Any, where: Where) -> Refused:
    try:
        body = json.loads(error.body or b"{}")
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    if not body.get("message") and error.body:
        text = error.body if isinstance(error.body, str) else bytes(error.body).decode("utf-8", "replace")
        body = {**body, "message": text[:300]}
    after = (error.headers or {}).get("Retry-After")
    return Refused(
        f"{method} {path}", int(error.status), body, retry_after=_seconds(after), who=words(where, whole=True)
    )


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _no_api_server(method: str, path: str, said: str) -> Unreachable:
    return Unreachable(f"{method} {path}: the answer is not an API server's: {' '.join(said.split())[:100]}")


def _decoded(data: bytes, method: str, path: str) -> Json:
    try:
        found = json.loads(data)
    except ValueError:
        raise Unreachable(f"{method} {path}: the answer is not JSON: {data[:100]!r}; is this an API server?") from None
    if not isinstance(found, dict):
        raise Unreachable(f"{method} {path}: the answer is no object: {data[:100]!r}; is this an API server?")
    return found
