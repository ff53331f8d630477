"""The sandbox's first process: starts all the others, keeps them running, and takes them along when it goes.

It runs in a session of its own, detached from whoever started it, until it is told to go down. If it is killed, the
kernel kills its children. `sandbox.json` in the state directory says where everything is, once everything answers.
"""

import asyncio
import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from gameday.sandbox.api import Api
from gameday.sandbox.call import Unanswered, call
from gameday.sandbox.child import Settings
from gameday.sandbox.fleet import Fleet
from gameday.sandbox.instance import Instance
from gameday.sandbox.ledger import Ledger, put_aside
from gameday.sandbox.nursery import Nursery, found
from gameday.sandbox.processes import adopt_orphans, start_ticks
from gameday.sandbox.shop import DEFAULT_RATE, PARTS, SERVICE_NAMES
from gameday.sandbox.shopstate import ShopState
from gameday.sandbox.web import Server

LOCKED = 75
_FINDABLE = 1.0
"""Seconds between two looks at the state directory."""


class Supervisor:
    """Wires the fleet, the shop's state and the control API together."""

    def __init__(self, state_dir: Path, lock: int, lifeline: int, nursery: Nursery | None) -> None:
        self._state_dir = state_dir
        self._lock = lock
        self._ledger = Ledger(state_dir, "supervisor")
        self._populated = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        settings = Settings(
            state_dir=str(state_dir),
            name="",
            service="",
            version="",
            port=0,
            own_port=0,
            supervisor=os.getpid(),
            lifeline=lifeline,
            ready=-1,
            rate=float(os.environ.get("GAMEDAY_SANDBOX_RATE", DEFAULT_RATE)),
        )
        self._fleet = Fleet(self._ledger, settings, nursery, self._became_ready)
        self._urls = {name: self._url(f"proxy of {name}") for name in SERVICE_NAMES}
        self._urls |= {
            "proxy": self._url("proxy itself"),
            "load": self._url("load itself"),
            "alertmanager": self._url("alerts itself"),
            "supervisor": self._url("supervisor"),
        }
        settings.urls.update(self._urls)
        self._shop = ShopState(self._fleet.instances)
        self._fleet.share_state(self._shop.for_service)
        self._who = {"pid": os.getpid(), "start": start_ticks(os.getpid())}
        self._api = Api(self._fleet, self._shop, self._ledger, self._who)

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._fleet.port_of(name)}"

    def _became_ready(self, instance: Instance) -> None:
        if instance.service == "proxy":
            self._begin(self._populate(instance))
        else:
            self._shop.tell(instance)

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _populate(self, instance: Instance) -> None:
        """Give the proxy its proxies: it starts empty, each time."""
        pid = instance.pid
        proxies = [
            {
                "name": name,
                "listen": f"127.0.0.1:{self._fleet.port_of(f'proxy of {name}')}",
                "upstream": f"127.0.0.1:{self._fleet.port_of(name)}",
                "enabled": True,
            }
            for name in SERVICE_NAMES
        ]
        while instance.pid == pid:
            try:
                answer = await call("POST", self._urls["proxy"] + "/populate", proxies)
            except Unanswered:
                await asyncio.sleep(0.05)
                continue
            if answer.status != 201:
                sys.stderr.write(f"the proxy refused its proxies: {answer.body.decode()}\n")
            self._populated.set()
            return

    async def run(self) -> None:
        """Bring everything up, then keep it up until told otherwise."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._api.going_down.set)
        loop.add_signal_handler(signal.SIGCHLD, self._fleet.reap)
        self._ledger.write("sandbox-starting", **self._who)
        await Server(self._api.routes()).listen(self._fleet.port_of("supervisor"))
        up = asyncio.create_task(self._come_up())
        self._begin(self._stay_findable())
        await self._api.going_down.wait()
        up.cancel()
        await self._go_down()

    async def _come_up(self) -> None:
        for part in PARTS.values():
            self._fleet.add(part)
        await self._populated.wait()
        await self._all_ready(*(name for name in PARTS if name != "load"))
        # Shoppers come when the shop is open: the first seconds of metrics are of a healthy shop.
        self._shop.is_open = True
        while not self._fleet.groups["load"].ready:
            try:
                await call("POST", self._urls["load"] + "/open")
            except Unanswered:
                await asyncio.sleep(0.02)
                continue
            await self._all_ready("load")
        names = ("proxy", *SERVICE_NAMES, "load", "alertmanager")
        info = {
            **self._who,
            "control": self._urls["supervisor"],
            **{name: self._urls[name] for name in names},
            "metrics": self._urls["load"] + "/metrics",
        }
        path = self._state_dir / "sandbox.json"
        written = path.with_suffix(".new")
        written.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
        written.replace(path)
        self._ledger.write("sandbox-up")

    async def _stay_findable(self) -> None:
        """Go down when the state directory was removed: no command could find this sandbox any more to take it down."""
        while self._is_ours():
            await asyncio.sleep(_FINDABLE)
        self._api.going_down.set()

    def _is_ours(self) -> bool:
        """Whether the lock in the state directory is the one that we hold, and not that of a later sandbox."""
        try:
            return os.path.samestat(os.fstat(self._lock), (self._state_dir / "supervisor.lock").stat())
        except FileNotFoundError:
            return False

    async def _all_ready(self, *names: str) -> None:
        groups = [self._fleet.groups[name] for name in names]
        while not all(group.ready >= group.desired for group in groups):
            await asyncio.sleep(0.005)

    async def _go_down(self) -> None:
        self._fleet.kill_all()
        while any(instance.pid for instance in self._fleet.instances()):
            await asyncio.sleep(0.005)
        self._ledger.write("sandbox-down")
        (self._state_dir / "sandbox.json").unlink(missing_ok=True)
        self._api.is_down.set()
        # Long enough for the answer to whoever asked; it is only a few bytes.
        await asyncio.sleep(0.02)


def start() -> None:
    """Run in the state directory that the environment names; exits with LOCKED if another one runs there."""
    state_dir = Path(os.environ["GAMEDAY_SANDBOX"])
    lock = os.open(state_dir / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"another sandbox runs in {state_dir}\n")
        sys.exit(LOCKED)
    # From here on it can be found, though it isn't up yet.
    os.ftruncate(lock, 0)
    os.write(lock, json.dumps({"pid": os.getpid(), "start": start_ticks(os.getpid())}).encode())
    if sys.platform != "linux":
        os.setsid()
    os.chdir("/")
    put_aside(state_dir)
    adopt_orphans()
    lifeline, held_open = os.pipe()
    os.set_inheritable(lifeline, True)
    nursery = found([lock, held_open]) if sys.platform == "linux" else None
    asyncio.run(_run(state_dir, lock, lifeline, nursery))


async def _run(state_dir: Path, lock: int, lifeline: int, nursery: Nursery | None) -> None:
    await Supervisor(state_dir, lock, lifeline, nursery).run()
