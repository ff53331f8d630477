"""The engine process: wires the store, the probes and the link to the guardian, then lets the conductor run.

Started by the guardian with the number of its end of the link; what to run comes as JSON on stdin (`Payload`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from gameday.cli import collect_little_by_little
from gameday.cli.clusters import followers
from gameday.cli.interpreter import PYTHON
from gameday.cli.payload import UNHEARD, Payload
from gameday.engine import decide, ports
from gameday.engine.asking import Alerts
from gameday.engine.brief import Config, as_line, handed
from gameday.engine.conductor import Conductor, Ports
from gameday.engine.inbox import InboxPort
from gameday.engine.journal import Journal, JournalPort
from gameday.engine.link import Link
from gameday.engine.ports import Call, Json, Plan, TargetInfo
from gameday.engine.processes import boot_clock, boot_id
from gameday.errors import GamedayError, RefusedError
from gameday.exercise import events as ev
from gameday.exercise import record, state
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.frozen import make_ready
from gameday.probes import over_http
from gameday.probes.prober import LiveProber
from gameday.scenario.taken_up import taken_up
from gameday.store import Holder, open_store
from gameday.store.errors import LeaseHeld, StoreUnavailable
from gameday.store.port import BesideJournal, NoInbox, StoreInbox, StoreJournal, spill_folders
from gameday.store.readable import readable
from gameday.store.spill import with_spilled
from gameday.store.store import Store

LOCKED = 0.25
"""Seconds that the engine waits for a locked store before it writes beside it."""
SWITCHING = 0.0005
"""Seconds that a thread may keep another waiting for the interpreter; Python's own are ten times as many."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> int:
    """Run the engine; the exercise's exit code."""
    link = socket.socket(fileno=int(sys.argv[1]))
    link.set_inheritable(False)
    told = _told()
    if not told:
        # It was started ahead, and nobody wants it any more.
        return 0
    payload = Payload(**json.loads(told))
    claim = int(payload.rescue.get("target_claim", -1))
    if len(sys.argv) > 2:
        payload.rescue["target_claim"] = handed(int(sys.argv[2]), claim)
    elif claim >= 0:
        os.set_inheritable(claim, False)
    try:
        return asyncio.run(_run(payload, link))
    except GamedayError as error:
        _give_up(link, int(error.exit_code), str(error))
        return int(error.exit_code)


def _told() -> str:
    """What to do, "" where nothing comes. Before that line others may say what to load, while there is time."""
    told = ""
    for module in (ev, decide, ports, record, state):
        if not select.select([sys.stdin], [], [], 0)[0]:
            make_ready(module)
    for line in sys.stdin:
        told = line
        if "prepare" not in (message := json.loads(line)):
            break
        told = ""
        for name in message["prepare"]:
            module, _, function = name.partition(":")
            getattr(importlib.import_module(module), function)()
    return told


def _closed(link: socket.socket) -> bool:
    """Whether nobody is at the other end any more."""
    try:
        return link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


def _give_up(link: socket.socket, code: int, error: str) -> None:
    """Nothing was started: tell the guardian, and through it whoever waits."""
    sys.stderr.write(f"engine: {error}\n")
    link.setblocking(True)
    if not _closed(link):
        link.sendall(json.dumps({"do": "bye", "exit_code": code, "error": error}).encode() + b"\n")


