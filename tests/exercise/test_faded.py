"""A fault that somebody took away while it was to last."""

from __future__ import annotations

from gameday.engine.decide import verdict
from gameday.exercise import events as ev

from .journal import exercise, fault

EFFECTIVE = fault("dark", 10)
OVER = fault("dark", 10, undo=60, recovered=61)[4:]


def test_it_is_undone_in_its_time_all_the_same_and_told_with_the_end() -> None:
    faded = exercise(*EFFECTIVE, (20, ev.FaultFaded("dark", "gone")), attended=False)
    assert faded.faults["dark"].live, "only its undo makes sure"
    ended = exercise(*EFFECTIVE, (20, ev.FaultFaded("dark", "gone")), *OVER, attended=False)
    assert ended.faults["dark"].stage == "recovered" and ended.faults["dark"].faded is not None
    assert (verdict(ended).exit_code, verdict(ended).reason) == (
        0,
        "done as hoped; fault 'dark' did not stand to its end",
    )


def test_one_that_came_back_stood_and_one_that_is_being_undone_does_not_fade() -> None:
    again = exercise(*EFFECTIVE, (20, ev.FaultFaded("dark", "gone")), (30, ev.FaultStandsAgain("dark", "")), *OVER)
    assert again.faults["dark"].faded is None and verdict(again).reason == "done as hoped"
    late = exercise(*EFFECTIVE, *OVER, (70, ev.FaultFaded("dark", "gone")))
    assert late.faults["dark"].faded is None
