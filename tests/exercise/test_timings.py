"""Timings are what incident practice means by them, to the second, and never prettier than the journal."""

from __future__ import annotations

import pytest

from gameday.exercise import events as ev
from gameday.exercise.fold import fold
from gameday.exercise.state import Exercise
from gameday.exercise.timings import Timing, abort_timings, landmarks, milestones, timings
from tests.exercise.journal import Step, exercise, fault, golden_records, stamp


def by_key(state: Exercise) -> dict[str, Timing]:
    return {timing.key: timing for timing in timings(state)}


def test_the_golden_incident_comes_out_exactly() -> None:
    found = by_key(fold(golden_records()))
    minutes = {key: None if timing.wall is None else timing.wall / 60 for key, timing in found.items()}
    assert minutes == {
        "ttd": 0,
        "tta": 3,
        "diagnose": 18,
        "ttm-partial": 11,
        "ttm": 32,
        "ttr": 32,
        "impact-resolved": 32,
    }
    assert {timing.state for timing in found.values()} == {"measured"}
    assert found["ttm-partial"].partial and not found["ttm-partial"].counts
    assert found["ttm"].counts
    assert found["tta"].from_event == "detected stamped by Ada, from monitoring"
    assert found["tta"].to_event == "acknowledged stamped by Grace"
    order = [timing.key for timing in timings(fold(golden_records()))]
    assert order.index("ttm-partial") + 1 == order.index("ttm")


def test_impact_is_the_first_fault_confirmed_effective_and_an_alert_detects() -> None:
    found = by_key(exercise(*fault("dark", 50), *fault("late", 80), (65, ev.AlertSeen("Errors", "firing"))))
    assert found["ttd"].wall == 15
    assert found["ttd"].from_event == "fault dark confirmed effective"
    assert found["ttd"].to_event == "alert Errors fired"


def test_an_injected_fault_that_is_not_confirmed_has_no_impact() -> None:
    state = exercise(*fault("dark", 50)[:-1], (65, stamp("detected")))
    assert "impact" not in landmarks(state)
    assert by_key(state)["ttd"].state == "not applicable"


def test_in_a_tabletop_the_opening_inject_is_the_impact_unless_somebody_stamps_it() -> None:
    timeline = [{"id": "one", "at": "0s", "inject": "a"}, {"id": "two", "at": "1m", "inject": "b"}]
    told: list[Step] = [(5, ev.InjectDelivered("one", "a")), (60, ev.InjectDelivered("two", "b"))]
    detected: Step = (30, stamp("detected"))
    assert by_key(exercise(*told, detected, timeline=timeline))["ttd"].wall == 25
    stamped = exercise(*told, detected, (20, stamp("impact")), timeline=timeline)
    assert by_key(stamped)["ttd"].wall == 10


def test_a_skipped_milestone_is_not_reached_and_not_zero() -> None:
    timing = by_key(exercise(*fault("dark", 50), (60, stamp("detected"))))["tta"]
    assert (timing.state, timing.wall, timing.running, timing.counts) == ("not reached", None, None, False)


def test_acknowledged_without_an_alert_or_report_has_no_time_to_acknowledge() -> None:
    timing = by_key(exercise(*fault("dark", 50), (70, stamp("acknowledged"))))["tta"]
    assert (timing.state, timing.wall) == ("not applicable", None)


def test_out_of_order_is_kept_and_flagged() -> None:
    timing = by_key(exercise(*fault("dark", 50), (60, stamp("detected")), (55, stamp("acknowledged"))))["tta"]
    assert (timing.state, timing.wall, timing.counts) == ("out of order", -5, False)


def test_the_earliest_detection_counts_whoever_made_it() -> None:
    alert: Step = (70, ev.AlertSeen("Errors", "firing"))
    before = exercise(*fault("dark", 50), (60, stamp("detected", detection="user")), alert)
    assert by_key(before)["ttd"].to_event == "detected stamped, reported by a user"
    after = exercise(*fault("dark", 50), alert, (90, stamp("detected")))
    assert by_key(after)["ttd"].to_event == "alert Errors fired"


