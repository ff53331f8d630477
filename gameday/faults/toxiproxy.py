"""Speaks Toxiproxy's HTTP API: to a real Toxiproxy, and to the sandbox's proxy, which answers in the same words.

What several faults do to a proxy and how its state is read. Only toxics of a given name are ever changed, so that a
fault takes away its own and nothing else. Which fault wants what, and when, is not known here.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from urllib.parse import quote

from gameday.engine.ports import Json
from gameday.errors import TargetError
from gameday.faults.declaration import Incapable, verdict
from gameday.faults.presence import GONE, Home, check_here, is_gone
from gameday.frozen import frozen

PERMISSIONS = ("requests to the proxy's HTTP API",)


@frozen
class ProxyState:
    """A proxy as it answers for itself; `toxics` by name."""

    enabled: bool
    upstream: str
    toxics: dict[str, dict[str, Json]]


def proxy_url(api: str, proxy: str) -> str:
    """Where a proxy's own resource is."""
    return f"{api.rstrip('/')}/proxies/{quote(proxy, safe='')}"


def toxic_url(api: str, proxy: str, toxic: str) -> str:
    """Where a toxic's own resource is."""
    return f"{proxy_url(api, proxy)}/toxics/{quote(toxic, safe='')}"


def read_proxy(api: str, proxy: str, timeout: float) -> ProxyState | None:
    """The proxy's state, or None if the API says that there is no such proxy.

    Raises:
        Unanswered, RuntimeError: the API can't be asked, or answers with an error or with something else.
    """
    from gameday.faults.wire import demand

    url = proxy_url(api, proxy)
    reply = demand("GET", url, also=404, timeout=timeout)
    if reply.status == 404:
        return None
    try:
        toxics = {toxic["name"]: toxic for toxic in reply.content.get("toxics") or ()}
        return ProxyState(bool(reply.content["enabled"]), str(reply.content["upstream"]), toxics)
    except (AttributeError, KeyError, TypeError) as error:
        raise RuntimeError(f"GET {url} answered something that is not a Toxiproxy proxy") from error


def planned_proxy(target: Mapping[str, Json], service: str) -> tuple[str, ProxyState]:
    """The address of the target's proxy API and the state of the service's proxy, for a plan.

    Raises:
        TargetError: the API can't be asked.
        ValueError: there is no such proxy.
    """
    from gameday.faults.wire import PATIENCE, Unanswered

    api = str(target["settings"]["proxy"]).rstrip("/")
    try:
        state = read_proxy(api, service, PATIENCE)
    except (Unanswered, RuntimeError) as error:
        raise TargetError(f"target {target['name']}: its proxy can't be asked: {error}; is it running?") from error
    if state is None:
        raise Incapable(f"the proxy at {api} has no proxy called {service!r}, so nothing of it can be disturbed")
    return api, state


def front_door(target: Mapping[str, Json], service: str) -> str | None:
    """A URL by which the service can be asked through its proxy, or None if the target publishes no HTTP address.

    What isn't known to speak HTTP is never sent any: a database may count it as an attack.
    """
    address = str(target["names"].get(service, ""))
    if not address.startswith(("http://", "https://")):
        return None
    return f"{address.rstrip('/')}/health" if target["kind"] == "sandbox" else address


def add_toxic(api: str, proxy: str, toxic: Mapping[str, Json]) -> None:
    """Put a toxic on a proxy. Raises if there already is one of that name, or it couldn't be done."""
    from gameday.faults.wire import demand

    demand("POST", f"{proxy_url(api, proxy)}/toxics", dict(toxic))


def remove_toxic(api: str, proxy: str, toxic: str, home: Home | None) -> None:
    """Take a toxic off a proxy; that it, the proxy or the whole sandbox isn't there any more is fine.

    Raises if it couldn't be done.
    """
    from gameday.faults.wire import Unanswered, demand

    try:
        demand("DELETE", toxic_url(api, proxy, toxic), also=404)
    except Unanswered:
        if not is_gone(home):
            raise


