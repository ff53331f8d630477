"""Expectations are judged by what was observed; what could not be observed is neither met nor failed."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.exercise import events as ev
from gameday.exercise.expectations import awaited_until, judge_at_the_end, judge_expectations
from gameday.exercise.state import ExpectationState
from tests.exercise.journal import Step, exercise, fault, stamp

END = ev.ExerciseEnded("completed", 0, "")
MITIGATED = [{"milestone": "mitigated", "within": "2m"}]


def judged(*steps: Step, expect: list[dict[str, Any]], now: float = 1000, attended: bool = True) -> ExpectationState:
    state = exercise(*fault("dark", 50), *steps, expect=expect, attended=attended)
    return judge_expectations(state, now)[0]


@pytest.mark.parametrize(
    ("steps", "now", "state"),
    [
        ([], 100, "pending"),
        ([], 171, "missed"),
        ([(160, stamp("mitigated"))], 170, "met"),
        ([(180, stamp("mitigated"))], 200, "late"),
        ([(120, stamp("mitigated", partial=True))], 130, "pending"),
        ([(160, END)], 200, "not_observed"),
        ([(200, END)], 200, "missed"),
        ([(100, ev.AbortBegan("", "Ada"))], 500, "not_observed"),
        ([(200, ev.AbortBegan("", "Ada"))], 500, "missed"),
        ([(100, ev.AbortBegan("", "Ada")), (110, stamp("mitigated"))], 500, "not_observed"),
        ([(60, ev.Paused("")), (100, ev.Continued()), (200, stamp("mitigated"))], 300, "met"),
    ],
)
def test_a_milestone(steps: list[Step], now: float, state: str) -> None:
    assert judged(*steps, expect=MITIGATED, now=now).state == state


@pytest.mark.parametrize(
    ("clock", "state", "words"),
    [
        (49.5, "met", "500ms before impact was confirmed"),  # the injection had begun at 49
        (40, "not_observed", "10s before impact; check the time"),
    ],
)
def test_what_came_before_anything_was_touched_meets_nothing(clock: float, state: str, words: str) -> None:
    steps = [(clock, stamp("mitigated")), *fault("dark", 50)]
    found = judge_expectations(exercise(*sorted(steps, key=lambda step: step[0]), expect=MITIGATED), 1000)[0]
    assert found.state == state
    assert words in found.detail


def test_a_milestone_took_its_pauses_too_and_says_what_is_left_without() -> None:
    found = judged((60, ev.Paused("")), (100, ev.Continued()), (200, stamp("mitigated")), expect=MITIGATED)
    assert found.took == 150
    assert "1m50s without pauses" in found.detail


def test_unattended_nobody_is_judged() -> None:
    expect = [{"milestone": "detected", "within": "1s"}]
    found = judged((70, ev.AlertSeen("Errors", "firing")), (500, END), expect=expect, attended=False)
    assert found.state == "not_observed"
    assert "reached nobody" in found.detail
    assert judged((500, END), expect=MITIGATED, attended=False).state == "not_observed"


def test_what_a_machine_judged_stands_and_nothing_is_pending_after_the_end() -> None:
    expect = [{"alert": "Errors", "within": "1m"}]
    assert judged((60, ev.ExpectationJudged(0, "late", "slow", 70.0)), expect=expect).state == "late"
    assert judged(expect=expect).state == "pending"
    assert judged((60, END), expect=expect).state == "not_observed"


UPDATES = [{"update": "stakeholders", "every": "2m"}]


def update(clock: float, audience: str = "stakeholders") -> Step:
    return clock, ev.NoteTaken("still at it", "update", audience)


@pytest.mark.parametrize(
    ("steps", "now", "state"),
    [
        ([], 100, "pending"),
        ([], 171, "missed"),
        ([update(150), update(260)], 300, "pending"),
        ([update(150), update(260), (300, stamp("resolved"))], 900, "met"),
        ([update(150), update(300), (310, stamp("resolved"))], 900, "late"),
        ([update(150, "executives"), (300, stamp("resolved"))], 900, "missed"),
        ([update(150, ""), (200, stamp("resolved"))], 900, "met"),
        ([(100, stamp("resolved"))], 900, "not_observed"),
        ([(100, ev.AbortBegan("", "Ada"))], 900, "not_observed"),
        ([(60, ev.Paused("")), (160, ev.Continued()), update(250), (260, stamp("resolved"))], 900, "met"),
    ],
)
def test_updates(steps: list[Step], now: float, state: str) -> None:
    assert judged(*steps, expect=UPDATES, now=now).state == state


def test_without_its_base_milestone_nothing_can_be_judged() -> None:
    state = exercise((60, stamp("mitigated")), (70, END), expect=MITIGATED)
    assert judge_expectations(state, 100)[0].state == "not_observed"


ALERT = [{"alert": "Errors", "within": "1m"}]
FIRED: Step = (55, ev.AlertSeen("Errors", "firing"))


def at_the_end(
    *steps: Step, expect: list[dict[str, Any]], now: float = 1000, attended: bool = False
) -> ExpectationState:
    return judge_at_the_end(exercise(*steps, expect=expect, attended=attended), now)[0]


@pytest.mark.parametrize(
    ("steps", "now", "state", "words"),
    [
        (fault("dark", 50, undo=90, recovered=91), 100, "missed", "Errors did not fire in the 50s after impact"),
        ([], 100, "not_observed", "no impact to count from: no fault was injected"),
        (fault("dark", 50)[:2], 100, "not_observed", "no fault was injected"),
        ([*fault("dark", 50)[:3], (52, ev.FaultFailed("dark", "x"))], 100, "not_observed", "dark did not take hold"),
        ([*fault("dark", 50)[:3], FIRED], 100, "not_observed", "dark did not take hold; Errors fired all the same"),
        ([*fault("dark", 50), (70, ev.AbortBegan("", "Ada"))], 300, "not_observed", "aborted before it came"),
        ([*fault("dark", 50), (70, ev.CloseRequested())], 80, "not_observed", "closed 30s after impact"),
        ([*fault("dark", 50), (70, ev.CloseRequested())], 180, "missed", "in the 2m10s after impact, target 1m"),
    ],
)
def test_a_machine_is_judged_at_the_end_by_what_it_could_have_shown(
    steps: list[Step], now: float, state: str, words: str
) -> None:
    found = at_the_end(*steps, expect=ALERT, now=now)
    assert found.state == state
    assert words in found.detail


AWAY = "the alerts could not be read: unreachable"


@pytest.mark.parametrize(
    ("since", "now", "state", "words"),
    [
        (float("-inf"), 120, "not_observed", AWAY),
        (60, 120, "not_observed", AWAY),  # it had answered once, and was away when it was due
        (115, 120, "missed", "did not fire"),  # by then it was late
        (float("-inf"), 40, "not_observed", "no impact"),
    ],
)
def test_an_alert_that_could_not_be_seen_is_not_missed(since: float, now: float, state: str, words: str) -> None:
    steps = fault("dark", 50, undo=90, recovered=91) if now > 50 else []
    found = judge_at_the_end(exercise(*steps, expect=ALERT, attended=False), now, {"Errors": (since, AWAY)})[0]
    assert found.state == state
    assert words in found.detail


def test_what_is_awaited_from_machines_and_until_when() -> None:
    expect = [*ALERT, {"check": {"tcp": {"address": "h:1"}, "expect": {"equals": True}}, "within": "3m"}, *MITIGATED]
    steps = fault("dark", 50, undo=90, recovered=91)
    assert awaited_until(exercise(expect=expect, attended=False), 40) is None
    assert awaited_until(exercise(*steps, expect=expect, attended=False), 92) == 230
    assert awaited_until(exercise(*steps, expect=ALERT, attended=False), 92) == 110
    assert awaited_until(exercise(*steps, expect=ALERT, attended=False), 110) is None
    judged_already = (93, ev.ExpectationJudged(0, "met", ""))
    assert awaited_until(exercise(*steps, judged_already, expect=ALERT, attended=False), 94) is None


def test_a_check_that_waits_for_a_milestone_which_never_came_is_not_missed() -> None:
    check = {"name": "ok", "http": {"url": "http://127.0.0.1/"}, "expect": {"status": 200}}
    found = at_the_end(*fault("dark", 50), expect=[{"check": check, "within": "1m", "of": "mitigated"}])
    assert (found.state, found.detail) == ("not_observed", "there was no mitigated to count from")


def test_at_the_end_nothing_is_pending_and_what_was_judged_stands() -> None:
    expect = [*ALERT, {"milestone": "resolved"}, {"milestone": "mitigated", "within": "1h"}, *UPDATES]
    steps: list[Step] = [*fault("dark", 50), (60, ev.ExpectationJudged(0, "met", "quick", 5.0)), update(100)]
    state = exercise(*steps, expect=expect)
    assert [judged.state for judged in judge_at_the_end(state, 130)] == ["met", "missed", "not_observed", "met"]
    ended = exercise(*steps, (130, END), expect=expect)
    assert [judged.state for judged in judge_expectations(ended, 130)] == ["met", "missed", "not_observed", "met"]
