"""The faults a guardian holds, and how each is taken away. The undo path: few lines, no I/O but to workers.

A fault is **recovered** only by an undo that was sent after its injection was dead, and that was then verified. An undo
that went out earlier (for speed: it is sent at once) counts as done only when a second one has followed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gameday.engine.ports import BUT_UNWELL, Call, Json
from gameday.engine.processes import kill_marked
from gameday.engine.workers import MARK, Worker, fork_undo
from gameday.frozen import field, slotted
from gameday.patterns import pattern

Tell = Callable[[str, dict[str, Any]], None]
"""How facts leave: `tell("recovered", {"entry": ..., ...})`."""

ONCE_MORE = "the injection was still alive when the undo went out; undoing once more"
"""Why an attempt that worked is followed by another. Nothing is wrong: the first one was for speed."""
SETTLED = ("recovered", "leaked")
SLOWEST = 5.0
"""Seconds between attempts where only a person can change anything."""
TOLD_AGAIN, SELDOMEST = 10.0, 60.0
"""Seconds after which a failure that goes on is told once more; each time twice as long, up to this."""
_TIMES = pattern(r"\d+(\.\d+)?(?= m?s\b)")


def kill_escaped(*several: Held) -> None:
    """Kill what injections started in sessions of their own. Where there was, or may have been, any: not clean."""
    marks = {f"{MARK}={held.mark}": held for held in several if held.touched}
    if not marks:
        return
    try:
        found = kill_marked(*marks)
    except OSError:
        # Nobody can look now, say for want of descriptors.
        found = set(marks)
    for mark in found:
        marks[mark].clean = False


@slotted
class Held:
    """One armed fault."""

    entry: str
    order: int
    mark: str
    undo: Call | None
    recovered: Call | None
    objects: frozenset[str]
    recovery: float
    """Seconds from the first undo until the fault counts as leaked."""
    commands: list[str] = field(default_factory=list)
    claim: int = -1
    """Descriptor of the claim to the target, for its undo workers to hold on to."""
    worker: Worker | None = None
    inject: Worker | None = None
    """Its injection; None again once the whole group is known to be gone, since then its number may be used again."""
    told_of_it: list[Held] = field(default_factory=list)
    """This one, and the older faults on the same object."""
    touched: bool = False
    """Something was injected, or may have been: by us or, for a fault taken over, by a guardian that died."""
    ready: bool = False
    """An undo worker has said that it is prepared."""
    stage: str = "armed"
    """armed, injecting, waiting (its undo waits for a newer fault), undoing, recovered, leaked."""
    attempt: int = 0
    clean: bool = False
    """No injection was alive when the present attempt was sent."""
    give_up: float = 0.0
    """Boot clock after which a failed attempt is the last one."""
    attempt_until: float = 0.0
    retry_at: float | None = None
    choices: list[str] = field(default_factory=list)
    """What the last attempt would have a person choose from, in the place of `commands`: it is no use to hurry then."""
    struck: list[Json] = field(default_factory=list)
    """What its injection has struck last, or is about to, and nobody knows whether that came through."""
    error: str = ""
    verified: str = ""
    """What an attempt showed that came through and did not count, since the injection may have been alive. Nobody has
    looked since."""
    told: str = ""
    """The failure that was told last; the same one is told again only now and then."""
    told_at: float = 0.0
    told_again: float = TOLD_AGAIN
    hushed: bool = False
    """The attempt before failed as those before it: that there is another is told with what becomes of it."""
    unsaid: dict[str, Any] | None = None
    """That the present attempt was sent, as it is to be told."""
    times: dict[str, float] = field(default_factory=dict)
    """Wall time of each thing that happened, for whoever writes it down later."""

    @property
    def settled(self) -> bool:
        return self.stage in SETTLED

    def is_news(self, error: str, now: float) -> bool:
        """Whether a failure is to be told: another one than before, or the same after a while. Then it counts as told.

        Attempts follow each other within seconds, for as long as the recovery limit: what an API server that is gone,
        or a log-in that has expired, says to each of them is no news.
        """
        same = _TIMES.sub("…", error) == _TIMES.sub("…", self.told)
        if same and (self.choices or now - self.told_at < self.told_again):
            return False
        self.told_again = min(2 * self.told_again, SELDOMEST) if same else TOLD_AGAIN
        self.told, self.told_at = error, now
        return True

    def injection_alive(self) -> bool:
        if self.inject is not None and not self.inject.alive():
            self.inject.release()
            self.tell_of_injection(b"d")
            self.inject = None
        return self.inject is not None

    def tell_of_injection(self, what: bytes) -> None:
        """Tell the undo workers that are to kill its injection, should they be left alone, that it is there or gone."""
        for held in self.told_of_it:
            if held.worker is not None and self.inject is not None:
                held.worker.tell(b"%s%d\n" % (what, self.inject.pid))

    def kill_injection(self) -> None:
        if self.injection_alive() and self.inject is not None:
            self.inject.kill()

    def fork_worker(self) -> None:
        """An undo worker, which knows what to kill should it be left alone. Raises OSError, see `fork`."""
        self.worker = fork_undo(self.undo, self.recovered, self.mark, recovery=self.recovery, claim=self.claim)
        if self.inject is not None:
            self.worker.tell(b"k%d\n" % self.inject.pid)
        elif self.touched:
            self.worker.tell(b"t\n")


class Undoing:
    """Takes held faults away. The guardian owns the loop; it calls in with what its workers reported."""

    def __init__(self, tell: Tell, clock: Callable[[], float]) -> None:
        self.held: dict[str, Held] = {}
        self.called_off: set[str] = set()
        """Entries whose undo was ordered while they were not held: they are never armed."""
        self.tell = tell
        self._clock = clock

    def undo(self, entries: list[str], reason: str) -> None:
        """Send every undo that need not wait for a newer fault on the same object, and kill what still injects.

        In this order, since dying processes and facts that wake the engine take the processor from the undo workers. An
        undo that went out while its injection was alive is sent again (see `_recovered`).
        """
        self.called_off.update(entry for entry in entries if entry not in self.held)
        wanted = [self.held[entry] for entry in entries if entry in self.held]
        wanted = [held for held in wanted if held.stage in ("armed", "injecting")]
        for held in wanted:
            held.stage = "waiting"
        self.send_waiting()
        for held in wanted:
            held.kill_injection()
        for held in sorted(wanted, key=lambda one: -one.order):
            self.tell("undoing", {"entry": held.entry, "reason": reason})
        # Only now: looking through the process table takes milliseconds.
        kill_escaped(*wanted)

    def send_waiting(self) -> None:
        """Send the undos whose turn it is: at once, or when every newer fault on the same object has settled."""
        for held in self.held.values():
            if held.stage == "waiting" and not self._newer_unsettled(held):
                held.stage = "undoing"
                held.give_up = self._clock() + held.recovery
                self._send(held)

    def _newer_unsettled(self, held: Held) -> bool:
        return any(
            other.order > held.order and not other.settled and other.objects & held.objects
            for other in self.held.values()
        )

    def _send(self, held: Held) -> None:
        held.attempt += 1
        held.retry_at = None
        held.clean = not held.injection_alive()
        patience = (held.undo.timeout if held.undo else 0.0) + (held.recovered.timeout if held.recovered else 0.0)
        # However long the undo itself may take: by the recovery limit it has worked, or the fault is leaked.
        left = max(held.give_up - self._clock(), held.recovery / 3)
        held.attempt_until = self._clock() + min(patience, left) + 1.0
        if held.worker is None:
            try:
                held.fork_worker()
            except OSError as error:
                self.failed(held, f"no process for the undo: {error}")
                return
            self.tell("forked", {"entry": held.entry})
        assert held.worker is not None
        if held.struck:
            held.worker.tell(b"s%s\n" % json.dumps(held.struck).encode())
        held.worker.tell(b"g\n")

    def reported(self, held: Held, message: dict[str, Any]) -> None:
        """What the fault's undo worker said."""
        what = message["what"]
        if what == "sent":
            held.times.setdefault("sent", message["wall"])
            held.unsaid = {"entry": held.entry, "attempt": held.attempt, "at": message["wall"]}
            if not held.hushed:
                self._tell_sent(held)
        elif what == "failed":
            held.choices = list(message.get("commands", ()))
            held.verified = ""
            self.failed(held, str(message.get("error", "")), unwell=str(message.get("unwell", "")))
        elif what == "recovered":
            self._recovered(held, str(message.get("evidence", "")))

    def _tell_sent(self, held: Held) -> None:
        if held.unsaid is not None:
            self.tell("undo_sent", held.unsaid)
        held.unsaid = None

    def _recovered(self, held: Held, evidence: str) -> None:
        kill_escaped(held)
        self._tell_sent(held)
        if not held.clean and held.undo is not None:
            held.verified = evidence
            self.failed(held, ONCE_MORE, at_once=True)
            return
        held.stage = "recovered"
        evidence = evidence if held.touched else f"nothing was injected; {evidence}"
        self.tell("recovered", {"entry": held.entry, "evidence": evidence})
        self.send_waiting()

    def failed(self, held: Held, error: str, *, at_once: bool = False, unwell: str = "") -> None:
        """One attempt did not do it: another, until the recovery limit; then the fault is leaked, loudly.

        `unwell`: nothing of the fault is left, and this, which somebody else did, keeps it from being as it was. Then
        there is nothing that anybody could undo: it has recovered, and that is said with it.
        """
        if held.stage != "undoing" or held.retry_at is not None:
            return
        held.error = error
        now = self._clock()
        news = held.is_news(error, now)
        held.hushed = not news or held.told_again > TOLD_AGAIN
        if news or now >= held.give_up:
            self._tell_sent(held)
            self.tell("undo_failed", {"entry": held.entry, "attempt": held.attempt, "error": error})
        held.unsaid = None
        if now >= held.give_up and unwell and held.clean:
            held.stage = "recovered"
            self.tell("recovered", {"entry": held.entry, "evidence": f"{BUT_UNWELL}{unwell}", "unwell": unwell})
            self.send_waiting()
            return
        if now >= held.give_up:
            held.stage = "leaked"
            if held.verified:
                error += f"; an undo had come through before ({held.verified}), when its injection may have been alive"
            self.tell("leaked", {"entry": held.entry, "error": error, "commands": held.choices or held.commands})
            self.send_waiting()
            return
        pause = 0.02 if at_once else min(0.2 * 2 ** min(held.attempt - 1, 6), SLOWEST if held.choices else 2.0)
        held.retry_at = min(now + pause, held.give_up)

    def tick(self, now: float) -> float | None:
        """Do what is due; when to come back (boot clock), or None where nothing is pending."""
        due: list[float] = []
        for held in self.held.values():
            if held.stage != "undoing":
                continue
            if held.retry_at is None and now >= held.attempt_until:
                if held.worker is not None:
                    held.worker.kill()
                self.failed(held, "the undo did not come back in time")
            elif held.retry_at is not None and now >= held.retry_at:
                self._retry(held)
            if held.stage == "undoing":
                due.append(held.attempt_until if held.retry_at is None else held.retry_at)
        return min(due, default=None)

    def _retry(self, held: Held) -> None:
        held.kill_injection()
        kill_escaped(held)
        if held.worker is not None:
            self.tell("replaced", {"entry": held.entry})
            held.worker.kill()
            held.worker.release()
            held.worker = None
        self._send(held)

    @property
    def settled(self) -> bool:
        return all(held.settled for held in self.held.values())

    @property
    def unsettled(self) -> list[str]:
        return [held.entry for held in self.held.values() if not held.settled]
