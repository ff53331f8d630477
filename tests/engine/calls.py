"""Functions for workers to run: faults on a folder. Each writes what it does into the folder's ledger."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOREVER = 60.0


def note(world: str, text: str) -> None:
    line = f"{time.clock_gettime(time.CLOCK_BOOTTIME):.6f} {text}\n"
    ledger = os.open(f"{world}/ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, line.encode())
    os.close(ledger)


def _said(world: str, text: str) -> int:
    return sum(line.split(" ", 1)[1] == text for line in Path(world, "ledger").read_text().splitlines())


# --- injections ----------------------------------------------------------------------------------------------------


def inject(world: str, name: str) -> str:
    note(world, f"inject {name}")
    Path(world, name).touch()
    return "on"


def inject_again(world: str, name: str, every: float = 0.02, fails: int = 0) -> Iterator[dict[str, str]]:
    """Strikes now, and again and again; with `fails` the strike of that number fails."""
    number = 0
    while True:
        number += 1
        if number == fails:
            raise RuntimeError("it can't go on")
        inject(world, name)
        yield {"evidence": f"strike {number}"}
        time.sleep(every)


def strike_again(world: str, name: str, every: float = 0.02, lasts: float = 0.0) -> Iterator[dict[str, Any]]:
    """Strikes now, and again and again, each time announced; a later strike takes `lasts` seconds to be through."""
    inject(world, name)
    yield {"evidence": "strike 1"}
    number = 1
    while True:
        time.sleep(every)
        number += 1
        yield {"striking": [f"thing {number}"], "objects": [{"name": f"thing-{number}"}]}
        inject(world, name)
        time.sleep(lasts)
        yield {"evidence": f"strike {number}"}


def strike_slowly(world: str, name: str) -> Iterator[dict[str, Any]]:
    yield from strike_again(world, name, lasts=0.2)


def gone_knowing(world: str, name: str, struck: list[dict[str, str]]) -> dict[str, Any]:
    """As `gone`, with what it was told may have been struck."""
    found = gone(world, name)
    return {**found, "evidence": f"{found['evidence']}; may have been struck: {[one['name'] for one in struck]}"}


def watch(world: str, says: list[dict[str, Any]], ends: bool = False) -> Iterator[dict[str, Any]]:
    """Says this, and then that it lives."""
    note(world, f"watching {os.getpid()}")
    yield from says
    while not ends:
        time.sleep(0.02)
        yield {}


def confirm_late(world: str, delay: float) -> Iterator[dict[str, Any]]:
    """Says nothing of whose the target is for a while, then that it is ours."""
    until = time.monotonic() + delay
    while time.monotonic() < until:
        yield {}
        time.sleep(0.05)
    while True:
        yield {"confirmed": time.clock_gettime(time.CLOCK_BOOTTIME)}
        time.sleep(0.05)


def watch_late(world: str, name: str, delay: float, says: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Says the first at once, and the second some time after the fault was undone."""
    yield says[0]
    while not _said(world, f"undo {name}"):
        time.sleep(0.01)
    time.sleep(delay)
    yield says[1]
    while True:
        time.sleep(0.02)
        yield {}


def inject_late(world: str, name: str, delay: float = 0.3) -> None:
    note(world, f"began {name}")
    time.sleep(delay)
    inject(world, name)


def inject_stubbornly(world: str, name: str) -> None:
    """Injects again and again, and does not listen to polite signals."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        inject(world, name)
        time.sleep(0.005)


def inject_asleep(world: str, name: str) -> None:
    inject(world, name)
    time.sleep(FOREVER)
    inject(world, name)


def inject_in_socket(world: str, name: str) -> None:
    ours, theirs = socket.socketpair()
    inject(world, name)
    ours.recv(1)
    theirs.close()


_AGAIN = 'while :; do echo "0 inject $NAME" >> "$WORLD/ledger"; : > "$WORLD/$NAME"; sleep 0.01; done'


def inject_in_shell(world: str, name: str) -> None:
    """A shell, with a child that injects on in the same group."""
    env = {**os.environ, "WORLD": world, "NAME": name}
    subprocess.run(["sh", "-c", f"({_AGAIN}) & wait"], env=env, check=True)


def inject_escaping(world: str, name: str) -> None:
    """A shell, with a grandchild in a session of its own that injects on and ignores hangups."""
    env = {**os.environ, "WORLD": world, "NAME": name, "AGAIN": _AGAIN}
    subprocess.run(["sh", "-c", 'trap "" HUP TERM; setsid sh -c "$AGAIN" & wait'], env=env, check=True)


def inject_and_leave_one_behind(world: str, name: str) -> str:
    """Returns; a child in a session of its own injects on, faster than anybody can look."""
    env = {**os.environ, "WORLD": world, "NAME": name}
    subprocess.Popen(["sh", "-c", _AGAIN.replace("; sleep 0.01", "")], env=env, start_new_session=True)
    return "started"


def inject_by_double_fork(world: str, name: str) -> str:
    """A daemon in the old way, without any exec: forks, leaves the session, forks again, injects on."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.closerange(3, 1000)
            while True:
                inject(world, name)
                time.sleep(0.005)
        os._exit(0)
    os.wait()
    return "started"


