"""Reserves goods for an order. The stock is refilled when it runs out: exercises aren't about that."""

from typing import Any

from gameday.sandbox.child import Settings, run
from gameday.sandbox.service import Service
from gameday.sandbox.web import Request

_FULL = 10_000


class Shelf:
    """The stock of one instance."""

    def __init__(self) -> None:
        self._stock = _FULL

    async def reserve(self, service: Service, request: Request, order: str) -> dict[str, Any]:
        """Take one from the shelf."""
        self._stock = self._stock - 1 or _FULL
        return {"order": order, "stock": self._stock}


async def main(settings: Settings) -> None:
    """Serve until SIGTERM."""
    service = Service(settings)
    service.business("/reserve", Shelf().reserve)
    await service.serve()


def start() -> None:
    """Be this process."""
    run(main)
