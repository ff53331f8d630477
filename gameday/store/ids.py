"""Ids of exercises: they sort by time, can be read out on a call and typed without a mistake."""

from __future__ import annotations

import secrets
import time

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without 0/o and 1/i/l, which look alike."""


def new_exercise_id(now: float) -> str:
    """E.g. `20261120-2304-k3f9`; `now` in unix seconds, the id in UTC (local time runs backwards once a year)."""
    return time.strftime("%Y%m%d-%H%M-", time.gmtime(now)) + "".join(secrets.choice(ALPHABET) for _ in range(4))