# --- undos ---------------------------------------------------------------------------------------------------------


def undo(world: str, name: str, seconds: float = 0.0) -> None:
    note(world, f"undo {name}")
    time.sleep(seconds)
    Path(world, name).unlink(missing_ok=True)
    note(world, f"undone {name}")


def undo_at_third(world: str, name: str) -> None:
    note(world, f"try {name}")
    if _said(world, f"try {name}") < 3:
        raise ConnectionError("not now")
    undo(world, name)


def undo_hanging_once(world: str, name: str) -> None:
    note(world, f"try {name}")
    if _said(world, f"try {name}") == 1:
        time.sleep(FOREVER)
    undo(world, name)


def undo_closing_all_once(world: str, name: str) -> None:
    """Closes every descriptor it finds, the worker's own among them, and hangs."""
    note(world, f"try {name}")
    if _said(world, f"try {name}") == 1:
        os.closerange(3, 1000)
        time.sleep(FOREVER)
    undo(world, name)


def undo_prepared_slowly(world: str, name: str) -> None:
    undo(world, name)


def prepare_undo_prepared_slowly(world: str, name: str) -> None:
    note(world, f"preparing {name}")
    time.sleep(0.3)


def undo_nothing(world: str, name: str) -> None:
    note(world, f"undo {name}")


def undo_with_daemon(world: str, name: str) -> None:
    """Starts a service again, as an undo may: it must live on."""
    subprocess.Popen(["sleep", "30"], start_new_session=True, stdin=subprocess.DEVNULL)
    undo(world, name)


def gone(world: str, name: str) -> dict[str, Any]:
    there = Path(world, name).exists()
    return {"holds": not there, "evidence": f"{name} is {'there' if there else 'gone'}"}


def gone_and_unwell(world: str, name: str) -> dict[str, Any]:
    """Nothing of the fault is left, and all the same it is not as it was, until somebody has made `mended`."""
    found = gone(world, name)
    if not found["holds"] or Path(world, "mended").exists():
        return found
    return {"holds": False, "evidence": "somebody took it away", "undone": True}


def gone_hanging_once(world: str, name: str) -> dict[str, Any]:
    """Hangs, and goes on hanging whatever error it is interrupted with."""
    note(world, f"look {name}")
    while _said(world, f"look {name}") == 1:
        try:
            time.sleep(FOREVER)
        except Exception as error:  # noqa: BLE001 - that is what it is for
            note(world, f"{type(error).__name__} {name}")
    return gone(world, name)


# --- other calls ---------------------------------------------------------------------------------------------------


def echo(value: Any) -> Any:
    return value


def big(size: int) -> str:
    return "x" * size


def closing() -> None:
    os.closerange(3, 1000)
    time.sleep(FOREVER)


def closing_with_child(world: str) -> None:
    subprocess.Popen(["sh", "-c", "sleep 60"])
    closing()


def leaving() -> None:
    os._exit(3)


def exiting() -> None:
    raise SystemExit("enough")


def unspeakable() -> Any:
    return {object(), "a set"}


def unicode() -> str:
    return "half a pair: \ud800"


def asleep(seconds: float = FOREVER) -> None:
    time.sleep(seconds)


def leaving_a_child_behind() -> str:
    subprocess.Popen(["sleep", "60"], start_new_session=True)
    time.sleep(FOREVER)
    return "never"


def waiting_until(path: str) -> dict[str, Any]:
    return {"holds": Path(path).exists(), "evidence": "looked"}


def stands(world: str, name: str) -> dict[str, Any]:
    if Path(world, "unreachable").exists():
        raise ConnectionError("nobody answers")
    note(world, f"looked {name}")
    seen = {"holds": Path(world, name).exists(), "evidence": "looked"}
    part = Path(world, f"{name} in part")
    return {**seen, "but": part.read_text()} if part.exists() else seen


# --- planning ------------------------------------------------------------------------------------------------------


def plan(fault: str, target: dict[str, Any], params: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """What `gameday.faults.planning:plan` is to the engine: here every fault is one on a folder."""
    world, name = target["settings"]["world"], context["fault"]
    time.sleep(params.get("planning", 0.0))
    if params.get("refuse"):
        raise ValueError("no such target")
    if params.get("garbage"):
        return {"summary": name}

    def call(what: str, timeout: float) -> dict[str, Any]:
        return {"name": f"calls:{what}", "args": {"world": world, "name": name}, "timeout": timeout}

    return {
        "summary": name,
        "targets": [name],
        "objects": [name],
        "inject": call(params.get("inject", "inject"), 50.0),
        "undo": call(params.get("undo", "undo"), 2.0),
        "effective": None,
        "recovered": call("gone", 1.0),
        "commands": [f"rm {name}"],
        "standing": call(params["standing"], 2.0) if "standing" in params else None,
    }
