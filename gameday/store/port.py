"""The store in the shapes the engine asks for: `JournalPort` and `InboxPort`, bound to one exercise and one lease.

Only here are the store's errors told in the engine's words. Decides nothing about the exercise.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gameday.engine.control import make_ours
from gameday.engine.inbox import Asked
from gameday.engine.journal import WriteImpossible, WriteLater, WriteRefused, WriterReplaced
from gameday.errors import StoreError
from gameday.exercise.record import Record, to_json
from gameday.store.address import default_folder
from gameday.store.errors import LeaseLost, StoreBusy, StoreGone, StoreUnavailable
from gameday.store.spill import spill
from gameday.store.store import Store

ANSWERING = 2.0
"""Seconds an answer is tried for; who asked sees the event in any case."""


def spill_folders() -> list[Path]:
    """Where records go that the store can't take, in the order tried: on a full disk the first one fails too."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folders = [default_folder() / "spill"]
    if runtime.startswith("/"):
        folders.append(Path(runtime) / "gameday" / "spill")
    # Not tempfile.gettempdir(), which writes to find out and raises where nothing can be written: that is our case.
    folders.append(Path(os.environ.get("TMPDIR") or "/tmp") / f"gameday-{os.getuid()}" / "spill")
    folders.append(Path("/dev/shm") / f"gameday-{os.getuid()}" / "spill")
    return folders


class StoreJournal:
    """A `gameday.engine.journal.JournalPort`."""

    def __init__(self, store: Store, exercise: str, epoch: int, folders: Sequence[Path] | None = None) -> None:
        self._store = store
        self._exercise = exercise
        self._epoch = epoch
        self._folders = list(spill_folders() if folders is None else folders)

    def write(self, records: Sequence[Record], *, status: str, unrecovered: int) -> None:
        try:
            self._store.append(self._exercise, self._epoch, records, status=status, unrecovered=unrecovered)
        except StoreError as error:
            raise self._told(error) from error

    def renew(self) -> None:
        try:
            self._store.renew_lease(self._exercise, self._epoch)
        except StoreError as error:
            raise self._told(error) from error

    def spill(self, records: Sequence[Record]) -> None:
        """Keep `records` somewhere; never raises for want of a place: the last one is stderr."""
        _keep(self._folders, self._exercise, self._epoch, records, self._store.address.shown)

    def _told(self, error: StoreError) -> WriteRefused:
        if isinstance(error, LeaseLost):
            return WriterReplaced(str(error))
        if isinstance(error, StoreBusy):
            return WriteLater(str(error))
        if isinstance(error, StoreGone) and self._store.address.kind == "postgresql":
            # A server that restarts, or a network that hiccups, comes back; a file that was removed does not.
            return WriteLater(str(error))
        return WriteImpossible(str(error))


class BesideJournal:
    """A `JournalPort` of a store that can't be written: everything goes beside it, for whoever can absorb it."""

    def __init__(self, store: str, exercise: str, epoch: int) -> None:
        """`store`: as `Address.shown`."""
        self._kept = (store, exercise, epoch)

    def write(self, records: Sequence[Record], *, status: str, unrecovered: int) -> None:
        self.spill(records)

    def spill(self, records: Sequence[Record]) -> None:
        store, exercise, epoch = self._kept
        _keep(spill_folders(), exercise, epoch, records, store)

    def renew(self) -> None:
        """There is no lease: whoever could have taken one could have written."""


def _keep(folders: Sequence[Path], exercise: str, epoch: int, records: Sequence[Record], store: str) -> None:
    reasons = []
    for folder in folders:
        try:
            make_ours(folder)
            spill(folder, exercise, epoch, records, store)
        except (StoreUnavailable, OSError) as error:
            reasons.append(str(error))
        else:
            return
    print(f"gameday: {'; '.join(reasons)}: keep these lines", file=sys.stderr)  # noqa: T201
    for record in records:
        kept = {"exercise": exercise, "lease": epoch, "store": store, **to_json(record)}
        print(json.dumps(kept, default=repr), file=sys.stderr, flush=True)  # noqa: T201


class NoInbox:
    """A `gameday.engine.inbox.InboxPort` where none can be emptied."""

    def take(self) -> list[Asked]:
        return []

    def answer(self, row: int, answer: dict[str, Any]) -> None:
        """Nobody asked."""


class StoreInbox:
    """A `gameday.engine.inbox.InboxPort`. Trouble with the store is the journal's to tell; here it means: no news."""

    def __init__(self, store: Store, exercise: str, epoch: int) -> None:
        self._store = store
        self._exercise = exercise
        self._epoch = epoch

    def take(self) -> list[Asked]:
        try:
            rows = self._store.take(self._exercise, self._epoch)
        except StoreError:
            return []
        return [Asked(row.id, row.request, row.source, row.actor, row.wall) for row in rows]

    def answer(self, row: int, answer: dict[str, Any]) -> None:
        until = time.monotonic() + ANSWERING
        while True:
            try:
                self._store.answer(row, answer)
            except StoreBusy:
                if time.monotonic() < until:
                    continue
            except StoreError as error:
                print(f"gameday: request {row} stays without an answer: {error}", file=sys.stderr)  # noqa: T201
            return
