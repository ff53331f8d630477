"""Plans of activities as an earlier version wrote them into a journal: on a cluster they say nothing of that.

Their undos would take whichever context is current when `gameday recover` runs. They get the cluster of the journal's
target instead; where the journal says none, they are refused (`chaostoolkit.way_for`), with lines for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gameday.engine.ports import Call, Json, Plan
from gameday.faults.activity import there

_ONE, _ALL = "gameday.faults.activity:undo", "gameday.faults.activity:undo_all"


def led(plan: Plan, target: Mapping[str, Json]) -> Plan:
    """The plan, with the undo and what a person may paste led to the cluster of `target`, the journal's, where they
    are to reach one and don't say which."""
    undo = plan.undo
    if target["kind"] != "kubernetes" or undo is None or undo.name not in (_ONE, _ALL):
        return plan
    steps = undo.args["steps"] if undo.name == _ALL else [undo.args]
    if all("cluster" in step for step in steps):
        return plan
    cluster = target["settings"].get("cluster") or {}
    made = [{"cluster": cluster, **step} for step in steps]
    args: dict[str, Any] = {"steps": made} if undo.name == _ALL else made[0]
    return replace(plan, undo=Call(undo.name, args, undo.timeout), commands=_commands(plan, steps, target))


def _commands(plan: Plan, steps: list[dict[str, Any]], target: Mapping[str, Json]) -> tuple[str, ...]:
    """One line for each step, in their order."""
    settings = target["settings"]
    if settings.get("cluster"):
        pairs = zip(plan.commands, steps, strict=False)
        return tuple(there(step["provider"], target) + line for line, step in pairs)
    name = settings.get("context") or "CONTEXT"
    said = f"# in a shell with: export KUBERNETES_CONTEXT={name} KUBECONFIG=FILE"
    return (f"{said}, where {name} of target {target['name']} is the current context of FILE:", *plan.commands)
