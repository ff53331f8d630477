"""The engine's end of the socket to its guardian.

`undo_all` is one non-blocking `send`: nothing stands between a breach and the undo but the guardian's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any

from gameday.engine.ports import Call, Json, Plan
from gameday.frozen import frozen


@frozen
class Reply:
    """What became of a call in a worker."""

    ok: bool
    output: Json = None
    error: str = ""


class Link:
    """Sends orders, hands on facts, keeps beating."""

    def __init__(self, sock: socket.socket, *, on_fact: Callable[[dict[str, Any]], None], on_lost: Callable[[], None]):
        self._sock = sock
        self._on_fact = on_fact
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._following: dict[str, Callable[[Json], None]] = {}
        self._out = b""
        self._in = b""
        self.lost = False
        self.unanswered = 0
        """Beats sent since the guardian was last heard."""
        self._guardian: int | None = None
        sock.setblocking(False)
        self._loop.add_reader(sock, self._read)

    # --- orders ----------------------------------------------------------------------------------------------------

    def undo_all(self, reason: str) -> None:
        self._send({"do": "undo_all", "reason": reason})

    def undo(self, entries: list[str], reason: str) -> None:
        self._send({"do": "undo", "entries": entries, "reason": reason})

    def strike(self, entry: str) -> None:
        """Let an injection that goes on do what it has announced."""
        self._send({"do": "strike", "entry": entry})

    def settled(self, entry: str) -> None:
        self._send({"do": "settled", "entry": entry})

    def ready(self) -> None:
        self._send({"do": "ready"})

    def bye(self, exit_code: int) -> None:
        self._send({"do": "bye", "exit_code": exit_code})

    def beat(self) -> None:
        self.unanswered += 1
        self._send({"do": "beat"})

    def give_up(self) -> None:
        """The guardian is frozen, so kill it: its end makes the undo workers undo, and this link lost."""
        if self._guardian is not None and not self.lost:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._guardian, signal.SIGKILL)

    async def arm(
        self, entry: str, plan: Plan, *, recovery: float, orphan: bool = False, struck: Sequence[Json] = ()
    ) -> Reply:
        """The guardian holds the undo of `entry` when this returns ok. `struck`: what it may have struck last."""
        return await self._ask(
            {
                "do": "arm",
                "entry": entry,
                "undo": plan.undo.to_json() if plan.undo else None,
                "recovered": plan.recovered.to_json() if plan.recovered else None,
                "objects": list(plan.objects),
                "commands": list(plan.commands),
                "recovery": recovery,
                "orphan": orphan,
                "struck": list(struck),
            }
        )

    async def inject(self, entry: str, call: Call, *, not_after: float = float("inf")) -> Reply:
        """Begin the injection, unless it would begin after `not_after` (boot clock)."""
        limit = None if not_after == float("inf") else not_after
        return await self._ask({"do": "inject", "entry": entry, "call": call.to_json(), "not_after": limit})

    async def run(self, call: Call, *, poll: float | None = None) -> Reply:
        """Run `call` in a killable worker; with `poll` (seconds) until its answer holds."""
        return await self._ask({"do": "run", "call": call.to_json(), "poll": poll})

    async def follow(self, call: Call, on_item: Callable[[Json], None]) -> Reply:
        """Run a call that goes on (see `workers.fork_gated`): `on_item` gets what it yields; the answer is its end.

        Cancelled, the worker is killed. `call.timeout` bounds the time until the first item alone.
        """
        ident = str(next(self._ids))
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting[ident] = future
        self._following[ident] = on_item
        self._send({"do": "run", "call": call.to_json(), "poll": None, "id": ident})
        try:
            return await future
        finally:
            self._following.pop(ident, None)
            if self._waiting.pop(ident, None) is not None:
                self._send({"do": "stop", "id": ident})

    async def _ask(self, message: dict[str, Any]) -> Reply:
        ident = str(next(self._ids))
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting[ident] = future
        self._send({**message, "id": ident})
        return await future

    # --- the wire --------------------------------------------------------------------------------------------------

    def _send(self, message: dict[str, Any]) -> None:
        if self.lost:
            self._refuse_waiting()
            return
        self._out += json.dumps(message).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                self._out = self._out[self._sock.send(self._out) :]
        except BlockingIOError:
            self._loop.add_writer(self._sock, self._flush)
            return
        except OSError:
            self._gone()
            return
        self._loop.remove_writer(self._sock)

    def _read(self) -> None:
        try:
            chunk = self._sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._gone()
            return
        self.unanswered = 0
        self._in += chunk
        while b"\n" in self._in:
            line, self._in = self._in.split(b"\n", 1)
            try:
                self._heard(json.loads(line))
            except Exception as error:  # noqa: BLE001 - what else it said must be heard as well
                self._loop.call_soon(_reraise, error)

    def _heard(self, message: dict[str, Any]) -> None:
        if "answer" in message:
            future = self._waiting.pop(message["answer"], None)
            if future is not None and not future.done():
                future.set_result(Reply(message["ok"], message.get("output"), message.get("error") or ""))
        elif "item" in message:
            if (on_item := self._following.get(message["item"])) is not None:
                on_item(message.get("output"))
        elif "beat" in message:
            self._guardian = message["pid"]
        else:
            self._on_fact(message)

    def _gone(self) -> None:
        if self.lost:
            return
        self.lost = True
        self.detach()
        self._refuse_waiting()
        self._on_lost()

    def _refuse_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_result(Reply(False, error="the guardian is gone"))

    def detach(self) -> None:
        """Stop listening; the socket is closed."""
        self.lost = True
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()


def _reraise(error: Exception) -> None:
    """For the loop's exception handler, which is the conductor's."""
    raise error
