"""An experiment as a scenario.

The method becomes the timeline, each entry after the one before: actions as faults, probes as checks whose answers are
evidence. Chaos Toolkit asks its hypothesis once more when the method is through and everything is still disturbed, so
its probes stand at the end of the timeline too, besides being the steady state before and after. Faults that rollbacks
undo last until then; their undo is the guardian's, and sent whatever happens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from gameday.frozen import field, slotted
from gameday.interchange.chaostoolkit import controls
from gameday.interchange.chaostoolkit.providers import Carrier, duration, escaped
from gameday.interchange.chaostoolkit.reading import Experiment
from gameday.interchange.chaostoolkit.rollbacks import matched
from gameday.interchange.chaostoolkit.tolerances import tolerated
from gameday.interchange.losses import Losses, Way
from gameday.interchange.yaml_text import Noted
from gameday.scenario.duration import LONGEST, parse_duration
from gameday.scenario.problems import Problem, ScenarioErrors

Json = Any

ACTION_LIMIT, UNDO_LIMIT, PROBE_LIMIT, WAITING_LIMIT = "5m", "1m", "1m", "5m"
"""Times that functions and programs get where an experiment sets none: to act, to undo, to answer, to answer in the
method, where probes are often what waits for something."""
LONGEST_PAUSE = 86400.0
_USUAL_LENGTH, _USUAL_RECOVERY = 3600.0, 60.0
_HTTP = 15.0
"""Seconds that an HTTP activity may take, for the sum of all."""
_SECTIONS = """
version title description tags contributions configuration secrets steady-state-hypothesis method rollbacks controls
extensions runtime dry
"""
_TOP = frozenset(_SECTIONS.split())


@slotted
class _Step:
    """One activity of the method, references resolved."""

    way: Way
    activity: dict[str, Json]
    background: bool
    before: float
    after: float
    id: str = ""
    undo: list[tuple[Way, dict[str, Json]]] = field(default_factory=list)

    @property
    def acts(self) -> bool:
        return bool(self.activity["type"] == "action")

    @property
    def awaited(self) -> dict[str, Json]:
        """What to write for: when this is done, while what it disturbed may go on."""
        return {"effective": self.id} if self.undo else {"entry": self.id}


def imported(experiment: Experiment) -> dict[str, Json]:
    """The document of the scenario, with comments; what can't be carried over is in `experiment.losses` afterwards."""
    return _Import(experiment).document()


