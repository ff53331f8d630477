"""A fault that strikes again and again: how often it did, why it did not, and what the exercise came to."""

from __future__ import annotations

import pytest

from gameday.engine.decide import verdict
from gameday.exercise import events as ev
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.exercise.strikes import OTHERS, strikes_text
from gameday.exercise.turns import CALLED_OFF, MAY_HAVE, NOT_THIS_TIME

from .journal import Step, exercise, fault

DENIED = f"{NOT_THIS_TIME}DELETE /pods: 403 Forbidden"
LIMIT = f"{NOT_THIS_TIME}it would touch 2 of 3 pods"


def struck(*repeats: str, announced: str = "") -> Exercise:
    """An exercise that is through, whose one fault said this after its first strike, and announced this at last."""
    turns: list[Step] = [(10.0 + n, ev.FaultRepeated("dark", said)) for n, said in enumerate(repeats, 1)]
    if announced:
        turns.append((59.0, ev.FaultStriking("dark", [announced], [{"name": announced}])))
    *begun, effective = fault("dark", 10)
    recovered = fault("dark", 10, undo=60, recovered=61)[4:]
    return exercise(*begun, (10, ev.FaultInjected("dark")), effective, *turns, *recovered, attended=False)


def text(x: Exercise) -> str:
    return strikes_text(x.faults["dark"])


def test_each_strike_counts_and_nothing_is_said_where_all_came() -> None:
    x = struck("deleted web-2", "deleted web-3")
    assert x.faults["dark"].strikes == 3 and text(x) == ""
    assert (verdict(x).verdict, verdict(x).reason) == ("completed", "done as hoped")


def test_where_some_turns_passed_it_is_completed_and_the_end_says_how_many_and_why() -> None:
    x = struck("deleted web-2", LIMIT, LIMIT, DENIED)
    why = "it would touch 2 of 3 pods (2 times); DELETE /pods: 403 Forbidden"
    said = f"struck 2 of 5 times; the others were refused: {why}"
    assert text(x) == said
    assert verdict(x).exit_code == 0
    assert verdict(x).reason == f"done as hoped; fault 'dark' {said}"


@pytest.mark.parametrize("passed", [1, 4])
def test_where_every_later_turn_passed_it_failed_as_one_that_was_refused_at_once(passed: int) -> None:
    x = struck(*[DENIED] * passed)
    assert (verdict(x).verdict, verdict(x).exit_code) == ("failed", 1)
    assert (
        f"fault 'dark' struck 1 of {passed + 1} times; the others were refused: DELETE /pods: 403" in verdict(x).reason
    )


def test_the_reasons_are_few_and_the_count_is_whole() -> None:
    x = struck(*[f"{NOT_THIS_TIME}pod web-{n} was gone" for n in range(10)])
    assert list(x.faults["dark"].passed) == ["pod web-0 was gone", "pod web-1 was gone", "pod web-2 was gone", OTHERS]
    assert text(x).startswith("struck 1 of 11 times") and f"{OTHERS} (7 times)" in text(x)


def test_a_strike_that_was_announced_and_never_told_of_may_have_struck() -> None:
    """Whatever was killed then: it is in the ending, and nobody says that all later turns were refused."""
    x = struck(DENIED, announced="web-2")
    dark = x.faults["dark"]
    assert (dark.strikes, dark.striking, dark.struck) == (1, ("web-2",), ({"name": "web-2"},))
    said = "struck 1 of 3 times; may have struck web-2; the others were refused: DELETE /pods: 403 Forbidden"
    assert text(x) == said
    assert (verdict(x).exit_code, verdict(x).reason) == (0, f"done as hoped; fault 'dark' {said}")


def test_one_that_was_told_of_counts_as_what_was_told() -> None:
    x = struck("deleted web-2", f"{MAY_HAVE}web-3", f"{CALLED_OFF}web-4")
    assert text(x) == "struck 2 of 3 times; may have struck web-3", "what was called off is no turn"
    late = [ev.FaultStriking("dark", ["web-5"]), ev.FaultRepeated("dark", "deleted web-5")]
    x = fold([Record(n, 70.0, 70.0, 70.0, 1, "guardian", "", event) for n, event in enumerate(late, 99)], x)
    assert (x.faults["dark"].strikes, x.faults["dark"].striking) == (3, ())


def test_one_under_way_is_not_said_to_be_unknown() -> None:
    *begun, effective = fault("dark", 10)
    about: Step = (12, ev.FaultStriking("dark", ["web-2"]))
    x = exercise(*begun, (10, ev.FaultInjected("dark")), effective, about, attended=False)
    assert text(x) == "" and x.faults["dark"].striking == ("web-2",)
