"""Dependency outage: a service can't be reached any more; connections are refused, or vanish in a black hole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gameday.engine.ports import Backend, Call, Json, Plan
from gameday.faults.declaration import FaultDeclaration, own_name, published_service, verdict
from gameday.faults.parameters import Parameters, Service
from gameday.faults.presence import GONE, Home, check_here, home, is_gone
from gameday.faults.toxiproxy import (
    PERMISSIONS,
    add_toxic,
    curl,
    deleted,
    enable,
    front_door,
    load_client,
    passes,
    planned_proxy,
    proxy_url,
    read_proxy,
    remove_toxic,
    toxic_recovered,
    toxic_url,
)

_HANGS_AFTER = 0.4
"""Seconds without an answer that show a black hole."""


Way = Literal["service", "scale", "policy"]
"""How the plain Kubernetes API makes an outage."""


class DependencyOutageParameters(Parameters):
    service: Service
    mode: Annotated[
        Literal["refused", "blackhole"] | None,
        Field(
            description="Connections are refused at once, or go unanswered. Refused unless said; on Kubernetes by: "
            "service and scale refuse, policy is a black hole."
        ),
    ] = None
    by: Annotated[
        Way | None,
        Field(
            description="On Kubernetes: point the Service at nothing, scale what runs it to 0, or deny its traffic by "
            "NetworkPolicy. Means nothing elsewhere."
        ),
    ] = None

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.by in ("service", "scale") and self.mode == "blackhole":
            raise ValueError(f"by: {self.by} refuses, it makes no black hole: leave mode away, or say by: policy")
        if self.by == "policy" and self.mode == "refused":
            raise ValueError("by: policy makes a black hole, it refuses nothing: leave mode away, or say by: service")
        return self


_BACKEND = Backend(
    plan="gameday.faults.dependency_outage:plan",
    touches="the service's proxy: whether it is enabled, or one timeout toxic of the fault's own name",
    undone_by="enabling the proxy, or removing that toxic",
    effective_when="a request through the proxy is refused or cut off, or hangs",
    recovered_when="the proxy is enabled, or the toxic is gone, and a request through the proxy is answered",
    permissions=PERMISSIONS,
)

DECLARATION = FaultDeclaration(
    name="dependency-outage",
    summary="A service can't be reached",
    parameters=DependencyOutageParameters,
    one_shot=False,
    description=(
        "Nobody can reach the service, which itself is healthy. `refused` fails at once, as a stopped process or a "
        "closed port does; `blackhole` accepts and never answers, as a firewall or a hung provider does, and finds "
        "every caller without a timeout."
    ),
    example="""\
at: 30s
fault: dependency-outage
with: {service: payments, mode: blackhole}
for: 5m
""",
    backends={
        "sandbox": _BACKEND,
        "toxiproxy": _BACKEND,
        "kubernetes/api": Backend(
            plan="gameday.faults.kubernetes.dependency_outage:plan",
            needs="gameday.faults.kubernetes.dependency_outage:needs",
            touches=(
                "the selector of its Service (one more label), the replicas of what runs it, or a NetworkPolicy of the "
                "fault's own for its pods"
            ),
            undone_by="taking that label out, setting the replicas back, or deleting that policy",
            effective_when=(
                "its Service has no ready endpoint, its workload no pod, or its address no longer answers from here"
            ),
            recovered_when=(
                "nothing of the fault is left on the object, it is there, and the endpoints are back, the workload is "
                "whole, or the address answers"
            ),
            permissions=(
                "get namespaces",
                "list pods",
                "by: service: get, patch services; list endpointslices.discovery.k8s.io",
                "by: scale: get, patch deployments.apps or statefulsets.apps; list "
                "horizontalpodautoscalers.autoscaling; list, patch replicasets.apps, for a Deployment",
                "by: policy: list, get, create, patch, delete networkpolicies.networking.k8s.io",
                "get replicasets.apps, deployments.apps, statefulsets.apps, where only a selector is known",
            ),
        ),
        "kubernetes/chaos-mesh": Backend(
            plan="gameday.faults.chaos_mesh.partition:plan_outage",
            needs="gameday.faults.chaos_mesh.partition:needs_outage",
            touches="pods, by name: one NetworkChaos of the fault's own, which drops what they are sent, or send out",
            undone_by="pausing the NetworkChaos, waiting until it has recovered, deleting it",
            effective_when=(
                "Chaos Mesh says AllInjected, and every one of these pods is Injected; where the service has an "
                "address, and nobody is to reach it, it doesn't answer"
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
        "kubernetes/toxiproxy": replace(_BACKEND, plan="gameday.faults.kubernetes.toxiproxy:plan_outage"),
    },
)


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`. A proxy that is disabled already is refused: nothing would change."""
    asked = DependencyOutageParameters.model_validate(params)
    service = published_service(target, asked.service)
    api, state = planned_proxy(target, service)
    by_hand = curl("POST", proxy_url(api, service), {"enabled": True})
    mode = asked.mode or "refused"
    if not state.enabled:
        raise ValueError(
            f"dependency-outage on {service}: its proxy is disabled already, so nothing would change; "
            f"enable it first: {by_hand}"
        )
    place: dict[str, Json] = {"api": api, "proxy": service}
    name = own_name(context)
    if mode == "refused":
        inject, undo, commands = "disable", "undo_disable", (by_hand,)
        args = dict(place)
    else:
        inject, undo, commands = "swallow", "undo_swallow", (curl("DELETE", toxic_url(api, service, name)),)
        args = {**place, "toxic": name}
    whose = {**args, "home": home(target)}
    door = {"door": front_door(target, service)}
    room = "gameday.faults.dependency_outage"
    return Plan(
        summary=f"outage of {service} ({mode})",
        targets=(f"proxy {service}",),
        objects=(f"proxy:{service}",),
        inject=Call(f"{room}:{inject}", args),
        undo=Call(f"{room}:{undo}", whose, timeout=5.0),
        standing=Call(f"gameday.faults.toxiproxy:{'disabled' if mode == 'refused' else 'toxic'}_stands", args),
        effective=Call(f"{room}:{'refuses' if mode == 'refused' else 'swallows'}", {**args, **door}),
        recovered=Call(
            f"{room}:{'recovered_refused' if mode == 'refused' else 'recovered_swallowed'}", {**whose, **door}
        ),
        commands=commands,
    ).to_json()


