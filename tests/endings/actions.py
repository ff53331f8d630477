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


def keep_setting(url: str) -> None:
    """Leave a process in a session of its own behind that sets a state of the target again and again."""
    import subprocess
    import sys

    again = (
        "import sys, time, urllib.request as r\n"
        "while True:\n"
        "    r.urlopen(r.Request(sys.argv[1], b'again', method='PUT'), timeout=5).read()\n"
        "    time.sleep(0.05)\n"
    )
    subprocess.Popen([sys.executable, "-c", again, url], start_new_session=True)


def tell(url: str, secrets: dict[str, str]) -> dict[str, str]:
    """Hand the secrets to the target, and print, log and return them, as an extension might."""
    import logging
    import sys
    import urllib.parse
    import urllib.request

    for one in secrets.values():
        request = urllib.request.Request(f"{url}?{urllib.parse.urlencode({'is': one})}", method="PUT")
        try:
            urllib.request.urlopen(request, timeout=5).read()
        except urllib.request.HTTPError:
            continue  # it is in the ledger, and that is all that is wanted
    logging.getLogger("chaostoolkit").error("the secrets are %s", secrets)
    sys.stdout.write(str(secrets))
    return secrets


def raise_secrets(secrets: dict[str, str]) -> None:
    raise ValueError(f"can't log in with {secrets}")
