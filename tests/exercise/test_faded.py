"""A fault that somebody took away while it was to last."""

from __future__ import annotations

from gameday.engine.decide import verdict
from gameday.exercise import events as ev

from .journal import Step, exercise, fault

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
    assert again.faults["dark"].faded is None
    assert verdict(again).reason == "done as hoped; fault 'dark' did not stand for 10 s"
    late = exercise(*EFFECTIVE, *OVER, (70, ev.FaultFaded("dark", "gone")))
    assert late.faults["dark"].faded is None


def test_each_time_in_which_it_did_not_stand_is_kept() -> None:
    gone: list[Step] = [(20, ev.FaultFaded("dark", "gone")), (30, ev.FaultFaded("dark", "still gone"))]
    anew: list[Step] = [(40, ev.FaultStandsAgain("dark", "")), (45, ev.FaultFaded("dark", "made anew", replaced=True))]
    x = exercise(*EFFECTIVE, *gone, *anew, (50, ev.FaultStandsAgain("dark", "")), (52, ev.FaultFaded("dark", "x")))
    dark = x.faults["dark"]
    kept = [(gap.since.clock, gap.back.clock, gap.evidence, gap.replaced) for gap in dark.gaps]
    assert kept == [(20, 40, "still gone", False), (45, 50, "made anew", True)]
    assert dark.effective is not None
    stood = [(begin.clock, end and end.clock) for begin, end in dark.stood(None)]
    assert stood == [(dark.effective.clock, 20), (40, 45), (50, 52)]


def test_that_part_of_it_is_there_again_is_no_gap() -> None:
    x = exercise(*EFFECTIVE, (20, ev.FaultStandsAgain("dark", "all of it")), *OVER)
    assert x.faults["dark"].gaps == () and verdict(x).reason == "done as hoped"
