"""Regular expressions that are compiled when somebody first matches with one.

A process loads many modules for what it may have to do, and most of their patterns never meet a text.
"""

from __future__ import annotations

import re
from typing import Any, cast


class _Later:
    def __init__(self, text: str, flags: int) -> None:
        self._said = text, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        # Stays here, so that the next one who asks finds it without us.
        found = vars(self)[name] = getattr(re.compile(*self._said), name)
        return found


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile` gives, to everybody but the functions of `re`: its methods and attributes.

    A text that is no pattern is told when it is first used.
    """
    return cast("re.Pattern[str]", _Later(text, int(flags)))
