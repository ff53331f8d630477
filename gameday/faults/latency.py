"""Latency: what goes to a service, or comes from it, takes longer. Done with a `latency` toxic of the fault's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gameday.engine.ports import Backend, Call, Json, Plan
from gameday.faults.declaration import (
    FaultDeclaration,
    Incapable,
    own_name,
    published_service,
    verdict,
)
from gameday.faults.parameters import Parameters, Service
from gameday.faults.presence import Home, home
from gameday.faults.toxiproxy import (
    PERMISSIONS,
    add_toxic,
    curl,
    front_door,
    load_client,
    planned_proxy,
    read_proxy,
    remove_toxic,
    toxic_recovered,
    toxic_url,
)
from gameday.scenario.duration import format_duration
from gameday.scenario.fields import Duration

_STREAMS = {"request": "upstream", "response": "downstream"}
_LONGEST_WAIT = 0.8
_MOST_TRIES = 20


class LatencyParameters(Parameters):
    service: Service
    delay: Annotated[Duration, Field(ge=0.001, description="How much longer everything takes.")]
    jitter: Annotated[Duration, Field(description="The delay varies by up to this much, either way.")] = 0.0
    share: Annotated[
        float, Field(gt=0, le=1, strict=True, description="Share of the connections that are slow, 0 to 1.")
    ] = 1.0
    direction: Annotated[
        Literal["request", "response"], Field(description="Whether requests arrive late, or the answers to them.")
    ] = "response"
    count: Annotated[
        int | None,
        Field(ge=1, strict=True, description="By Chaos Mesh: this many instances only, chosen at random."),
    ] = None
    to: Annotated[
        Service | None,
        Field(description="By Chaos Mesh: only what `service` sends to this other service; else all that it sends."),
    ] = None

    @model_validator(mode="after")
    def _share_or_count(self) -> Self:
        if self.count is not None and self.share < 1:
            raise ValueError("only one of share and count can be given")
        return self

    @model_validator(mode="after")
    def _to_another(self) -> Self:
        if self.to == self.service:
            raise ValueError(f"to is {self.service} itself: name another service, or leave it away")
        if self.to is not None and self.direction == "request":
            raise ValueError(f"direction is about whoever asks {self.service}; with to it is what it sends itself")
        return self


_BACKEND = Backend(
    plan="gameday.faults.latency:plan",
    touches="the service's proxy: one latency toxic of the fault's own name",
    undone_by="removing that toxic",
    effective_when="the toxic is there and a request through the proxy takes as much longer",
    recovered_when="the toxic is gone and a request through the proxy is answered without the delay",
    permissions=PERMISSIONS,
)

DECLARATION = FaultDeclaration(
    name="latency",
    summary="A service answers late",
    parameters=LatencyParameters,
    one_shot=False,
    services=("service", "to"),
    description=(
        "Every connection to the service, or a share of them, is delayed by a fixed time with jitter. The service "
        "itself is healthy: whoever looks only at its own numbers will not see it."
    ),
    example="""\
