"""When an abort condition trips: `for`, `consecutive`, `unless`, and what no answer counts as."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameday.engine.ports import Answer
from gameday.engine.watching import RECORD_EVERY, ConditionWatch, Judge, describe
from gameday.exercise import events as ev
from gameday.probes.judge import holds
from gameday.scenario.models import AbortCondition

SILENT = ("unreachable", "no_data", "nan", "many")
BAD, GOOD = Answer("value", 0.9), Answer("value", 0.1)


def condition(**more: Any) -> AbortCondition:
    return AbortCondition.model_validate({"name": "errors", "measure": "error-rate", "above": 0.5, **more})


def judged(made: AbortCondition, *answers: Answer, every: float = 1.0) -> list[str]:
    """The states after each of `answers`, asked every second and answered at once."""
    judge = Judge(made, holds)
    return [judge.judge(answer, n * every, n * every) for n, answer in enumerate(answers)]


def test_the_first_breach_trips_where_nothing_else_is_said() -> None:
    assert judged(condition(), GOOD, BAD, GOOD) == ["ok", "tripped", "ok"]


def test_consecutive_counts_answers_in_a_row() -> None:
    assert judged(condition(consecutive=3), BAD, BAD, GOOD, BAD, BAD, BAD) == [
        "breaching", "breaching", "ok", "breaching", "breaching", "tripped",
    ]  # fmt: skip


def test_for_counts_from_the_first_breach_asked_for() -> None:
    assert judged(condition(**{"for": "2s"}), BAD, BAD, BAD) == ["breaching", "breaching", "tripped"]
    assert judged(condition(**{"for": "2s"}), BAD, GOOD, BAD, BAD, BAD)[-2:] == ["breaching", "tripped"]


def test_for_and_consecutive_must_both_be_met() -> None:
    both = condition(**{"for": "2s", "consecutive": 5})
    assert judged(both, *[BAD] * 5) == ["breaching"] * 4 + ["tripped"]
    assert judged(condition(**{"for": "4s", "consecutive": 2}), *[BAD] * 5) == ["breaching"] * 4 + ["tripped"]


def test_unless_trips_where_the_answer_is_not_that() -> None:
    made = AbortCondition.model_validate({"name": "n", "tcp": {"address": "h:1"}, "unless": {"equals": True}})
    assert judged(made, Answer("value", True), Answer("value", False)) == ["ok", "tripped"]


@pytest.mark.parametrize("kind", SILENT)
@pytest.mark.parametrize(("rule", "state"), [("trip", "tripped"), ("ok", "ok"), ("hold", "held")])
def test_each_way_of_having_no_number_has_a_rule_of_its_own(kind: Any, rule: str, state: str) -> None:
    others = {"trip": "ok", "ok": "trip", "hold": "trip"}[rule]
    made = condition(no_data={**dict.fromkeys(SILENT, others), kind: rule})
    assert judged(made, Answer(kind)) == [state]
    assert judged(condition(no_data=rule), Answer(kind)) == [state]


@pytest.mark.parametrize("kind", [*SILENT, "error"])
def test_no_number_trips_where_nothing_is_said(kind: Any) -> None:
    assert judged(condition(), Answer(kind)) == ["tripped"]


def test_what_can_not_be_read_counts_as_unreachable() -> None:
    assert judged(condition(no_data={"unreachable": "hold"}), Answer("error", detail="HTML")) == ["held"]


def test_no_number_is_never_taken_for_a_value() -> None:
    made = AbortCondition.model_validate({"name": "n", "measure": "m", "unless": {"equals": 1}, "no_data": "ok"})
    assert judged(made, *(Answer(kind, 5) for kind in SILENT)) == ["ok"] * 4  # type: ignore[arg-type]


def test_hold_keeps_a_breach_that_had_begun() -> None:
    made = condition(**{"for": "3s", "no_data": "hold"})
    assert judged(made, BAD, Answer("unreachable"), Answer("unreachable"), BAD)[-1] == "tripped"
    assert judged(made, BAD, Answer("unreachable"), GOOD, BAD)[-1] == "breaching"
    assert judged(condition(consecutive=2, no_data="hold"), BAD, Answer("nan"), BAD)[-1] == "tripped"


def test_ok_ends_a_breach_that_had_begun() -> None:
    assert judged(condition(consecutive=2, no_data="ok"), BAD, Answer("nan"), BAD)[-1] == "breaching"


def test_hold_alone_never_trips() -> None:
    assert set(judged(condition(**{"for": "2s", "no_data": "hold"}), *[Answer("unreachable")] * 50)) == {"held"}


KINDS = ("value", *SILENT, "error")
# Text that is wholly a number counts as one, and is another test.
WORDS = st.text(alphabet="abc%é ", max_size=3)
ANSWERS = st.lists(
    st.builds(Answer, st.sampled_from(KINDS), st.floats(allow_nan=True) | st.none() | WORDS), max_size=30
)
RULES = st.fixed_dictionaries(dict.fromkeys(SILENT, st.sampled_from(["trip", "ok", "hold"])))
CONDITIONS = st.builds(
    lambda lasts, count, rules: condition(
        **({"for": f"{lasts}s"} if lasts is not None else {}), consecutive=count, no_data=rules
    ),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(1, 5),
    RULES,
)


def _counts_as(made: AbortCondition, answer: Answer) -> str:
    if answer.kind == "value":
        value = answer.value
        return "trip" if isinstance(value, float) and value > 0.5 else "ok"
    return str(getattr(made.no_data, "unreachable" if answer.kind == "error" else answer.kind))


@settings(max_examples=120, deadline=None)
@given(CONDITIONS, ANSWERS)
def test_it_trips_exactly_when_the_rules_say_so(made: AbortCondition, answers: list[Answer]) -> None:
    states = judged(made, *answers)
    assert len(states) == len(answers)
    for n, state in enumerate(states):
        rules = [_counts_as(made, answer) for answer in answers[: n + 1]]
        assert (state == "held") == (rules[-1] == "hold")
        assert (state == "ok") == (rules[-1] == "ok")
        run = list(itertools.takewhile(lambda rule: rule != "ok", reversed(rules)))
        breaches = [n - back for back, rule in enumerate(run) if rule == "trip"]
        long_enough = bool(breaches) and n - min(breaches) >= (made.for_ or 0.0)
        often_enough = len(breaches) >= (made.consecutive or 1)
        assert (state == "tripped") == (rules[-1] == "trip" and long_enough and often_enough)


@settings(max_examples=100, deadline=None)
@given(CONDITIONS, ANSWERS, st.lists(st.floats(0.001, 100), min_size=30, max_size=30))
def test_it_never_trips_earlier_than_its_time(made: AbortCondition, answers: list[Answer], gaps: list[float]) -> None:
    judge, now = Judge(made, holds), 0.0
    began: float | None = None
    for answer, gap in zip(answers, gaps, strict=False):
        now += gap
        state = judge.judge(answer, now, now)
        if state == "ok":
            began = None
        elif state in ("breaching", "tripped") and began is None:
            began = now
        if state == "tripped":
            assert began is not None and now - began >= (made.for_ or 0.0)


# --- asking --------------------------------------------------------------------------------------------------------


class Feed:
    """A prober that gives what it was given, then breaches."""

    def __init__(self, *answers: Answer) -> None:
        self.left = list(answers)
        self.asked: list[Mapping[str, Any]] = []

    async def ask(self, probe: Mapping[str, Any]) -> Answer:
        self.asked.append(probe)
        return self.left.pop(0) if self.left else BAD

    def holds(self, tolerance: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
        return holds(tolerance, answer)

    def explain(self, tolerance: Mapping[str, Any]) -> str:
        return ""

    async def close(self) -> None:
        return


def _watched(made: AbortCondition, feed: Feed) -> tuple[Any, list[tuple[Any, float]]]:
    recorded: list[tuple[Any, float]] = []

    async def run() -> Any:
        loop = asyncio.get_running_loop()

        def append(event: ev.Event, clock: float) -> int:
            recorded.append((event, clock))
            return 1

        watch = ConditionWatch(made, feed, loop.time, append)
        async with asyncio.timeout(10.0):
            breach = await watch.until_tripped()
        before = len(recorded)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(recorded) == before + 1, "the breach is recorded after it was handed on, not before"
        return breach

    return asyncio.run(run()), recorded


def test_a_watch_asks_until_it_trips_and_says_what_it_saw() -> None:
    feed = Feed(GOOD, GOOD, Answer("unreachable", detail="refused"))
    breach, recorded = _watched(condition(every="50ms", no_data="ok"), feed)
    assert "errors: 0.9" in breach.reason
    assert len(feed.asked) == 4 and feed.asked[0] == {"measure": "error-rate"}
    last, clock = recorded[-1]
    assert (last.state, last.value, clock) == ("tripped", 0.9, breach.seen)


def test_what_changes_is_recorded_at_once_and_what_does_not_now_and_then() -> None:
    feed = Feed(*[GOOD] * 20, Answer("nan"), *[GOOD] * 3)
    _, recorded = _watched(condition(every="50ms", no_data="ok"), feed)
    kinds = [event.answer for event, _ in recorded]
    assert kinds.count("nan") == 1
    steady = [clock for event, clock in recorded[:-1] if event.answer == "value"]
    assert 2 <= len(steady) <= 2 + math.ceil(24 * 0.05 / RECORD_EVERY) + 2


@pytest.mark.parametrize("value", ["x" * 10_000, list(range(5000)), {"a": "b" * 5000}, 1e300, True, None, math.pi])
def test_whatever_the_value_the_journal_gets_a_small_one(value: Any) -> None:
    feed = Feed(Answer("value", value, detail="d" * 10_000))
    _, recorded = _watched(condition(every="50ms", no_data="ok"), feed)
    event = recorded[0][0]
    assert len(str(event.value)) <= 201 and len(event.detail) <= 300
    assert len(describe(Answer("value", value, detail="d" * 10_000))) < 500
