"""A scenario as an experiment.

Its portable faults become activities first, where the target is a cluster: see `portable`. Activities go over as they
are, in the order in which they are due if nothing takes time. A fault that lasts for a while is undone in the method at
its time, and by the rollbacks all the same. What is told to people and expected of them, and what would abort the
exercise, has no counterpart and is listed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gameday.frozen import frozen
from gameday.interchange.chaostoolkit.portable import CONTEXT, Portable, check_expressible, in_activities
from gameday.interchange.chaostoolkit.probes_out import OURS, Outward
from gameday.interchange.chaostoolkit.times import Times
from gameday.interchange.losses import Losses, Way
from gameday.scenario.configuring import dynamic
from gameday.scenario.models import Entry, Scenario
from gameday.scenario.names import resolve_names

Json = Any

CLUSTER = "cluster"
"""The group of secrets that tells chaosk8s which cluster is meant."""
_FOR_PEOPLE = ("category", "severity", "severity_why", "difficulty", "roles", "objectives", "runbook")


@frozen
class _Event:
    at: float
    order: int
    index: int
    """Of the timeline's entry."""
    undo: bool = False


def exported(document: Mapping[str, Json], target: Mapping[str, Json], losses: Losses) -> dict[str, Json]:
    """The experiment that a scenario's `document` is on a `target` (`TargetInfo` as JSON).

    Raises:
        CantExport: it has portable faults that nothing in Chaos Toolkit does there.
        ScenarioErrors: it names what the target does not publish.
    """
    check_expressible(document, target)
    names, measures = target["names"], target["measures"]
    faults = in_activities(resolve_names(dict(document), names), target, losses)
    probes = {name: resolve_names({"probe": probe}, names)["probe"] for name, probe in measures.items()}
    return _Export(faults, probes, losses).experiment()


