"""Whether a fault can be felt at a service's address: by requests, and not by anybody's word."""

from __future__ import annotations

import math
from typing import TypedDict

from gameday.engine.ports import Json
from gameday.faults.declaration import verdict
from gameday.faults.kubernetes.reach import askable, reached
from gameday.faults.wire import knock

_LONGEST_WAIT = 0.8
_HANGS_AFTER = 0.4
_MOST_TRIES = 20


class Feeling(TypedDict):
    """What to look for. `slow`: seconds that an answer takes at least; None: that none comes."""

    door: str
    slow: float | None
    tries: int


def late(door: str | None, slow: float, share: float) -> Feeling | None:
    """That one of enough requests (by 99 %, at most 20) takes `slow` seconds, where a `share` of pods is late."""
    if door is None:
        return None
    tries = 1 if share >= 1 else min(_MOST_TRIES, math.ceil(math.log(0.01) / math.log(1 - share)))
    return {"door": door, "slow": slow, "tries": tries}


def silent(door: str | None) -> Feeling | None:
    """That nothing answers; a gateway that says that it can't reach it counts as none."""
    return {"door": door, "slow": None, "tries": 1} if door is not None and askable(door) else None


def felt(feeling: Feeling) -> dict[str, Json]:
    """Whether it is so, as `{"holds", "evidence"}`."""
    from concurrent.futures import ThreadPoolExecutor

    door, slow, tries = feeling["door"], feeling["slow"], feeling["tries"]
    if slow is None:
        answers, words = reached(door, _HANGS_AFTER)
        return verdict(not answers, f"{door}: {words}")
    patience = max(0.01, min(slow, _LONGEST_WAIT))
    with ThreadPoolExecutor(tries) as pool:
        all_met = list(pool.map(knock, [door] * tries, [patience] * tries))
    slowest = max(all_met, key=lambda each: each.took)
    holds = slowest.outcome in ("answered", "silent") and slowest.took >= patience * 0.95
    return verdict(holds, f"of {tries} asked at {door} the slowest was {slowest.words()}")
