"""The store as its users see it: journal, lease, summaries, inbox. One method, one transaction; no logic of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from gameday.exercise.record import Record
from gameday.store import inbox, journal, leases, summaries
from gameday.store.address import Address
from gameday.store.database import Database
from gameday.store.holder import Holder, Lease
from gameday.store.inbox import InboxRow
from gameday.store.summaries import Summary


class Store:
    """An open store. May be used from several threads; every method may raise a `StoreError` (see `errors.py`)."""

    def __init__(self, address: Address, *, create: bool, busy: float) -> None:
        self._database = Database(address, create=create, busy=busy)
        self.address = address
        """Where it is; `address.shown` is fit for people."""

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    # --- journal ---------------------------------------------------------------------------------------------------

    def create(self, record: Record, holder: Holder) -> int:
        """Begin a journal with its `ExerciseStarted` and take its lease; the epoch, which is 1.

        Raises:
            ExerciseExists: the id is taken.
        """
        with self._database.writing("begin the journal") as connection:
            return journal.create(connection, record, holder, time.time())

    def append(
        self,
        exercise: str,
        epoch: int,
        records: Sequence[Record],
        *,
        status: str | None = None,
        unrecovered: int | None = None,
    ) -> None:
        """Write records that follow each other and the journal's end; on disk when it returns, and renews the lease.

        `status` and `unrecovered` (number of faults) go into the summary; left out, the status follows
        `ExerciseEnded` and the number is counted anew where fault events are among the records. Sending the very
        same records again is no error, so that an append whose fate is unknown can be repeated. `records` may be
        empty, to change the summary alone.

        Raises:
            LeaseLost: another epoch is current, or somebody else wrote those numbers. The caller must stop writing.
            JournalGap: records before these are missing.
            StoreUnavailable: nothing was written; put the records in the spill.
        """
        with self._database.writing("write the journal") as connection:
            journal.append(
                connection,
                self.address,
                exercise,
                epoch,
                records,
                status=status,
                unrecovered=unrecovered,
                now=time.time(),
            )

    def records(self, exercise: str, after: int = 0, limit: int | None = None) -> list[Record]:
        """Records with a number above `after`, in order; empty where there are none (or no such exercise)."""
        with self._database.reading("read the journal") as connection:
            return journal.read(connection, exercise, after, limit)

    def records_of_kinds(self, exercises: Sequence[str], kinds: Sequence[str]) -> dict[str, list[Record]]:
        """By exercise, its records of these kinds alone, in order."""
        with self._database.reading("read the journals") as connection:
            return {exercise: journal.of_kinds(connection, exercise, kinds) for exercise in exercises}

    def last_seq(self, exercise: str) -> int:
        return self.summary(exercise).last_seq

    def unrecovered_entries(self, exercise: str) -> list[str]:
        """Entries whose faults were armed and not recovered, by the journal's own events."""
        with self._database.reading("read the journal") as connection:
            return journal.unrecovered_entries(connection, exercise)

    # --- lease -----------------------------------------------------------------------------------------------------

    def take_lease(self, exercise: str, holder: Holder, *, force: bool = False) -> int:
        """Become the journal's writer; the new epoch. Whoever wrote before loses the lease at their next append.

        Raises:
            LeaseHeld: the present holder is alive, and `force` isn't set.
        """
        with self._database.writing("take the lease") as connection:
            return leases.take(connection, exercise, holder, self.address, force=force, now=time.time())

    def renew_lease(self, exercise: str, epoch: int) -> None:
        with self._database.writing("renew the lease") as connection:
            leases.renew(connection, exercise, epoch, self.address, now=time.time())

    def release_lease(self, exercise: str, epoch: int) -> None:
        with self._database.writing("give the lease back") as connection:
            leases.release(connection, exercise, epoch, self.address, now=time.time())

    def lease(self, exercise: str) -> Lease:
        with self._database.reading("read the lease") as connection:
            return leases.read(connection, exercise, self.address)

    # --- summaries -------------------------------------------------------------------------------------------------

    def exercises(self, limit: int | None = None) -> list[Summary]:
        """Newest first."""
        with self._database.reading("list the exercises") as connection:
            return summaries.listed(connection, limit=limit)

    def summary(self, exercise: str) -> Summary:
        with self._database.reading("read the exercise") as connection:
            return summaries.one(connection, exercise, self.address)

    def unrecovered(self) -> list[Summary]:
        """Exercises with a fault that is not recovered, running ones included."""
        with self._database.reading("look for faults that are not recovered") as connection:
            return summaries.listed(connection, "unrecovered > 0")

    def running(self) -> list[Summary]:
        """Exercises that are running or paused, as last written; `Summary.engine_alive` says whether truly so."""
        with self._database.reading("list the exercises") as connection:
            return summaries.listed(connection, summaries.UNDER_WAY)

    def resolve(self, wanted: str | None = None) -> str:
        """The id meant by an id or its beginning; with None the latest running exercise, else the latest.

        Raises:
            NoSuchExercise, Ambiguous.
        """
        with self._database.reading("find the exercise") as connection:
            return summaries.resolve(connection, wanted, self.address)

    # --- inbox -----------------------------------------------------------------------------------------------------

    def post(self, exercise: str, request: dict[str, Any], *, source: str, actor: str, wall: float) -> int:
        """Ask something of the engine; the request's number, for `answer_of`."""
        with self._database.writing("hand the request in") as connection:
            return inbox.post(connection, self.address, exercise, request, source=source, actor=actor, wall=wall)

    def take(self, exercise: str, epoch: int, limit: int = 100) -> list[InboxRow]:
        """Requests nobody has taken yet, in order; they are taken now. Writes nothing where there are none.

        Raises:
            LeaseLost: they are another engine's to take.
        """
        with self._database.reading("look into the inbox") as connection:
            if not inbox.waiting(connection, exercise):
                return []
        with self._database.writing("empty the inbox") as connection:
            leases.check(connection, exercise, epoch, self.address)
            return inbox.take(connection, exercise, limit, time.time())

    def answer(self, row_id: int, answer: dict[str, Any]) -> None:
        with self._database.writing("answer the request") as connection:
            inbox.answer(connection, row_id, answer)

    def answer_of(self, row_id: int) -> dict[str, Any] | None:
        """What the engine answered; None as long as it has not."""
        with self._database.reading("look for the answer") as connection:
            return inbox.answer_of(connection, row_id)

    # --- news ------------------------------------------------------------------------------------------------------

    def data_version(self) -> int:
        """A number that changes when anything was committed, by whomever; cheap enough to ask ten times a second."""
        return self._database.version()

    def schema(self) -> int:
        """The store's schema number; asks the store, so it also proves that it can be read."""
        from gameday.store import schema

        with self._database.reading("read the schema number") as connection:
            return schema.number_of(connection)

    def prove_writable(self) -> None:
        """Write something that changes nothing; raises as `append` would. For checks before an exercise starts."""
        with self._database.writing("write") as connection:
            connection.run("UPDATE gameday_schema SET number = number")
