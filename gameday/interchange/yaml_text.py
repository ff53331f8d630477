"""Plain data as YAML that people like to read and `gameday` accepts: no anchors, no word that means two things.

Comments go above the item or key that they belong to. Which scalars need quotes is asked of the same rules by which
scenarios are read (`scenario.scalars`), so that whatever is written here is read back as what it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gameday.frozen import frozen
from gameday.scenario.scalars import resolve

Json = Any
WIDTH = 110
"""Columns that a mapping or a list on one line may have."""
_PLAIN = re.compile(r"[A-Za-z0-9_/.$][^\n\t\"#:{}\[\],&*!|>'%@`]*\Z")
_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@frozen
class Noted:
    """A value with a comment, lines of which stand above it."""

    value: Json
    comment: tuple[str, ...]


def dumped(document: Mapping[str, Json]) -> str:
    """The text of a file. Takes JSON values, finite numbers only, and `Noted` as an item or under a key."""
    return "\n".join(_mapping(document, 0)) + "\n"


def commented(text: str, indent: int = 0, width: int = WIDTH) -> list[str]:
    """`text` as comment lines; it may hold anything, a comment ends where its line ends."""
    words = "".join(c if c.isprintable() else " " for c in text).split()
    lines, line = [], ""
    for word in words:
        if line and len(line) + len(word) + 1 > width - indent - 2:
            lines.append(line)
            line = "  " + word if text.startswith("- ") else word
        else:
            line = f"{line} {word}" if line else word
    return [f"{' ' * indent}# {line}" for line in [*lines, line] if line]


def _mapping(mapping: Mapping[str, Json], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, value in mapping.items():
        if isinstance(value, Noted):
            for line in value.comment:
                yield from commented(line, indent)
            value = value.value
        short = _flow(value)
        if isinstance(value, str) and _is_block(value):
            yield f"{pad}{scalar(key)}: |-"
            yield from (f"{pad}  {line}" if line else "" for line in value.split("\n"))
        elif short is not None and len(short) + len(key) + indent + 2 <= WIDTH:
            yield f"{pad}{scalar(key)}: {short}"
        elif isinstance(value, Mapping):
            yield f"{pad}{scalar(key)}:"
            yield from _mapping(value, indent + 2)
        elif isinstance(value, list):
            yield f"{pad}{scalar(key)}:"
            yield from _items(value, indent + 2)
        else:
            yield f"{pad}{scalar(key)}: {scalar(value)}"


def _is_block(text: str) -> bool:
    """Text of several lines that can stand as they are."""
    lines = text.split("\n")
    return len(lines) > 1 and bool(lines[-1]) and all(line.isprintable() and line == line.strip() for line in lines)


def _items(items: list[Json], indent: int) -> Iterator[str]:
    pad = " " * indent
    for item in items:
        if isinstance(item, Noted):
            for line in item.comment:
                yield from commented(line, indent)
            item = item.value
        short = _flow(item)
        if short is not None and len(short) + indent + 2 <= WIDTH:
            yield f"{pad}- {short}"
            continue
        if not isinstance(item, Mapping | list):
            yield f"{pad}- {scalar(item)}"
            continue
        nested = list(_mapping(item, indent + 2) if isinstance(item, Mapping) else _items(item, indent + 2))
        if isinstance(item, Mapping) and not nested[0].lstrip().startswith("#"):
            yield f"{pad}- {nested[0].lstrip()}"
            yield from nested[1:]
        else:
            yield f"{pad}-"
            yield from nested


def _flow(value: Json) -> str | None:
    """A value on one line; None where it has comments in it, or is better read on several."""
    if isinstance(value, Noted):
        return None
    if isinstance(value, Mapping):
        parts = [(key, _flow(inner)) for key, inner in value.items()]
        if any(part is None for _, part in parts) or len(parts) > 6:
            return None
        return "{" + ", ".join(f"{scalar(key)}: {part}" for key, part in parts) + "}"
    if isinstance(value, list):
        inner = [_flow(item) for item in value]
        return None if None in inner else "[" + ", ".join(str(part) for part in inner) + "]"
    return scalar(value)


def scalar(value: Json) -> str:
    """One scalar, quoted where it has to be; also a key."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f")
        return text if "." in text else f"{text}.0"
    if _PLAIN.match(value) and value.isprintable() and value == value.strip() and resolve(value) == value:
        return str(value)
    return '"' + "".join(map(_character, value)) + '"'


def _character(c: str) -> str:
    if c in _SHORT:
        return _SHORT[c]
    code = ord(c)
    if 0xD800 <= code <= 0xDFFF:
        return "\\uFFFD"
    if c.isprintable() or c == " ":
        return c
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
