"""The guardian: parent and subreaper of everything an exercise starts. It outlives the engine.

One thread, one loop, no store, no network. It forks workers, holds every armed undo in memory and takes all faults away
when it is told to (engine, control socket, signal) and when the engine dies or stops beating. What it did in the
engine's absence it hands to a clerk process, which writes it into the journal when the journal can be written.

Started with its configuration as one JSON line on stdin (see `Config`); speaks JSON lines with the engine over a socket
pair, with consoles over a Unix socket, and with whoever started it over stdout.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gameday.engine.held import Held, Undoing
from gameday.engine.peers import Peer, Peers, claim
from gameday.engine.ports import Call
from gameday.engine.processes import become_subreaper, boot_clock, kill_group
from gameday.engine.workers import Worker, fork_gated, fork_undo, parse

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Config:
    """What a guardian is started with."""

    exercise: str
    socket: str
    """Path of the control socket."""
    engine: list[str] = field(default_factory=list)
    """Command of the engine; `{fd}` becomes its end of the link. Empty: `link` is used."""
    link: int = -1
    """Descriptor of an inherited socket to an engine that runs already (a rescue)."""
    clerk: list[str] = field(default_factory=list)
    """Command that writes down what the guardian did alone; gets facts as JSON on stdin."""
    after: dict[str, Any] | None = None
    """A `Call` to run when all is over, e.g. to take down a sandbox that this run brought up."""
    heartbeat: float = 2.0
    """Seconds without a beat after which the engine counts as frozen."""
    preload: list[str] = field(default_factory=list)
    """Modules imported before the first fork."""
    payload: dict[str, Any] = field(default_factory=dict)
    """Handed to the engine as it is."""


@dataclass(slots=True)
class Job:
    """A gated worker under way: an injection, or any other call."""

    id: str
    worker: Worker
    until: float
    entry: str | None
    inject: bool
    buffer: bytes = b""
    answered: bool = False


class Guardian:
    """The loop and what hangs on it."""

    def __init__(self, config: Config, link: socket.socket, engine: int | None) -> None:
        self.config = config
        self.link = link
        self.engine = engine
        """Pid of the engine where it is our child."""
        self.engine_state = "alive"
        self.engine_reason = ""
        self.goodbye: int | None = None
        self.last_beat = time.monotonic()
        self.selector = selectors.DefaultSelector()
        self.undoing = Undoing(self._fact, boot_clock)
        self.jobs: dict[str, Job] = {}
        self.peers: Peers | None = None
        self.facts: list[dict[str, Any]] = []
        self.refuse = False
        """Set by an abort: nothing is injected any more."""
        self._link_in = b""
        self._link_out = b""
        self._undo_buffers: dict[int, bytes] = {}
        self._arming: dict[str, str] = {}
        self._ever_held: set[str] = set()
        self._order = 0

    # --- facts and messages ----------------------------------------------------------------------------------------

    def _fact(self, what: str, fields: dict[str, Any]) -> None:
        if what in ("forked", "replaced"):
            self._watch_undo(self.undoing.held[fields["entry"]], forked=what == "forked")
            return
        fact = {"fact": what, "wall": time.time(), "boot": boot_clock(), **fields}
        self.facts.append(fact)
        self._send(fact)

    def _send(self, message: dict[str, Any]) -> None:
        if self.engine_state != "alive":
            return
        self._link_out += json.dumps(message).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._link_out:
                self._link_out = self._link_out[self.link.send(self._link_out) :]
        except BlockingIOError:
            self.selector.modify(self.link, selectors.EVENT_READ | selectors.EVENT_WRITE, self._on_link)
            return
        except OSError:
            # The engine is gone; its end of the link is read next, and that is where it is dealt with.
            self._link_out = b""
        if self.selector.get_map() and self.link.fileno() in self.selector.get_map():
            self.selector.modify(self.link, selectors.EVENT_READ, self._on_link)

    # --- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Until the engine is done and every fault has settled; the exit code of the exercise (4 if one leaked)."""
        become_subreaper()
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, *_STOPPING):
            signal.signal(number, lambda *_: None)
        self.link.setblocking(False)
        self.selector.register(wake_read, selectors.EVENT_READ, self._on_signal)
        self.selector.register(self.link, selectors.EVENT_READ, self._on_link)
        self.peers = Peers(self.selector, Path(self.config.socket), self._asked, self._peer_gone)
        try:
            while not self._over():
                for key, _ in self.selector.select(self._patience()):
                    key.data(key.fileobj)
                self._tick()
        finally:
            self.peers.close()
        return self._finish()

    def _over(self) -> bool:
        return self.engine_state != "alive" and self.undoing.settled

    def _patience(self) -> float:
        """Seconds until something is due."""
        now = boot_clock()
        due = [job.until - now for job in self.jobs.values()]
        pending = self.undoing.tick(now)
        if pending is not None:
            due.append(pending - now)
        if self.engine_state == "alive":
            due.append(self.last_beat + self.config.heartbeat - time.monotonic())
        return max(0.0, min(due, default=5.0))

    def _tick(self) -> None:
        now = boot_clock()
        for job in [job for job in self.jobs.values() if now >= job.until]:
            kill_group(job.worker.pid)
            self._answer(job, {"what": "failed", "error": "it took longer than its timeout and was killed"})
        # A suspended machine stops CLOCK_MONOTONIC too, so waking up does not look like a frozen engine.
        if self.engine_state == "alive" and time.monotonic() - self.last_beat >= self.config.heartbeat:
            self._engine_gone(f"the engine gave no sign of life for {self.config.heartbeat:g} s")

    # --- the engine dies -------------------------------------------------------------------------------------------

    def _engine_gone(self, reason: str) -> None:
        """Kill what may be left of it, then take every fault away. Journal and farewell come after."""
        if self.engine_state != "alive":
            return
        self.engine_state = "ended" if self.goodbye is not None else "lost"
        self.engine_reason = reason
        if self.engine is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.engine, signal.SIGKILL)
        self.undo_all(reason)
        self.selector.unregister(self.link)

    def undo_all(self, reason: str) -> None:
        """The abort: no injection any more, every undo sent. First here, then everything else."""
        self.refuse = True
        self.undoing.undo(list(self.undoing.held), reason)

    # --- what comes in ---------------------------------------------------------------------------------------------

    def _on_signal(self, wake: Any) -> None:
        try:
            numbers = os.read(wake, 512)
        except BlockingIOError:
            return
        for number in dict.fromkeys(numbers):
            if number in _STOPPING:
                name = signal.Signals(number).name
                self.undo_all(f"the guardian received {name}")
                self._send({"abort": f"the guardian received {name}", "by": name})
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.engine:
                self.engine = None
                # What it still said stands in the link's buffer and is read before its end is.
                self._on_link(self.link)
                self._engine_gone("the engine died")
            for held in self.undoing.held.values():
                held.injection_alive()
                if held.worker is not None and held.worker.pid == pid:
                    self._undo_ended(held)

    def _on_link(self, _: Any) -> None:
        if self._link_out:
            self._flush()
        while self.engine_state == "alive":
            try:
                chunk = self.link.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            if not chunk:
                self._engine_gone("the engine died" if self.goodbye is None else "the engine ended")
                return
            self.last_beat = time.monotonic()
            self._link_in += chunk
            while b"\n" in self._link_in:
                line, self._link_in = self._link_in.split(b"\n", 1)
                self._from_engine(json.loads(line))

    def _from_engine(self, message: dict[str, Any]) -> None:
        match message["do"]:
            case "beat":
                self._send({"beat": message.get("n", 0)})
            case "undo":
                self.undoing.undo(message["entries"], message["reason"])
            case "undo_all":
                self.undo_all(message["reason"])
            case "arm":
                self._arm(message)
            case "inject":
                self._inject(message)
            case "run":
                self._run(message)
            case "settled":
                self._dismiss(message["entry"])
            case "ready":
                self._say({"ready": True})
            case "bye":
                self.goodbye = int(message["exit_code"])
                if message.get("error"):
                    self._say({"failed": message["error"], "exit_code": self.goodbye})
            case other:
                self._send({"problem": f"unknown message {other!r}"})

    # --- arming and injecting --------------------------------------------------------------------------------------

    def _arm(self, message: dict[str, Any]) -> None:
        entry = message["entry"]
        self._order += 1
        held = Held(
            entry=entry,
            order=self._order,
            mark=f"{self.config.exercise}/{entry}",
            undo=Call.from_json(message["undo"]) if message.get("undo") else None,
            recovered=_within(message.get("recovered"), float(message["recovery"])),
            objects=frozenset(message.get("objects", ())),
            recovery=float(message["recovery"]),
            commands=list(message.get("commands", ())),
        )
        self.undoing.held[entry] = held
        self._ever_held.add(entry)
        self._arming[entry] = message["id"]
        held.worker = fork_undo(held.undo, held.recovered, held.mark)
        self._watch_undo(held)
        if message.get("orphan"):
            # A fault of a guardian that died: what it started is not ours to wait for, only to kill.
            held.kill_escaped()

    def _watch_undo(self, held: Held, *, forked: bool = True) -> None:
        worker = held.worker
        if worker is None:
            return
        if not forked:
            if self._undo_buffers.pop(worker.results, None) is not None:
                self.selector.unregister(worker.results)
                os.close(worker.results)
            return
        self._undo_buffers[worker.results] = b""
        self.selector.register(worker.results, selectors.EVENT_READ, lambda _: self._on_undo(held, worker))

    def _on_undo(self, held: Held, worker: Worker) -> None:
        chunk = _read(worker.results)
        if chunk is None:
            return
        if not chunk:
            self._undo_ended(held)
            return
        lines = (self._undo_buffers[worker.results] + chunk).split(b"\n")
        self._undo_buffers[worker.results] = lines.pop()
        for line in lines:
            message = parse(line)
            if message["what"] == "ready":
                self._armed(held.entry, None)
            else:
                self.undoing.reported(held, message)

    def _armed(self, entry: str, error: str | None) -> None:
        waiting = self._arming.pop(entry, None)
        if waiting is not None:
            self._send({"answer": waiting, "ok": error is None, "error": error})

    def _undo_ended(self, held: Held) -> None:
        """The undo worker's pipe closed or it was reaped: fine when it has done its work, otherwise replace it."""
        worker = held.worker
        if worker is None:
            return
        chunk = _read(worker.results)
        if chunk:
            for line in (self._undo_buffers.get(worker.results, b"") + chunk).split(b"\n"):
                if line:
                    self.undoing.reported(held, parse(line))
        self._watch_undo(held, forked=False)
        worker.release()
        held.worker = None
        self._armed(held.entry, "its undo could not be prepared (see the exercise's log)")
        if held.stage == "undoing":
            self.undoing.failed(held, "the undo worker died")
        elif not held.settled:
            # Killed while it waited: an armed fault is never without its undo.
            held.worker = fork_undo(held.undo, held.recovered, held.mark)
            self._watch_undo(held)

    def _inject(self, message: dict[str, Any]) -> None:
        held = self.undoing.held.get(message["entry"])
        if held is None or held.stage != "armed" or self.refuse:
            self._send({"answer": message["id"], "ok": False, "error": "the exercise is being aborted"})
            return
        call = Call.from_json(message["call"])
        worker = fork_gated(call, held.mark)
        held.inject = worker
        held.stage = "injecting"
        if held.worker is not None:
            held.worker.tell(b"k%d\n" % worker.pid)
        self._start(message["id"], worker, call.timeout, entry=held.entry, inject=True)
        self._fact("injecting", {"entry": held.entry, "pid": worker.pid})
        worker.tell(b"g")

    def _run(self, message: dict[str, Any]) -> None:
        call = Call.from_json(message["call"])
        poll = message.get("poll")
        worker = fork_gated(call, f"{self.config.exercise}/-", poll=poll)
        self._start(message["id"], worker, call.timeout + (poll or 0.0), entry=None, inject=False)
        worker.tell(b"g")

    def _start(self, ident: str, worker: Worker, timeout: float, *, entry: str | None, inject: bool) -> None:
        job = Job(ident, worker, boot_clock() + timeout, entry, inject)
        self.jobs[ident] = job
        self.selector.register(worker.results, selectors.EVENT_READ, lambda _: self._on_job(job))

    def _on_job(self, job: Job) -> None:
        chunk = _read(job.worker.results)
        if chunk is None:
            return
        job.buffer += chunk
        if not chunk or b"\n" in job.buffer:
            line = job.buffer.split(b"\n", 1)[0]
            self._answer(job, parse(line) if line else {"what": "failed", "error": "it was killed, or died"})

    def _answer(self, job: Job, message: dict[str, Any]) -> None:
        if self.jobs.pop(job.id, None) is None:
            return
        self.selector.unregister(job.worker.results)
        os.close(job.worker.results)
        job.worker.release()
        if not job.inject:
            kill_group(job.worker.pid)
        ok = message["what"] == "done"
        self._send({"answer": job.id, "ok": ok, "output": message.get("output"), "error": message.get("error")})

    def _dismiss(self, entry: str) -> None:
        """The engine has it in the journal that this fault is over."""
        held = self.undoing.held.get(entry)
        if held is None or held.stage in ("waiting", "undoing"):
            return
        del self.undoing.held[entry]
        held.kill_injection()
        held.kill_escaped()
        if held.worker is not None:
            held.worker.tell(b"x\n")
            self._watch_undo(held, forked=False)
            held.worker.release()

    # --- consoles and commands -------------------------------------------------------------------------------------

    def _asked(self, peer: Peer, message: dict[str, Any]) -> dict[str, Any]:
        match message.get("do"):
            case "abort":
                by, reason = str(message.get("by", "")), str(message.get("reason", "")) or "a person aborted"
                before = self.undoing.unsettled
                self.undo_all(reason)
                self._send({"abort": reason, "by": by})
                return {"ok": True, "undoing": before}
            case "attach":
                peer.attached, peer.owner = str(message.get("who", "")), bool(message.get("owner"))
                self._count_consoles(peer)
                return {"ok": True, "exercise": self.config.exercise}
            case "faults":
                return {"ok": True, "faults": {held.entry: held.stage for held in self.undoing.held.values()}}
            case "poke":
                self._send({"poke": True})
                return {"ok": True}
            case other:
                return {"error": f"unknown request {other!r}"}

    def _peer_gone(self, peer: Peer) -> None:
        if not peer.owner:
            self._count_consoles(peer)
        elif self.engine_state == "alive" and self.goodbye is None:
            reason = "the command that started this unattended run is gone"
            self.undo_all(reason)
            self._send({"abort": reason, "by": "guardian"})

    def _count_consoles(self, peer: Peer) -> None:
        if peer.attached is not None and not peer.owner and self.peers is not None:
            self._send({"consoles": self.peers.consoles})

    # --- the end ---------------------------------------------------------------------------------------------------

    def _finish(self) -> int:
        for held in self.undoing.held.values():
            held.kill_injection()
            held.kill_escaped()
            if held.worker is not None:
                held.worker.tell(b"x\n")
        for job in self.jobs.values():
            kill_group(job.worker.pid)
        leaked = [held.entry for held in self.undoing.held.values() if held.stage == "leaked"]
        code = 4 if leaked else 3
        if self.engine_state == "ended" and self.goodbye is not None and not leaked:
            code = self.goodbye
        if self.engine_state == "lost" and self.config.clerk:
            self._clerk(leaked)
        # An attended exercise whose engine died can be resumed, and needs its target for that.
        over = self.engine_state == "ended" or not self.config.payload.get("attended")
        if self.config.after is not None and over:
            self._after(Call.from_json(self.config.after))
        self._say({"ended": code})
        return code

    def _clerk(self, leaked: list[str]) -> None:
        """Have it written down. The facts also go to the log, in case nobody can write."""
        facts = {
            "exercise": self.config.exercise,
            "reason": self.engine_reason,
            "facts": self.facts,
            "held": sorted(self._ever_held),
            "leaked": leaked,
        }
        text = json.dumps({**facts, "payload": self.config.payload})
        sys.stderr.write(f"guardian: {json.dumps(facts)}\n")
        sys.stderr.flush()
        try:
            subprocess.run(self.config.clerk, input=text.encode(), timeout=120, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"guardian: the journal could not be written: {error}\n")

    def _after(self, call: Call) -> None:
        worker = fork_gated(call, f"{self.config.exercise}/after")
        os.set_blocking(worker.results, True)
        signal.signal(signal.SIGALRM, lambda *_: kill_group(worker.pid))
        signal.setitimer(signal.ITIMER_REAL, call.timeout)
        worker.tell(b"g")
        said = parse(os.read(worker.results, 65536).split(b"\n")[0])
        signal.setitimer(signal.ITIMER_REAL, 0)
        if said["what"] != "done":
            sys.stderr.write(f"guardian: {call.name}: {said.get('error')}\n")

    def _say(self, message: dict[str, Any]) -> None:
        """To whoever started us; they may be gone."""
        with contextlib.suppress(OSError):
            os.write(1, json.dumps(message).encode() + b"\n")


