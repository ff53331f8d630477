"""Processes the tests start, to be killed, raced and starved.

Forked with the libraries loaded (`run`), or `python actors.py NAME ARGUMENT...` where they need an exec.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from gameday.errors import StoreError
from gameday.store import Holder, open_store
from gameday.store.spill import spill, spilled

if __package__:
    from .makers import armed, note, recovered, started
else:
    from makers import armed, note, recovered, started

_line: Connection | None = None


def run(line: Connection, name: str, *arguments: str) -> None:
    global _line
    _line = line
    globals()[name](*arguments)


def say(**facts: object) -> None:
    if _line is not None:
        _line.send(facts)
    else:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


def wait() -> None:
    """Until the test says go, or is gone."""
    if _line is not None:
        _line.recv()
    else:
        sys.stdin.readline()


def write(url: str, exercise: str, epoch: str) -> None:
    """Append until killed or refused, in batches of 1 to 3; say what is acknowledged."""
    with open_store(url, busy=5.0) as store:
        seq = store.last_seq(exercise)
        say(ready=seq)
        while True:
            batch = [note(seq + step, "x" * (seq % 700), int(epoch)) for step in range(1, 2 + seq % 3)]
            try:
                store.append(exercise, int(epoch), batch)
            except StoreError as error:
                say(refused=type(error).__name__)
                return
            seq = batch[-1].seq
            say(acknowledged=seq)


def race(url: str, exercise: str, epoch: str, text: str) -> None:
    """Ready, and at a word append record 2."""
    with open_store(url, busy=5.0) as store:
        store.last_seq(exercise)
        say(ready=True)
        wait()
        try:
            store.append(exercise, int(epoch), [note(2, text, int(epoch))])
        except StoreError as error:
            say(refused=type(error).__name__)
        else:
            say(won=text)


def hold(path: str) -> None:
    """Lock the file against every writer until told to let go."""
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("BEGIN EXCLUSIVE")
    say(held=True)
    wait()
    raw.execute("ROLLBACK")
    raw.close()
    say(held=False)


def setup(url: str) -> None:
    say(ready=True)
    wait()
    with open_store(url) as store:
        say(schema=store.schema())


def live(url: str, exercise: str) -> None:
    """Hold the lease of a new exercise until killed."""
    with open_store(url, busy=5.0) as store:
        say(epoch=store.create(started(exercise), Holder.mine()))
        wait()


def full(folder: str) -> None:
    """Fill the disk under the store; make room; go on."""
    path = Path(folder) / "gameday.db"
    filler = Path(folder) / "filler"
    filler.write_bytes(b"x" * 300_000)
    with open_store(str(path)) as store:
        epoch = store.create(started("e"), Holder.mine())
        seq, error = _until_refused(store, epoch)
        try:
            spill(Path(folder), "e", epoch, [note(seq + 1, "y" * 200_000)])
        except StoreError as refused:
            spill_error = type(refused).__name__
        else:
            spill_error = ""
        readable = len(store.records("e"))
        filler.unlink()
        store.append("e", epoch, [note(seq + 1, "after")])
        say(
            error=type(error).__name__,
            text=str(error),
            acknowledged=seq,
            readable=readable,
            after=store.last_seq("e"),
            spill_error=spill_error,
            spilled=sum(len(found.records) for found in spilled(Path(folder))),
        )


def limited(path: str) -> None:
    """Run into the process's own limit of a file's size."""
    import resource

    with open_store(path) as store:
        epoch = store.create(started("e"), Holder.mine())
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        seq, error = _until_refused(store, epoch)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        readable = len(store.records("e"))
        store.append("e", epoch, [note(seq + 1, "after")])
        say(error=type(error).__name__, acknowledged=seq, readable=readable, after=store.last_seq("e"))


def _until_refused(store, epoch):
    seq = 1
    while True:
        try:
            store.append("e", epoch, [note(seq + 1, "x" * 20_000)])
        except StoreError as error:
            return seq, error
        seq += 1
        assert seq < 10_000, "the disk never was full"


def readonly(path: str) -> None:
    """What can be done with a store that can't be written. The mount is read-only already."""
    answers = {}
    with open_store(path) as store:
        answers["records"] = len(store.records("e"))
        for name, act in {
            "append": lambda: store.append("e", 1, [note(2)]),
            "create": lambda: store.create(started("e2"), Holder.mine()),
            "post": lambda: store.post("e", {"ask": "pause"}, source="cli", actor="", wall=1.0),
            "prove": store.prove_writable,
        }.items():
            try:
                act()
            except StoreError as error:
                answers[name] = type(error).__name__
    try:
        open_store(str(Path(path).with_name("another.db")))
    except StoreError as error:
        answers["new"] = type(error).__name__
    say(**answers)


def spilling(folder: str) -> None:
    try:
        spill(Path(folder), "e", 1, [note(2)])
    except StoreError as error:
        say(error=type(error).__name__)
    else:
        say(error=None)


def fork(path: str) -> None:
    """Use one store before, in and after a forked child."""
    with open_store(path) as store:
        epoch = store.create(started("e"), Holder.mine())
        store.data_version()
        child = os.fork()
        if child == 0:
            store.append("e", epoch, [note(2, "child")])
            store.data_version()
            os._exit(0 if len(store.records("e")) == 2 else 1)
        _, status = os.waitpid(child, 0)
        store.append("e", epoch, [note(3, "parent")])
        say(child=os.waitstatus_to_exitcode(status), records=len(store.records("e")))


def threads(path: str) -> None:
    """A writer and readers on one store."""
    with open_store(path) as store:
        epoch = store.create(started("e"), Holder.mine())
        trouble, done = [], threading.Event()

        def read() -> None:
            try:
                while not done.is_set():
                    found = store.records("e")
                    assert [one.seq for one in found] == list(range(1, len(found) + 1))
                    store.data_version()
            except (StoreError, AssertionError) as error:
                trouble.append(repr(error))

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for seq in range(2, 200, 2):
            store.append("e", epoch, [armed(seq), recovered(seq + 1)])
        done.set()
        for reader in readers:
            reader.join()
        say(trouble=trouble, records=store.last_seq("e"), unrecovered=store.summary("e").unrecovered)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