class _Export:
    def __init__(self, faults: Portable, measures: Mapping[str, Json], losses: Losses) -> None:
        self.faults = faults
        self.document = document = faults.document
        self.scenario = Scenario.model_validate(document)
        self.losses = losses
        self.out = Outward(losses, dict(document.get("configuration") or {}), measures)
        self.times = Times(self.scenario)
        self._asked: list[str] = []

    def experiment(self) -> dict[str, Json]:
        self._set_aside()
        document = self.document
        for name in dynamic(self.out.configuration):
            value = self.out.configuration[name]
            provider = self.out.provider(value["provider"], ("configuration", name, "provider"))
            self.out.configuration[name] = {**value, "provider": provider}
        tags = [tag for tag in self.scenario.tags if not tag.startswith("contribution:")]
        contributions = [tag.split(":", 2)[1:] for tag in self.scenario.tags if tag.count(":") > 1 and tag not in tags]
        made: dict[str, Json] = {
            "version": "1.0.0",
            "title": self.scenario.title.replace("$", "$$"),
            "description": self.scenario.description or self.scenario.title,
        }
        if tags:
            made["tags"] = tags
        if contributions:
            made["contributions"] = dict(contributions)
        probes = [
            self.out.probe(check, check.get("name") or f"check {index + 1}", ("steady_state", index))
            for index, check in enumerate(document.get("steady_state") or ())
        ]
        probes += [{**guard, "provider": self._on_the_cluster(guard["provider"])} for guard in self.faults.guards]
        method, rollbacks = self._method()
        if self.out.configuration:
            made["configuration"] = self.out.configuration
        if self.out.secrets:
            made["secrets"] = self.out.secrets
        if probes:
            made["steady-state-hypothesis"] = {"title": "The steady state", "probes": probes}
        made |= {"method": method, "rollbacks": rollbacks}
        if rollbacks:
            # By default they are left out when a run is interrupted or fails.
            made["runtime"] = {"rollbacks": {"strategy": "always"}}
            why = (
                "played whatever happens, if Chaos Toolkit lives to do so; not where its --rollback-strategy says other"
            )
            self.losses.change((), why, "rollbacks")
        if self.out.configuration or self.out.secrets:
            _protect(made)
        return made

    def _set_aside(self) -> None:
        scenario = self.scenario
        for key in _FOR_PEOPLE:
            if self.document.get(key):
                self.losses.lose((key,), "an experiment has no place for it")
        for index, expectation in enumerate(self.document.get("expect") or ()):
            kind = next((key for key in ("alert", "milestone", "update", "check") if key in expectation), "it")
            self.losses.lose(("expect", index), f"nothing is expected in an experiment ({kind})")
        for index, condition in enumerate(scenario.abort_when):
            why = "nothing aborts an experiment but the safeguards of chaostoolkit-addons: add them by hand"
            self.losses.lose(("abort_when", index), why, f"abort_when[{index + 1}] ({condition.name})")
        # What came from an experiment got its limits by the import.
        for key in (self.document.get("limits") or ()) if scenario.imported is None else ():
            self.losses.lose(("limits", key), "an experiment has no limits")

    # --- the method --------------------------------------------------------------------------------------------------

    def _method(self) -> tuple[list[Json], list[Json]]:
        events = self._events()
        kept, finish = self._without_the_hypothesis(events)
        method: list[dict[str, Json]] = []
        now = 0.0
        for place, event in enumerate(kept):
            entry = self.scenario.timeline[event.index]
            found = self._undos(event.index) if event.undo else [self._element(event.index)]
            if event.at > now:
                found[0]["pauses"] = {"before": _plain(event.at - now)}
            following = kept[place + 1] if place + 1 < len(kept) else None
            if not event.undo and following is not None and self._beside(event, following, entry):
                found[0]["background"] = True
            else:
                now = max(now, event.at)
            method += found
        if method and finish > now:
            method[-1].setdefault("pauses", {})["after"] = _plain(finish - now)
        injected = [event.index for event in kept if not event.undo]
        rollbacks = [undo for index in reversed(injected) for undo in self._undos(index)]
        return method, rollbacks

    def _events(self) -> list[_Event]:
        """What happens, in order, if nothing takes time."""
        events: list[_Event] = []
        for index, entry in enumerate(self.scenario.timeline):
            way: Way = ("timeline", index)
            if entry.inject is not None:
                self.losses.lose(way, "nobody is told anything in an experiment", f"inject {self._name(index)}")
                continue
            start = self.times.start(index)
            if start is None:
                why = "it waits for people, and an experiment has none"
                self.losses.lose(way, why, f"{'fault' if entry.fault else 'check'} {self._name(index)}")
                continue
            events.append(_Event(start, index, index))
        last = max((event.at for event in events), default=0.0)
        for event in list(events):
            entry = self.scenario.timeline[event.index]
            end = self.times.end(event.index)
            if entry.undo and end is not None and (not entry.until or end < last):
                # Before what begins at the same time, which may be waiting for just that.
                order = event.index - len(self.scenario.timeline) * (1 if event.at < end else -1)
                events.append(_Event(end, order, event.index, undo=True))
        return sorted(events, key=lambda event: (event.at, event.order))

    def _without_the_hypothesis(self, events: list[_Event]) -> tuple[list[_Event], float]:
        """`events` without the checks at their end that are the hypothesis again, and when all is through.

        Chaos Toolkit asks its hypothesis there by itself.
        """
        known = [_question(check) for check in self.document.get("steady_state") or ()]
        finish = max((event.at for event in events), default=0.0)
        for event in events:
            entry = self.scenario.timeline[event.index]
            if entry.until and not event.undo:
                finish = max(finish, self.times.end(event.index) or 0.0)
        kept = list(events)
        while kept and (check := self.document["timeline"][kept[-1].index].get("check")) is not None:
            if not check.get("expect") or _question(check) not in known:
                break
            kept.pop()
        return kept, finish

    def _beside(self, event: _Event, following: _Event, entry: Entry) -> bool:
        """The next one does not wait for this one."""
        after = self.scenario.timeline[following.index].after
        if following.undo or (entry.after is None) is not (after is None):
            return False
        if after is None:
            return self.scenario.imported is not None and event.at == following.at
        index: int | None = following.index
        for _ in self.times.ids:
            after = self.scenario.timeline[index].after if index is not None else None
            index = self.times.ids.get(after.entry or after.effective or "") if after is not None else None
            if index == event.index:
                return False
        return True

    # --- its elements ------------------------------------------------------------------------------------------------

    def _element(self, index: int) -> dict[str, Json]:
        entry, raw = self.scenario.timeline[index], self.document["timeline"][index]
        way: Way = ("timeline", index)
        for key in ("effective", "recovered", "notes", "hint"):
            if raw.get(key):
                self.losses.lose((*way, key), "an experiment has no place for it")
        if entry.check is not None:
            if raw["check"].get("expect"):
                self.losses.change((*way, "check", "expect"), "in a method Chaos Toolkit asks, and does not judge")
            return self.out.probe(
                raw["check"], raw["check"].get("name") or self._name(index), (*way, "check"), judged=False
            )
        provider = self._provider(index, raw["activity"], (*way, "activity"))
        return {"type": "action", "name": self._name(index), "provider": provider}

    def _provider(self, index: int, activity: Mapping[str, Json], way: Way) -> dict[str, Json]:
        if index not in self.faults.indexes:
            return self.out.provider(activity, way)
        return self._on_the_cluster(dict(activity))

    def _on_the_cluster(self, provider: dict[str, Json]) -> dict[str, Json]:
        """A provider of chaosk8s that is told the context which the target means, whatever the current one is."""
        if self.faults.context is None:
            return provider
        group = self.out.literal(CLUSTER, {CONTEXT: self.faults.context})
        return {**provider, "secrets": [group]}

    def _undos(self, index: int) -> list[dict[str, Json]]:
        undo = self.document["timeline"][index].get("undo") or []
        undos = undo if isinstance(undo, list) else [undo]
        found = []
        for number, each in enumerate(undos, 1):
            name = f"undo {self._name(index)}" + (f" ({number})" if len(undos) > 1 else "")
            provider = self._provider(index, each, ("timeline", index, "undo"))
            found.append({"type": "action", "name": name, "provider": provider})
        return found

    def _name(self, index: int) -> str:
        return self.scenario.entry_id(index)


def _question(check: Mapping[str, Json]) -> Json:
    return {key: value for key, value in check.items() if key != "name"}


def _plain(seconds: float) -> float:
    return int(seconds) if float(seconds).is_integer() else round(seconds, 3)


def _protect(experiment: dict[str, Json]) -> None:
    """In arguments Chaos Toolkit fills in whatever begins with a dollar; in what our function is given nothing does."""
    probes = (experiment.get("steady-state-hypothesis") or {}).get("probes") or []
    for activity in [*probes, *experiment["method"]]:
        provider = activity["provider"]
        if provider.get("module") == OURS:
            provider["arguments"] = json.loads(json.dumps(provider["arguments"]).replace("$", "$$"))
