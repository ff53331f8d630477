"""Pod kill: instances of a service die without warning (SIGKILL). One-shot: whoever supervises them replaces them."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence

from gameday.engine.ports import Backend, Call, Json, Plan
from gameday.faults.declaration import FaultDeclaration, published_service
from gameday.faults.presence import Home, check_here, home
from gameday.faults.processes import named, send, state
from gameday.faults.supervised import PERMISSIONS, InstanceParameters, choose, ready_again


class PodKillParameters(InstanceParameters):
    pass


DECLARATION = FaultDeclaration(
    name="pod-kill",
    summary="Instances of a service are killed",
    parameters=PodKillParameters,
    one_shot=True,
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
        )
    },
)


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    asked = PodKillParameters.model_validate(params)
    service = published_service(target, asked.service)
    instances = choose("pod-kill", target, asked, context)
    return Plan(
        summary=f"kill {', '.join(str(each['name']) for each in instances)} of {service}",
        targets=tuple(named(each) for each in instances),
        objects=tuple(f"instance:{each['name']}" for each in instances),
        inject=Call("gameday.faults.pod_kill:inject", {"instances": instances}),
        effective=Call("gameday.faults.pod_kill:effective", {"instances": instances}),
        recovered=Call(
            "gameday.faults.pod_kill:recovered",
            {"home": home(target), "service": service, "instances": instances},
            timeout=30.0,
        ),
    ).to_json()


def inject(instances: Sequence[Mapping[str, Json]]) -> None:
    """Raises RuntimeError where an instance was gone before it was killed: the fault was not applied as planned."""
    missed = [named(each) for each in instances if not send(each["pid"], each["start"], signal.SIGKILL)]
    if missed:
        raise RuntimeError(f"gone before it was killed: {', '.join(missed)}")


def effective(instances: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    alive = [named(each) for each in instances if state(each["pid"], each["start"]) is not None]
    if alive:
        return {"holds": False, "evidence": f"still there: {', '.join(alive)}"}
    return {"holds": True, "evidence": f"gone: {', '.join(named(each) for each in instances)}"}


def recovered(home: Home, service: str, instances: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    check_here(home)
    return ready_again(home, service, without=instances)
