"""Tolerances, both ways: as a scenario's `expect` where that says the same, else as they are.

What has no word in a scenario (JSON paths with wildcards, a count, a tolerance that is a probe itself) stays with the
activity, under `tolerance`, is judged there by Chaos Toolkit's own rules, and its answer is true or false.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from gameday.interchange.chaostoolkit.providers import Carrier, escaped
from gameday.interchange.losses import Way

Json = Any

_LONGEST_PATTERN = 1000
_LARGEST = 10**15
_TWO_MEANINGS = ("[[", "--", "&&", "||", "~~")
"""Within brackets these mean something to one regular expression engine, and nothing to the other."""


def expected(tolerance: Json, kind: str) -> dict[str, Json] | None:
    """What a scenario says for a `tolerance` of a provider of this `kind`; None where it has no word for it."""
    if "$" in str(tolerance):
        return None  # filled in when it is judged
    if kind == "http":
        codes = tolerance if isinstance(tolerance, list) else [tolerance]
        if codes and all(type(code) is int and 100 <= code <= 599 for code in codes):
            return {"status": tolerance}
        return None
    if kind != "python":
        return None
    if isinstance(tolerance, bool | str) or (type(tolerance) is int and abs(tolerance) < _LARGEST):
        return {"equals": tolerance}
    if isinstance(tolerance, list):
        return _between(tolerance)
    if isinstance(tolerance, Mapping) and not tolerance.get("target"):
        if tolerance.get("type") == "range":
            return _between(tolerance["range"])
        pattern = tolerance.get("pattern")
        clear = isinstance(pattern, str) and not any(sign in pattern for sign in _TWO_MEANINGS)
        if tolerance.get("type") == "regex" and clear and len(str(pattern)) <= _LONGEST_PATTERN:
            return {"matches": pattern}
    return None


def _between(bounds: list[Json]) -> dict[str, Json] | None:
    numbers = [bound for bound in bounds if isinstance(bound, int | float) and type(bound) is not bool]
    if len(bounds) != 2 or len(numbers) != 2 or numbers[0] > numbers[1] or max(map(abs, numbers)) > _LARGEST:
        return None
    return {"between": numbers}


def tolerated(tolerance: Json, activity: dict[str, Json], carrier: Carrier, way: Way) -> dict[str, Json]:
    """The `expect` of a check that asks `activity`, which may be given the tolerance as it is."""
    found = expected(tolerance, activity["type"])
    if found is not None:
        return escaped(found)  # type: ignore[no-any-return]
    if isinstance(tolerance, Mapping) and tolerance.get("type") == "probe":
        inner = carrier.activity(tolerance["provider"], (*way, "provider"), "1m")
        secrets = inner.pop("secrets", None)
        inner.pop("timeout", None)
        if secrets:
            activity["secrets"] = {**activity.get("secrets", {}), **secrets}
            inner["secrets"] = list(secrets)
        made = {"type": "probe", "name": str(tolerance.get("name", "tolerance")), "provider": inner}
        activity["tolerance"] = made
    else:
        activity["tolerance"] = escaped(tolerance)
    return {"equals": True}


# --- and back ---------------------------------------------------------------------------------------------------------


def tolerance_of(expect: Mapping[str, Json], kind: str) -> Json:
    """The tolerance that says the same as `expect` does of the output of an activity of this `kind`.

    Raises:
        LookupError: there is none; the message says of which part.
    """
    stated = {key: value for key, value in expect.items() if value is not None or key == "equals"}
    if len(stated) != 1:
        raise LookupError("several conditions at once have no single tolerance")
    ((key, wanted),) = stated.items()
    if key == "status":
        return wanted
    target = {"http": {"target": "body"}, "process": {"target": "stdout"}}.get(kind, {})
    if key == "matches":
        return {"type": "regex", "pattern": wanted, **target}
    if key == "between" and not target:
        return {"type": "range", "range": list(wanted)}
    if key == "above" and not target:
        return {"type": "range", "range": [math.nextafter(wanted, math.inf), _LARGEST]}
    if key == "below" and not target:
        return {"type": "range", "range": [-_LARGEST, math.nextafter(wanted, -math.inf)]}
    if key == "equals" and isinstance(wanted, str) and target:
        return {"type": "regex", "pattern": rf"\A\s*{re.escape(wanted)}\s*\Z", **target}
    if key == "equals" and (isinstance(wanted, bool | str) or type(wanted) is int) and not target:
        return wanted
    raise LookupError(f"{key!r} has no tolerance for what a provider of type {kind} returns")
