"""What somebody who follows up reads: headline, pauses, impact, updates, a lost engine, what is worth a line."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gameday.cli.main import main
from gameday.debrief.build import build_debrief
from gameday.debrief.html import render_html
from gameday.debrief.markdown import render_markdown
from gameday.debrief.phrases import cadence_words, impact_words, key_numbers, shown_timings
from gameday.debrief.words import percent, span
from gameday.engine.held import ONCE_MORE
from gameday.exercise import events as ev
from gameday.store import open_store
from gameday.store.holder import Holder
from tests.debrief.journals import EVENING, Journal, leaked, payment_outage, plan, scenario, started, tabletop
from tests.debrief.test_findings import EFFECTIVE, ENDED, UNDONE, debrief, rules
from tests.exercise.journal import golden_records


def update(clock: float, audience: str) -> tuple[float, ev.Event]:
    return clock, ev.NoteTaken(f"to {audience}", "update", audience)


def test_an_update_to_an_audience_that_nobody_expected_is_an_update_all_the_same() -> None:
    expect = [{"update": "stakeholders", "every": "5m"}]
    view = debrief(
        EFFECTIVE, update(60, "stakeholders"), update(70, "the board"), update(80, "The Board"), *UNDONE, ENDED,
        expect=expect,
    )  # fmt: skip
    assert [(cadence.audience, cadence.sent, cadence.asked) for cadence in view.cadence] == [
        ("stakeholders", (60.0,), True),
        ("the board", (70.0, 80.0), False),
    ]
    for text in (render_markdown(view), render_html(view)):
        assert "2 updates at 1:10, 1:20; no expectation names them" in text
        assert "to the board (to the board)" in " ".join(text.replace('<span class="muted">', "").split())


def test_whoever_held_a_role_stamped_or_wrote_took_part() -> None:
    view = build_debrief(payment_outage())
    assert view.participants == ("Ada", "Grace", "Linus")
    assert "| Took part | Ada, Grace, Linus |" in render_markdown(view)
    assert "<dt>Took part</dt><dd>Ada, Grace, Linus</dd>" in render_html(view)


def test_updates_to_everybody_are_shown_where_no_cadence_counts_them() -> None:
    assert [cadence.audience for cadence in debrief(EFFECTIVE, update(60, "")).cadence] == ["everybody"]


def test_no_silence_is_praised_where_none_was_due() -> None:
    expect = [{"update": "stakeholders", "every": "20m"}]
    (cadence,) = debrief(EFFECTIVE, *UNDONE, ENDED, expect=expect).cadence
    assert (
        cadence_words(cadence, attended=True) == "0 updates; asked for every 20 min. None was due before it was over."
    )


def test_impact_leaves_out_the_calm_between_faults() -> None:
    j = Journal()
    j.at(0, started(scenario(abort_when=[], expect=[], roles=[]), attended=False))
    j.at(1, ev.TimelineStarted())
    for entry, begin, end in (("one", 10, 12), ("two", 11, 14), ("three", 30, 31)):
        j.at(begin - 1, ev.FaultPlanned(entry, "pod-kill"))
        j.at(begin - 1, ev.FaultArmed(entry, "pod-kill", plan("kill", "checkout"), True, None))
        j.at(begin - 1, ev.FaultInjecting(entry))
        j.at(begin, ev.FaultEffective(entry, "gone"))
        j.at(end, ev.FaultRecovered(entry, "back"))
    view = build_debrief(j.records)
    assert (view.impact.seconds, view.impact.stretches) == (5.0, 2)
    assert impact_words(view).startswith(
        "5 s in 2 stretches, from fault one confirmed effective until the last fault recovered; 0.2 %"
    )


def test_a_tabletop_spends_no_error_budget_and_no_system_came_back() -> None:
    view = build_debrief(tabletop())
    assert view.impact.budget_share is None
    assert "impact lasted" not in {name for name, _, _ in key_numbers(view)}, "it is the time to mitigate"
    j = Journal()
    j.records = tabletop()[:-2]
    j.at(1210, ev.SteadyStateJudged("after", True))
    j.at(1210, ev.ExerciseEnded("completed", 0, "done as hoped"))
    ended = build_debrief(j.records)
    assert ended.headline.sentence == "The exercise ran to its end."
    assert "steady" not in rules(ended)


def test_an_exercise_that_was_closed_early_says_so_first() -> None:
    skipped = ev.EntrySkipped("support", "closed before it was due")
    view = debrief(EFFECTIVE, *UNDONE, (250, ev.CloseRequested()), (251, skipped), ENDED)
    assert view.headline.sentence == (
        "The exercise was closed before its script was through (1 of 6 entries left out) and every fault recovered."
    )
    assert rules(view)["skipped"].title == "1 entry of the script skipped, since the exercise was closed before that"


def test_a_lost_engine_is_one_finding_and_no_pause() -> None:
    j = Journal()
    j.at(0, started(scenario(abort_when=[], expect=[], roles=[]), attended=False))
    j.at(1, ev.TimelineStarted())
    j.at(48, ev.FaultPlanned("payments-dark", "dependency-outage"))
    j.at(48, ev.FaultArmed("payments-dark", "dependency-outage", plan("dark", "payments"), False, 60.0))
    j.at(49, ev.FaultInjecting("payments-dark"))
    j.at(*EFFECTIVE)
    j.at(60, ev.ConditionSampled("x", "ok", 1))
    j.at(60.4, ev.FaultUndoing("payments-dark", "the engine died"), source="guardian")
    j.at(60.4, ev.UndoSent("payments-dark", 1), source="guardian")
    j.at(60.5, ev.FaultRecovered("payments-dark", "answers"), source="guardian")
    j.at(63, ev.EngineLost("the engine died"), source="guardian")
    j.at(63, ev.AbortBegan("the engine died", "guardian"), source="guardian")
    j.at(63, ev.ExerciseEnded("aborted", 3, "the engine died"), source="guardian")
    view = build_debrief(j.records)
    found = rules(view)
    assert "engine-lost" not in found and "paused" not in found
    assert found["aborted"].detail.startswith("the first undo was sent at most 400 ms after the engine's death")
    assert {view.journal[seq - 1]["kind"] for seq in found["aborted"].evidence} >= {"engine_lost", "undo_sent"}
    assert view.pauses == ()
    assert ">ABORT 1:00<" in render_html(view), "the picture shows it where the undo went out, not where it was told"
    assert "| payments-dark | – | at 1:00 | 100 ms after the undo |" in render_markdown(view)
    assert not [text for text in view.unknown if "pause" in text]


def test_a_pause_that_took_no_time_is_no_finding() -> None:
    j = Journal()
    j.at(0, started(scenario(abort_when=[], expect=[], roles=[])))
    j.at(1, ev.TimelineStarted())
    j.at(2, ev.Paused("a thought"))
    j.at(2.01, ev.Continued())
    j.at(3, ev.ExerciseEnded("completed", 0, "done as hoped"))
    assert "paused" not in rules(build_debrief(j.records))


def test_an_undo_that_was_sent_twice_for_speed_is_one_attempt() -> None:
    j = Journal()
    j.at(0, started(scenario(abort_when=[], expect=[], roles=[])))
    j.at(1, ev.FaultPlanned("kill", "pod-kill"))
    j.at(1, ev.FaultArmed("kill", "pod-kill", plan("kill, and again", "checkout"), False, 5.0))
    j.at(2, ev.FaultInjecting("kill"))
    j.at(2, ev.FaultEffective("kill", "gone"))
    j.at(7, ev.FaultUndoing("kill", "its time is over"))
    j.at(7, ev.UndoSent("kill", 1))
    j.at(7, ev.UndoFailed("kill", 1, ONCE_MORE))
    j.at(7, ev.UndoSent("kill", 2))
    j.at(8, ev.FaultRecovered("kill", "back"))
    (fault,) = build_debrief(j.records).faults
    assert fault.attempts == 1


def test_a_pause_that_lasted_to_the_end_has_a_length() -> None:
    view = debrief(EFFECTIVE, *UNDONE, (240, ev.Paused("lunch")), ENDED)
    assert [(pause.seconds, pause.reason) for pause in view.pauses] == [(60.0, "lunch")]
    assert not [text for text in view.unknown if "pause" in text]


def test_a_warning_is_a_finding_with_its_evidence() -> None:
    view = debrief(EFFECTIVE, (51, ev.Warned("already firing: Slow")), (52, ev.Warned("already firing: Slow")))
    assert rules(view)["warned"].title == "Warning: already firing: Slow"
    assert len(rules(view)["warned"].evidence) == 2


def test_what_was_met_names_its_own_evidence_and_nothing_else() -> None:
    view = build_debrief(payment_outage())
    kinds = {view.journal[seq - 1]["kind"] for seq in rules(view)["met"].evidence}
    judged = [view.journal[seq - 1]["body"] for seq in rules(view)["met"].evidence]
    assert kinds == {"expectation_judged", "milestone_reached", "alert_seen"}
    assert {body["milestone"] for body in judged if "milestone" in body} == {"acknowledged"}


def test_what_went_well_fills_the_three_findings_only_at_the_end() -> None:
    view = debrief(EFFECTIVE, (60, ev.MilestoneReached("detected", detection="user")), *UNDONE, ENDED)
    assert view.headline.findings == (
        "A user reported it before monitoring did",
        "The only fault recovered, and that was verified",
    )


def test_unattended_the_timings_that_apply_to_nobody_are_one_sentence() -> None:
    rows, rest = shown_timings(build_debrief(leaked()))
    assert [row.key for row in rows] == ["ttd"]
    assert rest.startswith("Not applicable, since nobody was there to respond: to acknowledge (TTA), ")
    assert shown_timings(build_debrief(tabletop()))[1] == ""


def test_a_partial_mitigation_stands_in_the_strip() -> None:
    strip = {name: (value, remark) for name, value, remark in key_numbers(build_debrief(golden_records()))}
    value, remark = strip["to mitigate (TTM)"]
    assert value == "32 min"
    assert remark.endswith("partly after 11 min")


def test_an_alert_that_came_first_is_the_flag_and_the_later_stamp_says_that_it_is_later() -> None:
    view = debrief(EFFECTIVE, (60, ev.AlertSeen("Errors", "firing")), (70, ev.MilestoneReached("detected")), *UNDONE)
    assert [(mark.event, mark.counts) for mark in view.milestones if mark.milestone == "detected"] == [
        ("alert Errors fired", True),
        ("detected stamped", False),
    ]
    page = render_html(view)
    assert ">detected 1:00<" in page
    assert ">detected (later) 1:10<" in page


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (0.00019, "0.2 ms"), (0.0009, "0.9 ms"), (0.00099, "1 ms"), (0.0124, "12 ms")]
)
def test_less_than_a_millisecond_is_not_nothing(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("share", "words"), [(0.0046, "0.5 %"), (0.74, "74 %"), (0.0002, "under 0.1 %"), (1.5, "150 %")]
)
def test_a_small_share_is_not_nothing(share: float, words: str) -> None:
    assert percent(share) == words


def ended(store: str, ident: str, days: float, *more: ev.Event, name: str = "payment-outage") -> None:
    """An exercise that began `days` after EVENING and ended, with `more` a day later."""
    j = Journal(EVENING + days * 86400)
    j.at(0, replace(started(), exercise=ident, name=name))
    j.at(10, ev.ExerciseEnded("completed", 0, ""))
    for event in more:
        j.at(86400, event)
    with open_store(store) as opened:
        epoch = opened.create(j.records[0], Holder.mine())
        opened.append(ident, epoch, j.records[1:])
        opened.release_lease(ident, epoch)


def test_the_debrief_says_what_became_of_earlier_action_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, add = str(tmp_path / "store.db"), ev.ActionAdded
    ended(store, "one", 0, add("A1", "Fall back", "Grace", "2026-11-25"), add("A2", "Alert", "Ada", "2026-12-20"))
    ended(store, "two", 2, add("A1", "Page twice", "Linus", "2026-11-30"), ev.ActionClosed("A1", "released"))
    ended(store, "other", 3, add("A1", "Elsewhere", "Ada", "2026-11-30"), name="pod-kill")
    ended(store, "asks", 4, add("A1", "Shown there", "Ada", "2026-12-30", retest="payment-outage"), name="pod-kill")
    ended(store, "now", 11)
    ended(store, "later", 12, add("A1", "Too late", "Ada", "2026-11-30"))
    monkeypatch.setattr(sys, "argv", ["gameday", "report", "now", "--output", str(tmp_path), "--store", store])
    assert main() == 0
    data = json.loads(next(tmp_path.glob("*.json")).read_text(encoding="utf-8"))
    assert [(a["exercise"], a["action"], a["open"], a["overdue"], a["days"]) for a in data["previous"]] == [
        ("one", "A1", True, True, 10),
        ("one", "A2", True, False, 10),
        ("two", "A1", False, False, 0),
        ("asks", "A1", True, False, 6),
    ]
    (finding,) = [finding for finding in data["findings"] if finding["rule"] == "previous-open"]
    assert finding["title"] == "3 action items of earlier exercises still open, 1 past its date"
    text = next(tmp_path.glob("*.md")).read_text(encoding="utf-8")
    assert (
        "| ☐ A1 | Fall back | Grace | 2026-11-25 | one (payment-outage, 2026-11-20) | open for 10 days, past its date |"
        in text
    )
    assert "closed after 0 days: released" in next(tmp_path.glob("*.html")).read_text(encoding="utf-8")
