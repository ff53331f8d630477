"""What a plain (unquoted) YAML scalar means, and which ones are refused because they mean two things.

YAML 1.1, which libyaml speaks, reads `on` as true, `12:30` as 750 and `010` as 8; YAML 1.2 reads all three otherwise,
and so do people. Only what everybody reads alike is accepted; the rest is refused with what to write instead.
"""

from __future__ import annotations

import math
import re
from typing import Any

from gameday.patterns import pattern

Json = Any


class Trap:
    """A scalar that reads as one thing and may be meant as another; the two parts of the message."""

    __slots__ = ("hint", "message")

    def __init__(self, message: str, hint: str) -> None:
        self.message = message
        self.hint = hint


_WORDS: dict[str, Json] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL"), None),
}
_SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_INTEGER = pattern(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_HEXADECIMAL = pattern(r"[-+]?0x[0-9a-fA-F]+\Z")
_DECIMAL = pattern(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?\Z")
_OCTAL = pattern(r"[-+]?0o?[0-9_]+\Z")
_BINARY = pattern(r"[-+]?0b[01_]+\Z")
_UNDERSCORED = pattern(
    r"[-+]?(?:(?:0x)?[0-9][0-9a-fA-F_]*_[0-9a-fA-F_]*(?:\.[0-9_]*)?|[0-9][0-9_]*\.[0-9_]*_[0-9_]*(?:[eE][-+][0-9]+)?"
    r"|\.[0-9][0-9_]*_[0-9_]*(?:[eE][-+][0-9]+)?)\Z"
)
_EXPONENT = pattern(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+\Z")
_CLOCK = pattern(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z")
_DATE = pattern(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}.*)?\Z")
_NOT_FINITE = pattern(r"[-+]?\.(?:inf|nan)\Z", re.IGNORECASE)
_BEGINS = frozenset("+-.0123456789~nNtTfFyYoO<=")
"""Text that begins otherwise is text."""
_MOST_DIGITS = 400


def resolve(text: str) -> Json | Trap:
    """The value of the plain scalar `text`: text, a number, true, false, null; or a `Trap`."""
    if not text:
        return Trap("there is no value here", "write one, or remove the key")
    if text[0] not in _BEGINS:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MOST_DIGITS:
        return text
    if _INTEGER.match(text):
        return int(text)
    if _DECIMAL.match(text):
        number = float(text)
        return number if math.isfinite(number) else Trap(f"{text} is too large a number", "write a smaller one")
    if _HEXADECIMAL.match(text):
        return int(text, 16)
    return _trap(text) or text


def _trap(text: str) -> Trap | None:
    quoted = f'"{text}" in quotes'
    if (meaning := _SWITCHES.get(text.lower())) and text in (text.lower(), text.upper(), text.title()):
        return Trap(f"unquoted {text} is read as {meaning}", f"write {meaning}, or {quoted} if you mean the word")
    if text == "~":
        return Trap("~ is read as null", f"write null, or {quoted} if you mean the character")
    if text == "<<":
        return Trap("merge keys (<<) are not supported", "write the keys out")
    if text == "=":
        return Trap("unquoted = has a meaning of its own in YAML", f"write {quoted}")
    if _CLOCK.match(text):
        return Trap(
            f"unquoted {text} is read as the number {_sexagesimal(text)}",
            f"write a duration as {_as_duration(text)}, or {quoted} if you mean text",
        )
    if _OCTAL.match(text):
        plain = text.replace("_", "").lstrip("+-0o") or "0"
        return Trap(f"unquoted {text} may be read as an octal number", f"write {plain}, or {quoted} if you mean text")
    if _UNDERSCORED.match(text):
        return Trap(
            f"unquoted {text} is read as a number by some and as text by others",
            f"write {text.replace('_', '')}, or {quoted} if you mean text",
        )
    if _BINARY.match(text):
        return Trap(f"unquoted {text} may be read as a binary number", f"write {int(text.replace('_', ''), 2)}")
    if _DATE.match(text):
        return Trap(f"unquoted {text} is read as a date", f"write {quoted}")
    if _NOT_FINITE.match(text):
        return Trap(f"{text} is not a number that can be compared with", "write a number")
    if _EXPONENT.match(text):
        number = float(text)
        plain = f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{quoted} if you mean text"
        return Trap(f"unquoted {text} is read as text by some and as a number by others", f"write {plain}")
    return None


def _sexagesimal(text: str) -> str:
    total = 0.0
    for part in text.lstrip("+-").replace("_", "").split(":"):
        total = total * 60 + float(part)
    return f"{'-' if text.startswith('-') else ''}{total:g}"


def _as_duration(text: str) -> str:
    parts = text.lstrip("+-").replace("_", "").split(":")
    units = ("h", "m", "s")[-len(parts) :] if len(parts) == 3 else ("m", "s")
    return "".join(f"{float(part):g}{unit}" for part, unit in zip(parts, units, strict=False) if float(part)) or "0s"
