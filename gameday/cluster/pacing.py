"""How much is told in a minute: evidence must not fill a journal, nor a console. Pure.

Whether a workload is whole, and its rollouts, come before single pods and events. What is not told is counted, and of a
workload that comes and goes too often the last word is kept until there is room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gameday.cluster.happenings import Happening
from gameday.frozen import field, slotted

MINUTE = 60.0
DETAILS = 60
"""Lines on single pods and events in a minute."""
STATES = 60
"""Lines on workloads as a whole in a minute."""
_WORDS = {"gone": "pods gone", "new": "new pods", "ready": "pods ready", "unready": "pods not ready"}
_MORE = {"restart": "restarts", "event": "events"}


@slotted
class Pace:
    """One minute after the other, from the first line on."""

    since: float | None = None
    details: int = 0
    states: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    services: dict[str, None] = field(default_factory=dict)
    """Whose lines were left out."""
    told: dict[str, str] = field(default_factory=dict)
    """Workload -> the last `whole` or `not_whole` that was told."""
    kept: dict[tuple[str, bool], Happening] = field(default_factory=dict)
    """What was kept back: the last word on each workload, and the last on its rollouts."""

    def admit(self, happening: Happening, now: float) -> Iterator[Happening]:
        """What is to be told now that this has happened: it, with what was due before it, or nothing."""
        yield from self.due(now)
        if self.since is None:
            self.since = now
        if happening.what in ("whole", "not_whole", "rollout"):
            self.states += 1
            if self.states > STATES:
                self.kept[happening.thing, happening.what == "rollout"] = happening
                return
        elif happening.what != "recent" and not happening.urgent:
            self.details += 1
            if self.details > DETAILS:
                self.left_out[happening.what] += 1
                self.services.update(dict.fromkeys(happening.services))
                return
        yield self._said(happening)

    def due(self, now: float) -> Iterator[Happening]:
        """What the end of a minute brings."""
        if self.since is None or now - self.since < MINUTE:
            return
        kept, left_out, services = self.kept, self.left_out, tuple(self.services)
        self.since, self.details, self.states = None, 0, 0
        self.kept, self.left_out, self.services = {}, Counter(), {}
        for happening in kept.values():
            if happening.what == "rollout" or self.told.get(happening.thing) != happening.what:
                yield self._said(happening)
        if left_out:
            each = ", ".join(f"{count} {(_WORDS | _MORE).get(what, what)}" for what, count in left_out.most_common())
            text = f"{left_out.total()} more within a minute that are not told one by one: {each}"
            yield Happening("event", ", ".join(services) or "the cluster", text, None, services)

    def patience(self, now: float) -> float | None:
        """Seconds until a minute is over in which something was not told; None where nothing waits."""
        if self.since is None or not (self.kept or self.left_out):
            return None
        return max(0.0, self.since + MINUTE - now)

    def _said(self, happening: Happening) -> Happening:
        if happening.what in ("whole", "not_whole"):
            self.told[happening.thing] = happening.what
        return happening
