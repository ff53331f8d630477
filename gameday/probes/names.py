"""`${name}` in a probe, replaced by what the target publishes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gameday.engine.ports import Json

# PromQL has `${1}` in label_replace: a name starts with a letter.
_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


def fill(value: Json, names: Mapping[str, str]) -> Json:
    """`value` with each known `${name}` replaced, in all texts at any depth; unknown ones stay as they are."""
    if isinstance(value, str):
        return _NAME.sub(lambda found: names.get(found[1], found[0]), value)
    if isinstance(value, Mapping):
        return {key: fill(part, names) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [fill(part, names) for part in value]
    return value


def unknown(text: str) -> list[str]:
    """The names in `text` that are still to be replaced."""
    return _NAME.findall(text)


def nearest(word: str, known: Mapping[str, object]) -> str:
    """`, did you mean 'error-rate'?`, or what there is at all; to be put behind a sentence about an unknown word."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there is {', '.join(sorted(known)[:12])}" if known else "; there is none"
