"""Watches the shop's metrics once a second and serves the alerts that fire in the form of Alertmanager's API.

The rules are in `rules`. There are no silences, inhibitions or notifications.
"""

import asyncio
import hashlib
import json
import re
import time
from typing import Any

from gameday.sandbox.call import Unanswered, call
from gameday.sandbox.child import Settings, announce_ready, run, termination, work_until
from gameday.sandbox.clock import wall
from gameday.sandbox.ledger import Ledger
from gameday.sandbox.metrics import plain_values
from gameday.sandbox.rules import Alert, Alerts, Sample, evaluate, firing
from gameday.sandbox.web import Problem, Request, Response, Routes, Server, page, reply

_EVERY = 1.0
_FILTER = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*')


class Watch:
    """The rules' state, sampled once a second."""

    def __init__(self, settings: Settings) -> None:
        self._urls = settings.urls
        self._ledger = Ledger(settings.folder(), settings.name)
        self._started = wall()
        self._alerts: Alerts = {}
        self._sampled = self._started

    async def watch(self) -> None:
        """Sample and judge, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            before = {(alert.name, alert.service) for alert in firing(self._alerts)}
            self._sampled = wall()
            self._alerts = evaluate(self._alerts, await self._sample(), self._sampled)
            after = {(alert.name, alert.service) for alert in firing(self._alerts)}
            for name, service in after - before:
                self._ledger.write("alert-fired", alert=name, service=service)
            for name, service in before - after:
                self._ledger.write("alert-resolved", alert=name, service=service)
            due = max(due + _EVERY, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _sample(self) -> Sample:
        metrics, status, storefront = await asyncio.gather(
            self._get("load", "/metrics"), self._get("supervisor", "/status"), self._get("storefront", "/health")
        )
        values = plain_values(metrics.decode()) if metrics is not None else {}
        nan = float("nan")
        missing = {}
        if status is not None:
            for name, service in json.loads(status)["services"].items():
                if service["ready"] < service["desired"]:
                    missing[name] = f"{service['ready']} of {service['desired']} instances of {name} are ready"
        return Sample(
            values.get("shop_error_rate", nan),
            values.get("shop_latency_p95_seconds", nan),
            storefront is not None,
            missing,
        )

    async def _get(self, part: str, path: str) -> bytes | None:
        try:
            found = await call("GET", self._urls[part] + path, timeout=0.8)
        except Unanswered:
            return None
        return found.body if found.status == 200 else None

    async def alerts(self, request: Request) -> Response:
        """`/api/v2/alerts`: those that fire. `filter` takes matchers as in `alertname="CheckoutErrors"`."""
        if request.queries("active")[-1:] == ["false"]:
            return reply([])
        views = [self._view(alert) for alert in firing(self._alerts)]
        for text in request.queries("filter"):
            matches = _matcher(text)
            views = [view for view in views if matches(view["labels"])]
        return reply(views)

    def _view(self, alert: Alert) -> dict[str, Any]:
        labels = {"alertname": alert.name, "service": alert.service, "severity": alert.severity}
        fired = alert.fired or self._sampled
        return {
            "labels": labels,
            "annotations": {
                "summary": f"{alert.summary}.",
                "runbook": f"https://runbooks.example.com/{alert.name}",
                "dashboard": self._urls["storefront"] + "/",
            },
            "startsAt": _moment(fired),
            "endsAt": _moment(self._sampled + 4 * _EVERY),
            "updatedAt": _moment(self._sampled),
            "fingerprint": hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16],
            "generatorURL": self._urls["load"] + "/metrics",
            "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []},
            "receivers": [{"name": "on-call"}],
        }

    async def status(self, request: Request) -> Response:
        """`/api/v2/status`."""
        return reply(
            {
                "cluster": {"status": "disabled", "peers": []},
                "config": {"original": ""},
                "uptime": _moment(self._started),
                "versionInfo": {"version": "0.28.0", "branch": "", "revision": "", "goVersion": ""}
                | {"buildDate": "", "buildUser": ""},
            }
        )


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def _matcher(text: str) -> Any:
    found = _FILTER.fullmatch(text)
    if found is None:
        raise Problem(400, f'bad filter {text!r}: write alertname="CheckoutErrors"')
    label, operator, value = found.groups()

    def matches(labels: dict[str, str]) -> bool:
        actual = labels.get(label, "")
        same = re.fullmatch(value, actual) is not None if "~" in operator else actual == value
        return same != operator.startswith("!")

    return matches


async def healthy(request: Request) -> Response:
    """`/-/healthy`."""
    return page("OK\n", "text/plain; charset=utf-8")


async def main(settings: Settings) -> None:
    """Watch and serve until SIGTERM."""
    stop = termination()
    watch = Watch(settings)
    routes = Routes()
    routes.add("GET", "/api/v2/alerts", watch.alerts)
    routes.add("GET", "/api/v2/status", watch.status)
    routes.add("GET", "/-/healthy", healthy)
    routes.add("GET", "/-/ready", healthy)
    await Server(routes).listen(settings.own_port)
    announce_ready(settings)
    await work_until(stop, watch.watch())


def start() -> None:
    """Be this process."""
    run(main)
