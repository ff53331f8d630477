"""From a file to an experiment as plain data: JSON or YAML, checked for shape, with the place of everything in it.

Chaos Toolkit's own validation is not used: it imports the modules that an experiment names, and reads the environment.
What that tool would not accept either is refused here; what it ignores is let through, for the import to list.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

import yaml

from gameday.frozen import field, slotted
from gameday.interchange.chaostoolkit.shape import Shape, activities
from gameday.interchange.losses import Losses, Way
from gameday.scenario.parsing import parse
from gameday.scenario.problems import Problem, ScenarioErrors, shown

Json = Any

DEEPEST = 25
"""Levels of nesting; a scenario, which adds some, has at most 40."""
MOST_VALUES = 20_000
LONGEST_KEY = 500
"""Characters; YAML has a limit for keys on one line."""
MOST_DIGITS = 300
_TOP_LEVEL = re.compile(rb"^[\"']?(method|steady-state-hypothesis|rollbacks)[\"']?\s*:", re.MULTILINE)
_SCENARIO = re.compile(rb"^[\"']?(timeline|steady_state|abort_when)[\"']?\s*:", re.MULTILINE)


@slotted
class Experiment:
    """An experiment that has the right shape."""

    document: dict[str, Json]
    path: str
    sha256: str
    losses: Losses
    """What could not even be read as JSON; the import adds what it can't carry over."""
    named: dict[str, tuple[Way, dict[str, Json]]] = field(default_factory=dict)
    """Activities by name, for `ref`."""


def is_experiment(content: bytes, path: str) -> bool:
    """Whether a file looks like an experiment and not like a scenario, right or wrong. Cheap, since all are asked."""
    if path.endswith(".json"):
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            return True  # scenarios are written in YAML
        return not isinstance(found, dict) or not found.keys() & {"timeline", "steady_state", "abort_when"}
    return bool(_TOP_LEVEL.search(content)) and not _SCENARIO.search(content)


def read_experiment(content: bytes, text: str, path: str) -> Experiment:
    """The experiment in `text`, which is what the file's bytes `content` say.

    Raises:
        ScenarioErrors: it is not JSON or YAML, or not an experiment; each problem with line and column.
    """
    places = _Places(text, path)
    losses = Losses(places.find)
    raw = _json(text, path, losses) if path.endswith(".json") or text.lstrip().startswith("{") else _yaml(text, path)
    document = _Plain(losses).value(raw, ())
    problems = list(Shape(document).problems())
    if problems:
        raise ScenarioErrors([_problem(path, places.find(way), message, hint) for way, message, hint in problems])
    experiment = Experiment(document, path, hashlib.sha256(content).hexdigest(), losses)
    for way, activity in activities(document):
        if isinstance(activity.get("name"), str):
            # Where two have one name, Chaos Toolkit takes the last.
            experiment.named[activity["name"]] = (way, activity)
    return experiment


def _problem(path: str, at: tuple[int, int] | None, message: str, hint: str = "") -> Problem:
    return Problem(path, at[0] if at else None, at[1] if at else None, message, hint)


class _Places:
    """Where things stand in the file; looked up only if somebody asks, since most of the time nobody does."""

    def __init__(self, text: str, path: str) -> None:
        self._read: Callable[[], Any] = lambda: parse(text, path)
        self._parsed: Any = None

    def find(self, way: Way) -> tuple[int, int] | None:
        if self._parsed is None:
            self._parsed = self._read()
        if () not in self._parsed.marks:
            return None
        place = self._parsed.place(way, key=bool(way) and isinstance(way[-1], str))
        return place.line, place.column


# --- JSON and YAML ---------------------------------------------------------------------------------------------------


def _json(text: str, path: str, losses: Losses) -> Json:
    def pairs(found: list[tuple[str, Json]]) -> dict[str, Json]:
        made = dict(found)
        if len(made) < len(found):
            names = [name for name, _ in found]
            twice = next(name for name in names if names.count(name) > 1)
            losses.change((), f"the key {shown(twice)} stands twice; the last one counts, as in Chaos Toolkit")
        return made

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        at = (error.lineno, error.colno)
        raise ScenarioErrors([_problem(path, at, f"not JSON: {error.msg}", "repair it, or name a file")]) from None
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ScenarioErrors([_problem(path, None, f"not JSON that can be read: {why}")]) from None


def _yaml(text: str, path: str) -> Json:
    """As Chaos Toolkit reads it, anchors and all; but not what would crash the parser."""
    try:
        depth = deepest = count = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            deepest, count = max(deepest, depth), count + 1
            if deepest > 4 * DEEPEST or count > 4 * MOST_VALUES:
                raise ScenarioErrors([_problem(path, None, "this is far too much for an experiment", "split it")])
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark is not None else None
        raise ScenarioErrors([_problem(path, at, f"not YAML: {error.problem or error.context}")]) from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        # A date that there is not, a number that is none: the loader raises whatever its parts raise.
        raise ScenarioErrors([_problem(path, None, f"not YAML that can be read: {error}")]) from None


class _Plain:
    """JSON of what a loader gives: dates become text; what JSON has no word for is listed and left out."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._count = 0

    def value(self, raw: Any, way: Way) -> Json:
        self._count += 1
        if self._count > MOST_VALUES or len(way) > DEEPEST:
            what = f"more than {MOST_VALUES:,} values" if self._count > MOST_VALUES else f"more than {DEEPEST} levels"
            # Aliases within aliases grow without bounds.
            raise ScenarioErrors([Problem("", None, None, f"there are {what} in this experiment", "make it smaller")])
        if isinstance(raw, Mapping):
            return {name: self.value(inner, (*way, name)) for name, inner in self._keys(raw, way)}
        if isinstance(raw, list | tuple):
            return [self.value(inner, (*way, index)) for index, inner in enumerate(raw)]
        if isinstance(raw, str):
            if raw != (text := raw.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")):
                self._losses.change(way, "characters that no text can have are replaced by question marks")
            return text
        if raw is None or isinstance(raw, bool):
            return raw
        if isinstance(raw, int) and len(str(abs(raw) if raw.bit_length() < 1000 else "x" * 400)) <= MOST_DIGITS:
            return raw
        if isinstance(raw, float) and math.isfinite(raw) and 1e-250 < (abs(raw) or 1) < 1e250:
            return raw
        if isinstance(raw, date):
            return raw.isoformat()
        self._losses.lose(way, f"a value ({type(raw).__name__}) that can't be written down in a scenario; it is null")
        return None

    def _keys(self, raw: Mapping[Any, Any], way: Way) -> Iterator[tuple[str, Any]]:
        for name, inner in raw.items():
            text = name if isinstance(name, str) else json.dumps(name) if isinstance(name, bool | int) else str(name)
            text = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
            if len(text) > LONGEST_KEY:
                self._losses.lose(way, f"a key of {len(text):,} characters")
                continue
            yield text, inner
