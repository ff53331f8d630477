"""Turns an order into a reservation and a payment; the place where two feature flags help a responder.

`payments-fallback`: an order whose payment can't be charged is taken, and its payment is charged later.
`inventory-cache`: an order is served from the last known stock when inventory does not answer.
"""

import asyncio
from collections import deque
from typing import Any

from gameday.sandbox.child import Settings, run
from gameday.sandbox.service import Failed, Service
from gameday.sandbox.shop import BACKEND_PATIENCE, FALLBACK_PATIENCE
from gameday.sandbox.web import Request

_SETTLE_EVERY = 1.0
_SETTLE_AT_ONCE = 20


class Checkout:
    """The orders of one instance; payments that wait are lost if it is killed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._unpaid: deque[str] = deque()
        self._stock = 0

    async def order(self, service: Service, request: Request, order: str) -> dict[str, Any]:
        """Reserve the goods, then charge for them."""
        await self._reserve(order)
        return {"order": order, "payment": await self._pay(order)}

    async def _reserve(self, order: str) -> None:
        cached = self._service.flag("inventory-cache")
        patience = FALLBACK_PATIENCE if cached else BACKEND_PATIENCE
        try:
            found = await self._service.ask("inventory", "/reserve", {"order": order}, order, patience)
            self._stock = int(found["stock"])
        except Failed as failed:
            if not cached:
                raise
            self._stock -= 1
            self._service.log.write(
                "warning", "sold from cached stock", request_id=order, upstream="inventory", cause=str(failed)
            )

    async def _pay(self, order: str) -> str:
        queues = self._service.flag("payments-fallback")
        patience = FALLBACK_PATIENCE if queues else BACKEND_PATIENCE
        try:
            await self._service.ask("payments", "/charge", {"order": order}, order, patience)
        except Failed as failed:
            if not queues:
                raise
            self._unpaid.append(order)
            self._service.metrics.set("payments_queued", len(self._unpaid))
            self._service.log.write(
                "warning", "payment queued", request_id=order, upstream="payments", cause=str(failed)
            )
            return "queued"
        return "charged"

    async def settle(self) -> None:
        """Charge the payments that were queued, as soon as payments answers again."""
        while True:
            await asyncio.sleep(_SETTLE_EVERY)
            settled = 0
            while self._unpaid and settled < _SETTLE_AT_ONCE:
                order = self._unpaid[0]
                try:
                    await self._service.ask("payments", "/charge", {"order": order}, order, BACKEND_PATIENCE)
                except Failed:
                    break  # Still down, which the failing orders' log lines say already.
                self._unpaid.popleft()
                settled += 1
            if settled:
                self._service.metrics.set("payments_queued", len(self._unpaid))
                self._service.log.write("info", "queued payments charged", count=settled, left=len(self._unpaid))


async def main(settings: Settings) -> None:
    """Serve until SIGTERM."""
    service = Service(settings)
    service.depends_on("payments", "inventory")
    checkout = Checkout(service)
    service.business("/checkout", checkout.order)
    await service.serve(checkout.settle())


def start() -> None:
    """Be this process."""
    run(main)
