"""Meaning across fields: what each key says by itself may be right and the whole still make no exercise.

Takes a `Draft` and the catalogue of faults, gives findings; knows no lines and no files. Everything that is found is an
error: a rehearsal is no place for warnings that nobody reads. What could not be read counts as there, and as right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from gameday.scenario import conditions, wording
from gameday.scenario.catalogue import Catalogue
from gameday.scenario.draft import Draft
from gameday.scenario.duration import format_duration
from gameday.scenario.models import ROLES, After, Entry
from gameday.scenario.names import NAME
from gameday.scenario.presets import level_names
from gameday.scenario.problems import Finding, Path, listed, nearest, nearest_or_all, shown
from gameday.scenario.unread import clashes, has, says

_TRIGGERS = ("at", "after", "manual")
_KINDS = ("fault", "inject", "check")
_AN = {"fault": "a fault", "inject": "an inject", "check": "a check"}
_AWAITED = ("milestone", "entry", "effective")
_OF_FAULTS = ("with", "for", "until", "activity", "undo", "one_shot", "undone_with", "effective", "recovered")
_OF_INJECTS = ("audience", "hint")
_ACTIVITY = "activity"
"""The name of the fault that is a Chaos Toolkit action."""
_SHORTEST_RECOVERY = 0.3
"""Seconds. An undo and its verification are tried three times at least, and a verification looks every 100 ms."""
_MOST_COMPARED = 500
"""Ids among which the nearest is looked for."""
PROVIDERS = conditions.ACTIVITY_NEEDS
"""Names that people who know Chaos Toolkit write for it."""


def findings(draft: Draft, catalogue: Catalogue, preset: str | None = None) -> Iterator[Finding]:
    """All that is wrong with what a scenario means. `preset` names the severity levels in use; None allows any."""
    for finding in _meant(draft, catalogue, preset):
        # That a key is there can be wrong whatever stands there; a value that can't be read has been reported.
        if finding.at_key or not draft.unread.at(finding.path):
            yield finding


def _meant(draft: Draft, catalogue: Catalogue, preset: str | None) -> Iterator[Finding]:
    unread = draft.unread
    yield from _about(draft, preset)
    yield from _parameters(draft)
    for index, check in enumerate(draft.steady_state):
        if check is not None:
            yield from conditions.check(check, ("steady_state", index), unread)
    for index, entry in enumerate(draft.timeline):
        if entry is not None:
            yield from _entry(entry, index, draft, catalogue)
    yield from _references(draft)
    yield from _fits(draft)
    yield from _recovery(draft)
    for index, expectation in enumerate(draft.expect):
        if expectation is not None:
            yield from conditions.expectation(expectation, ("expect", index), unread)
    names: dict[str, int] = {}
    for index, condition in enumerate(draft.abort_when):
        if condition is None:
            continue
        path = ("abort_when", index)
        yield from conditions.abort_condition(condition, path, unread)
        if unread.at((*path, "name")):
            continue
        if condition.name in names:
            message = f"two abort conditions are called {shown(condition.name)}"
            yield Finding((*path, "name"), message, "people tell them apart by name")
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
    path, unread = ("timeline", index), draft.unread
    if entry.manual is False:
        yield Finding((*path, "manual"), "'manual: false' releases nothing", "write manual: true, or at: or after:")
    triggers = [key for key in _TRIGGERS if has(entry, key, path, unread)]
    if not triggers and not unread.open(path):
        yield Finding(path, "nothing says when this entry is due", f"write one of {listed(_TRIGGERS)}")
    written = [key for key in triggers if clashes(entry, key, path, unread)]
    for extra in written[1:]:
        message = f"two triggers in one entry: {written[0]!r} and {extra!r}"
        yield Finding((*path, extra), message, "keep one of the two", at_key=True)
    if entry.after is not None:
        yield from _awaits_one(entry.after, "after", (*path, "after"), draft)
    kinds = [kind for kind in _KINDS if has(entry, kind, path, unread)]
    both = len(kinds) > 1
    if not kinds and not unread.open(path):
        hint = "write fault: activity" if entry.activity is not None else "write fault: or inject: or check:"
        yield Finding(path, "nothing happens in this entry", hint)
    if both and any(unread.misspelt((*path, key)) for key in kinds):
        return  # Nobody can say which of them it is.
    if both:
        message = f"an entry is {' or '.join(_AN[kind] for kind in kinds)}, this is both"
        yield Finding((*path, kinds[1]), message, "make two entries", at_key=True)
    if "check" in kinds:
        if entry.check is not None:
            yield from conditions.look(entry.check, (*path, "check"), unread)
        if not both:
            yield from _keys(entry, index, draft, _OF_INJECTS, "an inject", "remove it")
            yield from _keys(entry, index, draft, _OF_FAULTS, "a fault", "remove it")
    if "fault" in kinds:
        if not both:
            yield from _keys(entry, index, draft, _OF_INJECTS, "an inject", "write an inject beside the fault")
        yield from _fault(entry, index, draft, catalogue)
        if not draft.has("abort_when") and not draft.has("imported"):
            message = "a fault, and no abort condition that would stop it"
            yield Finding((*path, "fault"), message, "add abort_when: with what must never happen", at_key=True)
    if "inject" in kinds:
        if not both:
            yield from _keys(entry, index, draft, _OF_FAULTS, "a fault", "remove it")
        if entry.inject is not None and not entry.inject.strip():
            yield Finding((*path, "inject"), "the inject is empty", "write what people are told")
        yield from _audience(entry, index, draft)


def _awaits_one(after: After, key: str, way: Path, draft: Draft) -> Iterator[Finding]:
    """`after`, or a part of `until`, names one thing."""
    unread = draft.unread
    awaited = [one for one in _AWAITED if has(after, one, way, unread)]
    unsure = unread.open(way) or any(unread.misspelt((*way, one)) for one in awaited)
    if len(awaited) != 1 and not unsure:
        message = f"{key!r} waits for exactly one thing"
        yield Finding(way, message, "write milestone:, entry: or effective:, with delay: where you need it")


def _keys(entry: Entry, index: int, draft: Draft, keys: tuple[str, ...], owner: str, hint: str) -> Iterator[Finding]:
    for key in keys:
        if says(entry, key, ("timeline", index), draft.unread):
            yield Finding(("timeline", index, key), f"{key!r} belongs to {owner}", hint, at_key=True)


def _audience(entry: Entry, index: int, draft: Draft) -> Iterator[Finding]:
    roles = draft.raw.get("roles")
    for at, role in enumerate(entry.audience):
        path = ("timeline", index, "audience", at)
        if role not in ROLES:
            yield Finding(path, f"{shown(role)} is no role", nearest_or_all(role, ROLES))
        elif isinstance(roles, list) and roles and role not in roles and not draft.unread.within(("roles",)):
            yield Finding(path, f"nobody is {role} in this scenario", "add it to roles:")


def _fault(entry: Entry, index: int, draft: Draft, catalogue: Catalogue) -> Iterator[Finding]:
    path, unread = ("timeline", index), draft.unread
    for key in ("effective", "recovered"):
        if (check := getattr(entry, key)) is not None:
            yield from conditions.check(check, (*path, key), unread)
    for number, after in enumerate(entry.until or ()):
        yield from _awaits_one(after, "until", _item(path, "until", number, draft), draft)
    if entry.fault is None or entry.fault in (_ACTIVITY, *PROVIDERS):
        if entry.activity is not None:
            yield from conditions.activity(entry.activity, (*path, "activity"), unread)
        for number, undo in enumerate(entry.undo or ()):
            yield from conditions.activity(undo, _item(path, "undo", number, draft), unread)
    if entry.fault is None:
        return  # Nobody knows which.
    if entry.fault == _ACTIVITY:
        yield from _activity(entry, index, draft)
        return
    spec = catalogue.get(entry.fault)
    if spec is None:
        yield _no_such_fault(entry.fault, (*path, "fault"), catalogue)
        if entry.fault in PROVIDERS:
            return  # Meant as an activity; what belongs to one is in its right place.
    yield from _keys(
        entry, index, draft, ("activity", "undo", "one_shot", "undone_with"), "fault: activity", "remove it"
    )
    if spec is None:
        return
    once = spec.one_shot and not (spec.lasting and entry.with_.get(spec.lasting) is not None)
    for key in ("for", "until") if once else ():
        if clashes(entry, key, path, unread):
            message = f"{entry.fault} happens once, there is nothing to undo after a while"
            remove = f"remove {key!r}" + (f", or add {spec.lasting} under with:" if spec.lasting else "")
            yield Finding((*path, key), message, remove, at_key=True)
    if not once:
        forever = f"{entry.fault} would go on for ever" if spec.one_shot else f"{entry.fault} would stay for ever"
        yield from _duration(entry, index, draft, forever)
    if unread.at((*path, "with")):
        return
    try:
        spec.parameters.model_validate(entry.with_)
    except ValidationError as error:
        place = (f"'with' of {entry.fault}", spec.parameters)
        # Without any parameters there is no `with` to point at.
        way: Path = (*path, "with" if "with_" in entry.model_fields_set else "fault")
        yield from wording.findings(error, entry.with_, way, place)


def _item(path: Path, key: str, index: int, draft: Draft) -> Path:
    """The way to one of several under `key` of the entry at `path`, of which a single one need not be in a list."""
    listed = isinstance(draft.raw["timeline"][path[1]].get(key), list)
    return (*path, key, index) if listed else (*path, key)


def _no_such_fault(name: str, path: Path, catalogue: Catalogue) -> Finding:
    message = f"there is no fault {shown(name)}"
    if name in PROVIDERS:
        keys = ", ".join(f"{key}: …" for key in PROVIDERS[name])
        return Finding(path, message, f"write fault: activity, with activity: {{type: {name}, {keys}}}")
    return Finding(path, message, nearest_or_all(name, [*catalogue, _ACTIVITY]))


def _activity(entry: Entry, index: int, draft: Draft) -> Iterator[Finding]:
    path, unread = ("timeline", index), draft.unread
    if entry.with_ or (unread.at((*path, "with")) and not unread.misspelt((*path, "with"))):
        message = "a Chaos Toolkit activity carries its own arguments"
        yield Finding((*path, "with"), message, "move them into activity:", at_key=True)
    if not has(entry, "activity", path, unread):
        hint = "add activity: with type, and module and func, or url, or path"
        yield Finding((*path, "fault"), "'fault: activity' needs the activity to run", hint)
    if unread.at((*path, "one_shot")) or unread.at((*path, "undone_with")):
        return
    if entry.undone_with is not None:
        for key in ("undo", "one_shot", "for", "until"):
            if clashes(entry, key, path, unread):
                message = f"'undone_with' says that another entry undoes this, and there is {key!r}"
                yield Finding((*path, key), message, "keep one of the two", at_key=True)
        return
    if entry.one_shot:
        for key in ("undo", "for", "until"):
            if clashes(entry, key, path, unread):
                message = f"'one_shot: true' says that nothing is undone, and there is {key!r}"
                yield Finding((*path, key), message, "keep one of the two", at_key=True)
        return
    if not has(entry, "undo", path, unread):
        hint = "add undo: with the action that takes it away, or one_shot: true if it passes by itself"
        yield Finding((*path, "fault"), "nothing undoes this fault", hint)
    yield from _duration(entry, index, draft, "this fault would stay for ever")


def _duration(entry: Entry, index: int, draft: Draft, otherwise: str) -> Iterator[Finding]:
    if not has(entry, "for", ("timeline", index), draft.unread):
        yield Finding(("timeline", index, "fault"), f"without 'for' {otherwise}", "add for: 5m")
    elif entry.for_ is not None and entry.for_ <= 0:
        yield Finding(("timeline", index, "for"), "a fault that stays 0s does nothing", "write a longer time")


# --- how entries hang together -------------------------------------------------------------------------------------


def _references(draft: Draft) -> Iterator[Finding]:
    """Ids are unique, `after` names one that exists, and nothing waits for itself."""
    ids: dict[str, int] = {}
    all_known = not draft.unread.at(("timeline",))
    for index in range(len(draft.timeline)):
        name = draft.entry_id(index)
        if name is None:
            all_known = False
        elif name in ids:
            named = index if _has_id(draft, index) else ids[name]
            message = f"two entries have the id {shown(name)}: entry {ids[name] + 1} and entry {index + 1}"
            yield Finding(("timeline", named, "id"), message, "rename one")
        else:
            ids[name] = index
    waits: dict[str, str] = {}
    for index, entry in enumerate(draft.timeline):
        if entry is None:
            continue
        name = draft.entry_id(index)
        for path, key, wanted in _named(entry, index, draft):
            if wanted not in ids:
                if all_known:
                    yield Finding(path, f"no entry has the id {shown(wanted)}", _which(wanted, list(ids)))
                continue
            awaited = draft.timeline[ids[wanted]]
            if key == "effective" and awaited is not None and not _is_fault(awaited, ids[wanted], draft):
                yield Finding(path, f"{shown(wanted)} is no fault, and so never takes hold", "write entry: instead")
            if key == "undone_with" and awaited is not None and (awaited.undo is None or awaited is entry):
                yield Finding(path, f"{shown(wanted)} has no undo that could take this away too", "name another entry")
            if path[2] == "after" and name is not None:
                waits.setdefault(name, wanted)
            elif path[2] == "until" and key == "entry" and wanted == name:
                yield Finding(path, f"{shown(wanted)} would last until it is over", "name another entry")
    yield from _cycles(waits, ids)


def _named(entry: Entry, index: int, draft: Draft) -> Iterator[tuple[Path, str, str]]:
    """The ids that an entry names: the way to each, `entry`, `effective` or `undone_with`, and itself."""
    path: Path = ("timeline", index)
    ways: list[tuple[Path, After]] = [((*path, "after"), entry.after)] if entry.after is not None else []
    if _is_fault(entry, index, draft):
        ways += [(_item(path, "until", number, draft), after) for number, after in enumerate(entry.until or ())]
    for way, after in ways:
        for key, wanted in (("entry", after.entry), ("effective", after.effective)):
            if wanted is not None:
                # `after: name` is short for `after: {entry: name}`.
                _, written = wording.walk(way, draft.raw)
                yield (way if isinstance(written, str) else (*way, key)), key, wanted
    if entry.undone_with is not None and _is_fault(entry, index, draft):
        yield (*path, "undone_with"), "undone_with", entry.undone_with


def _is_fault(entry: Entry, index: int, draft: Draft) -> bool:
    return has(entry, "fault", ("timeline", index), draft.unread)


def _which(wanted: str, ids: list[str]) -> str:
    # Looking for a near one takes its time, and a file can have thousands of each.
    return (nearest(wanted, ids) if len(ids) <= _MOST_COMPARED else "") or (
        f"ids are {', '.join(ids)}" if len(ids) <= 12 else "give the entry an id:"
    )


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
    limit, unread = draft.limits.duration, draft.unread
    if unread.at(("limits", "duration")):
        return
    names = {draft.entry_id(index): index for index in range(len(draft.timeline))}
    starts: dict[str, float | None] = {}

    def ends(index: int) -> float | None:
        """Seconds that an entry takes; None where that can't be read."""
        entry, path = draft.timeline[index], ("timeline", index)
        if entry is None or unread.at((*path, "fault")) or unread.at((*path, "for")):
            return None
        # How soon `until` comes, nobody can say beforehand.
        return (entry.for_ or 0.0) if entry.fault and not entry.until else 0.0

    def start(name: str) -> float | None:
        """Earliest start in seconds; None where people decide, where it can't be read, and within a ring."""
        trail = []
        while name not in starts:
            starts[name] = None
            index = names.get(name)
            entry = draft.timeline[index] if index is not None else None
            if entry is None or unread.anything_in(("timeline", index or 0, key) for key in ("at", "after")):
                break
            if entry.at is not None:
                starts[name] = entry.at
            elif entry.after is not None and (awaited := entry.after.entry or entry.after.effective) is not None:
                trail.append((name, entry.after.delay, awaited, entry.after.effective is not None))
                name = awaited
        for waiter, delay, awaited, at_once in reversed(trail):
            begun = starts.get(awaited)
            lasts = 0.0 if at_once else ends(names[awaited]) if awaited in names else None
            if begun is not None and lasts is not None:
                starts[waiter] = begun + lasts + delay
        return starts.get(trail[0][0] if trail else name)

    for index, entry in enumerate(draft.timeline):
        name = draft.entry_id(index)
        due = start(name) if name is not None else None
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


