"""Meaning across fields: what each key says by itself may be right and the whole still make no exercise.

Takes a `Draft` and the catalogue of faults, gives findings; knows no lines and no files. Everything that is found is an
error: a rehearsal is no place for warnings that nobody reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from gameday.scenario import conditions, wording
from gameday.scenario.catalogue import Catalogue
from gameday.scenario.draft import Draft
from gameday.scenario.duration import format_duration
from gameday.scenario.models import ROLES, Entry
from gameday.scenario.names import NAME
from gameday.scenario.presets import level_names
from gameday.scenario.problems import Finding, Path, listed, nearest, nearest_or_all, shown

_TRIGGERS = ("at", "after", "manual")
_OF_FAULTS = ("with", "for", "activity", "undo", "one_shot", "effective", "recovered")
_OF_INJECTS = ("audience", "hint")
_ACTIVITY = "activity"
"""The name of the fault that is a Chaos Toolkit action."""


def findings(draft: Draft, catalogue: Catalogue, preset: str | None = None) -> Iterator[Finding]:
    """All that is wrong with what a scenario means. `preset` names the severity levels in use; None allows any."""
    yield from _about(draft, preset)
    yield from _parameters(draft)
    for index, check in enumerate(draft.steady_state):
        if check is not None:
            yield from conditions.check(check, ("steady_state", index))
    for index, entry in enumerate(draft.timeline):
        if entry is not None:
            yield from _entry(entry, index, draft, catalogue)
    yield from _references(draft)
    yield from _fits(draft)
    for index, expectation in enumerate(draft.expect):
        if expectation is not None:
            yield from conditions.expectation(expectation, ("expect", index))
    names: dict[str, int] = {}
    for index, condition in enumerate(draft.abort_when):
        if condition is not None:
            yield from conditions.abort_condition(condition, ("abort_when", index))
            if condition.name in names:
                message = f"two abort conditions are called {shown(condition.name)}"
                yield Finding(("abort_when", index, "name"), message, "people tell them apart by name")
            names[condition.name] = index
    if draft.target == "none":
        yield from _without_target(draft)


def _about(draft: Draft, preset: str | None) -> Iterator[Finding]:
    severity = draft.raw.get("severity")
    if isinstance(severity, str):
        levels = level_names(preset)
        if severity.upper() not in levels:
            of = f"the preset {preset!r}" if preset else "any preset"
            yield Finding(("severity",), f"{shown(severity)} is no level of {of}", nearest_or_all(severity, levels))
    roles = draft.raw.get("roles")
    if isinstance(roles, list):
        for index, role in enumerate(roles):
            if role in roles[:index]:
                yield Finding(("roles", index), f"role {shown(role)} stands twice", "remove one")


def _parameters(draft: Draft) -> Iterator[Finding]:
    declared = draft.raw.get("parameters")
    if not isinstance(declared, dict):
        return
    for name in declared:
        if not NAME.match(name):
            hint = "use letters, digits, dashes and underscores, beginning with a letter"
            yield Finding(("parameters", name), f"{shown(name)} can't be a parameter's name", hint, at_key=True)


def unused_parameters(document: Mapping[str, object], used: set[str]) -> Iterator[Finding]:
    """Parameters that nothing uses; `used` are the names in the placeholders of the file."""
    declared = document.get("parameters")
    if isinstance(declared, dict) and declared:
        for name in declared:
            if name not in used and NAME.match(name):
                near = nearest(name, used - declared.keys())
                hint = near.replace("did you mean", "the file says").replace("?", "") or f"write ${{{name}}} somewhere"
                message = f"parameter {shown(name)} is never used, so setting it would change nothing"
                yield Finding(("parameters", name), message, hint, at_key=True)


# --- the timeline --------------------------------------------------------------------------------------------------


def _entry(entry: Entry, index: int, draft: Draft, catalogue: Catalogue) -> Iterator[Finding]:
    path = ("timeline", index)
    if entry.manual is False:
        yield Finding((*path, "manual"), "'manual: false' releases nothing", "write manual: true, or at: or after:")
    triggers = [key for key in _TRIGGERS if getattr(entry, key) is not None]
    if not triggers:
        yield Finding(path, "nothing says when this entry is due", f"write one of {listed(_TRIGGERS)}")
    for extra in triggers[1:]:
        message = f"two triggers in one entry: {triggers[0]!r} and {extra!r}"
        yield Finding((*path, extra), message, "keep one of the two", at_key=True)
    if entry.after is not None and (entry.after.milestone is None) == (entry.after.entry is None):
        message = "'after' waits for exactly one thing"
        yield Finding((*path, "after"), message, "write milestone: or entry:, with delay: where you need it")
    if entry.fault is not None and entry.inject is not None:
        message = "an entry is a fault or an inject, this is both"
        yield Finding((*path, "inject"), message, "make two entries", at_key=True)
    elif entry.fault is not None:
        yield from _keys(entry, index, _OF_INJECTS, "an inject", "write an inject beside the fault")
        yield from _fault(entry, index, catalogue)
        if not draft.raw.get("abort_when"):
            message = "a fault, and no abort condition that would stop it"
            yield Finding((*path, "fault"), message, "add abort_when: with what must never happen", at_key=True)
    elif entry.inject is not None:
        yield from _keys(entry, index, _OF_FAULTS, "a fault", "remove it")
        if not entry.inject.strip():
            yield Finding((*path, "inject"), "the inject is empty", "write what people are told")
        yield from _audience(entry, index, draft)
    else:
        hint = "write fault: activity" if entry.activity is not None else "write fault: or inject:"
        yield Finding(path, "nothing happens in this entry", hint)


def _keys(entry: Entry, index: int, keys: tuple[str, ...], owner: str, hint: str) -> Iterator[Finding]:
    for key in keys:
        if {"with": "with_", "for": "for_"}.get(key, key) in entry.model_fields_set:
            yield Finding(("timeline", index, key), f"{key!r} belongs to {owner}", hint, at_key=True)


def _audience(entry: Entry, index: int, draft: Draft) -> Iterator[Finding]:
    roles = draft.raw.get("roles")
    for at, role in enumerate(entry.audience):
        path = ("timeline", index, "audience", at)
        if role not in ROLES:
            yield Finding(path, f"{shown(role)} is no role", nearest_or_all(role, ROLES))
        elif isinstance(roles, list) and roles and role not in roles:
            yield Finding(path, f"nobody is {role} in this scenario", "add it to roles:")


def _fault(entry: Entry, index: int, catalogue: Catalogue) -> Iterator[Finding]:
    path = ("timeline", index)
    assert entry.fault is not None
    for key in ("effective", "recovered"):
        if (check := getattr(entry, key)) is not None:
            yield from conditions.check(check, (*path, key))
    if entry.fault == _ACTIVITY:
        yield from _activity(entry, index)
        return
    yield from _keys(entry, index, ("activity", "undo", "one_shot"), "fault: activity", "remove it")
    spec = catalogue.get(entry.fault)
    if spec is None:
        known = [*catalogue, _ACTIVITY]
        yield Finding((*path, "fault"), f"there is no fault {shown(entry.fault)}", nearest_or_all(entry.fault, known))
        return
    if spec.one_shot and entry.for_ is not None:
        message = f"{entry.fault} happens once, there is nothing to undo after a while"
        yield Finding((*path, "for"), message, "remove 'for'", at_key=True)
    if not spec.one_shot:
        yield from _duration(entry, index, f"{entry.fault} would stay for ever")
    try:
        spec.parameters.model_validate(entry.with_)
    except ValidationError as error:
        place = (f"'with' of {entry.fault}", spec.parameters)
        # Without any parameters there is no `with` to point at.
        way: Path = (*path, "with" if "with_" in entry.model_fields_set else "fault")
        yield from wording.findings(error, entry.with_, way, place)


def _activity(entry: Entry, index: int) -> Iterator[Finding]:
    path = ("timeline", index)
    if entry.with_:
        message = "a Chaos Toolkit activity carries its own arguments"
        yield Finding((*path, "with"), message, "move them into activity:", at_key=True)
    if entry.activity is None:
        hint = "add activity: with type, and module and func, or url, or path"
        yield Finding((*path, "fault"), "'fault: activity' needs the activity to run", hint)
    else:
        yield from conditions.activity(entry.activity, (*path, "activity"))
    if entry.undo is not None:
        yield from conditions.activity(entry.undo, (*path, "undo"))
    if entry.one_shot:
        for key in ("undo", "for"):
            if getattr(entry, {"for": "for_"}.get(key, key)) is not None:
                message = f"'one_shot: true' says that nothing is undone, and there is {key!r}"
                yield Finding((*path, key), message, "keep one of the two", at_key=True)
        return
    if entry.undo is None:
        hint = "add undo: with the action that takes it away, or one_shot: true if it passes by itself"
        yield Finding((*path, "fault"), "nothing undoes this fault", hint)
    yield from _duration(entry, index, "this fault would stay for ever")


def _duration(entry: Entry, index: int, otherwise: str) -> Iterator[Finding]:
    if entry.for_ is None:
        yield Finding(("timeline", index, "fault"), f"without 'for' {otherwise}", "add for: 5m")
    elif entry.for_ <= 0:
        yield Finding(("timeline", index, "for"), "a fault that stays 0s does nothing", "write a longer time")


# --- how entries hang together -------------------------------------------------------------------------------------


def _references(draft: Draft) -> Iterator[Finding]:
    """Ids are unique, `after` names one that exists, and nothing waits for itself."""
    ids: dict[str, int] = {}
    for index in range(len(draft.timeline)):
        name = draft.entry_id(index)
        if name in ids:
            named = index if _has_id(draft, index) else ids[name]
            message = f"two entries have the id {shown(name)}: entry {ids[name] + 1} and entry {index + 1}"
            yield Finding(("timeline", named, "id"), message, "rename one")
        else:
            ids[name] = index
    waits: dict[str, str] = {}
    for index, entry in enumerate(draft.timeline):
        if entry is None or entry.after is None or entry.after.entry is None:
            continue
        wanted = entry.after.entry
        # `after: name` is short for `after: {entry: name}`.
        short = isinstance(draft.raw["timeline"][index]["after"], str)
        path: Path = ("timeline", index, "after") if short else ("timeline", index, "after", "entry")
        if wanted not in ids:
            yield Finding(path, f"no entry has the id {shown(wanted)}", _which(wanted, list(ids)))
        else:
            waits.setdefault(draft.entry_id(index), wanted)
    yield from _cycles(waits, ids)


def _which(wanted: str, ids: list[str]) -> str:
    return nearest(wanted, ids) or (f"ids are {', '.join(ids)}" if len(ids) <= 12 else "give the entry an id:")


def _has_id(draft: Draft, index: int) -> bool:
    raw = draft.raw["timeline"][index]
    return isinstance(raw, dict) and "id" in raw


def _cycles(waits: dict[str, str], ids: dict[str, int]) -> Iterator[Finding]:
    """Each ring of entries that wait for each other, once; everybody waits for one at most, so rings are simple."""
    judged: set[str] = set()
    for start in waits:
        trail: list[str] = []
        name: str | None = start
        while name is not None and name not in judged:
            judged.add(name)
            trail.append(name)
            name = waits.get(name)
        if name is not None and name in trail:
            ring = [*trail[trail.index(name) :], name]
            if len(ring) == 2:
                message = f"entry {shown(name)} waits for itself"
            else:
                some = ring if len(ring) <= 10 else [*ring[:8], "…", name]
                message = f"these entries wait for each other: {' → '.join(some)}"
            yield Finding(("timeline", ids[name], "after"), message, "let one of them be due at: a time")


def _fits(draft: Draft) -> Iterator[Finding]:
    """Nothing that has a fixed time is due, or ends, after the exercise is aborted for its length."""
    limit = draft.limits.duration
    if not math.isfinite(limit):
        return  # It could not be read.
    names = {draft.entry_id(index): entry for index, entry in enumerate(draft.timeline)}
    starts: dict[str, float | None] = {}

    def start(name: str) -> float | None:
        """Earliest start in seconds; None where people decide, where it can't be read, and within a ring."""
        trail = []
        while name not in starts:
            starts[name] = None
            entry = names.get(name)
            if entry is None:
                break
            if entry.at is not None:
                starts[name] = entry.at
            elif entry.after is not None and entry.after.entry is not None:
                trail.append((name, entry.after.delay, entry.after.entry))
                name = entry.after.entry
        for waiter, delay, awaited in reversed(trail):
            begun, before = starts.get(awaited), names.get(awaited)
            if begun is not None and before is not None:
                starts[waiter] = begun + ((before.for_ or 0.0) if before.fault else 0.0) + delay
        return starts.get(trail[0][0] if trail else name)

    for index, entry in enumerate(draft.timeline):
        due = start(draft.entry_id(index)) if entry is not None else None
        if entry is None or due is None:
            continue
        length = f"limits.duration ({format_duration(limit)})"
        key = "at" if entry.at is not None else "after"
        if due > limit:
            message = f"due at {format_duration(due)}, when {length} has long ended the exercise"
            yield Finding(("timeline", index, key), message, "make it earlier, or the limit longer")
        elif entry.fault and entry.for_ and due + entry.for_ > limit:
            message = f"ends at {format_duration(due + entry.for_)}, after {length} has aborted the exercise"
            yield Finding(("timeline", index, "for"), message, "make it shorter, or the limit longer")


def _without_target(draft: Draft) -> Iterator[Finding]:
    """With `target: none` nothing can be disturbed, watched or addressed by name."""
    for index, entry in enumerate(draft.timeline):
        if entry is not None and entry.fault is not None:
            message = "'target: none' has nothing to disturb"
            yield Finding(("timeline", index, "fault"), message, "name a target, or make it an inject", at_key=True)
    for key, items in (("steady_state", draft.steady_state), ("abort_when", draft.abort_when)):
        for index, probe in enumerate(items):
            if probe is not None and probe.measure is not None:
                message = "'target: none' publishes no measures"
                yield Finding((key, index, "measure"), message, "name a target", at_key=True)
    for index, expectation in enumerate(draft.expect):
        if expectation is not None and expectation.alert is not None:
            message = "with 'target: none' there is nowhere to see an alert"
            yield Finding(("expect", index, "alert"), message, "expect a milestone instead", at_key=True)
    for path, name in draft.names:
        message = f"'target: none' publishes no names, so ${{{name}}} stands for nothing"
        yield Finding(path, message, f"write $${{{name}}} if you mean the text")
