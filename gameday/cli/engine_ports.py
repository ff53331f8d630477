"""The engine's ports onto the store: what the conductor's threads call, with the store's errors in engine's words."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gameday.engine.asking import Alerts
from gameday.engine.inbox import Asked
from gameday.engine.journal import WriteImpossible, WriteLater, WriterReplaced
from gameday.errors import StoreError
from gameday.exercise.record import Record, to_json
from gameday.probes.prober import LiveProber
from gameday.store.errors import LeaseLost, StoreBusy, StoreUnavailable
from gameday.store.spill import spill
from gameday.store.store import Store


class StoreJournal:
    """`JournalPort` over a store, under one epoch."""

    def __init__(self, store: Store, exercise: str, epoch: int, spill_to: Path) -> None:
        self._store = store
        self._exercise = exercise
        self._epoch = epoch
        self._spill_to = spill_to

    def write(self, records: Sequence[Record], *, status: str, unrecovered: int) -> None:
        try:
            self._store.append(self._exercise, self._epoch, records, status=status, unrecovered=unrecovered)
        except StoreError as error:
            raise _in_engine_words(error) from error

    def spill(self, records: Sequence[Record]) -> None:
        try:
            path = spill(self._spill_to, self._exercise, self._epoch, records)
        except StoreUnavailable as error:
            # The last place left: the exercise's log. Nothing may be lost in silence.
            for record in records:
                sys.stderr.write(f"not journaled ({error}): {to_json(record)}\n")
            sys.stderr.flush()
            return
        sys.stderr.write(f"engine: {len(records)} records went to {path}\n")
        sys.stderr.flush()

    def renew(self) -> None:
        try:
            self._store.renew_lease(self._exercise, self._epoch)
        except StoreError as error:
            raise _in_engine_words(error) from error


def _in_engine_words(error: StoreError) -> WriteLater | WriteImpossible | WriterReplaced:
    if isinstance(error, StoreBusy):
        return WriteLater(str(error))
    if isinstance(error, LeaseLost):
        return WriterReplaced(str(error))
    return WriteImpossible(str(error))


class StoreInbox:
    """`InboxPort` over a store. A store that can't be read now has no requests now."""

    def __init__(self, store: Store, exercise: str, epoch: int) -> None:
        self._store = store
        self._exercise = exercise
        self._epoch = epoch
        self._seen: int | None = None
        self._complained = 0.0

    def take(self) -> Sequence[Asked]:
        try:
            version = self._store.data_version()
            if version == self._seen:
                return ()
            rows = self._store.take(self._exercise, self._epoch)
        except StoreError as error:
            self._complain(error)
            return ()
        self._seen = version if not rows else None
        return [Asked(row.id, row.request, row.source, row.actor, row.wall) for row in rows]

    def answer(self, row: int, answer: dict[str, Any]) -> None:
        try:
            self._store.answer(row, answer)
        except StoreError as error:
            self._complain(error)

    def _complain(self, error: StoreError) -> None:
        if time.monotonic() - self._complained > 10.0:
            self._complained = time.monotonic()
            sys.stderr.write(f"engine: the inbox can't be read: {error}\n")
            sys.stderr.flush()


async def alerts_of(prober: LiveProber) -> Alerts:
    """What fires now, in the engine's words."""
    answer = await prober.alerts(set())
    if answer.kind != "value":
        return Alerts(trouble=f"{answer.kind.replace('_', ' ')}: {answer.detail}")
    return Alerts({alert.name: (alert.summary, alert.starts_at) for alert in answer.alerts})
