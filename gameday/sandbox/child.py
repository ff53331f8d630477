"""How each of the sandbox's processes starts: with its settings, bound to its supervisor's life, saying when it is
ready.

The settings come in one environment variable, as JSON. Nothing here knows what a process does.
"""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gameday.sandbox.launch import VARIABLE
from gameday.sandbox.processes import die_with


@dataclass(frozen=True)
class Settings:
    """What a process is told at its start.

    `port` is the service's, shared by its replicas; `own_port` the instance's. `urls` has the addresses of the other
    parts by name. `lifeline` is a pipe's end that closes when the supervisor is gone; on `ready` the process writes a
    line when it can work. `state` is the shop's (flags, faults) at this moment.
    """

    state_dir: str
    name: str
    service: str
    version: str
    port: int
    own_port: int
    supervisor: int
    lifeline: int
    ready: int
    rate: float
    urls: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    def folder(self) -> Path:
        """The state directory."""
        return Path(self.state_dir)

    def dump(self) -> str:
        """As the environment variable's value."""
        return json.dumps(asdict(self))


def run(main: Callable[[Settings], Awaitable[None]]) -> None:
    """Run a process of the sandbox until SIGTERM or the supervisor's end.

    `main` sets up and returns when there is nothing more to do: it is expected to wait for its own end.
    """
    settings = Settings(**json.loads(os.environ[VARIABLE]))
    die_with(settings.supervisor)
    asyncio.run(_live(main, settings))
    # Nothing needs an orderly interpreter shutdown, and connections that are held must not delay it.
    os._exit(0)


async def _live(main: Callable[[Settings], Awaitable[None]], settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(settings.lifeline, os._exit, 1)
    # Who reads this sandbox's terminal is the supervisor's business.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    await main(settings)


def announce_ready(settings: Settings) -> None:
    """Tell the supervisor that this process can work now."""
    os.write(settings.ready, b"ready\n")
    os.close(settings.ready)


async def work_until(stop: asyncio.Event, *works: Coroutine[Any, Any, None]) -> None:
    """Do these until told to stop. What one of them raises ends the process, so that the supervisor starts it anew."""
    ending = asyncio.create_task(stop.wait())
    tasks = [asyncio.create_task(work) for work in works]
    done, _ = await asyncio.wait([ending, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    for task in tasks:
        task.cancel()


def termination() -> asyncio.Event:
    """An event that SIGTERM sets."""
    event = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, event.set)
    return event
