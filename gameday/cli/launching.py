"""Starting an exercise: a guardian of its own session, and through it the engine. Shared by run, demo and recover."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from gameday.cli.ahead import ENGINE, Ahead, log_of, start_guardian
from gameday.cli.clusters import is_cluster, preload
from gameday.cli.interpreter import PYTHON
from gameday.cli.payload import Payload
from gameday.engine.brief import HANDED, Config, as_line
from gameday.engine.control import Control, ControlError, make_ours, socket_path
from gameday.errors import Exit, GamedayError, RefusedError, StoreError
from gameday.faults.catalogue import catalogue
from gameday.frozen import slotted
from gameday.probes import over_http
from gameday.store import default_url

PRELOAD = [
    "gameday.probes",
    "httpx",
    "chaoslib.activity",
    "gameday.faults.planning",
    "gameday.faults.wire",
    "gameday.faults.chaostoolkit",
    "gameday.faults.activity",
    "gameday.probes.sync",
]
"""What workers need, imported by the guardian once, so that a worker starts in a millisecond or two."""
HEARTBEAT = 2.0
ENDING = 2.0
"""Seconds that the exercise before is given to be quite over."""


class StartFailed(GamedayError):
    """The engine could not begin: nothing was touched, whatever the reason."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(f"refused before anything was touched: {message}")
        self.exit_code = Exit.INVALID if code == Exit.INVALID else Exit.REFUSED


@slotted
class Running:
    """A guardian that was started, as its starter sees it."""

    exercise: str
    store: str
    process: subprocess.Popen[bytes]
    socket: Path
    left: str = ""
    """Why what was to be done at the end was not; known when it was waited for."""

    def control(self) -> Control:
        return Control(self.socket)

    def quiet(self, longest: float) -> None:
        """Wait until the guardian says something, for `longest` seconds at most."""
        assert self.process.stdout is not None
        select.select([self.process.stdout], [], [], longest)

    def wait(self) -> int | None:
        """Until the guardian is done; the exercise's exit code, or None where it was killed and could not say."""
        assert self.process.stdout is not None
        code = None
        for line in self.process.stdout:
            message = _message(line)
            if "ended" in message:
                code = int(message["ended"])
            self.left = str(message.get("left") or self.left)
        self.process.wait()
        return code


def preload_for(target: Mapping[str, Any], scenario: Mapping[str, Any] | None) -> list[str]:
    """What workers need for a scenario (as JSON; None: it may be any), its faults with it.

    On a cluster without activities nothing but its own, and what its entries' own checks take: what a fault needs there
    it imports itself, and its parameters come validated (see `Payload`).
    """
    if scenario is None:
        return [*preload(target, None), *PRELOAD] if is_cluster(target) else PRELOAD
    entries = scenario.get("timeline") or ()
    faults = {str(entry.get("fault")) for entry in entries}
    if not is_cluster(target):
        known = catalogue()
        ways = [way for name in known if name in faults for way in known[name].engines(target["kind"]).values()]
        return [*PRELOAD, *dict.fromkeys(way.plan.partition(":")[0] for way in ways)]
    modules = preload(target, faults)
    if any(entry.get("activity") is not None for entry in entries):
        return [*modules, *PRELOAD]
    checks = [each for entry in entries for key in ("effective", "recovered") if (each := entry.get(key)) is not None]
    if checks:
        modules += ["gameday.engine.composed", "gameday.probes.sync", *(["httpx"] if over_http(checks) else [])]
    return modules


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        # Cut off by the guardian's death.
        return {}
    return message if isinstance(message, dict) else {}


