"""Whole debriefs, word for word.

To accept a change: `GAMEDAY_GOLDEN=write pytest tests/debrief`, then read the difference.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gameday.debrief.build import build_debrief
from gameday.debrief.html import render_html
from gameday.debrief.json import SCHEMA_FILE, debrief_schema, render_json
from gameday.debrief.markdown import render_markdown
from gameday.exercise.record import Record
from tests.debrief.journals import leaked, payment_outage, pod_kill, tabletop
from tests.exercise.journal import golden_records

GOLDEN = Path(__file__).with_name("golden")
JOURNALS: dict[str, Callable[[], list[Record]]] = {
    "payment-outage": payment_outage,
    "leaked": leaked,
    "pod-kill": pod_kill,
    "tabletop": tabletop,
    "connections": golden_records,
}


def _compare(path: Path, text: str) -> None:
    if os.environ.get("GAMEDAY_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs"


@pytest.mark.parametrize("name", JOURNALS)
def test_markdown(name: str) -> None:
    _compare(GOLDEN / f"{name}.md", render_markdown(build_debrief(JOURNALS[name]())))


@pytest.mark.parametrize("name", JOURNALS)
def test_json(name: str) -> None:
    text = render_json(build_debrief(JOURNALS[name]()))
    # The journal is in there as it came in; what was made of it is what a golden file is for.
    view = json.loads(text)
    assert len(view.pop("journal")) == len(JOURNALS[name]())
    for condition in view["conditions"]:
        condition["points"] = condition["points"][:5]
    _compare(GOLDEN / f"{name}.json", json.dumps(view, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("name", JOURNALS)
def test_the_same_journal_gives_the_same_files(name: str) -> None:
    for render in (render_markdown, render_html, render_json):
        assert render(build_debrief(JOURNALS[name]())) == render(build_debrief(JOURNALS[name]()))


def test_the_shipped_schema_is_the_schema() -> None:
    shipped = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    command = 'python -c "from gameday.debrief.json import write_schema; write_schema()"'
    assert shipped == debrief_schema(), f"write it anew: {command}"


@pytest.mark.parametrize("name", JOURNALS)
def test_the_json_keeps_to_its_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    data = json.loads(render_json(build_debrief(JOURNALS[name]())))
    jsonschema.Draft202012Validator(debrief_schema()).validate(data)
    del data["headline"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(debrief_schema()).validate(data)


def test_the_golden_incident_s_numbers_stand_in_the_markdown() -> None:
    text = render_markdown(build_debrief(golden_records()))
    rows = {row.split(" | ")[0].strip("| "): row for row in text.splitlines() if row.startswith("| to ")}
    assert "| **3 min** |" in rows["to acknowledge (TTA)"]
    assert "**18 min**" in text
    assert "| **11 min** |" in text.split("## Timings")[1]
    assert "**32 min**" in rows["to resolve (TTR)"]
