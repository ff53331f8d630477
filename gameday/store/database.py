"""Opening a store, and its transactions: from here on every error is told in our words.

What is open is one connection, and more where several threads are in it at once.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gameday.store import schema
from gameday.store.address import Address
from gameday.store.connection import Connection
from gameday.store.errors import StoreBusy, StoreEmpty, StoreMissing, StoreReadOnly
from gameday.store.pool import Pool
from gameday.store.sqlite import SqliteFile
from gameday.store.trouble import told

if TYPE_CHECKING:
    from gameday.store.postgresql import PostgresqlServer

SETTING_UP = 5.0
"""Seconds to wait for another process that sets the same store up."""
AGAIN = 0.01
"""Seconds between two tries."""


class Database:
    """One store; may be used from several threads."""

    def __init__(self, address: Address, *, create: bool, busy: float, steps: Sequence[schema.Step] = schema.STEPS):
        """Open it, bringing it up to date where needed, or, with `create`, setting it up.

        `busy`: seconds to wait for a lock.
        """
        self.address = address
        self._create = create
        self._busy = busy
        self._pid = os.getpid()
        self._inherited: list[object] = []
        self._watching: Connection | None = None
        self._watch_lock = threading.Lock()
        self._place = _place(address)
        self._pool = self._new_pool()
        with told(address, "open the journal"):
            self._place.find(create)
        self._pool.add(self._open_patiently(steps))

    @contextmanager
    def reading(self, doing: str) -> Iterator[Connection]:
        """A connection whose every statement sees what is committed when it runs."""
        with told(self.address, doing):
            self._after_fork()
            with self._pool.lend() as connection:
                yield connection

    @contextmanager
    def writing(self, doing: str) -> Iterator[Connection]:
        """One transaction; on disk when the block is left without an error, undone when with one."""
        with told(self.address, doing):
            self._after_fork()
            with self._pool.lend() as connection:
                with connection.transaction():
                    beside = self._place.beside(connection)
                    yield connection
                self._place.still_there(beside)

    def version(self) -> int:
        """A number that differs from the last one if anything was committed meanwhile; costs microseconds on SQLite."""
        with told(self.address, "look for news"):
            self._after_fork()
            if self.address.kind == "postgresql":
                with self._pool.lend() as connection:
                    return connection.version()
            # It counts what *other* connections commit, so it needs one that never writes.
            with self._watch_lock:
                if self._watching is None:
                    self._watching = self._place.connect(self._busy)
                return self._watching.version()

    def close(self) -> None:
        with told(self.address, "close the journal"):
            self._after_fork()
            with self._watch_lock:
                if self._watching is not None:
                    self._watching.close()
                    self._watching = None
            self._pool.close()

    def _new_pool(self) -> Pool:
        # A server may take its time.
        wait = self._busy if self.address.kind == "sqlite" else max(self._busy, 1.0)
        return Pool(lambda: self._place.connect(self._busy), wait)

    def _open_patiently(self, steps: Sequence[schema.Step]) -> Connection:
        """SQLite waits for a lock, but not where the journal mode changes or a log is recovered: it fails at once."""
        until = time.monotonic() + SETTING_UP
        while True:
            try:
                with told(self.address, "open the journal"):
                    return self._open(steps)
            except StoreBusy:
                if time.monotonic() >= until:
                    raise
                time.sleep(AGAIN)

    def _open(self, steps: Sequence[schema.Step]) -> Connection:
        """The first connection, to a store that is up to date."""
        patience = max(self._busy, SETTING_UP)
        try:
            connection, number = self._look(patience)
        except sqlite3.Error:
            # A WAL database in a folder that can't be written can be read only as one that never changes.
            if not self._place.freeze():
                raise
            connection, number = self._look(patience)
        try:
            self._set_up(connection, number, steps)
            if patience != self._busy:
                connection.wait_at_most(self._busy)
        except BaseException:
            connection.close()
            raise
        return connection

    def _look(self, patience: float) -> tuple[Connection, int]:
        connection = self._place.connect(patience)
        try:
            return connection, schema.number_of(connection)
        except BaseException:
            connection.close()
            raise

    def _set_up(self, connection: Connection, number: int, steps: Sequence[schema.Step]) -> None:
        up_to_date = schema.check(number, self.address, steps)
        if not self._create and not up_to_date and schema.is_empty(connection):
            # Set up, it would say that nothing ever happened.
            if not connection.shared:
                raise StoreEmpty(self.address.shown)
            # Somebody has to make a database before it can be used first.
            raise StoreMissing(f"there is no store in {self.address.shown}: nothing was recorded there yet")
        self._place.prepare(connection)
        if up_to_date:
            return
        if self._place.read_only:
            raise StoreReadOnly(
                f"{self.address.shown} is empty or of an older gameday and was opened to read only: "
                "open it once where it can be written"
            )
        with connection.transaction():
            schema.bring_up(connection, self.address, steps)

    def _after_fork(self) -> None:
        """In a forked child: make new connections and leave the parent's alone; closing one here would harm it."""
        if self._pid == os.getpid():
            return
        self._inherited += [self._pool, self._watching]
        # The locks, too: another thread of the parent may have held one.
        self._watching, self._watch_lock, self._pool = None, threading.Lock(), self._new_pool()
        self._pid = os.getpid()


def _place(address: Address) -> SqliteFile | PostgresqlServer:
    if address.kind == "sqlite":
        return SqliteFile(address)
    from gameday.store.postgresql import PostgresqlServer

    return PostgresqlServer(address)
