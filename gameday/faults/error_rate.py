"""Error rate: a share of a service's requests fails with an HTTP error, as after a bad deploy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from gameday.engine.ports import Backend, Call, Json, Plan
from gameday.errors import TargetError
from gameday.faults.declaration import FaultDeclaration, own_name, published_service, verdict
from gameday.faults.parameters import Parameters, Service
from gameday.faults.presence import GONE, Home, check_here, home, is_gone
from gameday.faults.supervised import service_status
from gameday.faults.toxiproxy import curl, load_client


class ErrorRateParameters(Parameters):
    service: Service
    share: Annotated[float, Field(gt=0, le=1, strict=True, description="Share of the requests that fail, 0 to 1.")] = (
        0.5
    )
    status: Annotated[int, Field(ge=500, le=599, strict=True, description="The HTTP status they fail with.")] = 503


DECLARATION = FaultDeclaration(
    name="error-rate",
    summary="A share of a service's requests fails",
    parameters=ErrorRateParameters,
    one_shot=False,
    description=(
        "The service answers a share of its business requests with an HTTP error; its health checks stay green. "
        "Whoever pages on health checks alone sleeps through it."
    ),
    example="""\
at: 30s
fault: error-rate
with: {service: payments, share: 0.3, status: 503}
for: 3m
""",
    backends={
        "sandbox": Backend(
            plan="gameday.faults.error_rate:plan",
            touches="the service's instances, through the supervisor: one error rate of the fault's own id",
            undone_by="removing that error rate",
            effective_when="all instances have it, and a request has failed by it",
            recovered_when="neither the supervisor nor any running instance has it",
            permissions=("requests to the sandbox's control API",),
        )
    },
)


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`."""
    from gameday.faults.wire import PATIENCE, Unanswered

    asked = ErrorRateParameters.model_validate(params)
    service = published_service(target, asked.service)
    control = str(target["settings"]["control"])
    try:
        service_status(control, service, PATIENCE)
    except (Unanswered, RuntimeError) as error:
        raise TargetError(f"target {target['name']}: its supervisor can't be asked: {error}; is it running?") from error
    own = own_name(context)
    whose = {"control": control, "service": service, "fault_id": own}
    what = {"share": asked.share, "status": asked.status}
    return Plan(
        summary=f"{asked.share:.0%} of requests to {service} fail with {asked.status}",
        targets=(f"service {service}",),
        objects=(f"error-rate:{service}",),
        inject=Call("gameday.faults.error_rate:inject", {**whose, **what}),
        undo=Call("gameday.faults.error_rate:undo", {"home": home(target), "fault_id": own}, timeout=5.0),
        effective=Call("gameday.faults.error_rate:effective", whose),
        recovered=Call(
            "gameday.faults.error_rate:recovered", {"home": home(target), "service": service, "fault_id": own}
        ),
        commands=(curl("DELETE", _url(control, own)),),
    ).to_json()


def _url(control: str, fault_id: str) -> str:
    return f"{control}/faults/error-rate/{quote(fault_id, safe='')}"


def inject(control: str, service: str, fault_id: str, share: float, status: int) -> None:
    from gameday.faults.wire import demand

    demand(
        "POST", f"{control}/faults/error-rate", {"id": fault_id, "service": service, "status": status, "share": share}
    )


def prepare_undo(home: Home, fault_id: str) -> None:
    load_client()


def undo(home: Home, fault_id: str) -> None:
    """That there is no such error rate, or no such sandbox any more, is fine."""
    from gameday.faults.wire import Unanswered, demand

    try:
        demand("DELETE", _url(home["control"], fault_id), also=404)
    except Unanswered:
        if not is_gone(home):
            raise


def effective(control: str, service: str, fault_id: str) -> dict[str, Json]:
    """Whether all running instances have the error rate, and a request has failed by it.

    That it is set proves nothing: where nobody asks anything of the service, nobody is hurt.
    """
    from gameday.faults.wire import Unanswered

    try:
        found = dict(_error_rates(control, service))
    except (Unanswered, RuntimeError) as error:
        return verdict(False, str(error))
    without = [name for name, failed in found.items() if fault_id not in failed]
    if not found:
        return verdict(False, f"no instance of {service} runs")
    if without:
        return verdict(False, f"error rate {fault_id} isn't set on {', '.join(without)}")
    seen = f"error rate {fault_id} is set on {', '.join(found)}"
    if count := sum(failed[fault_id] for failed in found.values()):
        return verdict(True, f"{seen}; {count} {'request' if count == 1 else 'requests'} failed by it")
    return verdict(False, f"{seen}, but no request to {service} has failed by it")


def recovered(home: Home, service: str, fault_id: str) -> dict[str, Json]:
    from gameday.faults.wire import GLANCE, Unanswered, demand

    control = home["control"]
    # Somebody else may listen at that address on another host, and know nothing of it.
    check_here(home)
    try:
        known = demand("GET", f"{control}/status", timeout=GLANCE).content["faults"]
        if any(fault["id"] == fault_id for fault in known):
            return verdict(False, f"the supervisor still has error rate {fault_id}")
        left = [name for name, ids in _error_rates(control, service) if fault_id in ids]
    except (Unanswered, RuntimeError) as error:
        return verdict(True, GONE) if is_gone(home) else verdict(False, str(error))
    if left:
        return verdict(False, f"error rate {fault_id} is still set on {', '.join(left)}")
    return verdict(True, f"no instance of {service} has error rate {fault_id}")


def _running(control: str, service: str) -> Iterator[tuple[str, str]]:
    """Name and address of each running instance. One that is frozen is told by the supervisor as soon as it thaws."""
    from gameday.faults.wire import GLANCE

    for instance in service_status(control, service, GLANCE)["instances"]:
        if instance["state"] == "running":
            yield str(instance["name"]), f"http://127.0.0.1:{instance['port']}"


def _error_rates(control: str, service: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Each running instance, the ids of the error rates that it has, and how many requests it failed by each."""
    from gameday.faults.wire import GLANCE, demand

    for name, address in _running(control, service):
        found = demand("GET", f"{address}/admin/faults", timeout=GLANCE).content["faults"]
        yield name, {str(fault["id"]): int(fault["failed"]) for fault in found}
