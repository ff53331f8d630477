"""Connections to an SQLite file, and whether it is still the file that was opened. Runs no statement of the journal's.

WAL, `synchronous=FULL`. A store in a folder that can't be written is read as one that never changes.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from gameday.store.address import Address
from gameday.store.connection import Connection, SqliteConnection
from gameday.store.errors import BadAddress, StoreEmpty, StoreGone, StoreMissing


class SqliteFile:
    def __init__(self, address: Address) -> None:
        assert address.path is not None
        self._path: Path = address.path
        self._shown = address.shown
        self.read_only = address.read_only
        """Whether nothing can be written to it by the connections made from now on."""
        self._immutable = False
        self._file: tuple[int, int] | None = None

    def find(self, create: bool) -> None:
        """Make sure that there is a file to open; make an empty one where none is and `create` says so."""
        path = self._path
        if path.is_dir():
            raise BadAddress(f"store {path} is a folder: name a file in it")
        if path.exists():
            if not create and path.stat().st_size == 0:
                # Not even opened: SQLite would throw away the log beside it, which may be all that is left.
                raise StoreEmpty(self._shown)
            return
        if not create or self.read_only:
            raise StoreMissing(f"there is no store at {path}: nothing was recorded there yet")
        # Journals hold what went wrong in somebody's company.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))

    def connect(self, busy: float) -> Connection:
        """`busy`: seconds to wait for a lock."""
        # `rw`, not `rwc`: a file that vanished must be an error, not a fresh empty journal.
        options = "mode=ro&immutable=1" if self._immutable else f"mode={'ro' if self.read_only else 'rw'}"
        raw = sqlite3.connect(
            f"file:{quote(str(self._path))}?{options}",
            uri=True,
            timeout=busy,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            raw.execute("PRAGMA synchronous=FULL")
            raw.execute("PRAGMA foreign_keys=ON")
            found = self._path.stat()
            self._file = self._file or (found.st_dev, found.st_ino)
            if self._file != (found.st_dev, found.st_ino):
                raise self._replaced()
        except BaseException:
            raw.close()
            raise
        return SqliteConnection(raw)

    def freeze(self) -> bool:
        """From now on take it for a file that never changes; False where there is no reason to."""
        if self._immutable or not os.access(self._path, os.R_OK) or os.access(self._path.parent, os.W_OK):
            return False
        wal = self._path.with_name(self._path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            return False
        self._immutable = self.read_only = True
        return True

    def prepare(self, connection: Connection) -> None:
        """Readers and the writer don't wait for each other. The file remembers it, a copy made by SQLite may not."""
        if self.read_only or not os.access(self._path, os.W_OK):
            return
        if connection.value("PRAGMA journal_mode") != "wal":
            connection.rows("PRAGMA journal_mode=WAL")

    def beside(self, connection: Connection) -> dict[Path, tuple[int, int]]:
        """Which log and index the connection writes to, as found in its first transaction.

        SQLite removes them only when the last connection of all processes closes: as long as this one is open, they
        stay, and nobody makes new ones.
        """
        assert isinstance(connection, SqliteConnection)
        if connection.beside is None:
            found: dict[Path, tuple[int, int]] = {}
            if connection.value("PRAGMA journal_mode") == "wal":
                # SQLite puts them beside the file itself, not beside a link to it.
                real = self._path.resolve()
                for suffix in ("-wal", "-shm"):
                    beside = real.with_name(real.name + suffix)
                    found[beside] = _identity(beside) or _NOWHERE
            connection.beside = found
        return connection.beside

    def still_there(self, beside: dict[Path, tuple[int, int]]) -> None:
        """SQLite goes on writing happily into files that were deleted; a fact in there is lost.

        Raises:
            StoreGone
        """
        if _identity(self._path) != self._file:
            raise self._replaced()
        for one, identity in beside.items():
            if _identity(one) != identity:
                raise self._replaced(one)

    def _replaced(self, path: Path | None = None) -> StoreGone:
        return StoreGone(f"{path or self._shown} was removed or replaced while in use: put it back, or open it anew")


_NOWHERE = (-1, -1)
"""Identity of a file that should be there and was not."""


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None where there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
