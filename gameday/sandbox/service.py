"""What all services of the shop have in common: health, metrics, logs, flags, faults, and calling one another.

A service is a `Service` with its business endpoints added. The supervisor holds what flags and faults there are, and
tells each instance; an instance that starts is told with its settings.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gameday.sandbox.call import Reply, Unanswered, call
from gameday.sandbox.child import Settings, announce_ready, termination, work_until
from gameday.sandbox.clock import boot
from gameday.sandbox.ledger import Ledger
from gameday.sandbox.logbook import Logbook
from gameday.sandbox.metrics import Metrics
from gameday.sandbox.web import Problem, Request, Response, Routes, Server, page, reply

# Every failure is logged; of what went well, one in so many.
_LOGGED_SUCCESSES = 20
_DRAIN = 1.0

Business = Callable[["Service", Request, str], Awaitable[dict[str, Any]]]


class Failed(Exception):
    """A business request failed: the status to answer with and the cause, in words; `upstream` if one is to blame."""

    def __init__(self, status: int, cause: str, upstream: str | None = None) -> None:
        super().__init__(cause)
        self.status = status
        self.upstream = upstream


class Service:
    """One instance of a service."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log = Logbook(settings.folder(), settings.service, settings.name, settings.version)
        self.metrics = Metrics()
        self.routes = Routes()
        self._ledger = Ledger(settings.folder(), settings.name)
        self._flags: set[str] = set()
        self._faults: dict[str, dict[str, Any]] = {}
        self._failed: Counter[str] = Counter()
        self._in_flight = 0
        self._successes = 0
        self._describe()
        for methods, path, endpoint in (
            ("GET", "/health", self._health),
            ("GET", "/ready", self._ready),
            ("GET", "/metrics", self._metrics_page),
            ("PUT", "/admin/state", self._put_state),
            ("GET", "/admin/faults", self._get_faults),
            ("POST", "/admin/faults/error-rate", self._set_error_rate),
            ("DELETE", "/admin/faults/error-rate/{fault_id}", self._clear_error_rate),
        ):
            self.routes.add(methods, path, endpoint)
        self._take_state(settings.state, boot())

    def _describe(self) -> None:
        for name, kind, text in (
            ("up", "gauge", "1 while the instance serves"),
            ("build_info", "gauge", "The instance's version"),
            ("http_requests_total", "counter", "Business requests answered, by status code"),
            ("http_request_duration_seconds", "histogram", "Time to answer a business request"),
            ("http_requests_in_flight", "gauge", "Business requests being answered"),
            ("upstream_errors_total", "counter", "Calls to another service that failed, by service and kind"),
            ("feature_flag", "gauge", "1 for a feature flag that is on"),
            ("payments_queued", "gauge", "Payments of accepted orders that are still to be charged"),
        ):
            self.metrics.describe(name, kind, text)
        self.metrics.set("up", 1)
        self.metrics.set("build_info", 1, service=self.settings.service, version=self.settings.version)
        self.metrics.set("http_requests_in_flight", 0, service=self.settings.service)

    def flag(self, name: str) -> bool:
        """Whether a feature flag is on."""
        return name in self._flags

    def business(self, path: str, endpoint: Business) -> None:
        """Serve `POST path`: counted, timed, logged, and subject to the error rates that are set."""

        async def answer(request: Request) -> Response:
            return await self._business(path, endpoint, request)

        self.routes.add("POST", path, answer)

    async def _business(self, path: str, endpoint: Business, request: Request) -> Response:
        order = request.headers.get("x-request-id") or f"{random.getrandbits(32):08x}"
        service = self.settings.service
        self._in_flight += 1
        self.metrics.set("http_requests_in_flight", self._in_flight, service=service)
        started = boot()
        try:
            self._maybe_fail()
            data, status = await endpoint(self, request, order), 200
        except Failed as failed:
            status = failed.status
            data = {"error": f"{service} could not do it", "cause": str(failed), "upstream": failed.upstream}
        except Problem as problem:
            status = problem.status
            data = {"error": str(problem), "cause": str(problem), "upstream": None}
        finally:
            self._in_flight -= 1
            self.metrics.set("http_requests_in_flight", self._in_flight, service=service)
        seconds = boot() - started
        self.metrics.add("http_requests_total", service=service, code=str(status))
        self.metrics.observe("http_request_duration_seconds", seconds, service=service)
        self._log(path, order, status, seconds, data)
        return reply(data, status)

    def _log(self, path: str, order: str, status: int, seconds: float, data: dict[str, Any]) -> None:
        fields = {"path": path, "request_id": order, "status": status, "duration_ms": round(seconds * 1000, 1)}
        if status < 400:
            self._successes += 1
            if self._successes % _LOGGED_SUCCESSES == 1:
                self.log.write("info", "request answered", **fields)
            return
        self.log.write("error", "request failed", **fields, upstream=data["upstream"], cause=data["cause"])

    def _maybe_fail(self) -> None:
        for fault_id, fault in self._faults.items():
            if random.random() < fault["share"]:
                self._failed[fault_id] += 1
                raise Failed(fault["status"], f"error-rate fault {fault_id} is set on {self.settings.service}")

    async def ask(self, service: str, path: str, data: dict[str, Any], order: str, patience: float) -> dict[str, Any]:
        """Call another service through the proxy, and return its answer.

        Raises Failed with 504 if it took longer than `patience` seconds, with 502 if it failed otherwise.
        """
        url = self.settings.urls[service]
        try:
            found = await call("POST", url + path, data, timeout=patience, headers={"X-Request-Id": order})
            answer: dict[str, Any] = found.json()
        except Unanswered as error:
            self.metrics.add("upstream_errors_total", upstream=service, kind=error.kind)
            status = 504 if error.kind == "timeout" else 502
            raise Failed(status, f"{service}: {error}", service) from error
        if found.status >= 400:
            self.metrics.add("upstream_errors_total", upstream=service, kind=str(found.status))
            cause = answer.get("cause") or answer.get("error")
            raise Failed(502, f"{service} answered {found.status}: {cause}", service)
        return answer

    async def reach(self, service: str) -> str:
        """ "ok" if another service's health check answers through the proxy, else why not."""
        try:
            found: Reply = await call("GET", self.settings.urls[service] + "/health", timeout=0.5)
        except Unanswered as error:
            return str(error)
        return "ok" if found.status == 200 else f"status {found.status}"

    def depends_on(self, *services: str) -> None:
        """Have `/ready` look at these services."""
        self._dependencies = services

    _dependencies: tuple[str, ...] = ()

    async def _health(self, request: Request) -> Response:
        return reply(
            {
                "status": "ok",
                "service": self.settings.service,
                "instance": self.settings.name,
                "version": self.settings.version,
            }
        )

    async def _ready(self, request: Request) -> Response:
        states = {service: await self.reach(service) for service in self._dependencies}
        ready = all(state == "ok" for state in states.values())
        return reply({"status": "ok" if ready else "not ready", "dependencies": states}, 200 if ready else 503)

    async def _metrics_page(self, request: Request) -> Response:
        return page(self.metrics.render())

    async def _put_state(self, request: Request) -> Response:
        self._take_state(request.json(), request.received)
        return reply(self._state())

    def _state(self) -> dict[str, Any]:
        return {"flags": sorted(self._flags), "faults": list(self._faults.values())}

    def _take_state(self, state: dict[str, Any], received: float) -> None:
        """Make flags and faults what the supervisor says; what changes by it is written to the ledger."""
        flags = set(state.get("flags", ()))
        for name in sorted(flags ^ self._flags):
            self._ledger.write("flag", received, name=name, on=name in flags)
            self.log.write("info", "feature flag changed", flag=name, on=name in flags)
            self.metrics.set("feature_flag", float(name in flags), flag=name)
        self._flags = flags
        faults = {fault["id"]: fault for fault in state.get("faults", ())}
        for gone in [known for known in self._faults if known not in faults]:
            self._clear(gone, received)
        for fault in faults.values():
            self._set(fault, received)

    async def _get_faults(self, request: Request) -> Response:
        return reply({"faults": [{**fault, "failed": self._failed[fault["id"]]} for fault in self._faults.values()]})

    async def _set_error_rate(self, request: Request) -> Response:
        fault = read_error_rate(request.json())
        self._set(fault, request.received)
        return reply(fault)

    async def _clear_error_rate(self, request: Request, fault_id: str) -> Response:
        return reply({"removed": self._clear(fault_id, request.received)})

    def _set(self, fault: dict[str, Any], received: float) -> None:
        if self._faults.get(fault["id"]) == fault:
            return
        self._faults[fault["id"]] = fault
        self._ledger.write("error-rate-set", received, service=self.settings.service, **fault)

    def _clear(self, fault_id: str, received: float) -> bool:
        if fault_id not in self._faults:
            return False
        del self._faults[fault_id]
        self._failed.pop(fault_id, None)
        self._ledger.write("error-rate-cleared", received, service=self.settings.service, id=fault_id)
        return True

    async def serve(self, *works: Coroutine[Any, Any, None]) -> None:
        """Serve on the instance's own port and on the service's until SIGTERM, then finish what is being answered.

        The works are done meanwhile.
        """
        stop = termination()
        server = Server(self.routes)
        await server.listen(self.settings.own_port)
        await server.listen(self.settings.port)
        self._ledger.write("started", version=self.settings.version, port=self.settings.own_port)
        self.log.write("info", "instance started", port=self.settings.own_port)
        announce_ready(self.settings)
        await work_until(stop, *works)
        self.log.write("info", "instance stopping")
        await server.drain(_DRAIN)


def read_error_rate(body: dict[str, Any]) -> dict[str, Any]:
    """The error-rate fault that a request describes: id, status and share. Raises Problem 400."""
    fault_id, status, share = body.get("id"), body.get("status", 503), body.get("share", 1.0)
    if not isinstance(fault_id, str) or not fault_id:
        raise Problem(400, "an error rate needs an id, a string")
    if isinstance(status, bool) or not isinstance(status, int) or not 400 <= status <= 599:
        raise Problem(400, f"status is an HTTP error code from 400 to 599, not {status!r}")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise Problem(400, f"share is a number from 0 to 1, not {share!r}")
    return {"id": fault_id, "status": status, "share": float(share)}
