"""pydantic's errors about `gameday.toml` in the words of that file, with the line where the trouble stands.

TOML's parser in the standard library keeps no lines, so they are looked for in the text: headers and keys, which is all
that errors are about. Where that fails the error has no line, and still the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from gameday.patterns import pattern
from gameday.scenario.problems import listed, nearest, shown

Way = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_PARTS = pattern(_PART)
_HEADER = pattern(rf"^\s*\[\[?\s*(?P<way>{_PART}(?:\s*\.\s*{_PART})*)\s*\]\]?\s*(?:#.*)?$")
_MISSING = {"environment": 'write environment = "staging", or whatever it is', "kind": 'write kind = "toxiproxy"'}
_KEY = pattern(rf"^\s*(?P<way>{_PART}(?:\s*\.\s*{_PART})*)\s*=")


def in_words(
    error: ValidationError, model: type[BaseModel], document: dict[str, Any], text: str, path: Path
) -> Iterator[str]:
    """One line for each mistake: `gameday.toml:7: unknown key 'enviroment' in [targets.staging]; did you mean …?`"""
    for details in error.errors(include_url=False):
        way = _existing(details["loc"], document)
        line = line_of(text, way)
        where = f"{path}:{line}" if line else str(path)
        yield f"{where}: {_said(dict(details), way, model)}"


def line_of(text: str, way: Way) -> int | None:
    """The line (from 1) of the key or header nearest to `way`: the longest part of it that stands in the text."""
    best: tuple[int, int] | None = None
    table: Way = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _split(header["way"])
            here = table
        elif key := _KEY.match(line):
            here = (*table, *_split(key["way"]))
        else:
            continue
        common = min(len(here), len(way))
        if common and here[:common] == way[:common] and (best is None or common > best[0]):
            best = (common, number)
    return None if best is None else best[1]


def _split(way: str) -> Way:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PARTS.findall(way))


def _existing(loc: Way, document: Any) -> Way:
    """`loc` without what pydantic adds of its own, but with a key that is missing."""
    way: list[str | int] = []
    for step in loc:
        in_list = isinstance(document, list) and isinstance(step, int) and step < len(document)
        if in_list or (isinstance(document, dict) and step in document):
            document = document[step]
            way.append(step)
    return tuple(way)


def _said(details: dict[str, Any], way: Way, model: type[BaseModel]) -> str:
    kind, value = details["type"], details.get("input")
    if kind == "extra_forbidden":
        known = _keys(model, way[:-1])
        hint = nearest(way[-1], known) or (f"known: {', '.join(known)}" if known else "")
        return f"unknown key {shown(way[-1])}{_inside(way[:-1])}" + (f"; {hint}" if hint else "")
    if kind == "missing":
        name = str(details["loc"][-1])
        return f"missing key {name!r}{_inside(way)}" + (f"; {_MISSING[name]}" if name in _MISSING else "")
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        hint = nearest(value, allowed) or f"write {listed(allowed)}"
        return f"{_name(way)} can't be {shown(value)}; {hint}"
    text = str(details["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    text = text[:1].lower() + text[1:]
    if kind == "value_error":
        return f"{_name(way)} {text}" if way else text
    return f"{_name(way)} {text}; found {shown(value)}"


def _name(way: Way) -> str:
    return ".".join(str(step) for step in way) or "the file"


def _inside(way: Way) -> str:
    return f" in [{_name(way)}]" if way else ""


def _keys(model: type[BaseModel], way: Way) -> list[str]:
    """The keys that may stand at `way`; none where the keys are free, or nothing is known of them."""
    here: Any = model
    for step in way:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(step))
            here = None if field is None else field.annotation
        else:
            # A table of free names: all have the form of its values.
            here = get_args(here)[-1] if get_args(here) else None
        options = [one for one in get_args(here) if isinstance(one, type) and issubclass(one, BaseModel)]
        if type(None) in get_args(here) and options:
            here = options[0]
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []
