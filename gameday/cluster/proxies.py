"""Which proxy leads to an API server, as kubectl takes it: `proxy-url` of the kubeconfig, else that of the environment.

The official client does not know `proxy-url`, takes the environment's proxies also for loopback addresses, and passes
over NO_PROXY. What is sent over a proxy is not looked at here.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_FORM = "write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"


class Proxy(NamedTuple):
    url: str
    """With its credentials, if it has any."""
    source: str
    """Who says so, for people."""

    def __str__(self) -> str:
        """Without credentials."""
        said = _split(self)
        return f"{said.scheme}://{_place(said)} ({self.source})"


def chosen(server: str, said: Any, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """By which proxy `server` is reached, None for by none. `said`: `proxy-url` of its entry in the kubeconfig.

    Raises:
        ValueError: it is none that can be used.
    """
    if said:
        found = Proxy(str(said), "proxy-url of the kubeconfig")
    else:
        scheme, _, _ = server.partition("://")
        names = [name for name in (f"{scheme.upper()}_PROXY", f"{scheme}_proxy") if environ.get(name)]
        if not names or _left_out(server, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
            return None
        url = environ[names[0]]
        found = Proxy(url if "://" in url else f"http://{url}", names[0])
    _split(found)
    return found


def pool_manager(proxy: Proxy, words: Mapping[str, Any], tls: ssl.SSLContext | None) -> Any:
    """A pool manager of urllib3 that goes by this proxy; `words` and `tls` are for its connections to the API server.

    Raises:
        ValueError: what it needs is not installed.
    """
    said = _split(proxy)
    user, password = unquote(said.username or ""), unquote(said.password or "")
    if said.scheme.startswith("socks"):
        if find_spec("socks") is None:
            raise ValueError(
                f"the proxy {proxy} speaks SOCKS, for which the Python package PySocks is needed: install it where "
                "gameday is (pip install pysocks), or name a proxy of http:// or https://"
            )
        from urllib3.contrib.socks import SOCKSProxyManager

        # As kubectl does, the name of the server is looked up there and not here.
        return SOCKSProxyManager(f"socks5h://{_place(said)}", user or None, password or None, **words)
    from urllib3 import ProxyManager

    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    return ProxyManager(
        f"{said.scheme}://{_place(said)}",
        proxy_headers={"Proxy-Authorization": f"Basic {basic}"} if user else None,
        proxy_ssl_context=tls,
        **words,
    )


def _split(proxy: Proxy) -> SplitResult:
    try:
        said = urlsplit(proxy.url)
        if said.scheme in _PORTS and said.hostname and _place(said):
            return said
    except ValueError:
        # Its text may hold a password.
        pass
    raise ValueError(f"the proxy of {proxy.source} is no address of one: {_FORM}")


def _place(said: SplitResult) -> str:
    host = said.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{said.port or _PORTS[said.scheme]}"


def _left_out(server: str, said: str) -> bool:
    """Whether a server is reached by no proxy of the environment: it is this machine, or NO_PROXY names it."""
    where = urlsplit(server)
    host, port = (where.hostname or "").rstrip("."), where.port or _PORTS.get(where.scheme)
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for each in said.lower().split(","):
        name = each.strip()
        if name == "*":
            return True
        if address is not None and "/" in name and _holds(name, address):
            return True
        name, wanted = _named(name)
        if not name or (wanted and wanted != str(port)):
            continue
        if address is not None:
            if _address(name) == address:
                return True
        elif host.endswith(f".{name.removeprefix('*').removeprefix('.')}") or host == name:
            return True
    return False


def _named(entry: str) -> tuple[str, str]:
    """Host and port of an entry of NO_PROXY; "" for any port."""
    if _address(entry) is not None:
        return entry, ""
    host, colon, port = entry.rpartition(":")
    return (host.strip("[]"), port) if colon and port.isdigit() else (entry.strip("[]"), "")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
