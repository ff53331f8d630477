"""pydantic's errors in the words of the file: what stands there, what belongs there, the nearest right word.

pydantic knows shapes; this knows how a person calls them. Nothing here validates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from gameday.patterns import pattern
from gameday.scenario.models import (
    AbortCondition,
    Activity,
    After,
    Check,
    Entry,
    Expectation,
    HttpProbe,
    Limits,
    Look,
    MetricsProbe,
    NoData,
    Parameter,
    ProcessProbe,
    PrometheusProbe,
    Scenario,
    SecretRef,
    TcpProbe,
    Tolerance,
)
from gameday.scenario.names import PLACEHOLDER
from gameday.scenario.problems import Finding, Path, listed, nearest, shown

Json = Any
Details = Mapping[str, Any]

_PLACES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    # Way with indexes and free keys as *, what a person calls it, its model. The first that fits counts.
    ("", "a scenario", Scenario),
    ("parameters.*", "a parameter", Parameter),
    ("limits", "limits", Limits),
    ("steady_state.*", "a steady-state check", Check),
    ("timeline.*", "a timeline entry", Entry),
    ("timeline.*.after", "after", After),
    ("timeline.*.activity", "an activity", Activity),
    ("timeline.*.until", "until", After),
    ("timeline.*.until.*", "until", After),
    ("timeline.*.undo", "an undo", Activity),
    ("timeline.*.undo.*", "an undo", Activity),
    ("timeline.*.check", "a check", Look),
    ("timeline.*.effective", "a check", Check),
    ("timeline.*.recovered", "a check", Check),
    ("expect.*", "an expectation", Expectation),
    ("expect.*.check", "a check", Check),
    ("abort_when.*", "an abort condition", AbortCondition),
    ("abort_when.*.no_data", "no_data", NoData),
    ("abort_when.*.unless", "a tolerance", Tolerance),
    ("**.expect", "a tolerance", Tolerance),
    ("**.http", "an http probe", HttpProbe),
    ("**.prometheus", "a prometheus probe", PrometheusProbe),
    ("**.metrics", "a metrics probe", MetricsProbe),
    ("**.tcp", "a tcp probe", TcpProbe),
    ("**.process", "a process probe", ProcessProbe),
    ("**.activity", "an activity", Activity),
    ("**.headers.*", "a secret", SecretRef),
    ("**.env.*", "a secret", SecretRef),
)
_RULES = tuple(
    (pattern(r"\A" + way.replace(".", r"\.").replace(r"**\.", r".+\.").replace("*", r"[^.]+") + r"\Z"), name, model)
    for way, name, model in _PLACES
)


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys as they are written in a file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def place_name(path: Path) -> tuple[str, type[BaseModel] | None]:
    """How a person calls the mapping at `path`, and its model: `("timeline", 3)` -> `a timeline entry`."""
    way = ".".join(str(step).replace(".", "_") for step in path)
    for rule, name, model in _RULES:
        if rule.match(way):
            return name, model
    return "this mapping", None


def findings(
    error: ValidationError,
    document: Json,
    prefix: Path = (),
    place: tuple[str, type[BaseModel]] | None = None,
    most: int | None = None,
) -> list[Finding]:
    """What `error` says about `document`, which stands at `prefix` of the scenario and is called `place` there."""
    found: dict[Finding, None] = {}
    for details in error.errors(include_url=False)[:most]:
        for finding in _translate(cast(Details, details), document, prefix, place):
            found[finding] = None
    return _without_echoes(list(found))


_QUOTE = "'"


def _without_echoes(found: list[Finding]) -> list[Finding]:
    """Leave out "missing 'title'" where "unknown key 'titel'; did you mean 'title'?" says it already."""
    meant = {(finding.path[:-1], finding.hint) for finding in found if finding.message.startswith("unknown key")}
    return [
        finding
        for finding in found
        if not (
            finding.message.startswith("missing key")
            and (finding.path, f"did you mean '{finding.message.split(_QUOTE)[1]}'?") in meant
        )
    ]


def _translate(
    details: Details, document: Json, prefix: Path, place: tuple[str, type[BaseModel]] | None
) -> Iterator[Finding]:
    kind = str(details["type"])
    path, value = walk(details["loc"], document)
    at = (*prefix, *path)
    if kind == "missing":
        missing = details["loc"][-1]
        if isinstance(missing, int):
            yield Finding(at, f"{_key(at)} needs {missing + 1} values", "write lowest and highest: [1, 5]")
            return
        name = (place or place_name(at))[0] if not path else place_name(at)[0]
        # A key that is nearly the missing one is reported by itself, as unknown; both together help most.
        yield Finding(at, f"missing key {missing!r} in {name}", _MISSING_HINTS.get(str(missing), ""), at_key=True)
        return
    if kind == "extra_forbidden":
        name, model = place if place and len(path) == 1 else place_name(at[:-1])
        known = keys_of(model) if model else []
        yield Finding(
            at,
            f"unknown key {shown(at[-1])} in {name}",
            nearest(at[-1], known) or (f"known keys: {', '.join(known)}" if len(known) <= 12 else _elsewhere(at[-1])),
            at_key=True,
        )
        return
    message, hint = _judge(kind, details, value, at)
    placeholder = PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    if placeholder and kind not in ("string_pattern_mismatch", "text_or_secret"):
        message, hint = f"{value} is no parameter of this scenario", "declare it under parameters"
    yield Finding(at, message, hint)


_MISSING_HINTS = {
    "version": "write `version: 1` at the top",
    "title": "write one line that says what goes wrong",
    "expect": "say what the answer must be, e.g. expect: {status: 200}",
    "name": "people see it when it trips",
    "url": "write an address such as ${storefront}/health",
}


def walk(loc: Sequence[str | int], document: Json) -> tuple[Path, Json]:
    """The part of pydantic's location that exists in the document, and what stands there.

    The rest names branches of a union, or what a shorthand was expanded to.
    """
    path: list[str | int] = []
    for step in loc:
        in_list = isinstance(document, list) and isinstance(step, int) and step < len(document)
        if in_list or (isinstance(document, dict) and step in document):
            document = document[step]
            path.append(step)
    return tuple(path), document


def _judge(kind: str, details: Details, value: Json, path: Path) -> tuple[str, str]:
    """Message and hint for an error that is neither a missing nor an unknown key."""
    context: Mapping[str, Any] = details.get("ctx", {})
    if kind == "value_error":
        said = str(details["msg"]).removeprefix("Value error, ")
        message, _, hint = said.partition(": write ")
        return f"{_key(path)}: {message}", f"write {hint}" if hint else ""
    if kind in ("text_or_secret",):
        return f"{details['msg']}; found {_found(value)}", _quote_hint(value)
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"]) or [str(context["expected"])]
        if not isinstance(value, str):
            return f"expected {listed(allowed)}, found {_found(value)}", ""
        return f"{_key(path)} can't be {shown(value)}", nearest(value, allowed) or f"write {listed(allowed)}"
    if kind in _EXPECTED:
        hint = _quote_hint(value) if kind == "string_type" else _EXPECTED_HINTS.get(kind, "")
        return f"{_key(path)}: expected {_EXPECTED[kind]}, found {_found(value)}", hint
    if kind in _COMPARED:
        word, bound = _COMPARED[kind]
        return f"{_key(path)} must be {word} {context[bound]:g}, found {shown(value)}", ""
    if kind in ("too_short", "string_too_short"):
        return f"{_key(path)} is empty", "write one, or remove the key"
    if kind == "too_long":
        return f"{_key(path)} has {context['actual_length']} values, at most {context['max_length']} belong there", ""
    if kind == "string_pattern_mismatch" and path[-1:] == ("id",):
        return f"{shown(value)} can't be an id", "use up to 64 letters, digits, dots, dashes and underscores"
    if kind == "string_pattern_mismatch":
        return f"{_key(path)}: {shown(value)} does not look right", f"it must match {context['pattern']}"
    text = str(details["msg"]).removeprefix("Input ")
    return f"{_key(path)}: {text[:1].lower()}{text[1:]}", ""


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number that is finite",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "mapping_type": "a mapping",
}
_EXPECTED_HINTS = {"list_type": "begin each item with - or write [a, b]", "tuple_type": "write [1, 5]"}
_COMPARED = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _key(path: Path) -> str:
    """The name that stands nearest before the value: `'audience'`, and `an item of 'audience'` within it."""
    if not path:
        return "the scenario"
    if isinstance(path[-1], int):
        return f"an item of {_key(path[:-1])}"
    return shown(path[-1])


def _found(value: Json) -> str:
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"the number {shown(value)}"
    return shown(value)


def _quote_hint(value: Json) -> str:
    return f'write "{shown(value)}" in quotes' if isinstance(value, int | float) else ""


def _elsewhere(key: object) -> str:
    """Where a key would be right, for one that stands in the wrong mapping."""
    for _, name, model in _RULES:
        if key in keys_of(model):
            return f"it belongs to {name}"
    return ""
