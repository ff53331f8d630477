"""From text to plain data with the place of every value, in one pass over libyaml's events; collects all problems.

Events, not nodes: libyaml's composer recurses in C and dies on 200 kB of `[`, and PyYAML's constructor is slower than
what is done here. Nesting and values are counted while the events come, and reading stops at the limit. What YAML can
do beyond plain data (anchors, tags, merge keys, several documents) is refused: nobody should need a manual to read a
scenario, and a bomb needs aliases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from gameday.frozen import field, frozen, slotted
from gameday.scenario.problems import MOST_PROBLEMS, Path, Problem, shown
from gameday.scenario.scalars import Trap, resolve

Json = Any
Event = Any
"""One of libyaml's; which attributes it has depends on its kind."""

DEEPEST = 40
"""Levels of nesting."""
MOST_VALUES = 50_000
"""Values in one file, lists and mappings included."""

_POISON = object()
"""Stands where a value could not be understood, so that no check takes it for one."""

_MOST_ALIASES = 10
"""Anchors and aliases that are reported one by one; a file with more of them is told so once."""

_known: dict[str, Json | Trap] = {}
"""Plain scalars met before: keys and small words come again in every file."""
_MOST_KNOWN = 4096


@frozen
class Place:
    """Line and column, from 1, in characters."""

    line: int
    column: int


