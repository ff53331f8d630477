"""Label and field selectors: from a query string or a LabelSelector object to a predicate."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.kubernetes.answers import bad_request
from tests.support.kubernetes.resources import Resource

Labels = Mapping[str, str]
Match = Callable[[dict[str, Any]], bool]

_WORD = re.compile(r"[^\s,=!()<>]+")
# Which fields each resource can be selected by, besides its name and namespace.
_FIELDS = {
    "/pods": {"spec.nodeName", "status.phase", "spec.restartPolicy", "spec.serviceAccountName", "status.podIP"},
    "/events": {
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "involvedObject.resourceVersion",
        "reason",
        "type",
        "source",
        "reportingComponent",
    },
    "/nodes": {"spec.unschedulable"},
    "/namespaces": {"status.phase"},
    "/secrets": {"type"},
    "apps/replicasets": {"status.replicas"},
    "batch/jobs": {"status.successful"},
}


class _Scanner:
    """Reads one label selector from left to right, and complains as the server does."""

    def __init__(self, text: str) -> None:
        self.tokens = re.findall(r"==|!=|[=!(),<>]|[^\s,=!()<>]+", text)
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def word(self) -> str:
        token = self.take()
        if not _WORD.fullmatch(token):
            raise bad_request(f"unable to parse requirement: found '{token}', expected: identifier")
        return token

    def values(self) -> set[str]:
        if self.take() != "(":
            raise bad_request(f"unable to parse requirement: found '{self.tokens[self.at - 1]}' expected: '('")
        if self.peek() == ")":
            # Taken for one empty value.
            self.take()
            return {""}
        found = {self.word()}
        while (token := self.take()) == ",":
            found.add(self.word())
        if token != ")":
            raise bad_request(f"unable to parse requirement: found '{token}', expected: ',' or ')'")
        return found

    def requirement(self) -> Callable[[Labels], bool]:
        if not _WORD.fullmatch(self.peek()) and self.peek() != "!":
            raise bad_request(f"found '{self.peek()}', expected: !, identifier, or 'end of string'")
        if self.peek() == "!":
            self.take()
            key = self.word()
            return lambda labels: key not in labels
        key = self.word()
        operator = self.peek()
        if operator in ("", ","):
            return lambda labels: key in labels
        self.take()
        if operator in ("=", "==", "!="):
            # An empty value is allowed: `app=`.
            value = "" if self.peek() in ("", ",") else self.word()
            if operator == "!=":
                return lambda labels: labels.get(key) != value
            return lambda labels: labels.get(key) == value
        if operator in ("in", "notin"):
            values = self.values()
            if operator == "in":
                return lambda labels: labels.get(key) in values
            return lambda labels: labels.get(key) not in values
        if operator in ("<", ">"):
            limit, above = int(self.word()), operator == ">"
            return lambda labels: key in labels and (int(labels[key]) > limit) == above and int(labels[key]) != limit
        raise bad_request(f"unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt")


def by_labels(text: str) -> Match:
    """The predicate of a `labelSelector` parameter; 400 when it can't be read."""
    scanner = _Scanner(text)
    wanted: list[Callable[[Labels], bool]] = []
    while scanner.peek():
        wanted.append(scanner.requirement())
        token = scanner.take()
        if token not in ("", ","):
            raise bad_request(f"unable to parse requirement: found '{token}', expected: ',' or 'end of string'")
    return lambda obj: all(want(obj["metadata"].get("labels") or {}) for want in wanted)


def by_object(selector: Mapping[str, Any] | None) -> Callable[[Labels], bool]:
    """The predicate of a LabelSelector (`matchLabels`, `matchExpressions`); nothing matches None, all match {}."""
    if selector is None:
        return lambda labels: False
    exact = dict(selector.get("matchLabels") or {})
    expressions = list(selector.get("matchExpressions") or [])

    def match(labels: Labels) -> bool:
        for one in expressions:
            key, values = one["key"], one.get("values") or []
            holds = {
                "In": labels.get(key) in values,
                "NotIn": labels.get(key) not in values,
                "Exists": key in labels,
                "DoesNotExist": key not in labels,
            }[one["operator"]]
            if not holds:
                return False
        return all(labels.get(key) == value for key, value in exact.items())

    return match


def as_text(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as the string in `Scale.status.selector`."""
    if not selector:
        return ""
    words = {"In": "{} in ({})", "NotIn": "{} notin ({})", "Exists": "{}", "DoesNotExist": "!{}"}
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for one in selector.get("matchExpressions") or []:
        parts.append(words[one["operator"]].format(one["key"], ",".join(sorted(one.get("values") or []))))
    return ",".join(parts)


def by_fields(resource: Resource, text: str) -> Match:
    """The predicate of a `fieldSelector` parameter; 400 for a field that this resource can't be selected by."""
    wanted: list[tuple[list[str], str, bool]] = []
    allowed = {"metadata.name"} | ({"metadata.namespace"} if resource.namespaced else set())
    allowed |= _FIELDS.get(resource.key, set())
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"([^=!]+)(==|!=|=)(.*)", part)
        if not found:
            raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        path, operator, value = found.groups()
        if path not in allowed:
            raise bad_request(
                f"field label not supported: {path}"
                if not resource.group
                else f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            )
        wanted.append((path.split("."), value, operator != "!="))
    return lambda obj: all((_at(obj, path) == value) == equal for path, value, equal in wanted)


def _at(obj: Any, path: list[str]) -> str:
    for step in path:
        obj = (obj or {}).get(step)
    if isinstance(obj, bool):
        return "true" if obj else "false"
    return "" if obj is None else str(obj)