def test_a_list_of_milestones_shows_what_counts_and_beside_it_what_does_not() -> None:
    state = exercise(
        *fault("dark", 50),
        (62, ev.AlertSeen("Errors", "firing")),
        (70, stamp("detected")),
        (80, stamp("mitigated", partial=True)),
        (90, stamp("mitigated")),
    )
    assert [(mark.milestone, mark.at.clock, mark.source, mark.counts) for mark in milestones(state)] == [
        ("impact", 50, "fault", True),
        ("detected", 62, "alert", True),
        ("detected", 70, "stamp", False),
        ("mitigated", 80, "stamp", False),
        ("mitigated", 90, "stamp", True),
    ]
    assert by_key(state)["ttd"].end == landmarks(state)["detected"].at


def test_an_alert_that_had_fired_before_detects_when_it_fires_again() -> None:
    noise: list[Step] = [(5, ev.AlertSeen("Errors", "firing")), (9, ev.AlertSeen("Errors", "resolved"))]
    state = exercise(*noise, *fault("dark", 50), (62, ev.AlertSeen("Errors", "firing")))
    assert by_key(state)["ttd"].wall == 12


def test_a_target_about_one_alert_does_not_stand_beside_another() -> None:
    expect = [{"alert": "Errors", "within": "20s"}]
    alerts: list[Step] = [(54, ev.AlertSeen("Slow", "firing")), (58, ev.AlertSeen("Errors", "firing"))]
    ttd = by_key(exercise(*fault("dark", 50), *alerts, expect=expect, attended=False))["ttd"]
    assert (ttd.to_event, ttd.target) == ("alert Slow fired", None)
    ttd = by_key(exercise(*fault("dark", 50), alerts[1], expect=expect, attended=False))["ttd"]
    assert ttd.target is not None and ttd.target.index == 0


def test_an_alert_that_fired_before_anything_was_injected_detected_nothing() -> None:
    state = exercise((5, ev.AlertSeen("Noise", "firing")), *fault("dark", 50))
    assert by_key(state)["ttd"].state == "not reached"


def test_unattended_the_alert_is_shown_as_the_machine_s_and_nobody_is_asked_for_the_rest() -> None:
    state = exercise(
        *fault("dark", 50), (62, ev.AlertSeen("Errors", "firing")), attended=False, expect=[{"alert": "Errors"}]
    )
    found = by_key(state)
    assert found["ttd"].wall == 12
    assert found["ttd"].name == "to detect (TTD), by the alert"
    assert "reached nobody" in found["ttd"].note
    assert {found[key].state for key in ("tta", "diagnose", "ttm", "ttr")} == {"not applicable"}


def test_pauses_are_left_out_beside_the_wall_time() -> None:
    timing = by_key(exercise(*fault("dark", 50), (60, ev.Paused("")), (90, ev.Continued()), (100, stamp("detected"))))[
        "ttd"
    ]
    assert (timing.wall, timing.running) == (50, 20)


def test_what_a_hint_helped_is_marked() -> None:
    state = exercise(
        *fault("dark", 50),
        (60, stamp("detected")),
        (70, ev.HintGiven("dark", "look")),
        (80, stamp("diagnosed")),
        (65, stamp("acknowledged")),
    )
    found = by_key(state)
    assert found["diagnose"].hinted and not found["tta"].hinted


def test_a_withdrawn_stamp_does_not_count() -> None:
    state = exercise(
        *fault("dark", 50), (60, stamp("detected")), (61, ev.MilestoneWithdrawn(7)), (80, stamp("detected"))
    )
    assert by_key(state)["ttd"].wall == 30


def test_a_backdated_stamp_says_so() -> None:
    state = exercise(*fault("dark", 50), (60, stamp("detected")), late=120)
    assert by_key(state)["ttd"].note == "backdated: written down 120 s later"


@pytest.fixture
def aborted() -> Exercise:
    return exercise(
        *fault("dark", 50, undo=100.02, recovered=101.5),
        (60, stamp("detected")),
        (100.05, ev.AbortBegan("too many", "condition", "too many", 100.0)),
        (120, stamp("mitigated")),
        (130, stamp("resolved")),
        (131, ev.ExerciseEnded("aborted", 3, "too many")),
    )


def test_an_abort_freezes_every_clock_that_runs(aborted: Exercise) -> None:
    found = by_key(aborted)
    assert (found["ttd"].state, found["ttd"].wall, found["ttd"].counts) == ("measured", 10, False)
    assert (found["ttm"].state, found["ttm"].wall) == ("frozen", 50)
    assert (found["ttr"].state, found["ttr"].wall, found["ttr"].counts) == ("frozen", 40, False)
    assert "20.0 s after the abort" in found["ttm"].note


