"""How long it took until what a fault touched was whole again, from what the target said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gameday.exercise import events as ev
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.exercise.wholeness import WholeAgain, is_news, whole_again

from .journal import START, Step, fault, started

SERVICES = {"web": {"namespace": "shop", "workload": "deployment/web"}, "api": {"namespace": "shop"}}
WEB = "deployment shop/web"


def seen(what: Any, text: str = "", thing: str = WEB, at: float | None = None) -> ev.TargetObserved:
    return ev.TargetObserved(what, thing, text, at, ["web"])


def cluster(*steps: Step) -> Exercise:
    """An exercise whose fault `dark` touches `web`, effective at 13 s unless the steps say otherwise."""
    timeline = [
        {"id": "dark", "at": "10s", "fault": "latency", "with": {"service": "web", "delay": "web2"}, "for": "5m"}
    ]
    begin = started(timeline=timeline)
    begin = replace(begin, target={**begin.target, "settings": {"services": SERVICES}})
    all_steps: list[Step] = [(0.0, begin), (0.0, ev.TimelineStarted()), *sorted(steps, key=lambda step: step[0])]
    return fold(
        Record(seq, START + clock, clock, START + clock, 1, "engine", "", event)
        for seq, (clock, event) in enumerate(all_steps, 1)
    )


def only(exercise: Exercise) -> WholeAgain:
    (one,) = whole_again(exercise)
    return one


def test_from_the_first_sign_of_impact_to_whole() -> None:
    early = only(cluster((0.1, seen("whole")), *fault("dark", 13.0), (12.5, seen("not_whole")), (20.0, seen("whole"))))
    assert (early.state, early.seconds, early.services) == ("whole again", 7.5, ("web",))
    late = only(cluster((0.1, seen("whole")), *fault("dark", 13.0), (14.5, seen("not_whole")), (20.0, seen("whole"))))
    assert (late.from_event, late.seconds) == ("fault dark confirmed effective", 7.0)


def test_the_last_breach_that_belongs_to_it_counts() -> None:
    steps = [(14.0, seen("not_whole")), (15.0, seen("whole")), (18.0, seen("not_whole")), (19.0, seen("whole", "so"))]
    after = [(40.0, seen("not_whole")), (41.0, seen("whole"))]
    found = only(cluster(*fault("dark", 13.0, undo=20.0, recovered=21.0), *steps, *after))
    assert (found.seconds, found.text) == (6.0, "not whole 2 times; the last time so")


def test_of_a_fault_that_strikes_again_and_again_it_is_the_longest_single_time() -> None:
    """From the first strike to the last breach it had been whole most of the time."""
    strikes: list[Step] = [(13.0, ev.FaultInjected("dark")), (23.0, ev.FaultRepeated("dark", "deleted web-2"))]
    strikes.append((33.0, ev.FaultRepeated("dark", "deleted web-3")))
    breaches: list[Step] = []
    for begun, took in ((13.5, 3.5), (23.0, 4.5), (33.0, 2.0)):
        breaches += [(begun, seen("not_whole", "2 of 3")), (begun + took, seen("whole", f"after {took:g} s"))]
    found = only(cluster(*fault("dark", 13.0, undo=40.0, recovered=41.0), *strikes, *breaches))
    assert (found.seconds, found.longest_of, found.from_event) == (4.5, 3, "2 of 3")
    assert found.text == "not whole 3 times; the longest time after 4.5 s"
    assert found.start is not None and found.start.clock == 23.0
    breaches[-1] = (33.5, seen("not_whole", "1 of 3"))
    last = only(cluster(*fault("dark", 13.0, undo=40.0, recovered=41.0), *strikes, *breaches))
    assert (last.state, last.seconds, last.longest_of) == ("not whole", None, 0)


def test_one_that_was_broken_before_does_not_hide_what_the_fault_did() -> None:
    found = only(cluster((1.0, seen("not_whole")), *fault("dark", 13.0), (20.0, seen("whole"))))
    assert (found.from_event, found.seconds) == ("fault dark confirmed effective", 7.0)


def test_what_is_not_whole_at_the_end_has_no_time() -> None:
    found = only(cluster(*fault("dark", 13.0, undo=20.0, recovered=21.0), (14.0, seen("not_whole", "0 of 3"))))
    assert (found.state, found.seconds, found.end, found.text) == ("not whole", None, None, "0 of 3")


def test_what_stayed_whole_is_told_from_what_nobody_watched() -> None:
    assert only(cluster((0.1, seen("whole")), *fault("dark", 13.0))).state == "stayed whole"
    assert whole_again(cluster(*fault("dark", 13.0))) == []
    assert whole_again(cluster((0.1, seen("recent", "rolled out")), *fault("dark", 13.0))) == []


def test_only_workloads_of_the_services_that_the_fault_names() -> None:
    other = ev.TargetObserved("not_whole", "deployment shop/api", "1 of 2", None, ["api"])
    assert whole_again(cluster((12.5, other), *fault("dark", 13.0))) == []
    assert whole_again(cluster((12.5, seen("not_whole")))) == [], "nothing was injected"


def test_a_second_word_changes_nothing() -> None:
    steps = [(14.0, seen("not_whole")), (15.0, seen("not_whole")), (16.0, seen("whole")), (17.0, seen("whole"))]
    assert only(cluster(*fault("dark", 13.0), *steps)).seconds == 3.0


@pytest.mark.parametrize(
    ("known", "told", "news"),
    [
        ([], seen("whole"), True),
        ([], seen("not_whole"), True),
        ([(1.0, seen("whole"))], seen("whole"), False),
        ([(1.0, seen("whole"))], seen("not_whole"), True),
        ([(1.0, seen("not_whole"))], seen("not_whole"), False),
        ([(1.0, seen("not_whole"))], seen("whole"), True),
        ([], seen("recent", "rolled out 3 min ago: revision 2", at=START - 180), True),
        (
            [(1.0, seen("recent", "rolled out 3 min ago: revision 2", at=START - 180))],
            seen("recent", "rolled out 9 min ago: revision 2", at=START - 180),
            False,
        ),
        ([], seen("recent", "rolled out 1 min ago: revision 3", at=START + 60), False),
    ],
)
def test_a_follower_that_begins_anew_tells_only_what_nobody_knows(
    known: list[Step], told: ev.TargetObserved, news: bool
) -> None:
    assert is_news(cluster(*known), told) is news
