"""Where `gameday.toml` is, and what stands in it, not yet understood. Loads little: `run` starts much before it is."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gameday.errors import UsageError

FILE = "gameday.toml"
LARGEST = 1024 * 1024
"""Bytes of a settings file."""


def find_settings(start: Path | None = None) -> Path | None:
    """The nearest `gameday.toml` from `start` (the current folder) upwards; None where there is none."""
    try:
        here = (start or Path.cwd()).absolute()
    except FileNotFoundError:
        # The current folder has been deleted.
        return None
    for folder in (here, *here.parents):
        candidate = folder / FILE
        try:
            if candidate.is_file():
                return candidate
        except OSError as error:
            raise UsageError(f"{candidate} can't be looked at: {error.strerror}") from None
    return None


def read_document(path: Path) -> tuple[str, dict[str, Any]]:
    """The settings file at `path`: its text, and what TOML makes of it.

    Raises:
        UsageError: it can't be read, or is not TOML.
    """
    text = _read(path)
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{path}: not TOML that can be read: nested too deep") from None


def _read(path: Path) -> str:
    try:
        if not path.exists():
            raise UsageError(f"{path}: there is no such settings file")
        if not path.is_file():
            raise UsageError(f"{path} is not a file: name a {FILE}")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise UsageError(f"{path} is larger than 1 MB: that is no settings file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: byte {error.start} can't be read") from None
