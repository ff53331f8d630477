"""The shop's front door: takes an order and has checkout do it. Also serves the status page.

The status page asks this process once a second, and it asks the supervisor, the alerts and the load generator.
"""

import asyncio
from pathlib import Path
from typing import Any

from gameday.sandbox.call import Unanswered, call
from gameday.sandbox.child import Settings, run
from gameday.sandbox.service import Service
from gameday.sandbox.shop import CHECKOUT_PATIENCE
from gameday.sandbox.web import Request, Response, page, reply


async def buy(service: Service, request: Request, order: str) -> dict[str, Any]:
    """One shopper buys one thing."""
    done = await service.ask("checkout", "/checkout", request.json(), order, CHECKOUT_PATIENCE)
    return {"order": order, "payment": done["payment"]}


class StatusPage:
    """The page and the data that it shows."""

    def __init__(self, settings: Settings) -> None:
        self._urls = settings.urls
        self._html = (Path(__file__).parent / "status.html").read_text(encoding="utf-8")

    async def html(self, request: Request) -> Response:
        """The page itself; it is complete, and asks only for `/status.json`."""
        return page(self._html, "text/html; charset=utf-8")

    async def data(self, request: Request) -> Response:
        """What the page shows; a part that can't be had is null."""
        shop, alerts, history = await asyncio.gather(
            self._get("supervisor", "/status"),
            self._get("alertmanager", "/api/v2/alerts"),
            self._get("load", "/history"),
        )
        return reply({"shop": shop, "alerts": alerts, "history": history})

    async def _get(self, part: str, path: str) -> Any:
        try:
            found = await call("GET", self._urls[part] + path, timeout=0.5)
            return found.json() if found.status == 200 else None
        except Unanswered:
            return None


async def main(settings: Settings) -> None:
    """Serve until SIGTERM."""
    service = Service(settings)
    service.depends_on("checkout")
    service.business("/buy", buy)
    status = StatusPage(settings)
    service.routes.add("GET", "/", status.html)
    service.routes.add("GET", "/status.json", status.data)
    await service.serve()


def start() -> None:
    """Be this process."""
    run(main)
