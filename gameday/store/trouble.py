"""Turns what a driver raises into the errors of `errors.py`. The only place that knows drivers' codes.

PostgreSQL's driver is not loaded for it: what nobody loaded raises nothing.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gameday.store.address import Address
from gameday.store.errors import (
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreGone,
    StoreReadOnly,
    refused_by_system,
)

SMALLEST = 64 * 1024
"""Bytes free below which a write error is taken for a full disk."""


class TooManyThreads(Exception):
    """All connections to a store stayed in use for longer than somebody was willing to wait for one."""


def driver_errors() -> tuple[type[Exception], ...]:
    """What the drivers that are loaded may raise."""
    psycopg = sys.modules.get("psycopg")
    return (sqlite3.Error,) if psycopg is None else (sqlite3.Error, psycopg.Error)


@contextmanager
def told(address: Address, doing: str) -> Iterator[None]:
    """Run the block; whatever a driver raises in it leaves as a `StoreError` that names `doing` and the place."""
    try:
        yield
    except TooManyThreads:
        raise StoreBusy(f"could not {doing}: too many threads use {address.shown} at once; try again") from None
    except _worth_words() as error:
        raise _translated(address, doing, error) from error


def _worth_words() -> tuple[type[Exception], ...]:
    # Asked when something was raised: by then a driver may be loaded that was not before.
    return (*driver_errors(), OSError, UnicodeError)


def _translated(address: Address, doing: str, error: BaseException) -> StoreError:
    at = f"could not {doing} in {address.shown}"
    if isinstance(error, sqlite3.Error):
        return _sqlite(address, at, error)
    if isinstance(error, driver_errors()):
        return _postgresql(at, error, getattr(error, "sqlstate", None) or "")
    if isinstance(error, OSError):
        return refused_by_system(at, error)
    return StoreError(f"{at}: {_line(error)}")


def _sqlite(address: Address, at: str, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None) or 0
    why = _line(error)
    primary = code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"{at}: another process holds it locked; try again, or see who has the file open")
    if primary == sqlite3.SQLITE_FULL:
        return StoreFull(f"{at}: the disk is full; free some space, nothing already recorded is lost")
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return StoreGone(f"{at}: the file was moved away while in use; put it back")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return StoreReadOnly(f"{at}: it can't be written; check the permissions of the file and its folder")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorrupt(f"{at}: the file is damaged or is no SQLite database ({why}); restore it from a backup")
    if primary == sqlite3.SQLITE_CANTOPEN:
        return _cannot_open(address, at)
    if primary == sqlite3.SQLITE_IOERR:
        if _free(address) < SMALLEST:
            return StoreFull(f"{at}: the disk is full; free some space, nothing already recorded is lost")
        return StoreGone(f"{at}: the disk gave an error ({why}); see the kernel's log")
    if "no such table" in why or "no such column" in why:
        return StoreCorrupt(f"{at}: {why}; this is not a store that gameday made, or a table of it was removed")
    return StoreError(f"{at}: {why}")


def _cannot_open(address: Address, at: str) -> StoreError:
    path = address.path
    if path is None or not path.exists():
        return StoreGone(f"{at}: the file is not there; check the path, or put it back")
    if path.is_dir():
        return StoreCorrupt(f"{at}: that is a folder; name a file in it")
    if not os.access(path, os.R_OK):
        return StoreReadOnly(f"{at}: it can't be read; check its permissions")
    return StoreReadOnly(f"{at}: its folder can't be written, and SQLite needs that; check the folder's permissions")


def _free(address: Address) -> int:
    """Bytes the file may still grow: by the disk, and by the process's own limit (`ulimit -f`)."""
    path = address.path
    if path is None:
        return SMALLEST
    try:
        disk = os.statvfs(path.parent)
        room = disk.f_bavail * disk.f_frsize
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY:
            files = [path, path.with_name(path.name + "-wal")]
            room = min(room, limit - max(file.stat().st_size for file in files if file.exists()))
    except (OSError, ValueError):
        return SMALLEST
    return room


def _postgresql(at: str, error: BaseException, state: str) -> StoreError:
    why = _line(error)
    if state in ("55P03", "57014", "40001", "40P01", "53300"):
        return StoreBusy(f"{at}: somebody else holds it ({why}); try again")
    if state == "53100":
        return StoreFull(f"{at}: the server's disk is full ({why}); free some space there")
    if state in ("25006", "42501"):
        return StoreReadOnly(f"{at}: it can't be written ({why}); check the role's rights, and that it is no replica")
    if state in ("XX001", "XX002"):
        return StoreCorrupt(f"{at}: the server says that data is damaged ({why}); restore it from a backup")
    if state in ("42P01", "42703"):
        return StoreCorrupt(f"{at}: {why}; this is not a store that gameday made, or a table of it was removed")
    lost = not state and type(error).__name__ in ("OperationalError", "InterfaceError")
    if lost or state.startswith(("08", "57P", "58", "28", "3D")):
        return StoreGone(f"{at}: the server can't be reached or refuses us ({why}); check that it runs, and the URL")
    return StoreError(f"{at}: {why}")


def _line(error: BaseException) -> str:
    """The first line of a driver's text; PostgreSQL's go on for several."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
