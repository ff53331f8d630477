"""From a file to the objects of Kubernetes in it: YAML or JSON, one or several documents, lists of objects taken apart.

Read as `kubectl` reads it. What is no plain data is refused, with its place; which objects are faults is not
asked here.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import yaml

from gameday.frozen import frozen, slotted
from gameday.interchange.losses import Losses, Way
from gameday.scenario.problems import Problem, ScenarioErrors, shown

Json = Any

DEEPEST = 40
MOST_VALUES = 50_000
MOST_OBJECTS = 200
"""Objects of one file that are looked at; one exercise has a handful of faults."""
_OBJECT = re.compile(rb"^[\"']?apiVersion[\"']?\s*:", re.MULTILINE)
_OTHER = re.compile(
    rb"^[\"']?(timeline|steady_state|abort_when|method|steady-state-hypothesis)[\"']?\s*:", re.MULTILINE
)
_TEMPLATE = re.compile(r"^(?!\s*#).*?(\{\{)", re.MULTILINE)
_RENDER = "render it first, e.g. `helm template CHART > manifests.yaml`, and import what comes out"


@frozen
class Thing:
    """One object of a file."""

    where: str
    """`document 2`, or `document 1, item 3` of a List; both count from 1."""
    way: Way
    raw: Json


@slotted
class Manifests:
    """What stands in a file, as far as it is plain data."""

    path: str
    sha256: str
    things: list[Thing]
    losses: Losses


def is_manifest(content: bytes, path: str) -> bool:
    """Whether a file looks like objects of Kubernetes, and like nothing else that is imported. Cheap."""
    if b"apiVersion" not in content:
        return False
    if content.lstrip()[:1] in (b"{", b"["):
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            # Several documents, one after another; or broken, and told so by whoever reads it.
            return b'"method"' not in content and (b"chaos-mesh.org/" in content or not path.endswith(".json"))
        first = found[0] if isinstance(found, list) and found else found
        return isinstance(first, dict) and "apiVersion" in first and not first.keys() & {"method", "timeline"}
    return bool(_OBJECT.search(content)) and not _OTHER.search(content)


def read_manifests(content: bytes, text: str, path: str) -> Manifests:
    """The objects in `text`, which is what the file's bytes `content` say.

    Raises:
        ScenarioErrors: it is no YAML or JSON, or a template, or far too much; with line and column.
    """
    documents = _json(text, path) if text.lstrip()[:1] in ("{", "[") else None
    places: list[yaml.Node | None] = []
    twice: list[Way] = []
    if documents is None:
        documents, places, twice = _yaml(text, path)
    elif len(documents) == 1:
        try:
            _, places, twice = _yaml(text, path)
        except ScenarioErrors:
            # JSON that is no YAML, indented by tabs for example: its places stay unknown.
            places = []

    def place(way: Way) -> tuple[int, int] | None:
        index = way[0] if way else 0
        return _find(places[index], way[1:]) if isinstance(index, int) and index < len(places) else None

    losses = Losses(place)
    plain = _Plain(path, losses)
    things: list[Thing] = []
    for way in twice:
        losses.change(way, f"the key {shown(way[-1])} stands twice; the last one counts")
    for number, raw in enumerate(documents):
        if raw is not None:
            things += _objects(plain.value(raw, (number,)), f"document {number + 1}", (number,))
    if len(things) > MOST_OBJECTS:
        message = f"there are {len(things):,} objects in this file, at most {MOST_OBJECTS} are imported at once"
        raise ScenarioErrors([Problem(path, None, None, message, "split it")])
    return Manifests(path, hashlib.sha256(content).hexdigest(), things, losses)


def _objects(raw: Json, where: str, way: Way) -> Iterator[Thing]:
    """A document's objects: itself, or those of a List."""
    if isinstance(raw, list):
        for index, item in enumerate(raw):
            yield from _objects(item, f"{where}, item {index + 1}", (*way, index))
    elif isinstance(raw, dict) and raw.get("kind") == "List" and isinstance(raw.get("items"), list):
        for index, item in enumerate(raw["items"]):
            yield from _objects(item, f"{where}, item {index + 1}", (*way, "items", index))
    else:
        yield Thing(where, way, raw)


def _problem(path: str, at: tuple[int, int] | None, message: str, hint: str = "") -> ScenarioErrors:
    return ScenarioErrors([Problem(path, at[0] if at else None, at[1] if at else None, message, hint)])