def _within(recovered: dict[str, Any] | None, recovery: float) -> Call | None:
    """The verification, given so little time at once that the undo is sent three times before the limit."""
    if not recovered:
        return None
    call = Call.from_json(recovered)
    return replace(call, timeout=min(call.timeout, recovery / 3))


def _read(descriptor: int) -> bytes | None:
    """What a pipe holds; b"" at its end, None where there is nothing yet."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _preload(names: list[str]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            sys.stderr.write(f"guardian: {name} can't be imported, workers that need it will say so: {error}\n")


def as_line(config: Config) -> bytes:
    """The configuration as a guardian reads it from its stdin."""
    return json.dumps(asdict(config)).encode() + b"\n"


def main() -> int:
    """Run a guardian with the configuration on stdin; the exercise's exit code."""
    config = Config(**json.loads(sys.stdin.readline()))
    claimed = claim(Path(config.socket), wait=5.0 if config.link >= 0 else 0.5)
    if claimed is None:
        error = f"exercise {config.exercise} has a guardian already: gameday watch {config.exercise}"
        os.write(1, json.dumps({"failed": error, "exit_code": 5}).encode() + b"\n")
        return 5
    if config.engine:
        ours, theirs = socket.socketpair()
        engine = subprocess.Popen(
            [word.replace("{fd}", str(theirs.fileno())) for word in config.engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        assert engine.stdin is not None
        engine.stdin.write(json.dumps(config.payload).encode())
        engine.stdin.close()
        guardian = Guardian(config, ours, engine.pid)
    else:
        guardian = Guardian(config, socket.socket(fileno=config.link), None)
    _preload(config.preload)
    guardian.last_beat = time.monotonic() + 10.0  # the engine needs a moment to import what it needs
    gc.collect()
    gc.freeze()
    return guardian.run()


if __name__ == "__main__":
    raise SystemExit(main())
