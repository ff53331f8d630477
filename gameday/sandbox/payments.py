"""Charges for an order. Its version v2 is a little slower than v1, to no harm: something to suspect and roll back."""

import asyncio
from typing import Any

from gameday.sandbox.child import Settings, run
from gameday.sandbox.service import Service
from gameday.sandbox.web import Request

_SECONDS = {"v1": 0.005, "v2": 0.025}


async def charge(service: Service, request: Request, order: str) -> dict[str, Any]:
    """Take the money."""
    await asyncio.sleep(_SECONDS[service.settings.version])
    return {"order": order, "charged": True, "version": service.settings.version}


async def main(settings: Settings) -> None:
    """Serve until SIGTERM."""
    service = Service(settings)
    service.business("/charge", charge)
    await service.serve()


def start() -> None:
    """Be this process."""
    run(main)
