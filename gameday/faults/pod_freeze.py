"""Pod freeze: instances of a service stop in their tracks (SIGSTOP) and hold what they hold, connections included."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence

from gameday.engine.ports import Backend, Call, Json, Plan
from gameday.faults.declaration import FaultDeclaration, published_service
from gameday.faults.presence import CannotTell, Home, check_here, home
from gameday.faults.processes import hold, named, send, state
from gameday.faults.supervised import PERMISSIONS, InstanceParameters, choose, ready_again


class PodFreezeParameters(InstanceParameters):
    pass


DECLARATION = FaultDeclaration(
    name="pod-freeze",
    summary="Instances of a service hang",
    parameters=PodFreezeParameters,
    one_shot=False,
    description=(
        "Instances neither answer nor die: they still accept connections, and whoever calls them waits. The harder "
        "sibling of pod-kill, since nothing restarts what hasn't crashed."
    ),
    example="""\
at: 30s
fault: pod-freeze
with: {service: inventory}
for: 2m
""",
    backends={
        "sandbox": Backend(
            plan="gameday.faults.pod_freeze:plan",
            touches="processes of the service's instances, by pid and start time",
            undone_by="SIGCONT to the very same processes",
            effective_when="the kernel says that they are stopped",
            recovered_when="none of them is stopped, and the supervisor counts as many ready instances as are wanted",
            permissions=PERMISSIONS,
        )
    },
)


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked = PodFreezeParameters.model_validate(params)
    service = published_service(target, asked.service)
    instances = choose("pod-freeze", target, asked, context)
    these = {"instances": instances}
    whose = {"home": home(target), **these}
    return Plan(
        summary=f"freeze {', '.join(str(each['name']) for each in instances)} of {service}",
        targets=tuple(named(each) for each in instances),
        objects=tuple(f"instance:{each['name']}" for each in instances),
        inject=Call("gameday.faults.pod_freeze:inject", these),
        undo=Call("gameday.faults.pod_freeze:undo", whose, timeout=5.0),
        effective=Call("gameday.faults.pod_freeze:effective", these),
        recovered=Call("gameday.faults.pod_freeze:recovered", {"service": service, **whose}),
        commands=tuple(f"kill -CONT {each['pid']}" for each in instances),
    ).to_json()


def inject(instances: Sequence[Mapping[str, Json]]) -> None:
    """Raises RuntimeError where an instance was gone before it was frozen: the fault was not applied as planned."""
    missed = [named(each) for each in instances if not send(each["pid"], each["start"], signal.SIGSTOP)]
    if missed:
        raise RuntimeError(f"gone before it was frozen: {', '.join(missed)}")


def prepare_undo(instances: Sequence[Mapping[str, Json]], home: Home | None = None) -> None:
    for each in instances:
        hold(each["pid"], each["start"])


def undo(instances: Sequence[Mapping[str, Json]], home: Home | None = None) -> None:
    """An instance that is gone, or was replaced, is not frozen any more; whatever now has its pid is left alone.

    Raises:
        CannotTell: they are not to be seen from here, which is no sign that they are gone.
    """
    check_here(home)
    missed = [named(each) for each in instances if not send(each["pid"], each["start"], signal.SIGCONT)]
    if missed and home is None:
        # A plan that doesn't say where they ran.
        raise CannotTell(
            f"not to be found on this host: {', '.join(missed)}; if they run on another, run `gameday recover` there"
        )


def effective(instances: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    moving = [named(each) for each in instances if state(each["pid"], each["start"]) != "T"]
    if moving:
        return {"holds": False, "evidence": f"not stopped: {', '.join(moving)}"}
    return {"holds": True, "evidence": f"stopped (state T): {', '.join(named(each) for each in instances)}"}


def recovered(home: Home, service: str, instances: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    check_here(home)
    stopped = [named(each) for each in instances if state(each["pid"], each["start"]) == "T"]
    if stopped:
        return {"holds": False, "evidence": f"still stopped: {', '.join(stopped)}"}
    return ready_again(home, service)
