"""Whether the sandbox that a fault was done to still runs. One that doesn't took all its faults along.

Without this a fault would be reported as leaked for ever once its sandbox was taken down, or the machine restarted:
its proxy never answers again. For other targets silence proves nothing, and there is no such shortcut.

A sandbox is reached on its own host alone. From another host, or another container, nothing answers either, and none of
its processes is to be seen: that proves nothing, so there the undo fails, and says where it can be done.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from gameday.engine.ports import Json
from gameday.engine.processes import boot_id
from gameday.faults.processes import state

Home = Mapping[str, Json]
"""Of a sandbox `{"state_dir", "control", "host", "machine", "boot_id", "pid_namespace", "pid", "start"}`, the last two
of its supervisor and null where they were not known; None for a target of another kind."""

GONE = "the sandbox that this was done to doesn't run any more"


class CannotTell(RuntimeError):
    """From this host, or container, nobody can say whether the sandbox still runs, nor undo anything in it."""


def home(target: Mapping[str, Json]) -> dict[str, Json] | None:
    """How the target can be recognised later, if it is a sandbox. To be asked on the host where it runs."""
    if target["kind"] != "sandbox":
        return None
    settings = target["settings"]
    control = str(settings["control"])
    pid, start = _supervisor(Path(str(settings["state_dir"])), control)
    return {"state_dir": str(settings["state_dir"]), "control": control, **_here(), "pid": pid, "start": start}


def _supervisor(state_dir: Path, control: str) -> tuple[int | None, int | None]:
    try:
        found = json.loads((state_dir / "sandbox.json").read_text(encoding="utf-8"))
        if found["control"] == control:
            return int(found["pid"]), int(found["start"])
    except (ValueError, KeyError, TypeError, OSError):
        # Then it is not known, and nobody will ever take it for dead.
        pass
    return None, None


def _here() -> dict[str, str]:
    """What makes a pid mean the same process, and 127.0.0.1 the same machine."""
    return {
        "host": socket.gethostname(),
        "machine": _read(Path("/etc/machine-id")),
        "boot_id": boot_id(),
        "pid_namespace": _pid_namespace(),
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def check_here(home: Home | None) -> None:
    """Raise CannotTell where the sandbox's processes can't be seen. A plan that doesn't say where passes."""
    if home is None or "host" not in home:
        return
    here = _here()
    same_boot = bool(here["boot_id"]) and home["boot_id"] == here["boot_id"]
    same_machine = home["host"] == here["host"] and home["machine"] == here["machine"]
    if home["pid_namespace"] == here["pid_namespace"] and (same_boot or same_machine):
        return
    container = " in another container (process namespace)" if same_boot or same_machine else ""
    raise CannotTell(
        f"{_where(home)} on host {home['host']}{container}, and can't be seen from here: run `gameday recover` there"
    )


def _where(home: Home) -> str:
    return f"the sandbox in {home['state_dir']} was started"


def is_gone(home: Home | None) -> bool:
    """True only where that is certain: this is its host, and the machine was restarted or its supervisor is dead.

    Raises:
        CannotTell: it ran on another host or in another container, or the plan doesn't say where.
    """
    if home is None:
        return False
    if "host" not in home:
        raise CannotTell(
            f"the sandbox at {home['control']} does not answer, and its plan does not say on which host it runs: "
            "run `gameday recover` there"
        )
    check_here(home)
    if home["host"] != socket.gethostname():
        # The same boot under a new name: most likely renamed, and not certain enough to call a fault recovered.
        raise CannotTell(
            f"{_where(home)} on host {home['host']}, and this one is called {socket.gethostname()}: "
            "run `gameday recover` there"
        )
    if home["boot_id"] != boot_id():
        return True
    return home["pid"] is not None and home["start"] is not None and _dead(int(home["pid"]), int(home["start"]))


def _dead(pid: int, start: int) -> bool:
    if state(pid, start) is not None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    # Somebody has that number: its successor, where the kernel shows it; else it may be hidden from this user.
    return sys.platform != "linux" or Path(f"/proc/{pid}/stat").exists()
