"""The lease: taking, renewing and giving back the right to write one journal, inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from gameday.store.address import Address
from gameday.store.connection import Connection
from gameday.store.errors import LeaseHeld, LeaseLost
from gameday.store.holder import Holder, Lease
from gameday.store.journal import holder_columns
from gameday.store.summaries import LEASE, lease_from, missing
from gameday.store.tables import assigned


def read(connection: Connection, exercise: str, address: Address, *, lock: bool = False) -> Lease:
    """The lease as it stands; `lock` keeps others from changing it until the transaction ends."""
    query = f"SELECT {', '.join(LEASE)} FROM gameday_exercises WHERE id = :id"
    found = connection.row(f"{query} {connection.for_update}" if lock else query, id=exercise)
    if found is None:
        raise missing(connection, exercise, address)
    return lease_from(exercise, found)


def take(connection: Connection, exercise: str, holder: Holder, address: Address, *, force: bool, now: float) -> int:
    lease = read(connection, exercise, address, lock=True)
    if not force and lease.holder is not None and lease.holder != holder and lease.held(now):
        raise LeaseHeld(exercise, lease.holder, lease.epoch)
    epoch = lease.epoch + 1
    _change(connection, exercise, {"epoch": epoch, "renewed_at": now, **holder_columns(holder)})
    return epoch


def check(connection: Connection, exercise: str, epoch: int, address: Address) -> None:
    """Raise `LeaseLost` unless `epoch` is current; it stays so until the transaction ends."""
    current = read(connection, exercise, address, lock=True).epoch
    if current != epoch:
        raise LeaseLost(exercise, epoch, current)


def renew(connection: Connection, exercise: str, epoch: int, address: Address, *, now: float) -> None:
    check(connection, exercise, epoch, address)
    _change(connection, exercise, {"renewed_at": now})


def release(connection: Connection, exercise: str, epoch: int, address: Address, *, now: float) -> None:
    check(connection, exercise, epoch, address)
    _change(connection, exercise, {"renewed_at": now, **holder_columns(None)})


def _change(connection: Connection, exercise: str, changes: dict[str, Any]) -> None:
    connection.run(f"UPDATE gameday_exercises SET {assigned(changes)} WHERE id = :id", id=exercise, **changes)
