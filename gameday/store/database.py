"""Connections: how one is made, how a transaction begins, and that every error leaves in our words.

SQLite: WAL, `synchronous=FULL`, writes by BEGIN IMMEDIATE (a transaction that starts by reading and then wants to
write would fail at once instead of waiting). PostgreSQL: row locks, the same wait, commits on disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from gameday.store import schema, tables
from gameday.store.address import Address
from gameday.store.errors import (
    BadAddress,
    StoreBusy,
    StoreEmpty,
    StoreError,
    StoreGone,
    StoreMissing,
    StoreReadOnly,
)
from gameday.store.trouble import told

SETTING_UP = 5.0
"""Seconds to wait for another process that sets the same store up."""
AGAIN = 0.01
"""Seconds between two tries."""
CONNECTING = 5
"""Seconds to wait for a PostgreSQL server."""


class Database:
    """A pool of connections to one store; may be used from several threads."""

    def __init__(self, address: Address, *, create: bool, busy: float, steps: Sequence[schema.Step] = schema.STEPS):
        """Open it, bringing it up to date where needed, or, with `create`, setting it up.

        `busy`: seconds to wait for a lock.
        """
        self.address = address
        self._create = create
        self._busy = busy
        self._pid = os.getpid()
        self._inherited: list[Any] = []
        self._immutable = False
        self._file: tuple[int, int] | None = None
        self._watching: Connection | None = None
        self._watch_lock = threading.Lock()
        if address.path is not None:
            self._find_file(address.path, create and not address.read_only)
        self.engine = self._make_engine(max(busy, SETTING_UP))
        try:
            self._set_up_patiently(steps)
        finally:
            self.engine.dispose()
        self.engine = self._make_engine(busy)
        self._begin_writing = self.engine.execution_options(gameday_write=True)
        is_sqlite = address.kind == "sqlite"
        self._begin_reading = self.engine if is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def reading(self, doing: str) -> Iterator[Connection]:
        """A connection whose every statement sees what is committed when it runs."""
        with told(self.address, doing):
            self._after_fork()
            with self._begin_reading.connect() as connection:
                yield connection

    @contextmanager
    def writing(self, doing: str) -> Iterator[Connection]:
        """One transaction; on disk when the block is left without an error, undone when with one."""
        with told(self.address, doing):
            self._after_fork()
            with self._begin_writing.begin() as connection:
                beside = self._beside(connection)
                yield connection
            self._still_there(beside)

    def version(self) -> int:
        """A number that differs from the last one if anything was committed meanwhile; costs microseconds on SQLite."""
        with told(self.address, "look for news"), self._watch_lock:
            self._after_fork()
            if self.address.kind == "postgresql":
                with self._begin_reading.connect() as connection:
                    return hash(tuple(connection.execute(text(_POSTGRESQL_VERSION)).one()))
            # The pragma counts what *other* connections commit, so it needs one that never writes.
            if self._watching is None:
                self._watching = self._begin_reading.connect()
            return int(self._watching.exec_driver_sql("PRAGMA data_version").scalar_one())

    def close(self) -> None:
        with told(self.address, "close the journal"), self._watch_lock:
            self._after_fork()
            if self._watching is not None:
                self._watching.close()
                self._watching = None
            self.engine.dispose()

    def _find_file(self, path: Path, create: bool) -> None:
        with told(self.address, "open the journal"):
            if path.is_dir():
                raise BadAddress(f"store {path} is a folder: name a file in it")
            if path.exists():
                if not self._create and path.stat().st_size == 0:
                    # Not even opened: SQLite would throw away the log beside it, which may be all that is left.
                    raise StoreEmpty(self.address.shown)
                return
            if not create:
                raise StoreMissing(f"there is no store at {path}: nothing was recorded there yet")
            # Journals hold what went wrong in somebody's company.
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))

    def _make_engine(self, busy: float) -> Engine:
        if self.address.kind == "postgresql":
            return self._postgresql(busy)
        engine = create_engine(
            "sqlite://",
            creator=lambda: self._connect_sqlite(busy),
            poolclass=QueuePool,
            pool_timeout=busy,
        )

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            # Reads need no transaction: each is one statement.
            if connection.get_execution_options().get("gameday_write"):
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _connect_sqlite(self, busy: float) -> sqlite3.Connection:
        path = self.address.path
        assert path is not None
        # `rw`, not `rwc`: a file that vanished must be an error, not a fresh empty journal.
        options = "mode=ro&immutable=1" if self._immutable else f"mode={'ro' if self.address.read_only else 'rw'}"
        raw = sqlite3.connect(
            f"file:{quote(str(path))}?{options}",
            uri=True,
            timeout=busy,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            raw.execute("PRAGMA synchronous=FULL")
            raw.execute("PRAGMA foreign_keys=ON")
            found = path.stat()
            self._file = self._file or (found.st_dev, found.st_ino)
            if self._file != (found.st_dev, found.st_ino):
                raise self._replaced()
        except BaseException:
            raw.close()
            raise
        return raw

    def _postgresql(self, busy: float) -> Engine:
        try:
            engine = create_engine(
                self.address.url,
                connect_args={
                    "connect_timeout": CONNECTING,
                    "application_name": "gameday",
                    "tcp_user_timeout": CONNECTING * 1000,
                },
                # A server that was restarted is noticed before a transaction, not in the middle of it.
                pool_pre_ping=True,
                pool_timeout=max(busy, 1.0),
            )
        except ImportError:
            raise BadAddress(
                f"store {self.address.shown} needs the PostgreSQL driver: pip install 'gameday-sre[postgresql]'"
            ) from None
        except (SQLAlchemyError, ValueError) as error:
            raise BadAddress(f"store {self.address.shown} can't be read as a URL: {error}") from None

        @event.listens_for(engine, "connect")
        def set_waits(raw: Any, _record: object) -> None:
            raw.execute(f"SET lock_timeout = {max(1, round(busy * 1000))}")
            raw.execute("SET synchronous_commit = on")
            raw.commit()

        return engine

    def _set_up_patiently(self, steps: Sequence[schema.Step]) -> None:
        """SQLite waits for a lock, but not where the journal mode changes or a log is recovered: it fails at once."""
        until = time.monotonic() + SETTING_UP
        while True:
            try:
                with told(self.address, "open the journal"):
                    return self._set_up(steps)
            except StoreBusy:
                if time.monotonic() >= until:
                    raise
                time.sleep(AGAIN)

    def _set_up(self, steps: Sequence[schema.Step]) -> None:
        try:
            up_to_date = self._up_to_date(steps)
        except StoreError:
            raise
        except (SQLAlchemyError, sqlite3.Error):
            # A WAL database in a folder that can't be written can be read only as one that never changes.
            if not self._frozen():
                raise
            self._immutable = True
            self.engine.dispose()
            up_to_date = self._up_to_date(steps)
        if not self._create and not up_to_date and self._is_empty():
            # Set up, it would say that nothing ever happened.
            if self.address.path is not None:
                raise StoreEmpty(self.address.shown)
            # Somebody has to make a database before it can be used first.
            raise StoreMissing(f"there is no store in {self.address.shown}: nothing was recorded there yet")
        self._use_wal()
        if up_to_date:
            return
        if self.address.read_only or self._immutable:
            raise StoreReadOnly(
                f"{self.address.shown} is empty or of an older gameday and was opened to read only: "
                "open it once where it can be written"
            )
        with self.engine.execution_options(gameday_write=True).begin() as connection:
            schema.bring_up(connection, self.address, steps)

    def _up_to_date(self, steps: Sequence[schema.Step]) -> bool:
        with self.engine.connect() as connection:
            return schema.check(schema.number_of(connection), self.address, steps)

    def _is_empty(self) -> bool:
        with self.engine.connect() as connection:
            return schema.is_empty(connection)

    def _use_wal(self) -> None:
        """Readers and the writer don't wait for each other. The file remembers it, a copy made by SQLite may not."""
        path = self.address.path
        if path is None or self.address.read_only or self._immutable or not os.access(path, os.W_OK):
            return
        with self.engine.connect() as connection:
            if connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() != "wal":
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    def _frozen(self) -> bool:
        path = self.address.path
        if path is None or not path.exists() or not os.access(path, os.R_OK):
            return False
        wal = path.with_name(path.name + "-wal")
        return not os.access(path.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size)

    def _beside(self, connection: Connection) -> dict[Path, tuple[int, int]]:
        """Which log and index the connection writes to, as found in its first transaction.

        SQLite removes them only when the last connection of all processes closes: as long as this one is open, they
        stay, and nobody makes new ones. It is open until the commit was looked at, since the pool keeps it.
        """
        path = self.address.path
        if path is None:
            return {}
        found: dict[Path, tuple[int, int]] | None = connection.info.get("gameday_beside")
        if found is None:
            found = {}
            if connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal":
                # SQLite puts them beside the file itself, not beside a link to it.
                real = path.resolve()
                for suffix in ("-wal", "-shm"):
                    beside = real.with_name(real.name + suffix)
                    found[beside] = _identity(beside) or _NOWHERE
            connection.info["gameday_beside"] = found
        return found

    def _still_there(self, beside: dict[Path, tuple[int, int]]) -> None:
        """SQLite goes on writing happily into files that were deleted; a fact in there is lost."""
        path = self.address.path
        if path is None:
            return
        if _identity(path) != self._file:
            raise self._replaced()
        for one, identity in beside.items():
            if _identity(one) != identity:
                raise self._replaced(one)

    def _replaced(self, path: Path | None = None) -> StoreGone:
        return StoreGone(
            f"{path or self.address.shown} was removed or replaced while in use: put it back, or open it anew"
        )

    def _after_fork(self) -> None:
        """In a forked child: make new connections and leave the parent's alone; closing one here would harm it."""
        if self._pid == os.getpid():
            return
        self._inherited += [self.engine.pool, self._watching]
        self._watching = None
        self.engine.dispose(close=False)
        self._pid = os.getpid()


_NOWHERE = (-1, -1)
"""Identity of a file that should be there and was not."""


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None where there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


_POSTGRESQL_VERSION = f"""
SELECT (SELECT count(*) FROM {tables.exercises.name}), (SELECT sum(last_seq) FROM {tables.exercises.name}),
       (SELECT sum(epoch) FROM {tables.exercises.name}), (SELECT max(renewed_at) FROM {tables.exercises.name}),
       (SELECT max(id) FROM {tables.inbox.name}), (SELECT count(taken_at) FROM {tables.inbox.name}),
       (SELECT count(answer) FROM {tables.inbox.name})
"""
