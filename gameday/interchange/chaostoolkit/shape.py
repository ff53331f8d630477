"""Whether plain data has the shape of an experiment, and where it has not.

What Chaos Toolkit refuses is refused; no module is imported for it, no variable read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gameday.interchange.losses import Way, spelt
from gameday.scenario.problems import nearest, shown

Json = Any
PROVIDERS = {"python": ("module", "func"), "http": ("url",), "process": ("path",)}
"""Kinds of provider, and what each can't do without."""
SECTIONS = ("method", "steady-state-hypothesis", "rollbacks")


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def activities(document: Mapping[str, Json]) -> Iterator[tuple[Way, dict[str, Json]]]:
    """All activities that `ref` may name, in Chaos Toolkit's order, and where they stand."""
    hypothesis = document.get("steady-state-hypothesis") or {}
    for way, items in (
        (("steady-state-hypothesis", "probes"), hypothesis.get("probes")),
        (("method",), document.get("method")),
        (("rollbacks",), document.get("rollbacks")),
    ):
        for index, activity in enumerate(items or ()):
            yield (*way, index), activity


Found = tuple[Way, str, str]


class Shape:
    """Everything that is wrong with the shape of `document`."""

    def __init__(self, document: Json) -> None:
        self._document = document

    @classmethod
    def of_probe(cls, probe: Json, way: Way) -> Iterator[Found]:
        """What is wrong with one activity and, if it has one, its tolerance."""
        shape = cls({})
        yield from shape._activity(way, probe)
        if isinstance(probe, dict) and "ref" in probe:
            yield (*way, "ref"), "it only names another activity", ""
        if isinstance(probe, dict) and "tolerance" in probe:
            yield from shape._tolerance((*way, "tolerance"), probe["tolerance"])

    def problems(self) -> Iterator[Found]:
        document = self._document
        if not isinstance(document, dict):
            yield (), f"an experiment is a mapping of keys; this is {shown(document)}", "write title: and method:"
            return
        if not any(key in document for key in SECTIONS):
            near = next((nearest(key, SECTIONS) for key in document if nearest(key, SECTIONS)), "")
            hint = near or "a Chaos Toolkit experiment has title: and method:"
            if document.keys() & {"timeline", "steady_state", "abort_when"}:
                hint = "it looks like a scenario, which needs no import"
            yield (), "this is no experiment: it has no method", hint
            return
        for key in ("title", "description"):
            if not isinstance(document.get(key, "" if key == "title" else "-"), str) or document.get(key) == "":
                yield (key,), f"{key!r} is text", "write one line"
        if "title" not in document:
            yield (), "an experiment has a title", "write title: and what it is about"
        if document.get("method") is None:
            yield (), "an experiment has a method", "write method: [] if only the hypothesis is to be checked"
        wanted: dict[str, type] = {"configuration": dict, "secrets": dict, "tags": list, "runtime": dict}
        for key, kind in {**wanted, "contributions": dict}.items():
            if document.get(key) is not None and not isinstance(document[key], kind):
                yield (key,), f"{key!r} is {'a mapping' if kind is dict else 'a list'}, not {shown(document[key])}", ""
        for index, tag in enumerate(_listed(document.get("tags"))):
            if not isinstance(tag, str) or not tag:
                yield ("tags", index), "a tag is text", ""
        yield from self._hypothesis()
        for key in ("method", "rollbacks"):
            yield from self._list((key,), document.get(key))
        for name, value in (document.get("configuration") or {}).items() if not self._odd("configuration") else ():
            yield from self._configured(("configuration", name), value)
        if not self._odd("method") and not self._odd("rollbacks"):
            yield from self._references()

    def _odd(self, key: str) -> bool:
        value = self._document.get(key)
        return value is not None and not isinstance(value, dict if key in ("configuration", "secrets") else list)

    def _hypothesis(self) -> Iterator[Found]:
        way: Way = ("steady-state-hypothesis",)
        hypothesis = self._document.get(way[0])
        if hypothesis is None:
            return
        if not isinstance(hypothesis, dict):
            yield way, "a steady state hypothesis is a mapping", "write title: and probes:"
            # Nothing below can be looked at.
            self._document = {**self._document, way[0]: None}
            return
        yield from self._list((*way, "probes"), hypothesis.get("probes"))
        for index, probe in enumerate(_listed(hypothesis.get("probes"))):
            at = (*way, "probes", index)
            if isinstance(probe, dict) and "tolerance" not in probe:
                hint = "say what its answer must be, e.g. tolerance: 200"
                yield at, "a probe of the hypothesis has a tolerance", hint
            elif isinstance(probe, dict):
                yield from self._tolerance((*at, "tolerance"), probe["tolerance"])

    def _list(self, way: Way, items: Json) -> Iterator[Found]:
        if items is None:
            return
        if not isinstance(items, list):
            yield way, f"{spelt(way)} is a list of activities, not {shown(items)}", "begin each with -"
            return
        for index, activity in enumerate(items):
            yield from self._activity((*way, index), activity)

    def _activity(self, way: Way, activity: Json) -> Iterator[Found]:
        if not isinstance(activity, dict):
            yield way, f"an activity is a mapping, not {shown(activity)}", "write type:, name: and provider:"
            return
        if "ref" in activity:
            if not isinstance(activity["ref"], str) or not activity["ref"]:
                yield (*way, "ref"), "ref is the name of another activity", ""
            return
        if activity.get("type") not in ("probe", "action"):
            yield (*way, "type"), f"an activity is of type probe or action, not {shown(activity.get('type'))}", ""
        if not isinstance(activity.get("name"), str) or not activity["name"]:
            yield way, "an activity has a name", "write name:"
        yield from self._provider((*way, "provider"), activity.get("provider"))
        yield from self._pauses((*way, "pauses"), activity.get("pauses"))
        if not isinstance(activity.get("background", False), bool):
            yield (*way, "background"), "background is true or false", ""
        timeout = activity.get("timeout")
        if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float)):
            yield (*way, "timeout"), "timeout is a number of seconds", ""

    def _pauses(self, way: Way, pauses: Json) -> Iterator[Found]:
        if pauses is None:
            return
        if not isinstance(pauses, dict):
            yield way, "pauses is a mapping", "write {before: 5, after: 10}"
            return
        for key in ("before", "after"):
            value = pauses.get(key)
            number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
            if (
                value is not None
                and number is None
                and not (isinstance(value, str) and re.fullmatch(r"\$\{.+\}", value))
            ):
                yield (*way, key), "a pause is a number of seconds, or ${name} of the configuration", ""
            elif number is not None and number < 0:
                yield (*way, key), "a pause can't be negative", ""

    def _provider(self, way: Way, provider: Json) -> Iterator[Found]:
        if not isinstance(provider, dict):
            yield way[:-1], "an activity has a provider", "write provider: {type: python, http or process, …}"
            return
        kind = provider.get("type")
        if not isinstance(kind, str) or kind not in PROVIDERS:
            near = nearest(kind, PROVIDERS) or "it is python, http or process"
            yield (*way, "type"), f"there is no provider {shown(kind)}", near
            return
        for key in PROVIDERS[kind]:
            if not isinstance(provider.get(key), str) or not provider[key]:
                yield way, f"a provider of type {kind} has {key!r}, which is text", f"write {key}:"
        argued: tuple[type, ...] = (dict,) if kind == "python" else (dict, list, str)
        for key, kinds in (("headers", (dict,)), ("arguments", argued)):
            if provider.get(key) is not None and not isinstance(provider[key], kinds):
                yield (*way, key), f"{key!r} of a provider of type {kind} can't be {shown(provider[key])}", ""
        secrets = provider.get("secrets")
        if secrets is not None and not isinstance(secrets, str | list):
            yield (*way, "secrets"), "secrets is a list of names", "write secrets: [name]"

    def _tolerance(self, way: Way, tolerance: Json) -> Iterator[Found]:
        if isinstance(tolerance, bool | int | str | list):
            return
        if not isinstance(tolerance, dict):
            hint = "write a range: {type: range, range: [0.5, 1]}" if isinstance(tolerance, float) else ""
            yield way, f"a tolerance can't be {shown(tolerance)}", hint
            return
        kind = tolerance.get("type")
        if kind == "probe":
            yield from self._activity(way, tolerance)
        elif kind == "regex":
            try:
                re.compile(str(tolerance["pattern"]))
            except (re.error, KeyError, RecursionError, OverflowError) as error:
                yield way, f"the pattern of this tolerance is no regular expression ({error})", ""
        elif kind == "jsonpath":
            if not isinstance(tolerance.get("path"), str) or not tolerance["path"].strip():
                yield way, "a tolerance of type jsonpath has a path", "write path: $.a.b"
        elif kind == "range":
            bounds = tolerance.get("range")
            numbers = isinstance(bounds, list) and all(
                isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds
            )
            if not numbers or len(bounds or ()) != 2:
                yield way, "a tolerance of type range has two numbers", "write range: [1, 5]"
        else:
            hint = nearest(kind, ("probe", "regex", "jsonpath", "range")) or "write a value, or a range"
            yield way, f"there is no tolerance of type {shown(kind)}", hint

    def _configured(self, way: Way, value: Json) -> Iterator[Found]:
        if not isinstance(value, dict) or value.get("type") not in ("env", "probe"):
            return
        if value["type"] == "env" and not isinstance(value.get("key"), str):
            yield way, "a value from the environment has a key", "write key: and the variable's name"
        elif value["type"] == "probe":
            yield from self._provider((*way, "provider"), value.get("provider"))

    def _references(self) -> Iterator[Found]:
        try:
            named = [(way, activity) for way, activity in activities(self._document) if isinstance(activity, dict)]
        except (AttributeError, TypeError):
            return
        names = [activity["name"] for _, activity in named if isinstance(activity.get("name"), str)]
        for way, activity in named:
            ref = activity.get("ref")
            if isinstance(ref, str) and ref and ref not in names:
                hint = nearest(ref, names) or (f"there is {', '.join(names[:8])}" if names else "there is none")
                yield (*way, "ref"), f"no activity is called {shown(ref)}", hint