@slotted
class Parsed:
    """What stands in a text, as far as it can be read."""

    document: Json = None
    problems: list[Problem] = field(default_factory=list)
    poisoned: set[Path] = field(default_factory=set)
    """Ways to values that were not understood; something stands there that is not JSON."""
    whole: bool = False
    """The parser came to the end: `document` is all that there is."""
    placeholders: dict[Path, str] = field(default_factory=dict)
    """Texts that have `${` in them, by their way."""
    marks: dict[Path, tuple[Any, Any]] = field(default_factory=dict)
    """For each way: libyaml's marks of the value and of its key."""

    def refused(self, path: Path) -> bool:
        """The value at `path`, or one around it, was not understood."""
        return bool(self.poisoned) and any(path[:length] in self.poisoned for length in range(1, len(path) + 1))

    def refused_key(self, path: Path) -> bool:
        """The last key on the way was not understood, or something around it; what stands there may be."""
        return self.refused(path if str(path[-1]).startswith("\0") else path[:-1]) if path else False

    def refuse(self, path: Path) -> Json:
        """Count the value at `path` as one that was not understood; what is to stand there instead."""
        self.poisoned.add(path)
        return _POISON

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where the value at `path` stands, or its key; the nearest thing around it where there is no such value."""
        while path not in self.marks and path:
            path, key = path[:-1], True
        if path not in self.marks:
            return Place(1, 1)
        mark = self.marks[path][key]
        return Place(mark.line + 1, mark.column + 1)


class _Stop(Exception):
    """Nothing after this can be judged."""


def parse(text: str, name: str) -> Parsed:
    """All that can be known of `text`; `name` is the path that problems carry. Never raises for what is in it."""
    parser = _Parser(text, name)
    try:
        parser.document()
    except _Stop:
        pass
    except yaml.YAMLError as error:
        parser.result.problems.append(_syntax(error, text, name))
    parser.result.problems += parser.aliases()
    return parser.result


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.result = Parsed()
        self.marks = self.result.marks
        self.events: Callable[[], Event] = yaml.CSafeLoader(text).get_event
        self._aliases: list[Problem] = []
        """One for each anchor and alias."""
        self._anchored = 0
        """Values with an anchor around what is read."""
        self._multiplied = False

    def problem(self, event: Event, message: str, hint: str = "") -> None:
        mark = event.start_mark
        self.result.problems.append(Problem(self.name, mark.line + 1, mark.column + 1, message, hint))
        if len(self.result.problems) > MOST_PROBLEMS:
            raise _Stop

    def alias(self, event: Event, message: str, hint: str) -> None:
        """An anchor or an alias. One within the other is how a few lines become billions of values: that is enough."""
        mark = event.start_mark
        self._aliases.append(Problem(self.name, mark.line + 1, mark.column + 1, message, hint))
        if type(event) is AliasEvent and self._anchored:
            self._multiplied = True
            raise _Stop

    def aliases(self) -> list[Problem]:
        """What is to be said of the anchors and aliases; of many, one thing."""
        if not self._aliases or (len(self._aliases) <= _MOST_ALIASES and not self._multiplied):
            return self._aliases
        first = self._aliases[0]
        if self._multiplied:
            hint = "write plain values; aliases of values with aliases in them can grow without bounds"
            return [replace(first, message="anchors and aliases are not supported (a YAML bomb?)", hint=hint)]
        message = f"anchors (&) and aliases (*) are not supported, and there are {len(self._aliases):,} from here on"
        return [replace(first, message=message, hint="write the values where they are needed")]

    def document(self) -> None:
        self.events()
        event = self.events()
        if type(event) is StreamEndEvent:
            self.problem(event, "there is nothing but comments in this file", "`gameday new` writes one to start from")
            raise _Stop
        event = self.events()
        if type(event) is not MappingStartEvent:
            kind = "a list" if type(event) is SequenceStartEvent else "a single value"
            self.problem(event, f"a scenario is a mapping of keys; this is {kind}", "begin with `version: 1`")
            raise _Stop
        self.result.document = self.value(event, (), event)
        self.events()
        event = self.events()
        if type(event) is not StreamEndEvent:
            self.problem(event, "a second document begins here", "write one scenario to a file")
            raise _Stop
        self.result.whole = True

    def value(self, event: Event, path: Path, key: Event) -> Json:
        kind = type(event)
        marks = self.marks
        marks[path] = (event.start_mark, key.start_mark)
        if len(marks) > MOST_VALUES:
            self.problem(event, f"there are more than {MOST_VALUES:,} values in this file", "split the scenario")
            raise _Stop
        if kind is AliasEvent:
            self.alias(event, f"aliases (*{event.anchor}) are not supported", "write the value again")
            return self.poison(path)
        odd = (event.anchor or event.tag is not None) and self.adornments(event)
        if kind is ScalarEvent:
            text = event.value
            if "${" in text:
                self.result.placeholders[path] = text
            if not event.implicit[0]:
                return self.poison(path) if odd else text
            found = _known[text] if text in _known else _plain(text)
            if type(found) is Trap:
                message = f"{shown(path[-1])} has no value" if not text and type(path[-1]) is str else found.message
                self.problem(event if text else key, message, found.hint)
                return self.poison(path)
            return self.poison(path) if odd else found
        if len(path) > DEEPEST:
            self.problem(event, f"nested deeper than {DEEPEST} levels", "a scenario needs a handful")
            raise _Stop
        if event.anchor:
            self._anchored += 1
        found = self.mapping(path) if kind is MappingStartEvent else self.items(path)
        if event.anchor:
            self._anchored -= 1
        return self.poison(path) if odd else found

    def items(self, path: Path) -> list[Json]:
        items: list[Json] = []
        while type(event := self.events()) is not SequenceEndEvent:
            items.append(self.value(event, (*path, len(items)), event))
        return items

    def mapping(self, path: Path) -> dict[str, Json]:
        mapping: dict[str, Json] = {}
        events = self.events
        while type(event := events()) is not MappingEndEvent:
            # A word that was met before and is plain text needs no second look.
            key = _known.get(event.value) if type(event) is ScalarEvent and event.implicit[0] else None
            if type(key) is not str or event.anchor:
                key = self.key(event, path)
            if key not in mapping:
                mapping[key] = self.value(events(), (*path, key), event)
                continue
            first = self.marks[(*path, key)]
            self.problem(
                event,
                f"key {shown(key)} stands twice in this mapping: on line {first[1].line + 1} and on line "
                f"{event.start_mark.line + 1}",
                "remove one",
            )
            # A way that no value of the document has.
            lost = (*path, -len(self.marks))
            self.value(self.events(), lost, event)
            self.poison(lost)
        return mapping

    def key(self, event: Event, path: Path) -> str:
        """The text of a key; what can't be one is reported, and gets a name that nothing else has."""
        odd = (event.anchor or getattr(event, "tag", None) is not None) and self.adornments(event)
        if type(event) is not ScalarEvent:
            if type(event) is AliasEvent:
                self.alias(event, f"aliases (*{event.anchor}) are not supported", "write the key out")
            else:
                hint = "put a value that begins with { or [ in quotes"
                self.problem(event, "a key is text, not a list or a mapping", hint)
            raise _Stop
        text: str = event.value
        if not event.implicit[0]:
            found: Json = text
        else:
            found = _known[text] if text in _known else _plain(text)
        if type(found) is str and not odd:
            return found
        if type(found) is Trap:
            if text:
                self.problem(event, found.message, found.hint)
            else:
                self.problem(event, "there is no key before this colon", "write one")
        elif not odd:
            self.problem(event, f"a key is text, {shown(found)} is not", f'write "{text}" in quotes')
        name = f"\0{len(self.marks)}"
        self.poison((*path, name))
        return name

    def adornments(self, event: Event) -> bool:
        """Report an anchor or a tag on `event`; whether there is one that changes what the value means."""
        if event.anchor and type(event) is not AliasEvent:
            self.alias(event, f"anchors (&{event.anchor}) are not supported", "write the value where it is needed")
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problem(event, f"tags ({shown(tag)}) are not supported", "write plain values, text in quotes")
            return True
        return False

    def poison(self, path: Path) -> Json:
        return self.result.refuse(path)


