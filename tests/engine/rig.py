"""A real guardian process with the test at the engine's end of its link."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

STUBBORN = [
    "inject_stubbornly",
    "inject_asleep",
    "inject_in_socket",
    "inject_in_shell",
    "inject_escaping",
    "inject_by_double_fork",
    "inject_and_leave_one_behind",
]


def wait_until(holds: Callable[[], Any], what: str, within: float = 10.0) -> Any:
    deadline = time.monotonic() + within
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {within:g} s for {what}"
        time.sleep(0.01)


def call(name: str, timeout: float = 5.0, /, **args: Any) -> dict[str, Any]:
    return {"name": f"calls:{name}", "args": args, "timeout": timeout}


@contextlib.contextmanager
def as_process(number: int) -> Iterator[subprocess.Popen[bytes]]:
    """A bystander in a session of its own that has been given the pid `number`; skips where that can't be arranged."""
    last = Path("/proc/sys/kernel/ns_last_pid")
    for _ in range(200):
        try:
            last.write_text(str(number - 1))
        except OSError:
            break
        process = subprocess.Popen(["sleep", "60"], start_new_session=True)
        try:
            if process.pid == number:
                yield process
                return
        finally:
            process.kill()
            process.wait()
    pytest.skip(f"pid {number} is not to be had here")


