"""Kinds of fields that models of several rooms have."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer

from gameday.scenario.duration import PATTERN, format_duration, parse_duration


def _validate(value: Any) -> float:
    # A model that was dumped in Python mode and is validated again carries floats already.
    return value if type(value) is float else parse_duration(value)


class _Written:
    """A number of seconds that stands in a file with its unit. Its schema is made once for all fields that have one."""

    def __init__(self) -> None:
        self._schema: Any = None

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> Any:
        if self._schema is None:
            text = PlainSerializer(format_duration, return_type=str, when_used="json")
            self._schema = handler.generate_schema(Annotated[float, BeforeValidator(_validate), Field(ge=0), text])
        # What is said of one field more is written into these two.
        return {**self._schema, "metadata": {**self._schema["metadata"]}}

    def __get_pydantic_json_schema__(self, _: Any, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": PATTERN, "examples": ["90s", "5m", "1h30m"]}


Duration = Annotated[float, _Written()]
