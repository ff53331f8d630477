"""The shoppers: a steady stream of purchases, and how the shop looks to them.

Open loop: a shopper comes whether or not the ones before were served, so an outage doesn't hide itself by slowing the
load.
"""

import asyncio
import math
from collections import deque
from dataclasses import dataclass

from gameday.sandbox.call import Unanswered, call
from gameday.sandbox.child import Settings, announce_ready, run, termination, work_until
from gameday.sandbox.clock import boot, wall
from gameday.sandbox.ledger import Ledger
from gameday.sandbox.metrics import Metrics
from gameday.sandbox.shop import SHOPPER_PATIENCE
from gameday.sandbox.web import Request, Response, Routes, Server, page, reply

WINDOW = 5.0
_HISTORY = 180
_MOST_AT_ONCE = 400


@dataclass(frozen=True)
class Visit:
    """One purchase that ended: when (CLOCK_BOOTTIME seconds), how long it took, and whether the shopper got the
    goods.
    """

    ended: float
    seconds: float
    ok: bool


@dataclass(frozen=True)
class View:
    """The shop over the last seconds. Error rate and p95 are NaN if nobody came."""

    error_rate: float
    p95: float
    per_second: float


def summarize(visits: list[Visit], window: float) -> View:
    """What these visits of one window of `window` seconds amount to."""
    if not visits:
        return View(math.nan, math.nan, 0.0)
    durations = sorted(visit.seconds for visit in visits)
    p95 = durations[math.ceil(0.95 * len(durations)) - 1]
    failed = sum(1 for visit in visits if not visit.ok)
    return View(failed / len(visits), p95, len(visits) / window)


class Load:
    """The shoppers and their memory of the last seconds."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.urls["storefront"] + "/buy"
        self._rate = settings.rate
        self._visits: deque[Visit] = deque()
        self._history: deque[dict[str, float | None]] = deque(maxlen=_HISTORY)
        self._under_way: set[asyncio.Task[None]] = set()
        self._started = boot()
        self.is_open = asyncio.Event()
        self.first = asyncio.Event()
        if settings.state["open"]:
            self.is_open.set()
        self.metrics = Metrics()
        for name, kind, text in (
            ("up", "gauge", "1 while the load generator runs"),
            ("shop_error_rate", "gauge", "Share of purchases that failed over the last 5 s, 0 to 1"),
            ("shop_latency_p95_seconds", "gauge", "95th percentile of the time a purchase took over the last 5 s"),
            ("shop_requests_per_second", "gauge", "Purchases that ended per second over the last 5 s"),
            ("shop_requests_total", "counter", "Purchases by status code; 0 where no answer came"),
            ("shop_in_flight", "gauge", "Purchases under way"),
        ):
            self.metrics.describe(name, kind, text)
        self.metrics.set("up", 1)

    async def shop(self) -> None:
        """Send a shopper every 1/rate seconds; after a pause (the process was frozen) nobody bursts in."""
        await self.is_open.wait()
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if len(self._under_way) < _MOST_AT_ONCE:
                task = asyncio.create_task(self._visit())
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            due = max(due + 1 / self._rate, loop.time() - 0.5)
            await asyncio.sleep(due - loop.time())

    async def _visit(self) -> None:
        started = boot()
        try:
            status = (await call("POST", self._url, {"item": "umbrella"}, timeout=SHOPPER_PATIENCE)).status
        except Unanswered:
            status = 0
        ended = boot()
        self._visits.append(Visit(ended, ended - started, status == 200))
        self.metrics.add("shop_requests_total", code=str(status))
        self.first.set()

    def view(self) -> View:
        """The last seconds."""
        now = boot()
        while self._visits and self._visits[0].ended < now - WINDOW:
            self._visits.popleft()
        return summarize(list(self._visits), max(0.5, min(WINDOW, now - self._started)))

    async def remember(self) -> None:
        """Keep a reading per second for the status page."""
        await self.is_open.wait()
        while True:
            await asyncio.sleep(1.0)
            view = self.view()
            self._history.append(
                {
                    "wall": wall(),
                    "error_rate": None if math.isnan(view.error_rate) else round(view.error_rate, 4),
                    "p95": None if math.isnan(view.p95) else round(view.p95, 4),
                    "per_second": round(view.per_second, 1),
                }
            )

    async def metrics_page(self, request: Request) -> Response:
        """`/metrics`."""
        view = self.view()
        self.metrics.set("shop_error_rate", view.error_rate)
        self.metrics.set("shop_latency_p95_seconds", view.p95)
        self.metrics.set("shop_requests_per_second", view.per_second)
        self.metrics.set("shop_in_flight", len(self._under_way))
        return page(self.metrics.render())

    async def history(self, request: Request) -> Response:
        """`/history`: a reading per second over the last three minutes, oldest first."""
        return reply(list(self._history))

    async def open(self, request: Request) -> Response:
        """`POST /open`: the shop is open, shoppers may come."""
        self.is_open.set()
        return reply({"open": True})


async def health(request: Request) -> Response:
    """`/health`."""
    return reply({"status": "ok", "service": "load"})


async def main(settings: Settings) -> None:
    """Shop until SIGTERM."""
    stop = termination()
    load = Load(settings)
    routes = Routes()
    routes.add("GET", "/metrics", load.metrics_page)
    routes.add("GET", "/history", load.history)
    routes.add("POST", "/open", load.open)
    routes.add("GET", "/health", health)
    await Server(routes).listen(settings.own_port)
    Ledger(settings.folder(), settings.name).write("started", rate=settings.rate)

    async def announce() -> None:
        # Ready only once the metrics have something to tell: who waits for the sandbox looks at them at once.
        await load.first.wait()
        announce_ready(settings)
        await stop.wait()

    await work_until(stop, load.shop(), load.remember(), announce())


def start() -> None:
    """Be this process."""
    run(main)