def enable(api: str, proxy: str, enabled: bool) -> int:
    """Enable or disable a proxy; returns the status, which is 404 where there is no such proxy."""
    from gameday.faults.wire import demand

    return demand("POST", proxy_url(api, proxy), {"enabled": enabled}, also=404).status


def load_client() -> None:
    """Import what a request needs, so that an undo that comes later doesn't have to."""
    import gameday.faults.wire  # noqa: F401


def toxic_recovered(
    api: str, proxy: str, toxic: str, door: str | None, home: Home | None, slow: float | None = None
) -> dict[str, Json]:
    """Whether a toxic is gone and the service can be reached through its proxy again.

    `slow`: an answer that takes this many seconds or longer is not yet recovery. A disturbance that is somebody
    else's, on the proxy or behind it, doesn't count against this fault.
    """
    from gameday.faults.wire import GLANCE, Unanswered

    # Somebody else may listen at that address on another host, and know nothing of it.
    check_here(home)
    try:
        state = read_proxy(api, proxy, GLANCE)
    except (Unanswered, RuntimeError) as error:
        return verdict(True, GONE) if is_gone(home) else verdict(False, str(error))
    if state is None:
        return deleted(proxy)
    if toxic in state.toxics:
        return verdict(False, f"toxic {toxic} is still on proxy {proxy}")
    return passes(proxy, state, door, f"toxic {toxic} is gone", slow)


def deleted(proxy: str) -> dict[str, Json]:
    """The answer where a proxy is gone: nothing of the fault is left, and whoever went through it goes nowhere."""
    return {
        **verdict(False, f"proxy {proxy} doesn't exist any more: somebody else has deleted it since"),
        "undone": True,
    }


def toxic_stands(api: str, proxy: str, toxic: str) -> dict[str, Json]:
    """Whether a toxic is still there.

    Raises:
        Unanswered, RuntimeError: the API can't be asked.
    """
    from gameday.faults.wire import GLANCE

    state = read_proxy(api, proxy, GLANCE)
    if state is None:
        return verdict(False, f"proxy {proxy} doesn't exist any more")
    there = toxic in state.toxics
    return verdict(there, f"toxic {toxic} is {'' if there else 'not '}on proxy {proxy}{'' if there else ' any more'}")


def disabled_stands(api: str, proxy: str) -> dict[str, Json]:
    """Whether a proxy is still disabled; raises as `toxic_stands`."""
    from gameday.faults.wire import GLANCE

    state = read_proxy(api, proxy, GLANCE)
    if state is None:
        return verdict(False, f"proxy {proxy} doesn't exist any more")
    return verdict(not state.enabled, f"proxy {proxy} is {'enabled again' if state.enabled else 'disabled'}")


def passes(proxy: str, state: ProxyState, door: str | None, found: str, slow: float | None = None) -> dict[str, Json]:
    """Whether a request passes through the proxy, said together with what was `found` before."""
    from urllib.parse import urlsplit

    from gameday.faults.wire import GLANCE, knock

    if door is None:
        return verdict(True, f"{found}; no HTTP address is known by which to ask through it")
    if not state.enabled or state.toxics:
        others = ", ".join(state.toxics) or "it is disabled"
        return verdict(True, f"{found}; what else is on proxy {proxy} is not this fault's: {others}")
    # Below a tenth of a second a busy machine can't be told from a slow network, and the toxic is known to be gone.
    patience = GLANCE if slow is None else max(0.1, min(GLANCE, slow))
    through = knock(door, patience)
    if through.outcome == "answered":
        return verdict(True, f"{found}; {proxy} {through.words()}")
    direct = knock(f"http://{state.upstream}{urlsplit(door).path or '/'}", patience)
    if direct.outcome != "answered":
        return verdict(True, f"{found}; {proxy} doesn't answer behind its proxy either ({direct.words()})")
    return verdict(False, f"{found}, yet through the proxy {proxy} is {through.words()}")


def curl(method: str, url: str, data: Json = None) -> str:
    """A shell line that sends a request."""
    words = ["curl", "-sS", "-X", method]
    if data is not None:
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(data)]
    return shlex.join([*words, url])
