"""The same probes for those who have no event loop: workers that verify a fault, and the command line.

Both functions are named in a worker's call by their dotted name, take and return JSON, and never raise for what a
target does.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from typing import Any

from gameday.engine.ports import Answer, Json, TargetInfo
from gameday.probes.judge import explain, judge
from gameday.probes.prober import LiveProber


def ask(probe: dict[str, Json], target: dict[str, Json]) -> dict[str, Json]:
    """Ask `probe` (a `Probing` in JSON) of `target` (`TargetInfo.to_json()`): `Answer.to_json()`."""
    # Not `asyncio.run`: it waits at its end for threads, and one may sit in a name lookup that has long been given up.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_ask(probe, target)).to_json()
    finally:
        loop.close()


def check(check: dict[str, Json], target: dict[str, Json]) -> dict[str, Json]:
    """Ask a `Check` and judge it by its `expect`: `{"holds": bool, "evidence": str}`, the form of verifications."""
    given = check.get("expect")
    # A model may have been dumped with the keys that nobody gave.
    expect: Mapping[str, Any] = {key: part for key, part in given.items() if part is not None} if given else {}
    if given and not expect and "equals" in given:
        expect = {"equals": None}
    verdict = judge(expect, ask(check, target))
    expected = f"expected {explain(expect)}"
    evidence = verdict.why if verdict.holds or expected in verdict.why else f"{verdict.why}; {expected}"
    return {"holds": verdict.holds, "evidence": evidence}


async def _ask(probe: dict[str, Json], target: dict[str, Json]) -> Answer:
    prober = LiveProber(TargetInfo.from_json(target), run_call=_run_here)
    try:
        return await prober.ask(probe)
    finally:
        await prober.close()


async def _run_here(name: str, args: dict[str, Json], timeout: float) -> Json:
    """Run a dotted name in this very process: a worker is killed from outside when its own time is over."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)(**args)
