"""Placeholders: `${name}` for a parameter of the scenario (filled in at loading) or a name that the target publishes.

Only `${name}` is one, so that PromQL's braces stay PromQL's; `$${name}` is written where the text `${name}` is meant.
No expressions, no defaults inside, no nesting: what is put in is not looked at again for parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gameday.patterns import pattern
from gameday.scenario.problems import Finding, Path, Problem, ScenarioErrors, nearest_or_all
from gameday.scenario.scalars import Trap, resolve

Json = Any
Locate = Callable[[Path], tuple[str, int, int]]
"""From a way in the document to file, line and column."""

PLACEHOLDER = pattern(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_-]*)\}")
NAME = pattern(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def typed(text: str) -> Json:
    """The value that `--set name=text` gives: as an unquoted YAML scalar, and text where that would be a trap."""
    value = resolve(text)
    return text if type(value) is Trap else value


def substitute(text: str, values: Mapping[str, Json]) -> Json:
    """`text` with the placeholders that `values` knows filled in; all others, and `$${...}`, stay as they are.

    A text that is one placeholder and nothing else becomes the value itself, so a number stays a number.
    """
    whole = PLACEHOLDER.fullmatch(text)
    if whole and not whole[1] and whole[2] in values:
        return values[whole[2]]

    def fill(match: re.Match[str]) -> str:
        escape, name = match.groups()
        return match.group() if escape or name not in values else as_text(values[name])

    return PLACEHOLDER.sub(fill, text)


def placed_names(texts: Mapping[Path, str]) -> Iterator[tuple[Path, str]]:
    """Each placeholder in `texts`, with its way, those in the declarations of parameters and escaped ones left out."""
    for way, text in texts.items():
        if way[:1] != ("parameters",):
            yield from ((way, name) for escape, name in PLACEHOLDER.findall(text) if not escape)


def names_used(raw: Json) -> set[str]:
    """All names in placeholders of `raw`, those that are escaped left out."""
    return {name for _, name in find_names(raw)}


def find_names(raw: Json, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each placeholder of `raw` with the way to the text that it stands in."""
    if isinstance(raw, str):
        if "${" in raw:
            for escape, name in PLACEHOLDER.findall(raw):
                if not escape:
                    yield path, name
    elif isinstance(raw, dict):
        for key, value in raw.items():
            if path or key != "parameters":
                yield from find_names(value, (*path, key))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            yield from find_names(value, (*path, index))


def resolve_names(raw: Json, names: Mapping[str, str], locate: Locate | None = None) -> Json:
    """`raw` with every placeholder filled in from what a target publishes, and `$${name}` turned into `${name}`.

    Probes that leave `url` to its default (`${prometheus}`, `${metrics}`) get it written out first, so that nothing is
    left to fill in. `locate` (see `Loaded.locate`) gives errors their line; without it they carry the way.

    Raises:
        ScenarioErrors: names that the target does not publish, all of them, each with the nearest right word.
    """
    raw = _with_default_urls(raw)
    problems = []
    for path, name in find_names(raw):
        if name not in names:
            message = f"the target publishes no name {name!r}"
            hint = nearest_or_all(name, sorted(names)) if names else "it publishes none; name one with target:"
            if locate:
                problems.append(Problem(*locate(path), message, hint))
            else:
                problems.append(Problem(".".join(str(step) for step in path), None, None, message, hint))
    if problems:
        raise ScenarioErrors(problems)

    def fill(match: re.Match[str]) -> str:
        return match.group()[1:] if match[1] else names[match[2]]

    return _map_scenario(raw, lambda text: PLACEHOLDER.sub(fill, text) if "${" in text else text)


def unknown_parameters(document: Mapping[str, Json], given: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about `--set` names that the scenario does not declare."""
    declared = document.get("parameters")
    known = sorted(declared) if isinstance(declared, dict) else []
    for name in given:
        if name not in known:
            hint = nearest_or_all(name, known) if known else "this scenario declares no parameters"
            yield Finding(("parameters",), f"--set {name}: there is no such parameter", hint, at_key=True)


def as_text(value: Json) -> str:
    """A scalar as it would stand in YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _map_scenario(raw: Json, change: Callable[[str], Json]) -> Json:
    """`_map`, but the declarations of parameters stay as they stand."""
    if not isinstance(raw, dict):
        return _map(raw, change)
    return {key: value if key == "parameters" else _map(value, change) for key, value in raw.items()}


def _map(value: Json, change: Callable[[str], Json]) -> Json:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _map(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_map(inner, change) for inner in value]
    return value


_DEFAULT_URLS = {"prometheus": "${prometheus}", "metrics": "${metrics}"}


def _with_default_urls(raw: Json) -> Json:
    """Write out the addresses that probes leave to the models' defaults; `raw` itself stays untouched."""
    if isinstance(raw, list):
        return [_with_default_urls(item) for item in raw]
    if not isinstance(raw, dict):
        return raw
    # `with` and `activity` belong to faults and to other tools; a key `metrics` in there is none of ours.
    changed = {
        key: value
        if key in ("with", "activity", "undo", "parameters", "equals", "configuration")
        else _with_default_urls(value)
        for key, value in raw.items()
    }
    for kind, url in _DEFAULT_URLS.items():
        probe = changed.get(kind)
        if isinstance(probe, dict) and {"prometheus": "query", "metrics": "name"}[kind] in probe:
            changed[kind] = {"url": url, **probe}
    return changed
