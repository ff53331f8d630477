"""Whether the sandbox that a fault was done to still runs. One that doesn't took all its faults along.

Without this a fault would be reported as leaked for ever once its sandbox was taken down, or the machine restarted:
its proxy never answers again. For other targets silence proves nothing, and there is no such shortcut.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from gameday.engine.ports import Json
from gameday.faults.processes import state

Home = Mapping[str, Json]
"""`{"state_dir", "control"}` of a sandbox; None for a target of another kind."""

GONE = "the sandbox that this was done to doesn't run any more"


def home(target: Mapping[str, Json]) -> dict[str, Json] | None:
    """How the target can be recognised later, if it is a sandbox."""
    if target["kind"] != "sandbox":
        return None
    settings = target["settings"]
    return {"state_dir": str(settings["state_dir"]), "control": str(settings["control"])}


def is_gone(home: Home | None) -> bool:
    """True only where that is certain: no sandbox is in that directory, or another one, or its supervisor is dead."""
    if home is None:
        return False
    try:
        found = json.loads((Path(home["state_dir"]) / "sandbox.json").read_text(encoding="utf-8"))
        return found["control"] != home["control"] or state(int(found["pid"]), int(found["start"])) is None
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError, OSError):
        return False
