"""The spec of one of Chaos Mesh's faults as entries of a timeline: what is portable in it, and how many pods it is for.

An entry never touches more pods of a service than the manifest does; where none could be written that doesn't, the
fault is not carried over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gameday.frozen import frozen, slotted
from gameday.interchange.chaos_mesh.parts import NotCarried, Part
from gameday.interchange.chaos_mesh.services import Selected, Services
from gameday.scenario.duration import format_duration
from gameday.scenario.problems import shown

Json = Any

UNSAID = 300.0
"""Seconds that a fault lasts whose manifest doesn't say."""
LONGEST_FAULT = 7 * 86400.0
_CONTAINER = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_PATTERN = re.compile(r"(\*|[A-Za-z0-9_?][A-Za-z0-9_?.-]{0,251}\*?)\Z")
_SIZE = re.compile(r"([0-9]{1,9})(\.[0-9]{1,6})? ?([KMGTkmgt]?)(i?)[Bb]?\Z")
_NETEM = ("loss", "duplicate", "corrupt", "bandwidth")
_BEYOND = "nothing here corresponds to it"


@slotted
class Draft:
    """One entry, without when it is due."""

    fault: str
    params: dict[str, Json]
    lasts: float | None
    """Seconds; None for what happens once."""
    notes: tuple[str, ...] = ()


@frozen
class Spec:
    """What is needed to read one."""

    part: Part
    services: Services
    home: str
    name: str
    """Of the object, for services that nothing else names."""
    limit: float | None = None
    """Seconds after which somebody else, a workflow, ends it."""


def drafted(kind: str, spec: Spec) -> list[Draft]:
    """The entries that a fault of `kind` becomes; what isn't in them is listed.

    Raises:
        NotCarried: nothing of it can be carried over.
    """
    make = _KINDS.get(kind.lower())
    if make is None:
        raise NotCarried(spec.part.way[: spec.part.depth], f"no portable fault does what {kind} does")
    if cluster := spec.part.text("remoteCluster"):
        where = "name the target that it is to be done on, and take remoteCluster out"
        raise NotCarried(spec.part.at("remoteCluster"), f"it is for another cluster, {shown(cluster)}: {where}")
    drafts = make(spec)
    spec.part.rest(_BEYOND)
    return drafts


# --- how long and how many -------------------------------------------------------------------------------------------


def _lasting(spec: Spec) -> tuple[float, tuple[str, ...]]:
    """Seconds, and what is to be said of them."""
    found = spec.part.seconds("duration")
    if found is None and spec.limit is not None:
        found = spec.limit
    elif found is not None and spec.limit is not None:
        found = min(found, spec.limit)
    if found is None or found < 0.001:
        said = f"the manifest does not say how long, and Chaos Mesh would never end it: {format_duration(UNSAID)} is"
        spec.part.change("duration", f"{said} our choice, look whether it is yours")
        return UNSAID, (f"how long is our choice ({format_duration(UNSAID)}): the manifest does not say",)
    if found > LONGEST_FAULT:
        spec.part.change("duration", f"it lasts {format_duration(LONGEST_FAULT)}, and not longer")
    return min(found, LONGEST_FAULT), ()


def _once(spec: Spec) -> None:
    if spec.part.take("duration") is not None:
        spec.part.change("duration", "it happens once, and Chaos Mesh does not look at it either")


@frozen
class _Mode:
    """How many pods: one of `count` and `percent`, or neither for all of them."""

    count: int | None = None
    percent: int | None = None

    @property
    def everything(self) -> bool:
        return self.count is None and self.percent is None


def _mode(part: Part) -> _Mode:
    mode, value = part.text("mode"), part.text("value").removesuffix("%")
    if mode == "all":
        return _Mode()
    if mode == "one":
        return _Mode(count=1)
    if not mode:
        part.change(
            "mode", "the manifest does not say how many pods, and Chaos Mesh would refuse it: one of them is hit"
        )
        return _Mode(count=1)
    if mode not in ("fixed", "fixed-percent", "random-max-percent"):
        raise NotCarried(part.at("mode"), f"{shown(mode)} is no mode")
    if not re.fullmatch("[0-9]{1,9}", value, re.ASCII) or int(value) < 1:
        raise NotCarried(part.at("value"), f"{shown(value)} is no number of pods that mode {mode} can hit")
    if mode == "fixed":
        return _Mode(count=int(value))
    if int(value) > 100:
        raise NotCarried(part.at("value"), f"there are no {value} % of the pods")
    if mode == "random-max-percent":
        part.change("mode", f"a share up to {value} %, by chance; it is {value} %")
    return _Mode(percent=int(value))


