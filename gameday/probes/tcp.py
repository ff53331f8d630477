"""The `tcp` probe: is a connection accepted. True or false; a name that can't be resolved is `unreachable`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from gameday.engine.ports import Answer
from gameday.probes.answers import NoAnswer, answer_of, excerpt, seconds, system_reason
from gameday.probes.lookup import addresses


async def ask(probe: Mapping[str, Any], client: object = None) -> Answer:
    """Ask `probe` (a `TcpProbe` in JSON). `client` is there for the kinds' common form only.

    Raises:
        NoAnswer: `error` where the address is none, `unreachable` where its name leads nowhere.
    """
    host, port = parse_address(str(probe.get("address", "")))
    within = seconds(probe.get("timeout"), 2.0)
    reason = f"{host} has no address"
    try:
        async with asyncio.timeout(within):
            for address in await addresses(host):
                try:
                    _, writer = await asyncio.open_connection(address, port, limit=1024)
                except OSError as error:
                    reason = system_reason(error)
                    continue
                # Abortive: nothing was said, and no half-closed connection is left for the other side to look after.
                writer.transport.abort()
                return answer_of(True)
    except TimeoutError:
        return answer_of(False, detail=f"no connection within {within:.3g} s")
    except (socket.gaierror, UnicodeError) as error:
        raise NoAnswer("unreachable", f"the name {host} leads nowhere: {excerpt(str(error))}") from None
    return answer_of(False, detail=reason)


def parse_address(address: str) -> tuple[str, int]:
    """`host:port` or `[::1]:port`; a URL without a path will do too, since targets publish URLs.

    Raises:
        NoAnswer: `error`, saying what an address looks like.
    """
    plain = address.strip()
    for scheme in ("tcp://", "http://", "https://"):
        plain = plain.removeprefix(scheme)
    host, colon, port = plain.rstrip("/").rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    # Unbracketed, nobody can tell where an IPv6 address ends and its port begins.
    host = host[1:-1] if bracketed else "" if ":" in host else host
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise NoAnswer("error", f"{excerpt(address)!r} is no address: write it like 127.0.0.1:5432 or [::1]:5432")
    return host, int(port)
