"""Kinds of fields that models of several rooms have."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from gameday.scenario.duration import PATTERN, format_duration, parse_duration


def _validate(value: Any) -> float:
    # A model that was dumped in Python mode and is validated again carries floats already.
    return value if type(value) is float else parse_duration(value)


Duration = Annotated[
    float,
    BeforeValidator(_validate),
    Field(ge=0),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "5m", "1h30m"]}),
]
