"""Facts that could not be written to the store: kept as JSON lines in a folder, and moved into the journal later.

Works with nothing but a file, since it is needed when the store is full, read-only, locked or gone. One file per
exercise, `ID.spill.jsonl`; every line stands by itself, so that a torn last line costs only itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gameday.engine.control import distrust, foreign, say_ignored
from gameday.exercise.events import ExerciseStarted
from gameday.exercise.record import JournalError, Record, from_json, to_json
from gameday.frozen import frozen
from gameday.store.codec import json_text, plain
from gameday.store.errors import LeaseHeld, NoSuchExercise, refused_by_system
from gameday.store.holder import Holder
from gameday.store.merge import merged

if TYPE_CHECKING:
    from gameday.store.store import Store

SUFFIX = ".spill.jsonl"

Outcome = Literal["absorbed", "left", "unknown", "elsewhere"]
"""`left`: to a living writer. `unknown`: the store has no such exercise, and the file does not hold its beginning.
`elsewhere`: the store has no such exercise, and the file says that it is of another one."""


@frozen
class Spilled:
    """What one file holds."""

    exercise: str
    path: Path
    records: list[Record]
    """In the order in which they were spilled."""
    damaged: list[str]
    """Lines that can't be read."""
    stores: tuple[str, ...] = ()
    """The stores that should have taken them, as `Address.shown`; none where the lines do not say."""


def spill(directory: Path, exercise: str, epoch: int, records: Sequence[Record], store: str = "") -> Path:
    """Append `records`, on disk when it returns; the file. `epoch`: the lease under which the caller writes; `store`:
    what should have taken them, as `Address.shown`, where it is known.

    Raises:
        StoreUnavailable: this can't be written either; nothing of the records is in the file.
    """
    head = {"exercise": exercise, "lease": epoch} | ({"store": store} if store else {})
    lines = [json_text({**head, **to_json(record)}, f"event {record.kind!r}") + "\n" for record in records]
    path = directory / f"{exercise}{SUFFIX}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path, create=True) as file:
            _add(file, "".join(lines).encode("ascii"))
    except OSError as error:
        raise refused_by_system(f"could not save {len(records)} records in {path}", error) from error
    return path


def spilled(directory: Path) -> list[Spilled]:
    """What lies in the folder, by exercise; empty where there is no folder."""
    found = []
    for path in ours(directory, SUFFIX):
        try:
            found.append(read_spill(path, path.read_bytes()))
        except FileNotFoundError:
            # Absorbed by another process just now.
            continue
        except OSError as error:
            raise refused_by_system(f"could not read {path}", error) from error
    return found


def absorb(store: Store, directory: Path) -> list[str]:
    """Move what was spilled into the journals; the ids of the exercises that got something, or had it all already.

    Doing it twice changes nothing, and a file goes only after its records are on disk in the store. Left alone are
    exercises that another living process writes (their writer absorbs, or `gameday recover` once it is gone) and
    those this store does not know.

    Raises:
        StoreUnavailable: the store can't be written yet; the files stay.
    """
    return [
        path.name.removesuffix(SUFFIX) for path in ours(directory, SUFFIX) if absorb_file(store, path) == "absorbed"
    ]


def absorb_file(store: Store, path: Path) -> Outcome:
    """As `absorb`, for one file."""
    try:
        with _locked(path, create=False) as file:
            outcome = _absorb_one(store, read_spill(path, _content(file)))
            if outcome == "absorbed":
                path.unlink()
                sync_folder(path.parent)
            return outcome
    except FileNotFoundError:
        # Absorbed by another process just now.
        return "left"
    except OSError as error:
        raise refused_by_system(f"could not absorb {path}", error) from error


def with_spilled(store: Store, exercise: str, directories: Sequence[Path]) -> list[Record]:
    """The journal as it will be when what lies in the folders for it is absorbed. Writes nothing."""
    records = store.records(exercise)
    for path in (path for folder in directories for path in ours(folder, SUFFIX)):
        if path.name != f"{exercise}{SUFFIX}":
            continue
        try:
            found = read_spill(path, path.read_bytes())
        except OSError:
            # Absorbed just now, or not to be read: whoever absorbs says so.
            continue
        if not found.stores or store.address.shown in found.stores:
            epoch = max((record.epoch for record in records), default=1)
            fresh = [_as_stored(record) for record in found.records]
            records += merged(records, fresh, found.damaged, epoch=epoch, now=time.time())
    return records


def ours(directory: Path, suffix: str) -> list[Path]:
    """Files with that suffix that we ourselves put there; anybody else's are left out, and said so on stderr."""
    files = sorted(directory.glob(f"*{suffix}"))
    reason = distrust(directory) if files else None
    if reason is not None:
        say_ignored(f"{reason}: {', '.join(path.name for path in files)}")
        return []
    believed = []
    for path in files:
        try:
            reason = foreign(path)
        except FileNotFoundError:
            continue
        if reason is None:
            believed.append(path)
        else:
            say_ignored(reason)
    return believed


def _absorb_one(store: Store, found: Spilled) -> Outcome:
    exercise = found.exercise
    mine = Holder.mine()
    first = found.records[0] if found.records else None
    try:
        lease = store.lease(exercise)
    except NoSuchExercise:
        if first is None and not found.damaged:
            # A disk was full when the first line should have been written; it went elsewhere.
            return "absorbed"
        if found.stores and store.address.shown not in found.stores:
            return "elsewhere"
        if first is None or first.seq != 1 or not isinstance(first.event, ExerciseStarted):
            return "unknown"
        store.create(first, mine)
        lease = store.lease(exercise)
        borrowed = True
    else:
        borrowed = lease.holder != mine
        if borrowed and lease.held(time.time()):
            return "left"
    try:
        epoch = store.take_lease(exercise, mine) if borrowed else lease.epoch
    except LeaseHeld:
        # An engine came up just now.
        return "left"
    # As the store gives them back, or the same record might look like another.
    records = [_as_stored(record) for record in found.records]
    new = merged(store.records(exercise), records, found.damaged, epoch=epoch, now=time.time())
    if new:
        store.append(exercise, epoch, new)
    if borrowed:
        store.release_lease(exercise, epoch)
    return "absorbed"


def _as_stored(record: Record) -> Record:
    return replace(record, source=plain(record.source), actor=plain(record.actor))


def read_spill(path: Path, content: bytes) -> Spilled:
    """What the file at `path` holds, from its `content`."""
    records, damaged = [], []
    stores: dict[str, None] = {}
    for line in content.splitlines():
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            records.append(from_json(data))
            if isinstance(said := data.get("store"), str):
                stores[said] = None
        except (ValueError, TypeError, AttributeError, JournalError):
            damaged.append(line.decode("utf-8", "backslashreplace"))
    return Spilled(path.name.removesuffix(SUFFIX), path, records, damaged, tuple(stores))


@contextmanager
def _locked(path: Path, *, create: bool) -> Iterator[int]:
    """The open file, held by us alone: between reading it and removing it nobody may add a line."""
    while True:
        fresh = create and not path.exists()
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):
                if fresh:
                    sync_folder(path.parent)
                yield file
                return
            # Removed while we waited: what we would write would be gone with it.
        finally:
            os.close(file)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _add(file: int, content: bytes) -> None:
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        # A torn line of a writer that was killed; ours must not become part of it.
        content = b"\n" + content
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise


def _content(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)
    parts = []
    while part := os.read(file, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def sync_folder(folder: Path) -> None:
    """Have what was added to and removed from the folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
