"""From what a timeline says of a fault to what will be done: finds the target's way of doing it, and has it planned.

Reads only. Called again when the fault is armed, since instances come and go.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import Backend, Json
from gameday.faults.catalogue import all_faults
from gameday.faults.declaration import FaultDeclaration, nearest

if TYPE_CHECKING:
    from pydantic import ValidationError


def plan(
    fault: str, target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]
) -> dict[str, Json]:
    """The `Plan`, as JSON, of a fault on a target (`TargetInfo` as JSON). `context`: see `ports.Backend`.

    Raises:
        ValueError: no such fault, wrong parameters, a kind of target that can't do it, limits that forbid it.
        TargetError: the target can't be asked.
    """
    ready = validated(fault, target, params)
    made: dict[str, Json] = _function(ready["plan"])(target, ready["params"], context)
    return {**made, "engine": ready["engine"]}


def validated(fault: str, target: Mapping[str, Json], params: Mapping[str, Json]) -> dict[str, Json]:
    """All that takes a fault's declaration and the model of its parameters, so that workers need neither: `plan`, the
    name of the function that plans it on this target, its `params`, validated, as JSON, and the `engine` that does it.

    Asks nobody.

    Raises:
        ValueError: no such fault, wrong parameters, a kind of target that can't do it.
    """
    declaration = _declaration(fault)
    engine, backend = backend_for(declaration, target)
    return {"plan": backend.plan, "params": _validated(declaration, params), "engine": engine}


def needs(fault: str, target: Mapping[str, Json], params: Mapping[str, Json]) -> list[str]:
    """The rights that a fault needs on a target, told without asking it; none where its kind knows no rights.

    Raises:
        ValueError: as `plan`.
    """
    declaration = _declaration(fault)
    _, backend = backend_for(declaration, target)
    if not backend.needs:
        return []
    found: list[str] = _function(backend.needs)(target, _validated(declaration, params))
    return found


def _validated(declaration: FaultDeclaration, params: Mapping[str, Json]) -> dict[str, Json]:
    from pydantic import ValidationError

    try:
        return declaration.parameters.model_validate(dict(params)).model_dump()
    except ValidationError as error:
        raise ValueError(f"{declaration.name}: {_wrong(declaration, error)}") from error


def _function(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _declaration(fault: str) -> FaultDeclaration:
    known = all_faults()
    if fault not in known:
        raise ValueError(f"no fault is called {fault!r}: {nearest(fault, known)}")
    return known[fault]


def backend_for(declaration: FaultDeclaration, target: Mapping[str, Json]) -> tuple[str, Backend]:
    """The engine that does a fault on a target, and how.

    Raises:
        ValueError: the kind of target can't do it, or it has no engine that can; says what would have to be there.
    """
    kind, name = target["kind"], target["name"]
    engines = declaration.engines(kind)
    if not engines:
        raise ValueError(
            f"{declaration.name} can't be done on target {name}, which is of kind {kind}: "
            f"it can on targets of kind {', '.join(declaration.kinds)}"
        )
    if "" in engines:
        return "", engines[""]
    there = target["settings"].get("engines") or []
    wanted = (target["settings"].get("chosen") or {}).get(declaration.name)
    if wanted is not None:
        if wanted not in engines:
            raise ValueError(f"{declaration.name} can't be done by {wanted}: it can by {' or '.join(engines)}")
        if wanted not in there:
            has = _left_out([wanted], target) or f"target {name} has no {ENGINES[wanted]}"
            raise ValueError(f"{declaration.name} by {wanted}: {has}")
        return wanted, engines[wanted]
    # The target's order first: whoever wrote it down wanted it.
    for engine in [one for one in there if one in engines] or ():
        return engine, engines[engine]
    missing = " or ".join(f"{ENGINES[engine]}" for engine in engines)
    if target["settings"].get("left_out") is None and there:
        # Nobody has asked what else there is.
        none = f"and its engines are {', '.join(there)}"
    else:
        none = _left_out(list(engines), target) or "and there is none"
    raise ValueError(f"{declaration.name} can't be done on target {name}: it needs {missing}, {none}")


def _left_out(engines: Sequence[str], target: Mapping[str, Json]) -> str:
    """Which of these the target has and its settings leave out, in words; "" where none is so."""
    found = [engine for engine in target["settings"].get("left_out") or () if engine in engines]
    if not found:
        return ""
    names = " and ".join(_NAMES[engine] for engine in found)
    table = f"[targets.{target['name']}]"
    added = ", ".join(f'"{engine}"' for engine in found)
    return (
        f"and `engines` under {table} leaves {names} out, which {'is' if len(found) == 1 else 'are'} there: "
        f"add {added}, or take `engines` away"
    )


ENGINES = {
    "api": "Kubernetes API",
    "chaos-mesh": "Chaos Mesh (the chaos-mesh.org/v1alpha1 API, see https://chaos-mesh.org)",
    "toxiproxy": 'Toxiproxy (proxy = "http://…:8474" in the target\'s settings)',
}
"""Engines of a cluster, and what each is called where it is missing."""
_NAMES = {"api": "The Kubernetes API", "chaos-mesh": "Chaos Mesh", "toxiproxy": "Toxiproxy before it"}


_COULD = {
    "chaos-mesh": "Chaos Mesh could, were it installed in the cluster (https://chaos-mesh.org)",
    "toxiproxy": 'Toxiproxy could, if callers reached it through one (proxy = "http://…:8474" under [targets.{}])',
}


def instead(fault: str, target: Mapping[str, Json], but: str = "api") -> str:
    """What else does a fault on a cluster, in words: how to choose it where it is there, else what it would take."""
    there = target["settings"].get("engines") or []
    others = [engine for engine in all_faults()[fault].engines(target["kind"]) if engine != but and engine in ENGINES]
    can = [f"{_NAMES[engine]} can (`--engine {fault}={engine}`)" for engine in others if engine in there]
    left_out = target["settings"].get("left_out") or ()
    could = [
        f"{_NAMES[engine]} could, were it not left out of `engines` under [targets.{target['name']}]"
        if engine in left_out
        else _COULD[engine].format(target["name"])
        for engine in others
        if engine not in there and engine in _COULD
    ]
    return ", or ".join(can or could)


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
