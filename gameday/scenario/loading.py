"""From a path to a scenario that is right in all its parts, or to everything that is wrong with it and where.

The order: read (never blocks), decode, parse with places, fill in parameters, validate shapes, check meaning. Problems
of all steps are collected as far as the file can be understood; positions are looked up only for what is wrong.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gameday.frozen import frozen
from gameday.scenario import checking, configuring, draft, published, wording
from gameday.scenario.catalogue import Catalogue
from gameday.scenario.models import Scenario
from gameday.scenario.names import (
    PLACEHOLDER,
    as_text,
    placed_names,
    resolve_names,
    substitute,
    typed,
    unknown_parameters,
)
from gameday.scenario.parsing import Parsed, parse
from gameday.scenario.problems import MOST_PROBLEMS, Finding, Problem, ScenarioErrors, nearest_word
from gameday.scenario.problems import Path as Way
from gameday.scenario.published import Targets
from gameday.scenario.reading import decode, read
from gameday.scenario.unread import Unread

Json = Any


@frozen
class Loaded:
    """A scenario that passed every check that needs no target."""

    scenario: Scenario
    document: dict[str, Json]
    """The file as JSON with parameters filled in; names of the target still stand as `${name}`. The scenario is what
    `Scenario.model_validate(document)` gives."""
    sha256: str
    """Of the file's bytes, hex."""
    path: Path
    text: str
    parameters: dict[str, Json]
    """What was filled in: given, or default."""

    @property
    def name(self) -> str:
        """The file's stem, e.g. `payment-outage`."""
        return self.path.stem

    def locate(self, way: Way) -> tuple[str, int, int]:
        """File, line and column (from 1) of the value at `way`, or of the nearest thing around it."""
        place = parse(self.text, str(self.path)).place(way)
        return str(self.path), place.line, place.column

    def resolve(
        self, names: Mapping[str, str], configuration: Mapping[str, Json] | None = None
    ) -> tuple[Scenario, dict[str, Json]]:
        """The scenario and its document with the target's `names` filled in, and its configuration in its activities.

        `configuration` has the values of what `configuring.dynamic` names; without them they stay questions.

        Raises:
            ScenarioErrors: placeholders that the target does not publish, with line and nearest right word.
        """
        document = configuring.spread(resolve_names(self.document, names, self.locate), configuration)
        return Scenario.model_validate(document), document


def load(
    path: Path | str,
    *,
    catalogue: Catalogue,
    parameters: Mapping[str, str] | None = None,
    preset: str | None = None,
    targets: Targets | None = None,
) -> Loaded:
    """The scenario in the file at `path`.

    `parameters` are `--set` values as text; each becomes what it would be as an unquoted YAML scalar. `catalogue` names
    the faults that there are, `preset` the severity levels in use (None: those of any preset), `targets` what targets
    publish (None: what is named of a target is not looked at).

    Raises:
        ScenarioErrors: with every problem of the file, in the order of its lines.
    """
    name = os.fspath(path)
    content = read(name)
    return load_text(
        decode(content, name),
        path=name,
        sha256=hashlib.sha256(content).hexdigest(),
        catalogue=catalogue,
        parameters=parameters,
        preset=preset,
        targets=targets,
    )


def load_text(
    text: str,
    *,
    path: str,
    catalogue: Catalogue,
    parameters: Mapping[str, str] | None = None,
    preset: str | None = None,
    targets: Targets | None = None,
    sha256: str | None = None,
) -> Loaded:
    """Like `load`, for a text that was read already; `path` is what errors call it."""
    given = dict(parameters or {})
    parsed = parse(text, path)
    if not parsed.whole or () in parsed.poisoned:
        # Without an end, or as a whole refused, a file can't be judged.
        raise ScenarioErrors(_in_order(parsed.problems))
    raw: dict[str, Json] = parsed.document
    names = list(placed_names(parsed.placeholders))
    used = {name for _, name in names}
    values = _Values(raw, given, parsed)
    found = [*values.findings, *checking.unused_parameters(raw, used)]
    if used:
        _fill(raw, parsed, values)
        names = [(way, name) for way, name in names if not values.fills(name)]
    scenario = None
    try:
        scenario = Scenario.model_validate(raw)
        parts = draft.whole(scenario, raw, names, parsed.poisoned)
    except ValidationError as error:
        found += wording.findings(error, raw, most=MOST_PROBLEMS + 1)
        parts = draft.pieces(raw, names, parsed.poisoned)
    # What is not listed need not be found: each finding has its nearest right word looked up.
    found += islice(checking.findings(parts, catalogue, preset), MOST_PROBLEMS + 1)
    if targets is not None:
        found += islice(published.findings(parts, targets, catalogue), MOST_PROBLEMS + 1)
    if found or parsed.problems or scenario is None:
        raise ScenarioErrors(_placed(found, parsed, path, values.known, parts.unread))
    digest = sha256 or hashlib.sha256(text.encode()).hexdigest()
    return Loaded(scenario, raw, digest, Path(path), text, values.known)


