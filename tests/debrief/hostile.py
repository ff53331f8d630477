"""Text nobody should write, in every place where text can stand."""

from __future__ import annotations

import dataclasses
from typing import Any

from gameday.exercise import events as ev
from gameday.exercise.record import Record
from tests.debrief.journals import payment_outage

ATTACKS = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "cdata": "]]></script></style></svg>--><!-- {{ 7*7 }} {% raw %}",
    "attribute": "\" onmouseover=alert(3) x='",
    "markdown": "| a | b |\n|---|---|\n# heading\n- [x](javascript:alert(4)) `code` ``` **b** @everyone #1 $x$ <b>",
    "mermaid": "a : crit, x, 2020-01-01, 1d\nsection evil; click a call b() %%{init: {}}%% end\ngantt",
    "ansi": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b31m bell\x07 null\x00",
    "direction": "abc\u202egpj.exe\u2066\u2069 zero\u200bwidth",
    "surrogate": "half \ud83d a pair",
    "fence": "```\nescaped\n````\n~~~",
}


def everywhere(attack: str) -> list[Record]:
    """The sample exercise with `attack` behind each of its texts."""
    return [
        dataclasses.replace(r, actor=r.actor and r.actor + attack, event=_poison(r.event, attack))
        for r in payment_outage()
    ]


def _poison(event: ev.Event, attack: str) -> ev.Event:
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if field.name in _STRUCTURE:
            continue
        if isinstance(event, ev.ExerciseStarted) and field.name == "scenario":
            # Half a surrogate pair can't come out of a file; a scenario that holds one is not read at all.
            changes[field.name] = _scenario(value, attack.encode("utf-8", "replace").decode())
        else:
            changes[field.name] = _append(value, attack)
    return dataclasses.replace(event, **changes)


_STRUCTURE = frozenset(
    {
        "phase",
        "state",
        "verdict",
        "category",
        "milestone",
        "exercise",
        "answer",
        "boot_id",
        "condition",
        "name",
        "entry",
    }
)
"""Fields that must keep their value for the exercise to make sense; `entry` is poisoned by its own test."""


def _scenario(script: dict[str, Any], attack: str) -> dict[str, Any]:
    timeline = [{**e, **({"inject": e["inject"] + attack} if "inject" in e else {})} for e in script["timeline"]]
    return {
        **script,
        "title": script["title"] + attack,
        "description": attack,
        "severity": "SEV2" + attack,
        "severity_why": attack,
        "objectives": [attack],
        "runbook": "javascript:alert(5)" + attack,
        "timeline": timeline,
    }


def _append(value: Any, attack: str) -> Any:
    if isinstance(value, str):
        return value + attack
    if isinstance(value, list):
        return [_append(inner, attack) for inner in value]
    if isinstance(value, dict):
        return {key: _append(inner, attack) for key, inner in value.items()}
    return value
