"""What was done to the sandbox and when, as told by the processes it was done to.

Each process appends to a file of its own; nobody else writes there, so that a fault's adapter can be judged by what
arrived rather than by what it says of itself. This module writes and reads lines and says what still stands; it never
undoes anything.
"""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gameday.sandbox.clock import boot, wall

_KEEP_BELOW = 32_000_000


@dataclass(frozen=True)
class LedgerLine:
    """One thing that was done: `wall` in unix seconds, `boot` in seconds of CLOCK_BOOTTIME when it arrived."""

    wall: float
    boot: float
    process: str
    pid: int
    what: str
    detail: dict[str, Any] = field(default_factory=dict)


class Ledger:
    """An append-only file; one write per line, so that a kill never leaves half a line behind."""

    def __init__(self, state_dir: Path, process: str) -> None:
        folder = state_dir / "ledger"
        folder.mkdir(parents=True, exist_ok=True)
        self._process = process
        self._file = os.open(folder / f"{process}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, what: str, received: float | None = None, **detail: Any) -> None:
        """Append a line. `received` is when the request arrived (CLOCK_BOOTTIME seconds); now, if it isn't given."""
        now = boot()
        then = now if received is None else received
        line = {
            "wall": wall() - (now - then),
            "boot": then,
            "process": self._process,
            "pid": os.getpid(),
            "what": what,
            "detail": detail,
        }
        try:
            os.write(self._file, json.dumps(line).encode() + b"\n")
        except OSError as error:
            # A full disk must not keep anybody from undoing a fault: what was asked for is done all the same.
            complain(f"the ledger lost {line}: {error}")


def complain(text: str) -> None:
    """Say something on standard error, which is a log file on the same disk that may be full."""
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def read(state_dir: Path) -> list[LedgerLine]:
    """All lines of all processes, in the order of arrival. A line that a full disk cut short is left out."""
    lines = []
    for path in sorted((state_dir / "ledger").glob("*.jsonl")):
        for text in path.read_bytes().split(b"\n"):
            if not text.endswith(b"}"):
                continue
            try:
                lines.append(LedgerLine(**json.loads(text)))
            except (ValueError, TypeError):
                continue
    return sorted(lines, key=lambda line: line.boot)


def put_aside(state_dir: Path) -> None:
    """Move the ledger to `ledger.old` if it is of another boot of the machine (its times mean nothing now) or too
    big.
    """
    folder = state_dir / "ledger"
    if not folder.is_dir():
        return
    size = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    lines = read(state_dir) if size < _KEEP_BELOW else []
    if size < _KEEP_BELOW and (not lines or lines[-1].boot <= boot()):
        return
    old = state_dir / "ledger.old"
    if old.is_dir():
        for path in old.iterdir():
            path.unlink()
        old.rmdir()
    folder.rename(old)


def standing(lines: Iterable[LedgerLine]) -> list[str]:
    """The disturbances that by the ledger are still in place, each in words, oldest first.

    Toxics, disabled proxies, frozen instances and error rates. A proxy that died took its toxics along; a sandbox that
    was started anew has none.
    """
    found: dict[tuple[str, ...], str] = {}

    def forget(*key: str) -> None:
        for known in [known for known in found if known[: len(key)] == key]:
            del found[known]

    for line in lines:
        detail = line.detail
        match line.what:
            case "sandbox-starting" | "sandbox-down":
                found.clear()
            case "toxic-added" | "toxic-updated":
                key = ("proxy", detail["proxy"], "toxic", detail["toxic"])
                found[key] = f"toxic {detail['toxic']} on proxy {detail['proxy']}"
            case "toxic-removed":
                forget("proxy", detail["proxy"], "toxic", detail["toxic"])
            case "proxy-disabled":
                found["proxy", detail["proxy"], "disabled"] = f"proxy {detail['proxy']} disabled"
            case "proxy-enabled":
                forget("proxy", detail["proxy"], "disabled")
            case "proxy-deleted":
                forget("proxy", detail["proxy"])
            case "proxy-process-started":
                forget("proxy")
            case "instance-frozen":
                found["frozen", detail["name"]] = f"instance {detail['name']} frozen"
            case "instance-thawed":
                forget("frozen", detail["name"])
            case "instance-exited":
                forget("frozen", detail["name"])
                if detail["service"] == "proxy":
                    forget("proxy")
            case "error-rate-set" if line.process == "supervisor":
                found["error-rate", detail["id"]] = f"error rate {detail['id']} on {detail['service']}"
            case "error-rate-cleared" if line.process == "supervisor":
                forget("error-rate", detail["id"])
            case _:
                pass
    return list(found.values())
