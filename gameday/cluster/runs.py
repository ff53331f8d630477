"""What becomes of a workload as it is seen again and again: whether it is whole, its rollouts, its size.

Pure: `now` is given, in seconds of a clock that only goes forward. What is seen first is where things stand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gameday.cluster.happenings import REVISION, Happening, What, images, one_line, took, unix
from gameday.cluster.podlife import Pods
from gameday.cluster.resources import Resource, annotations_of
from gameday.cluster.services import Workload, as_workload
from gameday.frozen import field, slotted

Json = Any
ROLLING = "rolling out"
"""How the text begins of what is not whole only since not all of its pods are new ones yet."""
RESTARTED = "kubectl.kubernetes.io/restartedAt"


@slotted
class Wholeness:
    """Whether a workload is whole, and for how long it was not."""

    thing: str
    services: tuple[str, ...]
    whole: bool | None = None
    """None: nobody has looked yet."""
    since: float | None = None
    """Since when it is not; None where that was before us."""
    worst: tuple[int, int] | None = None
    """Fewest ready pods, and of how many, since then."""

    def look(self, whole: bool, ready: int, wanted: int, words: str, now: float) -> Iterator[Happening]:
        first, before = self.whole is None, self.whole
        self.whole = whole
        if not whole and (self.worst is None or ready < self.worst[0]):
            self.worst = ready, wanted
        if first:
            text = f"whole, {words}" if whole else words
            yield self._tell("whole" if whole else "not_whole", text, standing=True)
        elif before and not whole:
            self.since, self.worst = now, (ready, wanted)
            yield self._tell("not_whole", words)
        elif whole and not before:
            for_ = f" after {took(now - self.since)}" if self.since is not None else ""
            short = self.worst is not None and self.worst[0] < self.worst[1]
            low = f", at worst {self.worst[0]} of {self.worst[1]} pods ready" if self.worst and short else ""
            self.since, self.worst = None, None
            yield self._tell("whole", f"whole again{for_}{low}")

    def _tell(self, what: What, text: str, *, standing: bool = False) -> Happening:
        return Happening(what, self.thing, text, None, self.services, standing)


@slotted
class Unowned:
    """Pods that nothing we know of runs: whole with as many ready ones as there have been pods at best."""

    state: Wholeness
    most: int = 0

    def look(self, pods: Pods, now: float) -> Iterator[Happening]:
        self.most = max(self.most, pods.alive())
        ready = pods.ready()
        yield from self.state.look(
            self.most > 0 and ready >= self.most, ready, self.most, f"{ready} of {self.most} pods ready", now
        )


# --- workloads -------------------------------------------------------------------------------------------------------


@slotted
class Runs:
    """One Deployment or StatefulSet: its rollouts, its size, and whether it is whole."""

    resource: Resource
    state: Wholeness
    last: Workload | None = None
    template: str = ""
    shown: Mapping[str, Json] = field(default_factory=dict)
    """The pod template, for what has changed in it."""
    rolling: bool = False
    rolling_since: float | None = None
    stuck: bool = False
    wanted: int = 0
    """Pods that it should have, or should have had before it was scaled to 0."""
    begun: bool = False

    def listed(self, items: Iterable[Mapping[str, Json]], now: float) -> Iterator[Happening]:
        found = next(iter(items), None)
        if found is None:
            yield from self._absent(now)
        else:
            yield from self._look(found, now)

    def changed(self, kind: str, thing: Mapping[str, Json], now: float) -> Iterator[Happening]:
        if kind == "DELETED":
            yield from self._absent(now)
        else:
            yield from self._look(thing, now)

    def _tell(self, what: What, text: str, at: float | None = None) -> Happening:
        return Happening(what, self.state.thing, text, at, self.state.services)

    def _absent(self, now: float) -> Iterator[Happening]:
        first, self.begun = not self.begun, True
        if first or self.last is not None:
            self.last, self.rolling = None, False
            if not first:
                yield self._tell("gone", "gone")
            yield from self.state.look(False, 0, 0, "does not exist", now)

    def _look(self, thing: Mapping[str, Json], now: float) -> Iterator[Happening]:
        before, first = self.last, not self.begun
        after = self.last = as_workload(self.resource, thing)
        self.begun = True
        template = (thing.get("spec") or {}).get("template") or {}
        print_ = json.dumps(template, sort_keys=True)
        if before is None and not first:
            yield self._tell("new", "there again")
        if before is None:
            # That pods are missing does not make it one.
            self.rolling = not _all_new(after, thing)
        elif print_ != self.template:
            self.rolling, self.rolling_since, self.stuck = True, now, False
            yield self._tell("rollout", f"rollout begun: {_difference(self.shown, template)}")
        elif after.replicas != before.replicas and after.replicas:
            yield self._tell("event", f"scaled from {before.replicas} to {after.replicas}")
        self.template, self.shown = print_, template
        yield from self._rollout(after, thing, now)
        yield from self._whole(after, now)

    def _rollout(self, after: Workload, thing: Mapping[str, Json], now: float) -> Iterator[Happening]:
        progress = _condition(thing, "Progressing")
        stuck = progress.get("status") == "False" and after.settled
        if stuck and not self.stuck and self.rolling:
            told = one_line(progress.get("message")) or str(progress.get("reason"))
            yield self._tell("rollout", f"rollout is stuck: {told}", unix(progress.get("lastUpdateTime")))
        self.stuck = stuck
        if self.rolling and after.whole and _all_new(after, thing):
            revision = annotations_of(thing).get(REVISION)
            for_ = f" after {took(now - self.rolling_since)}" if self.rolling_since is not None else ""
            self.rolling, self.rolling_since = False, None
            yield self._tell("rollout", f"rollout is through{for_}{f', revision {revision}' if revision else ''}")

    def _whole(self, after: Workload, now: float) -> Iterator[Happening]:
        if after.replicas == 0 and self.state.whole is None:
            # Nothing can be said of it until it is wanted.
            return
        words = f"{after.ready} of {after.replicas} pods ready"
        if after.replicas == 0:
            words = f"scaled from {self.wanted} to 0"
        elif self.rolling and after.ready >= after.replicas:
            words = f"{ROLLING}, {words}"
        elif after.updated < after.replicas <= after.ready:
            # One that is being deleted may still be ready.
            words = f"{after.updated} of {after.replicas} pods there to stay"
        self.wanted = after.replicas or self.wanted
        enough = after.replicas > 0 and min(after.ready, after.updated) >= after.replicas
        # A change of something else than its pods does not break it until its controller has seen that.
        whole = enough and (after.settled or not self.rolling)
        yield from self.state.look(whole, after.ready, self.wanted, words, now)


def _condition(thing: Mapping[str, Json], kind: str) -> Mapping[str, Json]:
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), {})


def _all_new(after: Workload, thing: Mapping[str, Json]) -> bool:
    """Nothing old is left, and all that is to come is there."""
    existing = int((thing.get("status") or {}).get("replicas") or 0)
    return after.settled and after.updated >= after.replicas and existing <= after.updated


def _difference(before: Mapping[str, Json], after: Mapping[str, Json]) -> str:
    old, new = images(before), images(after)
    if old != new:
        return f"image {old or 'none'} → {new or 'none'}"
    restarted = (((one.get("metadata") or {}).get("annotations") or {}).get(RESTARTED) for one in (before, after))
    return "a restart was asked for" if len(set(restarted)) > 1 else "the pod template has changed, the images have not"
