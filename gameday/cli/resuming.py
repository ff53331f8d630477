"""Starting an engine again on a journal that exists: to go on, or only to undo what is left."""

from __future__ import annotations

import time
from typing import Literal

from gameday.cli.engine_process import Payload
from gameday.cli.launching import HEARTBEAT, Running, launch
from gameday.errors import UsageError
from gameday.exercise.events import ExerciseStarted
from gameday.store import default_url, open_store
from gameday.store.errors import LeaseHeld


def resume(exercise: str, store: str | None, mode: Literal["resume", "recover"] = "resume") -> Running:
    """A new guardian and engine for `exercise`; what its journal calls live is undone first.

    Raises:
        LeaseHeld: its engine is alive (exit 5).
    """
    url = store or default_url()
    with open_store(url, create=False) as opened:
        first = opened.records(exercise, limit=1)
        lease = opened.lease(exercise)
    if lease.holder is not None and lease.held(time.time()):
        raise LeaseHeld(exercise, lease.holder, lease.epoch)
    if not first or not isinstance(first[0].event, ExerciseStarted):
        raise UsageError(f"the journal of {exercise} has no beginning; `gameday show {exercise} --events` shows it")
    started = first[0].event
    payload = Payload(
        mode=mode,
        exercise=exercise,
        store=url,
        heartbeat=HEARTBEAT,
        attended=started.attended,
        target=started.target,
    )
    return launch(payload)
