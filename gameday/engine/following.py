"""Calls that go on beside an exercise: what keeps a claim to the target alive, what watches the target for evidence.

Each runs in a worker of its own (see `Link.follow`) and is started again when it ends: by a crash, or since the
guardian was replaced. What it yields is a dict with one of these keys; anything else is a sign of life.

- `observed`: the fields of a `TargetObserved`; with `standing: true` beside it it says how things stand since before
  the call began, and is written down only where the journal does not know it (the call may have begun anew);
- `warn`: a text for the journal;
- `hears`: whether the target can be heard now. Where it can't, the end waits a little longer for its last word;
- `abort`: a reason to undo everything, now;
- `confirmed`: boot clock at which the target was ours for certain. Of a follower that `confirms`, nothing is injected
  unless that was no longer ago than it says (see `Confirmed`). Undoing never waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import Call
from gameday.engine.processes import boot_clock
from gameday.exercise import events as ev
from gameday.exercise.wholeness import is_news
from gameday.frozen import frozen

if TYPE_CHECKING:
    from gameday.engine.conductor import Conductor

AGAIN = 1.0
"""Seconds until a call that ended is started again."""
HEARING = 1.0
"""Seconds that the end waits for the last word of what is watched."""
HEARING_AGAIN = 4.0
"""The same where nothing was heard of late: by then the target has answered an undo, so it is there again."""


@frozen
class Follower:
    """One such call, and what people call it."""

    name: str
    call: Call
    confirms: float | None = None
    """Seconds for which the target is ours after it said so last; None: that is not its business."""


class Confirmed:
    """Whether the target is ours, as far as followers that confirm it have said. One that was never heard has not."""

    def __init__(self, followers: Sequence[Follower]) -> None:
        self._last: dict[str, float | None] = {each.name: None for each in followers if each.confirms is not None}
        self._for = {each.name: each.confirms for each in followers if each.confirms is not None}

    def said(self, name: str, at: float) -> None:
        if name in self._last:
            self._last[name] = max(at, self._last[name] or at)

    def until(self) -> float:
        """Boot clock until which it is; in the past where that is to be confirmed first."""
        ends = [last + self._for[name] if last is not None else 0.0 for name, last in self._last.items()]
        return min(ends, default=float("inf"))

    def words(self) -> str:
        """Who has not confirmed it, and since when."""
        now = boot_clock()
        late = {name: last for name, last in self._last.items() if last is None or now >= last + self._for[name]}
        return ", ".join(
            f"{name}: {'not confirmed so far' if last is None else f'last confirmed {now - last:.0f} s ago'}"
            for name, last in late.items()
        )


async def follow(c: Conductor, follower: Follower) -> None:
    """Until it is cancelled, or has had everything undone. Each new reason for which it ended is said once."""
    said = ""
    aborted = False

    def take(item: Any) -> None:
        nonlocal aborted
        aborted = aborted or (isinstance(item, dict) and "abort" in item)
        _take(c, follower, item)

    while True:
        reply = await c.link.follow(follower.call, take)
        c.deaf.discard(follower.name)
        if aborted:
            return
        why = reply.error or "it ended"
        if not c.link.lost and why != said:
            said = why
            c.append(ev.Warned(f"{follower.name}: {why}; trying again"))
        await asyncio.sleep(AGAIN)


async def last_word(c: Conductor) -> None:
    """Before the end: that a workload is whole again takes a moment to be heard, also once its fault has recovered."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < HEARING_AGAIN:
        broken = waited < HEARING and any(workload.broken for workload in c.exercise.workloads.values())
        if not broken and (not c.deaf or c.exercise.unrecovered):
            return
        await asyncio.sleep(0.02)


def _take(c: Conductor, follower: Follower, item: Any) -> None:
    if not isinstance(item, dict):
        return
    if "abort" in item:
        c.abort(str(item["abort"]), by=follower.name)
    if follower.confirms is not None and "confirmed" in item:
        c.confirmed.said(follower.name, float(item["confirmed"]))
    if "warn" in item:
        c.append(ev.Warned(f"{follower.name}: {item['warn']}"))
    if "hears" in item:
        (c.deaf.discard if item["hears"] else c.deaf.add)(follower.name)
    if "observed" in item:
        observed = ev.TargetObserved(**item["observed"])
        if not item.get("standing") or is_news(c.exercise, observed):
            c.append(observed, source="target")
