"""Starting an engine again on a journal that exists: to go on, or only to undo what is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from gameday.cli.clusters import is_cluster
from gameday.cli.launching import HEARTBEAT, Running, launch
from gameday.cli.payload import UNHEARD, Payload
from gameday.engine.journal import status_of
from gameday.errors import UsageError
from gameday.exercise.events import EngineLost, ExerciseStarted
from gameday.exercise.fold import apply, fold
from gameday.exercise.record import Record
from gameday.store import Holder, default_url, open_store
from gameday.store.errors import LeaseHeld, StoreUnavailable
from gameday.store.readable import readable
from gameday.store.store import Store


def resume(
    exercise: str, store: str | None, mode: Literal["resume", "recover"] = "resume", *, before: Sequence[str] = ()
) -> Running:
    """A new guardian and engine for `exercise`; what its journal calls live is undone first. `before`: see `launch`.

    Raises:
        LeaseHeld: its engine is alive (exit 5).
    """
    url = store or default_url()
    with readable(url) if mode == "recover" else open_store(url, create=False) as opened:
        first = opened.records(exercise, limit=1)
        lease = opened.lease(exercise)
        if lease.holder is not None and lease.held(time.time()):
            raise LeaseHeld(exercise, lease.holder, lease.epoch)
        if first:
            try:
                _note_the_loss(opened, exercise)
            except StoreUnavailable:
                # What the store can't take the engine writes beside it, this too; but nothing new is begun so.
                if mode != "recover":
                    raise
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
    # What was brought up for an exercise that waits to be gone on with is still needed. The claim to a cluster is none
    # of it: nobody renews it until then, and whoever goes on takes it anew.
    over = mode == "resume" or not started.attended or is_cluster(started.target)
    return launch(payload, after=started.after if over else None, before=before)


def as_it_stands(store: Store, exercise: str) -> list[Record]:
    """Its journal, and where its engine is gone without a word, that: nobody may read that it still runs."""
    records = store.records(exercise)
    if not records or fold(records).phase in ("interrupted", "ended") or store.summary(exercise).engine_alive:
        return records
    return [*records, _loss(records[-1])]


def _loss(last: Record) -> Record:
    """That the engine is lost, at the time of the last thing that its journal knows."""
    lost = EngineLost(UNHEARD)
    return Record(last.seq + 1, last.wall, last.clock, time.time(), last.epoch, "recover", "", lost)


def _note_the_loss(store: Store, exercise: str) -> None:
    """Where an engine died and nobody was left to write it down (the machine was off): write it down.

    It stands at the time of the last thing that the journal knows, since the script has stood still from then on: what
    would have been due in the meantime must not burst now.
    """
    records = store.records(exercise)
    state, last = fold(records), records[-1]
    if state.phase in ("interrupted", "ended"):
        return
    epoch = store.take_lease(exercise, Holder.mine())
    record = replace(_loss(last), epoch=epoch)
    state = apply(state, record)
    store.append(exercise, epoch, [record], status=status_of(state), unrecovered=len(state.unrecovered))
    store.release_lease(exercise, epoch)