def _json(text: str, path: str) -> list[Json] | None:
    """The JSON documents in `text`; None where it is rather YAML that begins with a bracket."""
    decoder, found, at = json.JSONDecoder(), [], 0
    try:
        while (rest := len(text) - len(text[at:].lstrip())) < len(text):
            value, at = decoder.raw_decode(text, rest)
            found.append(value)
    except json.JSONDecodeError as error:
        if path.endswith(".json"):
            if templated := _template(text):
                raise _problem(path, templated, "a template ({{ … }}) and no manifest", _RENDER) from None
            raise _problem(path, (error.lineno, error.colno), f"not JSON: {error.msg}") from None
        return None
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _problem(path, None, f"not JSON that can be read: {why}") from None
    return found


def _yaml(text: str, path: str) -> tuple[list[Json], list[yaml.Node | None], list[Way]]:
    """The documents, their nodes, and where keys stand twice."""
    try:
        depth = deepest = count = 0
        # Before anything recurses: libyaml's composer does so in C.
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            deepest, count = max(deepest, depth), count + 1
            if deepest > 2 * DEEPEST or count > 4 * MOST_VALUES:
                raise _problem(path, None, "this is far too much for manifests of faults", "split it")
        values: list[Json] = []
        nodes: list[yaml.Node | None] = []
        twice: list[Way] = []
        loader = yaml.CSafeLoader(text)
        try:
            while loader.check_node():
                nodes.append(loader.get_node())
                # Before it is made into values, which rewrites nodes where there are merge keys.
                twice += _twice(nodes[-1], (len(values),), set())
                values.append(loader.construct_document(nodes[-1]))
        finally:
            loader.dispose()
        return values, nodes, twice
    except yaml.MarkedYAMLError as error:
        if templated := _template(text):
            raise _problem(path, templated, "a template ({{ … }}) and no manifest", _RENDER) from None
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark is not None else None
        raise _problem(
            path, at, f"not YAML: {error.problem or error.context}", "check quotes and indentation"
        ) from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        # A date that there is not, a number that is none: the loader raises whatever its parts raise.
        if templated := _template(text):
            raise _problem(path, templated, "a template ({{ … }}) and no manifest", _RENDER) from None
        raise _problem(path, None, f"not YAML that can be read: {error}") from None


def _template(text: str) -> tuple[int, int] | None:
    """Where the first `{{` stands that is in no comment."""
    found = _TEMPLATE.search(text)
    if found is None:
        return None
    at = found.start(1)
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def has_placeholder(raw: Json) -> bool:
    """There is a placeholder of a template in a text of it."""
    if isinstance(raw, dict):
        return any(has_placeholder(value) for value in raw.values())
    if isinstance(raw, list):
        return any(has_placeholder(item) for item in raw)
    return isinstance(raw, str) and "{{" in raw


def _find(node: yaml.Node | None, way: Way) -> tuple[int, int] | None:
    """Line and column of what stands at `way`, or of the nearest thing around it; keys where there are some."""
    if node is None:
        return None
    mark = node.start_mark
    for step in way:
        if isinstance(node, yaml.MappingNode):
            pairs = [pair for pair in node.value if getattr(pair[0], "value", None) == step]
            if not pairs:
                break
            key, node = pairs[-1]
            mark = key.start_mark
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.start_mark
        else:
            break
    return mark.line + 1, mark.column + 1


def _twice(node: yaml.Node | None, way: Way, seen: set[int]) -> Iterator[Way]:
    """Ways to keys that stand twice in a mapping; each node is looked at once, however often it is named."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        known: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in known and name != "<<":
                yield (*way, name)
            known.add(name)
            yield from _twice(value, (*way, name), seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _twice(item, (*way, index), seen)


class _Plain:
    """JSON of what a loader gives: dates become text; what JSON has no word for is listed and left out."""

    def __init__(self, path: str, losses: Losses) -> None:
        self._path = path
        self._losses = losses
        self._count = 0

    def value(self, raw: Any, way: Way) -> Json:
        self._count += 1
        if self._count > MOST_VALUES or len(way) > DEEPEST:
            # Aliases within aliases grow without bounds.
            raise _problem(self._path, None, "this is far too much for manifests of faults", "make it smaller")
        if isinstance(raw, dict):
            return {_text(str(key)): self.value(inner, (*way, _text(str(key)))) for key, inner in raw.items()}
        if isinstance(raw, list | tuple):
            return [self.value(inner, (*way, index)) for index, inner in enumerate(raw)]
        if isinstance(raw, str):
            return _text(raw)
        if raw is None or isinstance(raw, bool) or (isinstance(raw, int) and raw.bit_length() < 64):
            return raw
        if isinstance(raw, float) and math.isfinite(raw):
            return raw
        if isinstance(raw, date):
            return raw.isoformat()
        self._losses.lose(way, f"a value ({type(raw).__name__}) that no manifest can have; it is taken for null")
        return None


def _text(text: str) -> str:
    """`text` as it can be written down."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
