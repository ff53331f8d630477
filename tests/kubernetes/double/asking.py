"""Requests to the double as gameday would make them: recorded, with a token, subject to bad days."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

from tests.support.kubernetes.cluster import DoubleCluster


def request(
    cluster: DoubleCluster,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str = "token-of-gameday",
    timeout: float = 5.0,
    content_type: str = "application/json",
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of the answer; raises what the socket raises."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", cluster.double.public, timeout=timeout)) as one:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
        one.request(method, path, None if body is None else json.dumps(body), headers)
        answer = one.getresponse()
        raw = answer.read()
    return answer.status, dict(answer.headers), json.loads(raw) if raw[:1] in (b"{", b"[") else raw.decode()


@contextlib.contextmanager
def watching(cluster: DoubleCluster, path: str, timeout: float = 5.0) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a watch, as they come."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", cluster.double.public, timeout=timeout)) as one:
        one.request("GET", path, headers={"Authorization": "Bearer token-of-gameday"})
        answer = one.getresponse()
        assert answer.status == 200, answer.read()
        yield (json.loads(line) for line in iter(answer.readline, b""))
