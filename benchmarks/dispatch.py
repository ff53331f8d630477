"""How late entries of the timeline are dispatched: 200 injects, ten in a second and some at the same instant, while 20
abort conditions ask the target once a second each.

From the journal alone: the clock at which an inject was delivered, less the clock at which it was due.
"""

from __future__ import annotations

import random
from typing import Any

from benchmarks.exercises import HEALTH, exercise, scenario
from benchmarks.figures import Figure, talk
from benchmarks.lab import Lab
from gameday.exercise import events as ev

ROUNDS = 5
LIMIT = 0.020
ENTRIES = 200
PROBES = 20
A_SECOND = 10


def measure(rounds: int, quick: bool) -> list[Figure]:
    entries = 20 if quick else ENTRIES
    late: list[float] = []
    for number in range(rounds):
        late += once(entries, seed=number)
        talk(f"  dispatch: round {number + 1} of {rounds}: latest so far {max(late) * 1000:.1f} ms")
    return [Figure(f"due → dispatched, {entries} entries, {PROBES} probes, {rounds} exercises", late, LIMIT)]


def once(entries: int, *, seed: int) -> list[float]:
    """One exercise; for each entry, seconds from due to delivered."""
    with exercise(lambda lab: _document(lab, entries, seed)) as (lab, running):
        running.finish(0, within=60.0 + entries / A_SECOND)
        delivered = [each for each in running.records() if isinstance(each.event, ev.InjectDelivered)]
        asked = len(lab.lines("GET", "/health"))
        found = [each.clock - each.event.due_clock for each in delivered if each.event.due_clock is not None]  # type: ignore[union-attr]
    if len(found) != entries:
        raise RuntimeError(f"{len(found)} of {entries} entries were delivered")
    if asked < PROBES * entries / A_SECOND * 0.8:
        raise RuntimeError(f"only {asked} questions reached the target: the probes did not keep up")
    return found


def _document(lab: Lab, entries: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    # In steps of 50 ms, so that some fall together.
    times = sorted(chance.randrange(20 * entries // A_SECOND) * 50 for _ in range(entries))
    timeline = [{"at": f"{at}ms", "inject": f"Number {number}: the phone rings."} for number, at in enumerate(times)]
    probes = [{**HEALTH, "name": f"health {number}", "every": "1s"} for number in range(PROBES)]
    return scenario(*timeline, abort_when=probes)