def launch(
    payload: Payload,
    *,
    after: dict[str, Any] | None = None,
    ahead: Ahead | None = None,
    before: Sequence[str] = (),
) -> Running:
    """Start a guardian and its engine; returns when the engine has begun the journal and runs.

    `after` is a `Call` as JSON that the guardian runs when everything is over. `ahead`: those that wait to be told.
    `before`: what the guardian is to do first, as `MODULE:FUNCTION TEXT`.

    Raises:
        StartFailed: the engine said why it could not; nothing was touched.
        RefusedError: the guardian could not be started.
    """
    path = socket_path(payload.exercise, payload.store)
    base: dict[str, Any] = {
        "exercise": payload.exercise,
        "socket": str(path),
        "clerk": [*PYTHON, "-m", "gameday.cli.clerk"],
        "after": after,
        "heartbeat": payload.heartbeat,
        "preload": [
            *before,
            *preload_for(payload.target, payload.started["scenario"] if payload.mode == "new" else None),
        ],
    }
    slim = asdict(payload) | {"started": {}, "validated": {}, "scripted": None, "rescue": {}}
    owned = payload.mode == "new" and not payload.attended
    try:
        log = log_of(payload.exercise)
        with log.open("ab") as output:
            # That it can be opened proves nothing of a full disk.
            output.write(b"launched to recover\n" if payload.mode == "recover" else b"")
    except OSError as error:
        if payload.mode != "recover":
            text = f"there is no place for the exercise's log: {error}; name one with XDG_STATE_HOME"
            raise RefusedError(text) from None
        # No undo is to wait for that.
        log = Path(os.devnull)
    with log.open("ab") as output, target_held(payload) as lock:
        if ahead is None:
            process = start_guardian(output, lock)
            base["target_claim"] = lock[0] if lock else -1
        else:
            process = ahead.process
            base["target_claim"] = HANDED if lock else -1
            ahead.claim(lock)
            ahead.told = True
        assert process.stdin is not None and process.stdout is not None
        full = asdict(payload) | {"rescue": {**base, "payload": slim}}
        try:
            process.stdin.write(as_line(Config(**base, owned=owned, engine=ENGINE, payload=full)))
            process.stdin.close()
        except BrokenPipeError:
            # What it did not take would be tried once more when the pipe is thrown away, and be complained of.
            with suppress(BrokenPipeError):
                process.stdin.close()
            raise RefusedError(f"the guardian ended at once; its log is {log}") from None
    running = Running(payload.exercise, payload.store, process, path)
    if not _ready(process.stdout, process) and not _begun(running):
        raise RefusedError(f"the engine died before it could begin; its log is {log}")
    return running


@contextmanager
def target_held(payload: Payload) -> Iterator[list[int]]:
    """The claim to a new exercise's target, as descriptors for its guardian to inherit; none where it needs none.

    The kernel keeps it for as long as the guardian or an undo worker of its own lives, whatever store they write to,
    and two commands that start in the same moment can't both have it. What only undoes never waits for it.

    Raises:
        RefusedError: somebody has it.
    """
    if payload.mode != "new" or payload.target["kind"] == "none":
        yield []
        return
    lock = _claim_file(payload.exercise, payload.store, payload.target)
    try:
        until = time.monotonic() + ENDING
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise RefusedError(
                        f"another exercise runs on {payload.target['name']}, or faults of one are still being undone "
                        "there: see `gameday list`, also with other stores, and try again when it is over"
                    ) from None
                time.sleep(0.05)
        _sign(lock, payload)
        yield [lock]
    finally:
        os.close(lock)


def _claim_file(exercise: str, store: str, target: Mapping[str, Any]) -> int:
    """The file whose lock is the claim to a target, open. Raises RefusedError."""
    settings = target["settings"]
    # What is reached by Chaos Toolkit alone has no settings; two of one name are told apart by their addresses.
    what = [target["name"], settings or target["names"]]
    if is_cluster(target):
        # Whatever it is called and whoever does its faults; namespaces that are shared are the Leases' business.
        way = {key: value for key, value in settings["cluster"].items() if key not in ("server", "uid")}
        what = [way, settings["namespaces"]]
    name = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
    try:
        if "state_dir" in settings:
            folder = Path(settings["state_dir"])
        else:
            folder = socket_path(exercise, store).parent
            make_ours(folder)
        return os.open(folder / f"target-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        why = f"{error}; name a folder with XDG_RUNTIME_DIR"
        raise RefusedError(f"{target['name']} can't be claimed for this exercise: {why}") from None


def _sign(lock: int, payload: Payload) -> None:
    """Whose the claim is, for whoever comes upon it (with a store of their own, say)."""
    from gameday.store.address import read_address

    with suppress(OSError):
        # On a full disk it stays without a name; the lock is what counts.
        os.ftruncate(lock, 0)
        os.pwrite(
            lock, json.dumps({"exercise": payload.exercise, "store": read_address(payload.store).shown}).encode(), 0
        )


def _begun(running: Running, within: float = 2.0) -> bool:
    """Whether the journal was begun before the guardian died: then the engine ends the exercise, and it is followed."""
    from gameday.store import open_store

    until = time.monotonic() + within
    while True:
        try:
            with open_store(running.store, create=False) as store:
                if store.records(running.exercise, limit=1):
                    return True
        except StoreError:
            # Not there yet, or locked by the one who begins it: look again.
            time.sleep(0.05)
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)


def _ready(output: IO[bytes], process: subprocess.Popen[bytes]) -> bool:
    for line in output:
        message = _message(line)
        if message.get("ready"):
            return True
        if "failed" in message:
            process.wait()
            raise StartFailed(str(message["failed"]), int(message["exit_code"]))
    process.wait()
    return False


def reach(exercise: str, store: str | None, *, within: float = 0.0) -> Control | None:
    """A line to the guardian of `exercise`, tried for `within` seconds; None where none answers."""
    path = socket_path(exercise, store or default_url())
    until = time.monotonic() + within
    while True:
        try:
            return Control(path)
        except ControlError:
            if time.monotonic() >= until:
                return None
            time.sleep(0.05)
