"""Gated workers under way: injections, and any other call. Each answers once, or is killed when its time is over.

Knows nothing of undoing: an injection is started for whoever holds its fault, and killed by them.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable
from typing import Any

from gameday.engine.ports import Call, Json, announced
from gameday.engine.processes import boot_clock, kill_marked
from gameday.engine.workers import MARK, Worker, fork_gated, parse
from gameday.exercise.turns import CALLED_OFF, MAY_HAVE
from gameday.frozen import slotted

Answer = Callable[[str, bool, Any, str | None], None]
"""How answers leave: `answer(id, ok, output, error)`."""
Item = Callable[[str, Any], None]
"""How what comes before the answer of a call that goes on leaves: `item(id, output)`."""
Again = Callable[[str, dict[str, Any]], None]
"""How an injection that goes on after its answer is heard of: `again(mark, message)`."""


@slotted
class Job:
    """One gated worker under way."""

    id: str
    worker: Worker
    mark: str
    until: float
    """Boot clock at which it is killed."""
    inject: bool
    buffer: bytes = b""
    answered: bool = False
    """An injection that goes on has been answered with its first item, and lives until its fault is undone."""
    striking: dict[str, Any] | None = None
    """What it is about to strike (`ports.about_to_strike`), until it says what became of that."""
    let: bool = False
    """Its gate was opened for that."""


class Jobs:
    """Starts gated workers on the guardian's selector and hands on what they answer."""

    def __init__(
        self, selector: selectors.BaseSelector, exercise: str, answer: Answer, item: Item, again: Again
    ) -> None:
        self._selector = selector
        self._exercise = exercise
        self._answer = answer
        self._item = item
        self._again = again
        self._jobs: dict[str, Job] = {}

    def run(self, ident: str, call: Call, poll: float | None) -> None:
        """Any call but an injection; with `poll` (seconds) until it holds. Raises OSError, see `fork`."""
        mark = f"{self._exercise}/-{ident}"
        worker = fork_gated(call, mark, poll=poll)
        self.watch(ident, worker, mark, call.timeout + (poll or 0.0), inject=False)
        worker.tell(b"g")

    def stop(self, ident: str) -> None:
        """Kill a call that goes on; it is answered as killed."""
        if (job := self._jobs.get(ident)) is not None and not job.inject:
            job.worker.kill()

    def let_strike(self, mark: str) -> list[Json]:
        """Open the gate of an injection that has announced a strike; the objects of that strike."""
        for job in self._jobs.values():
            if job.inject and job.mark == mark and job.striking is not None and not job.let:
                job.let = True
                job.worker.tell(b"g")
                return list(job.striking.get("objects", ()))
        return []

    def watch(self, ident: str, worker: Worker, mark: str, timeout: float, *, inject: bool) -> None:
        """Answer for `worker`, whose gate is the caller's to open."""
        job = Job(ident, worker, mark, boot_clock() + timeout, inject)
        self._jobs[ident] = job
        self._selector.register(worker.results, selectors.EVENT_READ, lambda _: self._on_job(job))

    def due(self) -> list[float]:
        """Boot clocks at which somebody's time is over."""
        return [job.until for job in self._jobs.values()]

    def tick(self, now: float) -> None:
        for job in [job for job in self._jobs.values() if now >= job.until]:
            job.worker.kill()
            self._done(job, {"what": "failed", "error": "it took longer than its timeout and was killed"})
            kill_marked(f"{MARK}={job.mark}")

    def reaped(self, pid: int) -> None:
        for job in self._jobs.values():
            if job.worker.pid == pid:
                job.worker.reaped = True

    def kill(self) -> None:
        """All that is still under way, with what it started."""
        for job in self._jobs.values():
            job.worker.kill()
            kill_marked(f"{MARK}={job.mark}")

    def _on_job(self, job: Job) -> None:
        chunk = read(job.worker.results)
        if chunk is None:
            return
        *lines, job.buffer = (job.buffer + chunk).split(b"\n")
        for line in lines:
            message = parse(line)
            if message["what"] != "item":
                self._done(job, message)
                return
            self._went_on(job, message)
        if not chunk:
            self._done(job, {"what": "ended", "error": "it was killed, or died"})

    def _went_on(self, job: Job, message: dict[str, Any]) -> None:
        if not job.inject:
            # Bounded by whoever asked for it, not by time.
            job.until = float("inf")
            self._item(job.id, message.get("output"))
        elif job.answered:
            job.striking, job.let = (message["output"] if announced(message.get("output")) else None), False
            self._again(job.mark, message)
        else:
            job.answered, job.until = True, float("inf")
            self._answer(job.id, True, message.get("output"), None)

    def _done(self, job: Job, message: dict[str, Any]) -> None:
        if self._jobs.pop(job.id, None) is None:
            return
        self._selector.unregister(job.worker.results)
        os.close(job.worker.results)
        job.worker.release()
        if not job.inject:
            job.worker.kill()
        if job.striking is not None:
            how = MAY_HAVE if job.let else CALLED_OFF
            evidence = how + ", ".join(map(str, job.striking["striking"]))
            self._again(job.mark, {"what": "item", "output": {"evidence": evidence}})
        if not job.answered:
            self._answer(job.id, message["what"] == "done", message.get("output"), message.get("error"))
        elif message["what"] == "failed":
            self._again(job.mark, message)


def read(descriptor: int) -> bytes | None:
    """What a pipe holds; b"" at its end, None where there is nothing yet."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None
    except OSError:
        return b""