class _Import:
    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.source = experiment.document
        self.losses: Losses = experiment.losses
        self.carrier = Carrier(self.source, self.losses)
        self._ids: set[str] = set()
        self._holder = ""
        """The entry whose undos take away what all actions do; before them, and while it stands, none is begun."""

    def document(self) -> dict[str, Json]:
        source = self.source
        for key in source:
            if key not in _TOP:
                self.losses.lose((key,), "this key is not one of Chaos Toolkit's")
        configuration = self.carrier.configuration()
        document: dict[str, Json] = {"version": 1, "title": self._text(source["title"]).strip() or "untitled"}
        if source.get("description"):
            document["description"] = self._text(source["description"])
        tags = [escaped(tag) for tag in source.get("tags") or ()]
        tags += [escaped(f"contribution:{name}:{level}") for name, level in (source.get("contributions") or {}).items()]
        if tags:
            document["tags"] = tags
        document["imported"] = "chaostoolkit"
        self._set_aside()
        checks, hypothesis = self._hypothesis()
        guards = controls.carried(source, self.carrier, self.losses)
        if configuration:
            document["configuration"] = configuration
        if checks or guards.before:
            document["steady_state"] = [*checks, *guards.before]
        steps = self._steps("method")
        timeline, length, recovery = self._timeline(steps, hypothesis)
        if timeline:
            document["timeline"] = timeline
        if guards.during:
            document["abort_when"] = guards.during
        limits = {}
        if length > _USUAL_LENGTH:
            limits["duration"] = _rounded(length)
        if recovery > _USUAL_RECOVERY:
            limits["recovery"] = _rounded(recovery)
        if limits:
            document["limits"] = limits
        return document

    def _text(self, text: str) -> str:
        """A title or description, in which Chaos Toolkit fills in its configuration."""
        filled = re.sub(r"\$\{[A-Za-z_]\w*\}", lambda found: str(self.carrier.constant(found[0])), text)
        return str(escaped(filled))

    def _set_aside(self) -> None:
        """What has no place in a scenario."""
        if self.source.get("extensions"):
            self.losses.lose(("extensions",), "a scenario has no place for what other tools keep in an experiment")
        runtime = self.source.get("runtime") or {}
        for key, value in runtime.items():
            strategy = value.get("strategy") if isinstance(value, Mapping) else value
            if key == "rollbacks":
                if strategy != "always":
                    self.losses.change(("runtime", key), "whatever happens, what was injected is undone")
            elif key == "hypothesis" and strategy in (None, "default"):
                continue
            elif key == "hypothesis":
                why = "it is asked before, after and at the end of the method; to stop when it breaks, use abort_when:"
                self.losses.lose(("runtime", key), f"the strategy {str(strategy)[:40]!r}: {why}")
            else:
                self.losses.lose(("runtime", key), "nothing here corresponds to it")

    # --- the hypothesis ----------------------------------------------------------------------------------------------

    def _hypothesis(self) -> tuple[list[Json], list[Json]]:
        """The steady state, and the same checks for the end of the method."""
        hypothesis = self.source.get("steady-state-hypothesis") or {}
        found: list[Json] = []
        for index, probe in enumerate(hypothesis.get("probes") or ()):
            way: Way = ("steady-state-hypothesis", "probes", index)
            self._left_out(probe, way, ("tolerance",))
            if probe.get("pauses"):
                self.losses.lose((*way, "pauses"), "a check of the steady state is asked until it holds, for 10 s")
            activity = self.carrier.activity(
                probe["provider"], (*way, "provider"), PROBE_LIMIT, outer=probe.get("timeout")
            )
            expect = tolerated(probe["tolerance"], activity, self.carrier, (*way, "tolerance"))
            found.append({"name": escaped(probe["name"]), "activity": activity, "expect": expect})
        title = str(hypothesis.get("title") or "")
        noted = [Noted(found[0], (title,)), *found[1:]] if found and title else found
        return noted, found

    def _left_out(self, activity: Mapping[str, Json], way: Way, more: tuple[str, ...] = ()) -> None:
        known = ("type", "name", "provider", "pauses", "background", "timeout", "controls", "dry", *more)
        for key in activity:
            if key not in known:
                self.losses.lose((*way, key), "Chaos Toolkit does not look at it here either")

    # --- the method --------------------------------------------------------------------------------------------------

    def _steps(self, section: str) -> list[_Step]:
        found = []
        for index, element in enumerate(self.source.get(section) or ()):
            way: Way = (section, index)
            activity, pauses = element, element.get("pauses") or {}
            if "ref" in element:
                _, activity = self._resolved(element)
                pauses = activity.get("pauses") or {}
                for key in element:
                    if key not in ("ref", "background", "name", "type"):
                        self.losses.lose((*way, key), "beside ref Chaos Toolkit does not look at it either")
            else:
                self._left_out(activity, way, ("tolerance",))
            dry = activity.get("dry", self.source.get("dry"))
            if dry in ("activities", "actions" if activity["type"] == "action" else "probes") or dry is True:
                self.losses.lose(way, "it is marked as dry, so it would not be run; `gameday preview` touches nothing")
                continue
            before, after = (self._pause(pauses.get(key), (*way, "pauses", key), dry) for key in ("before", "after"))
            step = _Step(way, activity, bool(element.get("background")), before, after)
            step.id = self._id(activity["name"])
            found.append(step)
        return found

    def _resolved(self, element: dict[str, Json]) -> tuple[Way, dict[str, Json]]:
        way, activity = self.experiment.named[element["ref"]]
        for _ in range(len(self.experiment.named)):
            if "ref" not in activity:
                break
            way, activity = self.experiment.named[activity["ref"]]
        return way, activity

    def _pause(self, value: Json, way: Way, dry: Json) -> float:
        constant = self.carrier.constant(value)
        if value is None or dry == "pause":
            return 0.0
        if not isinstance(constant, int | float) or isinstance(constant, bool) or not math.isfinite(constant):
            self.losses.lose(way, f"how long {value} is, is not known before it is run; there is no pause")
            return 0.0
        if constant > LONGEST_PAUSE:
            self.losses.change(way, "a pause of more than a day; it is one of a day")
        return min(max(float(constant), 0.0), LONGEST_PAUSE)

    def _id(self, name: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-._")[:56].rstrip("-._") or "step"
        found, number = plain, 1
        while found in self._ids:
            number += 1
            found = f"{plain}-{number}"
        self._ids.add(found)
        return found

    # --- the timeline ------------------------------------------------------------------------------------------------

    def _timeline(self, steps: list[_Step], hypothesis: list[Json]) -> tuple[list[Json], float, float]:
        """The entries; how long all of it may take; and how long undoing may take. Seconds."""
        late = self._give_undos(steps)
        entries: list[dict[str, Json]] = []
        notes: list[tuple[str, ...]] = []
        previous: _Step | None = None
        pending = total = 0.0
        for step in steps:
            delay = pending + step.before
            entry, note = self._entry(step)
            entries.append({"id": step.id, **_due(previous, delay), **entry})
            notes.append(note)
            total += step.before + step.after + _takes(entry.get("activity") or entry["check"]["activity"])
            if not step.background:
                previous, pending = step, step.after
        last, delay = previous, pending
        if any(step.acts for step in steps):
            for check in hypothesis:
                name = self._id(f"{check['name']}-at-the-end")
                entries.append({"id": name, **_due(last, delay), "check": check})
                total += _takes(check["activity"]) + delay
                notes.append(
                    ("the hypothesis, with everything that was disturbed still so",) if last is previous else ()
                )
                last, delay = _Step((), {"type": "probe"}, False, 0.0, 0.0, name), 0.0
        until = [_after(last, delay)] if last is not None else []
        until += [step.awaited for step in steps if step.background]
        if total > LONGEST / 3:
            length = duration(total)
            raise ScenarioErrors([Problem(self.experiment.path, None, None, f"it may take {length}, with its pauses")])
        longest = total + 60.0
        recovery = 0.0
        for step, entry in zip(steps, entries, strict=False):
            if step.undo:
                entry["until"] = until[0] if len(until) == 1 else until
                entry["for"] = _rounded(longest)
                recovery = max(recovery, 2 * sum(_takes(undo) for undo in _listed(entry["undo"])))
        if steps and any(step.background for step in steps) and len(entries) > len(steps):
            self.losses.change(("method",), "the hypothesis at its end does not wait for activities in the background")
        made = [Noted(entry, note) if note else entry for entry, note in zip(entries, notes, strict=True)]
        made += self._afterwards(late, last, delay)
        held = max((len(step.undo) for step in steps), default=0)
        return made, (total + longest if held else total) + 600.0, recovery + 30.0 if recovery else 0.0

    def _entry(self, step: _Step) -> tuple[dict[str, Json], tuple[str, ...]]:
        provider, way, name = step.activity["provider"], (*step.way, "provider"), str(step.activity["name"])
        note = () if re.sub(r"\W+", "-", name) == step.id else (name,)
        limit = ACTION_LIMIT if step.acts else WAITING_LIMIT
        activity = self.carrier.activity(provider, way, limit, outer=step.activity.get("timeout"))
        if not step.acts:
            if "tolerance" in step.activity:
                note = (*note, "Chaos Toolkit does not judge this here; with `expect:` it would be")
            return {"check": {"name": escaped(name), "activity": activity}}, note
        entry = {"fault": "activity", "activity": activity}
        if not step.undo:
            if self._holder:
                return {**entry, "undone_with": self._holder}, note
            return {**entry, "one_shot": True}, (*note, "nothing undoes this: does it pass by itself?")
        undo = [self._undo(way, activity) for way, activity in step.undo]
        return {**entry, "undo": undo[0] if len(undo) == 1 else undo}, note

    def _undo(self, way: Way, rollback: dict[str, Json]) -> dict[str, Json]:
        return self.carrier.activity(
            rollback["provider"], (*way, "provider"), UNDO_LIMIT, outer=rollback.get("timeout")
        )

    # --- rollbacks ---------------------------------------------------------------------------------------------------

    def _give_undos(self, steps: list[_Step]) -> list[_Step]:
        """Hand the rollbacks to the actions that they undo; returns those that are run afterwards instead."""
        rollbacks = self._steps("rollbacks")
        late = [step for step in rollbacks if not step.acts]
        undoing = [step for step in rollbacks if step.acts]
        actions = [step for step in steps if step.acts]
        for step in undoing if actions else ():
            for key, value in (("before", step.before), ("after", step.after)):
                if value:
                    self.losses.lose((*step.way, "pauses", key), "an undo is sent at once")
            if step.background:
                self.losses.change((*step.way, "background"), "undos of one fault are run one after another")
        if not undoing:
            return late
        if not actions:
            for step in undoing:
                self.losses.change(step.way, "there is no action that it undoes: it is run at the end, not on an abort")
            return [*undoing, *late]
        pairs = matched([step.activity for step in actions], [step.activity for step in undoing])
        if pairs is None:
            # One that others wait for must not begin after them.
            first = next((step for step in actions if not (step.background and step.before)), actions[0])
            self._holder = first.id
            first.undo = [(step.way, step.activity) for step in undoing]
            why = f"which action each undoes is not clear: {first.id} holds them all, and they are run in order"
            when = "when the method is through, it is aborted, or that action fails, after which no other is begun"
            self.losses.change(("rollbacks",), f"{why} {when}")
            return late
        for action, indexes in zip(actions, pairs, strict=True):
            action.undo = [(undoing[index].way, undoing[index].activity) for index in indexes]
        if sum(bool(step.undo) for step in actions) > 1:
            self.losses.change(("rollbacks",), "undos of different faults are run at the same time")
        return late

    def _afterwards(self, late: list[_Step], last: _Step | None, delay: float) -> list[Json]:
        """Probes among the rollbacks, and rollbacks of nothing."""
        made: list[Json] = []
        for step in late:
            entry, note = self._entry(step)
            made.append(Noted({"id": step.id, **_due(last, delay + step.before), **entry}, note))
            if not step.acts:
                self.losses.change(step.way, "a probe among the rollbacks is asked at the end of the method")
            last, delay = step, step.after
        return made


def _due(previous: _Step | None, delay: float) -> dict[str, Json]:
    if previous is None:
        return {"at": duration(delay) if delay else "0s"}
    after = _after(previous, delay)
    return {"after": after["entry"] if after.keys() == {"entry"} else after}


def _after(step: _Step, delay: float) -> dict[str, Json]:
    return {**step.awaited, **({"delay": duration(delay)} if delay else {})}


def _listed(undo: Json) -> list[Json]:
    return undo if isinstance(undo, list) else [undo]


def _takes(activity: Mapping[str, Json]) -> float:
    """Seconds that an activity may take at most, as it is written."""
    timeout = activity.get("timeout")
    return sum(map(parse_duration, timeout if isinstance(timeout, list) else [timeout])) if timeout else _HTTP


def _rounded(seconds: float) -> str:
    """Up to a whole minute, from an hour on to five."""
    step = 60 if seconds < 3600 else 300
    return duration(math.ceil(seconds / step) * step)
