"""The fields of Chaos Mesh's custom resources, as far as gameday can use them.

What is unknown is dropped with a warning, or refused when strict; what is missing, of a wrong type or not among the
allowed values is refused with 422. What the webhooks of Chaos Mesh would refuse beyond that is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tests.support.kubernetes.answers import bad_request, invalid, unknown_in_patch
from tests.support.kubernetes.resources import Resource

Json = dict[str, Any]
# (reason, field, message)
Cause = tuple[str, str, str]


@dataclass(frozen=True)
class Field:
    """One field: its type in the words of OpenAPI, and what is asked of it."""

    type: str = "string"
    required: bool = False
    allowed: tuple[str, ...] = ()
    least: int | None = None
    pattern: str = ""
    default: Any = None
    # The fields of an object; an object without any takes whatever comes.
    fields: dict[str, Field] = field(default_factory=dict)


TEXT, NUMBER, LIST, MAP = Field(), Field("integer"), Field("array"), Field("object")
SPAN = r"^[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)$"


def _needs(one: Field) -> Field:
    return Field(one.type, True, one.allowed, one.least, one.pattern, one.default, one.fields)


def _object(**fields: Field) -> Field:
    return Field("object", fields=fields)


_SELECTOR = _object(
    namespaces=LIST,
    labelSelectors=MAP,
    expressionSelectors=LIST,
    annotationSelectors=MAP,
    fieldSelectors=MAP,
    podPhaseSelectors=LIST,
    nodeSelectors=MAP,
    nodes=LIST,
    pods=MAP,
)
_MODE = Field(required=True, allowed=("one", "all", "fixed", "fixed-percent", "random-max-percent"))
_WHOM = {"selector": _needs(_SELECTOR), "mode": _MODE, "value": TEXT}
_COMMON = _WHOM | {"duration": TEXT, "remoteCluster": TEXT}


def _action(*allowed: str) -> dict[str, Field]:
    return {"action": Field(required=True, allowed=allowed)}


def _rate(name: str) -> Field:
    return _object(**{name: _needs(TEXT)}, correlation=TEXT)


FIELDS: dict[str, dict[str, Field]] = {
    "PodChaos": _COMMON
    | _action("pod-kill", "pod-failure", "container-kill")
    | {"containerNames": LIST, "gracePeriod": Field("integer", least=0)},
    "NetworkChaos": _COMMON
    | _action("netem", "delay", "loss", "duplicate", "corrupt", "partition", "bandwidth")
    | {
        "device": TEXT,
        "targetDevice": TEXT,
        "direction": Field(allowed=("to", "from", "both"), default="to"),
        "externalTargets": LIST,
        "target": _object(**_WHOM),
        "delay": _object(
            latency=Field(required=True, pattern=SPAN),
            jitter=Field(pattern=SPAN),
            correlation=TEXT,
            reorder=_object(gap=_needs(NUMBER), reorder=_needs(TEXT), correlation=TEXT),
        ),
        "loss": _rate("loss"),
        "duplicate": _rate("duplicate"),
        "corrupt": _rate("corrupt"),
        "rate": _object(rate=_needs(TEXT)),
        "bandwidth": _object(
            rate=_needs(TEXT),
            limit=Field("integer", True, least=1),
            buffer=Field("integer", True, least=1),
            peakrate=Field("integer", least=0),
            minburst=Field("integer", least=0),
        ),
    },
    "DNSChaos": _COMMON | _action("error", "random") | {"containerNames": LIST, "patterns": LIST},
    "StressChaos": _COMMON
    | {
        "containerNames": LIST,
        "stressngStressors": TEXT,
        "stressors": _object(
            cpu=_object(workers=_needs(NUMBER), load=Field("integer", least=0), options=LIST),
            memory=_object(
                workers=_needs(NUMBER), size=TEXT, oomScoreAdj=Field("integer", least=-1000, default=0), options=LIST
            ),
        ),
    },
    "IOChaos": _COMMON
    | _action("latency", "fault", "attrOverride", "mistake")
    | {
        "containerNames": LIST,
        "attr": MAP,
        "delay": TEXT,
        "errno": NUMBER,
        "methods": LIST,
        "mistake": MAP,
        "path": TEXT,
        "percent": Field("integer", default=100),
        "volumePath": _needs(TEXT),
    },
}
FIELDS["Schedule"] = {
    "schedule": _needs(TEXT),
    "type": _needs(TEXT),
    "startingDeadlineSeconds": Field("integer", least=0),
    "concurrencyPolicy": Field(allowed=("Forbid", "Allow")),
    "historyLimit": Field("integer", least=1),
    **{
        name: _object(**FIELDS[kind])
        for name, kind in [
            ("podChaos", "PodChaos"),
            ("networkChaos", "NetworkChaos"),
            ("dnsChaos", "DNSChaos"),
            ("stressChaos", "StressChaos"),
            ("ioChaos", "IOChaos"),
        ]
    },
}

_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def check(resource: Resource, obj: Json, validation: str, patched: bool = False) -> dict[str, list[str]]:
    """Drop unknown fields in place, check the others, fill in defaults. Returns headers: the warnings, if any."""
    fields = FIELDS.get(resource.kind)
    if fields is None:
        return {}
    name, spec = obj["metadata"]["name"], obj.get("spec")
    if spec is None:
        raise invalid(resource, name, [("FieldValueRequired", "spec", "Required value")])
    unknown = sorted(_prune(spec, fields, "spec"))
    headers: dict[str, list[str]] = {}
    if unknown and validation == "Strict":
        said = ", ".join(f'unknown field "{field}"' for field in unknown)
        if patched:
            raise unknown_in_patch(obj, said)
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}:'
            f" strict decoding error: {said}"
        )
    if unknown and validation == "Warn":
        headers["Warning"] = [f'299 - "unknown field \\"{field}\\""' for field in unknown]
    _complete(spec, fields)
    causes = _faults(spec, fields, "spec")
    if causes:
        raise invalid(resource, name, causes)
    return headers


def _prune(obj: Json, fields: dict[str, Field], path: str) -> list[str]:
    unknown = [f"{path}.{name}" for name in obj if name not in fields]
    for name in [name for name in obj if name not in fields]:
        del obj[name]
    for name, one in fields.items():
        if one.fields and isinstance(obj.get(name), dict):
            unknown += _prune(obj[name], one.fields, f"{path}.{name}")
    return unknown


def _complete(obj: Json, fields: dict[str, Field]) -> None:
    for name, one in fields.items():
        if one.default is not None:
            obj.setdefault(name, one.default)
        if one.fields and isinstance(obj.get(name), dict):
            _complete(obj[name], one.fields)


def _faults(obj: Json, fields: dict[str, Field], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for name, one in sorted(fields.items()):
        where, value = f"{path}.{name}", obj.get(name)
        if value is None:
            causes += [("FieldValueRequired", where, "Required value")] if one.required else []
            continue
        found = _TYPES[type(value)]
        if found != one.type:
            said = f'Invalid value: "{found}": {where} in body must be of type {one.type}: "{found}"'
            causes.append(("FieldValueTypeInvalid", where, said))
        elif one.allowed and value not in one.allowed:
            supported = ", ".join(f'"{word}"' for word in one.allowed)
            said = f'Unsupported value: "{value}": supported values: {supported}'
            causes.append(("FieldValueNotSupported", where, said))
        elif one.least is not None and value < one.least:
            said = f"Invalid value: {value}: {where} in body should be greater than or equal to {one.least}"
            causes.append(("FieldValueInvalid", where, said))
        elif one.pattern and not re.search(one.pattern, value):
            said = f"Invalid value: \"{value}\": {where} in body should match '{one.pattern}'"
            causes.append(("FieldValueInvalid", where, said))
        elif one.fields:
            causes += _faults(value, one.fields, where)
    return causes
