"""The structured log of one instance: a JSON object per line, saying what failed and why.

The file is `logs/<instance>.log`; what the process says on standard error, a traceback should it crash, goes there
too. A file that grew big is renamed once and begun anew.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from gameday.sandbox.clock import wall
from gameday.sandbox.ledger import complain

_LARGEST = 8_000_000


def log_path(state_dir: Path, instance: str) -> Path:
    """Where an instance's log is."""
    return state_dir / "logs" / f"{instance}.log"


class Logbook:
    """Writes the log of one instance."""

    def __init__(self, state_dir: Path, service: str, instance: str, version: str) -> None:
        self._path = log_path(state_dir, instance)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._who = {"service": service, "instance": instance, "version": version}
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, level: str, event: str, **fields: Any) -> None:
        """Append a line. `level` is info, warning or error."""
        if self._size > _LARGEST:
            os.close(self._file)
            self._path.replace(self._path.with_suffix(".log.1"))
            self._open()
        now = wall()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        line = json.dumps({"time": moment, "level": level, **self._who, "event": event, **fields}).encode() + b"\n"
        try:
            self._size += os.write(self._file, line)
        except OSError as error:
            # Serving goes on without its log, say when the disk is full.
            complain(f"the log lost a line: {error}")
