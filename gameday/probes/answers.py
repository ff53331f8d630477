"""From a raw value to an `Answer` that can stand in a journal: small, legal JSON, legal Unicode, no NaN.

Values from outside are hostile by default: NaN and infinities that JSON has no word for, half a surrogate pair that no
database takes, a document of a megabyte. Whatever passes `answer_of` can be stored, sent and shown.
"""

from __future__ import annotations

import json
import math
import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from gameday.engine.ports import Answer, AnswerKind, Json
from gameday.scenario.duration import LONGEST, parse_duration

LARGEST = 64 * 1024
"""Characters of JSON that one answer's value may have; also where text is cut."""
EXCERPT = 200
"""Characters of a reply that a detail shows."""


class NoAnswer(Exception):
    """There is no value, and this says which way. Raised inside the probes room, never out of it."""

    def __init__(self, kind: AnswerKind, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.kind: AnswerKind = kind
        self.detail = detail
        self.status = status


def answer_of(value: Any, *, status: int | None = None, detail: str = "") -> Answer:
    """`value` as an answer.

    NaN becomes kind `nan`, the infinities the text `+Inf` and `-Inf` (judged as the numbers they are); long text is
    cut.

    Raises:
        NoAnswer: a list or dict too large or too deep to be kept.
    """
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return Answer("nan", detail=detail or "the value is NaN", status=status)
        return Answer("value", "+Inf" if value > 0 else "-Inf", detail, status)
    if isinstance(value, str):
        if len(value) > LARGEST:
            detail = detail or f"text of {len(value)} characters, cut after {LARGEST}"
        return Answer("value", clean(value[:LARGEST]), detail, status)
    if isinstance(value, list | tuple | Mapping):
        try:
            size = len(json.dumps(value))
            if size <= LARGEST:
                return Answer("value", clean(value), detail, status)
        except (TypeError, ValueError, RecursionError) as error:
            raise NoAnswer("error", f"the value can't be kept as JSON: {error}", status) from None
        raise NoAnswer("error", f"the value is {size} characters of JSON: name the part that is meant", status)
    if isinstance(value, int) and value.bit_length() > 1024:
        raise NoAnswer("error", "the value is a whole number beyond all measure", status)
    if value is None or isinstance(value, bool | int | float):
        return Answer("value", value, detail, status)
    raise NoAnswer("error", f"the value is a {type(value).__name__}, which JSON has no word for", status)


def clean(value: Json) -> Json:
    """`value` with all text made legal Unicode without NUL, and numbers that JSON lacks as text.

    Raises:
        RecursionError: nested deeper than Python goes.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "�")
    if isinstance(value, Mapping):
        return {str(clean(str(key))): clean(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [clean(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return value


def excerpt(text: str | bytes) -> str:
    """The first characters of a reply, on one line, for a detail."""
    text = text[: 4 * EXCERPT].decode("utf-8", "replace") if isinstance(text, bytes) else text[: 4 * EXCERPT]
    line = " ".join(str(clean(text)).split())
    return line if len(line) <= EXCERPT else line[:EXCERPT] + "…"


def system_reason(error: OSError) -> str:
    """What the operating system means, e.g. `connection refused`; asyncio puts a text of its own over it."""
    # Those two have numbers of their own, which mean something else to the system.
    own = isinstance(error, socket.gaierror | ssl.SSLError) or error.errno is None or error.errno <= 0
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not to be trusted: {excerpt(error.verify_message)}"
    text = (error.strerror or str(error)) if own else os.strerror(error.errno or 0)
    return excerpt(text[:1].lower() + text[1:])


def seconds(value: Any, default: float) -> float:
    """A probe's timeout in seconds: `5s` as a file has it, a number as code has it, `default` for None.

    Chaos Toolkit's pair of connect and read timeouts counts as their sum.

    Raises:
        NoAnswer: neither, or not above zero.
    """
    try:
        if value is None:
            return default
        if isinstance(value, list | tuple):
            value = sum(parse_duration(part) if isinstance(part, str) else float(part) for part in value)
        taken = parse_duration(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise NoAnswer("error", f"the probe's timeout: {error}") from None
    if not 0 < taken <= LONGEST:
        raise NoAnswer("error", f"the probe's timeout must be above 0 and at most 30 days, found {value!r}")
    return taken