async def _run(payload: Payload, sock: socket.socket) -> int:
    with readable(payload.store) if payload.mode == "recover" else open_store(payload.store) as patient:
        if _closed(sock):
            raise RefusedError("the guardian died before the exercise could begin")
        shown = patient.address.shown
        epoch, records, boot, writable = _take_up(patient, payload)
    store = open_store(payload.store, create=False, busy=LOCKED) if writable else None
    exercise = fold(records, Exercise(scenario=taken_up(payload.scripted)) if payload.scripted is not None else None)
    conductor: Conductor | None = None

    def on_trouble(trouble: Any) -> None:
        if conductor is not None:
            conductor.journal_trouble(trouble)

    port: JournalPort = BesideJournal(shown, payload.exercise, epoch)
    inbox: InboxPort = NoInbox()
    if store is not None:
        port, inbox = StoreJournal(store, payload.exercise, epoch), StoreInbox(store, payload.exercise, epoch)
    journal = Journal(port, exercise, epoch=epoch, boot=boot, on_trouble=on_trouble)
    target = TargetInfo.from_json(payload.target)

    async def run_call(name: str, args: dict[str, Json], timeout: float) -> Json:
        assert conductor is not None
        reply = await conductor.link.run(Call(name, args, timeout))
        if not reply.ok:
            raise RuntimeError(reply.error)
        return reply.output

    prober = LiveProber(target, run_call=run_call)
    if payload.mode != "new" or "alertmanager" in target.names or over_http(payload.started["scenario"]):
        await prober.open()

    def on_fact(fact: dict[str, Any]) -> None:
        if conductor is not None:
            conductor.guardian_said(fact)

    def on_lost() -> None:
        if conductor is not None:
            conductor.guardian_lost()

    def connect(end: socket.socket) -> Link:
        return Link(end, on_fact=on_fact, on_lost=on_lost)

    async def rescue() -> Link:
        return connect(_second_guardian(payload))

    alerts = functools.partial(alerts_of, prober) if "alertmanager" in target.names else None
    lock = int(payload.rescue.get("target_claim", -1))
    beside = followers(payload.target, payload.exercise, exercise.scenario, lock, services=payload.touched)

    def as_now(plan: Plan) -> Plan:
        from gameday.faults.earlier import led

        return led(plan, payload.target)

    ports = Ports(prober, inbox, alerts, beside, rescue, as_now, payload.validated)
    conductor = Conductor(journal, connect(sock), ports, heartbeat=payload.heartbeat)
    for number in STOP_SIGNALS:
        name = signal.Signals(number).name
        asyncio.get_running_loop().add_signal_handler(number, functools.partial(conductor.stopped_by, name))
    if store is None and exercise.phase not in ("interrupted", "ended"):
        # Nobody could write it down before.
        conductor.append(ev.EngineLost(UNHEARD), source="recover", wall=records[-1].wall, clock=records[-1].clock)
    conductor.append(ev.EngineStarted(os.getpid(), os.getppid(), socket.gethostname(), payload.mode != "new"))
    _keep_pauses_short()
    code = await (conductor.recover() if payload.mode == "recover" else conductor.run())
    if store is not None:
        _release(store, payload.exercise, epoch)
        store.close()
    return code


def _keep_pauses_short() -> None:
    """An abort must wait neither for a collection over all that was imported, nor for the journal's writer at work."""
    collect_little_by_little()
    sys.setswitchinterval(SWITCHING)


async def alerts_of(prober: LiveProber) -> Alerts:
    """What fires now, in the engine's words."""
    answer = await prober.alerts(set())
    if answer.kind != "value":
        return Alerts(trouble=f"{answer.kind.replace('_', ' ')}: {answer.detail}")
    return Alerts({alert.name: (alert.summary, alert.starts_at) for alert in answer.alerts})


def _take_up(store: Store, payload: Payload) -> tuple[int, list[Record], float, bool]:
    """Begin the journal, or take over one that exists: epoch, records so far, CLOCK_BOOTTIME at clock zero, and whether
    it can be written. Only where nothing but undos is to be done may it be one that can't."""
    holder = Holder.mine()
    if payload.mode == "new":
        boot, wall = boot_clock(), time.time()
        started = ev.ExerciseStarted(**payload.started, boot=boot, boot_id=boot_id())
        first = Record(1, wall, 0.0, wall, 1, "engine", "", started)
        return store.create(first, holder), [first], boot, True
    writable = True
    try:
        epoch = store.take_lease(payload.exercise, holder)
        records = store.records(payload.exercise)
    except StoreUnavailable as error:
        if payload.mode != "recover":
            raise
        with contextlib.suppress(OSError):  # the log may be on the same disk
            sys.stderr.write(f"engine: {error}; what is done is written beside it\n")
        records, writable = with_spilled(store, payload.exercise, spill_folders()), False
        lease = store.lease(payload.exercise)
        if lease.holder is not None and lease.held(time.time()):
            raise LeaseHeld(payload.exercise, lease.holder, lease.epoch) from None
        epoch = 1 + max(lease.epoch, *(record.epoch for record in records))
    first = records[0]
    assert isinstance(first.event, ev.ExerciseStarted)
    if first.event.boot_id == boot_id():
        return epoch, records, first.event.boot, writable
    # Another boot: its clock is gone, so the wall clock says how long ago zero was.
    return epoch, records, boot_clock() - max(time.time() - first.wall, records[-1].clock), writable


def _release(store: Store, exercise: str, epoch: int) -> None:
    try:
        store.release_lease(exercise, epoch)
    except GamedayError as error:
        # The lease of a process that has ended is free anyway.
        sys.stderr.write(f"engine: {error}\n")


def _second_guardian(payload: Payload) -> socket.socket:
    ours, theirs = socket.socketpair()
    config = Config(**{**payload.rescue, "engine": [], "link": theirs.fileno()})
    process = subprocess.Popen(
        [*PYTHON, "-m", "gameday.engine.guardian"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[fd for fd in (theirs.fileno(), config.target_claim) if fd >= 0],
        start_new_session=True,
    )
    theirs.close()
    assert process.stdin is not None
    process.stdin.write(as_line(config))
    process.stdin.close()
    return ours


if __name__ == "__main__":
    raise SystemExit(main())
