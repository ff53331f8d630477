"""Meaning of probes, tolerances, checks, expectations and abort conditions, across their fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gameday.scenario.duration import parse_duration
from gameday.scenario.models import (
    PROBES,
    TOLERANCES,
    AbortCondition,
    Activity,
    Check,
    Expectation,
    HttpProbe,
    Probing,
    ProcessProbe,
    PrometheusProbe,
    SecretRef,
    Tolerance,
)
from gameday.scenario.problems import Finding, Path, listed, shown

_CAN_HAVE_NO_DATA = ("measure", "prometheus", "metrics")
_ORDERED = ("above", "below", "between")
_LONGEST_PATTERN = 1000
_EXPECTATIONS = ("alert", "milestone", "update", "check")
_ACTIVITY_NEEDS = {"python": ("module", "func"), "http": ("url",), "process": ("path",)}


def check(item: Check, path: Path) -> Iterator[Finding]:
    """A steady-state check, or one that shows that a fault took hold or is gone."""
    yield from probing(item, path)
    yield from tolerance(item.expect, (*path, "expect"), item)


def probing(item: Probing, path: Path) -> Iterator[Finding]:
    """Exactly one probe, and that one makes sense."""
    kinds = [kind for kind in PROBES if getattr(item, kind) is not None]
    if not kinds:
        yield Finding(path, "nothing is asked here", f"write one of {listed(PROBES)}")
    for extra in kinds[1:]:
        message = f"two probes in one: {kinds[0]!r} and {extra!r}"
        yield Finding((*path, extra), message, "make two of them, or remove one", at_key=True)
    if item.http is not None:
        yield from _http(item.http, (*path, "http"))
    if item.prometheus is not None:
        yield from _secrets(item.prometheus, (*path, "prometheus"))
        yield from _address(item.prometheus.url, (*path, "prometheus", "url"))
        if not item.prometheus.query.strip():
            yield Finding((*path, "prometheus", "query"), "the query is empty", "write PromQL")
    if item.metrics is not None:
        yield from _address(item.metrics.url, (*path, "metrics", "url"))
    if item.tcp is not None and not re.fullmatch(r".*\$\{.*|(?:\[[^\]]+\]|[^:/\s]+):\d{1,5}", item.tcp.address):
        hint = "write host:port, without http://"
        yield Finding((*path, "tcp", "address"), f"{shown(item.tcp.address)} is not host:port", hint)
    if item.process is not None:
        yield from _secrets(item.process, (*path, "process"))
    if item.measure is not None and not item.measure.strip():
        yield Finding((*path, "measure"), "the name of the measure is empty", "e.g. error-rate")
    if item.activity is not None:
        yield from activity(item.activity, (*path, "activity"))


def _http(probe: HttpProbe, path: Path) -> Iterator[Finding]:
    yield from _secrets(probe, path)
    yield from _address(probe.url, (*path, "url"))
    if probe.path is not None and "read" in probe.model_fields_set and probe.read != "json":
        message = f"'path' looks into JSON, and 'read' says {probe.read}"
        yield Finding((*path, "read"), message, "write read: json, or remove one of the two")


def _address(url: str, path: Path) -> Iterator[Finding]:
    if not url.startswith(("http://", "https://", "${")):
        hint = "begin with http://, https://, or a name the target publishes, e.g. ${storefront}/health"
        yield Finding(path, f"{shown(url)} is not an address", hint)


def _secrets(probe: HttpProbe | PrometheusProbe | ProcessProbe, path: Path) -> Iterator[Finding]:
    key = "env" if isinstance(probe, ProcessProbe) else "headers"
    for name, value in getattr(probe, key).items():
        if isinstance(value, SecretRef) and (value.env is None) == (value.file is None):
            message = "a secret needs exactly one of 'env' and 'file'"
            yield Finding((*path, key, name), message, "write {env: NAME} or {file: PATH}")


def activity(item: Activity, path: Path) -> Iterator[Finding]:
    """A Chaos Toolkit provider has what its type needs, and a time limit that can be read."""
    extra = item.model_extra or {}
    for key in _ACTIVITY_NEEDS[item.type]:
        if not isinstance(extra.get(key), str):
            message = f"an activity of type {item.type} needs {key!r}"
            yield Finding((*path, key) if key in extra else path, message, "see the Chaos Toolkit's reference")
    if isinstance(item.timeout, str):
        try:
            parse_duration(item.timeout)
        except ValueError as error:
            yield Finding((*path, "timeout"), str(error))
    elif item.timeout is not None and (isinstance(item.timeout, bool) or not isinstance(item.timeout, int | float)):
        yield Finding((*path, "timeout"), "a time limit is a duration", "write it like 10s")


def stated(item: Tolerance) -> list[str]:
    """The tolerances that are written down; `equals: null` is one."""
    return [
        key
        for key in TOLERANCES
        if getattr(item, key) is not None or (key == "equals" and "equals" in item.model_fields_set)
    ]


def tolerance(item: Tolerance, path: Path, probe: Probing) -> Iterator[Finding]:
    """At least one tolerance, each possible in itself and for this probe."""
    keys = stated(item)
    if not keys:
        yield Finding(path, "this holds whatever the answer is", f"write at least one of {listed(TOLERANCES)}")
    if item.between is not None and item.between[0] > item.between[1]:
        low, high = item.between
        yield Finding((*path, "between"), f"between {low:g} and {high:g} is nothing", f"write [{high:g}, {low:g}]")
    if item.above is not None and item.below is not None and item.above >= item.below:
        yield Finding((*path, "above"), f"nothing is above {item.above:g} and below {item.below:g}", "use `between`")
    if item.matches is not None:
        yield from _pattern(item.matches, (*path, "matches"))
    if item.status is not None and probe.http is None:
        asked = next((kind for kind in PROBES if getattr(probe, kind) is not None), "this")
        message = f"'status' is for http probes, this is {asked}"
        yield Finding((*path, "status"), message, "use equals, above, below, between or matches", at_key=True)
    if probe.tcp is not None:
        for key in keys:
            if key in _ORDERED:
                message = f"a tcp probe answers true or false, {key!r} can't judge that"
                yield Finding((*path, key), message, "write equals: true", at_key=True)


def _pattern(pattern: str, path: Path) -> Iterator[Finding]:
    if len(pattern) > _LONGEST_PATTERN:
        yield Finding(path, f"a pattern of {len(pattern):,} characters is too long", f"at most {_LONGEST_PATTERN:,}")
        return
    try:
        re.compile(pattern)
    except re.error as error:
        where = f" at character {error.pos + 1}" if error.pos is not None else ""
        yield Finding(path, f"{shown(pattern)} is not a regular expression: {error.msg}{where}", "escape it with \\")
    except (RecursionError, OverflowError):
        yield Finding(path, "this regular expression is nested too deeply", "write a simpler one")


def abort_condition(item: AbortCondition, path: Path) -> Iterator[Finding]:
    """One probe, one way to judge it, one rule for how long, and a word on what happens without data."""
    yield from probing(item, path)
    keys = stated(item)
    if item.unless is not None:
        for key in keys:
            message = f"{key!r} says when it trips, 'unless' when it does not"
            yield Finding((*path, key), message, "keep one of the two", at_key=True)
        yield from tolerance(item.unless, (*path, "unless"), item)
    elif not keys:
        hint = f"write one of {listed(TOLERANCES)}, or `unless:` with what is healthy"
        yield Finding(path, f"nothing says when {shown(item.name)} trips", hint)
    else:
        for extra in keys[1:]:
            message = f"two tolerances in one abort condition: {keys[0]!r} and {extra!r}"
            yield Finding((*path, extra), message, "make two conditions", at_key=True)
        if len(keys) == 1:
            yield from tolerance(item, path, item)
    if item.for_ is not None and item.consecutive is not None:
        message = "'for' and 'consecutive' both say how long it must last"
        yield Finding((*path, "consecutive"), message, "keep one of the two", at_key=True)
    if item.no_data is None:
        for kind in _CAN_HAVE_NO_DATA:
            if getattr(item, kind) is not None:
                message = f"{kind!r} can have no data, and nothing says what that counts as"
                yield Finding((*path, kind), message, "add no_data: trip, ok or hold", at_key=True)
                break


def expectation(item: Expectation, path: Path) -> Iterator[Finding]:
    """Exactly one thing that is expected, and by when."""
    kinds = [kind for kind in _EXPECTATIONS if getattr(item, kind) is not None]
    if not kinds:
        yield Finding(path, "nothing is expected here", f"write one of {listed(_EXPECTATIONS)}")
        return
    for extra in kinds[1:]:
        message = f"two expectations in one: {kinds[0]!r} and {extra!r}"
        yield Finding((*path, extra), message, "make two of them", at_key=True)
    kind = kinds[0]
    if kind == "update":
        if item.within is None and item.every is None:
            yield Finding(path, "nothing says how often updates are expected", "add every: 20m or within: 10m")
    else:
        if item.within is None:
            yield Finding((*path, kind), f"nothing says by when the {kind} is expected", "add within: 5m", at_key=True)
        if item.every is not None:
            yield Finding((*path, "every"), "'every' is for updates", "write within: instead", at_key=True)
    if item.every is not None and item.every <= 0:
        yield Finding((*path, "every"), "an update every 0s is never kept", "write a longer time")
    if "of" in item.model_fields_set:
        if item.within is None:
            yield Finding((*path, "of"), "'of' says from when 'within' counts, and there is none", "add within: 5m")
        elif kind == "milestone" and item.milestone == item.of:
            message = f"{shown(item.of)} can't be awaited from itself"
            yield Finding((*path, "of"), message, "name an earlier milestone, or remove 'of'")
    elif kind == "milestone" and item.milestone == "impact" and item.within is not None:
        yield Finding(
            (*path, "milestone"), "'within' counts from impact, which is the start of all", "expect another one"
        )
    for key in ("alert", "update"):
        value = getattr(item, key)
        if value is not None and not value.strip():
            yield Finding((*path, key), f"{key!r} is empty", "write its name")
    if item.check is not None:
        yield from check(item.check, (*path, "check"))
