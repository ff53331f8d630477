"""The Toxiproxy that tests disturb: that of the sandbox, or a real one where GAMEDAY_TEST_TOXIPROXY names its server.

A real one gets the same proxies before the same services, at ports of its own. It is taken down afterwards.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gameday.faults import wire
from gameday.sandbox.control import Sandbox

BINARY = "GAMEDAY_TEST_TOXIPROXY"


@dataclass(frozen=True, slots=True)
class Proxied:
    """Its API, and by a proxy's name the address of what is behind it."""

    api: str
    doors: dict[str, str]


@contextmanager
def toxiproxy(sandbox: Sandbox) -> Iterator[Proxied]:
    """See the module."""
    theirs = wire.demand("GET", f"{sandbox.proxy}/proxies").content
    binary = os.environ.get(BINARY)
    if not binary:
        yield Proxied(sandbox.proxy, {name: f"http://{one['listen']}" for name, one in theirs.items()})
        return
    port = _free_port()
    api = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([binary, "-host", "127.0.0.1", "-port", str(port)], stdout=subprocess.DEVNULL)
    try:
        _wait_for(api, server)
        wanted = [{"name": name, "listen": "127.0.0.1:0", "upstream": one["upstream"]} for name, one in theirs.items()]
        made = wire.demand("POST", f"{api}/populate", wanted).content["proxies"]
        yield Proxied(api, {one["name"]: f"http://{one['listen']}" for one in made})
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_for(api: str, server: subprocess.Popen[bytes], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while True:
        try:
            wire.demand("GET", f"{api}/version")
            return
        except wire.Unanswered as error:
            assert server.poll() is None, f"{BINARY}: it ended with {server.returncode}"
            assert time.monotonic() < deadline, f"{BINARY}: no answer within {within:g} s: {error}"
            time.sleep(0.02)
