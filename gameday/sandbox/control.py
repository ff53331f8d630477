"""Brings a sandbox up and down, finds the one that runs, and asks it to do things. The Python side of `gameday
sandbox`.

Standard library only, and quick to import: the engine and the command line stand on it. What the shop does is not here.

    SandboxError
    ├── NotRunning      there is no sandbox in that state directory
    └── Refused         the sandbox says that the request makes no sense (an unknown name, say)
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gameday.sandbox.launch import start_python
from gameday.sandbox.processes import carrying, is_alive, start_ticks


class SandboxError(Exception):
    """Something about the sandbox went wrong; the message says what and what to do."""


class NotRunning(SandboxError):
    """There is no sandbox in that state directory."""


class Refused(SandboxError):
    """The sandbox refused the request; the message is its own. `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that runs, and where its parts answer. The services' addresses lead through the proxy."""

    state_dir: Path
    info: dict[str, Any]

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return int(self.info["pid"])

    @property
    def start(self) -> int:
        """When the supervisor started, in clock ticks after boot."""
        return int(self.info["start"])

    @property
    def control(self) -> str:
        """The supervisor's control API."""
        return str(self.info["control"])

    @property
    def proxy(self) -> str:
        """The proxy's API, which is Toxiproxy's."""
        return str(self.info["proxy"])

    @property
    def storefront(self) -> str:
        """The storefront; its `/` is the status page."""
        return str(self.info["storefront"])

    @property
    def checkout(self) -> str:
        """Checkout, through the proxy."""
        return str(self.info["checkout"])

    @property
    def payments(self) -> str:
        """Payments, through the proxy."""
        return str(self.info["payments"])

    @property
    def inventory(self) -> str:
        """Inventory, through the proxy."""
        return str(self.info["inventory"])

    @property
    def load(self) -> str:
        """The load generator."""
        return str(self.info["load"])

    @property
    def alertmanager(self) -> str:
        """The alerts, in Alertmanager's form."""
        return str(self.info["alertmanager"])

    @property
    def metrics(self) -> str:
        """The load generator's metrics page: the shop as shoppers see it."""
        return str(self.info["metrics"])


def default_state_dir() -> Path:
    """$GAMEDAY_SANDBOX, or `gameday/sandbox` below $XDG_STATE_HOME or ~/.local/state."""
    named = os.environ.get("GAMEDAY_SANDBOX")
    if named:
        return Path(named)
    state_home = os.environ.get("XDG_STATE_HOME")
    return (Path(state_home) if state_home else Path.home() / ".local" / "state") / "gameday" / "sandbox"


def _folder(state_dir: Path | None) -> Path:
    return Path(state_dir or default_state_dir()).expanduser().resolve()


def find(state_dir: Path | None = None) -> Sandbox | None:
    """The sandbox that runs there, or None. What a killed one left behind is not taken for one."""
    folder = _folder(state_dir)
    try:
        info = json.loads((folder / "sandbox.json").read_text(encoding="utf-8"))
        sandbox = Sandbox(folder, info)
        return sandbox if is_alive(sandbox.pid, sandbox.start) else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise SandboxError(f"{folder / 'sandbox.json'} is damaged ({error}): delete it") from error


def running(state_dir: Path | None = None) -> Sandbox:
    """The sandbox that runs there. Raises NotRunning."""
    sandbox = find(state_dir)
    if sandbox is None:
        raise NotRunning(f"no sandbox runs in {_folder(state_dir)}: start one with `gameday sandbox up`")
    return sandbox


def up(
    state_dir: Path | None = None, *, wait: float = 20.0, on_progress: Callable[[str], None] | None = None
) -> tuple[Sandbox, bool]:
    """The sandbox in that state directory, started if there was none, and whether this call started it.

    Returns when every process serves. Raises SandboxError if that takes longer than `wait` seconds; then nothing of
    it is left running. The sandbox outlives the caller: it goes down by `down`.
    """
    folder = _folder(state_dir)
    deadline = time.monotonic() + wait
    say = on_progress or (lambda text: None)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SandboxError(f"can't keep the sandbox's state in {folder}: {error.strerror}") from error
    with _starting(folder, deadline):
        found = find(folder)
        if found is not None:
            return found, False
        say("starting the shop")
        return _start(folder, deadline, say), True


@contextmanager
def _starting(folder: Path, deadline: float) -> Iterator[None]:
    """Only one starts a sandbox at a time; the others wait for it."""
    lock = os.open(folder / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SandboxError(f"somebody else is still starting the sandbox in {folder}: try again") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(lock)


def _coming_up(folder: Path) -> tuple[int, int] | None:
    """Pid and start of the supervisor that runs there, up or not; None if none does.

    Whoever started it may have been killed before it was up.
    """
    try:
        known = json.loads((folder / "supervisor.lock").read_text(encoding="utf-8"))
        pid, start = int(known["pid"]), int(known["start"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return (pid, start) if is_alive(pid, start) else None


def _start(folder: Path, deadline: float, say: Callable[[str], None]) -> Sandbox:
    log = folder / "logs" / "supervisor.log"
    begun = time.monotonic()
    orphan = _coming_up(folder)
    if orphan is not None:
        _kill(*orphan)
        while is_alive(*orphan):
            _pause_until(deadline, f"a sandbox that was never up (pid {orphan[0]}) doesn't go")
    pid = start_python("supervisor", str(folder), {"GAMEDAY_SANDBOX": str(folder)}, log, own_session=True)
    start = start_ticks(pid)
    while True:
        found = find(folder)
        if found is not None and found.pid == pid:
            say(f"the shop is open after {time.monotonic() - begun:.1f} s: {found.storefront}/")
            return found
        if not is_alive(pid, start):
            _reap(pid)
            raise SandboxError(f"the sandbox's supervisor ended at its start; {_last_words(log)}")
        if time.monotonic() > deadline:
            _kill(pid, start)
            raise SandboxError(f"the sandbox was not up in time and has been stopped; see the logs in {log.parent}")
        time.sleep(0.005)


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return f"its last words in {log}: {lines[-1]}" if lines else f"{log} is empty"


def claimed(state_dir: Path | None = None) -> dict[str, str] | None:
    """Whose the sandbox is: `exercise` and `store` as its claim names them, or None where no exercise has a claim.

    A claim is a lock that the kernel holds for an exercise's guardian and undo workers, whatever store they write to.
    """
    for path in _folder(state_dir).glob("target-*.lock"):
        try:
            lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                named = dict(json.loads(os.read(lock, 10_000)))
            except (ValueError, TypeError):
                # Claimed in this very moment, or on a full disk.
                named = {}
            return {name: str(named.get(name, "")) for name in ("exercise", "store")}
        finally:
            os.close(lock)
    return None


def down(state_dir: Path | None = None, *, wait: float = 10.0) -> bool:
    """Take the sandbox down, and return when none of its processes is left. False if none ran.

    A supervisor that doesn't answer is killed, and with it the rest. Raises SandboxError if something is left after
    `wait` seconds.
    """
    folder = _folder(state_dir)
    deadline = time.monotonic() + wait
    if not folder.is_dir():
        return False
    with _starting(folder, deadline):
        return _take_down(folder, wait, deadline)


def _take_down(folder: Path, wait: float, deadline: float) -> bool:
    sandbox = find(folder)
    orphan = _coming_up(folder)
    if sandbox is None and orphan is not None:
        _kill(*orphan)
    if sandbox is not None:
        try:
            _ask(sandbox, "POST", "/down", {}, timeout=min(3.0, wait / 2))
        except SandboxError:
            _kill(sandbox.pid, sandbox.start)
        while is_alive(sandbox.pid, sandbox.start):
            if time.monotonic() > deadline - wait / 2:
                _kill(sandbox.pid, sandbox.start)
            _pause_until(deadline, f"the sandbox's supervisor (pid {sandbox.pid}) doesn't go")
        _reap(sandbox.pid)
    while left := carrying(f"GAMEDAY_SANDBOX={folder}", "gameday.sandbox."):
        _pause_until(deadline, f"processes of the sandbox are left: {', '.join(map(str, left))}")
    (folder / "sandbox.json").unlink(missing_ok=True)
    return sandbox is not None or orphan is not None


def _pause_until(deadline: float, complaint: str) -> None:
    if time.monotonic() > deadline:
        raise SandboxError(complaint)
    time.sleep(0.005)


def _kill(pid: int, start: int) -> None:
    if is_alive(pid, start):
        os.kill(pid, signal.SIGKILL)
    _reap(pid)


def _reap(pid: int) -> None:
    """Take in the supervisor's end if it was started by this very process; else somebody else does."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _ask(sandbox: Sandbox, method: str, path: str, body: Any = None, *, timeout: float = 10.0) -> Any:
    # Imported here: it takes longer than the rest of this module together.
    import http.client
    from urllib.parse import urlsplit

    url = urlsplit(sandbox.control)
    connection = http.client.HTTPConnection(url.hostname or "127.0.0.1", url.port, timeout=timeout)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Connection": "close"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SandboxError(
            f"the sandbox in {sandbox.state_dir} doesn't answer at {sandbox.control}: {error}"
        ) from error
    finally:
        connection.close()
    if response.status >= 400:
        raise Refused(str(answer["error"]), response.status)
    return answer


def status(sandbox: Sandbox) -> dict[str, Any]:
    """What the supervisor knows: services with their instances, flags, deploys, faults. Raises SandboxError."""
    answer: dict[str, Any] = _ask(sandbox, "GET", "/status")
    return answer


def instances(sandbox: Sandbox, service: str) -> list[dict[str, Any]]:
    """The instances of a service (or of `proxy`, `load`, `alerts`). Raises Refused for a name that nothing has."""
    from urllib.parse import quote

    answer: list[dict[str, Any]] = _ask(sandbox, "GET", f"/instances?service={quote(service)}")["instances"]
    return answer


def scale(sandbox: Sandbox, service: str, replicas: int) -> dict[str, Any]:
    """Have so many instances of a service. Raises Refused."""
    answer: dict[str, Any] = _ask(sandbox, "POST", "/scale", {"service": service, "replicas": replicas})
    return answer


def flag(sandbox: Sandbox, name: str, on: bool) -> dict[str, Any]:
    """Turn a feature flag on or off. Raises Refused."""
    answer: dict[str, Any] = _ask(sandbox, "POST", "/flags", {"name": name, "on": on})
    return answer


def rollback(sandbox: Sandbox, service: str, to: str | None = None) -> dict[str, Any]:
    """Go back to the version of a service before this one, or to the one said; returns when it serves.

    In the answer `before` is `version` where it stayed as it was: there is none before the earliest, and asking twice
    does not lead forward again. `versions`: all there are, the earliest first. Raises Refused.
    """
    body = {"service": service} if to is None else {"service": service, "to": to}
    answer: dict[str, Any] = _ask(sandbox, "POST", "/rollback", body)
    return answer


def logs(sandbox: Sandbox, service: str, follow: bool = False) -> Iterator[str]:
    """The log lines of all instances of a service that there were, in the order of time, without line ends.

    With `follow` it goes on with what is being written, until the sandbox is gone. Raises Refused for an unknown name.
    """
    instances(sandbox, service)
    folder = sandbox.state_dir / "logs"
    offsets: dict[Path, int] = {}
    while True:
        alive = is_alive(sandbox.pid, sandbox.start)
        lines: list[tuple[str, str]] = []
        for path in sorted({*folder.glob(f"{service}-*.log"), *folder.glob(f"{service}.log")}):
            size = path.stat().st_size
            # A file smaller than before was begun anew.
            offset = found if (found := offsets.get(path, 0)) <= size else 0
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read()
            whole = data.rfind(b"\n") + 1
            offsets[path] = offset + whole
            moment = ""
            for line in data[:whole].decode(errors="replace").splitlines():
                # A line begins with its time; what doesn't (a traceback) stays with the line before it.
                moment = line[:40] if line.startswith('{"time"') else moment
                lines.append((moment, line))
        yield from (line for _, line in sorted(lines, key=lambda pair: pair[0]))
        if not follow or not alive:
            return
        time.sleep(0.1)
