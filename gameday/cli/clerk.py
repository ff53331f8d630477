"""The clerk: writes into the journal what the guardian did while there was no engine. Started by the guardian, or by
`gameday recover` for facts that nobody could write at the time.

Reads facts as JSON on stdin, takes the journal under a new epoch, adds what it does not know yet. Where the store can't
be written the facts are kept beside it, and said so.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from gameday.engine import decide as do
from gameday.engine.control import make_ours
from gameday.engine.ports import evidence_of
from gameday.exercise import events as ev
from gameday.exercise import turns
from gameday.exercise.fold import apply, fold
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.store import Holder, open_store
from gameday.store.errors import NoSuchExercise, StoreBusy, StoreMissing
from gameday.store.port import spill_folders
from gameday.store.spill import sync_folder
from gameday.store.store import Store

SUFFIX = ".aftermath.json"
PATIENCE = 60.0
"""Seconds a locked store is waited for."""


def main() -> int:
    facts = json.load(sys.stdin)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with open_store(facts["payload"]["store"], create=False) as store:
                write_down(store, facts)
            return 0
        except (NoSuchExercise, StoreMissing) as error:
            if not facts["held"] and not facts["facts"]:
                # The engine died before it could begin the journal, so nothing was touched.
                return 0
            return _keep(facts, error)
        except StoreBusy as error:
            if time.monotonic() < until:
                continue
            return _keep(facts, error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the journal, the facts are not to be lost
            return _keep(facts, error)


def _keep(facts: dict[str, Any], error: Exception) -> int:
    content = json.dumps(facts).encode()
    for folder in spill_folders():
        try:
            path = _put(folder, facts["exercise"], content)
        except OSError as refused:
            _complain(f"{folder}: {refused}")
            continue
        _complain(f"the journal can't be written ({error}); kept in {path} for `gameday recover`")
        return 1
    _complain(f"the journal can't be written ({error}), and there is no place to keep this: {content.decode()}")
    return 1


def _put(folder: Path, exercise: str, content: bytes) -> Path:
    """A file with `content`, whole and on disk, or an `OSError` and no file."""
    make_ours(folder)
    path = folder / f"{exercise}{SUFFIX}"
    if path.exists():
        # Of an earlier loss of the same exercise, not absorbed yet.
        path = folder / f"{exercise}.{time.time_ns()}{SUFFIX}"
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    return path


def _complain(text: str) -> None:
    """To the exercise's log, which may lie on the very disk that is full."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"clerk: {text}\n")
        sys.stderr.flush()


def write_down(store: Store, facts: dict[str, Any]) -> Exercise:
    """Add what `facts` say and the journal does not know; the exercise after that."""
    exercise_id = facts["exercise"]
    store.lease(exercise_id)  # raises NoSuchExercise
    # The guardian has made sure that the engine is dead; its lease may still look alive for a moment.
    epoch = store.take_lease(exercise_id, Holder.mine(), force=True)
    records = store.records(exercise_id)
    exercise = fold(records)
    before = exercise
    new: list[Record] = []

    def add(event: ev.Event, wall: float | None = None) -> None:
        nonlocal exercise
        now = time.time()
        happened = now if wall is None else wall
        last = records[-1]
        clock = last.clock + max(0.0, happened - last.wall)
        record = Record(exercise.last_seq + 1, happened, clock, now, epoch, "guardian", "", event)
        exercise = apply(exercise, record)
        new.append(record)

    if exercise.phase != "ended":
        _missing(exercise, records, facts, add)
        _never_held(before, records, facts, add)
        add(ev.EngineLost(facts["reason"]))
        if not exercise.attended:
            _end(exercise, facts, add)
    unrecovered = len(exercise.unrecovered)
    status = exercise.verdict if exercise.phase == "ended" else exercise.phase
    if new:
        store.append(exercise_id, epoch, new, status=status, unrecovered=unrecovered)
    store.release_lease(exercise_id, epoch)
    return exercise


def _missing(exercise: Exercise, records: list[Record], facts: dict[str, Any], add: Any) -> None:
    """Events for those facts that the engine did not live to journal."""
    seen = dict(exercise.faults)
    strikes = {(r.event.entry, r.wall) for r in records if isinstance(r.event, ev.FaultRepeated)}
    announced = {entry for entry, fault in seen.items() if fault.striking}
    for fact in facts["facts"]:
        entry = fact["entry"]
        known = seen.get(entry)
        if known is None or known.stage in ("recovered", "refused"):
            continue
        match fact["fact"]:
            case "injecting" if known.injecting is None:
                add(ev.FaultInjecting(entry, fact["pid"]), fact["wall"])
            case "again" if (entry, fact["wall"]) not in strikes:
                # What it was about to strike is let only when that stands in the journal.
                repeated = ev.FaultRepeated(entry, evidence_of(fact["output"]))
                if entry in announced or not repeated.evidence.startswith(turns.CALLED_OFF):
                    add(repeated, fact["wall"])
            case "undoing" if known.stage != "undoing":
                add(ev.FaultUndoing(entry, fact["reason"]), fact["wall"])
            case "undo_sent" if known.attempts < fact["attempt"]:
                add(ev.UndoSent(entry, fact["attempt"]), fact["at"])
            case "undo_failed":
                add(ev.UndoFailed(entry, fact["attempt"], fact["error"]), fact["wall"])
            case "recovered":
                add(ev.FaultRecovered(entry, fact["evidence"], fact.get("unwell", "")), fact["wall"])
            case "leaked" if known.stage != "leaked":
                add(ev.FaultLeaked(entry, fact["error"], fact["commands"]), fact["wall"])


def _never_held(exercise: Exercise, records: list[Record], facts: dict[str, Any], add: Any) -> None:
    """The engine journaled these as armed and died before the guardian held them: nothing was injected."""
    armed = {r.event.entry for r in records if isinstance(r.event, ev.FaultArmed) and r.epoch == exercise.epoch}
    for entry in armed - set(facts["held"]):
        if exercise.faults[entry].stage == "armed":
            add(ev.FaultRecovered(entry, "nothing was injected: the engine died before the guardian held its undo"))


def _end(exercise: Exercise, facts: dict[str, Any], add: Any) -> None:
    if exercise.abort is None:
        add(ev.AbortBegan(facts["reason"], "guardian"))
    leaked = [fault.entry for fault in exercise.unrecovered]
    last = do.Finish("aborted", 3, facts["reason"])
    if leaked:
        last = do.Finish("leaked", 4, f"not recovered: {', '.join(leaked)}")
    add(ev.ExerciseEnded(last.verdict, last.exit_code, last.reason))  # type: ignore[arg-type]


if __name__ == "__main__":
    raise SystemExit(main())
