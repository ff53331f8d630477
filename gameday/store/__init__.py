"""Where journals are kept: the only room with SQL in it.

Importing this loads no driver; `open_store` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.exercise.ids import new_exercise_id
from gameday.store.address import default_url, read_address
from gameday.store.holder import Holder, Lease

if TYPE_CHECKING:
    from gameday.store.store import Store

__all__ = ["Holder", "Lease", "default_url", "new_exercise_id", "open_store"]


def open_store(url: str | None = None, *, create: bool = True, busy: float = 5.0) -> Store:
    """Open the store at a path or URL, `default_url()` where none is given; set up or brought up to date where needed.

    `create=False` makes a missing SQLite file an error, and a store in which nothing is set up. `busy`: seconds that
    any later call waits for a lock; for somebody who types a command that is a moment, for an engine, which has other
    places to write, far too long.

    Raises:
        BadAddress, StoreMissing, StoreEmpty, StoreTooNew, StoreUnavailable.
    """
    address = read_address(url or default_url())

    from gameday.store.store import Store

    return Store(address, create=create, busy=busy)
