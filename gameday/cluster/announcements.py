"""The cluster's Event objects about pods and what runs them: which are worth a line, and when one is again. Pure.

What is told by an object itself (a pod that is deleted, a workload that is scaled) is not told once more by its event.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gameday.cluster.happenings import Happening, one_line, unix
from gameday.cluster.resources import meta
from gameday.frozen import field, slotted

Json = Any

INTERESTING = frozenset(
    {
        "BackOff",
        "Evicted",
        "FailedScheduling",
        "Killing",
        "NodeNotReady",
        "Preempted",
        "Preempting",
        "TaintManagerEviction",
    }
)
"""Reasons of events of type Normal that are worth a line; those of type Warning all are."""
SCALING = "ScalingReplicaSet"
_STEPS = (1, 5, 20, 100, 500)
"""How often something has to have happened to be told, and told again."""
_KEPT = 10_000
_IN_POD = re.compile(r" in pod \S+\([0-9a-f-]{36}\)")
"""What a kubelet adds to name the pod, which is named anyway."""


@slotted
class Announcements:
    """The events of one namespace."""

    whose: Callable[[str, str], tuple[str, ...]]
    """The services that an object is of, by kind and name; none where it is nobody's."""
    quiet: Callable[[str], bool]
    """Whether a pod, by name, is not expected to answer: on its way, or on its way out."""
    scaling: Callable[[], bool]
    """Whether a change of size has to be told by its event, since the workloads can't be watched."""
    counts: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """How often each event object says that it happened, by uid; the last ones only."""
    totals: OrderedDict[tuple[str, ...], int] = field(default_factory=OrderedDict)
    """How often each thing was announced since we look, however many event objects that took."""
    begun: bool = False

    def listed(self, items: Iterable[Mapping[str, Json]]) -> Iterator[Happening]:
        """All that there are now; those of the first time are from before."""
        first, self.begun = not self.begun, True
        for event in sorted(items, key=lambda one: _time(one) or 0.0):
            if first:
                _keep(self.counts, str(meta(event).get("uid")), _count(event))
            else:
                yield from self._look(event)

    def changed(self, kind: str, event: Mapping[str, Json]) -> Iterator[Happening]:
        if kind != "DELETED":
            yield from self._look(event)

    def _look(self, event: Mapping[str, Json]) -> Iterator[Happening]:
        about = event.get("involvedObject") or {}
        kind, name = str(about.get("kind")), str(about.get("name"))
        services = self.whose(kind, name)
        if not services or not self._worth_a_line(event):
            return
        uid, count = str(meta(event).get("uid")), _count(event)
        more = count - self.counts.get(uid, 0)
        _keep(self.counts, uid, count)
        if more <= 0:
            return
        reason, message = str(event.get("reason")), _IN_POD.sub("", one_line(event.get("message")))
        key = (kind, name, reason, message)
        before = self.totals.get(key, 0)
        total = before + more
        _keep(self.totals, key, total)
        # That a probe fails while a pod starts or ends is no news, unless it goes on.
        probing = reason == "Unhealthy" and kind == "Pod" and self.quiet(name)
        if not any(before < step <= total for step in _STEPS[probing:]):
            return
        often = f" ({total} times)" if total > 1 else ""
        text = f"{reason}{f': {message}' if message else ''}{often}"
        thing = f"{kind.lower()} {about.get('namespace')}/{name}"
        yield Happening("event", thing, text, _time(event), services)

    def _worth_a_line(self, event: Mapping[str, Json]) -> bool:
        reason = event.get("reason")
        if event.get("type") == "Warning":
            return True
        if reason == "Killing":
            # That of a pod which is deleted says so; other ones tell why it is killed.
            return not str(event.get("message") or "").startswith("Stopping container")
        return reason in INTERESTING or (reason == SCALING and self.scaling())


def _keep(kept: OrderedDict[Any, int], key: Any, value: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _KEPT:
        kept.popitem(last=False)


def _count(event: Mapping[str, Json]) -> int:
    series = event.get("series") or {}
    return max(int(event.get("count") or 1), int(series.get("count") or 1))


def _time(event: Mapping[str, Json]) -> float | None:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    found = [at for text in times if (at := unix(text)) is not None]
    return max(found) if found else unix(meta(event).get("creationTimestamp"))


def pattern(kind: str, name: str) -> re.Pattern[str]:
    """The names that what a workload makes can have, as `Kind name`: its ReplicaSets and pods, and itself."""
    one = re.escape(name)
    made = rf"Pod {one}-\d+"
    if kind == "Deployment":
        made = rf"ReplicaSet {one}-[a-z0-9]{{1,10}}|Pod {one}-[a-z0-9]{{1,10}}-[a-z0-9]{{5}}"
    return re.compile(rf"{kind} {one}|{made}")