at: 30s
fault: latency
with: {service: checkout, delay: 800ms, jitter: 100ms}
for: 3m
""",
    backends={
        "sandbox": _BACKEND,
        "toxiproxy": _BACKEND,
        "kubernetes/chaos-mesh": Backend(
            plan="gameday.faults.chaos_mesh.latency:plan",
            needs="gameday.faults.chaos_mesh.latency:needs",
            touches="pods, by name: one NetworkChaos of the fault's own, which delays what they send",
            undone_by="pausing the NetworkChaos, waiting until it has recovered, deleting it",
            effective_when=(
                "Chaos Mesh says AllInjected, and every one of these pods is Injected; where the service has an "
                "address, a request to it takes as much longer"
            ),
            recovered_when="the NetworkChaos is gone, which Chaos Mesh lets it be only when all pods have recovered",
            permissions=(
                "list pods",
                "get deployments.apps, statefulsets.apps, replicasets.apps",
                "get namespaces",
                "list events",
                "create, get, patch, delete networkchaos.chaos-mesh.org",
            ),
        ),
        "kubernetes/toxiproxy": replace(_BACKEND, plan="gameday.faults.kubernetes.toxiproxy:plan_latency"),
    },
)


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked = LatencyParameters.model_validate(params)
    service = published_service(target, asked.service)
    if asked.count is not None:
        raise Incapable(
            f"latency on {service}: a proxy delays connections, whatever instance they lead to: say share instead of "
            "count, or use Chaos Mesh"
        )
    if asked.to is not None:
        raise Incapable(
            f"latency on {service}: a proxy stands before a service and delays whoever comes: leave to away (with "
            f"service: {asked.to} all that reaches {asked.to} is late), or use Chaos Mesh"
        )
    api, _ = planned_proxy(target, service)
    toxic = {
        "name": own_name(context),
        "type": "latency",
        "stream": _STREAMS[asked.direction],
        "toxicity": asked.share,
        "attributes": {"latency": round(asked.delay * 1000), "jitter": round(asked.jitter * 1000)},
    }
    place: dict[str, Json] = {"api": api, "proxy": service}
    named = {**place, "toxic": toxic["name"]}
    whose = {**named, "home": home(target)}
    door = front_door(target, service)
    # What is surely late; with a jitter as large as the delay, what mostly is.
    slow = max(asked.delay - asked.jitter, asked.delay / 2) * 0.9
    jitter = f" ± {format_duration(asked.jitter)}" if asked.jitter else ""
    share = f", {asked.share:.0%} of connections" if asked.share < 1 else ""
    return Plan(
        summary=f"latency {format_duration(asked.delay)}{jitter} on {service}{share}",
        targets=(f"proxy {service}",),
        objects=(f"proxy:{service}",),
        inject=Call("gameday.faults.latency:inject", {**place, "toxic": toxic}),
        undo=Call("gameday.faults.latency:undo", whose, timeout=5.0),
        standing=Call("gameday.faults.toxiproxy:toxic_stands", named),
        effective=Call(
            "gameday.faults.latency:effective", {**named, "door": door, "slow": slow, "tries": tries(asked.share)}
        ),
        recovered=Call("gameday.faults.latency:recovered", {**whose, "door": door, "slow": slow}),
        commands=(curl("DELETE", toxic_url(api, service, str(toxic["name"]))),),
    ).to_json()


def tries(share: float) -> int:
    """How many connections it takes to meet one of a `share` almost surely (99 %), at most 20."""
    return 1 if share >= 1 else min(_MOST_TRIES, math.ceil(math.log(0.01) / math.log(1 - share)))


def inject(api: str, proxy: str, toxic: Mapping[str, Json]) -> None:
    add_toxic(api, proxy, toxic)


def prepare_undo(api: str, proxy: str, toxic: str, home: Home | None) -> None:
    load_client()


def undo(api: str, proxy: str, toxic: str, home: Home | None) -> None:
    remove_toxic(api, proxy, toxic, home)


def effective(api: str, proxy: str, toxic: str, door: str | None, slow: float, tries: int) -> dict[str, Json]:
    """Whether the toxic is in place, and at least one of `tries` requests at once took `slow` seconds."""
    from concurrent.futures import ThreadPoolExecutor

    from gameday.faults.wire import GLANCE, Unanswered, knock

    try:
        state = read_proxy(api, proxy, GLANCE)
    except (Unanswered, RuntimeError) as error:
        return verdict(False, str(error))
    if state is None or toxic not in state.toxics:
        return verdict(False, f"toxic {toxic} isn't on proxy {proxy}")
    if door is None:
        return verdict(True, f"toxic {toxic} is on proxy {proxy}; no HTTP address is known by which to feel it")
    patience = max(0.01, min(slow, _LONGEST_WAIT))
    with ThreadPoolExecutor(tries) as pool:
        met = list(pool.map(knock, [door] * tries, [patience] * tries))
    slowest = max(met, key=lambda each: each.took)
    late = slowest.outcome in ("answered", "silent") and slowest.took >= patience * 0.95
    return verdict(late, f"toxic {toxic} is on proxy {proxy}; of {tries} asked the slowest was {slowest.words()}")


def recovered(api: str, proxy: str, toxic: str, home: Home | None, door: str | None, slow: float) -> dict[str, Json]:
    return toxic_recovered(api, proxy, toxic, door, home, slow)
