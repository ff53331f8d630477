"""A whole exercise in this process: a real engine loop, journal and link; only the probes are the test's."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gameday.engine.asking import Alerts
from gameday.engine.conductor import Conductor, Ports
from gameday.engine.following import Follower
from gameday.engine.inbox import Asked
from gameday.engine.journal import Journal
from gameday.engine.link import Link
from gameday.engine.ports import Answer
from gameday.engine.processes import boot_clock
from gameday.exercise import events as ev
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.store import Holder, open_store
from gameday.store.port import StoreJournal

from .rig import Rig

BEAT = 0.8


class Probes:
    """A `Prober` that answers `value`, or does what it is told to."""

    def __init__(self) -> None:
        self.value: Any = 0
        self.instead: Callable[[], Awaitable[Answer]] | None = None

    async def ask(self, probe: Mapping[str, Any]) -> Answer:
        return Answer("value", self.value) if self.instead is None else await self.instead()

    def holds(self, tolerance: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
        return "above" in tolerance and answer["value"] > tolerance["above"]

    def explain(self, tolerance: Mapping[str, Any]) -> str:
        return str(tolerance)

    async def close(self) -> None:
        return


class Requests:
    """An inbox that holds what the test put into it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[dict[str, Any]] = []

    def take(self) -> Sequence[Asked]:
        taken, self.asked = self.asked, []
        return taken

    def answer(self, row: int, answer: dict[str, Any]) -> None:
        self.answers.append(answer)


class Stage:
    """One exercise in this process, its guardian in another."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig = rig
        self.folder = folder
        self.probes = Probes()
        self.requests = Requests()
        self.more: list[subprocess.Popen[bytes]] = []
        self.can_rescue = True
        self.followers: list[Follower] = []
        self.rescue_line = ["-m", "gameday.engine.guardian"]
        self.url = f"sqlite:///{folder / 'store.db'}"
        self.alerts: Callable[[], Awaitable[Alerts]] | None = None
        self.before: list[ev.Event] = []
        self.on_fact: Callable[[dict[str, Any]], None] | None = None
        self.conductor: Conductor

    def script(self, *faults: dict[str, Any], **more: Any) -> dict[str, Any]:
        condition = {"name": "c", "measure": "m", "above": 0.5, "every": "50ms", "no_data": "ok"}
        timeline = [
            {"id": f"f{n}", "fault": "latency", "at": "0s", "for": "300ms", **one} for n, one in enumerate(faults)
        ]
        return {"version": 1, "title": "t", "timeline": timeline, "abort_when": [condition], **more}

    async def run(self, scenario: dict[str, Any], meanwhile: Callable[[], Awaitable[None]] | None = None) -> int:
        target = {"name": "t", "kind": "none", "environment": "", "settings": {"world": str(self.rig.world)}}
        started = ev.ExerciseStarted("e", "n", "p", scenario, "h", target, False, 1, boot_clock(), "b")
        store = open_store(self.url, busy=0.2)
        first = Record(1, 1e9, 0.0, 1e9, 1, "engine", "", started)
        epoch = store.create(first, Holder.mine())
        port = StoreJournal(store, "e", epoch, [self.folder / "spill"])
        journal = Journal(
            port,
            fold([first]),
            epoch=epoch,
            boot=started.boot,
            on_trouble=lambda trouble: self.conductor.journal_trouble(trouble),
        )
        rescue = self._rescue if self.can_rescue else None
        ports = Ports(self.probes, self.requests, self.alerts, followers=self.followers, rescue=rescue)
        self.conductor = Conductor(journal, self._link(self.rig.link), ports, heartbeat=BEAT)
        for event in self.before:
            self.conductor.append(event)
        self.conductor.append(ev.EngineStarted(os.getpid(), self.rig.process.pid, "h", bool(self.before)))
        beside = asyncio.create_task(meanwhile()) if meanwhile is not None else None
        try:
            async with asyncio.timeout(40.0):
                code = await self.conductor.run()
            if beside is not None:
                await asyncio.wait_for(beside, 5.0)
            return code
        finally:
            self.conductor.link.detach()
            store.close()

    def _link(self, sock: socket.socket) -> Link:
        def on_fact(fact: dict[str, Any]) -> None:
            if self.on_fact is not None:
                self.on_fact(fact)
            self.conductor.guardian_said(fact)

        return Link(sock, on_fact=on_fact, on_lost=lambda: self.conductor.guardian_lost())

    async def _rescue(self) -> Link:
        ours, theirs = socket.socketpair()
        config = self.rig.config | {"link": theirs.fileno()}
        self.more.append(self.rig.start(self.rescue_line, config, theirs.fileno()))
        theirs.close()
        return self._link(ours)

    # --- what is so ------------------------------------------------------------------------------------------------

    def records(self) -> list[Record]:
        with open_store(self.url) as store:
            return list(store.records("e"))

    def events(self) -> list[ev.Event]:
        return [record.event for record in self.records()]

    def of(self, kind: type[ev.Event]) -> list[Any]:
        return [event for event in self.events() if isinstance(event, kind)]

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(15.0):
            while not holds():
                await asyncio.sleep(0.01)

    async def effective(self) -> None:
        await self.until(lambda: any(f.stage == "effective" for f in self.conductor.exercise.faults.values()))
