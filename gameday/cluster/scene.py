"""What is watched on a cluster, and what the streams of it amount to: one place that knows all pods and workloads.

Pure: it takes messages and gives happenings. Who brings them, and how fast they are told, is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gameday.cluster.announcements import Announcements, pattern
from gameday.cluster.happenings import Happening, took
from gameday.cluster.podlife import Pods
from gameday.cluster.resources import DEPLOYMENTS, EVENTS, PODS, STATEFULSETS, Resource, named
from gameday.cluster.runs import Runs, Unowned, Wholeness
from gameday.cluster.streams import Back, Changed, Listed, Lost, Stream
from gameday.frozen import frozen, slotted

_AGAIN = 60.0
"""Seconds in which that nothing is heard is told once."""
_TOGETHER = 1.0
"""Seconds in which what we may not do is gathered, to be said in one sentence."""


@frozen
class Subject:
    """One workload, or pods that nothing we know of runs, and the services that it stands for."""

    services: tuple[str, ...]
    namespace: str
    resource: Resource | None
    name: str
    selector: str

    @property
    def thing(self) -> str:
        if self.resource is None:
            return f"pods of {self.name}"
        return named(self.resource, self.namespace, self.name)


@frozen
class Recent:
    """Rollouts of before; or why they can't be told."""

    found: tuple[Happening, ...]
    trouble: str = ""


@slotted
class _Watched:
    """What is known of one subject."""

    subject: Subject
    pods: Pods
    state: Wholeness
    runs: Runs | None
    unowned: Unowned
    names: re.Pattern[str] | None

    def owns(self, kind: str, name: str) -> bool:
        if self.names is not None and self.names.fullmatch(f"{kind} {name}"):
            return True
        return kind == "Pod" and any(one.pod.name == name for one in self.pods.seen.values())


