"""Manifests as a scenario.

Whoever applies a file starts all of its faults at once, so all are due at the start. A Schedule's fault is in there
once: when a scenario is run is nobody's business but of whoever runs it. A Workflow's steps are due when they would be
if each took as long as it may.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from gameday.frozen import field, slotted
from gameday.interchange.chaos_mesh.faults import LONGEST_FAULT, Draft, Spec, drafted
from gameday.interchange.chaos_mesh.parts import NotCarried, Part
from gameday.interchange.chaos_mesh.reading import Manifests, Thing, has_placeholder
from gameday.interchange.chaos_mesh.services import Services
from gameday.interchange.chaostoolkit.providers import escaped
from gameday.interchange.losses import Losses
from gameday.interchange.yaml_text import Noted
from gameday.scenario.duration import format_duration
from gameday.scenario.problems import Problem, ScenarioErrors, shown

Json = Any

_GROUPS = ("chaos-mesh.org", "pingcap.com")
"""Whose API it is; the latter is what it was called at first."""
PAUSE = "experiment.chaos-mesh.org/pause"
_USUAL_LENGTH = 3600.0
_MOST_STEPS = 200
_NO_SUSPENSE = "the steps after it are not waited for"
_WHEN = (
    "when it is run is not said by a scenario: have cron, a systemd timer or a CronJob run `gameday run` at"
    # and then the expression
)


@slotted
class _Due:
    """Something of the timeline, with its time."""

    at: float
    id: str
    draft: Draft
    notes: tuple[str, ...]


@slotted
class _Import:
    losses: Losses
    services: Services = field(default_factory=Services)
    due: list[_Due] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    # --- objects -----------------------------------------------------------------------------------------------------

    def thing(self, thing: Thing) -> None:
        """Take one object in, or list it."""
        raw = thing.raw
        if not isinstance(raw, dict):
            self.losses.lose(thing.way, f"{shown(raw)} is no object", thing.where)
            return
        kind, group = str(raw.get("kind") or ""), str(raw.get("apiVersion") or "").partition("/")[0]
        said = raw.get("metadata")
        metadata = said if isinstance(said, dict) else {}
        name = str(metadata.get("name") or metadata.get("generateName") or "").strip("-")
        label = " ".join(word for word in (kind[:60] or "no kind", name[:100]) if word)
        part = Part(raw, thing.way, f"{thing.where}, {label}", len(thing.way), self.losses)
        known = len(self.due)
        if group not in _GROUPS:
            part.lose(None, f"it is no object of Chaos Mesh's ({shown(str(raw.get('apiVersion') or ''))})")
            return
        try:
            if has_placeholder(raw):
                raise NotCarried(thing.way, "it has a template's {{ … }} in it: render it first, e.g. `helm template`")
            self._object(part, kind, name)
        except NotCarried as error:
            part.lost(error)
        if len(self.due) > known:
            self.titles.append(name or kind)

    def _object(self, part: Part, kind: str, name: str) -> None:
        part.take("apiVersion"), part.take("kind")
        metadata = part.part("metadata")
        home = ""
        if metadata is not None:
            for key in ("name", "generateName"):
                metadata.take(key)
            home = metadata.text("namespace")
            annotations = metadata.raw.get("annotations")
            if isinstance(annotations, dict) and str(annotations.get(PAUSE)).lower() == "true":
                raise NotCarried((*metadata.at("annotations"), PAUSE), "it is paused")
            metadata.rest("it says nothing of the fault", harmless=True)
        if part.take("status") is not None:
            part.change("status", "it says what became of it, and not what it is")
        spec = part.part("spec")
        if spec is None:
            raise NotCarried(part.at("spec"), "there is no spec")
        if kind == "Schedule":
            self._schedule(spec, home, name)
        elif kind == "Workflow":
            _Workflow(self, spec, home).steps()
        else:
            self._fault(kind, spec, home, name)
        part.rest("Chaos Mesh does not know it")

    def _fault(self, kind: str, spec: Part, home: str, name: str, notes: tuple[str, ...] = ()) -> None:
        scheduler = spec.take("scheduler")
        if isinstance(scheduler, dict) and scheduler:
            cron = str(scheduler.get("cron") or "")[:100]
            notes = (*notes, _cron(cron))
            spec.lose("scheduler", f"{_WHEN} {shown(cron)}")
        for draft in drafted(kind, Spec(spec, self.services, home, name or kind)):
            self.add(0.0, name or kind, draft, notes)

    def _schedule(self, spec: Part, home: str, name: str) -> None:
        cron, kind = spec.text("schedule"), spec.text("type")
        notes = (_cron(cron[:100]),)
        inner = _embedded(spec, kind)
        if inner is None:
            raise NotCarried(spec.at("type"), f"what it schedules ({shown(kind)}) is not in it")
        repeats = "; a pod-kill may have every: and for:, and is repeated then" if kind == "PodChaos" else ""
        known = len(self.due)
        if kind == "Workflow":
            _Workflow(self, inner, home).steps()
            self.due[known:] = [_Due(one.at, one.id, one.draft, (*one.notes, *notes)) for one in self.due[known:]]
        else:
            self._fault(kind, inner, home, name, notes)
        spec.lose("schedule", f"{_WHEN} {shown(cron[:100])}{repeats}")
        _drop_schedule(spec)
        spec.rest("it belongs to another type of schedule")

    # --- the timeline ------------------------------------------------------------------------------------------------

    def add(self, at: float, name: str, draft: Draft, notes: tuple[str, ...] = ()) -> None:
        plain = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-._")[:56].rstrip("-._") or "fault"
        found, number = plain, 1
        while found in self.ids:
            number += 1
            found = f"{plain}-{number}"
        self.ids.add(found)
        self.due.append(_Due(at, found, draft, notes))

    def document(self, path: str) -> dict[str, Json]:
        title = self.titles[0] if len(self.titles) == 1 else f"{len(self.due)} faults of {Path(path).name}"
        document: dict[str, Json] = {
            "version": 1,
            "title": "".join(c if c.isprintable() else "\ufffd" for c in title)[:200].strip() or "untitled",
            "imported": "chaos-mesh",
        }
        timeline: list[Json] = []
        for one in sorted(self.due, key=lambda one: one.at):
            entry: dict[str, Json] = {"id": one.id, "at": format_duration(one.at), "fault": one.draft.fault}
            entry["with"] = one.draft.params
            if one.draft.lasts is not None:
                entry["for"] = format_duration(one.draft.lasts)
            notes = (*one.notes, *one.draft.notes)
            entry = escaped(entry)
            timeline.append(Noted(entry, notes) if notes else entry)
        length = max(one.at + (one.draft.lasts or 0.0) for one in self.due) + 600.0
        made: dict[str, Json] = {**escaped(document), "timeline": timeline}
        if length > _USUAL_LENGTH:
            made["limits"] = {"duration": format_duration(math.ceil(length / 300) * 300)}
        return made


def _cron(cron: str) -> str:
    return f"Chaos Mesh does this by schedule: {cron or '?'}"


def _drop_schedule(spec: Part) -> None:
    """List what goes with a cron expression."""
    for key in ("historyLimit", "concurrencyPolicy", "startingDeadlineSeconds"):
        if spec.take(key) is not None:
            spec.lose(key, "it goes with the schedule, which no scenario has; a target has one exercise at a time")


def _embedded(part: Part, kind: str) -> Part | None:
    """What stands in a Schedule or a step under the key that its type has, as `networkChaos`, or `network_chaos`."""
    wanted = kind.lower()
    found = [key for key in part.raw if key.replace("_", "").lower() == wanted and isinstance(part.raw[key], dict)]
    return part.part(found[0]) if wanted and found else None


class _Workflow:
    """A Workflow's steps, in the order in which it takes them."""

    def __init__(self, owner: _Import, spec: Part, home: str) -> None:
        self.owner = owner
        self.spec = spec
        self.home = home
        self.count = 0
        templates = spec.take("templates")
        self.ways: dict[str, int] = {}
        if not isinstance(templates, list):
            raise NotCarried(spec.at("templates"), "a list of steps should be here")
        self.templates = templates
        for index, one in enumerate(templates):
            if isinstance(one, dict):
                self.ways.setdefault(str(one.get("name")), index)

    def steps(self) -> None:
        entry = self.spec.text("entry")
        if entry not in self.ways:
            raise NotCarried(self.spec.at("entry"), f"there is no step called {shown(entry)}")
        known = len(self.owner.due)
        used: set[str] = set()
        self._step(entry, 0.0, math.inf, (), used)
        for name, index in self.ways.items():
            if name not in used:
                self._part(index).change(None, "no step leads there")
        self.spec.rest("nothing here corresponds to it")
        if len(self.owner.due) == known:
            raise NotCarried(self.spec.at("templates"), "none of its steps is a fault that can be carried over")

    def _part(self, index: int) -> Part:
        way = (*self.spec.at("templates"), index)
        return Part(self.templates[index], way, self.spec.owner, self.spec.depth, self.spec.losses)

    def _step(self, name: str, at: float, deadline: float, above: tuple[str, ...], used: set[str]) -> float:
        """Put a step and those within at their time; when it is over, in seconds from the start."""
        self.count += 1
        if name not in self.ways:
            self.spec.lose("templates", f"there is no step called {shown(name)}")
            return at
        part = self._part(self.ways[name])
        if name in above or self.count > _MOST_STEPS or at > LONGEST_FAULT:
            part.lose(None, "it leads to itself, or there are too many steps: it is left out")
            return at
        used.add(name)
        try:
            return self._taken(part, name, at, deadline, above, used)
        except NotCarried as error:
            part.lost(error)
            return at

    def _taken(
        self, part: Part, name: str, at: float, deadline: float, above: tuple[str, ...], used: set[str]
    ) -> float:
        part.take("name")
        kind = part.text("templateType") or part.text("template_type")
        own = part.seconds("deadline")
        own = part.seconds("duration") if own is None else own
        within = min(deadline, at + own if own else math.inf)
        if kind in ("Serial", "Parallel"):
            end = at
            for child in part.texts("children") or part.texts("tasks"):
                ended = self._step(child, end if kind == "Serial" else at, within, (*above, name), used)
                end = max(end, ended)
            part.rest("nothing here corresponds to it")
            return end
        if kind == "Suspend":
            if not own:
                part.lose("deadline", f"how long it waits is not said; {_NO_SUSPENSE}")
            part.rest("nothing here corresponds to it")
            return min(at + (own or 0.0), within)
        timed = part.part("schedule") if kind == "Schedule" else None
        if timed is not None:
            kind, cron = timed.text("type"), timed.text("schedule")
            timed.lose("schedule", f"it is done once, and not by schedule: {shown(cron[:100])}")
            _drop_schedule(timed)
        inner = _embedded(timed if timed is not None else part, kind)
        if inner is None or not kind.endswith("Chaos"):
            raise NotCarried(part.at("templateType"), f"a step of type {shown(kind)} is no fault")
        if at >= within:
            raise NotCarried(part.at("deadline"), "it would begin when the step around it is over")
        limit = None if within == math.inf else within - at
        scheduler = inner.take("scheduler")
        if isinstance(scheduler, dict) and scheduler:
            inner.lose("scheduler", f"it is done once, and not by schedule: {shown(str(scheduler.get('cron') or ''))}")
        ends = at
        for draft in drafted(kind, Spec(inner, self.owner.services, self.home, name, limit)):
            self.owner.add(at, name, draft)
            # A step takes as long as it may, also where what it does takes no time.
            ends = max(ends, at + (draft.lasts or 0.0), at + (own or 0.0) if own else at)
        for one in (timed, part):
            if one is not None:
                one.rest("nothing here corresponds to it")
        return min(ends, within)


def imported(manifests: Manifests) -> tuple[dict[str, Json], list[str]]:
    """The document of the scenario, and the tables of its services; `manifests.losses` has what isn't in it.

    Raises:
        ScenarioErrors: there is nothing in the file that can be carried over.
    """
    made = _Import(manifests.losses)
    for thing in manifests.things:
        made.thing(thing)
    if not made.due:
        found = [
            Problem(manifests.path, loss.at[0] if loss.at else None, loss.at[1] if loss.at else None, str(loss))
            for loss in manifests.losses
            if loss.lost
        ]
        message = "there is no fault of Chaos Mesh in this file that can be carried over"
        raise ScenarioErrors([Problem(manifests.path, None, None, message), *found[:100]])
    named = [one.draft.params.get(key) for one in made.due for key in ("service", "from", "to")]
    # Others were found on the way to faults that are not in it.
    made.services.keep({name for name in named if name})
    return made.document(manifests.path), made.services.lines()
