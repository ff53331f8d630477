"""The fields of Chaos Mesh's custom resources: what is unknown is dropped with a warning, or refused when strict."""

from __future__ import annotations

from typing import Any

from tests.support.kubernetes.answers import bad_request, invalid, unknown_in_patch
from tests.support.kubernetes.resources import Resource

Json = dict[str, Any]

# A table maps a field to None (anything goes) or to the table below it.
Table = dict[str, Any]

SELECTOR: Table = {
    "namespaces": None,
    "labelSelectors": None,
    "expressionSelectors": None,
    "annotationSelectors": None,
    "fieldSelectors": None,
    "podPhaseSelectors": None,
    "nodeSelectors": None,
    "nodes": None,
    "pods": None,
}
_COMMON: Table = {"selector": SELECTOR, "mode": None, "value": None, "duration": None, "remoteCluster": None}
_CONTAINERS: Table = {"containerNames": None}

FIELDS: dict[str, Table] = {
    "PodChaos": _COMMON | _CONTAINERS | {"action": None, "gracePeriod": None},
    "NetworkChaos": _COMMON
    | {
        "action": None,
        "device": None,
        "targetDevice": None,
        "direction": None,
        "externalTargets": None,
        "target": {"selector": SELECTOR, "mode": None, "value": None},
        "delay": {"latency": None, "jitter": None, "correlation": None, "reorder": None},
        "loss": {"loss": None, "correlation": None},
        "duplicate": {"duplicate": None, "correlation": None},
        "corrupt": {"corrupt": None, "correlation": None},
        "rate": {"rate": None},
        "bandwidth": {"rate": None, "limit": None, "buffer": None, "peakrate": None, "minburst": None},
    },
    "DNSChaos": _COMMON | _CONTAINERS | {"action": None, "patterns": None},
    "StressChaos": _COMMON
    | _CONTAINERS
    | {
        "stressngStressors": None,
        "stressors": {
            "cpu": {"workers": None, "load": None, "options": None},
            "memory": {"workers": None, "size": None, "oomScoreAdj": None, "options": None},
        },
    },
    "IOChaos": _COMMON
    | _CONTAINERS
    | {
        "action": None,
        "attr": None,
        "delay": None,
        "errno": None,
        "methods": None,
        "mistake": None,
        "path": None,
        "percent": None,
        "volumePath": None,
    },
}
FIELDS["Schedule"] = {
    "schedule": None,
    "startingDeadlineSeconds": None,
    "concurrencyPolicy": None,
    "historyLimit": None,
    "type": None,
    "podChaos": FIELDS["PodChaos"],
    "networkChaos": FIELDS["NetworkChaos"],
    "dnsChaos": FIELDS["DNSChaos"],
    "stressChaos": FIELDS["StressChaos"],
    "ioChaos": FIELDS["IOChaos"],
}

_ACTIONS = {
    "NetworkChaos": ["netem", "delay", "loss", "duplicate", "corrupt", "partition", "bandwidth"],
    "PodChaos": ["pod-kill", "pod-failure", "container-kill"],
    "DNSChaos": ["error", "random"],
    "IOChaos": ["latency", "fault", "attrOverride", "mistake"],
}
_MODES = ["one", "all", "fixed", "fixed-percent", "random-max-percent"]
_REQUIRED = {
    "PodChaos": ["action", "mode", "selector"],
    "NetworkChaos": ["action", "mode", "selector"],
    "DNSChaos": ["action", "mode", "selector"],
    "StressChaos": ["mode", "selector"],
    "IOChaos": ["action", "mode", "selector", "volumePath"],
    "Schedule": ["schedule", "type"],
}


def check(resource: Resource, obj: Json, validation: str, patched: bool = False) -> dict[str, list[str]]:
    """Drop unknown fields in place, check required ones, fill in defaults. Returns headers: the warning, if any."""
    table = FIELDS.get(resource.kind)
    if table is None or not resource.custom:
        return {}
    unknown = sorted(_prune(obj.get("spec") or {}, table, "spec"))
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
    _require(resource, obj)
    _complete(resource, obj["spec"])
    return headers


def _prune(obj: Json, table: Table, path: str) -> list[str]:
    unknown = [f"{path}.{field}" for field in obj if field not in table]
    for field in [field for field in obj if field not in table]:
        del obj[field]
    for field, below in table.items():
        if below is not None and isinstance(obj.get(field), dict):
            unknown += _prune(obj[field], below, f"{path}.{field}")
    return unknown


def _require(resource: Resource, obj: Json) -> None:
    name, spec = obj["metadata"]["name"], obj.get("spec")
    if spec is None:
        raise invalid(resource, name, [("FieldValueRequired", "spec", "Required value")])
    missing = [field for field in _REQUIRED[resource.kind] if field not in spec]
    if missing:
        raise invalid(resource, name, [("FieldValueRequired", f"spec.{field}", "Required value") for field in missing])
    for field, allowed in (("action", _ACTIONS.get(resource.kind)), ("mode", _MODES)):
        if allowed and field in spec and spec[field] not in allowed:
            said = ", ".join(f'"{one}"' for one in allowed)
            message = f'Unsupported value: "{spec[field]}": supported values: {said}'
            raise invalid(resource, name, [("FieldValueNotSupported", f"spec.{field}", message)])


def _complete(resource: Resource, spec: Json) -> None:
    if resource.kind == "NetworkChaos":
        spec.setdefault("direction", "to")
    if resource.kind == "StressChaos" and "memory" in (spec.get("stressors") or {}):
        spec["stressors"]["memory"].setdefault("oomScoreAdj", 0)