class Scene:
    """All that is watched; takes what the streams bring and says what happened. Pure."""

    def __init__(self, subjects: list[Subject]) -> None:
        self.subjects = subjects
        self.watched = [_watched(one) for one in subjects]
        self.events = {
            space: Announcements(
                lambda kind, name, space=space: self._whose(space, kind, name),  # type: ignore[misc]
                lambda name, space=space: self._quiet(space, name),  # type: ignore[misc]
                lambda space=space: self._workloads_hidden(space),  # type: ignore[misc]
            )
            for space in dict.fromkeys(one.namespace for one in subjects)
        }
        """By namespace."""
        self.blind: set[Stream] = set()
        """Streams that we may not watch."""
        self.lost: dict[Stream, float] = {}
        """Streams that hear nothing, and since when."""
        self.gone_since: float | None = None
        self.gone_told: float | None = None
        """When it was last told that nothing is heard."""
        self.gone_why = ""
        self.quiet = False
        """That nothing is heard now was not told, or not yet."""
        self.denied: dict[str, str] = {}
        """What to warn of together: what we may not see -> why."""
        self.denied_since: float | None = None
        self.pending: list[str] = []

    def streams(self) -> list[Stream]:
        found = [Stream(EVENTS, space) for space in self.events]
        for one in self.subjects:
            if one.selector:
                found.append(Stream(PODS, one.namespace, one.selector))
            if one.resource is not None:
                found.append(Stream(one.resource, one.namespace, fields=f"metadata.name={one.name}"))
        return list(dict.fromkeys(found))

    def patience(self, other: float | None) -> float | None:
        """Seconds until there is something to do though nothing comes."""
        waits = [other, _TOGETHER if self.denied_since is not None else None]
        if self.gone_since is not None and self.quiet:
            waits.append(_TOGETHER)
        return min((each for each in waits if each is not None), default=None)

    @property
    def hears(self) -> bool:
        """Whether the cluster is heard, as far as that is allowed."""
        return self.gone_since is None

    def take(self, message: Listed | Changed | Lost | Back | Recent, now: float) -> Iterator[Happening]:
        match message:
            case Recent(found=found, trouble=trouble):
                if trouble:
                    self._deny("recent rollouts", trouble, now)
                yield from found
            case Lost():
                yield from self._lost(message, now)
            case Back():
                yield from self._back(message.stream, now)
            case _:
                yield from self._objects(message, now)

    def warnings(self, now: float) -> Iterator[str]:
        """What is to be said to people now, each once."""
        told, self.pending = self.pending, []
        yield from told
        if self.gone_since is not None and self.quiet and now - (self.gone_told or 0.0) >= _AGAIN:
            self.quiet, self.gone_told = False, now
            yield f"nothing is heard from the cluster for {took(now - self.gone_since)}: {self.gone_why}; trying again"
        if self.denied_since is not None and now - self.denied_since >= _TOGETHER:
            what, why = ", ".join(self.denied), next(iter(self.denied.values()))
            self.denied, self.denied_since = {}, None
            yield f"it is incomplete, since we may not see {what} ({why})"

    # --- objects -----------------------------------------------------------------------------------------------------

    def _objects(self, message: Listed | Changed, now: float) -> Iterator[Happening]:
        stream = message.stream
        if stream.resource is EVENTS:
            announced = self.events[stream.namespace]
            if isinstance(message, Listed):
                yield from announced.listed(message.items)
            else:
                yield from announced.changed(message.kind, message.thing)
            return
        for one in self.watched:
            if one.subject.namespace != stream.namespace:
                continue
            if stream.resource is PODS and one.subject.selector == stream.selector:
                yield from _told(one.pods, message, now)
                if one.runs is None or self._hidden(one):
                    yield from one.unowned.look(one.pods, now)
            elif one.runs is not None and _is_of(stream, one.subject):
                yield from _told(one.runs, message, now)

    def _whose(self, space: str, kind: str, name: str) -> tuple[str, ...]:
        found = [one for one in self.watched if one.subject.namespace == space and one.owns(kind, name)]
        return tuple(dict.fromkeys(service for one in found for service in one.subject.services))

    def _quiet(self, space: str, name: str) -> bool:
        seen = [one.pods for one in self.watched if one.subject.namespace == space and one.pods.begun]
        return bool(seen) and all(pods.coming_or_going(name) for pods in seen)

    def _hidden(self, one: _Watched) -> bool:
        return any(_is_of(stream, one.subject) for stream in self.blind)

    def _workloads_hidden(self, space: str) -> bool:
        return any(
            stream.namespace == space and stream.resource in (DEPLOYMENTS, STATEFULSETS) for stream in self.blind
        )

    # --- connections -------------------------------------------------------------------------------------------------

    def _deny(self, what: str, why: str, now: float) -> None:
        self.denied[what] = why
        self.denied_since = now if self.denied_since is None else self.denied_since

    def _lost(self, lost: Lost, now: float) -> Iterator[Happening]:
        if lost.denied:
            if lost.stream not in self.blind:
                self._deny(lost.stream.words, lost.why, now)
            self.blind.add(lost.stream)
            # Whoever says no is there.
            yield from self._heard_again(lost.stream, now)
            # Whether a workload is whole is told by its pods then, as far as these may be seen.
            for one in self.watched:
                if _is_of(lost.stream, one.subject) and one.pods.begun:
                    yield from one.unowned.look(one.pods, now)
            return
        self.lost.setdefault(lost.stream, now)
        if self.gone_since is None:
            self.gone_since, self.gone_why = now, lost.why
            # One that comes and goes is told once in a while.
            self.quiet = self.gone_told is not None and now - self.gone_told < _AGAIN
            if not self.quiet:
                self.gone_told = now
                self.pending.append(f"nothing is heard from the cluster: {lost.why}; trying again")

    def _back(self, stream: Stream, now: float) -> Iterator[Happening]:
        if stream in self.blind:
            self.blind.discard(stream)
            yield Happening("event", f"evidence of {stream.words}", "it may be seen again")
        yield from self._heard_again(stream, now)

    def _heard_again(self, stream: Stream, now: float) -> Iterator[Happening]:
        self.lost.pop(stream, None)
        if self.gone_since is not None and not self.lost:
            since, self.gone_since = self.gone_since, None
            if self.quiet:
                return
            text = f"heard again after {took(now - since)}; what happened meanwhile is told as far as it can be seen"
            yield Happening("event", "the API server", text, urgent=True)


def _watched(one: Subject) -> _Watched:
    state = Wholeness(one.thing, one.services)
    runs = Runs(one.resource, state) if one.resource is not None else None
    names = pattern(one.resource.kind, one.name) if one.resource is not None else None
    return _Watched(one, Pods(one.services), state, runs, Unowned(state), names)


def _is_of(stream: Stream, subject: Subject) -> bool:
    same = stream.resource is subject.resource and stream.namespace == subject.namespace
    return same and stream.fields == f"metadata.name={subject.name}"


def _told(seen: Pods | Runs, message: Listed | Changed, now: float) -> Iterator[Happening]:
    if isinstance(message, Listed):
        return seen.listed(message.items, now)
    return seen.changed(message.kind, message.thing, now)
