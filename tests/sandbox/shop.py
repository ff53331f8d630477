"""What tests ask of a running sandbox, in few words."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from gameday.sandbox import control
from gameday.sandbox.ledger import LedgerLine, read, standing
from gameday.sandbox.metrics import plain_values

Found = TypeVar("Found")

# Made once, since making one takes longer than a request; a connection for each request, as a shopper has.
http = httpx.Client(timeout=5, limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)


def eventually(look: Callable[[], Found], within: float = 10.0) -> Found:
    """What `look` returns as soon as that is true. Fails with what it said last if it isn't within so many seconds."""
    deadline = time.monotonic() + within
    while True:
        found: Any
        try:
            found = look()
        except (httpx.HTTPError, control.SandboxError) as error:
            found = None
            said: object = error
        else:
            said = found
        if found:
            return found
        assert time.monotonic() < deadline, f"still {said!r} after {within} s"
        time.sleep(0.02)


def processes_of(folder: Path) -> list[int]:
    """The live processes that carry this state directory in their environment."""
    marker = f"GAMEDAY_SANDBOX={folder.resolve()}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid() and _state(pid) not in ("Z", "X", "")]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


class Shop:
    """A sandbox under test."""

    def __init__(self, sandbox: control.Sandbox) -> None:
        self.sandbox = sandbox
        self.state_dir = sandbox.state_dir

    def buy(self) -> httpx.Response:
        """One purchase at the storefront, through the proxy."""
        return http.post(self.sandbox.storefront + "/buy", json={"item": "umbrella"})

    def sells(self) -> httpx.Response:
        """A purchase that succeeds. On a busy machine one may fail for lack of time alone, so it is tried again."""
        return eventually(lambda: (answer := self.buy()).status_code == 200 and answer)

    def fails(self, cause: str) -> httpx.Response:
        """A purchase that fails for this cause."""
        return eventually(lambda: cause in (answer := self.buy()).json().get("cause", "") and answer)

    def proxy(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request to the proxy's API."""
        return http.request(method, self.sandbox.proxy + path, json=body)

    def control(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request to the supervisor's API."""
        return http.request(method, self.sandbox.control + path, json=body)

    def status(self) -> dict[str, Any]:
        """What the supervisor knows."""
        return control.status(self.sandbox)

    def service(self, name: str) -> dict[str, Any]:
        """What the supervisor knows of a service."""
        found: dict[str, Any] = self.status()["services"][name]
        return found

    def instances(self, name: str) -> list[dict[str, Any]]:
        """The instances of a service."""
        return control.instances(self.sandbox, name)

    def is_whole(self) -> bool:
        """Whether all that is wanted is ready."""
        return all(one["ready"] == one["desired"] for one in self.status()["services"].values())

    def lines(self) -> list[LedgerLine]:
        """The ledger."""
        return read(self.state_dir)

    def standing(self) -> list[str]:
        """What by the ledger is still in place."""
        return standing(self.lines())

    def wrote(self, what: str, since: float = 0.0, **detail: Any) -> list[LedgerLine]:
        """The ledger's lines of that kind since a moment of CLOCK_BOOTTIME, having those details."""
        return [
            line
            for line in self.lines()
            if line.what == what and line.boot >= since and detail.items() <= line.detail.items()
        ]

    def seen_by_shoppers(self) -> dict[str, float]:
        """The load generator's metrics."""
        return plain_values(http.get(self.sandbox.metrics).text)

    def alerts(self) -> dict[str, dict[str, Any]]:
        """The active alerts by name and service."""
        found = http.get(self.sandbox.alertmanager + "/api/v2/alerts").json()
        return {f"{one['labels']['alertname']}/{one['labels']['service']}": one for one in found}

    def make_whole(self) -> None:
        """Undo whatever a test did, and wait until all are ready."""
        for service in self.status()["services"].values():
            for one in service["instances"]:
                if one["state"] == "frozen":
                    os.kill(one["pid"], signal.SIGCONT)
        eventually(lambda: self.proxy("POST", "/reset").status_code == 204)
        for fault in self.status()["faults"]:
            self.control("DELETE", f"/faults/error-rate/{fault['id']}")
        for name, on in self.status()["flags"].items():
            if on:
                control.flag(self.sandbox, name, False)
        for name, wanted in {"storefront": 1, "checkout": 2, "payments": 1, "inventory": 1}.items():
            if self.service(name)["desired"] != wanted:
                control.scale(self.sandbox, name, wanted)
        if self.service("payments")["version"] != "v2":
            control.rollback(self.sandbox, "payments", "v2")
        eventually(self.is_whole)
        self.sells()
