"""The shop's state that outlives any instance: feature flags, error-rate faults, deploys; and telling the instances.

Each change gets a revision. An instance that hasn't confirmed the latest one is told again until it has, so one that
was frozen or just starting can't miss any.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from gameday.sandbox.call import Unanswered, call
from gameday.sandbox.clock import wall
from gameday.sandbox.instance import Instance
from gameday.sandbox.shop import EARLIER_DEPLOYS, SERVICE_NAMES

_PATIENCE = 0.5
_AGAIN_AFTER = 0.2


class ShopState:
    """Flags, faults and deploys."""

    def __init__(self, instances: Callable[[], Iterable[Instance]]) -> None:
        now = wall()
        self._instances = instances
        self._revision = 1
        self._telling: dict[str, asyncio.Task[None]] = {}
        self.is_open = False
        self.flags: set[str] = set()
        self.faults: dict[str, dict[str, Any]] = {}
        self.deploys: list[dict[str, Any]] = [
            {"service": service, "version": version, "wall": now - ago, "kind": "deploy"}
            for service, version, ago in EARLIER_DEPLOYS
        ]

    def for_service(self, service: str) -> tuple[int, dict[str, Any]]:
        """The revision, and what the instances of a service must know."""
        keys = ("id", "status", "share")
        faults = [{key: fault[key] for key in keys} for fault in self.faults.values() if fault["service"] == service]
        return self._revision, {"flags": sorted(self.flags), "faults": faults, "open": self.is_open}

    def versions_of(self, service: str) -> list[str]:
        """Every version it was deployed at, the earliest first; where it stands now changes nothing in the order."""
        return list(dict.fromkeys(deploy["version"] for deploy in self.deploys if deploy["service"] == service))

    async def changed(self) -> list[str]:
        """Tell all instances that serve; returns the names of those that haven't confirmed within half a second."""
        self._revision += 1
        told = [self.tell(instance) for instance in self._instances() if instance.is_ready]
        tasks = [task for task in told if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)
        return [one.name for one in self._instances() if self._concerns(one) and one.pushed != self._revision]

    def _concerns(self, instance: Instance) -> bool:
        return instance.service in SERVICE_NAMES and not instance.leaving

    def tell(self, instance: Instance) -> "asyncio.Task[None] | None":
        """Begin to tell an instance what it doesn't know yet; the task ends when it has confirmed or can't be told
        now.
        """
        if not self._concerns(instance) or instance.pushed == self._revision:
            return None
        under_way = self._telling.get(instance.name)
        if under_way is None or under_way.done():
            under_way = asyncio.create_task(self._tell(instance))
            self._telling[instance.name] = under_way
        return under_way

    async def _tell(self, instance: Instance) -> None:
        # An instance that freezes, dies or leaves meanwhile is told when it serves again, or learns at its start.
        while instance.is_ready and instance.pushed != self._revision:
            revision, state = self.for_service(instance.service)
            try:
                await call("PUT", f"http://127.0.0.1:{instance.own_port}/admin/state", state, timeout=_PATIENCE)
            except Unanswered:
                await asyncio.sleep(_AGAIN_AFTER)
                continue
            instance.pushed = revision
