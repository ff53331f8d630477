"""What the sandbox's supervisor says of its services, and which of their instances a fault is to touch.

Choosing is here because every fault on instances keeps the same limits and the same seed. Reads only.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from gameday.engine.ports import Json
from gameday.errors import TargetError
from gameday.faults.declaration import nearest, verdict
from gameday.faults.parameters import Parameters, Service
from gameday.faults.presence import GONE, Home, is_gone

PERMISSIONS = ("requests to the sandbox's control API", "signals to its processes (the same user)")


class InstanceParameters(Parameters):
    """Which instances of a service: one unless said otherwise, or one of `count`, `percent` and `instance`."""

    service: Service
    count: Annotated[int | None, Field(ge=1, strict=True, description="How many instances, chosen at random.")] = None
    percent: Annotated[
        float | None,
        Field(gt=0, le=100, strict=True, description="What share of the instances, rounded down, chosen at random."),
    ] = None
    instance: Annotated[str | None, Field(min_length=1, description="This very instance, by name.")] = None

    @model_validator(mode="after")
    def _only_one(self) -> Self:
        given = [name for name in ("count", "percent", "instance") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"only one of {' and '.join(given)} can be given")
        return self


def service_status(control: str, service: str, timeout: float) -> dict[str, Json]:
    """`{"desired", "ready", "instances": [{"name", "pid", "start", "port", "state", …}]}` of a service.

    Raises:
        Unanswered, RuntimeError: the supervisor can't be asked, or answers with an error or without that service.
    """
    from gameday.faults.wire import demand

    services = demand("GET", f"{control.rstrip('/')}/status", timeout=timeout).content["services"]
    if service not in services:
        raise RuntimeError(f"the supervisor at {control} has no service {service!r}")
    found: dict[str, Json] = services[service]
    return found


def choose(
    fault: str,
    target: Mapping[str, Json],
    asked: InstanceParameters,
    context: Mapping[str, Json],
    *,
    everything: bool = False,
    turn: int = 0,
) -> list[dict[str, Json]]:
    """The instances to touch, as `{"name", "pid", "start"}`, by the context's seed and within its limits.

    `everything`: all that run. `turn` counts repeats from 0.

    Raises:
        TargetError: the supervisor can't be asked.
        ValueError: there aren't as many, or more than the limits allow; the message has the numbers.
    """
    from gameday.faults.wire import PATIENCE, Unanswered

    try:
        found = service_status(str(target["settings"]["control"]), asked.service, PATIENCE)
    except (Unanswered, RuntimeError) as error:
        raise TargetError(f"target {target['name']}: its supervisor can't be asked: {error}; is it running?") from error
    instances = sorted(found["instances"], key=lambda each: str(each["name"]))
    running = [each for each in instances if each["state"] == "running"]
    where = f"{fault} on {asked.service}"
    if asked.instance is not None:
        chosen = [each for each in instances if each["name"] == asked.instance]
        if not chosen:
            names = [str(each["name"]) for each in instances]
            raise ValueError(f"{where}: no instance is called {asked.instance!r}, {nearest(asked.instance, names)}")
        if chosen[0] not in running:
            raise ValueError(f"{where}: {asked.instance} is {chosen[0]['state']}, not running")
    else:
        number = len(running) if everything else _number(where, asked, len(instances))
        if number < 1 or number > len(running):
            raise ValueError(f"{where}: {max(number, 1)} instances asked for, {len(running)} of {len(instances)} run")
        draw = random.Random(f"{context['seed']}/{context['fault']}{f'/{turn}' if turn else ''}")
        chosen = sorted(draw.sample(running, number), key=lambda each: str(each["name"]))
    total = max(len(instances), int(found["desired"]))
    # What the turns before took down and is not back is this fault's as well.
    down = max(0, int(found["desired"]) - int(found["ready"])) if turn else 0
    check_limits(where, min(len(chosen) + down, total), total, context, down=down)
    return [{key: each[key] for key in ("name", "pid", "start")} for each in chosen]


def _number(where: str, asked: InstanceParameters, existing: int) -> int:
    if asked.percent is None:
        return asked.count or 1
    number = int(existing * asked.percent / 100)
    if number < 1:
        raise ValueError(f"{where}: {asked.percent:g} % of {existing} instances is less than one")
    return number


def check_limits(where: str, number: int, total: int, context: Mapping[str, Json], *, down: int) -> None:
    """Raise ValueError, with the numbers, where `number` of `total` instances is more than the limits allow.

    `down`: how many of `number` are not ready as it is.
    """
    counting = f", {down} that are not ready now among them" if down else ""
    pods, percent = context.get("pods"), context.get("percent")
    if pods is not None and number > pods:
        raise ValueError(f"{where}: it would touch {number} instances{counting}, and limits.pods allows {pods}")
    share = 100 * number / total
    if percent is not None and share > percent:
        touched = f"{number} of {total} instances, {share:.0f} %{counting}"
        raise ValueError(f"{where}: it would touch {touched}, and limits.percent allows {percent:g} %")


def ready_again(home: Home, service: str, without: Sequence[Mapping[str, Json]] = ()) -> dict[str, Json]:
    """Whether the service has as many ready instances as it should, not counting those of `without` (by pid and start).

    Of a sandbox that doesn't run any more nothing is expected.
    """
    from gameday.faults.wire import GLANCE, Unanswered

    try:
        found = service_status(home["control"], service, GLANCE)
    except (Unanswered, RuntimeError) as error:
        return verdict(True, GONE) if is_gone(home) else verdict(False, str(error))
    gone = {(each["pid"], each["start"]) for each in without}
    left = sum(1 for each in found["instances"] if each["state"] == "running" and (each["pid"], each["start"]) in gone)
    ready, desired = int(found["ready"]) - left, int(found["desired"])
    return verdict(ready >= desired, f"{ready} of {desired} instances of {service} are ready")
