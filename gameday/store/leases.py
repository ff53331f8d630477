"""The lease: taking, renewing and giving back the right to write one journal, inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from gameday.store.address import Address
from gameday.store.errors import LeaseHeld, LeaseLost
from gameday.store.holder import Holder, Lease
from gameday.store.journal import holder_columns
from gameday.store.summaries import lease_from, missing
from gameday.store.tables import exercises


def read(connection: Connection, exercise: str, address: Address, *, lock: bool = False) -> Lease:
    """The lease as it stands; `lock` keeps others from changing it until the transaction ends."""
    query = select(exercises).where(exercises.c.id == exercise)
    # On SQLite the whole transaction is the lock.
    found = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if found is None:
        raise missing(connection, exercise, address)
    return lease_from(found)


def take(connection: Connection, exercise: str, holder: Holder, address: Address, *, force: bool, now: float) -> int:
    lease = read(connection, exercise, address, lock=True)
    if not force and lease.holder is not None and lease.holder != holder and lease.held(now):
        raise LeaseHeld(exercise, lease.holder, lease.epoch)
    epoch = lease.epoch + 1
    changes: dict[str, Any] = {"epoch": epoch, "renewed_at": now, **holder_columns(holder)}
    connection.execute(update(exercises).where(exercises.c.id == exercise).values(**changes))
    return epoch


def check(connection: Connection, exercise: str, epoch: int, address: Address) -> None:
    """Raise `LeaseLost` unless `epoch` is current; it stays so until the transaction ends."""
    current = read(connection, exercise, address, lock=True).epoch
    if current != epoch:
        raise LeaseLost(exercise, epoch, current)


def renew(connection: Connection, exercise: str, epoch: int, address: Address, *, now: float) -> None:
    check(connection, exercise, epoch, address)
    connection.execute(update(exercises).where(exercises.c.id == exercise).values(renewed_at=now))


def release(connection: Connection, exercise: str, epoch: int, address: Address, *, now: float) -> None:
    check(connection, exercise, epoch, address)
    changes: dict[str, Any] = {"renewed_at": now, **holder_columns(None)}
    connection.execute(update(exercises).where(exercises.c.id == exercise).values(**changes))
