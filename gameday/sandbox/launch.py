"""Starts one of the sandbox's processes. Nothing here knows what it does; how it begins its life is `child`'s."""

import os
import sys
from pathlib import Path

import gameday

# Where a supervised process finds its settings; the supervisor itself has none.
VARIABLE = "GAMEDAY_SANDBOX_PROCESS"


def start_python(module: str, variables: dict[str, str], log: Path, *, own_session: bool = False) -> int:
    """Start a module of this package as a process whose output goes to `log`; returns the pid.

    Third-party packages and the caller's folder are kept out of its way: it imports the standard library and this
    package only, so it starts fast and no file that happens to lie around can shadow a module.
    """
    root = str(Path(gameday.__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    path = root + os.pathsep + inherited if inherited else root
    log.parent.mkdir(parents=True, exist_ok=True)
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-S", "-P", "-m", module],
        {**os.environ, **variables, "PYTHONPATH": path},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=own_session and sys.platform == "linux",
    )
