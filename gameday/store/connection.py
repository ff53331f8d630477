"""One connection to a database. All that SQLite and PostgreSQL differ in stands here, and nowhere else in the SQL.

A statement is one text for both, `:name` in it a value that is handed over beside it. So no text holds a colon or a
percent sign for anything else. What is made of the rows is the caller's; how a raw connection is had, `sqlite.py`'s and
`postgresql.py`'s.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from gameday.store.trouble import driver_errors

Row = tuple[Any, ...]


class Connection(ABC):
    """Of one thread at a time. Every statement is over when its method returns: one left open would keep its lock.

    Outside of `transaction` each statement is committed by itself.
    """

    shared: ClassVar[bool]
    """Whether other programs may have tables of their own there."""
    begin: ClassVar[str]
    """How a transaction begins."""
    for_update: ClassVar[str]
    """After a SELECT: nobody else may change these rows until the transaction ends."""
    double: ClassVar[str]
    """The type of a Python float."""
    numbered: ClassVar[str]
    """The type of a key that the database counts up, and never gives twice."""
    list_tables: ClassVar[str]
    """Asks for the names of the tables that somebody made there."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._broken = False

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        found: list[Row] = self._execute(sql, values).fetchall()
        return found

    def row(self, sql: str, /, **values: Any) -> Row | None:
        """The first one; None where there is none."""
        found = self.rows(sql, **values)
        return found[0] if found else None

    def value(self, sql: str, /, **values: Any) -> Any:
        """The first column of the first row; None where there is none."""
        found = self.row(sql, **values)
        return found[0] if found else None

    def run(self, sql: str, /, **values: Any) -> int:
        """How many rows it changed."""
        return int(self._execute(sql, values).rowcount)

    @abstractmethod
    def run_each(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Once with the values of each of `rows`."""

    @abstractmethod
    def add(self, sql: str, /, **values: Any) -> int:
        """Run an INSERT into a table whose `id` is `numbered`; the new row's."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """On disk when the block is left without an error, undone when with one."""
        self.run(self.begin)
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def tables(self) -> set[str]:
        return {str(name) for (name,) in self.rows(self.list_tables)}

    @abstractmethod
    def wait_at_most(self, seconds: float) -> None:
        """For a lock."""

    @abstractmethod
    def hold_set_up(self) -> None:
        """Wait until nobody else sets the store up, and keep others from it until the transaction ends."""

    @abstractmethod
    def version(self) -> int:
        """A number that differs from the last one if another connection committed anything meanwhile."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether what it leads to is still there, as far as that can be asked."""

    def reusable(self) -> bool:
        """Whether somebody else can have it next; what was left open is undone."""
        if self._in_transaction():
            self._roll_back()
        return not self._broken

    def close(self) -> None:
        self._raw.close()

    @abstractmethod
    def _execute(self, sql: str, values: Mapping[str, Any]) -> Any:
        """The cursor."""

    @abstractmethod
    def _in_transaction(self) -> bool:
        pass

    def _roll_back(self) -> None:
        try:
            # Some errors end the transaction by themselves.
            if self._in_transaction():
                self.run("ROLLBACK")
        except driver_errors():
            # The caller is told of the error that led here. Closing the connection, which comes next, undoes it too.
            self._broken = True


class SqliteConnection(Connection):
    shared = False
    # A transaction that starts by reading and then wants to write would fail at once instead of waiting.
    begin = "BEGIN IMMEDIATE"
    # The whole transaction is the lock.
    for_update = ""
    double = "DOUBLE"
    numbered = "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
    list_tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self.beside: dict[Path, tuple[int, int]] | None = None
        """The files beside the store that it writes to; see `SqliteFile.beside`."""

    def run_each(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._raw.executemany(sql, rows)

    def add(self, sql: str, /, **values: Any) -> int:
        return int(self._execute(sql, values).lastrowid)

    def wait_at_most(self, seconds: float) -> None:
        self.rows(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    def hold_set_up(self) -> None:
        """The whole transaction is the lock."""

    def version(self) -> int:
        return int(self.value("PRAGMA data_version"))

    def answers(self) -> bool:
        # Whether it is still the same file is looked at when something was written to it.
        return True

    def _execute(self, sql: str, values: Mapping[str, Any]) -> Any:
        return self._raw.execute(sql, values)

    def _in_transaction(self) -> bool:
        return bool(self._raw.in_transaction)


class PostgresqlConnection(Connection):
    """Over a raw connection that commits by itself: `transaction` says when not to."""

    shared = True
    begin = "BEGIN"
    for_update = "FOR UPDATE"
    double = "DOUBLE PRECISION"
    numbered = "SERIAL PRIMARY KEY"
    list_tables = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = ANY (current_schemas(false))"

    def run_each(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._raw.cursor().executemany(_for_psycopg(sql), rows)

    def add(self, sql: str, /, **values: Any) -> int:
        return int(self.value(f"{sql} RETURNING id", **values))

    def wait_at_most(self, seconds: float) -> None:
        self.run(f"SET lock_timeout = {max(1, round(seconds * 1000))}")

    def hold_set_up(self) -> None:
        self.rows("SELECT pg_advisory_xact_lock(:key)", key=_ADVISORY)

    def version(self) -> int:
        return hash(self.row(_VERSION))

    def answers(self) -> bool:
        try:
            self.rows("SELECT 1")
        except driver_errors():
            return False
        return True

    def reusable(self) -> bool:
        return super().reusable() and not self._raw.closed

    def _execute(self, sql: str, values: Mapping[str, Any]) -> Any:
        return self._raw.execute(_for_psycopg(sql), values)

    def _in_transaction(self) -> bool:
        return bool(self._raw.info.transaction_status.name != "IDLE")


_ADVISORY = 0x67616D65646179
"""Key of the lock under which the store is set up: \"gameday\" in ASCII."""

_VERSION = """
SELECT (SELECT count(*) FROM gameday_exercises), (SELECT sum(last_seq) FROM gameday_exercises),
       (SELECT sum(epoch) FROM gameday_exercises), (SELECT max(renewed_at) FROM gameday_exercises),
       (SELECT max(id) FROM gameday_inbox), (SELECT count(taken_at) FROM gameday_inbox),
       (SELECT count(answer) FROM gameday_inbox)
"""


@cache
def _for_psycopg(sql: str) -> str:
    return re.sub(r":([a-z]\w*)", r"%(\1)s", sql)
