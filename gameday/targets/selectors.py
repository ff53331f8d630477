"""Label selectors: as text, as Kubernetes writes them in objects, and whether labels match. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gameday.patterns import pattern

_SET = pattern(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)\s*$")
_SAME = pattern(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^\s!=,()]*)\s*$")
_BARE = pattern(r"^\s*(?P<no>!?)\s*(?P<key>[^\s!=,()]+)\s*$")


def as_text(selector: Mapping[str, Any]) -> str:
    """`{"matchLabels": …, "matchExpressions": …}` as a query wants it."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for one in selector.get("matchExpressions") or ():
        key, values = one["key"], ",".join(one.get("values") or ())
        match one["operator"]:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(str(key))
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(parts)


def parse(text: str) -> dict[str, Any]:
    """The selector that a text such as `app=shop,tier in (web)` means, in the form of objects.

    Raises:
        ValueError: it is none.
    """
    found: list[dict[str, Any]] = []
    for part in re.split(r",(?![^()]*\))", text):
        if one := _SET.match(part):
            values = [value.strip() for value in one["values"].split(",")]
            found.append({"key": one["key"], "operator": "In" if one["how"] == "in" else "NotIn", "values": values})
        elif one := _SAME.match(part):
            how = "NotIn" if one["how"] == "!=" else "In"
            found.append({"key": one["key"], "operator": how, "values": [one["value"]]})
        elif one := _BARE.match(part):
            found.append({"key": one["key"], "operator": "DoesNotExist" if one["no"] else "Exists"})
        else:
            raise ValueError(f"{text!r} is no label selector: write e.g. app=checkout")
    return {"matchExpressions": found}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels match; an empty selector matches everything."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or ())


def _holds(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = one["key"], one.get("values") or ()
    match one["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"unknown operator {other!r} in a label selector")