def _plain(text: str) -> Json | Trap:
    value = resolve(text)
    if len(_known) < _MOST_KNOWN and len(text) <= 64:
        _known[text] = value
    return value


_PLAIN_WORDS = (
    # What libyaml says, and what a person needs to hear.
    ("found character that cannot start any token", "this character can't begin a value", "put the value in quotes"),
    ("mapping values are not allowed", "a colon and a space where no key can be", "put a text that has ': ' in quotes"),
    ("could not find expected ':'", "a key without its colon", "write `key: value`"),
    (
        "did not find expected key",
        "a key was expected here",
        "check the indentation, and quote texts that begin with a quote",
    ),
    ("did not find expected '-' indicator", "a list item (-) was expected here", "check the indentation"),
    ("did not find expected ',' or ']'", "a comma or ] was expected here", "close the list"),
    ("did not find expected ',' or '}'", "a comma or } was expected here", "close the mapping"),
    ("did not find expected node content", "a value was expected here", "write one"),
    ("did not find expected <document start>", "this does not belong to what stands before", "check the indentation"),
    ("found unexpected end of stream", "a quotation or a bracket is never closed", "close it"),
    ("found unknown escape character", "an unknown escape in a text in double quotes", "use single quotes"),
    ("found undefined tag handle", "tags are not supported", "write plain values, text in quotes"),
    ("block sequence entries are not allowed", "a list item (-) can't begin here", "put it on a line of its own"),
    ("control characters are not allowed", "a control character", "remove it"),
    ("found a tab character", "a tab where spaces belong", "indent with spaces"),
)


def _syntax(error: yaml.YAMLError, text: str, name: str) -> Problem:
    """A libyaml error in plain words. Its mark is where the parser gave up, which is at or after the mistake."""
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        line, column, problem = mark.line, mark.column, error.problem or "can't be read as YAML"
        opened = error.context_mark
    else:
        # A ReaderError counts bytes from the beginning of the file.
        position = getattr(error, "position", 0)
        before = text.encode()[: position if isinstance(position, int) else 0].decode("utf-8", "replace")
        line, column, opened = before.count("\n"), len(before) - before.rfind("\n") - 1, None
        problem = str(getattr(error, "reason", "")) or "can't be read as YAML"
    lines = text.split("\n")
    there = lines[line] if line < len(lines) else ""
    message, hint = problem, "check quotes and indentation"
    for words, plain, advice in _PLAIN_WORDS:
        if words in problem:
            message, hint = plain, advice
            break
    if "\t" in there[: len(there) - len(there.lstrip())] or there[column : column + 1] == "\t":
        column = there.index("\t")
        message, hint = "a tab where spaces belong", "indent with spaces"
    elif there[column : column + 1] in ("@", "`", "%"):
        message, hint = f"a value can't begin with {there[column]}", "put it in quotes"
    elif "${" in there and ("{" in there.replace("${", "") or "[" in there):
        hint = 'inside { } and [ ] put a placeholder in quotes: "${name}"'
    if opened and ("never closed" in message or "without its colon" in message):
        line, column = opened.line, opened.column
    elif opened and opened.line < line and "comma" in message:
        message += f" (what it belongs to begins on line {opened.line + 1})"
    return Problem(name, line + 1, column + 1, message, hint)
