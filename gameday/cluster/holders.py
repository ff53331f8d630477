"""Whether anybody of an exercise is left who may renew its claim, where this machine can tell.

Its guardian, its engine and its undo workers hold a lock on a file for as long as one of them lives: the kernel takes
it back with the last. What injects dies with the guardian. The claim says which file that is, on which boot of which
kernel. Where this is the same, and nobody has the lock, nobody of the exercise is left. Everywhere else nothing can be
told from it, and a claim is watched for as long as it lasts.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gameday.engine.processes import boot_id

LASTS = 60
"""Seconds after its last renewal for which a claim holds. An undo has this long by default too."""
HELD = "gameday.dev/held"
"""The annotation of a Lease that says so."""


def lock_of(descriptor: int, exercise: str) -> str:
    """The lock behind an open file, as `HELD` has it; "" where there is none, or that can't be said."""
    try:
        path, there = str(Path(f"/proc/self/fd/{descriptor}").readlink()), os.fstat(descriptor)
    except OSError:
        return ""
    said = {"exercise": exercise, "boot": boot_id(), "lock": path, "device": there.st_dev, "inode": there.st_ino}
    return json.dumps(said) if said["boot"] else ""


def nobody_left(thing: Mapping[str, Any]) -> bool:
    """Whether all who could renew the claim `thing` (a Lease) are dead for certain. Touches nothing."""
    try:
        said = json.loads((thing["metadata"].get("annotations") or {})[HELD])
        # Whoever took the claim over by other means may have left standing what was said of another.
        if said["exercise"] != thing["spec"]["holderIdentity"]:
            return False
        if not said["boot"] or said["boot"] != boot_id() or not _ours(said["lock"]):
            return False
        descriptor = os.open(said["lock"], os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (ValueError, KeyError, TypeError, OSError):
        return False
    try:
        there = os.fstat(descriptor)
        if (there.st_dev, there.st_ino) != (said["device"], said["inode"]):
            return False
        # Shared, so that two who ask in the same moment don't take each other for a living exercise.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (OSError, KeyError):
        return False
    finally:
        os.close(descriptor)
    return True


def _ours(path: str) -> bool:
    """Whether this may be such a file: what a cluster says is not to have just anything opened here."""
    name = Path(path).name
    return name.startswith("target-") and name.endswith(".lock") and stat.S_ISREG(os.lstat(path).st_mode)