def load_many(
    paths: Iterable[Path | str],
    *,
    catalogue: Catalogue,
    parameters: Mapping[str, str] | None = None,
    preset: str | None = None,
    targets: Targets | None = None,
) -> list[Loaded | ScenarioErrors]:
    """Each file as a scenario or as its problems, in the order of `paths`: one run names all errors of all files."""
    results: list[Loaded | ScenarioErrors] = []
    for path in paths:
        try:
            results.append(load(path, catalogue=catalogue, parameters=parameters, preset=preset, targets=targets))
        except ScenarioErrors as errors:
            results.append(errors)
    return results


class _Values:
    """What each declared parameter is worth, as far as it is known."""

    def __init__(self, raw: Mapping[str, Json], given: Mapping[str, str], parsed: Parsed) -> None:
        self.known: dict[str, Json] = {}
        self.unknown: set[str] = set()
        """Declared, and worth nothing that is known."""
        self.findings: list[Finding] = []
        declared = raw.get("parameters", {})
        readable = isinstance(declared, dict) and not any(name.startswith("\0") for name in declared)
        self.all_declared = readable and not any(nearest_word(key, ("parameters",)) for key in raw.keys() - _KEYS)
        """Names that are not declared are no parameters; else any name may be one that could not be read."""
        if self.all_declared:
            self.findings += unknown_parameters(raw, given)
        for name, declaration in declared.items() if isinstance(declared, dict) else ():
            self._declared(name, declaration, given, parsed)

    def _declared(self, name: str, declaration: Json, given: Mapping[str, str], parsed: Parsed) -> None:
        default = declaration.get("default") if isinstance(declaration, dict) else declaration
        if name in given:
            self.known[name] = typed(given[name])
        elif isinstance(default, str | int | float):
            self.known[name] = default
        else:
            self.unknown.add(name)
            whole = not isinstance(declaration, dict) or declaration.keys() <= {"default", "description"}
            if default is None and whole and not parsed.refused(("parameters", name)):
                hint = f"give it with --set {name}=…, or write a default"
                message = f"parameter {name!r} has no value"
                self.findings.append(Finding(("parameters", name), message, hint, at_key=True))

    def fills(self, name: str) -> bool:
        """`${name}` is a parameter, or may be one; else it is a name that a target publishes."""
        return name in self.known or name in self.unknown or not self.all_declared


_KEYS = Scenario.model_fields.keys()


def _fill(document: Json, parsed: Parsed, values: _Values) -> None:
    """Put the parameters' values into `document`, where its texts have placeholders for them.

    A text with a parameter whose value is not known is not known either.
    """
    for way, text in parsed.placeholders.items():
        if way[:1] == ("parameters",) or parsed.refused(way):
            continue
        around = document
        for step in way[:-1]:
            around = around[step]
        names = [name for escape, name in PLACEHOLDER.findall(text) if not escape]
        if any(name not in values.known and values.fills(name) for name in names):
            around[way[-1]] = parsed.refuse(way)
        else:
            around[way[-1]] = substitute(text, values.known)


def _placed(
    found: Sequence[Finding], parsed: Parsed, path: str, values: Mapping[str, Json], unread: Unread
) -> list[Problem]:
    """Findings with their places, after what the parser found; what follows from a value it refused is left out."""
    problems = list(parsed.problems)
    for finding in found:
        way = finding.path
        if parsed.refused_key(way) if finding.at_key else parsed.refused(way):
            continue
        place = parsed.place(unread.standing(way), key=finding.at_key)
        message = finding.message + ("" if finding.at_key else _origin(parsed.placeholders.get(way, ""), values))
        problems.append(Problem(path, place.line, place.column, message, finding.hint))
    return _in_order(problems)


def _origin(text: str, values: Mapping[str, Json]) -> str:
    """` (from ${outage}, which is 5)` where a value was filled into `text`."""
    names = [name for escape, name in PLACEHOLDER.findall(text) if not escape]
    filled = [f"${{{name}}}, which is {as_text(values[name])[:60]}" for name in names if name in values]
    return f" (from {', '.join(filled)})" if filled else ""


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, by line and column; past a sensible number only their count."""
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: (problem.line or 0, problem.column or 0))
    if len(ordered) > MOST_PROBLEMS:
        last = ordered[MOST_PROBLEMS - 1]
        rest = f"and more problems after this one ({MOST_PROBLEMS} are listed)"
        ordered = [*ordered[:MOST_PROBLEMS], Problem(last.path, last.line, last.column, rest, "repair these first")]
    return ordered
