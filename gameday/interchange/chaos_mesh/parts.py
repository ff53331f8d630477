"""A mapping of a manifest, from which each key is taken once, so that what nobody took can be listed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gameday.frozen import field, slotted
from gameday.interchange.losses import Losses, Way, spelt
from gameday.scenario.duration import LONGEST
from gameday.scenario.problems import shown

Json = Any

_GO = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class NotCarried(Exception):
    """A whole fault can't be carried over. Raised and listed; never leaves the import."""

    def __init__(self, way: Way, why: str) -> None:
        super().__init__(why)
        self.way = way
        self.why = why


def go_duration(text: str) -> float | None:
    """Seconds of a duration as Go writes it, `1h30m` or `1.5s`; None where it is none."""
    if text in ("0", "+0"):
        return 0.0
    plain = text.removeprefix("+")
    if not plain or "".join(found[0] for found in _GO.finditer(plain)) != plain:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _GO.findall(plain))


@slotted
class Part:
    """One mapping, where it stands, and whose it is."""

    raw: Mapping[str, Json]
    way: Way
    """From the document's top; the first step is the document's number from 0."""
    owner: str
    """`document 2, NetworkChaos slow`: with this every loss begins."""
    depth: int
    """How many steps of the way lead to the object itself."""
    losses: Losses
    taken: set[str] = field(default_factory=set)

    def at(self, key: str | None = None) -> Way:
        return self.way if key is None else (*self.way, key)

    def take(self, key: str) -> Json:
        """The value; None where there is none."""
        self.taken.add(key)
        return self.raw.get(key)

    def text(self, key: str) -> str:
        """A text, or what can be read as one; "" where there is none.

        Raises:
            NotCarried: it is a list or a mapping.
        """
        value = self.take(key)
        if value is None:
            return ""
        if isinstance(value, dict | list | bool):
            raise NotCarried(self.at(key), f"{shown(value)} where a text should be")
        return str(value).strip()

    def texts(self, key: str) -> list[str]:
        """A list of texts; empty where there is none."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list) or any(isinstance(item, dict | list | bool | None) for item in value):
            raise NotCarried(self.at(key), "a list of texts should be here")
        return [str(item) for item in value]

    def pairs(self, key: str) -> dict[str, str]:
        """A mapping of texts; empty where there is none."""
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, dict) or any(isinstance(item, dict | list | None) for item in value.values()):
            raise NotCarried(self.at(key), "a mapping of texts should be here")
        return {name: str(item).lower() if isinstance(item, bool) else str(item) for name, item in value.items()}

    def number(self, key: str, default: int) -> int:
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip(), re.ASCII):
            return int(value)
        if type(value) is not int:
            raise NotCarried(self.at(key), f"{shown(value)} where a whole number should be")
        return value

    def seconds(self, key: str) -> float | None:
        """A duration; None where there is none. At most 30 days."""
        text = self.text(key)
        if not text:
            return None
        found = go_duration(text)
        if found is None:
            raise NotCarried(self.at(key), f"{shown(text)} is no duration such as 30s, 5m or 1h30m")
        return min(found, LONGEST)

    def part(self, key: str) -> Part | None:
        """A mapping within; None where there is none."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise NotCarried(self.at(key), f"{shown(value)} where a mapping should be")
        return Part(value, self.at(key), self.owner, self.depth, self.losses)

    def lose(self, key: str | None, why: str) -> None:
        self.losses.lose(self.at(key), why, self._what(self.at(key)))

    def change(self, key: str | None, why: str) -> None:
        self.losses.change(self.at(key), why, self._what(self.at(key)))

    def rest(self, why: str, *, harmless: bool = False) -> None:
        """List what nobody took. What is empty says nothing."""
        for key, value in self.raw.items():
            if key not in self.taken and value not in (None, "", [], {}):
                (self.change if harmless else self.lose)(key, why)

    def lost(self, error: NotCarried) -> None:
        """List the whole fault."""
        self.losses.lose(error.way, f"{error.why}; it is not in the scenario", self._what(error.way))

    def _what(self, way: Way) -> str:
        inner = way[self.depth :]
        return f"{self.owner}: {spelt(inner)}" if inner else self.owner