def _instances(spec: Spec, everything: dict[str, Json]) -> list[dict[str, Json]]:
    """The parameters that say whose pods, for faults that are done to some of a service; one for each entry."""
    part = spec.part
    its = spec.services.selected(part.part("selector"), spec.home, spec.name, part)
    mode = _mode(part)
    if not its.pods:
        some = {"count": mode.count} if mode.count else {"percent": mode.percent} if mode.percent else everything
        return [{"service": its.service, **some}]
    number = len(its.pods) if mode.everything else mode.count or len(its.pods) * (mode.percent or 0) // 100
    if not number:
        raise NotCarried(part.at("value"), f"{mode.percent} % of {len(its.pods)} pods is less than one")
    if number < len(its.pods):
        part.change("mode", f"the first {number} of these pods, and not any by chance")
    return [{"service": its.service, "instance": pod} for pod in its.pods[:number]]


def _container(part: Part) -> dict[str, Json]:
    names = part.texts("containerNames")
    if not names:
        return {}
    if not _CONTAINER.match(names[0]):
        raise NotCarried(part.at("containerNames"), f"{shown(names[0])} is no name of a container")
    if len(names) > 1:
        part.lose("containerNames", f"it is done in one container, {names[0]}, and not in the others")
    return {"container": names[0]}


# --- pods ------------------------------------------------------------------------------------------------------------


def _pod(spec: Spec) -> list[Draft]:
    part = spec.part
    action = part.text("action")
    if action == "pod-failure":
        return _pod_failure(spec)
    if action not in ("pod-kill", "container-kill"):
        raise NotCarried(part.at("action"), f"{shown(action)} is no action of PodChaos")
    whose = _instances(spec, {"all": True})
    _once(spec)
    if action == "pod-kill":
        grace = part.number("gracePeriod", 0)
        params: dict[str, Json] = {"grace": format_duration(max(0, min(grace, 86400)))}
        return [Draft("pod-kill", {**each, **params}, None) for each in whose]
    names = ", ".join(part.texts("containerNames"))
    part.lose(
        "containerNames", f"no fault kills a container alone: the whole pod is killed, and not only {shown(names)}"
    )
    return [Draft("pod-kill", each, None, ("the manifest kills one container of it only",)) for each in whose]


def _pod_failure(spec: Spec) -> list[Draft]:
    part = spec.part
    its = spec.services.selected(part.part("selector"), spec.home, spec.name, part)
    if its.pods or not _mode(part).everything:
        why = "no fault makes some pods of a service fail for a while: pod-kill kills them, with every: again and again"
        raise NotCarried(part.at("mode"), why)
    lasts, notes = _lasting(spec)
    part.change(
        "action", "all its pods fail: as dependency-outage nobody reaches them, and what runs them may be scaled to 0"
    )
    spec.services.tables[its.service].hints['for the outage say what runs it, too: workload = "deployment/…"'] = None
    part.take("gracePeriod")
    _ = part.texts("containerNames")
    return [Draft("dependency-outage", {"service": its.service, "mode": "refused"}, lasts, notes)]


# --- the network -----------------------------------------------------------------------------------------------------


def _network(spec: Spec) -> list[Draft]:
    part = spec.part
    action = part.text("action")
    if action in _NETEM or (action == "netem" and not part.raw.get("delay")):
        raise NotCarried(
            part.at("action"), f"no portable fault does {action}: the nearest are latency and network-partition"
        )
    if action in ("delay", "netem"):
        return _delay(spec)
    if action != "partition":
        raise NotCarried(part.at("action"), f"{shown(action)} is no action of NetworkChaos")
    return _partition(spec)


def _some(spec: Spec, its: Selected, mode: _Mode) -> dict[str, Json]:
    """The parameters that say how many pods, for faults that are done to a service's network."""
    if its.pods:
        raise NotCarried(
            spec.part.at("selector"), "it is done to a service and not to pods by name: select them by labels"
        )
    return {key: value for key, value in (("count", mode.count), ("percent", mode.percent)) if value is not None}


def _direction(part: Part) -> str:
    said = part.text("direction") or "to"
    if said not in ("to", "from", "both"):
        raise NotCarried(part.at("direction"), f"{shown(said)} is no direction")
    return said


