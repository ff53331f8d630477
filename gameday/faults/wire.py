"""One HTTP request to a target's own machinery, or through a service's front door, and what came of it in words.

Built on `http.client`: an undo is a single small request, and a client with connection pool and TLS context takes
longer to make (about 20 ms) than the request takes. It ignores proxy variables of the environment, follows no
redirect, keeps no connection, and reads a bounded amount for a bounded time.
"""

from __future__ import annotations

import http.client
import json
import time
from typing import Literal
from urllib.parse import urlsplit

from gameday.engine.ports import Json
from gameday.frozen import frozen

PATIENCE = 2.0
"""Seconds for connecting, and for each wait for bytes, unless said otherwise."""
GLANCE = 0.5
"""The same where the question is polled."""
LARGEST = 1_000_000
"""No more bytes than this are read of an answer."""


class Unanswered(Exception):
    """No answer came, or none that can be read; the message says from where and why."""


@frozen
class Reply:
    """An answer: its status and what it carried, as JSON where it is JSON, else as text."""

    status: int
    content: Json


Outcome = Literal["answered", "refused", "closed", "silent", "unreachable"]


@frozen
class Knock:
    """What a request through a service's front door met, and after how many seconds."""

    outcome: Outcome
    took: float
    status: int | None = None

    def words(self) -> str:
        """E.g. `answered 200 after 812 ms`."""
        status = f" {self.status}" if self.status is not None else ""
        return f"{self.outcome}{status} after {self.took * 1000:.0f} ms"


def ask(method: str, url: str, data: Json = None, *, timeout: float = PATIENCE) -> Reply:
    """Send a request (`data` as JSON) and read the answer, whatever its status.

    Raises:
        Unanswered: nobody answers, or with something that isn't HTTP or is larger than `LARGEST`.
    """
    connection = _connection(url, timeout)
    try:
        _send(connection, method, url, data)
        response = connection.getresponse()
        body = _read(response, time.monotonic() + timeout)
    except TimeoutError as error:
        raise Unanswered(f"{method} {url}: no answer within {timeout:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(f"{method} {url}: {_reason(error)}") from error
    finally:
        connection.close()
    try:
        return Reply(response.status, json.loads(body) if body else None)
    except ValueError:
        return Reply(response.status, body.decode("utf-8", "replace"))


def demand(method: str, url: str, data: Json = None, *, also: int | None = None, timeout: float = PATIENCE) -> Reply:
    """Like `ask`, and any status of 400 or more but `also` is a failure.

    Raises:
        RuntimeError: the answer is such a status; the message carries its first 300 characters.
        Unanswered: see `ask`.
    """
    reply = ask(method, url, data, timeout=timeout)
    if reply.status >= 400 and reply.status != also:
        raise RuntimeError(f"{method} {url} answered {reply.status}: {str(reply.content)[:300]}")
    return reply


def knock(url: str, timeout: float) -> Knock:
    """Send `GET url` over a connection of its own and wait at most `timeout` seconds for the answer to begin."""
    began = time.monotonic()
    connection = _connection(url, timeout)

    def met(outcome: Outcome, status: int | None = None) -> Knock:
        return Knock(outcome, time.monotonic() - began, status)

    try:
        try:
            connection.connect()
        except ConnectionRefusedError:
            return met("refused")
        _send(connection, "GET", url, None)
        return met("answered", connection.getresponse().status)
    except TimeoutError:
        return met("silent")
    except (ConnectionError, http.client.HTTPException):
        return met("closed")
    except OSError:
        return met("unreachable")
    finally:
        connection.close()


def _connection(url: str, timeout: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is not an http address")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=timeout)


def _send(connection: http.client.HTTPConnection, method: str, url: str, data: Json) -> None:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Connection": "close", "Accept": "application/json", "User-Agent": "gameday"}
    if data is None:
        connection.request(method, path, headers=headers)
    else:
        connection.request(method, path, json.dumps(data), {**headers, "Content-Type": "application/json"})


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    body = b""
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > LARGEST:
            raise http.client.HTTPException(f"the answer is larger than {LARGEST} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    return body


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
