"""Pod kill: instances of a service die without warning (SIGKILL). One-shot: whoever supervises them replaces them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, model_validator

from gameday.engine.ports import Backend, Call, Json, Plan, about_to_strike
from gameday.engine.processes import boot_clock
from gameday.errors import GamedayError
from gameday.exercise.turns import CALLED_OFF, NOT_THIS_TIME
from gameday.faults.declaration import FaultDeclaration, published_service
from gameday.faults.presence import Home, check_here, home
from gameday.faults.processes import named, send, state
from gameday.faults.supervised import PERMISSIONS, InstanceParameters, choose, ready_again
from gameday.scenario.duration import format_duration
from gameday.scenario.fields import Duration


class PodKillParameters(InstanceParameters):
    all: Annotated[StrictBool, Field(description="Every instance that may be touched.")] = False
    every: Annotated[
        Duration | None, Field(ge=1.0, description="Again every so often, with others, for the entry's `for`.")
    ] = None
    evict: Annotated[
        StrictBool, Field(description="On Kubernetes: evict, so that PodDisruptionBudgets are honoured.")
    ] = False
    grace: Annotated[
        Duration | None, Field(ge=0.0, description="On Kubernetes: how long they are given to end; theirs unless said.")
    ] = None

    @model_validator(mode="after")
    def _all_or_some(self) -> Self:
        given = [name for name in ("count", "percent", "instance") if getattr(self, name) is not None]
        if self.all and given:
            raise ValueError(f"only one of all and {given[0]} can be given")
        if self.instance is not None and self.every is not None:
            raise ValueError("one very instance dies once: remove every, or instance")
        return self


DECLARATION = FaultDeclaration(
    name="pod-kill",
    summary="Instances of a service are killed",
    parameters=PodKillParameters,
    one_shot=True,
    lasting="every",
    description=(
        "Instances die without a word, as they do when a node fails or memory runs out. There is nothing to undo: the "
        "fault is over when the service has as many ready instances as it should."
    ),
    example="""\