def _delay(spec: Spec) -> list[Draft]:
    part = spec.part
    its = spec.services.selected(part.part("selector"), spec.home, spec.name, part)
    mode = _mode(part)
    delay = part.part("delay")
    latency = delay.seconds("latency") if delay is not None else None
    if delay is None or latency is None or latency < 0.001:
        raise NotCarried(part.at("delay"), "there is no latency of a millisecond or more")
    params: dict[str, Json] = {"delay": format_duration(latency)}
    if jitter := delay.seconds("jitter"):
        params["jitter"] = format_duration(jitter)
    if delay.text("correlation") not in ("", "0"):
        delay.lose("correlation", "each delay is by chance, whatever the one before was")
    delay.rest(_BEYOND)
    lasts, notes = _lasting(spec)
    made = []
    for side, how, to in _late(spec, its, mode):
        some = _some(spec, side, how)
        # Connections and pods are one thing to Chaos Mesh: a share of these.
        share = some.pop("percent", 100)
        some |= {"share": share / 100} if share < 100 else {}
        some |= {"to": to} if to else {}
        made.append(Draft("latency", {"service": side.service, **params, **some}, lasts, notes))
    return made


def _late(spec: Spec, its: Selected, mode: _Mode) -> list[tuple[Selected, _Mode, str]]:
    """Who sends late, how many of them, and to which service; "" for all that they send."""
    part = spec.part
    direction, target = _direction(part), part.part("target")
    if direction != "to" and target is None:
        raise NotCarried(part.at("direction"), f"{direction} whom is not said; Chaos Mesh would refuse it")
    outside = spec.services.external(part, "externalTargets")
    if direction != "to" and outside:
        raise NotCarried(part.at("externalTargets"), f"what comes from there can't be delayed ({direction})")
    if target is None:
        return [(its, mode, outside)]
    other = spec.services.selected(target.part("selector"), spec.home, f"{spec.name}-target", target)
    theirs = _mode(target)
    target.rest(_BEYOND)
    if other.service == its.service:
        raise NotCarried(part.at("target"), f"{its.service} is on both sides")
    there, back = [(its, mode, other.service)], [(other, theirs, its.service)]
    found = {"to": there, "from": back, "both": [*there, *back]}[direction]
    if outside:
        found.append((its, mode, outside))
    # `to` is for all pods of a service, and each entry chooses its own pods where it is for some.
    whole = {its.service: mode.everything and not its.pods, other.service: theirs.everything and not other.pods}
    if all(whole.get(to, True) for _, _, to in found) and (not outside or whole[its.service]):
        return found
    sides = {side.service: (side, how, "") for side, how, _ in found}
    part.lose("target", f"all that {' and '.join(sides)} send{'' if len(sides) > 1 else 's'} is late, to whomever")
    return list(sides.values())


def _partition(spec: Spec) -> list[Draft]:
    part = spec.part
    its = spec.services.selected(part.part("selector"), spec.home, spec.name, part)
    some = _some(spec, its, _mode(part))
    direction = {"to": "out", "from": "in", "both": "both"}[_direction(part)]
    others = []
    if (target := part.part("target")) is not None:
        other = spec.services.selected(target.part("selector"), spec.home, f"{spec.name}-target", target)
        if other.pods or not _mode(target).everything:
            raise NotCarried(target.at("mode"), "at the other end it would be all pods of the service, and not some")
        if other.service == its.service:
            raise NotCarried(target.at("selector"), "pods of one service can't be cut off from each other")
        target.rest(_BEYOND)
        others.append(other.service)
    if outside := spec.services.external(part, "externalTargets"):
        others.append(outside)
    if not others and direction != "out":
        raise NotCarried(
            part.at("direction"), "from whom is not said: without target it is for what is sent (to) alone"
        )
    lasts, notes = _lasting(spec)
    return [
        Draft("network-partition", {"service": its.service, **whom, "direction": direction, **some}, lasts, notes)
        for whom in ([{"from": other} for other in others] or [{}])
    ]


# --- names, processors, memory, disks --------------------------------------------------------------------------------


def _dns(spec: Spec) -> list[Draft]:
    part = spec.part
    action = part.text("action")
    if action not in ("error", "random"):
        raise NotCarried(part.at("action"), f"{shown(action)} is no action of DNSChaos")
    patterns = part.texts("patterns")
    fit = [pattern for pattern in patterns if _PATTERN.match(pattern)]
    if patterns and not fit:
        raise NotCarried(part.at("patterns"), "a * stands at the end of a name, and nowhere else")
    for pattern in patterns:
        if pattern not in fit:
            part.lose("patterns", f"{shown(pattern)}: a * stands at the end of a name, and nowhere else")
    params = {"answer": action, **({"names": fit} if fit else {})}
    if part.texts("containerNames"):
        part.lose("containerNames", "it is done to whole pods")
    whose = _instances(spec, {})
    lasts, notes = _lasting(spec)
    return [Draft("dns-failure", {**each, **params}, lasts, notes) for each in whose]


