"""The sandbox's proxy: speaks Toxiproxy's HTTP API, so that the same adapter drives this one and a real one.

Every hop of the shop goes through it. It starts empty, as Toxiproxy does: the supervisor populates it, and toxics do
not survive its death. Only the toxics of `toxics.KINDS` exist.
"""

import asyncio
import resource
from typing import Any

from gameday.sandbox.child import Settings, announce_ready, run, termination
from gameday.sandbox.ledger import Ledger
from gameday.sandbox.links import Link
from gameday.sandbox.toxics import STREAMS, Toxic, read_attributes, read_toxic, read_toxicity
from gameday.sandbox.web import Problem, Request, Response, Routes, Server, listening_socket, reply

# The Toxiproxy release whose API this follows.
VERSION = "2.9.0"


class Proxy:
    """One listening address, its upstream and its toxics."""

    def __init__(self, name: str, listen: str, upstream: str) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.toxics: list[Toxic] = []
        self._server: asyncio.Server | None = None
        self._links: set[Link] = set()

    @property
    def enabled(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def enable(self) -> None:
        """Listen. Raises Problem 500 if the address can't be had."""
        if self._server is not None:
            return
        host, port = split_address(self.listen)
        if host not in ("127.0.0.1", "localhost", ""):
            raise Problem(400, f"this proxy listens on 127.0.0.1 only, not {host}")
        try:
            listener = listening_socket(port)
        except OSError as error:
            raise Problem(500, f"listen on {self.listen}: {error.strerror}") from error
        self.listen = f"127.0.0.1:{listener.getsockname()[1]}"
        self._server = await asyncio.get_running_loop().create_server(self._accept, sock=listener)

    def _accept(self) -> asyncio.Protocol:
        return Link(split_address(self.upstream), lambda: self.toxics, self._links).client

    def disable(self) -> None:
        """Stop listening, and close every live connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in tuple(self._links):
            link.end()

    def toxic(self, name: str) -> Toxic:
        """The toxic of that name. Raises Problem 404."""
        for toxic in self.toxics:
            if toxic.name == name:
                return toxic
        raise Problem(404, "toxic not found")

    def toxics_changed(self) -> None:
        """Have live connections look at the toxics again."""
        self.toxics.sort(key=lambda toxic: STREAMS.index(toxic.stream))
        for link in tuple(self._links):
            link.wake()

    def view(self) -> dict[str, Any]:
        """As Toxiproxy shows it."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": [toxic.view() for toxic in self.toxics],
        }


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`. Raises Problem 400."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise Problem(400, f"bad request body: {address!r} isn't host:port")
    return host, int(port)


class Api:
    """The HTTP API over the proxies; each change is written to the ledger with the time at which it was asked for."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._proxies: dict[str, Proxy] = {}

    def routes(self) -> Routes:
        """Toxiproxy's routes."""
        routes = Routes(lambda problem: reply({"error": str(problem), "status": problem.status}, problem.status))
        for methods, path, endpoint in (
            ("GET", "/version", self._version),
            ("POST", "/reset", self._reset),
            ("GET", "/proxies", self._index),
            ("POST", "/proxies", self._create),
            ("POST", "/populate", self._populate),
            ("GET", "/proxies/{name}", self._show),
            ("POST PATCH", "/proxies/{name}", self._update),
            ("DELETE", "/proxies/{name}", self._delete),
            ("GET", "/proxies/{name}/toxics", self._toxics),
            ("POST", "/proxies/{name}/toxics", self._add_toxic),
            ("GET", "/proxies/{name}/toxics/{toxic}", self._show_toxic),
            ("POST PATCH", "/proxies/{name}/toxics/{toxic}", self._update_toxic),
            ("DELETE", "/proxies/{name}/toxics/{toxic}", self._delete_toxic),
        ):
            routes.add(methods, path, self._recorded(endpoint))
        return routes

    def _recorded(self, endpoint: Any) -> Any:
        async def answer(request: Request, **words: str) -> Response:
            if request.headers.get("user-agent", "").startswith("Mozilla/"):
                raise Problem(403, "User agent not allowed")
            if request.method not in ("GET", "HEAD"):
                body = request.body.decode(errors="replace")[:500]
                self._ledger.write("request", request.received, method=request.method, path=request.path, body=body)
            response: Response = await endpoint(request, **words)
            return response

        return answer

    def _proxy(self, name: str) -> Proxy:
        if name not in self._proxies:
            raise Problem(404, "proxy not found")
        return self._proxies[name]

    async def _version(self, request: Request) -> Response:
        return reply({"version": VERSION})

    async def _index(self, request: Request) -> Response:
        return reply({name: proxy.view() for name, proxy in self._proxies.items()})

    async def _show(self, request: Request, name: str) -> Response:
        return reply(self._proxy(name).view())

    async def _create(self, request: Request) -> Response:
        proxy = await self._add(request.json(), request.received)
        return reply(proxy.view(), 201)

    async def _add(self, body: dict[str, Any], received: float) -> Proxy:
        name, listen, upstream = read_addresses(body)
        for field, value in (("name", name), ("upstream", upstream)):
            if not value:
                raise Problem(400, f"missing required field: {field}")
        split_address(upstream)
        if name in self._proxies:
            raise Problem(409, "proxy already exists")
        proxy = Proxy(name, listen or "127.0.0.1:0", upstream)
        if body.get("enabled") is not False:
            await proxy.enable()
        self._proxies[name] = proxy
        self._ledger.write("proxy-created", received, proxy=name, listen=proxy.listen, upstream=upstream)
        if not proxy.enabled:
            self._ledger.write("proxy-disabled", received, proxy=name)
        return proxy

    async def _populate(self, request: Request) -> Response:
        bodies = request.data()
        if not isinstance(bodies, list):
            raise Problem(400, "bad request body: expected a JSON array of proxies")
        proxies: list[Proxy] = []
        for body in bodies:
            try:
                name, listen, upstream = read_addresses(body)
                known = self._proxies.get(name)
                if known is not None and (known.listen, known.upstream) == (listen, upstream):
                    await self._switch(known, body.get("enabled") is not False, request.received)
                    proxies.append(known)
                    continue
                if known is not None:
                    self._remove(known, request.received)
                proxies.append(await self._add(body, request.received))
            except Problem as problem:
                views = [proxy.view() for proxy in proxies]
                return reply({"error": str(problem), "status": problem.status, "proxies": views}, problem.status)
        return reply({"proxies": [proxy.view() for proxy in proxies]}, 201)

    async def _update(self, request: Request, name: str) -> Response:
        proxy = self._proxy(name)
        body = request.json()
        _, listen, upstream = read_addresses(body)
        enabled = body.get("enabled", proxy.enabled)
        if not isinstance(enabled, bool):
            raise Problem(400, "bad request body: enabled is true or false")
        split_address(upstream or proxy.upstream)
        if (listen or proxy.listen, upstream or proxy.upstream) != (proxy.listen, proxy.upstream):
            proxy.disable()
            proxy.listen, proxy.upstream = listen or proxy.listen, upstream or proxy.upstream
            self._ledger.write("proxy-updated", request.received, proxy=name, listen=proxy.listen, upstream=upstream)
            if enabled:
                await proxy.enable()
        await self._switch(proxy, enabled, request.received)
        return reply(proxy.view())

    async def _switch(self, proxy: Proxy, enabled: bool, received: float) -> None:
        if enabled and not proxy.enabled:
            await proxy.enable()
            self._ledger.write("proxy-enabled", received, proxy=proxy.name)
        elif proxy.enabled and not enabled:
            proxy.disable()
            self._ledger.write("proxy-disabled", received, proxy=proxy.name)

    async def _delete(self, request: Request, name: str) -> Response:
        self._remove(self._proxy(name), request.received)
        return Response(204)

    def _remove(self, proxy: Proxy, received: float) -> None:
        proxy.disable()
        del self._proxies[proxy.name]
        self._ledger.write("proxy-deleted", received, proxy=proxy.name)

    async def _reset(self, request: Request) -> Response:
        for proxy in self._proxies.values():
            await self._switch(proxy, True, request.received)
            for toxic in tuple(proxy.toxics):
                self._take_off(proxy, toxic, request.received)
        self._ledger.write("reset", request.received)
        return Response(204)

    async def _toxics(self, request: Request, name: str) -> Response:
        return reply([toxic.view() for toxic in self._proxy(name).toxics])

    async def _show_toxic(self, request: Request, name: str, toxic: str) -> Response:
        return reply(self._proxy(name).toxic(toxic).view())

    async def _add_toxic(self, request: Request, name: str) -> Response:
        proxy = self._proxy(name)
        toxic = read_toxic(request.json(), asyncio.get_running_loop().time())
        if any(known.name == toxic.name for known in proxy.toxics):
            raise Problem(409, "toxic already exists")
        proxy.toxics.append(toxic)
        self._write_toxic("toxic-added", proxy, toxic, request.received)
        proxy.toxics_changed()
        return reply(toxic.view())

    async def _update_toxic(self, request: Request, name: str, toxic: str) -> Response:
        proxy = self._proxy(name)
        known = proxy.toxic(toxic)
        body = request.json()
        attributes = read_attributes(known.type, body, known.attributes)
        known.toxicity = read_toxicity(body, known.toxicity)
        known.attributes = attributes
        known.since = asyncio.get_running_loop().time()
        self._write_toxic("toxic-updated", proxy, known, request.received)
        proxy.toxics_changed()
        return reply(known.view())

    async def _delete_toxic(self, request: Request, name: str, toxic: str) -> Response:
        proxy = self._proxy(name)
        self._take_off(proxy, proxy.toxic(toxic), request.received)
        return Response(204)

    def _take_off(self, proxy: Proxy, toxic: Toxic, received: float) -> None:
        proxy.toxics.remove(toxic)
        self._write_toxic("toxic-removed", proxy, toxic, received)
        proxy.toxics_changed()

    def _write_toxic(self, what: str, proxy: Proxy, toxic: Toxic, received: float) -> None:
        view = toxic.view()
        del view["name"]
        self._ledger.write(what, received, proxy=proxy.name, toxic=toxic.name, **view)


def read_addresses(body: Any) -> tuple[str, str, str]:
    """Name, listen and upstream of a request's body, "" for what it doesn't have. Raises Problem 400."""
    if not isinstance(body, dict):
        raise Problem(400, "bad request body: expected a JSON object")
    found = []
    for field in ("name", "listen", "upstream"):
        value = body.get(field)
        if value is not None and not isinstance(value, str):
            raise Problem(400, f"bad request body: {field} is a string")
        found.append(value or "")
    return found[0], found[1], found[2]


async def main(settings: Settings) -> None:
    """Serve the API until SIGTERM."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    stop = termination()
    ledger = Ledger(settings.folder(), "proxy")
    server = Server(Api(ledger).routes())
    await server.listen(settings.own_port)
    ledger.write("proxy-process-started", port=settings.own_port)
    announce_ready(settings)
    await stop.wait()


def start() -> None:
    """Be this process."""
    run(main)
