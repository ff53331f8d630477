"""Controls of an experiment. Only those that are abort conditions in disguise mean something here; the rest is listed.

The safeguards of chaostoolkit-addons ask probes while an experiment runs and interrupt it when one is out of its
tolerance: with a frequency an abort condition, without one a check before the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gameday.frozen import field, slotted
from gameday.interchange.chaostoolkit.providers import Carrier, duration, escaped
from gameday.interchange.chaostoolkit.shape import Shape, activities
from gameday.interchange.chaostoolkit.tolerances import tolerated
from gameday.interchange.losses import Losses, Way

Json = Any

SAFEGUARDS = "chaosaddons.controls.safeguards"
_LEAST, _MOST = 0.05, 86400.0


@slotted
class Guards:
    before: list[Json] = field(default_factory=list)
    """Checks of the steady state."""
    during: list[Json] = field(default_factory=list)
    """Abort conditions."""


def carried(document: Mapping[str, Json], carrier: Carrier, losses: Losses) -> Guards:
    """What the safeguards of an experiment ask; all other controls are listed."""
    guards = Guards()
    for way, control in _controls(document):
        provider = control.get("provider") if isinstance(control, Mapping) else None
        module = provider.get("module") if isinstance(provider, Mapping) else None
        probes = (provider.get("arguments") or {}).get("probes") if isinstance(provider, Mapping) and module else None
        if module == SAFEGUARDS and isinstance(probes, list):
            for index, probe in enumerate(probes):
                _guard(guards, probe, (*way, "provider", "arguments", "probes", index), carrier, losses)
            continue
        name = f" {control['name']}" if isinstance(control, Mapping) and isinstance(control.get("name"), str) else ""
        losses.lose(way, f"a control{name}{f' ({module})' if module else ''}: code that steers Chaos Toolkit's own run")
    return guards


def _controls(document: Mapping[str, Json]) -> Iterator[tuple[Way, Json]]:
    places: list[tuple[Way, Json]] = [((), document)]
    hypothesis = document.get("steady-state-hypothesis") or {}
    places.append((("steady-state-hypothesis",), hypothesis))
    places += activities(document)
    for way, holder in places:
        found = holder.get("controls")
        for index, control in enumerate(found if isinstance(found, list) else ()):
            yield (*way, "controls", index), control
        if found is not None and not isinstance(found, list):
            yield (*way, "controls"), found


def _guard(guards: Guards, probe: Json, way: Way, carrier: Carrier, losses: Losses) -> None:
    wrong = list(Shape.of_probe(probe, way))
    if wrong or "tolerance" not in probe:
        losses.lose(way, f"a safeguard that can't be read: {wrong[0][1] if wrong else 'it has no tolerance'}")
        return
    frequency = carrier.constant(probe.get("frequency"))
    often = isinstance(frequency, int | float) and not isinstance(frequency, bool) and _LEAST <= frequency <= _MOST
    activity = carrier.activity(probe["provider"], (*way, "provider"), "30s", outer=probe.get("timeout"))
    expect = tolerated(probe["tolerance"], activity, carrier, (*way, "tolerance"))
    known = ("type", "name", "provider", "tolerance", "frequency", "background", "timeout")
    for key in probe:
        if key not in known:
            losses.lose((*way, key), "a condition is asked, and nothing more")
    if probe.get("frequency") is not None and not often:
        losses.change((*way, "frequency"), f"every {_seconds(frequency)} is not possible: it is asked every 5 s")
    if probe.get("frequency") is None:
        guards.before.append({"name": escaped(str(probe["name"])), "activity": activity, "expect": expect})
        losses.change(way, "a safeguard that is asked once: it must hold before, and again after")
        return
    names = {condition["name"] for condition in guards.during}
    name, number = str(probe["name"]), 1
    while escaped(name) in names:
        number += 1
        name = f"{probe['name']} ({number})"
    every = duration(frequency) if often else "5s"
    guards.during.append({"name": escaped(name), "activity": activity, "unless": expect, "every": every})


def _seconds(frequency: Json) -> str:
    return f"{frequency} s" if isinstance(frequency, int | float) else str(frequency)[:40]
