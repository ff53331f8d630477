"""The schema's number, checked at every opening, and the steps that bring an older store up to it.

A step and the number's change are one transaction: a store is never between two schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gameday.store import tables
from gameday.store.address import Address
from gameday.store.connection import Connection
from gameday.store.errors import BadAddress, StoreCorrupt, StoreTooNew

Step = Callable[[Connection], None]

STEPS: tuple[Step, ...] = ()
"""`STEPS[0]` leads from schema 1 to 2, and so on; a released one is never edited. The last leads to `tables.py`."""


def number_of(connection: Connection) -> int:
    """The store's schema number; 0 where nothing is set up yet."""
    if "gameday_schema" not in connection.tables():
        return 0
    found = connection.rows("SELECT number FROM gameday_schema")
    if len(found) != 1:
        raise StoreCorrupt(f"the store's schema number is missing or double ({len(found)} rows in gameday_schema)")
    return int(found[0][0])


def is_empty(connection: Connection) -> bool:
    """Whether nothing is set up there: no table at all in a file, none of ours in a database that others may use."""
    return number_of(connection) == 0 if connection.shared else not connection.tables()


def check(found: int, address: Address, steps: Sequence[Step] = STEPS) -> bool:
    """Whether the store is up to date; False where `bring_up` has to run.

    Raises:
        StoreTooNew: a newer gameday made it.
    """
    newest = 1 + len(steps)
    if found > newest:
        raise StoreTooNew(
            f"{address.shown} has schema {found}, this gameday knows up to {newest}: upgrade gameday "
            "(`pip install -U gameday-sre`), or name another store with --store"
        )
    return found == newest


def bring_up(connection: Connection, address: Address, steps: Sequence[Step] = STEPS) -> None:
    """Set the tables up, or run the steps that are missing, in the caller's transaction."""
    connection.hold_set_up()
    # Looked at again under the lock: another process may have been quicker.
    found = number_of(connection)
    if check(found, address, steps):
        return
    if found == 0:
        if not connection.shared and connection.tables():
            raise BadAddress(f"{address.shown} is another program's database: name another file with --store")
        tables.make(connection)
    else:
        for step in steps[found - 1 :]:
            step(connection)
        connection.run("DELETE FROM gameday_schema")
    connection.run("INSERT INTO gameday_schema (number) VALUES (:number)", number=1 + len(steps))
