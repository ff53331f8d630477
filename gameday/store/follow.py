"""Reading a journal as it grows, by asking: the same for one machine and for a team's server. Writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from gameday.exercise.record import Record
from gameday.store.errors import StoreBusy
from gameday.store.store import Store


def follow(
    store: Store, exercise: str, after: int = 0, *, every: float = 0.2, stop: Callable[[], bool]
) -> Iterator[list[Record]]:
    """New records, in order and without a gap, as lists that are never empty; what is there already comes first.

    Looks every `every` seconds, and ends after one last look once `stop()` is true. A store that is busy is asked
    again; any other `StoreError` is the caller's.
    """
    seen: int | None = None
    while True:
        last_look = stop()
        try:
            version = store.data_version()
            if version != seen:
                found = store.records(exercise, after)
                seen = version
                if found:
                    after = found[-1].seq
                    yield found
        except StoreBusy:
            # Nothing is lost: `after` and `seen` stand where they stood.
            pass
        if last_look:
            return
        time.sleep(every)
