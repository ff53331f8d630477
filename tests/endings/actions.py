"""Chaos Toolkit actions and probes of the kinds that hurt."""

from __future__ import annotations

import time
from typing import Any


def block(seconds: float) -> None:
    """Sit there and ignore whatever can be ignored."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(seconds)


def fail() -> None:
    raise RuntimeError("this action always fails")


def not_json() -> Any:
    return {"a set": {1, 2, 3}, "an object": object()}


def leave() -> None:
    raise SystemExit(0)


def nothing() -> None:
    return None
