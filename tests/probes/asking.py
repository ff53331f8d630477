"""Asking one probe in a test, and proving that the answer came within the probe's own time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from gameday.engine.ports import Answer, TargetInfo
from gameday.probes.prober import LiveProber

from .servers import Behaviour, Server, serving

SLACK = 1.5
"""Seconds over a probe's timeout that a loaded machine is allowed; far below what a hang would take."""


def target(**parts: Any) -> TargetInfo:
    return TargetInfo("shop", "none", "test", **parts)


def run(test: Coroutine[Any, Any, Any]) -> Any:
    """Run a test's coroutine; one that hangs fails instead."""

    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await test

    return asyncio.run(bounded())


async def ask_bounded(prober: LiveProber, probe: dict[str, Any], timeout: float) -> Answer:
    """Ask with the client ready, and hold the answer to its timeout."""
    await prober.open()
    began = time.monotonic()
    answer = await prober.ask(probe)
    assert time.monotonic() - began < timeout + SLACK
    return answer


def ask_of(
    behaviour: Behaviour, make: Callable[[Server], dict[str, Any]], timeout: float = 2.0, **parts: Any
) -> Answer:
    """The answer of one probe, made by `make(server)`, to a server that behaves like this."""

    async def test() -> Answer:
        async with serving(behaviour) as server:
            prober = LiveProber(target(**parts))
            try:
                return await ask_bounded(prober, make(server), timeout)
            finally:
                await prober.close()

    answer: Answer = run(test())
    return answer


def http(timeout: float = 2.0, at: str = "/", **keys: Any) -> Callable[[Server], dict[str, Any]]:
    return lambda server: {"http": {"url": server.url + at, "timeout": timeout, **keys}}


def until(done: Callable[[], bool], within: float = 5.0) -> None:
    """Return as soon as `done()`; fail if that takes longer than `within` seconds."""
    deadline = time.monotonic() + within
    while not done():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.005)
