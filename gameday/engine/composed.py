"""Verification by more than one question: the adapter's own and the scenario's. Runs inside a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import Call, Json, Plan
from gameday.engine.workers import function
from gameday.frozen import replace

if TYPE_CHECKING:
    from gameday.scenario.models import Check, Entry

CHECK = "gameday.probes.sync:check"
"""Asks a scenario's check: `check(check, target) -> {"holds", "evidence"}`."""


def with_checks(plan: Plan, scripted: Entry, target: dict[str, Any]) -> Plan:
    """`plan` verified by the entry's `effective` and `recovered` checks too."""
    if scripted.activity is not None:
        # An activity has no verification of its own; its plan was made with these checks already.
        return plan
    effective = _both(plan.effective, scripted.effective, target)
    recovered = _both(plan.recovered, scripted.recovered, target)
    return replace(plan, effective=effective, recovered=recovered)


def _both(own: Call | None, check: Check | None, target: dict[str, Any]) -> Call | None:
    if check is None:
        return own
    asked = Call(CHECK, {"check": check.model_dump(mode="json", exclude_unset=True), "target": target})
    if own is None:
        return asked
    return Call("gameday.engine.composed:all_hold", {"calls": [own.to_json(), asked.to_json()]}, own.timeout)


def all_hold(calls: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Whether every call's answer holds; the evidence of those that hold, or of the first that does not.

    One that holds may give a `doubt`: why a later one most likely does not, where it doesn't; and `beside`: its
    evidence where another is asked too, which tells what its own leaves open.
    """
    evidence = []
    doubts: list[str] = []
    for data in calls:
        call = Call.from_json(data)
        answer = function(call.name)(**call.args)
        if not answer["holds"]:
            kept = {"undone": True} if answer.get("undone") else {}
            return {"holds": False, "evidence": "; ".join([str(answer["evidence"]), *doubts]), **kept}
        doubts += [str(answer["doubt"])] if "doubt" in answer else []
        evidence.append(str(answer.get("beside", answer["evidence"]) if len(calls) > 1 else answer["evidence"]))
    return {"holds": True, "evidence": "; ".join(evidence)}