def test_an_abort_is_timed_from_the_breach_to_the_undo_to_recovery(aborted: Exercise) -> None:
    (row,) = abort_timings(aborted)
    assert row.entry == "dark"
    assert row.seen_event == "breach of “too many” seen"
    assert row.to_undo == pytest.approx(0.02)
    assert row.to_recovered == pytest.approx(1.5)
    assert row.state == "recovered"


def test_a_fault_that_was_over_before_the_abort_is_no_part_of_it() -> None:
    state = exercise(
        *fault("early", 20, undo=30, recovered=31),
        *fault("dark", 50, undo=90),
        *fault("stuck", 50, undo=101),
        (100.1, ev.AbortBegan("", "Ada", None, 100.0)),
        (140, ev.FaultLeaked("stuck", "gone")),
    )
    assert [(row.entry, row.state) for row in abort_timings(state)] == [
        ("dark", "already undoing"),
        ("stuck", "leaked"),
    ]
    assert {row.seen_event for row in abort_timings(state)} == {"abort by Ada"}
    dark, _ = abort_timings(state)
    assert dark.to_undo is None, "an undo that went out before the breach is no response to it, of −10 s or any"


def test_a_fault_that_leaked_is_that_also_where_its_undo_was_under_way_before() -> None:
    over = [(100.1, ev.AbortBegan("", "Ada", None, 100.0)), (140, ev.FaultLeaked("dark", "gone"))]
    (row,) = abort_timings(exercise(*fault("dark", 50, undo=90), *over))
    assert (row.state, row.to_undo, row.note) == ("leaked", None, "its undo was sent before")


def test_targets_stand_beside_the_timing_they_are_about() -> None:
    expect = [{"alert": "Errors", "within": "1m"}, {"milestone": "acknowledged", "within": "5m", "of": "detected"}]
    found = by_key(exercise(*fault("dark", 50), expect=expect))
    ttd, tta = found["ttd"].target, found["tta"].target
    assert ttd is not None and (ttd.index, ttd.within, ttd.of) == (0, 60, "impact")
    assert tta is not None and (tta.index, tta.within, tta.of) == (1, 300, "detected")


def test_a_person_s_abort_is_written_down_after_its_undo_and_nobody_claims_a_time_for_that() -> None:
    state = exercise(
        *fault("dark", 50),
        (60, stamp("detected")),
        (100, ev.FaultUndoing("dark", "Ada says stop")),
        (100, ev.UndoSent("dark", 1)),
        (100.02, ev.AbortBegan("Ada says stop", "Ada")),
        (101, ev.FaultRecovered("dark", "fast")),
    )
    (row,) = abort_timings(state)
    assert (row.to_undo, row.to_recovered, row.undo_to_recovered) == (None, None, 1)
    assert by_key(state)["ttr"].wall == 40, "frozen at the undo"


def test_faults_that_recovered_before_an_engine_s_death_was_written_down_belong_to_that_abort() -> None:
    state = exercise(
        *fault("dark", 50),
        (100, ev.FaultUndoing("dark", "the engine died")),
        (100, ev.UndoSent("dark", 1)),
        (101, ev.FaultRecovered("dark", "fast")),
        (500, ev.AbortBegan("the engine died", "guardian")),
    )
    assert [(row.entry, row.undo_to_recovered) for row in abort_timings(state)] == [("dark", 1)]
    assert by_key(state)["ttm"].wall == 50


def test_unattended_the_alert_s_own_target_stands_beside_the_detection() -> None:
    expect = [{"milestone": "detected", "within": "2m"}, {"alert": "Errors", "within": "20s"}]
    for attended, index in ((True, 0), (False, 1)):
        target = by_key(exercise(*fault("dark", 50), expect=expect, attended=attended))["ttd"].target
        assert target is not None and target.index == index


def test_unattended_an_abort_freezes_no_clock_that_nobody_ran_against() -> None:
    state = exercise(*fault("dark", 50), (100, ev.AbortBegan("", "Ada")), attended=False, expect=[{"alert": "Errors"}])
    found = by_key(state)
    assert (found["ttd"].state, found["ttd"].wall) == ("frozen", 50)
    assert {found[key].state for key in ("tta", "diagnose", "ttm", "ttr")} == {"not applicable"}
