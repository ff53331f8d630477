"""Scenario texts for the tests of endings."""

from __future__ import annotations

import json
from typing import Any

ABORT = {"name": "value", "metrics": {"name": "value"}, "above": 0.5, "every": "100ms", "no_data": "trip"}


def activity(name: str = "broken", *, at: str = "100ms", lasts: str = "5m", **changes: Any) -> dict[str, Any]:
    """A fault that sets a state of the lab and deletes it again; verified by asking for that state."""
    where = f"${{lab}}/state/{name}"
    entry: dict[str, Any] = {
        "id": name,
        "at": at,
        "fault": "activity",
        "activity": {"type": "http", "url": where, "method": "PUT"},
        "undo": {"type": "http", "url": where, "method": "DELETE"},
        "effective": {"http": {"url": where}, "expect": {"status": 200}},
        "recovered": {"http": {"url": where}, "expect": {"status": 404}},
        "for": lasts,
    }
    entry.update(changes)
    return {key: value for key, value in entry.items() if value is not None}


def script(*timeline: dict[str, Any], **changes: Any) -> str:
    """A scenario as text (JSON is YAML)."""
    made = {
        "version": 1,
        "title": "An ending",
        "timeline": list(timeline),
        "abort_when": [ABORT],
        "limits": {"duration": "10m", "recovery": "5s", "unattended": "2s"},
        **changes,
    }
    return json.dumps(made, indent=1)
