"""Writing into the journal of an exercise that no engine runs any more: action items, late notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from gameday.errors import RefusedError
from gameday.exercise.events import Event
from gameday.exercise.record import Record
from gameday.store import Holder, open_store
from gameday.store.errors import LeaseHeld


def append(
    store: str | None, wanted: str, make: Callable[[Sequence[Record]], Event], *, actor: str, wall: float | None = None
) -> None:
    """Append what `make(records)` returns, as the journal's writer for a moment. `wall`: when it happened (unix s).

    Raises:
        RefusedError: its engine is alive, and is the one to ask.
    """
    with open_store(store, create=False) as opened:
        exercise = opened.resolve(wanted)
        try:
            epoch = opened.take_lease(exercise, Holder.mine())
        except LeaseHeld as error:
            raise RefusedError(
                f"exercise {exercise} is still being run by process {error.holder.pid}: add the action item when it "
                f'has ended, or keep the thought now with `gameday note "…" --id {exercise}`'
            ) from None
        try:
            records = opened.records(exercise)
            first, last, now = records[0], records[-1], time.time()
            happened = now if wall is None else min(wall, now)
            clock = max(0.0, last.clock + happened - last.wall)
            if wall is None:
                # Not before the last event: a wall clock may have been set back since.
                clock = max(last.clock, first.clock + now - first.wall)
            record = Record(last.seq + 1, happened, clock, now, epoch, "cli", actor, make(records))
            opened.append(exercise, epoch, [record])
        finally:
            opened.release_lease(exercise, epoch)
