"""How spilled records find their place in a journal that may have gone on without them. Pure: lists in, list out.

Nothing is dropped. A record fits where its number is free; a later writer's records follow at the end; an earlier
writer's, whose number another took, are told as warnings, except what they say of a fault the journal has never heard
of: that fault may still be live, so it has to stand there as a fault.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gameday.exercise.events import Event, FaultArmed, MilestoneWithdrawn, NoteClassified, Warned
from gameday.exercise.record import Record, to_json

HOLES = 1000
"""Most missing numbers that are filled one by one."""


def merged(
    journal: Sequence[Record], found: Sequence[Record], damaged: Sequence[str], *, epoch: int, now: float
) -> list[Record]:
    """What to append to `journal` so that it holds all of `found`; merging the same again gives nothing.

    `damaged`: lines of the spill that can't be read. `epoch`: of whoever appends. `now`: unix seconds.
    """
    merge = _Merge(journal, epoch, now)
    for record in found:
        merge.add(record)
    for line in damaged:
        merge.warn_later(f"a spilled record could not be read: {line[:2000]}", found[-1] if found else None)
    return merge.finish()


class _Merge:
    def __init__(self, journal: Sequence[Record], epoch: int, now: float) -> None:
        self._new: list[Record] = []
        self._last_words: list[tuple[str, Record | None]] = []
        self._epoch = epoch
        self._now = now
        self._there = {record.seq: record for record in journal}
        self._next = max(self._there, default=0) + 1
        self._known = {_identity(record) for record in journal}
        self._warnings = {record.event.text for record in journal if isinstance(record.event, Warned)}
        self._armed = {record.event.entry for record in journal if isinstance(record.event, FaultArmed)}
        self._adopted: set[str] = set()
        """Entries whose fault the journal learns of here."""
        self._shifted: set[int] = set()
        """Epochs whose records are being renumbered; once one is, all later ones of it are."""

    def add(self, record: Record) -> None:
        if _identity(record) in self._known or _misfit(record) in self._warnings:
            # Taken in before, as a record or as a warning.
            return
        taken = self._there.get(record.seq)
        if taken is not None and record.epoch > taken.epoch:
            self._shifted.add(record.epoch)
        if record.epoch in self._shifted:
            self._renumber(record)
        elif taken is None:
            self._fill_up_to(record)
            self._put(replace(record, seq=self._next))
        elif self._of_unknown_fault(record.event):
            self._renumber(record)
        else:
            self._warn_of(record)

    def finish(self) -> list[Record]:
        for text, near in self._last_words:
            self._warn(text, near)
        return self._new

    def warn_later(self, text: str, near: Record | None) -> None:
        """At the end, so that the warning does not take the number of a record that fits."""
        self._last_words.append((text, near))

    def _warn(self, text: str, near: Record | None) -> None:
        if text in self._warnings:
            return
        self._warnings.add(text)
        self._put(
            Record(
                seq=self._next,
                wall=near.wall if near else self._now,
                clock=near.clock if near else 0.0,
                recorded=self._now,
                epoch=self._epoch,
                source="recover",
                actor="",
                event=Warned(text),
            )
        )

    def _put(self, record: Record) -> None:
        self._new.append(record)
        self._there[record.seq] = record
        self._known.add(_identity(record))
        self._next = record.seq + 1

    def _renumber(self, record: Record) -> None:
        if isinstance(record.event, MilestoneWithdrawn | NoteClassified):
            # They name another record by its number, which need not be the same any more.
            self._warn_of(record)
        else:
            self._put(replace(record, seq=self._next))

    def _of_unknown_fault(self, event: Event) -> bool:
        entry = getattr(event, "entry", None)
        if isinstance(event, FaultArmed) and entry not in self._armed:
            self._armed.add(event.entry)
            self._adopted.add(event.entry)
        return entry in self._adopted

    def _fill_up_to(self, record: Record) -> None:
        missing = record.seq - self._next
        if missing > HOLES:
            self._warn(f"records {self._next} to {record.seq - 1} were lost", record)
            self._shifted.add(record.epoch)
            return
        for seq in range(self._next, record.seq):
            self._warn(f"record {seq} was lost", record)

    def _warn_of(self, record: Record) -> None:
        self.warn_later(_misfit(record), record)


def _misfit(record: Record) -> str:
    text = json.dumps(to_json(record), separators=(",", ":"), default=repr)
    return f"a record that was spilled did not fit the journal any more: {text}"


def _identity(record: Record) -> str:
    """All of a record but its number, which may change on the way in."""
    data: dict[str, Any] = to_json(record)
    del data["seq"]
    return json.dumps(data, sort_keys=True, default=repr)
