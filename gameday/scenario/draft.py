"""A scenario as far as it can be read: what the checks look at.

Where a file has a mistake of shape somewhere, all around it is still judged, so that one run names everything. What
can't be read is taken out, or replaced by something harmless where there must be something, and remembered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from gameday.frozen import frozen
from gameday.scenario.models import AbortCondition, Check, Entry, Expectation, Limits, Scenario
from gameday.scenario.problems import Path, nearest_word
from gameday.scenario.unread import NOTHING, Unread, has
from gameday.scenario.wording import keys_of, place_name, walk

Json = Any
T = TypeVar("T")

_STAND_INS: Mapping[str, Json] = {
    # Where a mapping must have these keys: values that the checks of meaning pass over.
    "version": 1,
    "title": "?",
    "url": "${?}",
    "query": "?",
    "name": "?",
    "address": "${?}",
    "command": ["?"],
    "type": "python",
    "expect": {},
}
_ITEMS: Mapping[str, Json] = {"steady_state": {"expect": {}}, "timeline": {}, "expect": {}, "abort_when": {"name": "?"}}
"""For an item of these lists that can't be read at all; it becomes None in the draft."""
_MOST_ROUNDS = 10


@frozen
class Draft:
    """The parts of a scenario; an item of which nothing can be read is None and keeps its index."""

    raw: dict[str, Json]
    """The document, parameters filled in."""
    steady_state: Sequence[Check | None]
    timeline: Sequence[Entry | None]
    expect: Sequence[Expectation | None]
    abort_when: Sequence[AbortCondition | None]
    limits: Limits
    names: Sequence[tuple[Path, str]]
    """Placeholders that no parameter fills, with their ways."""
    unread: Unread = NOTHING

    @property
    def target(self) -> str | None:
        target = self.raw.get("target")
        return target if isinstance(target, str) else None

    def has(self, key: str) -> bool:
        """Something stands under this key of the scenario, whether it can be read or not."""
        return bool(self.raw.get(key)) or self.unread.at((key,))

    def entry_id(self, index: int) -> str | None:
        """The id of entry `index`, like `Scenario.entry_id`; None where it has one that can't be read."""
        path = ("timeline", index)
        entry = self.timeline[index]
        if self.unread.at((*path, "id")):
            _, found = walk(self.unread.standing((*path, "id")), self.raw)
            return str(found) if isinstance(found, str | int | float) else None
        if entry is None:
            return None
        kinds = [kind for kind in ("fault", "check") if has(entry, kind, path, self.unread)]
        return entry.id or f"{kinds[0] if kinds else 'inject'}-{index + 1}"


def whole(
    scenario: Scenario, raw: dict[str, Json], names: Sequence[tuple[Path, str]], refused: Collection[Path] = ()
) -> Draft:
    """The draft of a scenario without mistakes of shape; `refused` are the ways that the parser refused."""
    return _draft(scenario, raw, names, Unread(unread_ways(refused)) if refused else NOTHING, ())


def pieces(raw: dict[str, Json], names: Sequence[tuple[Path, str]], refused: Collection[Path]) -> Draft:
    """What can be read of a document that as a whole can't; `refused` are the ways that the parser refused."""
    salvage = _Salvage(raw, refused)
    scenario = salvage.scenario()
    lost = {way for way in salvage.ways if len(way) == 2}
    return _draft(scenario, raw, names, Unread(salvage.ways, salvage.unnamed), lost)


def _draft(
    scenario: Scenario, raw: dict[str, Json], names: Sequence[tuple[Path, str]], unread: Unread, lost: Collection[Path]
) -> Draft:
    def readable(key: str, items: Sequence[T]) -> Sequence[T | None]:
        return [None if (key, index) in lost else item for index, item in enumerate(items)] if lost else items

    return Draft(
        raw,
        readable("steady_state", scenario.steady_state),
        readable("timeline", scenario.timeline),
        readable("expect", scenario.expect),
        readable("abort_when", scenario.abort_when),
        scenario.limits,
        names,
        unread,
    )


class _Salvage:
    """Takes out of a copy of a document what can't be read, until the rest can."""

    def __init__(self, raw: dict[str, Json], refused: Collection[Path]) -> None:
        self._document = _copied(raw)
        self._taken: set[Path] = set()
        self.ways: dict[Path, Path] = unread_ways(refused)
        self.unnamed: set[Path] = set()

    def scenario(self) -> Scenario:
        for _ in range(_MOST_ROUNDS):
            try:
                return Scenario.model_validate(self._document)
            except ValidationError as error:
                earlier = frozenset(self._taken)
                # All ways before anything is taken out: one value can have several errors.
                wrong = [
                    (str(details["type"]), details["loc"], walk(details["loc"], self._document)[0])
                    for details in error.errors(include_url=False, include_context=False)
                ]
                for kind, loc, path in wrong:
                    self._without(kind, loc, path, earlier)
        # Nothing of it can be read, then; its shape has been reported.
        self.ways = {(key,): (key,) for key in Scenario.model_fields}
        return Scenario.model_validate({"version": 1, "title": "?"})

    def _without(self, kind: str, loc: Sequence[str | int], path: Path, earlier: Collection[Path]) -> None:
        if kind == "extra_forbidden" and path and path[-1] == loc[-1]:
            self._unknown(path)
            return
        if kind == "missing" and isinstance(loc[-1], str):
            path = (*path, loc[-1])
        # What was taken out before, and is still wrong, goes with what is around it.
        while path in earlier:
            path = path[:-1]
        self._lose(path)

    def _unknown(self, path: Path) -> None:
        """A key that nobody knows: gone, and where it is nearly one that is missing, that one is there, unread."""
        around, key = path[:-1], str(path[-1])
        found, mapping = walk(around, self._document)
        if found != around or key not in mapping:
            return  # Taken out together with what is around it.
        del mapping[key]
        if key.startswith("\0"):
            # The parser could not read it: it may be any.
            self._lose(around)
            return
        model = place_name(around)[1]
        meant = nearest_word(key, keys_of(model) if model else ())
        if meant is None:
            self.unnamed.add(around)
        elif meant not in mapping:
            self._lose((*around, meant))
            self.ways[(*around, meant)] = path

    def _lose(self, path: Path) -> None:
        found, holder = walk(path[:-1], self._document)
        if not path or found != path[:-1]:
            return  # Taken out together with what is around it.
        self._taken.add(path)
        self.ways.setdefault(path, path)
        key = path[-1]
        if isinstance(holder, list):
            self._lose_item(path, holder)
        elif _must_be_there(path):
            holder[key] = _copied(_STAND_INS[str(key)])
        else:
            holder.pop(key, None)

    def _lose_item(self, path: Path, items: list[Json]) -> None:
        index = cast(int, path[-1])
        if len(path) == 2 and path[0] in _ITEMS:
            items[index] = _copied(_ITEMS[str(path[0])])
        elif path[-2] == "audience":
            items[index] = ""
        else:
            self._lose(path[:-1])


def unread_ways(refused: Collection[Path]) -> dict[Path, Path]:
    """What the parser refused, as `Unread` has it; of a mapping with a key that it refused nothing is known."""
    ways = [way[:-1] if isinstance(way[-1], str) and way[-1].startswith("\0") else way for way in refused if way]
    return {way: way for way in ways if way}


def _must_be_there(path: Path) -> bool:
    model = place_name(path[:-1])[1]
    return model is not None and path[-1] in model.model_fields and model.model_fields[str(path[-1])].is_required()


def _copied(value: Json) -> Json:
    """A copy of the containers; what is no JSON stays what it is."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copied(inner) for inner in value]
    return value
