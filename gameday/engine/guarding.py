"""What a guardian does from when it is told until every fault has settled. It outlives the engine.

One thread, one loop, no store, no network. It forks workers, holds every armed undo in memory and takes all faults away
when it is told to (engine, control socket, signal) and when the engine dies or stops beating. What it did in the
engine's absence it hands to a clerk process, which writes it into the journal when the journal can be written.

Speaks JSON lines with the engine over a socket pair, with consoles over a Unix socket, and with whoever started it over
stdout. How it is started stands in `guardian`.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gameday.engine.aftermath import complain, run_last, write_down
from gameday.engine.arming import Arming
from gameday.engine.brief import Config
from gameday.engine.held import Undoing, kill_escaped
from gameday.engine.jobs import Jobs
from gameday.engine.peers import Peer, Peers
from gameday.engine.ports import Call, announced, evidence_of
from gameday.engine.processes import become_subreaper, boot_clock
from gameday.exercise.turns import MAY_HAVE

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_MOST_ERRORS = 50
"""Errors of its own after which a guardian gives up and leaves the undo workers to themselves."""


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
        self.jobs = Jobs(self.selector, config.exercise, self._answer, self._item, self._again)
        self.arming = Arming(
            self.selector, config.exercise, self.undoing, self.jobs, self._answer, target_claim=config.target_claim
        )
        self.peers: Peers | None = None
        self.facts: list[dict[str, Any]] = []
        self.refuse = False
        """Set by an abort: nothing is injected any more."""
        self._link_in = b""
        self._link_out = b""
        self._errors = 0

    # --- facts and messages ----------------------------------------------------------------------------------------

    def _fact(self, what: str, fields: dict[str, Any]) -> None:
        if what == "forked":
            self.arming.watch(self.undoing.held[fields["entry"]])
            return
        if what == "replaced":
            self.arming.unwatch(self.undoing.held[fields["entry"]])
            return
        fact = {"fact": what, "wall": time.time(), "boot": boot_clock(), **fields}
        self.facts.append(fact)
        self._send(fact)

    def _send(self, message: dict[str, Any]) -> None:
        if self.engine_state != "alive":
            return
        self._link_out += json.dumps(message).encode() + b"\n"
        self._flush()

    def _answer(self, ident: str, ok: bool, output: Any, error: str | None) -> None:
        self._send({"answer": ident, "ok": ok, "output": output, "error": error})

    def _item(self, ident: str, output: Any) -> None:
        self._send({"item": ident, "output": output})

    def _again(self, mark: str, message: dict[str, Any]) -> None:
        """An injection that goes on is about to strike, did so once more, or could not go on."""
        entry = mark.partition("/")[2]
        output: Any = message.get("output")
        if message["what"] == "failed":
            self._fact("inject_failed", {"entry": entry, "error": message.get("error", "")})
        elif announced(output):
            self._fact("striking", {"entry": entry, "targets": output["striking"], "objects": output["objects"]})
        else:
            if entry in self.undoing.held and not evidence_of(output).startswith(MAY_HAVE):
                self.undoing.held[entry].struck = []
            self._fact("again", {"entry": entry, "output": output})

    def _flush(self) -> None:
        try:
            while self._link_out:
                self._link_out = self._link_out[self.link.send(self._link_out) :]
        except BlockingIOError:
            if self.engine_state == "alive":
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
        self.peers = Peers(self.selector, Path(self.config.socket), self._asked, self._count_consoles)
        if self.config.owned:
            self.selector.register(1, selectors.EVENT_READ, self._owner_gone)
        try:
            while not self._over():
                try:
                    self._turn()
                except Exception as error:  # noqa: BLE001 - a fault may be live: take it away first, then be loud
                    self._broken(error)
        finally:
            self.peers.close()
        return self._finish()

    def _turn(self) -> None:
        for key, _ in self.selector.select(self._patience()):
            now = self.selector.get_map().get(key.fd)
            # What came before in this turn may have closed it, and its number may be another's by now.
            if now is not None and now.data == key.data:
                key.data(key.fileobj)
        self._tick()

    def _broken(self, error: Exception) -> None:
        """An error of ours. Undo, say so, go on; when that does not help, die: then the undo workers act alone."""
        self._errors += 1
        self.abort(f"internal error in the guardian: {type(error).__name__}: {error}", "guardian")
        complain("".join(traceback.format_exception(error)))
        if self._errors >= _MOST_ERRORS:
            raise error

    def _over(self) -> bool:
        return self.engine_state != "alive" and self.undoing.settled

    def _patience(self) -> float:
        """Seconds until something is due."""
        now = boot_clock()
        due = [until - now for until in self.jobs.due()]
        pending = self.undoing.tick(now)
        if pending is not None:
            due.append(pending - now)
        if self.engine_state == "alive":
            due.append(self.last_beat + self.config.heartbeat - time.monotonic())
        return max(0.0, min(due, default=5.0))

    def _tick(self) -> None:
        now = boot_clock()
        self.jobs.tick(now)
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

    def abort(self, reason: str, by: str) -> None:
        """Undo everything, then tell the engine, and when it was asked for."""
        asked = boot_clock()
        self.undo_all(reason)
        self._send({"abort": reason, "by": by, "boot": asked})

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
                self.abort(f"the guardian received {name}", name)
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
            self.jobs.reaped(pid)
            self.arming.reaped(pid)

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
                try:
                    self._from_engine(json.loads(line))
                except Exception as error:  # noqa: BLE001 - an engine that can't be understood is not to be trusted
                    self._broken(error)

    def _from_engine(self, message: dict[str, Any]) -> None:
        match message["do"]:
            case "beat":
                self._send({"beat": message.get("n", 0), "pid": os.getpid()})
            case "undo":
                self.undoing.undo(message["entries"], message["reason"])
            case "undo_all":
                self.undo_all(message["reason"])
            case "arm":
                self.arming.arm(message)
            case "inject":
                self._forking(message, lambda: self.arming.inject(message, refuse=self.refuse))
            case "run":
                call = Call.from_json(message["call"])
                self._forking(message, lambda: self.jobs.run(message["id"], call, message.get("poll")))
            case "stop":
                self.jobs.stop(message["id"])
            case "strike":
                self.arming.strike(message["entry"])
            case "settled":
                self.arming.dismiss(message["entry"])
            case "ready":
                self._say({"ready": True})
            case "bye":
                self.goodbye = int(message["exit_code"])
                if message.get("error"):
                    self._say({"failed": message["error"], "exit_code": self.goodbye})
            case other:
                raise ValueError(f"the engine said {other!r}, which is unknown here")

    def _forking(self, message: dict[str, Any], start: Callable[[], None]) -> None:
        """An order that needs a process; where there is none to be had it is refused, and nothing was done."""
        try:
            start()
        except OSError as error:
            self._answer(message["id"], False, None, f"no process for it: {error}")

    # --- consoles and commands -------------------------------------------------------------------------------------

    def _asked(self, peer: Peer, message: dict[str, Any]) -> dict[str, Any]:
        match message.get("do"):
            case "abort":
                by, reason = str(message.get("by", "")), str(message.get("reason", "")) or "a person aborted"
                before = self.undoing.unsettled
                self.abort(reason, by)
                return {"ok": True, "undoing": before}
            case "attach":
                peer.attached = str(message.get("who", ""))
                self._count_consoles(peer)
                return {"ok": True, "exercise": self.config.exercise}
            case "faults":
                return {"ok": True, "faults": {held.entry: held.stage for held in self.undoing.held.values()}}
            case "poke":
                self._send({"poke": True})
                return {"ok": True}
            case other:
                return {"error": f"unknown request {other!r}"}

    def _owner_gone(self, stdout: Any) -> None:
        """Nobody has the other end of our stdout any more; a pipe tells its writer so without a word being written."""
        self.selector.unregister(stdout)
        if self.engine_state == "alive" and self.goodbye is None:
            self.abort("the command that started this unattended run is gone", "guardian")

    def _count_consoles(self, peer: Peer) -> None:
        if peer.attached is not None and self.peers is not None:
            self._send({"consoles": self.peers.consoles})

    # --- the end ---------------------------------------------------------------------------------------------------

    def _finish(self) -> int:
        kill_escaped(*self.undoing.held.values())
        for held in self.undoing.held.values():
            held.kill_injection()
            if held.worker is not None:
                held.worker.tell(b"x\n")
        self.jobs.kill()
        leaked = [held.entry for held in self.undoing.held.values() if held.stage == "leaked"]
        code = 4 if leaked else 3
        if self.engine_state == "ended" and self.goodbye is not None and not leaked:
            code = self.goodbye
        if self.engine_state == "lost" and self.config.clerk:
            facts = {
                "exercise": self.config.exercise,
                "reason": self.engine_reason,
                "facts": self.facts,
                "held": sorted(self.arming.ever),
                "leaked": leaked,
            }
            write_down(self.config.clerk, facts, self.config.payload)
        # An attended exercise whose engine died can be resumed, and needs its target for that.
        over = self.engine_state == "ended" or not self.config.payload.get("attended")
        if self.config.after is not None and over:
            left = run_last(Call.from_json(self.config.after), f"{self.config.exercise}/after")
            if left:
                self._say({"left": left})
        self._say({"ended": code})
        return code

    def _say(self, message: dict[str, Any]) -> None:
        """To whoever started us; they may be gone."""
        with contextlib.suppress(OSError):
            os.write(1, json.dumps(message).encode() + b"\n")
