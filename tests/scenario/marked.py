"""Scenario texts in which a mark stands where a problem is expected, and a catalogue small enough to read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gameday.scenario.catalogue import FaultSpec
from gameday.scenario.fields import Duration
from gameday.scenario.loading import Loaded, load_text
from gameday.scenario.problems import Problem, ScenarioErrors

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "scenarios").rglob("*.yaml"))
MARK = "»"


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")
    service: str


class _Latency(_Parameters):
    delay: Duration
    share: Annotated[float, Field(gt=0, le=1, strict=True)] = 1.0
    direction: Literal["upstream", "downstream"] = "downstream"


CATALOGUE = {
    "pod-kill": FaultSpec("pod-kill", "An instance dies", _Parameters, one_shot=True),
    "latency": FaultSpec("latency", "A service is slow", _Latency, one_shot=False),
    "dependency-outage": FaultSpec("dependency-outage", "A service can't be reached", _Parameters, one_shot=False),
}

ABORT = "abort_when:\n  - {name: down, tcp: {address: 'localhost:80'}, unless: {equals: true}}\n"


def scenario(*parts: str, abort: str = ABORT) -> str:
    """The text of a whole scenario with `parts` in it."""
    return "version: 1\ntitle: Something breaks\n" + "\n".join(parts) + "\n" + abort


def entry(text: str) -> str:
    """A scenario with one entry, and an inject `other` beside it."""
    return scenario("timeline:", f"  - {{{text}}}", "  - {id: other, manual: true, inject: Something else.}")


def loaded(text: str, parameters: Mapping[str, str] | None = None, preset: str | None = None) -> Loaded:
    return load_text(text, path="s.yaml", catalogue=CATALOGUE, parameters=parameters, preset=preset)


def problems(text: str, parameters: Mapping[str, str] | None = None, preset: str | None = None) -> list[Problem]:
    """The problems of a text that is wrong; a text that is right is a failure."""
    try:
        loaded(text, parameters, preset)
    except ScenarioErrors as errors:
        return errors.problems
    raise AssertionError(f"nothing was found in:\n{text}")


def unmarked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and where they stood: lines and columns from 1."""
    places = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        while MARK in line:
            places.append((number, line.index(MARK) + 1))
            line = line.replace(MARK, "", 1)
        lines[number - 1] = line
    return "\n".join(lines), places


def assert_problem(
    text: str,
    message: str,
    hint: str = "",
    *,
    parameters: Mapping[str, str] | None = None,
    preset: str | None = None,
) -> None:
    """`text` has exactly one problem, where its mark stands, that says `message` and advises `hint`."""
    plain, places = unmarked(text)
    found = problems(plain, parameters, preset)
    assert [(problem.line, problem.column) for problem in found] == places, [str(problem) for problem in found]
    assert len(found) == 1
    assert message in found[0].message
    assert hint in found[0].hint
