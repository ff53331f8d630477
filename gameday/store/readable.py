"""Reading a store that can't be written, so that what it knows of is undone all the same.

SQLite needs room beside the file, or a folder that it can write, also to read: where it has none, a copy is read.
Decides nothing about what is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gameday.engine.control import make_ours
from gameday.store.address import Address, default_url, read_address
from gameday.store.errors import StoreFull, StoreReadOnly, StoreUnavailable
from gameday.store.port import spill_folders

if TYPE_CHECKING:
    from gameday.store.store import Store


@contextmanager
def readable(url: str | None = None) -> Iterator[Store]:
    """The store at `url`, to read from; it may be written to where it can be, and else raises `StoreUnavailable`.

    Raises:
        as `open_store` with `create=False`
    """
    from gameday.store import open_store

    address = read_address(url or default_url())
    try:
        opened = open_store(url, create=False)
    except (StoreFull, StoreReadOnly) as error:
        if address.path is None:
            raise
        with _copied(address.path.resolve(), error) as copy, _read_only(copy, address) as store:
            yield store
        return
    with opened:
        yield opened


@contextmanager
def _copied(path: Path, error: StoreUnavailable) -> Iterator[Path]:
    """A copy of the file and its log, where there is room for it. Raises `error` where there is none."""
    import shutil
    import tempfile

    for folder in spill_folders():
        made = None
        try:
            make_ours(folder)
            made = Path(tempfile.mkdtemp(prefix="copy-", dir=folder))
            for one in (path, path.with_name(path.name + "-wal")):
                if one.exists():
                    shutil.copyfile(one, made / one.name)
        except OSError:
            # Full, or not to be written, as the store is: the next one.
            if made is not None:
                shutil.rmtree(made, ignore_errors=True)
            continue
        try:
            yield made / path.name
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return
    raise error


@contextmanager
def _read_only(copy: Path, address: Address) -> Iterator[Store]:
    from gameday.store import open_store

    # What is in the log becomes part of the file; from then on nothing is written that would be lost with the copy.
    open_store(str(copy), create=False).close()
    with open_store(f"sqlite:///{copy}?mode=ro", create=False) as store:
        store.address = address
        yield store
