"""The supervisor's control API: what responders, faults and the status page may ask of the shop.

Every change is written to the ledger with the time at which it was asked for. Adding or removing what is (or isn't)
already there is no error: who undoes something must be able to say it twice.
"""

import asyncio
from typing import Any

from gameday.sandbox.clock import boot, wall
from gameday.sandbox.fleet import Fleet, Group
from gameday.sandbox.ledger import Ledger
from gameday.sandbox.service import read_error_rate
from gameday.sandbox.shop import FLAGS, MOST_REPLICAS, SERVICE_NAMES
from gameday.sandbox.shopstate import ShopState
from gameday.sandbox.web import Problem, Request, Response, Routes, reply


def nearest(word: str, words: Any) -> str:
    """`did you mean …?` if one of the words is near, else what there is."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(words), 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(words))}"


class Api:
    """The endpoints."""

    def __init__(self, fleet: Fleet, shop: ShopState, ledger: Ledger, who: dict[str, Any]) -> None:
        """`who` identifies the supervisor: pid and start."""
        self._fleet = fleet
        self._shop = shop
        self._ledger = ledger
        self._who = who
        self._rolling = asyncio.Lock()
        self._started = boot()
        self.going_down = asyncio.Event()
        self.is_down = asyncio.Event()

    def routes(self) -> Routes:
        """The routes."""
        routes = Routes()
        for methods, path, endpoint in (
            ("GET", "/status", self._status),
            ("GET", "/instances", self._instances),
            ("POST", "/scale", self._scale),
            ("POST", "/flags", self._set_flag),
            ("POST", "/rollback", self._rollback),
            ("GET", "/faults", self._faults),
            ("POST", "/faults/error-rate", self._set_error_rate),
            ("DELETE", "/faults/error-rate/{fault_id}", self._clear_error_rate),
            ("POST", "/down", self._down),
        ):
            routes.add(methods, path, endpoint)
        return routes

    def _service(self, body: dict[str, Any]) -> Group:
        name = body.get("service")
        if not isinstance(name, str) or name not in SERVICE_NAMES:
            raise Problem(404, f"no service {name!r}; {nearest(str(name), SERVICE_NAMES)}")
        return self._fleet.groups[name]

    def _requested(self, request: Request) -> dict[str, Any]:
        body = request.body.decode(errors="replace")[:500]
        self._ledger.write("request", request.received, method=request.method, path=request.path, body=body)
        return request.json()

    async def _status(self, request: Request) -> Response:
        return reply(
            {
                **self._who,
                "uptime": boot() - self._started,
                "wall": wall(),
                "services": {
                    name: {
                        "kind": "service" if group.part.is_service else "platform",
                        "desired": group.desired,
                        "ready": group.ready,
                        "version": group.version,
                        "instances": [instance.view() for instance in group.instances],
                    }
                    for name, group in self._fleet.groups.items()
                },
                "flags": {name: name in self._shop.flags for name in FLAGS},
                "flag_texts": FLAGS,
                "deploys": self._shop.deploys,
                "faults": list(self._shop.faults.values()),
            }
        )

    async def _instances(self, request: Request) -> Response:
        wanted = request.queries("service")
        for name in wanted:
            if name not in self._fleet.groups:
                raise Problem(404, f"no service {name!r}; {nearest(name, self._fleet.groups)}")
        chosen = [one.view() for one in self._fleet.instances() if not wanted or one.service in wanted]
        return reply({"instances": chosen})

    async def _scale(self, request: Request) -> Response:
        body = self._requested(request)
        group = self._service(body)
        replicas = body.get("replicas")
        if isinstance(replicas, bool) or not isinstance(replicas, int) or not 0 <= replicas <= MOST_REPLICAS:
            raise Problem(400, f"replicas is a whole number from 0 to {MOST_REPLICAS}, not {replicas!r}")
        before, group.desired = group.desired, replicas
        self._fleet.reconcile(group.part.name)
        self._ledger.write("scaled", request.received, service=group.part.name, replicas=replicas, before=before)
        return reply({"service": group.part.name, "replicas": replicas, "before": before})

    async def _set_flag(self, request: Request) -> Response:
        body = self._requested(request)
        name, on = body.get("name"), body.get("on")
        if not isinstance(name, str) or name not in FLAGS:
            raise Problem(404, f"no flag {name!r}; {nearest(str(name), FLAGS)}")
        if not isinstance(on, bool):
            raise Problem(400, f"on is true or false, not {on!r}")
        before = name in self._shop.flags
        if on:
            self._shop.flags.add(name)
        else:
            self._shop.flags.discard(name)
        self._ledger.write("flag", request.received, name=name, on=on, before=before)
        return reply({"name": name, "on": on, "before": before, "pending": await self._shop.changed()})

    async def _rollback(self, request: Request) -> Response:
        body = self._requested(request)
        group = self._service(body)
        name = group.part.name
        async with self._rolling:
            versions = self._shop.versions_of(name)
            before, at = group.version, versions.index(group.version)
            version = body.get("to", versions[max(0, at - 1)])
            if version not in versions:
                raise Problem(404, f"{name} was never at {version!r}; {nearest(str(version), versions)}")
            if len(versions) == 1:
                raise Problem(409, f"{name} has only ever been at {before}: there is nothing to roll back to")
            # Whoever comes second must not undo what the first one did: back from the earliest one leads nowhere.
            if version != before:
                kind = "rollback" if versions.index(version) < at else "deploy"
                self._ledger.write(kind, request.received, service=name, version=version, before=before)
                self._shop.deploys.append({"service": name, "version": version, "wall": wall(), "kind": kind})
                await self._fleet.set_version(name, version)
        return reply({"service": name, "version": version, "before": before, "versions": versions})

    async def _faults(self, request: Request) -> Response:
        return reply({"faults": list(self._shop.faults.values())})

    async def _set_error_rate(self, request: Request) -> Response:
        body = self._requested(request)
        name = self._service(body).part.name
        fault = {**read_error_rate(body), "service": name, "since": wall()}
        self._shop.faults[fault["id"]] = fault
        self._ledger.write("error-rate-set", request.received, **{k: v for k, v in fault.items() if k != "since"})
        return reply({**fault, "pending": await self._shop.changed()})

    async def _clear_error_rate(self, request: Request, fault_id: str) -> Response:
        self._requested(request)
        fault = self._shop.faults.pop(fault_id, None)
        if fault is None:
            return reply({"removed": False, "pending": []})
        self._ledger.write("error-rate-cleared", request.received, id=fault_id, service=fault["service"])
        return reply({"removed": True, "pending": await self._shop.changed()})

    async def _down(self, request: Request) -> Response:
        self._requested(request)
        self.going_down.set()
        await self.is_down.wait()
        return reply({"down": True})
