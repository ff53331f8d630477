"""A feed that replays a journal: `python tests/console/demo_feed.py` shows the console without an engine.

`--speed 10` makes ten seconds out of one. Requests turn into events at once, abort too.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "console"

from gameday.console.app import Console
from gameday.console.clocks import Clocks
from gameday.engine import requests as r
from gameday.exercise import events as e
from gameday.exercise.record import Record

from .journal import Journal


class ReplayFeed:
    """Gives out `records` when their time has come, and what was asked for in between."""

    def __init__(self, records: list[Record], clocks: Clocks, speed: float = 1.0) -> None:
        self.exercise = "payment-outage-7f3a"
        self._coming = list(records)
        self._said: list[tuple[e.Event, float]] = []
        self._clocks = clocks
        self._speed = speed
        self._began = clocks.wall()
        self._seq = 0
        self._aborted = False
        self._shown: dict[int, Record] = {}
        self._lock = threading.Lock()

    def _now(self) -> float:
        return (self._clocks.wall() - self._began) * self._speed

    def poll(self) -> list[Record]:
        now = self._now()
        with self._lock:
            asked, self._said = self._said, []
            due = [record for record in self._coming if record.clock <= now]
            self._coming = [] if self._aborted else self._coming[len(due) :]
        found = [*due, *(self._record(event, now, ago) for event, ago in asked)]
        return [self._numbered(record) for record in found]

    def _record(self, event: e.Event, now: float, ago: float) -> Record:
        return Record(0, self._began + now - ago, now - ago, self._began + now, 1, "console", "dana", event)

    def _numbered(self, record: Record) -> Record:
        self._seq += 1
        event = record.event
        if isinstance(event, e.ExerciseStarted):
            event = replace(event, boot_id="")
        shown = replace(record, seq=self._seq, wall=self._began + record.clock, event=event)
        self._shown[shown.seq] = shown
        return shown

    def send(self, request: r.Request) -> None:
        if isinstance(request, r.Move):
            late = self._shown[request.stamp]
            with self._lock:
                self._said.append((late.event, self._now() - late.clock + request.by))
                self._said.append((e.MilestoneWithdrawn(request.stamp), 0.0))
            return
        event, ago = _answer(request)
        if event is not None:
            with self._lock:
                self._said.append((event, ago))

    def abort(self, reason: str, by: str) -> str:
        with self._lock:
            self._aborted = True
            self._said.append((e.AbortBegan(reason, by), 0.0))
            for name in ("payments-dark", "slow-checkout"):
                self._said += [(e.FaultUndoing(name, "aborted"), 0.0), (e.UndoSent(name, 1), 0.0)]
                self._said.append((e.FaultRecovered(name, "answers again"), 0.0))
        return "the guardian is undoing payments-dark"

    def engine_alive(self) -> bool:
        return True

    def guardian_alive(self) -> bool:
        return True

    def close(self) -> None:
        return


def _answer(request: r.Request) -> tuple[e.Event | None, float]:
    match request:
        case r.Mark():
            return e.MilestoneReached(request.milestone, request.partial), request.ago
        case r.Withdraw():
            return e.MilestoneWithdrawn(request.stamp, request.reason), 0.0
        case r.TakeNote():
            return e.NoteTaken(request.text, request.category, request.audience), request.ago
        case r.Classify():
            return e.NoteClassified(request.note, request.category), 0.0
        case r.Pause():
            return e.Paused(request.reason), 0.0
        case r.Continue():
            return e.Continued(), 0.0
        case r.Release():
            return e.InjectDelivered(request.entry, "(released)"), 0.0
        case r.Close():
            return e.ExerciseEnded("completed", 0, "closed"), 0.0
        case _:
            return e.Warned(f"the demo does not answer {type(request).__name__}"), 0.0


def demo_journal() -> list[Record]:
    journal = Journal().start(environment="staging", target="shop-staging").steady().opening()
    for second in range(2, 30, 2):
        journal.sample(0.01, at=float(second))
    journal.fault(at=31.0)
    for step, second in enumerate(range(32, 180)):
        journal.sample(round(min(0.42, 0.05 + 0.01 * step), 3), at=float(second))
    journal.fault("slow-checkout", at=181.0)
    return journal.records


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--speed", type=float, default=1.0)
    speed = parser.parse_args().speed
    began = time.time()
    clocks = Clocks(wall=lambda: began + (time.time() - began) * speed, boot_id="")
    Console(ReplayFeed(demo_journal(), clocks), clocks=clocks, who="dana").run()


if __name__ == "__main__":
    main()
