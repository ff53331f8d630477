"""The debrief as JSON, and the schema of it. The format is public: see `view.FORMAT`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gameday.debrief.view import Debrief

SCHEMA_FILE = Path(__file__).parent / "debrief.schema.json"


def render_json(view: Debrief) -> str:
    """One object; every key on a line of its own, every event of the journal too, so that two can be compared."""
    data = view.model_dump(mode="python")
    journal = data.pop("journal")
    lines = [f" {_dump(name)}: {_dump(value)}" for name, value in data.items()]
    events = ",\n".join(f"  {_dump(record)}" for record in journal)
    lines.append(f' "journal": [\n{events}\n ]' if events else ' "journal": []')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def debrief_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `render_json` writes."""
    schema = Debrief.model_json_schema(mode="serialization")
    schema["title"] = "gameday debrief"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write_schema(path: Path = SCHEMA_FILE) -> None:
    """Write the shipped schema file anew; a test holds it equal to `debrief_schema`."""
    path.write_text(json.dumps(debrief_schema(), indent=2) + "\n", encoding="utf-8")


def _dump(value: Any) -> str:
    # ASCII: whatever stands in a note, the file can be written and read anywhere. NaN has no word in JSON.
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
