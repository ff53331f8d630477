"""The JSON Schema of scenario files, for editors: completion, descriptions, and the commonest mistakes underlined.

Generated from the models and the catalogue. It says less than `gameday validate`: what hangs together across a file
(ids, cycles, lengths) no schema can say.
"""

from __future__ import annotations

import json
from typing import Any

from gameday.scenario.catalogue import Catalogue
from gameday.scenario.duration import PATTERN, format_duration
from gameday.scenario.keys import PROBES, TOLERANCES
from gameday.scenario.models import Scenario
from gameday.scenario.presets import level_names

Json = Any

_PLACEHOLDER = {"type": "string", "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_-]*\}$"}
"""Where something else than text belongs, a parameter may stand for it."""
_DURATION = {
    "description": "A duration: 90s, 5m, 1h30m, 250ms.",
    "anyOf": [
        {"type": "string", "pattern": PATTERN, "examples": ["90s", "5m", "1h30m"]},
        {"$ref": "#/$defs/placeholder"},
    ],
}
_TRIGGERS = ("at", "after", "manual")


def json_schema(catalogue: Catalogue) -> dict[str, Json]:
    """The schema (draft 2020-12) of a scenario file, with the parameters of every fault in `catalogue`."""
    schema = Scenario.model_json_schema(by_alias=True, mode="validation")
    definitions: dict[str, Json] = schema.pop("$defs")
    for name, spec in sorted(catalogue.items()):
        parameters = spec.parameters.model_json_schema(by_alias=True, mode="validation")
        definitions.update(parameters.pop("$defs", {}))
        parameters["title"] = f"Parameters of {name}"
        parameters["additionalProperties"] = False
        definitions[_definition(name)] = parameters
    _constrain(definitions, catalogue)
    schema["properties"]["severity"] = {
        "description": schema["properties"]["severity"]["description"],
        "anyOf": [{"enum": level_names()}, {"type": "null"}],
    }
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "gameday scenario, version 1",
        "description": "A scenario file. `gameday validate` checks more than this schema can say.",
        "$defs": definitions,
    }
    result: dict[str, Json] = _tidied(whole)
    result["$defs"] = {"placeholder": _PLACEHOLDER, "duration": _DURATION, **result["$defs"]}
    return result


def schema_text(catalogue: Catalogue) -> str:
    """The schema as the text of a file, the same for the same models."""
    return json.dumps(json_schema(catalogue), indent=2, ensure_ascii=False, sort_keys=False) + "\n"


def _definition(fault: str) -> str:
    return f"fault-{fault}"


def _given(key: str) -> dict[str, Json]:
    """Holds where `key` is written down and not null."""
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}


def _exactly_one(keys: tuple[str, ...]) -> dict[str, Json]:
    return {"oneOf": [_given(key) for key in keys]}


def _constrain(definitions: dict[str, Json], catalogue: Catalogue) -> None:
    """What must or must not stand together within one mapping."""
    probe, tolerance = _exactly_one(PROBES), {"anyOf": [{"required": [key]} for key in TOLERANCES]}
    definitions["Check"]["allOf"] = [probe]
    definitions["Tolerance"].update(tolerance)
    definitions["AbortCondition"]["allOf"] = [
        probe,
        {"oneOf": [{"required": [key]} for key in (*TOLERANCES, "unless")]},
        {"not": {"allOf": [_given("for"), _given("consecutive")]}},
        {
            "if": {"anyOf": [_given(kind) for kind in ("measure", "prometheus", "metrics")]},
            "then": {"required": ["no_data"]},
        },
    ]
    definitions["Expectation"]["allOf"] = [_exactly_one(("alert", "milestone", "update", "check"))]
    definitions["SecretRef"]["allOf"] = [_exactly_one(("env", "file"))]
    definitions["After"]["allOf"] = [_exactly_one(("milestone", "entry", "effective"))]
    definitions["Look"]["allOf"] = [probe]
    _constrain_entries(definitions["Entry"], catalogue)
    # What the models take in a short form.
    entry, parameter = definitions["Entry"]["properties"], definitions["Parameter"]
    entry["after"] = {
        "description": "What it waits for: the id of another entry; or milestone:, entry: or effective:, with delay:.",
        "anyOf": [{"$ref": "#/$defs/After"}, {"type": "string"}, {"type": "null"}],
    }
    entry["until"] = {"description": entry["until"]["description"], **_one_or_several("After", {"type": "string"})}
    entry["undo"] = {"description": entry["undo"]["description"], **_one_or_several("Activity")}
    entry["fault"]["anyOf"] = [{"enum": [*sorted(catalogue), "activity"]}, {"$ref": "#/$defs/placeholder"}]
    rule = {"enum": ["trip", "ok", "hold"]}
    condition = definitions["AbortCondition"]["properties"]
    condition["no_data"] = {
        "description": condition["no_data"]["description"],
        "anyOf": [rule, {"$ref": "#/$defs/NoData"}],
    }
    definitions["Parameter"] = {
        "anyOf": [parameter, {"type": ["string", "number", "boolean"]}],
        "description": parameter["description"],
    }


