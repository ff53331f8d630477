"""Secrets of an activity: found where they are used, inside the worker, and taken out of all that leaves it.

A secret is written as where it is (`{env: NAME}`, `{file: PATH}`, or Chaos Toolkit's `{type: env, key: NAME}`) and
never as itself: a scenario is journaled whole. What an activity prints or logs while it runs is not this module's
concern.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from gameday.engine.ports import Json

HIDDEN = "•••"
LARGEST = 64 * 1024
"""Bytes of a secret's file."""
_found: dict[tuple[str, str], str] = {}
"""Secrets that this process has read."""
PLAIN = ("KUBERNETES_CONTEXT",)
"""What chaosk8s looks for among secrets and is none: it may be written as it is, and is not hidden."""
_LINE = 8
"""A line of a secret of several lines (a private key) is as secret as the whole if it has this many characters."""


def place(value: Any) -> tuple[str, str] | None:
    """`("env", name)` or `("file", path)` where `value` says where a secret is; None where it says nothing of that."""
    if not isinstance(value, Mapping):
        return None
    kind = value.get("type")
    found = {
        "env": value.get("key") if kind == "env" else value.get("env"),
        "file": value.get("path") if kind == "file" else value.get("file"),
    }
    told = [(name, where) for name, where in found.items() if isinstance(where, str) and where]
    return told[0] if len(told) == 1 else None


def groups(written: Mapping[str, Any]) -> dict[str, dict[str, tuple[str, str]]]:
    """Where each secret is, by group and name; `("plain", text)` of what is none (`PLAIN`).

    Secrets that stand outside of any group form one of their own.

    Raises:
        ValueError: something that isn't a place stands there; the message says what to write, not what was found.
    """
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for name, value in written.items():
        where = _place(name, value)
        if where is not None:
            found.setdefault("", {})[name] = where
            continue
        if not isinstance(value, Mapping) or value.get("type") is not None:
            raise ValueError(f"secret {name!r} must say where it is: {{env: NAME}} or {{file: PATH}}")
        for inner, each in value.items():
            where = _place(inner, each)
            if where is None:
                raise ValueError(f"secret {name}.{inner} must say where it is: {{env: NAME}} or {{file: PATH}}")
            found.setdefault(name, {})[inner] = where
    return found


def _place(name: str, value: Any) -> tuple[str, str] | None:
    return ("plain", value) if name in PLAIN and isinstance(value, str) and value else place(value)


def read(where: tuple[str, str]) -> str:
    """The secret itself: as it is now, or as this process found it before.

    An undo must not come to nothing because a file with a token went away after it was armed.

    Raises:
        RuntimeError: there is none; the message names the variable or the file.
    """
    try:
        _found[where] = _read(where)
    except RuntimeError:
        if where not in _found:
            raise
    return _found[where]


def _read(where: tuple[str, str]) -> str:
    kind, name = where
    if kind == "plain":
        return name
    if kind == "env":
        if name not in os.environ:
            raise RuntimeError(f"the environment variable {name}, which holds a secret, is not set")
        return os.environ[name]
    path = Path(name).expanduser()
    try:
        if not path.is_file():
            raise RuntimeError(f"the secret's file {path} is not there, or not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise RuntimeError(f"the secret's file {path} can't be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise RuntimeError(f"the secret's file {path} is larger than {LARGEST} bytes")
    return content.decode("utf-8", "replace").strip()


class Scrubber:
    """Replaces secrets, in every form in which they may come back, by `•••`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)

    def clean(self, value: Json) -> Json:
        """`value`, of JSON, without the secrets: in text, in keys, and as numbers."""
        if isinstance(value, str):
            for form in self._forms:
                value = value.replace(form, HIDDEN)
            return value
        if isinstance(value, list):
            return [self.clean(each) for each in value]
        if isinstance(value, dict):
            return {self.clean(key): self.clean(each) for key, each in value.items()}
        if isinstance(value, int | float) and not isinstance(value, bool) and str(value) in self._forms:
            return HIDDEN
        return value


def _forms(secret: str) -> set[str]:
    """The secret, its lines and words (`Bearer abc`): each as it is, quoted for URL, JSON or Python, and in base64."""
    parts = {secret}
    parts |= {part for part in (*secret.splitlines(), *secret.split()) if len(part.strip()) >= _LINE}
    forms = set()
    for part in parts:
        plain = part.strip()
        coded = base64.b64encode(part.encode()).decode().rstrip("=")
        forms |= {part, plain, quote(plain), quote(plain, safe=""), quote_plus(plain), coded}
        forms |= {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], repr(part)[1:-1]}
    return {form for form in forms if form.strip()}
