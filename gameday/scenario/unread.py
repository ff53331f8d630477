"""What stands in a file and could not be read: a wrong shape, a word that YAML reads otherwise, a misspelt key.

It has been reported as such. The checks of meaning ask here, so that they judge all the rest, and say nothing that
would be gone when that one thing is repaired. Pure data; reads nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pydantic import BaseModel

from gameday.scenario.problems import Path

_FIELDS = {"with": "with_", "for": "for_"}
"""Fields whose names in code differ from those in a file."""


class Unread:
    """Ways in a scenario to something that stands there and is not known."""

    __slots__ = ("_around", "_open", "_ways")

    def __init__(self, ways: Mapping[Path, Path] | None = None, unnamed: Collection[Path] = ()) -> None:
        """`ways` lead from where something belongs to where it stands; the two differ where its key is misspelt.

        `unnamed` are mappings with a key that nobody knows, and that is not nearly one that is known.
        """
        self._ways = dict(ways or {})
        self._around = {way[:length] for way in self._ways for length in range(len(way))}
        self._open = frozenset(unnamed)

    def __bool__(self) -> bool:
        return bool(self._ways)

    def at(self, path: Path) -> bool:
        """What stands at `path`, or something around it, could not be read."""
        return bool(self._ways) and any(path[:length] in self._ways for length in range(1, len(path) + 1))

    def within(self, path: Path) -> bool:
        """The same, or something inside could not be read."""
        return bool(self._ways) and (path in self._around or self.at(path))

    def anything_in(self, paths: Iterable[Path]) -> bool:
        return bool(self._ways) and any(self.within(path) for path in paths)

    def misspelt(self, path: Path) -> bool:
        """What belongs at `path` stands under another key, which may have been meant otherwise."""
        return bool(self._ways) and self._ways.get(path, path) != path

    def open(self, path: Path) -> bool:
        """The mapping at `path` has a key that could be any: nobody can say what is not in there."""
        return path in self._open or self.at(path)

    def standing(self, path: Path) -> Path:
        """Where that what belongs at `path` stands in the file."""
        if self._ways:
            for length in range(len(path), 0, -1):
                if (found := self._ways.get(path[:length])) is not None:
                    return (*found, *path[length:])
        return path


NOTHING = Unread()
"""Of a file that could be read as a whole, as most can."""


def has(item: BaseModel, key: str, path: Path, unread: Unread) -> bool:
    """Under `key` of `item`, which stands at `path`, there is something, whether it can be read or not."""
    return getattr(item, _FIELDS.get(key, key)) is not None or (unread is not NOTHING and unread.at((*path, key)))


def clashes(item: BaseModel, key: str, path: Path, unread: Unread) -> bool:
    """The same, and under this very key: so that something else can't stand beside it."""
    return has(item, key, path, unread) and not unread.misspelt((*path, key))


def says(item: BaseModel, key: str, path: Path, unread: Unread) -> bool:
    """The same, where a default or null counts as nothing said, unless it is written down."""
    if _FIELDS.get(key, key) in item.model_fields_set:
        return True
    return unread is not NOTHING and unread.at((*path, key)) and not unread.misspelt((*path, key))