# --- refused ---------------------------------------------------------------------------------------------------------


def disable(api: str, proxy: str) -> None:
    if enable(api, proxy, False) == 404:
        raise RuntimeError(f"there is no proxy {proxy} any more")


def prepare_undo_disable(api: str, proxy: str, home: Home | None) -> None:
    load_client()


def undo_disable(api: str, proxy: str, home: Home | None) -> None:
    """The plan saw to it that the proxy was enabled before; a proxy that doesn't exist any more needs nothing."""
    from gameday.faults.wire import Unanswered

    try:
        enable(api, proxy, True)
    except Unanswered:
        if not is_gone(home):
            raise


def refuses(api: str, proxy: str, door: str | None) -> dict[str, Json]:
    from gameday.faults.wire import GLANCE, Unanswered, knock

    try:
        state = read_proxy(api, proxy, GLANCE)
    except (Unanswered, RuntimeError) as error:
        return verdict(False, str(error))
    if state is None or state.enabled:
        return verdict(False, f"proxy {proxy} is {'not there' if state is None else 'enabled'}")
    if door is None:
        return verdict(True, f"proxy {proxy} is disabled; no HTTP address is known by which to ask through it")
    met = knock(door, GLANCE)
    # What publishes the proxy's port elsewhere (a container's port, a forwarded one) accepts first, and closes at once.
    off = met.outcome in ("refused", "closed")
    return verdict(off, f"proxy {proxy} is disabled; through it {proxy} is {met.words()}")


def recovered_refused(api: str, proxy: str, home: Home | None, door: str | None) -> dict[str, Json]:
    from gameday.faults.wire import GLANCE, Unanswered

    # Somebody else may listen at that address on another host, and know nothing of it.
    check_here(home)
    try:
        state = read_proxy(api, proxy, GLANCE)
    except (Unanswered, RuntimeError) as error:
        return verdict(True, GONE) if is_gone(home) else verdict(False, str(error))
    if state is None:
        return deleted(proxy)
    if not state.enabled:
        return verdict(False, f"proxy {proxy} is still disabled")
    return passes(proxy, state, door, f"proxy {proxy} is enabled")


# --- black hole ------------------------------------------------------------------------------------------------------


def swallow(api: str, proxy: str, toxic: str) -> None:
    # A timeout of 0 keeps connections open for ever and lets nothing through. Requests are swallowed: were it answers,
    # the service would do what it is asked, and when it closes its end, Toxiproxy closes the caller's too: no hole.
    add_toxic(api, proxy, {"name": toxic, "type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}})


def prepare_undo_swallow(api: str, proxy: str, toxic: str, home: Home | None) -> None:
    load_client()


def undo_swallow(api: str, proxy: str, toxic: str, home: Home | None) -> None:
    remove_toxic(api, proxy, toxic, home)


def swallows(api: str, proxy: str, toxic: str, door: str | None) -> dict[str, Json]:
    from gameday.faults.wire import GLANCE, Unanswered, knock

    try:
        state = read_proxy(api, proxy, GLANCE)
    except (Unanswered, RuntimeError) as error:
        return verdict(False, str(error))
    if state is None or toxic not in state.toxics:
        return verdict(False, f"toxic {toxic} isn't on proxy {proxy}")
    if door is None:
        return verdict(True, f"toxic {toxic} is on proxy {proxy}; no HTTP address is known by which to feel it")
    met = knock(door, _HANGS_AFTER)
    return verdict(met.outcome == "silent", f"toxic {toxic} is on proxy {proxy}; through it {proxy} is {met.words()}")


def recovered_swallowed(api: str, proxy: str, toxic: str, home: Home | None, door: str | None) -> dict[str, Json]:
    return toxic_recovered(api, proxy, toxic, door, home)
