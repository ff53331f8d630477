"""What is wrong with a scenario file, where, and the nearest right word. Data; finding problems is done elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gameday.errors import ScenarioError
from gameday.frozen import frozen

Path = tuple[str | int, ...]
"""Way to a value in the document: keys and indexes from the top, e.g. `("timeline", 0, "for")`."""

MOST_PROBLEMS = 100
"""More than these of one file are counted, not listed."""


@frozen
class Problem:
    """One mistake in one file. `line` and `column` count from 1, in characters; None where the file can't be read."""

    path: str
    line: int | None
    column: int | None
    message: str
    hint: str = ""
    """What to do, e.g. `did you mean 'fault'?`; empty where the message says it."""

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}:{self.column}"
        return f"{where}: {self.message}" + (f"; {self.hint}" if self.hint else "")

    def to_json(self) -> dict[str, str | int | None]:
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "hint": self.hint or None,
        }


class ScenarioErrors(ScenarioError):
    """Everything that is wrong with a file; the text has one line for each problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ScenarioErrors], tuple[list[Problem]]]:
        return type(self), (self.problems,)


@frozen
class Finding:
    """A problem before its place in the file is known: `path` leads to a value, or with `at_key` to its key."""

    path: Path
    message: str
    hint: str = ""
    at_key: bool = False


def shown(text: object, longest: int = 60) -> str:
    """A value as a message shows it: quoted, on one line, never longer than about `longest` characters."""
    if isinstance(text, str):
        text = text if len(text) <= longest else text[: longest - 1] + "…"
        return "'" + "".join(c if c.isprintable() else "\ufffd" for c in text) + "'"
    if text is None:
        return "null"
    if isinstance(text, bool):
        return "true" if text else "false"
    if isinstance(text, list):
        return "a list"
    if isinstance(text, dict):
        return "a mapping"
    if isinstance(text, int) and abs(text) >= 10**30:
        return "a very large number"
    return str(text)


def nearest(word: object, known: Iterable[str]) -> str:
    """`did you mean 'fault'?` where one of the `known` words is near, else an empty string."""
    found = nearest_word(word, known)
    return f"did you mean {found!r}?" if found is not None else ""


def nearest_word(word: object, known: Iterable[str]) -> str | None:
    """The one of the `known` words that is near to `word`, in whatever case and with whatever dashes."""
    if not isinstance(word, str) or len(word) > 200:
        return None
    candidates = {candidate.lower(): candidate for candidate in known}
    lowered = word.lower().replace("_", "-")
    for spelling in (word.lower(), lowered, lowered.replace("-", "_")):
        if spelling in candidates:
            return candidates[spelling]
    import difflib

    near = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=0.6)
    return candidates[near[0]] if near else None


def listed(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = list(words) or ["nothing"]
    return f"{', '.join(most)} or {last}" if most else last


def nearest_or_all(word: object, known: Sequence[str]) -> str:
    """The nearest right word, or all of them where none is near."""
    return nearest(word, known) or (f"write {listed(known)}" if known else "")
