"""What becomes of the pods of a selector as they are seen, one after another, told as happenings.

Pure: `now` is given, in seconds of a clock that only goes forward. What is seen first is where things stand and not
told as news; what was missed shows by comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gameday.cluster.happenings import Happening, What, one_line, took, unix
from gameday.cluster.resources import meta
from gameday.cluster.services import Pod, as_pod
from gameday.frozen import field, frozen, replace, slotted

Json = Any

_LINGERING = 10.0
"""Seconds beyond its grace period after which it is worth telling that a deleted pod is gone at last."""


@frozen
class _Glimpse:
    """A pod as it was last seen."""

    pod: Pod
    restarts: Mapping[str, int]
    failed: str
    grace: float
    """Seconds that it has to end once it is deleted."""
    born: float | None = None
    """When it was seen for the first time; None: it was there before us."""
    unready: float | None = None
    """Since when it has not been ready, where it had been."""
    leaving: float | None = None
    """Since when it is being deleted, as far as we saw that."""

    @property
    def counts(self) -> bool:
        return self.pod.ready and not self.pod.leaving


@slotted
class Pods:
    """All pods of a selector."""

    services: tuple[str, ...]
    seen: dict[str, _Glimpse] = field(default_factory=dict)
    """By uid."""
    begun: bool = False

    def listed(self, items: Iterable[Mapping[str, Json]], now: float) -> Iterator[Happening]:
        """All as they are now: the first time where things stand, later what has changed."""
        found = {str(meta(thing).get("uid")): thing for thing in items}
        if not self.begun:
            self.begun = True
            self.seen = {uid: _glimpse(thing) for uid, thing in found.items()}
            return
        for uid in [uid for uid in self.seen if uid not in found]:
            yield from self._gone(uid, now)
        for thing in found.values():
            yield from self._look(thing, now)

    def changed(self, kind: str, thing: Mapping[str, Json], now: float) -> Iterator[Happening]:
        """One change of a watch."""
        uid = str(meta(thing).get("uid"))
        if kind != "DELETED":
            yield from self._look(thing, now)
        elif uid in self.seen:
            yield from self._gone(uid, now)

    def ready(self) -> int:
        return sum(one.counts for one in self.seen.values())

    def alive(self) -> int:
        """Those that are there to stay, ready or not."""
        return sum(not one.pod.leaving and not one.failed for one in self.seen.values())

    def coming_or_going(self, name: str) -> bool:
        """Whether a pod is not expected to answer: not ready yet, being deleted, or not there."""
        found = [one for one in self.seen.values() if one.pod.name == name]
        return not any(not one.pod.leaving and (one.pod.ready or one.unready is not None) for one in found)

    def _tell(self, what: What, pod: Pod, text: str, at: float | None = None) -> Happening:
        return Happening(what, f"pod {pod.namespace}/{pod.name}", text, at, self.services)

    def _gone(self, uid: str, now: float) -> Iterator[Happening]:
        last = self.seen.pop(uid)
        if not last.pod.leaving:
            yield self._tell("gone", last.pod, "gone")
        elif last.leaving is not None and now - last.leaving > last.grace + _LINGERING:
            yield self._tell("event", last.pod, f"gone at last, {took(now - last.leaving)} after it was deleted")

    def _look(self, thing: Mapping[str, Json], now: float) -> Iterator[Happening]:
        after = _glimpse(thing)
        before = self.seen.get(after.pod.uid)
        if before is None:
            after = replace(after, born=now)
            self.seen[after.pod.uid] = after
            yield self._tell("new", after.pod, _new_words(after), unix(meta(thing).get("creationTimestamp")))
            return
        lost = now if before.counts and not after.counts else before.unready
        leaving = now if after.pod.leaving and not before.pod.leaving else before.leaving
        after = replace(after, born=before.born, unready=None if after.counts else lost, leaving=leaving)
        self.seen[after.pod.uid] = after
        yield from self._restarts(before, after, thing)
        if after.pod.leaving:
            if not before.pod.leaving:
                yield self._tell("gone", after.pod, _leaving_words(after.grace), _asked_to_go(thing))
        elif after.failed and not before.failed:
            yield self._tell("event", after.pod, after.failed)
        elif after.counts and not before.counts:
            yield self._tell("ready", after.pod, _ready_words(before, now), _ready_since(thing))
        elif before.counts and not after.counts:
            yield self._tell("unready", after.pod, _unready_words(thing), _ready_since(thing))

    def _restarts(self, before: _Glimpse, after: _Glimpse, thing: Mapping[str, Json]) -> Iterator[Happening]:
        for status in _containers(thing):
            name = str(status.get("name"))
            count = after.restarts.get(name, 0)
            more = count - before.restarts.get(name, 0)
            if more > 0:
                ended = (status.get("lastState") or {}).get("terminated") or {}
                often = f"{more} times, " if more > 1 else ""
                text = f"container {name} restarted: {often}{_end_words(ended)}; {count} in all"
                yield self._tell("restart", after.pod, text, unix(ended.get("finishedAt")))


def _glimpse(thing: Mapping[str, Json]) -> _Glimpse:
    status = thing.get("status") or {}
    failed = ""
    if status.get("phase") == "Failed":
        about = ": ".join(one_line(status[key]) for key in ("reason", "message") if status.get(key))
        failed = f"failed{f': {about}' if about else ''}"
    restarts = {str(one.get("name")): int(one.get("restartCount") or 0) for one in _containers(thing)}
    grace = meta(thing).get("deletionGracePeriodSeconds")
    return _Glimpse(as_pod(thing), restarts, failed, float(grace or 0))


def _containers(thing: Mapping[str, Json]) -> list[dict[str, Json]]:
    status = thing.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _end_words(ended: Mapping[str, Json]) -> str:
    code, signal = ended.get("exitCode"), ended.get("signal")
    parts = [str(ended.get("reason") or ""), f"signal {signal}" if signal else ""]
    parts.append(f"exit code {code}" if code is not None else "")
    return ", ".join(part for part in parts if part) or "the reason is not known"


def _new_words(after: _Glimpse) -> str:
    where = f" on {after.pod.node}" if after.pod.node else ""
    return f"new{where}{', ready' if after.counts else ''}"


def _leaving_words(grace: float) -> str:
    return f"deleted, with {grace:g} s to end" if grace else "deleted"


def _asked_to_go(thing: Mapping[str, Json]) -> float | None:
    until = unix(meta(thing).get("deletionTimestamp"))
    return None if until is None else until - float(meta(thing).get("deletionGracePeriodSeconds") or 0)


def _ready_words(before: _Glimpse, now: float) -> str:
    if before.unready is not None:
        return f"ready again after {took(now - before.unready)}"
    return f"ready after {took(now - before.born)}" if before.born is not None else "ready"


def _ready_condition(thing: Mapping[str, Json]) -> Mapping[str, Json]:
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == "Ready"), {})


def _ready_since(thing: Mapping[str, Json]) -> float | None:
    return unix(_ready_condition(thing).get("lastTransitionTime"))


def _unready_words(thing: Mapping[str, Json]) -> str:
    ends = [
        f"container {status.get('name')} ended: {_end_words(ended)}"
        for status in _containers(thing)
        if (ended := (status.get("state") or {}).get("terminated")) is not None and ended.get("exitCode") != 0
    ]
    told = "; ".join(ends) or one_line(_ready_condition(thing).get("message"))
    return f"not ready{f': {told}' if told else ''}"
