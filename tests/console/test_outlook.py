"""The rows behind the screens: countdowns, headroom, phases, summaries, texts. Pure, from hand-made journals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameday.console.headroom import bar, headroom, spark
from gameday.console.outlook import (
    condition_rows,
    entry_rows,
    expectation_rows,
    fault_rows,
    milestone_rows,
    next_entry,
    phase_words,
    verdict_words,
)
from gameday.console.snapshot import Reader
from gameday.console.summary import summary
from gameday.console.times import clean, clock_text, shorten, span_text, took_text, value_text, wall_text
from gameday.exercise import events as e
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.scenario.models import AbortCondition

from . import states
from .journal import SCENARIO, ZERO, Journal, running, waiting


def condition(**said: Any) -> AbortCondition:
    return AbortCondition.model_validate({"name": "c", "measure": "m", **said})


@pytest.mark.parametrize(
    ("said", "value", "share"),
    [
        ({"above": 0.5}, 0.0, 1.0),
        ({"above": 0.5}, 0.25, 0.5),
        ({"above": 0.5}, 0.9, 0.0),
        ({"below": 50}, 100, 0.5),
        ({"below": 50}, 20, 0.0),
        ({"below": 50}, 0, 0.0),
        ({"unless": {"below": 2.0}}, 0.5, 0.75),
        ({"unless": {"above": 50}}, 200, 0.75),
        ({"unless": {"between": [10, 20]}}, 15, 1.0),
        ({"unless": {"between": [10, 20]}}, 11, 0.2),
        ({"unless": {"status": 200}}, 200, None),
        ({"above": 0.5}, None, None),
        ({"above": 0.5}, True, None),
        ({"above": 0.5}, "0.4", None),
        ({"above": 0}, 1, None),
        ({"above": 1, "below": 5}, 3, None),
    ],
)
def test_headroom(said: dict[str, Any], value: object, share: float | None) -> None:
    found = headroom(condition(**said), value).share
    assert found == share if share is None else found == pytest.approx(share)


def test_a_limit_in_words() -> None:
    assert headroom(condition(above=0.5, **{"for": "5s"}), 0.1).limit == "stops above 0.5 for 5s"
    assert headroom(condition(equals=False, consecutive=3), False).limit == "stops at false, 3× in a row"
    assert headroom(condition(unless={"status": 200}), 200).limit == "stops unless status 200"
    assert headroom(condition(unless={"status": [200, 502]}), 200).limit == "stops unless status 200 or 502"
    assert headroom(condition(unless={"between": [1, 2]}), 1).limit == "stops unless 1 to 2"


def test_curves_and_bars() -> None:
    assert spark((0.0, 0.25, None, 0.5), 10, top=0.5) == "▁▅·█"
    assert spark((0.0, 0.25, 0.5), 2, top=1.0) == "▃▅"
    assert spark((), 5) == "" and spark((None, None), 5) == "··" and spark((0.0, 0.0), 5) == "▁▁"
    assert bar(0.5, 8) == "████░░░░" and bar(0.001, 4) == "█░░░" and bar(0.0, 4) == "░░░░" and bar(1.0, 2) == "██"


def test_what_is_left_of_a_fault() -> None:
    journal = running()
    (row,) = fault_rows(fold(journal.records), now=131.4)
    assert (row.stage, row.when, row.share) == ("EFFECTIVE", "3:20 left", pytest.approx(200 / 300))
    (row,) = fault_rows(fold(journal.records), now=341.4)
    assert row.when == "0:10 past its time" and row.share == 0.0
    assert [row.stage for row in fault_rows(fold(states.leaked().records), 254.0)] == ["NOT UNDONE"]
    assert fault_rows(fold(states.aborted().records), 195.0) == ()


def test_what_comes_next() -> None:
    journal = running()
    rows = {row.entry: row for row in entry_rows(fold(journal.records), now=130.0)}
    assert next_entry(fold(journal.records), 130.0) == "slow-checkout"
    assert [row.entry for row in rows.values() if row.next] == ["slow-checkout"]
    assert (rows["slow-checkout"].state, rows["slow-checkout"].when) == ("in", "0:51")
    assert (rows["vp-asks"].state, rows["vp-asks"].when) == ("in", "1:25"), "2 min after acknowledged, at 1:35"
    assert rows["double-charges"].state == "by hand"
    assert rows["all-clear"].state == "after payments-dark"
    assert (rows["payments-dark"].state, rows["payments-dark"].when) == ("live:", "effective")
    assert (rows["opening"].state, rows["opening"].when) == ("delivered", "14:30:01")


def test_a_pause_freezes_the_script_and_not_the_fault() -> None:
    exercise = fold(states.paused().records)
    for now in (150.0, 200.0):
        rows = {row.entry: row for row in entry_rows(exercise, now)}
        assert rows["slow-checkout"].when == "0:41 (frozen)"
        assert fault_rows(exercise, now)[0].when == f"{span_text(331.4 - now)} left"
    assert phase_words(exercise).more == "script frozen, safety goes on"


def test_after_an_abort_nothing_comes() -> None:
    exercise = fold(states.aborting().records)
    assert next_entry(exercise, 193.0) is None
    assert {row.state for row in entry_rows(exercise, 193.0) if row.pending} == {"does not come"}


def test_expectations_count_down() -> None:
    journal = Journal().start().steady().fault(at=31.0)
    exercise = fold(journal.records)
    rows = expectation_rows(exercise, now=91.4)
    assert [(row.name, row.state, row.when) for row in rows] == [
        ("alert CheckoutErrors", "OPEN", "1:00 left"),
        ("acknowledged", "OPEN", "4:00 left"),
        ("mitigated", "OPEN", "14:00 left"),
        ("updates to stakeholders", "0 SENT", "next in 19:00"),
    ]
    assert [row.state for row in expectation_rows(exercise, now=1300.0)] == ["OVERDUE", "MISSED", "MISSED", "OVERDUE"]
    journal.add(e.NoteTaken("told them", "update", "stakeholders"), at=600.0)
    assert expectation_rows(fold(journal.records), now=660.0)[3].when == "next in 19:00"
    assert expectation_rows(fold(Journal().start().steady().records), 5.0)[1].when == "5:00 from impact"


def test_missing_milestones_are_named() -> None:
    rows = {row.milestone: row for row in milestone_rows(fold(running().records))}
    assert [name for name, row in rows.items() if row.missing] == ["diagnosed", "mitigated", "resolved"]
    assert (rows["impact"].when, rows["impact"].how) == ("14:30:31", "fault")
    assert (rows["detected"].after, rows["detected"].how) == ("+0:31", "alert")
    journal = running()
    journal.stamp("mitigated", 140.0, partial=True)
    partly = {row.milestone: row for row in milestone_rows(fold(journal.records))}["mitigated"]
    assert partly.missing and partly.how == "partly 14:32:20"


PHASES = [
    (Exercise(), True, "STARTING", "waiting"),
    (fold(Journal().start().records), True, "STARTING", ""),
    (fold(running().records), True, "RUNNING", ""),
    (fold(running().records), False, "ENGINE GONE", "the guardian is undoing 1 fault"),
    (fold(states.interrupted().records), False, "INTERRUPTED", "all undone"),
    (fold(states.interrupted().records[:-1]), False, "INTERRUPTED", "the guardian is undoing 1 fault"),
    (fold(states.aborting().records), True, "ABORTING", "1 fault not yet confirmed clear"),
    (fold(states.leaked().records), False, "ENDED, LEAKED", "not recovered"),
]


@pytest.mark.parametrize(("exercise", "alive", "word", "more"), PHASES)
def test_the_phase_in_words(exercise: Exercise, alive: bool, word: str, more: str) -> None:
    words = phase_words(exercise, engine_alive=alive)
    assert words.word == word and more in words.more


@pytest.mark.parametrize("records", [running().records, states.interrupted().records[:-1]])
def test_nobody_is_told_that_a_dead_guardian_undoes(records: list[Record]) -> None:
    words = phase_words(fold(records), engine_alive=False, guardian_alive=False)
    assert "1 fault NOT UNDONE: gameday recover" in words.more and "is undoing" not in words.more


def test_what_an_unattended_run_still_waits_for() -> None:
    exercise = fold(waiting().records)
    words = phase_words(exercise, now=101.0)
    assert words.word == "WAITING"
    assert words.more == (
        "the timeline is through; for alert CheckoutErrors, orders come in\ufffd, 0:50 at the longest"
    )
    assert "orders" not in phase_words(exercise, now=130.0).more, "that is no longer in time"
    assert phase_words(exercise, now=152.0).word == "CHECKING"
    assert phase_words(fold(waiting().records[:-1]), now=100.0).word == "CHECKING"
    assert phase_words(fold(waiting(attended=True).records), now=101.0).word == "CHECKING"
    assert ": waiting, " in summary(exercise, 101.0, ZERO + 101.0)


def test_conditions_without_a_number() -> None:
    journal = Journal().start().steady()
    assert [row.state for row in condition_rows(fold(journal.records), {})] == ["NO ANSWER YET"] * 2
    journal.add(e.ConditionSampled("too many failed checkouts", "held", None, "no_data", "empty"), at=9.0)
    row = condition_rows(fold(journal.records), {})[0]
    assert (row.state, row.value, row.share) == ("HELD", "no data", None)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.floats(0, 1e5))
def test_rows_exist_for_every_prefix_of_a_journal(cut: int, now: float) -> None:
    for journal in (states.leaked(), states.interrupted(), states.paused()):
        exercise = fold(journal.records[:cut])
        fault_rows(exercise, now)
        entry_rows(exercise, now)
        condition_rows(exercise, {})
        milestone_rows(exercise)
        expectation_rows(exercise, now)
        phase_words(exercise)
        summary(exercise, now, ZERO + now)


def test_a_reader_hands_out_what_does_not_change() -> None:
    records = running().records
    reader = Reader()
    reader.take(records[:10])
    first = reader.snapshot()
    reader.take(records[10:])
    second = reader.snapshot()
    assert first.exercise == fold(records[:10]) and second.exercise == fold(records)
    assert second.journal[: len(first.journal)] == first.journal
    assert second.samples["too many failed checkouts"][-1] == 0.34
    assert len(first.samples["too many failed checkouts"]) < len(second.samples["too many failed checkouts"])


def test_texts() -> None:
    assert [span_text(s) for s in (0, 59.9, 60, 3723, -0.4, -61, float("nan"))] == [
        "0:00",
        "0:59",
        "1:00",
        "1:02:03",
        "0:00",
        "-1:01",
        "-:--",
    ]
    assert [clock_text(s) for s in (0, 31, 3723, -5, float("inf"))] == [
        "+00:00",
        "+00:31",
        "+1:02:03",
        "-00:05",
        "+--:--",
    ]
    assert [took_text(s) for s in (0.0214, 1.234, 75, float("nan"))] == ["21 ms", "1.2 s", "1:15", "?"]
    assert [value_text(v) for v in (None, True, 3, 0.123456, 10**15, "a\nb")] == [
        "none",
        "true",
        "3",
        "0.1235",
        "1e+15",
        "a b",
    ]
    assert wall_text(1e30) == "--:--:--"
    assert clean("a\x1b[2J\u200b\tb\ud800") == "a�[2J� b�"
    assert shorten("abcdef", 4) == "abc…" and shorten("abc", 3) == "abc" and shorten("abc", 0) == ""


def test_how_it_ended_claims_no_undo_where_there_was_no_fault() -> None:
    journal = Journal().start()
    journal.add(e.ExerciseEnded("aborted", 3, "aborted in the console"), at=9.0)
    assert verdict_words(fold(journal.records)) == (
        "ABORTED",
        "Stopped before its end; there was no fault to undo.",
        "warn",
    )
    assert "every fault was undone" in verdict_words(fold(states.aborted().records))[1]


def test_a_pause_says_how_long_it_lasts() -> None:
    exercise = fold(states.paused().records)
    assert phase_words(exercise, now=200.0).more == "script frozen for 1:00, safety goes on"


def test_each_time_says_from_what_it_counts() -> None:
    journal = Journal().start()
    assert [row.when for row in entry_rows(fold(journal.records), 0.5)][:2] == ["", ""]
    assert entry_rows(fold(journal.records), 0.5)[1].state == "0:30 into the script"
    scenario = {**SCENARIO, "expect": [{"milestone": "diagnosed", "within": "5m", "of": "detected"}]}
    journal = Journal().start(scenario).steady().opening().fault()
    journal.stamp("detected", 60.0)
    journal.stamp("diagnosed", 99.0)
    (row,) = expectation_rows(fold(journal.records), 100.0)
    assert (row.state, row.when) == ("MET", "0:39 from detected")


def test_a_milestone_within_a_second_before_impact_is_not_minus_nothing() -> None:
    journal = Journal().start().steady().opening().fault()
    journal.stamp("detected", 31.0)
    journal.stamp("acknowledged", 35.0, ago=8.0)
    rows = {row.milestone: row.after for row in milestone_rows(fold(journal.records))}
    assert (rows["detected"], rows["acknowledged"]) == ("+0:00", "-0:04")


def test_a_fault_shows_that_what_it_touched_is_not_whole() -> None:
    journal = running()
    start = journal.records[0]
    assert isinstance(start.event, e.ExerciseStarted)
    target = {**start.event.target, "settings": {"services": {"payments": {}, "checkout": {}}}}
    journal.records[0] = replace(start, event=replace(start.event, target=target))
    seen = e.TargetObserved("not_whole", "deployment shop/payments", "1 of 3 pods ready", None, ["payments"])
    journal.add(seen, at=130.0)
    (row,) = fault_rows(fold(journal.records), now=142.0)
    assert row.what.startswith("payments not whole for 0:12, 1 of 3 pods ready; ")
    journal.add(replace(seen, what="whole", text="whole again"), at=143.0)
    (row,) = fault_rows(fold(journal.records), now=144.0)
    assert "whole" not in row.what


@pytest.mark.parametrize(
    ("what", "thing", "text", "said"),
    [
        ("not_whole", "deployment shop/web", "2 of 3 pods ready", "web is NOT WHOLE: 2 of 3 pods ready"),
        ("not_whole", "deployment shop/web", "rolling out, 3 of 3", "web is not whole yet: rolling out, 3 of 3"),
        ("whole", "deployment shop/web", "whole again after 5 s", "web: whole again after 5 s"),
        ("gone", "pod shop/web-7d9c-x", "deleted", "web-7d9c-x: deleted"),
        ("recent", "deployment shop/web", "rolled out", "recent: deployment shop/web rolled out (14:30:00)"),
        ("new", "pod shop/web-7d9c-x", "new", None),
    ],
)
def test_what_the_target_says_in_short(what: Any, thing: str, text: str, said: str | None) -> None:
    journal = Journal().start()
    journal.add(e.TargetObserved(what, thing, text, ZERO, ["web"]))
    reader = Reader()
    reader.take(journal.records)
    told = [line.sentence.text for line in reader.snapshot().journal if line.sentence.word == "TARGET"]
    assert told == ([] if said is None else [said])
