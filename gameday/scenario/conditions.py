"""Meaning of probes, tolerances, checks, expectations and abort conditions, across their fields.

What could not be read counts as there, and as right: see `unread`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gameday.scenario.duration import parse_duration
from gameday.scenario.keys import PROBES, TOLERANCES
from gameday.scenario.models import (
    AbortCondition,
    Activity,
    Check,
    Expectation,
    HttpProbe,
    Look,
    Probing,
    ProcessProbe,
    PrometheusProbe,
    SecretRef,
    Tolerance,
)
from gameday.scenario.problems import Finding, Path, listed, shown
from gameday.scenario.unread import Unread, clashes, has, says

_CAN_HAVE_NO_DATA = ("measure", "prometheus", "metrics")
_ORDERED = ("above", "below", "between")
_LONGEST_PATTERN = 1000
_EXPECTATIONS = ("alert", "milestone", "update", "check")
_SEVERAL = {
    "process": (
        "its exit code with its output",
        "add tolerance: 0 to the activity, and write equals: true, which is that it is met",
    ),
    "http": ("a status code with a body", "write status: 200"),
}
"""What activities answer that is not one thing, and how it is judged instead."""
ACTIVITY_NEEDS = {"python": ("module", "func"), "http": ("url",), "process": ("path",)}


def check(item: Check, path: Path, unread: Unread) -> Iterator[Finding]:
    """A steady-state check, or one that shows that a fault took hold or is gone."""
    yield from probing(item, path, unread)
    yield from tolerance(item.expect, (*path, "expect"), asked(item, path, unread), unread)
    yield from _possible(item, item.expect, (*path, "expect"), unread)


def look(item: Look, path: Path, unread: Unread) -> Iterator[Finding]:
    """A check in the timeline, which need not say what the answer must be."""
    yield from probing(item, path, unread)
    if item.expect is not None:
        yield from tolerance(item.expect, (*path, "expect"), asked(item, path, unread), unread)
        yield from _possible(item, item.expect, (*path, "expect"), unread)


def asked(item: Probing, path: Path, unread: Unread) -> list[str]:
    """The kinds of probe that are there."""
    return [kind for kind in PROBES if has(item, kind, path, unread)]


def probing(item: Probing, path: Path, unread: Unread) -> Iterator[Finding]:
    """Exactly one probe, and that one makes sense."""
    kinds = asked(item, path, unread)
    if not kinds and not unread.open(path):
        yield Finding(path, "nothing is asked here", f"write one of {listed(PROBES)}")
    both = [kind for kind in kinds if clashes(item, kind, path, unread)]
    for extra in both[1:]:
        message = f"two probes in one: {both[0]!r} and {extra!r}"
        yield Finding((*path, extra), message, "make two of them, or remove one", at_key=True)
    if item.http is not None:
        yield from _http(item.http, (*path, "http"), unread)
    if item.prometheus is not None:
        yield from _secrets(item.prometheus, (*path, "prometheus"), unread)
        yield from _address(item.prometheus.url, (*path, "prometheus", "url"))
        if not item.prometheus.query.strip():
            yield Finding((*path, "prometheus", "query"), "the query is empty", "write PromQL")
    if item.metrics is not None:
        yield from _address(item.metrics.url, (*path, "metrics", "url"))
    if item.tcp is not None and not re.fullmatch(r".*\$\{.*|(?:\[[^\]]+\]|[^:/\s]+):\d{1,5}", item.tcp.address):
        hint = "write host:port, without http://"
        yield Finding((*path, "tcp", "address"), f"{shown(item.tcp.address)} is not host:port", hint)
    if item.process is not None:
        yield from _secrets(item.process, (*path, "process"), unread)
    if item.measure is not None and not item.measure.strip():
        yield Finding((*path, "measure"), "the name of the measure is empty", "e.g. error-rate")
    if item.activity is not None:
        yield from activity(item.activity, (*path, "activity"), unread)


def _http(probe: HttpProbe, path: Path, unread: Unread) -> Iterator[Finding]:
    yield from _secrets(probe, path, unread)
    yield from _address(probe.url, (*path, "url"))
    if has(probe, "path", path, unread) and "read" in probe.model_fields_set and probe.read != "json":
        message = f"'path' looks into JSON, and 'read' says {probe.read}"
        yield Finding((*path, "read"), message, "write read: json, or remove one of the two")


def _address(url: str, path: Path) -> Iterator[Finding]:
    if not url.startswith(("http://", "https://", "${")):
        hint = "begin with http://, https://, or a name the target publishes, e.g. ${storefront}/health"
        yield Finding(path, f"{shown(url)} is not an address", hint)


def _secrets(probe: HttpProbe | PrometheusProbe | ProcessProbe, path: Path, unread: Unread) -> Iterator[Finding]:
    key = "env" if isinstance(probe, ProcessProbe) else "headers"
    for name, value in getattr(probe, key).items():
        way = (*path, key, name)
        if not isinstance(value, SecretRef) or unread.open(way):
            continue
        if has(value, "env", way, unread) == has(value, "file", way, unread):
            yield Finding(way, "a secret needs exactly one of 'env' and 'file'", "write {env: NAME} or {file: PATH}")


def activity(item: Activity, path: Path, unread: Unread) -> Iterator[Finding]:
    """A Chaos Toolkit provider has what its type needs, and a time limit that can be read."""
    extra = item.model_extra or {}
    for key in () if unread.at((*path, "type")) else ACTIVITY_NEEDS[item.type]:
        if not isinstance(extra.get(key), str):
            message = f"an activity of type {item.type} needs {key!r}"
            yield Finding((*path, key) if key in extra else path, message, "see the Chaos Toolkit's reference")
    # Chaos Toolkit's HTTP activities may have two: to connect, and to read.
    pair = isinstance(item.timeout, list) and len(item.timeout) == 2
    for limit in item.timeout if pair else [item.timeout]:
        if isinstance(limit, str):
            try:
                parse_duration(limit)
            except ValueError as error:
                yield Finding((*path, "timeout"), str(error))
        elif limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            yield Finding((*path, "timeout"), "a time limit is a duration", "write it like 10s")


def time_limit(item: Activity) -> float | None:
    """Seconds that an activity is given by its own account; None where it says nothing that can be read."""
    if isinstance(item.timeout, str):
        try:
            return parse_duration(item.timeout)
        except ValueError:
            return None
    if isinstance(item.timeout, list):
        parts = [time_limit(item.model_copy(update={"timeout": part})) for part in item.timeout[:2]]
        return sum(part or 0.0 for part in parts)
    return float(item.timeout) if isinstance(item.timeout, int | float) and item.timeout is not True else None


def stated(item: Tolerance, path: Path, unread: Unread) -> list[str]:
    """The tolerances that are written down; `equals: null` is one."""
    return [
        key
        for key in TOLERANCES
        if has(item, key, path, unread) or (key == "equals" and "equals" in item.model_fields_set)
    ]


def tolerance(item: Tolerance, path: Path, kinds: list[str], unread: Unread) -> Iterator[Finding]:
    """At least one tolerance, each possible in itself and for a probe of these `kinds`, which should be one."""
    keys = stated(item, path, unread)
    if not keys and not unread.open(path):
        yield Finding(path, "this holds whatever the answer is", f"write at least one of {listed(TOLERANCES)}")
    if item.between is not None and item.between[0] > item.between[1]:
        low, high = item.between
        yield Finding((*path, "between"), f"between {low:g} and {high:g} is nothing", f"write [{high:g}, {low:g}]")
    if item.above is not None and item.below is not None and item.above >= item.below:
        yield Finding((*path, "above"), f"nothing is above {item.above:g} and below {item.below:g}", "use `between`")
    if item.matches is not None:
        yield from _pattern(item.matches, (*path, "matches"))
    if unread.at(path):
        return  # Nothing is known of it, so nothing in it is in the wrong place.
    if "status" in keys and not {"http", "activity"} & set(kinds):
        message = f"'status' is for http probes, this is {kinds[0] if kinds else 'something else'}"
        yield Finding((*path, "status"), message, "use equals, above, below, between or matches", at_key=True)
    if "tcp" in kinds:
        for key in keys:
            if key in _ORDERED:
                message = f"a tcp probe answers true or false, {key!r} can't judge that"
                yield Finding((*path, key), message, "write equals: true", at_key=True)


def _possible(probe: Probing, item: Tolerance, path: Path, unread: Unread) -> Iterator[Finding]:
    """What programs answer is neither true nor false, and what an activity of theirs answers is not one thing."""
    if unread.at(path) or "equals" not in item.model_fields_set or unread.at((*path, "equals")):
        return
    said, found, hint = shown(item.equals), "", ""
    program = probe.process
    if program is not None and isinstance(item.equals, bool):
        found = "its exit code" if program.read == "exit" else "the text that it prints"
        hint = "write equals: 0" if program.read == "exit" else f'write equals: "{str(item.equals).lower()}"'
    act = probe.activity
    if act is not None and act.type in _SEVERAL and not isinstance(item.equals, dict):
        extra = act.model_extra or {}
        whole = all(isinstance(extra.get(key), str) for key in ACTIVITY_NEEDS[act.type])
        # With a tolerance of its own it answers whether that is met.
        if whole and extra.get("tolerance") is None:
            found, hint = _SEVERAL[act.type]
    if found:
        kind = "a process probe" if act is None else f"an activity of type {act.type}"
        yield Finding((*path, "equals"), f"{kind} answers {found}, which never equals {said}", hint, at_key=True)


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


def abort_condition(item: AbortCondition, path: Path, unread: Unread) -> Iterator[Finding]:
    """One probe, one way to judge it, one rule for how long, and a word on what happens without data."""
    yield from probing(item, path, unread)
    keys, kinds = stated(item, path, unread), asked(item, path, unread)
    if has(item, "unless", path, unread):
        for key in keys:
            if clashes(item, "unless", path, unread) and not unread.misspelt((*path, key)):
                message = f"{key!r} says when it trips, 'unless' when it does not"
                yield Finding((*path, key), message, "keep one of the two", at_key=True)
        if item.unless is not None:
            yield from tolerance(item.unless, (*path, "unless"), kinds, unread)
            yield from _possible(item, item.unless, (*path, "unless"), unread)
    elif not keys:
        hint = f"write one of {listed(TOLERANCES)}, or `unless:` with what is healthy"
        name = "this condition" if unread.at((*path, "name")) else shown(item.name)
        if not unread.open(path):
            yield Finding(path, f"nothing says when {name} trips", hint)
    else:
        both = [key for key in keys if not unread.misspelt((*path, key))]
        for extra in both[1:]:
            message = f"two tolerances in one abort condition: {both[0]!r} and {extra!r}"
            yield Finding((*path, extra), message, "make two conditions", at_key=True)
        if len(keys) == 1:
            yield from tolerance(item, path, kinds, unread)
            yield from _possible(item, item, path, unread)
    if clashes(item, "for", path, unread) and clashes(item, "consecutive", path, unread):
        message = "'for' and 'consecutive' both say how long it must last"
        yield Finding((*path, "consecutive"), message, "keep one of the two", at_key=True)
    if not has(item, "no_data", path, unread):
        for kind in kinds:
            if kind in _CAN_HAVE_NO_DATA:
                message = f"{kind!r} can have no data, and nothing says what that counts as"
                yield Finding((*path, kind), message, "add no_data: trip, ok or hold", at_key=True)
                break


def expectation(item: Expectation, path: Path, unread: Unread) -> Iterator[Finding]:
    """Exactly one thing that is expected, and by when."""
    kinds = [kind for kind in _EXPECTATIONS if has(item, kind, path, unread)]
    if not kinds:
        if not unread.open(path):
            yield Finding(path, "nothing is expected here", f"write one of {listed(_EXPECTATIONS)}")
        return
    within, every = (has(item, key, path, unread) for key in ("within", "every"))
    both = [kind for kind in kinds if clashes(item, kind, path, unread)]
    for extra in both[1:]:
        message = f"two expectations in one: {both[0]!r} and {extra!r}"
        yield Finding((*path, extra), message, "make two of them", at_key=True)
    kind = kinds[0]
    if kind == "update":
        if not within and not every:
            yield Finding(path, "nothing says how often updates are expected", "add every: 20m or within: 10m")
    else:
        if not within:
            yield Finding((*path, kind), f"nothing says by when the {kind} is expected", "add within: 5m", at_key=True)
        if clashes(item, "every", path, unread):
            yield Finding((*path, "every"), "'every' is for updates", "write within: instead", at_key=True)
    if item.every is not None and item.every <= 0:
        yield Finding((*path, "every"), "an update every 0s is never kept", "write a longer time")
    if says(item, "of", path, unread):
        if not within:
            yield Finding((*path, "of"), "'of' says from when 'within' counts, and there is none", "add within: 5m")
        elif kind == "milestone" and item.milestone == item.of and not unread.at((*path, "of")):
            message = f"{shown(item.of)} can't be awaited from itself"
            yield Finding((*path, "of"), message, "name an earlier milestone, or remove 'of'")
    elif kind == "milestone" and item.milestone == "impact" and within:
        yield Finding(
            (*path, "milestone"), "'within' counts from impact, which is the start of all", "expect another one"
        )
    for key in ("alert", "update"):
        value = getattr(item, key)
        if value is not None and not value.strip():
            yield Finding((*path, key), f"{key!r} is empty", "write its name")
    if item.check is not None:
        yield from check(item.check, (*path, "check"), unread)
