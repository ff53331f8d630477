"""A value that something answered, in a few words for people: what a line of the journal, a table or a report shows.

Judges nothing, and is never judged by: tolerances are held against the value itself. Here stands what is left of it
where there is no room, which of an HTTP answer is the status and the body, and not the headers of whoever sent it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LONGEST = 200
"""Characters at most, unless the caller says otherwise."""


def in_short(value: Any, longest: int = LONGEST) -> str:
    """`value` on one line: `200: {"ok": true}` for what an HTTP activity brings back, `exit code 1: no such pod` for a
    process, JSON for other lists and mappings, text as it is."""
    text = " ".join(_text(value)[: 4 * longest].split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and type(value.get("status")) is int:
        if "body" in value:
            return _with(str(value["status"]), value["body"])
        if "stdout" in value:
            return _with(f"exit code {value['status']}", value["stdout"] or value.get("stderr"))
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return f"<{type(value).__name__}>"


def _with(lead: str, body: Any) -> str:
    said = _text(body) if body not in (None, "", b"") else ""
    return f"{lead}: {said}" if said.strip() else lead
