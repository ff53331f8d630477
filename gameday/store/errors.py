"""What can go wrong with the store, as errors a caller can tell apart; no error of a driver gets past.

StoreError                 the journal can't be read or written
├── StoreUnavailable       not now: whoever has facts to write puts them in the spill (`spill.py`)
│   ├── StoreBusy          another process held it longer than we were willing to wait
│   ├── StoreFull          the disk is full
│   ├── StoreReadOnly      it may be read but not written
│   ├── StoreCorrupt       it is damaged, or not a store at all
│   ├── StoreGone          the file or the server isn't there any more
│   └── JournalGap         records before these ones are missing: absorb the spill first
├── StoreMissing           nothing has been recorded there yet              exit 2
│   └── StoreEmpty         there is a file, and nothing in it: it may have been lost   exit 4
├── StoreTooNew            a newer gameday wrote it
├── BadAddress             the URL can't be used                              exit 2
├── ExerciseExists         that id is taken
├── LeaseLost              somebody else writes this journal now
└── LeaseHeld              the journal's writer is alive                      exit 5
UsageError
├── NoSuchExercise         no exercise has that id
└── Ambiguous              several have

Messages say what happened, where (never with a password), and what to do.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gameday.errors import Exit, StoreError, UsageError

if TYPE_CHECKING:
    from gameday.store.holder import Holder

__all__ = [
    "Ambiguous",
    "BadAddress",
    "ExerciseExists",
    "JournalGap",
    "LeaseHeld",
    "LeaseLost",
    "NoSuchExercise",
    "StoreBusy",
    "StoreCorrupt",
    "StoreEmpty",
    "StoreError",
    "StoreFull",
    "StoreGone",
    "StoreMissing",
    "StoreReadOnly",
    "StoreTooNew",
    "StoreUnavailable",
    "refused_by_system",
]


class StoreUnavailable(StoreError):
    pass


class StoreBusy(StoreUnavailable):
    pass


class StoreFull(StoreUnavailable):
    pass


class StoreReadOnly(StoreUnavailable):
    pass


class StoreCorrupt(StoreUnavailable):
    pass


class StoreGone(StoreUnavailable):
    pass


class JournalGap(StoreUnavailable):
    def __init__(self, exercise: str, last_seq: int, first: int) -> None:
        super().__init__(
            f"the journal of {exercise} ends at {last_seq} and can't go on at {first}: "
            "the records between are missing; what was spilled has to be absorbed first (`gameday recover`)"
        )
        self.last_seq = last_seq


class StoreMissing(StoreError):
    exit_code = Exit.INVALID


class StoreEmpty(StoreMissing):
    exit_code = Exit.NOT_RECOVERED

    def __init__(self, shown: str) -> None:
        super().__init__(f"the store at {shown} is empty: nothing was recorded there yet, or what was recorded is lost")


class StoreTooNew(StoreError):
    pass


class BadAddress(StoreError):
    exit_code = Exit.INVALID


class ExerciseExists(StoreError):
    pass


class LeaseLost(StoreError):
    """The caller is not the journal's writer any more and must not write again."""

    def __init__(self, exercise: str, epoch: int, current_epoch: int, why: str = "") -> None:
        reason = why or f"lease epoch {current_epoch} has replaced {epoch}"
        super().__init__(f"another process writes the journal of {exercise} now ({reason}); this one must stop")
        self.current_epoch = current_epoch


class LeaseHeld(StoreError):
    """The writer is alive; `holder` says which process."""

    exit_code = Exit.REFUSED

    def __init__(self, exercise: str, holder: Holder, epoch: int) -> None:
        super().__init__(
            f"exercise {exercise} is being run by process {holder.pid} on {holder.host}: "
            f"attach to it with `gameday watch {exercise}`, or stop it with `gameday abort {exercise}`"
        )
        self.holder = holder
        self.epoch = epoch


class NoSuchExercise(UsageError):
    def __init__(self, wanted: str, where: str, near: Sequence[str] = ()) -> None:
        if not wanted:
            text = f"no exercise is recorded in {where} yet: start one with `gameday run`"
        else:
            text = f"there is no exercise {wanted!r} in {where}"
            text += f"; the nearest: {', '.join(near)}" if near else "; `gameday list` shows those there are"
        super().__init__(text)
        self.near = tuple(near)


class Ambiguous(UsageError):
    def __init__(self, wanted: str, matches: Sequence[str]) -> None:
        shown = ", ".join(matches[:5]) + (" …" if len(matches) > 5 else "")
        super().__init__(f"{wanted!r} fits {len(matches)} exercises: {shown}; give more of the id")
        self.matches = tuple(matches)


def refused_by_system(at: str, error: OSError) -> StoreUnavailable:
    """The error for an `OSError`; `at` begins the message: what could not be done, and where."""
    why = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull(f"{at}: the disk is full ({why}); free some space")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreReadOnly(f"{at}: it can't be written ({why}); check the permissions")
    return StoreGone(f"{at}: {why}")
