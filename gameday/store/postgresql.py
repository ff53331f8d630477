"""Connections to a PostgreSQL server, from a URL as people write them. The driver is imported here alone.

The URL is taken apart here and not by the driver: it is more lenient with passwords, and knows one more way to name
several hosts. What may stand after the `?` is the driver's to say.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from gameday.store.address import Address
from gameday.store.connection import Connection, PostgresqlConnection
from gameday.store.errors import BadAddress

CONNECTING = 5
"""Seconds to wait for a server."""


class PostgresqlServer:
    read_only = False

    def __init__(self, address: Address) -> None:
        try:
            import psycopg
        except ImportError:
            raise BadAddress(
                f"store {address.shown} needs the PostgreSQL driver: pip install 'gameday-sre[postgresql]'"
            ) from None
        self._driver = psycopg
        try:
            self._settings = {
                **settings_of(address.url),
                "connect_timeout": CONNECTING,
                "application_name": "gameday",
                "tcp_user_timeout": CONNECTING * 1000,
                "autocommit": True,
            }
        except ValueError as error:
            raise BadAddress(f"store {address.shown} can't be read as a URL: {error}") from None

    def find(self, create: bool) -> None:
        """Connecting says whether it is there."""

    def connect(self, busy: float) -> Connection:
        """`busy`: seconds to wait for a lock."""
        connection = PostgresqlConnection(self._driver.connect(**self._settings))
        try:
            connection.wait_at_most(busy)
            connection.run("SET synchronous_commit = on")
        except BaseException:
            connection.close()
            raise
        return connection

    def freeze(self) -> bool:
        return False

    def prepare(self, connection: Connection) -> None:
        """Nothing in it has to be remembered."""

    def beside(self, connection: Connection) -> dict[Path, tuple[int, int]]:
        return {}

    def still_there(self, beside: dict[Path, tuple[int, int]]) -> None:
        """It answered the commit."""


def settings_of(url: str) -> dict[str, Any]:
    """What the driver has to be told: `host`, `port`, `user`, `password`, `dbname`, and what stands after the `?`.

    Raises:
        ValueError: a port that is no number, or not as many ports as hosts.
    """
    rest = url.partition("://")[2]
    who, at, where = rest.partition("@")
    user, _, password = who.partition(":")
    if not at or "/" in user or "?" in user:
        # It is further on, in a database's name or in an option.
        user, password, where = "", "", rest
    place, _, query = where.partition("?")
    server, _, database = place.partition("/")
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = server.partition(":")
    said = {
        "host": host,
        "port": str(int(port or 0) or ""),
        "user": unquote(user),
        "password": unquote(password),
        "dbname": unquote(database),
    }
    options = parse_qs(query)
    settings = {name: value for name, value in said.items() if value}
    settings |= {name: values[-1] for name, values in options.items()}
    return settings | _several_hosts(options.get("host", []), options.get("port", []))


def _several_hosts(hosts: list[str], ports: list[str]) -> dict[str, str]:
    """`?host=a:1&host=b:2`, or `?host=a,b&port=1,2`, as the driver wants it, which is the latter."""
    if len(hosts) > 1 or (hosts and not ports and re.fullmatch(r"[a-zA-Z0-9.-]*:\d*", hosts[0])):
        if ports:
            raise ValueError("a port stands beside `host`, and others in it")
        pairs = [host.partition(":") for host in hosts]
        hosts, ports = [host for host, _, _ in pairs], [port for _, _, port in pairs]
    else:
        hosts = hosts[0].split(",") if hosts else []
        ports = [port for one in ports for port in one.split(",")]
    if len(ports) > 1 and len(ports) != len(hosts):
        raise ValueError(f"{len(hosts)} hosts and {len(ports)} ports")
    for port in filter(None, ports):
        int(port)
    found = {"host": ",".join(hosts)} if hosts else {}
    return found | ({"port": ",".join(ports)} if any(ports) else {})