at: 30s
fault: pod-kill
with: {service: checkout, count: 1}
""",
    backends={
        "sandbox": Backend(
            plan="gameday.faults.pod_kill:plan",
            touches="processes of the service's instances, by pid and start time",
            undone_by="nothing: the supervisor starts them again",
            effective_when="those very processes are gone",
            recovered_when="the supervisor counts as many ready instances as are wanted",
            permissions=PERMISSIONS,
        ),
        "kubernetes/api": Backend(
            plan="gameday.faults.kubernetes.pod_kill:plan",
            needs="gameday.faults.kubernetes.pod_kill:needs",
            touches="pods, by uid and resourceVersion: deleted, or evicted",
            undone_by="nothing: what runs them makes new ones, and pods that nothing would make anew are left out",
            effective_when="those very pods are gone, or have their deletion time",
            recovered_when="the workload has as many ready pods as it should, without those",
            permissions=(
                "get, list pods",
                "delete pods, or with evict: create pods/eviction",
                "get deployments.apps, statefulsets.apps, replicasets.apps",
                "list poddisruptionbudgets.policy",
                "get namespaces",
            ),
        ),
        "kubernetes/chaos-mesh": Backend(
            plan="gameday.faults.chaos_mesh.pod_kill:plan",
            needs="gameday.faults.chaos_mesh.pod_kill:needs",
            touches="pods, by uid: a label each; one PodChaos of the fault's own, which kills what has that label",
            undone_by="deleting the PodChaos, and taking the label off what still lives; what runs them makes new pods",
            effective_when="Chaos Mesh says AllInjected, and those very pods are gone, or have their deletion time",
            recovered_when="the PodChaos is gone, and the workload has as many ready pods as it should, without those",
            permissions=(
                "get, list, patch pods",
                "get deployments.apps, statefulsets.apps, replicasets.apps",
                "get namespaces",
                "list poddisruptionbudgets.policy",
                "list events",
                "create, get, patch, delete podchaos.chaos-mesh.org",
            ),
        ),
    },
)


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked = PodKillParameters.model_validate(params)
    service = published_service(target, asked.service)
    instances = choose("pod-kill", target, asked, context, everything=asked.all)
    summary = f"kill {', '.join(str(each['name']) for each in instances)} of {service}"
    kill: dict[str, Json] = {"instances": instances}
    stop = None
    if asked.every is not None:
        summary += f", and again every {format_duration(asked.every)}"
        kill["again"] = {"target": dict(target), "params": dict(params), "context": dict(context)}
        stop = Call("gameday.faults.pod_kill:undo", {"service": service}, timeout=5.0)
    return Plan(
        summary=summary,
        targets=tuple(named(each) for each in instances),
        objects=tuple(f"instance:{each['name']}" for each in instances),
        inject=Call("gameday.faults.pod_kill:inject", kill),
        undo=stop,
        effective=Call("gameday.faults.pod_kill:effective", {"instances": instances}),
        recovered=Call(
            "gameday.faults.pod_kill:recovered",
            {"home": home(target), "service": service, "instances": instances},
            timeout=30.0,
        ),
    ).to_json()


def inject(instances: Sequence[Mapping[str, Json]], again: Mapping[str, Any] | None = None) -> Json:
    """Kill these; with `again`, an iterator that goes on with others.

    Raises:
        RuntimeError: an instance was gone before it was killed: the fault was not applied as planned.
    """
    if again is not None:
        return _repeat(instances, again)
    _kill(instances)
    return None


def _kill(instances: Sequence[Mapping[str, Json]]) -> str:
    missed = [named(each) for each in instances if not send(each["pid"], each["start"], signal.SIGKILL)]
    if missed:
        raise RuntimeError(f"gone before it was killed: {', '.join(missed)}")
    return f"killed {', '.join(named(each) for each in instances)}"


def _repeat(instances: Sequence[Mapping[str, Json]], again: Mapping[str, Any]) -> Iterator[dict[str, Json]]:
    due, turn = boot_clock(), 0
    end = due + (again["context"].get("duration") or float("inf"))
    yield {"evidence": _kill(instances)}
    asked = PodKillParameters.model_validate(again["params"])
    assert asked.every is not None
    while (due := max(due + asked.every, boot_clock())) < end:
        turn += 1
        time.sleep(max(0.0, due - boot_clock()))
        try:
            chosen = choose("pod-kill", again["target"], asked, again["context"], everything=asked.all, turn=turn)
        except (ValueError, RuntimeError, GamedayError) as error:
            # Those of the last turn are not back yet, say: this turn passes.
            yield {"evidence": f"{NOT_THIS_TIME}{error}"}
            continue
        yield about_to_strike([named(each) for each in chosen])
        if boot_clock() >= end:
            yield {"evidence": f"{CALLED_OFF}{', '.join(named(each) for each in chosen)}: its time is over"}
        else:
            yield {"evidence": _strike(chosen)}


def _strike(instances: Sequence[Mapping[str, Json]]) -> str:
    """The same again, as evidence: nothing that was begun is said not to have been."""
    done: list[str] = []
    missed: list[str] = []
    for each in instances:
        (done if send(each["pid"], each["start"], signal.SIGKILL) else missed).append(named(each))
    gone = f"gone before it was killed: {', '.join(missed)}"
    if not done:
        return f"{NOT_THIS_TIME}{gone}"
    return f"killed {', '.join(done)}{f'; {gone}' if missed else ''}"


def undo(service: str) -> None:
    """What repeats is stopped by killing it, which whoever undoes does; instances are started again by themselves."""


def effective(instances: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    alive = [named(each) for each in instances if state(each["pid"], each["start"]) is not None]
    if alive:
        return {"holds": False, "evidence": f"still there: {', '.join(alive)}"}
    return {"holds": True, "evidence": f"gone: {', '.join(named(each) for each in instances)}"}


def recovered(home: Home, service: str, instances: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    check_here(home)
    return ready_again(home, service, without=instances)
