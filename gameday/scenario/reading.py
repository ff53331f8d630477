"""From a path to the text of a file, whatever stands there: never blocks, never reads more than the limit.

A scenario is a small text file. Everything else that a path can lead to (a directory, a pipe, a device, a binary) is
told apart here, so that the parser sees text only.
"""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from gameday.scenario.problems import Problem, ScenarioErrors

LARGEST = 1_000_000
"""Bytes. A scenario of 200 entries has about 50,000."""

_KINDS = (
    (stat.S_ISDIR, "is a directory", "name a file in it"),
    (stat.S_ISFIFO, "is a pipe", "a scenario is a regular file"),
    (stat.S_ISSOCK, "is a socket", "a scenario is a regular file"),
    (stat.S_ISCHR, "is a device", "a scenario is a regular file"),
    (stat.S_ISBLK, "is a device", "a scenario is a regular file"),
)


def read(path: Path | str) -> bytes:
    """The bytes of the file at `path`.

    Raises:
        ScenarioErrors: there is no regular file, it can't be read, or it is larger than `LARGEST`.
    """
    name = os.fspath(path)
    try:
        # A look before opening: opening a device can have effects of its own. And a look after: it may have changed.
        _refuse_kind(name, os.stat(name).st_mode)  # noqa: PTH116
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            status = os.fstat(descriptor)
            _refuse_kind(name, status.st_mode)
            if status.st_size > LARGEST:
                raise _refused(name, f"is too large for a scenario: {status.st_size:,} bytes, at most {LARGEST:,}")
            content = b""
            while piece := os.read(descriptor, LARGEST + 1 - len(content)):
                content += piece
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise _refused(name, "there is no such file") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise _refused(name, f"can't be read: {reason}") from None
    if len(content) > LARGEST:
        raise _refused(name, f"is too large for a scenario: more than {LARGEST:,} bytes")
    return content


def decode(content: bytes, path: str) -> str:
    """The text in `content`, without a byte order mark.

    Raises:
        ScenarioErrors: it is empty, not UTF-8 (UTF-16 is named), or has control characters that no text has.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _looks_like_utf16(content):
        raise _refused(path, "is UTF-16 text", "save it as UTF-8")
    if (nul := content.find(0)) >= 0:
        raise _refused(path, f"is a binary file: byte {nul + 1} is zero", "a scenario is UTF-8 text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = len(content[content.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8", "replace")) + 1
        problem = Problem(
            path, line, column, f"is not UTF-8 text (byte 0x{content[error.start]:02x})", "save it as UTF-8"
        )
        raise ScenarioErrors([problem]) from None
    if not text or text.isspace():
        raise _refused(path, "is empty", "`gameday new` writes a file to start from")
    return text


def _looks_like_utf16(content: bytes) -> bool:
    """Every second byte of the beginning is zero and the others are not: Latin text in UTF-16 without its mark."""
    head = content[:64]
    even, odd = head[0::2], head[1::2]
    return len(head) >= 8 and ((not any(even) and all(odd)) or (not any(odd[: len(head) // 2]) and all(even)))


def _refuse_kind(path: str, mode: int) -> None:
    for is_kind, what, hint in _KINDS:
        if is_kind(mode):
            raise _refused(path, what, hint)


def _refused(path: str, message: str, hint: str = "") -> ScenarioErrors:
    return ScenarioErrors([Problem(path, None, None, message, hint)])
