"""What a worker is asked that is to plan one fault. Of its own, so that a preview asks the same without an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import Call, Json

if TYPE_CHECKING:
    from gameday.scenario.models import Entry, Scenario

PLANNING = Call("gameday.faults.planning:plan", timeout=20.0)
"""Finds out how a fault is done on the target, validates its parameters, and has it planned."""


def plan_call(args: Mapping[str, Json], validated: Mapping[str, Json] | None) -> Call:
    """What a worker runs that plans a fault. `args`: see `plan_arguments`.

    `validated`: what whoever read the scenario found out of the same fault: the name of the function that does the
    `plan` on this very target, and its `params`, validated. Without it that is left to the worker (see `PLANNING`),
    which has to import pydantic first.
    """
    if validated is None:
        return Call(PLANNING.name, dict(args), PLANNING.timeout)
    planned = {"target": args["target"], "params": validated["params"], "context": args["context"]}
    return Call(validated["plan"], planned, PLANNING.timeout)


def plan_arguments(
    scenario: Scenario,
    entry: str,
    scripted: Entry,
    target: dict[str, Any],
    *,
    exercise: str,
    seed: int,
    others: Iterable[tuple[str, Mapping[str, Any]]] = (),
) -> dict[str, Any]:
    """The arguments of `PLANNING` for one fault of the timeline; a preview asks with the same.

    `others`: the faults that have not recovered by then, each with its plan as JSON.
    """
    params: dict[str, Any] = dict(scripted.with_)
    if scripted.activity is not None:
        keys = {"activity", "undo", "effective", "recovered"}
        params |= scripted.model_dump(mode="json", include=keys, exclude_unset=True)
        params["one_shot"] = bool(scripted.one_shot or scripted.undone_with)
        if len(params.get("undo") or ()) == 1:
            (params["undo"],) = params["undo"]
    context: dict[str, Any] = {
        "exercise": exercise,
        "fault": entry,
        "seed": seed,
        "duration": scripted.for_,
        "pods": scenario.limits.pods,
        "percent": scenario.limits.percent,
        "checked": scripted.effective is not None,
        "undone_with": scripted.undone_with,
        "standing": [
            {"entry": name, "takes": list(plan["takes"]), "stands": plan.get("standing")}
            for name, plan in others
            if name != entry and plan.get("takes")
        ],
    }
    return {"fault": scripted.fault, "target": target, "params": params, "context": context}
