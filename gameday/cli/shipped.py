"""Where the scenarios that ship are: package data in a wheel, the project's own folder in a checkout."""

from __future__ import annotations

from pathlib import Path

import gameday
from gameday.errors import UsageError


def shipped_scenarios() -> Path:
    """The folder with `sandbox/` and `tabletop/`."""
    package = Path(gameday.__file__).parent
    for folder in (package / "shipped" / "scenarios", package.parent / "scenarios"):
        if folder.is_dir():
            return folder
    raise UsageError(f"this installation of gameday lacks its scenarios (looked beside {package}); install it again")