def _one_or_several(model: str, *short: Json) -> dict[str, Json]:
    """What need not be in a list where there is one."""
    one: list[Json] = [{"$ref": f"#/$defs/{model}"}, *short]
    return {"anyOf": [*one, {"type": "array", "minItems": 1, "items": {"anyOf": one}}, {"type": "null"}]}


def _constrain_entries(entry: dict[str, Json], catalogue: Catalogue) -> None:
    rules: list[Json] = [_exactly_one(_TRIGGERS), _exactly_one(("fault", "inject", "check"))]
    for name, spec in sorted(catalogue.items()):
        needs: dict[str, Json] = {"properties": {"with": {"$ref": f"#/$defs/{_definition(name)}"}}}
        if spec.one_shot and spec.lasting:
            goes_on = {"required": ["with"], "properties": {"with": _given(spec.lasting)}}
            needs |= {"if": goes_on, "then": {"required": ["for"]}, "else": {"not": _given("for")}}
        elif spec.one_shot:
            needs["not"] = _given("for")
        else:
            needs["required"] = ["for"]
        if any(field.is_required() for field in spec.parameters.model_fields.values()):
            needs["required"] = [*needs.get("required", []), "with"]
        rules.append({"if": {"required": ["fault"], "properties": {"fault": {"const": name}}}, "then": needs})
    is_activity = {"required": ["fault"], "properties": {"fault": {"const": "activity"}}}
    lasting = {"required": ["undo", "for"]}
    passing = {"required": ["one_shot"], "properties": {"one_shot": {"const": True}}}
    shared = _given("undone_with")
    rules.append({"if": is_activity, "then": {"required": ["activity"], "oneOf": [lasting, passing, shared]}})
    entry["allOf"] = rules


def _tidied(node: Json) -> Json:
    """Without pydantic's titles, and with a placeholder allowed wherever something else than free text belongs."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("pattern") == PATTERN:
        return _reference(node)
    tidy = {}
    for key, value in node.items():
        if key == "properties":
            tidy[key] = {name: _or_placeholder(_tidied(_untitled(inner))) for name, inner in value.items()}
        elif key == "items":
            tidy[key] = _or_placeholder(_tidied(value))
        elif key == "$defs":
            tidy[key] = {name: _tidied(value[name]) for name in sorted(value)}
        elif key in ("default", "examples", "enum", "const"):
            tidy[key] = value
        else:
            tidy[key] = _tidied(value)
    return tidy


def _reference(duration: dict[str, Json]) -> dict[str, Json]:
    """A duration as a reference to the one definition, its default as one writes it."""
    kept: dict[str, Json] = {key: duration[key] for key in ("description", "default") if key in duration}
    if isinstance(kept.get("default"), int | float):
        kept["default"] = format_duration(kept["default"])
    kept["$ref"] = "#/$defs/duration"
    return kept


def _untitled(schema: Json) -> Json:
    return {key: value for key, value in schema.items() if key != "title"} if isinstance(schema, dict) else schema


def _or_placeholder(schema: Json) -> Json:
    """`schema`, or a placeholder where it asks for a number, a duration, true or false, or one of several words."""
    if not isinstance(schema, dict) or not _is_narrow(schema):
        return schema
    placeholder = {"$ref": "#/$defs/placeholder"}
    if "anyOf" in schema:
        return schema if placeholder in schema["anyOf"] else {**schema, "anyOf": [*schema["anyOf"], placeholder]}
    outer = {key: schema[key] for key in ("description", "default") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in outer}
    return {**outer, "anyOf": [inner, placeholder]}


def _is_narrow(schema: dict[str, Json]) -> bool:
    options = schema.get("anyOf", [schema])
    return any(
        option.get("type") in ("integer", "number", "boolean") or ("enum" in option and option["enum"] != [1])
        for option in options
        if isinstance(option, dict)
    )
