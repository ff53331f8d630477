"""Arming, injecting, dismissing: how a fault comes into the guardian's hands, and its undo worker's life till then.

What takes a fault away is `held.Undoing`; this only makes sure that it always has a worker to send.
"""

from __future__ import annotations

import os
import selectors
from typing import Any

from gameday.engine.held import Held, Undoing, kill_escaped
from gameday.engine.jobs import Answer, Jobs, read
from gameday.engine.ports import Call
from gameday.engine.workers import Worker, fork_gated, parse
from gameday.frozen import replace


class Arming:
    """Watches the undo workers on the guardian's selector."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        exercise: str,
        undoing: Undoing,
        jobs: Jobs,
        answer: Answer,
        *,
        target_claim: int = -1,
    ) -> None:
        self._claim = target_claim
        self.ever: set[str] = set()
        """Entries that were held at any time."""
        self._selector = selector
        self._exercise = exercise
        self._undoing = undoing
        self._jobs = jobs
        self._answer = answer
        self._buffers: dict[int, bytes] = {}
        self._waiting: dict[str, str] = {}
        self._unprepared: dict[str, str] = {}
        """Why the undo worker of an entry is about to end before it was of any use."""
        self._order = 0

    # --- orders ----------------------------------------------------------------------------------------------------

    def arm(self, message: dict[str, Any]) -> None:
        """Hold a fault; answered when its undo worker is prepared. An orphan is held even where that fails."""
        entry, orphan = message["entry"], bool(message.get("orphan"))
        if entry in self._undoing.held and not self._undoing.held[entry].settled:
            self._answer(message["id"], False, None, "it is armed already")
            return
        if entry in self._undoing.called_off and not orphan:
            self._answer(message["id"], False, None, "its undo was ordered before it was armed")
            return
        self._order += 1
        held = Held(
            entry=entry,
            order=self._order,
            mark=f"{self._exercise}/{entry}",
            undo=Call.from_json(message["undo"]) if message.get("undo") else None,
            recovered=_within(message.get("recovered"), float(message["recovery"])),
            objects=frozenset(message.get("objects", ())),
            recovery=float(message["recovery"]),
            commands=list(message.get("commands", ())),
            claim=self._claim,
            # A fault of a guardian that died: what it started is not ours to wait for, only to kill.
            touched=orphan,
            struck=list(message.get("struck", ())),
        )
        try:
            held.fork_worker()
        except OSError as error:
            if not orphan:
                self._answer(message["id"], False, None, f"no process for its undo: {error}")
                return
        self._undoing.held[entry] = held
        self.ever.add(entry)
        if held.worker is None:
            self._answer(message["id"], True, None, None)
            return
        self._waiting[entry] = message["id"]
        self.watch(held)
        kill_escaped(held)

    def inject(self, message: dict[str, Any], *, refuse: bool) -> None:
        """Start an injection, unless its fault is not (or no more) armed, or everything is being undone."""
        held = self._undoing.held.get(message["entry"])
        if refuse or held is None or held.stage != "armed" or held.worker is None or not held.ready:
            why = "the exercise is being aborted" if refuse else "its undo is not armed, or has begun"
            self._answer(message["id"], False, None, why)
            return
        call = Call.from_json(message["call"])
        worker = fork_gated(call, held.mark, not_after=message.get("not_after"))
        held.inject, held.touched, held.stage = worker, True, "injecting"
        # Who takes away what this does, it or an older fault on the same object, sees to it that it is dead before.
        others = [one for one in self._undoing.held.values() if one.order < held.order and one.objects & held.objects]
        held.told_of_it = [held, *others]
        held.tell_of_injection(b"k")
        self._jobs.watch(message["id"], worker, held.mark, call.timeout, inject=True)
        self._undoing.tell("injecting", {"entry": held.entry, "pid": worker.pid})
        worker.tell(b"g")

    def strike(self, entry: str) -> None:
        """The engine has it in the journal what an injection that goes on is about to strike: let it."""
        held = self._undoing.held.get(entry)
        if held is not None and held.stage == "injecting":
            held.struck = self._jobs.let_strike(held.mark)

    def dismiss(self, entry: str) -> None:
        """The engine has it in the journal that this fault is over, or that nothing was ever injected."""
        held = self._undoing.held.get(entry)
        if held is None or held.stage in ("injecting", "waiting", "undoing"):
            return
        del self._undoing.held[entry]
        held.kill_injection()
        kill_escaped(held)
        if held.worker is not None:
            held.worker.tell(b"x\n")
            self._unwatch(held.worker)
            held.worker.release()

    # --- the undo workers ------------------------------------------------------------------------------------------

    def watch(self, held: Held) -> None:
        worker = held.worker
        assert worker is not None
        self._buffers[worker.results] = b""
        self._selector.register(worker.results, selectors.EVENT_READ, lambda _: self._on_undo(held, worker))

    def unwatch(self, held: Held) -> None:
        if held.worker is not None:
            self._unwatch(held.worker)

    def _unwatch(self, worker: Worker) -> None:
        if self._buffers.pop(worker.results, None) is not None:
            self._selector.unregister(worker.results)
            os.close(worker.results)

    def reaped(self, pid: int) -> None:
        """A child of the guardian's is no more."""
        for held in list(self._undoing.held.values()):
            if held.inject is not None and held.inject.pid == pid:
                held.inject.reaped = True
            held.injection_alive()
            if held.worker is not None and held.worker.pid == pid:
                held.worker.reaped = True
                self._ended(held)

    def _on_undo(self, held: Held, worker: Worker) -> None:
        chunk = read(worker.results)
        if chunk is None or held.worker is not worker:
            return
        if not chunk:
            self._ended(held)
            return
        *lines, self._buffers[worker.results] = (self._buffers[worker.results] + chunk).split(b"\n")
        for line in lines:
            self._reported(held, parse(line))

    def _reported(self, held: Held, message: dict[str, Any]) -> None:
        if message["what"] == "ready":
            held.ready = True
            self._armed(held.entry, None)
        elif message["what"] == "unprepared":
            self._unprepared[held.entry] = message["error"]
        else:
            self._undoing.reported(held, message)

    def _armed(self, entry: str, error: str | None) -> None:
        waiting = self._waiting.pop(entry, None)
        if waiting is not None:
            self._answer(waiting, error is None, None, error)

    def _ended(self, held: Held) -> None:
        """The undo worker's pipe closed or it was reaped: fine when it has done its work, otherwise replace it."""
        worker = held.worker
        if worker is None:
            return
        while chunk := read(worker.results):
            self._buffers[worker.results] += chunk
        for line in self._buffers.get(worker.results, b"").split(b"\n"):
            if line and held.worker is worker:
                self._reported(held, parse(line))
        self._unwatch(worker)
        worker.release()
        held.worker = None
        why = self._unprepared.pop(held.entry, "the undo worker died")
        if held.entry in self._waiting and not held.touched:
            # It never got ready, so it was never armed, whatever has been ordered meanwhile.
            del self._undoing.held[held.entry]
            self._undoing.send_waiting()
        elif held.stage == "undoing":
            if held.retry_at is None:
                # It closed its pipe and may be running yet.
                worker.kill()
            self._undoing.failed(held, why)
        elif held.ready and not held.settled:
            # Killed while it waited: an armed fault is never without its undo.
            worker.kill()
            self._replace(held)
        lost = None if held.touched else f"its undo could not be prepared: {why}"
        self._armed(held.entry, lost)

    def _replace(self, held: Held) -> None:
        try:
            held.fork_worker()
        except OSError:
            # Its undo forks one when it is wanted, and is tried again until that works.
            return
        self.watch(held)


def _within(recovered: dict[str, Any] | None, recovery: float) -> Call | None:
    """The verification, given so little time at once that the undo is sent three times before the limit."""
    if not recovered:
        return None
    call = Call.from_json(recovered)
    return replace(call, timeout=min(call.timeout, recovery / 3))
