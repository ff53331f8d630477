"""What may stand in `gameday.toml` for an address, a place outside of a cluster, a number. Pure; asks nobody.

Each raises ValueError with the right form, so that a mistake is told when the file is read, and not by the fault that
comes to use it.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gameday.patterns import pattern

_HOST = pattern(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)
_PLACE = pattern(r"(?P<host>[^/:\[\]]+|\[[^\[\]]+\])(?::(?P<port>[0-9]{1,5}))?")


def no_password(address: str) -> str:
    """An address as it is, unless it holds a password; also one that begins with no scheme."""
    if _split(address).password or ("://" not in address and _split(f"//{address}").password):
        raise ValueError("must not hold a password: it would stand in every journal. Use a header with {env: NAME}")
    return address


def web_address(address: str) -> str:
    """Of an API that is asked by HTTP: `http://HOST:PORT`, or https, with a path where it needs one."""
    said = _split(address)
    _port(said)
    if said.scheme not in ("http", "https") or not said.hostname or not _is_host(said.hostname) or said.query:
        raise ValueError(f"{address!r} is no address of an API: write http://HOST:PORT, e.g. http://127.0.0.1:8474")
    return address


def asked_address(address: str) -> str:
    """Where a service can be asked: `http(s)://HOST/…`, or `HOST:PORT`; a host alone, which scenarios put together."""
    said = _split(address if "://" in address else f"tcp://{address}")
    _port(said)
    there = bool(said.hostname) and _is_host(said.hostname or "")
    if not there or ("://" in address and said.scheme not in ("http", "https") and _port(said) is None):
        raise ValueError(f"{address!r} can't be asked: write http://HOST:PORT, https://HOST, or HOST:PORT")
    return address


def outside(place: str) -> str:
    """A host name, an IP address or a CIDR, of what runs outside of a cluster; a port may follow the first two."""
    if "/" in place:
        try:
            ipaddress.ip_network(place, strict=False)
        except ValueError:
            raise ValueError(_outside(place)) from None
        return place
    if _address(place):
        return place
    said = _PLACE.fullmatch(place)
    if said is None or not _is_host(said["host"].strip("[]")) or not 0 < int(said["port"] or 1) < 65536:
        raise ValueError(_outside(place))
    return place


def unquoted_number(said: Any) -> Any:
    """A number as TOML has it: neither text that looks like one nor true or false."""
    if isinstance(said, str | bool):
        raise ValueError(
            f"is {'text' if isinstance(said, str) else 'true or false'}, and must be a number: e.g. 80, without quotes"
        )
    return said


def unquoted_flag(said: Any) -> Any:
    """True or false as TOML has it, and no text that looks like it."""
    if isinstance(said, str):
        raise ValueError("is text: write true or false, without quotes")
    return said


def _outside(place: str) -> str:
    return f"{place!r} is neither a host name nor a CIDR: write e.g. bank.example.com or 192.0.2.0/24"


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        raise ValueError(f"is not an address: {error}") from None


def _port(said: SplitResult) -> int | None:
    try:
        return said.port
    except ValueError:
        # Its text may hold a part of a password.
        raise ValueError("is not an address: its port is no number up to 65535") from None


def _is_host(name: str) -> bool:
    if _address(name):
        return True
    last = name.rstrip(".").rpartition(".")[2]
    return _HOST.fullmatch(name) is not None and not last.isdigit()


def _address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
