"""Ids of exercises: they sort by time, can be read out on a call and typed without a mistake."""

from __future__ import annotations

import os
import time

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without 0/o and 1/i/l, which look alike."""


def new_exercise_id(now: float) -> str:
    """E.g. `20261120-2304-k3f9`; `now` in unix seconds, the id in UTC (local time runs backwards once a year)."""
    return time.strftime("%Y%m%d-%H%M-", time.gmtime(now)) + "".join(_letter() for _ in range(4))


def _letter() -> str:
    """One of the alphabet, each as likely as the other; `secrets` would take longer to import than a run can wait."""
    while (number := os.urandom(1)[0] & 31) >= len(ALPHABET):
        pass
    return ALPHABET[number]
