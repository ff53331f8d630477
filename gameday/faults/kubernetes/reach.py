"""Whether a service answers at its address, asked from this machine: what shows that a network policy works.

One question, a connection of its own, nothing sent but `GET` to http addresses.
"""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from gameday.faults.wire import knock

PATIENCE = 1.5
"""Seconds without an answer that mean silence."""
_GATEWAY = (502, 503, 504)
"""What stands before a service says so when it can't reach it."""


def askable(address: str) -> bool:
    """Whether it can be asked: `http://…`, `https://…`, or a host and a port."""
    return bool(address) and (_is_http(address) or _host_and_port(address) is not None)


def reached(address: str, timeout: float = PATIENCE) -> tuple[bool, str]:
    """Whether it answers, and in words how: `answered 200 after 3 ms`."""
    if _is_http(address):
        met = knock(address, timeout)
        return met.outcome == "answered" and met.status not in _GATEWAY, met.words()
    place = _host_and_port(address)
    if place is None:
        return False, "no address that can be asked (http://… or HOST:PORT)"
    began = time.monotonic()
    try:
        with socket.create_connection(place, timeout=timeout):
            outcome, answers = "accepts connections", True
    except TimeoutError:
        outcome, answers = "silent", False
    except OSError as error:
        outcome, answers = "refused" if isinstance(error, ConnectionRefusedError) else f"unreachable ({error})", False
    return answers, f"{outcome} after {(time.monotonic() - began) * 1000:.0f} ms"


def _is_http(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _host_and_port(address: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        return (parts.hostname, parts.port) if parts.hostname and parts.port else None
    except ValueError:
        return None
