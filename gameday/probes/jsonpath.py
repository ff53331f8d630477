"""Where in a JSON document: `$.items[0].price`, `$['x y'].z`, `$.list[-1]`. No wildcards, filters or slices.

One place and one value: a probe that could find several would need a rule for which one counts.
"""

from __future__ import annotations

import re
from typing import Any

from gameday.patterns import pattern

_STEP = pattern(
    r"""\.(?P<name>[^.\[\]\s'"]+)|\[(?P<index>-?\d{1,9})\]|\['(?P<single>(?:[^'\\]|\\.)*)'\]|\["(?P<double>(?:[^"\\]|\\.)*)"\]"""
)
LONGEST = 1000
"""Characters of a path."""


class Missing(Exception):
    """The document has no such place; says how far the path could be followed."""


def parse(path: str) -> list[str | int]:
    """The steps of `path`: text for a key, a whole number for a place in a list.

    Raises:
        ValueError: not a path; the message shows from where on.
    """
    if len(path) > LONGEST:
        raise ValueError(f"a path has at most {LONGEST} characters")
    rest = path.strip().removeprefix("$")
    if rest and rest[0] not in ".[":
        rest = "." + rest
    steps: list[str | int] = []
    position = 0
    while position < len(rest):
        found = _STEP.match(rest, position)
        if found is None:
            raise ValueError(f"can't be read from {rest[position:][:40]!r} on; write it like $.items[0]['a name']")
        if found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            quoted = found["single"] if found["single"] is not None else found["double"]
            steps.append(found["name"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = found.end()
    return steps


def find(document: Any, path: str) -> Any:
    """The value at `path`.

    Raises:
        Missing: there is none.
        ValueError: `path` is no path.
    """
    here, walked = document, "$"
    for step in parse(path):
        in_dict = isinstance(step, str) and isinstance(here, dict) and step in here
        in_list = isinstance(step, int) and isinstance(here, list) and -len(here) <= step < len(here)
        if not in_dict and not in_list:
            what = f"{len(here)} keys" if isinstance(here, dict) else type(here).__name__
            what = f"a list of {len(here)}" if isinstance(here, list) else what
            raise Missing(f"nothing at {path}: {walked} is {what} without {step!r}")
        here = here[step]
        walked += f"[{step!r}]"
    return here