def _recovery(draft: Draft) -> Iterator[Finding]:
    """An undo has the time that it may take by its own account, and its verification some."""
    limit, path = draft.limits.recovery, ("limits", "recovery")
    faults = [entry for entry in draft.timeline if entry is not None and entry.fault is not None]
    if draft.unread.at(path) or not faults:
        return
    if limit < _SHORTEST_RECOVERY:
        message = f"in {format_duration(limit)} no fault is undone and seen to be gone: each would count as leaked"
        yield Finding(path, message, f"write 30s, or at least {format_duration(_SHORTEST_RECOVERY)}")
    for index, entry in enumerate(draft.timeline):
        for place, undo in enumerate((entry.undo if entry is not None else None) or ()):
            timeout = conditions.time_limit(undo)
            way = (*_item(("timeline", index), "undo", place, draft), "timeout")
            if timeout is None or timeout <= limit or draft.unread.at(way):
                continue
            message = (
                f"this undo may take {format_duration(timeout)}, and after limits.recovery ({format_duration(limit)})"
            )
            yield Finding(
                way, f"{message} the fault counts as leaked", "make the limit longer, or the undo's timeout shorter"
            )


def _without_target(draft: Draft) -> Iterator[Finding]:
    """With `target: none` nothing can be disturbed, watched or addressed by name."""
    for index, entry in enumerate(draft.timeline):
        if entry is not None and has(entry, "fault", ("timeline", index), draft.unread):
            message = "'target: none' has nothing to disturb"
            yield Finding(("timeline", index, "fault"), message, "name a target, or make it an inject", at_key=True)
    for key, items in (("steady_state", draft.steady_state), ("abort_when", draft.abort_when)):
        for index, probe in enumerate(items):
            if probe is not None and has(probe, "measure", (key, index), draft.unread):
                message = "'target: none' publishes no measures"
                yield Finding((key, index, "measure"), message, "name a target", at_key=True)
    for index, expectation in enumerate(draft.expect):
        if expectation is not None and has(expectation, "alert", ("expect", index), draft.unread):
            message = "with 'target: none' there is nowhere to see an alert"
            yield Finding(("expect", index, "alert"), message, "expect a milestone instead", at_key=True)
    for path, name in draft.names:
        message = f"'target: none' publishes no names, so ${{{name}}} stands for nothing"
        yield Finding(path, message, f"write $${{{name}}} if you mean the text")
