"""The fields of built-in objects: what is unknown is dropped with a warning or refused, as is what has a wrong type.

The tables are those of the official client's models, so a field that the client does not know yet counts as unknown.
Statuses are not looked at: clients send them back as they came.
"""

from __future__ import annotations

import re
import threading
from types import ModuleType
from typing import Any

from tests.support.kubernetes.answers import bad_request, unknown_in_patch
from tests.support.kubernetes.resources import Resource

Json = dict[str, Any]

_SPECIAL = {"Event": "CoreV1Event", "HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler"}
_SCALARS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}
_GO = {"str": "string", "int": "int32", "bool": "bool", "float": "float64"}
_models: list[ModuleType] = []
_loading = threading.Lock()


def models() -> ModuleType:
    """The client's models; the first call takes some tenths of a second."""
    with _loading:
        if not _models:
            import kubernetes.client.models

            _models.append(kubernetes.client.models)
        return _models[0]


def check(resource: Resource, obj: Json, validation: str, patched: bool = False) -> dict[str, list[str]]:
    """Drop unknown fields in place; 400 when strict or of a wrong type. Returns headers: the warnings, if any."""
    name = _SPECIAL.get(resource.kind, f"V1{resource.kind}")
    if validation == "Ignore" or not hasattr(models(), name):
        return {}
    unknown: list[str] = []
    _walk(resource, obj, name, "", unknown)
    if not unknown:
        return {}
    said = ", ".join(f'unknown field "{field}"' for field in sorted(unknown))
    if validation != "Strict":
        return {"Warning": [f'299 - "unknown field \\"{field}\\""' for field in sorted(unknown)]}
    if patched:
        raise unknown_in_patch(obj, said)
    raise bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}:'
        f" strict decoding error: {said}"
    )


def _walk(resource: Resource, value: Any, name: str, path: str, unknown: list[str]) -> None:
    if value is None or name in ("object", "datetime", "bytes"):
        return
    # Releases of the client spell these in two ways.
    if found := re.fullmatch(r"[lL]ist\[(.+)\]", name):
        for at, one in enumerate(value if isinstance(value, list) else []):
            _walk(resource, one, found[1], f"{path}[{at}]", unknown)
    elif found := re.fullmatch(r"[dD]ict[(\[]str, (.+)[)\]]", name):
        for key, one in (value if isinstance(value, dict) else {}).items():
            _walk(resource, one, found[1], f"{path}[{key}]", unknown)
    elif name in _SCALARS:
        if not isinstance(value, _SCALARS[name]) or (name == "int" and isinstance(value, bool)):
            _refuse(resource, value, path, _GO[name])
    elif isinstance(value, dict):
        model = getattr(models(), name)
        types = {model.attribute_map[key]: kind for key, kind in model.openapi_types.items()}
        for key in list(value):
            if key == "status" and not path:
                continue
            below = f"{path}.{key}" if path else key
            if key not in types:
                unknown.append(below)
                del value[key]
            else:
                _walk(resource, value[key], types[key], below, unknown)


def _refuse(resource: Resource, value: Any, path: str, wanted: str) -> None:
    found = {str: "string", bool: "bool", list: "array", dict: "object"}.get(type(value), "number")
    where = re.sub(r"\[[^]]*\]", "", path)
    raise bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}:'
        f" json: cannot unmarshal {found} into Go struct field {resource.kind}.{where} of type {wanted}"
    )
