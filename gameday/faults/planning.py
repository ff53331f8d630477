"""From what a timeline says of a fault to what will be done: finds the target's way of doing it, and has it planned.

Reads only. Called again when the fault is armed, since instances come and go.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from pydantic import ValidationError

from gameday.engine.ports import Backend, Json
from gameday.faults.catalogue import all_faults
from gameday.faults.declaration import FaultDeclaration, nearest


def plan(
    fault: str, target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]
) -> dict[str, Json]:
    """The `Plan`, as JSON, of a fault on a target (`TargetInfo` as JSON). `context`: see `ports.Backend`.

    Raises:
        ValueError: no such fault, wrong parameters, a kind of target that can't do it, limits that forbid it.
        TargetError: the target can't be asked.
    """
    declaration = _declaration(fault)
    backend = _backend(declaration, target)
    try:
        asked = declaration.parameters.model_validate(dict(params)).model_dump()
    except ValidationError as error:
        raise ValueError(f"{fault}: {_wrong(declaration, error)}") from error
    module, _, function = backend.plan.partition(":")
    made: dict[str, Json] = getattr(importlib.import_module(module), function)(target, asked, context)
    return made


def _declaration(fault: str) -> FaultDeclaration:
    known = all_faults()
    if fault not in known:
        raise ValueError(f"no fault is called {fault!r}: {nearest(fault, known)}")
    return known[fault]


def _backend(declaration: FaultDeclaration, target: Mapping[str, Json]) -> Backend:
    kind = target["kind"]
    if kind not in declaration.backends:
        kinds = ", ".join(declaration.backends)
        raise ValueError(
            f"{declaration.name} can't be done on target {target['name']}, which is of kind {kind}: "
            f"it can on targets of kind {kinds}"
        )
    return declaration.backends[kind]


def _wrong(declaration: FaultDeclaration, error: ValidationError) -> str:
    """All that is wrong with the parameters, on one line."""
    found = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in each["loc"]) or "parameters"
        if each["type"] == "extra_forbidden":
            found.append(f"{name} is unknown, {nearest(name, declaration.parameters.model_fields)}")
        elif each["type"] == "missing":
            found.append(f"{name} is missing")
        else:
            found.append(f"{name}: {each['msg'].removeprefix('Value error, ')}")
    return "; ".join(found)
