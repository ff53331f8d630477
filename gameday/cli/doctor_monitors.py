"""What `gameday doctor` says of the Prometheus and the Alertmanager beside each target: who answers there.

They are asked as a run asks them, with less patience. What a measure's own query finds depends on the scenario: whether
an abort probe answers now is `gameday preview`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from gameday.cli.doctor import Finding

if TYPE_CHECKING:
    from gameday.engine.ports import Answer, TargetInfo
    from gameday.probes.prober import LiveProber
    from gameday.targets.settings import Settings

PATIENCE = 2.0
"""Seconds that each of them gets."""
CHECK = "monitors"
PROMETHEUS, ALERTMANAGER = "prometheus", "alertmanager"
"""The names under which targets publish them."""


def monitored(settings: Settings) -> Iterator[TargetInfo]:
    """The targets of the settings that have any of the two."""
    from gameday.targets.resolving import check_target

    for name in settings.targets:
        target = check_target(name, settings)
        if any(target.names.get(monitor) for monitor in (PROMETHEUS, ALERTMANAGER)):
            yield target


def examine_monitors(target: TargetInfo) -> Iterator[Finding]:
    """All that is to be said of those of one target."""
    return iter(asyncio.run(_asked(target)))


async def _asked(target: TargetInfo) -> list[Finding]:
    from gameday.probes.prober import LiveProber

    ways: dict[str, Callable[[LiveProber, TargetInfo], Awaitable[Finding]]] = {
        PROMETHEUS: _prometheus,
        ALERTMANAGER: _alertmanager,
    }
    prober = LiveProber(target)
    try:
        await prober.open()
        return list(
            await asyncio.gather(*(way(prober, target) for name, way in ways.items() if target.names.get(name)))
        )
    finally:
        await prober.close()


async def _prometheus(prober: LiveProber, target: TargetInfo) -> Finding:
    address = target.names[PROMETHEUS]
    number = {"prometheus": {"url": address, "query": "vector(1)", "timeout": PATIENCE}}
    answer, version = await asyncio.gather(
        prober.ask(number), _version(prober, address, "/api/v1/status/buildinfo", "$.data.version")
    )
    if answer.kind == "value":
        return Finding(CHECK, "ok", f"{target.name}: Prometheus{version} at {address} answers queries")
    what = f"{target.name}: Prometheus at {address}: {_said(answer)}"
    if answer.status in (401, 403):
        # Whether the measures that ask it bring what it wants is theirs to know: their headers have secrets in them.
        do = (
            "it wants a log-in: give the measures that ask it headers, and see in `gameday preview` whether they answer"
        )
        return Finding(CHECK, "warn", what, do)
    return Finding(CHECK, "fail", what, _correct(target, PROMETHEUS, "measures"))


async def _alertmanager(prober: LiveProber, target: TargetInfo) -> Finding:
    address = target.names[ALERTMANAGER]
    found, version = await asyncio.gather(
        prober.alerts(set(), PATIENCE), _version(prober, address, "/api/v2/status", "$.versionInfo.version")
    )
    if found.kind != "value":
        text = f"{target.name}: Alertmanager at {address}: {found.detail}"
        return Finding(CHECK, "fail", text, _correct(target, ALERTMANAGER, "expected alerts"))
    firing = sorted({alert.name for alert in found.alerts})
    shown = f"firing now: {', '.join(firing[:5])}{', …' if len(firing) > 5 else ''}" if firing else "no alert fires"
    return Finding(CHECK, "ok", f"{target.name}: Alertmanager{version} at {address}; {shown}")


async def _version(prober: LiveProber, address: str, path: str, where: str) -> str:
    """` 2.53.0`, or "" where it does not tell: many that speak the same language don't."""
    probe: dict[str, Any] = {"url": address.rstrip("/") + path, "path": where, "timeout": PATIENCE}
    answer = await prober.ask({"http": probe})
    plain = isinstance(answer.value, str) and answer.value.isprintable() and len(answer.value) <= 40
    return f" {answer.value}" if answer.kind == "value" and plain else ""


def _said(answer: Answer) -> str:
    return answer.detail or answer.kind.replace("_", " ")


def _correct(target: TargetInfo, monitor: str, lost: str) -> str:
    where = f"{monitor} under names in [targets.{target.name}] of gameday.toml"
    return f"see whether it runs and can be reached from here, or correct {where}: without it there are no {lost}"
