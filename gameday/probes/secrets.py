"""Values that a probe takes from the environment or a file: read where they are used, and taken out of what comes back.

A server may echo a header, a program may print its environment, an error may quote either. So every secret that went
into a question is removed from its answer. Nothing is kept between asks: a rotated secret is found by the next one.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from gameday.engine.ports import Answer, Json
from gameday.probes.answers import NoAnswer

HIDDEN = "•••"
LARGEST_SECRET = 64 * 1024
"""Bytes of a secret's file."""


class Secrets:
    """The secrets of one question."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._forms: list[str] = []

    def reveal(self, value: Any) -> str:
        """The text to send: `value` itself, or what its `{env: NAME}` or `{file: PATH}` stands for.

        Raises:
            NoAnswer: there is no such variable or file, or it can't be read; the message names it.
        """
        if not isinstance(value, Mapping):
            return str(value)
        if value.get("env"):
            name = str(value["env"])
            secret = self._environ.get(name)
            if secret is None:
                raise NoAnswer("error", f"the environment variable {name}, which holds a secret, is not set")
        elif value.get("file"):
            secret = _file(Path(str(value["file"])).expanduser())
        else:
            raise NoAnswer("error", "a secret must say where it is: {env: NAME} or {file: PATH}")
        self._forms += _forms(secret)
        self._forms.sort(key=len, reverse=True)
        return secret

    def reveal_all(self, values: Mapping[Any, Any]) -> dict[str, str]:
        """`reveal` for headers or an environment."""
        return {str(name): self.reveal(value) for name, value in values.items()}

    def hide(self, answer: Answer) -> Answer:
        """`answer` without any of the secrets that were revealed."""
        if not self._forms:
            return answer
        return replace(answer, value=self._hidden(answer.value), detail=self._hidden(answer.detail))

    def _hidden(self, value: Json) -> Json:
        if isinstance(value, str):
            for form in self._forms:
                value = value.replace(form, HIDDEN)
            return value
        if isinstance(value, dict):
            return {self._hidden(key): self._hidden(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._hidden(part) for part in value]
        return value


def _file(path: Path) -> str:
    try:
        # Non-blocking, so that a pipe nobody writes to can't hold up the exercise.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise NoAnswer("error", f"the secret's file {path} is not a regular file")
            content = file.read(LARGEST_SECRET + 1)
        if len(content) > LARGEST_SECRET:
            raise NoAnswer("error", f"the secret's file {path} is larger than {LARGEST_SECRET} bytes")
        return content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NoAnswer("error", f"the secret's file {path} can't be read: {reason}") from None


def _forms(secret: str) -> list[str]:
    """The secret as it may come back: itself, its longer lines, quoted for a URL or for JSON, in base64."""
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    forms.add(base64.b64encode(secret.encode("utf-8", "replace")).decode().rstrip("="))
    forms |= {line.strip() for line in secret.splitlines() if len(line.strip()) >= 8}
    # `Authorization: Bearer abc` as one secret: the credential by itself is just as secret.
    forms |= {word for word in secret.split() if len(word) >= 8}
    return [form for form in forms if form.strip()]
