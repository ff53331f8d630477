"""From a host's name to its addresses, without ever holding anything else up.

The system's own lookup can't be interrupted. On the loop's thread pool a few hung lookups (a DNS outage is a fault
that people rehearse) would take all its threads, and with them whatever else the engine runs there; and the end of the
program would wait for them. So each host has one thread of its own, at most one at a time, which nobody waits for.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from ipaddress import ip_address

MOST = 4
"""Addresses of one host that are tried."""

_under_way: dict[tuple[int, str], asyncio.Future[list[str]]] = {}


async def addresses(host: str) -> list[str]:
    """The addresses of `host`, in the system's order; `host` itself where it is one.

    Raises:
        OSError: the name leads nowhere (`socket.gaierror`).
        UnicodeError: it can't be a name.
    """
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return [host]
    loop = asyncio.get_running_loop()
    key = (id(loop), host)
    found = _under_way.get(key)
    if found is None:
        found = _under_way[key] = loop.create_future()
        # An error that nobody waits for any more is no trouble to anybody.
        found.add_done_callback(lambda done: (_under_way.pop(key, None), done.cancelled() or done.exception()))
        threading.Thread(target=_look_up, args=(host, loop, found), name=f"lookup {host}", daemon=True).start()
    return await asyncio.shield(found)


def _look_up(host: str, loop: asyncio.AbstractEventLoop, found: asyncio.Future[list[str]]) -> None:
    result: list[str] | Exception
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        result = list(dict.fromkeys(str(info[4][0]) for info in infos))[:MOST]
    except (OSError, UnicodeError) as error:
        result = error

    def tell() -> None:
        if found.done():
            return
        if isinstance(result, Exception):
            found.set_exception(result)
        else:
            found.set_result(result)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:
        # The loop has been closed meanwhile: the one who asked is gone.
        return