class Rig:
    """Starts a guardian over an inherited link. `world`: the folder that faults disturb, with its ledger."""

    def __init__(self, folder: Path, *, heartbeat: float = 60.0, stderr: Any = None, **config: Any) -> None:
        self.world = folder / "world"
        self.world.mkdir()
        (self.world / "ledger").touch()
        self.socket = Path(f"/tmp/gd-{uuid.uuid4().hex[:12]}/g.sock")
        self.marker = f"GAMEDAY_TEST={uuid.uuid4().hex}"
        self.exercise = uuid.uuid4().hex[:8]
        self.log = folder / "log"
        self.heard: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self._buffer = b""
        self._seen = 0
        self.link, theirs = socket.socketpair()
        self.config: dict[str, Any] = {
            "exercise": self.exercise,
            "socket": str(self.socket),
            "heartbeat": heartbeat,
            "preload": ["calls"],
            **config,
        }
        self.stderr = stderr
        self.process = self.start(
            ["-m", "gameday.engine.guardian"], {**self.config, "link": theirs.fileno()}, theirs.fileno()
        )
        theirs.close()

    def start(self, line: list[str], config: dict[str, Any], link: int) -> subprocess.Popen[bytes]:
        """A guardian, or what stands in for one."""
        name, value = self.marker.split("=")
        path = os.pathsep.join([str(HERE), str(ROOT)])
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "error", *line],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log if self.stderr is None else self.stderr,
                pass_fds=[link],
                env={**os.environ, "PYTHONPATH": path, name: value},
            )
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(config).encode() + b"\n")
            process.stdin.close()
        except BrokenPipeError:
            pass
        return process

    # --- the link --------------------------------------------------------------------------------------------------

    def send(self, **message: Any) -> None:
        self.link.sendall(json.dumps(message).encode() + b"\n")

    def _read(self, within: float) -> bool:
        """Take in what came; False at the link's end."""
        self.link.settimeout(max(0.001, within))
        try:
            chunk = self.link.recv(1 << 20)
        except TimeoutError:
            return True
        except ConnectionResetError:
            return False
        self._buffer += chunk
        *lines, self._buffer = self._buffer.split(b"\n")
        self.heard += map(json.loads, lines)
        return bool(chunk)

    def hear(self, wanted: Callable[[dict[str, Any]], bool], what: str, within: float = 15.0) -> dict[str, Any]:
        """The first message that is wanted, of all that ever came."""
        deadline = time.monotonic() + within
        seen = 0
        while True:
            for message in self.heard[seen:]:
                if wanted(message):
                    return message
            seen = len(self.heard)
            left = deadline - time.monotonic()
            assert left > 0, f"waited {within:g} s for {what}; heard {self.heard[-8:]}; log: {self.log.read_text()}"
            assert self._read(left), f"the guardian left before {what}; log: {self.log.read_text()}"

    def fact(self, what: str, entry: str, within: float = 15.0) -> dict[str, Any]:
        return self.hear(lambda m: m.get("fact") == what and m["entry"] == entry, f"{what} {entry}", within)

    def facts(self, entry: str) -> list[str]:
        return [m["fact"] for m in self.heard if m.get("entry") == entry and "fact" in m]

    def ask(self, within: float = 15.0, **message: Any) -> dict[str, Any]:
        ident = self.begin(**message)
        return self.answer(ident, within)

    def begin(self, **message: Any) -> str:
        ident = str(next(self._ids))
        self.send(**message, id=ident)
        return ident

    def answer(self, ident: str, within: float = 15.0) -> dict[str, Any]:
        return self.hear(lambda m: m.get("answer") == ident, f"answer {ident}", within)

    def settle(self) -> None:
        """A round trip: what was sent before has been dealt with."""
        mark = next(self._ids)
        self.send(do="beat", n=mark)
        self.hear(lambda m: m.get("beat") == mark, "a beat")

    # --- what an engine does ---------------------------------------------------------------------------------------

    def arm(self, entry: str, undo: str = "undo", *, recovered: bool = True, **more: Any) -> dict[str, Any]:
        """Armed with `calls:<undo>` and `calls:<verify>`; `timeout`, `recovery` (seconds), `commands`, `undo_args` …"""
        args = {"world": str(self.world), "name": entry, **more.pop("undo_args", {})}
        timeout = more.pop("timeout", 5.0)
        message = {
            "undo": call(undo, timeout, **args),
            "recovered": call(
                more.pop("verify", "gone"),
                more.pop("holding", 1.0),
                world=str(self.world),
                name=entry,
                **more.pop("verify_args", {}),
            )
            if recovered
            else None,
            "objects": [entry],
            "commands": [],
            "recovery": 20.0,
            **more,
        }
        return self.ask(do="arm", entry=entry, **message)

    def inject(self, entry: str, how: str = "inject", *, timeout: float = 50.0, **args: Any) -> str:
        return self.begin(do="inject", entry=entry, call=call(how, timeout, world=str(self.world), name=entry, **args))

    def injected(self, entry: str, how: str = "inject", **more: Any) -> None:
        """Armed and injected, by a worker that is gone."""
        assert self.arm(entry, **more)["ok"]
        assert self.answer(self.inject(entry, how))["ok"]
        pid = int(self.fact("injecting", entry)["pid"])
        wait_until(lambda: pid not in self.children(), "the inject worker to be reaped")

    def injecting(self, entry: str, how: str, **more: Any) -> int:
        """Armed, and an injection under way that has done something; its pid."""
        assert self.arm(entry, **more)["ok"]
        self.inject(entry, how)
        pid = int(self.fact("injecting", entry)["pid"])
        wait_until(lambda: entry in self.disturbed(), f"{entry} to be injected")
        return pid

    def run(self, name: str, /, timeout: float = 10.0, poll: float | None = None, **args: Any) -> dict[str, Any]:
        return self.ask(do="run", call=call(name, timeout, **args), poll=poll)

    def control(self) -> socket.socket:
        wait_until(self.socket.exists, "the control socket")
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5.0)
        sock.connect(str(self.socket))
        return sock

    def end(self, code: int = 0, within: float = 15.0) -> int:
        """Say goodbye; the guardian's exit code."""
        self.send(do="bye", exit_code=code)
        self.link.close()
        return self.process.wait(within)

    # --- what is so ------------------------------------------------------------------------------------------------

    def disturbed(self) -> set[str]:
        return {path.name for path in self.world.iterdir()} - {"ledger"}

    def ledger(self) -> list[str]:
        """What was done, in the order in which it was done."""
        return [line.split(" ", 1)[1] for line in (self.world / "ledger").read_text().splitlines()]

    def assert_nothing_after_the_last_undo(self, entry: str) -> None:
        lines = [line for line in self.ledger() if line.endswith(f" {entry}")]
        assert f"undone {entry}" in lines, lines[-5:]
        last = len(lines) - 1 - lines[::-1].index(f"undone {entry}")
        assert not [line for line in lines[last:] if line.startswith("inject")], lines[-8:]
        assert entry not in self.disturbed()

    def children(self) -> dict[int, str]:
        """The guardian's children and their states (R, S, Z …)."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            fields = stat[stat.rindex(")") + 2 :].split()
            if int(fields[1]) == self.process.pid:
                found[int(folder.name)] = fields[0]
        return found

    def left(self) -> list[int]:
        """Processes that this guardian, or what it started, has left; zombies aside."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.marker.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def close(self) -> None:
        self.link.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            shutil.rmtree(self.socket.parent, ignore_errors=True)
