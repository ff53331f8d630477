"""The debrief as JSON, and the schema of it. The format is public: see `view.FORMAT`."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from gameday.debrief.view import Debrief

SCHEMA_FILE = Path(__file__).parent / "debrief.schema.json"


def render_json(view: Debrief) -> str:
    """One object; every key on a line of its own, every event of the journal too, so that two can be compared."""
    names = ["format", *(field.name for field in fields(view) if field.name not in ("format", "journal"))]
    lines = [f" {_dump(name)}: {_dump(getattr(view, name))}" for name in names]
    events = ",\n".join(f"  {_dump(record)}" for record in view.journal)
    lines.append(f' "journal": [\n{events}\n ]' if events else ' "journal": []')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def debrief_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `render_json` writes."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Debrief).json_schema(mode="serialization")
    for definition in [schema, *schema["$defs"].values()]:
        # No field is left out of the file, and none is added.
        definition["required"] = list(definition["properties"])
        definition["additionalProperties"] = False
    schema["title"] = "gameday debrief"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write_schema(path: Path = SCHEMA_FILE) -> None:
    """Write the shipped schema file anew; a test holds it equal to `debrief_schema`."""
    path.write_text(json.dumps(debrief_schema(), indent=2) + "\n", encoding="utf-8")


def _dump(value: Any) -> str:
    # ASCII: whatever stands in a note, the file can be written and read anywhere.
    try:
        return _ENCODER.encode(value)
    except ValueError:
        # JSON has no word for NaN and the infinities.
        return json.dumps(_finite(value), ensure_ascii=True, allow_nan=False)


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


# One for all: `json.dumps` makes a new one for every event.
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, default=_fields)


def _finite(value: Any) -> Any:
    """`value` with NaN and infinities written as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return _finite(_fields(value)) if is_dataclass(value) and not isinstance(value, type) else value
