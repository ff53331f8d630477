"""How long a debrief takes, and that it grows with its events and no faster.

Prints, for 2,500 to 20,000 events: seconds from records in memory to all three formats, seconds for each 1,000 events
and that as a ratio to the smallest; then the whole process (interpreter, imports, reading the records, three files) for
10,000. Times are the best of several runs; processor time stands beside, since a busy machine spoils wall time.

    python benchmarks/debrief.py
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gameday.exercise import events as ev
from gameday.exercise.record import Record, from_json, to_json

SIZES = (2_500, 5_000, 10_000, 20_000)
RUNS = 5
LIMIT = 1.0
"""Seconds that a debrief of 10,000 events may take."""

_SCENARIO: dict[str, Any] = {
    "version": 1,
    "title": "Payments go dark",
    "severity": "SEV2",
    "timeline": [
        {"id": "dark", "at": "10s", "fault": "dependency-outage", "with": {"service": "payments"}, "for": "2h"},
        {"id": "call", "at": "1m", "inject": "Support calls."},
    ],
    "expect": [{"milestone": "acknowledged", "within": "5m"}, {"update": "stakeholders", "every": "20m"}],
    "abort_when": [
        {"name": f"condition {n}", "measure": "error-rate", "above": 0.5, "every": "1s", "no_data": "ok"}
        for n in range(4)
    ],
}


def journal(size: int) -> list[Record]:
    """An attended exercise of `size` events: mostly samples, and a person who writes a note at every twentieth."""
    records: list[Record] = []

    def add(clock: float, event: ev.Event, actor: str = "") -> None:
        wall = 1_795_000_000.0 + clock
        records.append(Record(len(records) + 1, wall, clock, wall, 1, "engine", actor, event))

    add(
        0,
        ev.ExerciseStarted("bench", "bench", "bench.yaml", _SCENARIO, "0" * 64, {"name": "sandbox"}, True, 1, 0.0, ""),
    )
    add(1, ev.TimelineStarted())
    add(2, ev.FaultArmed("dark", "dependency-outage", {"summary": "dark", "targets": ["payments"]}, False, 7200.0))
    add(3, ev.FaultInjecting("dark"))
    add(4, ev.FaultEffective("dark", "refused"))
    for n in range(size - 9):
        clock = 5 + n * 0.25
        if n % 20 == 0:
            add(clock, ev.NoteTaken(f"Saw number {n}: checkout still answers with errors.", "observation"), "Ada")
        elif n % 500 == 7:
            add(clock, ev.AlertSeen("CheckoutErrors", "firing" if n % 1000 == 7 else "resolved"))
        elif n % 1000 == 11:
            add(clock, ev.NoteTaken("Still looking.", "update", "stakeholders"), "Ada")
        else:
            state = "breaching" if n % 97 == 0 else "ok"
            add(clock, ev.ConditionSampled(f"condition {n % 4}", state, 0.1 + (n % 41) / 100))
    end = 5 + size * 0.25
    add(end, ev.MilestoneReached("mitigated"), "Ada")
    add(end + 1, ev.UndoSent("dark", 1))
    add(end + 2, ev.FaultRecovered("dark", "answers"))
    add(end + 3, ev.ExerciseEnded("completed", 0, ""))
    return records


def best(records: list[Record], directory: Path) -> tuple[float, float]:
    """(wall, processor) seconds of the quickest of `RUNS`, files on disk included."""
    from gameday.debrief.write import write_debrief

    taken = []
    for _ in range(RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        write_debrief(records, directory)
        taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in taken), min(cpu for _, cpu in taken)


_CHILD = """
import json, sys
from pathlib import Path
from gameday.debrief.write import write_debrief
from gameday.exercise.record import from_json
records = [from_json(json.loads(line)) for line in open(sys.argv[1], encoding="utf-8")]
write_debrief(records, Path(sys.argv[2]))
"""


def whole_process(records: list[Record], directory: Path) -> tuple[list[float], float]:
    """Wall seconds of `RUNS` fresh processes, sorted; and the processor seconds of the cheapest."""
    source = directory / "journal.jsonl"
    source.write_text("".join(json.dumps(to_json(record)) + "\n" for record in records), encoding="utf-8")
    assert from_json(json.loads(source.read_text(encoding="utf-8").splitlines()[0])) == records[0]
    taken, cpu = [], []
    for _ in range(RUNS):
        start, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", _CHILD, str(source), str(directory)], check=True)
        taken.append(time.perf_counter() - start)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
    return sorted(taken), min(cpu)


def main() -> int:
    """Print the table; 1 where the limit is missed."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        best(journal(500), directory)
        print("events    wall s     cpu s   s/1,000 events (cpu)   ratio   HTML MB")
        first = 0.0
        for size in SIZES:
            wall, cpu = best(journal(size), directory)
            each = cpu / size * 1000
            first = first or each
            html = next(directory.glob("*.html")).stat().st_size / 1e6
            print(f"{size:>6} {wall:>9.3f} {cpu:>9.3f} {each:>22.4f} {each / first:>7.2f} {html:>9.2f}")
        taken, cpu = whole_process(journal(10_000), directory)
        print(
            f"whole process, 10,000 events: p50 {taken[len(taken) // 2]:.3f} s, best {taken[0]:.3f} s, "
            f"worst {taken[-1]:.3f} s, processor {cpu:.3f} s (limit {LIMIT} s)"
        )
    return 0 if taken[len(taken) // 2] <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
