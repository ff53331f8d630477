"""Starts one of the sandbox's processes, and is the script that such a process begins with.

A process of the sandbox imports the standard library and this package only, and must start fast. So Python runs
isolated and without site-packages; nothing in the environment or in the caller's folder can shadow a module. How a
process begins its life is `child`'s.
"""

import os
import sys
from pathlib import Path

# Where a supervised process finds its settings; the supervisor itself has none.
VARIABLE = "GAMEDAY_SANDBOX_PROCESS"


def start_python(module: str, label: str, variables: dict[str, str], log: Path, *, own_session: bool = False) -> int:
    """Start a module of the sandbox as a process whose output goes to `log`; returns the pid.

    The label is shown by `ps`. With `own_session` it is out of reach of the caller's terminal.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", __file__, f"gameday.sandbox.{module}", label],
        {**os.environ, **variables},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=own_session and sys.platform == "linux",
    )


def _begin() -> None:
    # Last in the path: nothing that lies beside the package may stand in for a module of the standard library.
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    # Nothing here speaks TLS, and asyncio does without; loading it takes a tenth of the start.
    sys.modules["ssl"] = None  # type: ignore[assignment]
    from importlib import import_module

    import_module(sys.argv[1]).start()


if __name__ == "__main__":
    _begin()
