"""Whose name stands beside what was asked, where `--by` says nothing."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """The user's name; `uid 10001` where that user has none, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