def _stress(spec: Spec) -> list[Draft]:
    part = spec.part
    if part.text("stressngStressors"):
        raise NotCarried(part.at("stressngStressors"), "what else stress-ng can do is no portable fault")
    stressors = part.part("stressors")
    cpu = stressors.part("cpu") if stressors is not None else None
    memory = stressors.part("memory") if stressors is not None else None
    made: list[tuple[str, dict[str, Json]]] = []
    if cpu is not None and (workers := _workers(cpu)):
        load = cpu.number("load", 100)
        if not 1 <= load <= 100:
            raise NotCarried(cpu.at("load"), f"a load of {load} % is none")
        made.append(("cpu-stress", {"workers": workers, "load": load}))
    if memory is not None and (workers := _workers(memory)):
        made.append(("memory-stress", {"workers": workers, "size": _size(memory)}))
        if memory.number("oomScoreAdj", 0):
            memory.lose("oomScoreAdj", _BEYOND)
    if not made:
        raise NotCarried(part.at("stressors"), "there is neither cpu nor memory with workers in it")
    for one in (cpu, memory, stressors):
        if one is not None:
            one.rest(_BEYOND)
    container = _container(part)
    whose = _instances(spec, {"all": True})
    lasts, notes = _lasting(spec)
    if len(made) > 1 and whose[0].keys() & {"count", "percent"}:
        part.change("stressors", "processor and memory are two faults, and each chooses its pods by itself")
    return [Draft(fault, {**each, **params, **container}, lasts, notes) for fault, params in made for each in whose]


def _workers(part: Part) -> int:
    found = part.number("workers", 0)
    if found > 256:
        part.change("workers", f"256 of {found} workers: there are never more")
    return min(max(found, 0), 256)


def _size(part: Part) -> str:
    """Memory as `256MB`, `1GiB` or `50%`."""
    said = part.text("size")
    if not said:
        part.change("size", "without a size it is all the memory that there is")
        return "100%"
    if re.fullmatch(r"[0-9]{1,3}%", said, re.ASCII) and 1 <= int(said[:-1]) <= 100:
        return f"{int(said[:-1])}%"
    found = _SIZE.match(said)
    if found is None:
        raise NotCarried(part.at("size"), f"{shown(said)} is no size such as 256MB, 1GiB or 50%")
    unit, step = found[3].upper(), 1024 if found[4] else 1000
    number = float(found[1] + (found[2] or ""))
    # Whole numbers of a unit only: 1.5GB are 1500MB.
    while unit and not number.is_integer() and unit != "K":
        number, unit = number * step, "KMGT"["KMGT".index(unit) - 1]
    if not unit:
        number, unit = number / step, "K"
    if number < 1:
        raise NotCarried(part.at("size"), f"{shown(said)} is less than a kilobyte")
    made = f"{int(number)}{unit}{'i' if found[4] else ''}B"
    if made.rstrip("B") != said.upper().replace("I", "i").rstrip("B").replace(" ", ""):
        part.change("size", f"{said} is {made}")
    return made


def _io(spec: Spec) -> list[Draft]:
    part = spec.part
    action = part.text("action")
    if action != "latency":
        what = f"IOChaos {action}" if action in ("fault", "attrOverride", "mistake") else shown(action)
        raise NotCarried(
            part.at("action"), f"no portable fault does {what}: disks can be slow (action latency), not wrong"
        )
    volume = part.text("volumePath")
    if not volume.startswith("/") or len(volume) > 1024:
        raise NotCarried(part.at("volumePath"), "where the volume is mounted is not said")
    delay = part.seconds("delay")
    if delay is None or delay < 0.001:
        raise NotCarried(part.at("delay"), "there is no delay of a millisecond or more")
    percent = part.number("percent", 100)
    if not 1 <= percent <= 100:
        raise NotCarried(part.at("percent"), f"{percent} % of what is read and written is no share")
    params: dict[str, Json] = {"volume": volume, "delay": format_duration(delay)}
    if percent < 100:
        params["share"] = percent / 100
    if files := part.text("path"):
        if files.startswith("/") and len(files) <= 1024:
            params["files"] = files
        else:
            part.lose("path", f"{shown(files)} does not begin with /: all files of the volume are slow")
    if part.texts("methods"):
        part.lose("methods", "all reads and writes are slow")
    params |= _container(part)
    whose = _instances(spec, {})
    lasts, notes = _lasting(spec)
    return [Draft("disk-latency", {**each, **params}, lasts, notes) for each in whose]


_KINDS: dict[str, Callable[[Spec], list[Draft]]] = {
    "podchaos": _pod,
    "networkchaos": _network,
    "dnschaos": _dns,
    "stresschaos": _stress,
    "iochaos": _io,
}
