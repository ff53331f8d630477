"""Each rule speaks where it should, names its evidence, and is silent where it should be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gameday.debrief.build import build_debrief
from gameday.debrief.chart import condition_chart
from gameday.debrief.html import render_html
from gameday.debrief.markdown import render_markdown
from gameday.debrief.mermaid import gantt
from gameday.debrief.phrases import condition_words, key_numbers, whole_words
from gameday.debrief.view import Debrief, Finding
from gameday.exercise import events as ev
from gameday.exercise.turns import MAY_HAVE, NOT_THIS_TIME
from tests.debrief.journals import SANDBOX, Journal, leaked, payment_outage, plan, scenario, started, tabletop

NO_CONDITIONS: dict[str, Any] = {"abort_when": [], "expect": [], "roles": []}


def debrief(
    *steps: tuple[float, ev.Event], attended: bool = True, target: dict[str, Any] | None = None, **script: Any
) -> Debrief:
    """An exercise with one fault that was effective at 50, plus `steps`."""
    j = Journal()
    j.at(0, started(scenario(**{**NO_CONDITIONS, **script}), attended=attended, target=target))
    j.at(1, ev.TimelineStarted())
    j.at(48, ev.FaultPlanned("payments-dark", "dependency-outage"))
    j.at(48, ev.FaultArmed("payments-dark", "dependency-outage", plan("dark", "payments"), False, 60.0))
    j.at(49, ev.FaultInjecting("payments-dark"))
    for clock, event in steps:
        j.at(clock, event)
    return build_debrief(j.records)


EFFECTIVE = (50.0, ev.FaultEffective("payments-dark", "refused"))
UNDONE = ((200.0, ev.UndoSent("payments-dark", 1)), (201.0, ev.FaultRecovered("payments-dark", "ok")))
ENDED = (300.0, ev.ExerciseEnded("completed", 0, ""))


ENDED_ABORTED = (300.0, ev.ExerciseEnded("aborted", 3, "x"))


def rules(view: Debrief) -> dict[str, Finding]:
    return {finding.rule: finding for finding in view.findings}


def test_a_quiet_exercise_has_only_good_findings() -> None:
    view = debrief(EFFECTIVE, *UNDONE, ENDED)
    assert {finding.level for finding in view.findings} == {"good"}
    assert view.headline.level == "good"
    assert view.headline.sentence == "The exercise ran to its end and every fault recovered."


def test_a_fault_that_was_undone_after_it_had_leaked_is_told_as_both() -> None:
    records = leaked()
    last = records[-1]
    recovered = ev.FaultRecovered("payments-dark", "payments answers")
    late = replace(last, seq=last.seq + 1, clock=500.0, wall=last.wall + 377, event=recovered)
    view = build_debrief([*records, late])
    assert view.findings[0].rule == "undone-late"
    assert view.headline.sentence.startswith("The exercise left a fault behind, which was undone afterwards.")
    assert view.headline.level == "warn"


def test_turns_that_a_repeated_fault_let_pass_are_counted_with_the_reasons() -> None:
    injected = (49.5, ev.FaultInjected("payments-dark"))
    again = (52.0, ev.FaultRepeated("payments-dark", "deleted web-2"))
    passed = [(at, ev.FaultRepeated("payments-dark", f"{NOT_THIS_TIME}403 Forbidden")) for at in (54.0, 56.0)]
    assert "let-pass" not in rules(debrief(injected, EFFECTIVE, again, *UNDONE, ENDED))
    view = debrief(injected, EFFECTIVE, again, *passed, *UNDONE, ENDED)
    found = rules(view)["let-pass"]
    assert (found.level, found.title) == ("low", "Fault payments-dark struck 2 of 4 times")
    assert found.detail == "Refused: 403 Forbidden (2 times)"
    assert {record["kind"] for record in view.journal if record["seq"] in found.evidence} == {"fault_repeated"}
    assert len(found.evidence) == 2
    assert rules(debrief(injected, EFFECTIVE, *passed, *UNDONE, ENDED))["let-pass"].level == "medium"
    said = "struck 2 of 4 times; the others were refused: 403 Forbidden (2 times)"
    assert said in render_markdown(view) and said in render_html(view)


def test_a_strike_of_which_nobody_knows_is_told_and_counted() -> None:
    injected = (49.5, ev.FaultInjected("payments-dark"))
    lost = (52.0, ev.FaultRepeated("payments-dark", f"{MAY_HAVE}web-2: no answer"))
    cut = (59.0, ev.FaultStriking("payments-dark", ["web-3"]))
    view = debrief(injected, EFFECTIVE, lost, cut, *UNDONE, ENDED)
    found = rules(view)["may-have-struck"]
    assert (found.level, found.title) == ("low", "Fault payments-dark may have struck 2 more times")
    assert found.detail.endswith("web-2: no answer; web-3")
    assert {record["kind"] for record in view.journal if record["seq"] in found.evidence} == {
        "fault_repeated",
        "fault_striking",
    }
    assert "let-pass" not in rules(view)
    said = "struck 1 of 3 times; may have struck web-2: no answer; may have struck web-3"
    assert said in render_markdown(view) and said in render_html(view)
    rows = [row.text for row in view.timeline if row.kind in ("fault_striking", "fault_repeated")]
    assert rows == [
        "Fault payments-dark may have struck again: web-2: no answer",
        "Fault payments-dark about to strike again, and may have: web-3",
    ]


def test_a_fault_that_somebody_took_away_does_not_count_as_standing_from_then_on() -> None:
    faded = (110.0, ev.FaultFaded("payments-dark", "toxic x is not on proxy payments any more"))
    asked = [(130.0, ev.ProbeAsked("c")), (131.0, ev.ProbeAnswered("c", "c", False, {"kind": "value", "value": 1}))]
    view = debrief(EFFECTIVE, faded, *asked, *UNDONE, ENDED)
    found = rules(view)
    assert found["faded"].title == "Fault payments-dark was gone before it was undone"
    assert found["faded"].detail.startswith("It had stood for 1 min at most when that was seen: toxic x is not on")
    assert found["check"].title == "Check c did not hold", "the fault did not stand then"
    assert (view.impact.seconds, view.impact.until) == (60.0, "the last fault was gone")
    assert "gone before its undo" in render_markdown(view) and "gone" in render_html(view)
    again = (150.0, ev.FaultStandsAgain("payments-dark", "there"))
    back = debrief(EFFECTIVE, faded, *asked, again, *UNDONE, ENDED)
    assert "faded" not in rules(back)
    assert (back.impact.seconds, back.impact.until) == (151.0 - 40.0, "the last fault recovered")
    found = rules(back)
    assert found["faded-between"].title == "Fault payments-dark did not stand for 40 s"
    words = (
        "Somebody or something took it away for 40 s: gone at 1:50 (toxic x is not on proxy payments any more), there"
    )
    assert found["faded-between"].detail == f"{words} again at 2:30"
    assert found["faded-between"].advice.startswith("Find out who or what took it away")
    assert {r["kind"] for r in back.journal if r["seq"] in found["faded-between"].evidence} == {
        "fault_faded",
        "fault_stands_again",
    }
    assert found["check"].title == "Check c did not hold", "it was asked in between"
    assert "there again" in render_html(back) and "gone " in render_markdown(back)
    assert gantt(back).count("payments-dark effective") == 2


def test_of_what_was_made_anew_nobody_is_looked_for() -> None:
    faded = (110.0, ev.FaultFaded("payments-dark", "2 of 2 pods are not in it any more: made anew", replaced=True))
    between = rules(debrief(EFFECTIVE, faded, (150.0, ev.FaultStandsAgain("payments-dark", "")), *UNDONE, ENDED))
    for found in (between["faded-between"], rules(debrief(EFFECTIVE, faded, *UNDONE, ENDED))["faded"]):
        assert "Find out who" not in found.advice and "made anew" in found.advice
    assert between["faded-between"].detail.startswith("Its pods were made anew for 40 s: gone at 1:50")


def test_a_fault_after_which_somebody_elses_change_is_left_is_not_told_to_have_recovered() -> None:
    undone = ev.FaultRecovered("payments-dark", "nothing is left", "deployment payments was deleted")
    view = debrief(EFFECTIVE, (200.0, ev.UndoSent("payments-dark", 1)), (201.0, undone), ENDED)
    found = rules(view)
    assert "recovered" not in found
    assert found["unwell"].title == ("After fault payments-dark it is not as it was before, by somebody else's change")
    assert found["unwell"].detail == "Nothing of the fault is left: deployment payments was deleted"
    assert found["unwell"].evidence
    assert "not as it was before: deployment payments was deleted" in render_markdown(view)


def test_text_that_failed_is_quoted_in_the_table_of_checks() -> None:
    def check(held: bool) -> ev.CheckAnswered:
        return ev.CheckAnswered("before", 0, "on", held, {"kind": "value", "value": "true"}, "equal to true")

    view = debrief(EFFECTIVE, *UNDONE, (210.0, check(False)), (211.0, check(True)), ENDED)
    assert [one.answer for one in view.steady_state] == ['"true"', "true"]


def test_a_leaked_fault_leads_everything() -> None:
    view = build_debrief(leaked())
    assert view.findings[0].rule == "leaked"
    assert view.headline.level == "bad"
    assert view.headline.findings[0] == "Fault payments-dark is not recovered"
    kinds = {record["seq"]: record["kind"] for record in view.journal}
    assert {kinds[seq] for seq in view.findings[0].evidence} == {"fault_armed", "undo_failed", "fault_leaked"}


def test_a_leak_without_commands_points_to_none() -> None:
    without = leaked()
    at = next(number for number, record in enumerate(without) if isinstance(record.event, ev.FaultLeaked))
    without[at] = replace(without[at], event=ev.FaultLeaked("payments-dark", "still refused after 60 s"))
    assert "by hand with the commands given" in build_debrief(leaked()).findings[0].advice
    assert "commands" not in build_debrief(without).findings[0].advice


def test_a_fault_that_is_still_live_in_the_journal_is_never_called_recovered() -> None:
    view = debrief(EFFECTIVE, ENDED)
    assert rules(view)["leaked"].title == "Fault payments-dark was not seen to recover"
    assert "recovered" not in rules(view)
    assert view.headline.level == "bad"


def test_an_abort_names_the_condition_and_its_speed() -> None:
    found = rules(build_debrief(payment_outage()))["aborted"]
    assert found.title == "The exercise was aborted: “too many failed checkouts” tripped"
    assert "payments-dark: undo sent after 5 ms, recovered after 408 ms" in found.detail


def test_a_fault_that_did_not_take_hold() -> None:
    view = debrief((52, ev.FaultFailed("payments-dark", "still answers")), *UNDONE, ENDED)
    assert rules(view)["not-effective"].detail == "still answers"
    assert view.impact.seconds is None


def test_detected_by_a_user_and_slowly() -> None:
    view = debrief(
        EFFECTIVE,
        (190, ev.MilestoneReached("detected", detection="user")),
        *UNDONE,
        ENDED,
        expect=[{"milestone": "detected", "within": "1m"}],
    )
    assert {"user-detected", "detection-slow"} <= set(rules(view))


def test_diagnosed_before_anything_was_eased_is_an_inversion_and_the_other_way_round_is_not() -> None:
    stamps = {name: (clock, ev.MilestoneReached(name)) for name, clock in (("diagnosed", 100), ("mitigated", 150))}
    assert "inversion" in rules(debrief(EFFECTIVE, stamps["diagnosed"], stamps["mitigated"], *UNDONE, ENDED))
    partial = (80, ev.MilestoneReached("mitigated", partial=True))
    assert "inversion" not in rules(
        debrief(EFFECTIVE, partial, stamps["diagnosed"], stamps["mitigated"], *UNDONE, ENDED)
    )


def test_roles() -> None:
    found = rules(build_debrief(tabletop()))
    assert found["role-conflict"].detail == "Ada: incident-commander, communications-lead"
    found = rules(build_debrief(payment_outage()))
    assert "role-conflict" not in found
    assert found["commander-terminal"].evidence == (465,)
    assert found["role-open"].title == "Nobody took the role communications-lead"


ALERT: dict[str, Any] = {"expect": [{"alert": "CheckoutErrors", "within": "1m"}]}


def test_an_alert_that_nobody_could_see_is_not_blamed_on_monitoring() -> None:
    failed = ev.ExerciseEnded("failed", 1, "alert CheckoutErrors was not observed: away")
    judged = ev.ExpectationJudged(0, "not_observed", "the alerts could not be read: away")
    view = debrief(EFFECTIVE, *UNDONE, (290.0, judged), (300.0, failed), attended=False, **ALERT)
    finding = rules(view)["machine-expectation"]
    assert finding.title == "Expectation could not be judged: Alert CheckoutErrors fires within 1 min of impact"
    assert "has to be well" in finding.advice
    (row,) = (row for row in view.timings if row.key == "ttd")
    assert (row.state, row.note) == ("not reached", "the alerts could not be read: away")


def test_a_steady_state_that_could_not_be_asked_afterwards_is_not_called_broken() -> None:
    def after(answer: dict[str, Any]) -> Debrief:
        asked = ev.CheckAnswered("after", 0, "few errors", False, answer, "below 0.05")
        steps = [(240.0, asked), (241.0, ev.SteadyStateJudged("after", False))]
        return debrief(EFFECTIVE, (150.0, ev.AbortBegan("x", "Ada")), *UNDONE, *steps, ENDED_ABORTED)

    blind = after({"kind": "unreachable", "detail": "connection refused"})
    assert rules(blind)["steady-after"].title == "The system was not seen to return to its steady state"
    assert "was not seen to come back" in blind.headline.sentence
    broken = after({"kind": "value", "value": 0.4})
    assert rules(broken)["steady-after"].title == "The system did not return to its steady state"
    assert "did not come back" in broken.headline.sentence


def test_overdue_and_excessive_updates() -> None:
    def notes(*clocks: float) -> list[tuple[float, ev.Event]]:
        return [(clock, ev.NoteTaken("news", "update", "stakeholders")) for clock in clocks]

    end = (650.0, ev.MilestoneReached("resolved")), (660.0, ev.ExerciseEnded("completed", 0, ""))
    expect = [{"update": "stakeholders", "every": "5m"}]
    late = debrief(EFFECTIVE, *notes(100), *UNDONE, *end, expect=expect)
    assert rules(late)["updates-overdue"].detail == "1 silence, the longest 9 min 10 s; asked for every 5 min"
    many = debrief(EFFECTIVE, *notes(*range(60, 640, 60)), *UNDONE, *end, expect=expect)
    assert "updates-excessive" in rules(many)
    assert "updates-overdue" not in rules(many)


def test_unattended_says_nothing_of_people() -> None:
    expect = [{"milestone": "acknowledged", "within": "1s"}, {"update": "all", "every": "1s"}]
    view = debrief(EFFECTIVE, *UNDONE, ENDED, attended=False, expect=expect, roles=["incident-commander"])
    assert {finding.level for finding in view.findings} == {"good"}
    assert {expectation.state for expectation in view.expectations} == {"not_observed"}
    assert any("responses are never made up" in text for text in view.unknown)


def test_conditions_without_answers_and_close_calls() -> None:
    name = "too many failed checkouts"
    samples: list[tuple[float, ev.Event]] = [(60 + n, ev.ConditionSampled(name, "ok", 0.45)) for n in range(8)]
    blind: list[tuple[float, ev.Event]] = [
        (70 + n, ev.ConditionSampled(name, "ok", None, "unreachable", "refused")) for n in range(2)
    ]
    conditions = scenario()["abort_when"]
    view = debrief(EFFECTIVE, *samples, *blind, *UNDONE, ENDED, abort_when=conditions)
    found = rules(view)
    assert found["no-data"].title == f"Abort condition “{name}” had no answer 20 % of the time"
    assert found["close-call"].detail == "worst 0.45, 10% short of it"
    assert found["unwatched"].title == "Abort condition “orders per minute collapse” was never sampled"


def test_every_piece_of_evidence_stands_in_the_journal() -> None:
    for records in (payment_outage(), leaked(), tabletop()):
        view = build_debrief(records)
        known = {record.seq for record in records}
        assert all(set(finding.evidence) <= known for finding in view.findings)


def test_thousands_of_samples_become_a_small_chart_that_keeps_the_spike() -> None:
    name = "too many failed checkouts"
    samples = [(60 + n / 100, ev.ConditionSampled(name, "ok", 0.49 if n == 7777 else 0.1)) for n in range(9000)]
    view = debrief(EFFECTIVE, *samples, *UNDONE, ENDED, abort_when=scenario()["abort_when"])
    (condition, _) = view.conditions
    assert condition.samples == 9000
    assert len(condition.points) <= 240
    assert max(point.high for point in condition.points) == 0.49
    assert condition.worst == "0.49"
    assert sum(row.kind == "condition_sampled" for row in view.timeline) == 0


def test_no_line_is_drawn_over_a_time_without_an_answer() -> None:
    """Prometheus was away from 62 to 64, and nobody knows what the rate was then."""
    name = "too many failed checkouts"
    samples = [(float(at), ev.ConditionSampled(name, "ok", 0.1)) for at in (60, 61, 65, 66)]
    away = [(float(at), ev.ConditionSampled(name, "ok", None, "unreachable")) for at in (62, 63, 64)]
    view = debrief(EFFECTIVE, *samples[:2], *away, *samples[2:], *UNDONE, ENDED, abort_when=scenario()["abort_when"])
    drawn = condition_chart(view.conditions[0], view)
    assert view.conditions[0].unanswered == 3
    assert drawn.count('class="values"') == 2 and drawn.count('class="gap"') == 3


def test_a_condition_without_a_number_is_told_in_words() -> None:
    conditions = [
        {"name": "health", "http": {"url": "http://127.0.0.1:1/"}, "unless": {"status": 200}, "no_data": "trip"}
    ]
    samples = [(60, ev.ConditionSampled("health", "ok", 200)), (61, ev.ConditionSampled("health", "breaching", 503))]
    view = debrief(EFFECTIVE, *samples, *UNDONE, ENDED, abort_when=conditions)
    (condition,) = view.conditions
    assert (condition.threshold, condition.headroom) == ((), None)
    assert condition_words(condition) == "2 samples, 1 in breach, the first with 503"
    assert condition_chart(condition, view) == ""


def test_a_live_fault_of_a_running_exercise_is_not_for_anybody_to_undo_by_hand() -> None:
    found = rules(debrief(EFFECTIVE))
    assert found["live"].title == "Fault payments-dark is live"
    assert "leaked" not in found
    lost = rules(debrief(EFFECTIVE, (60, ev.EngineLost("killed"))))
    assert lost["leaked"].level == "high"


def test_an_abort_by_a_person() -> None:
    undone = ((59.99, ev.FaultUndoing("payments-dark", "aborted by Ada")), (60, ev.UndoSent("payments-dark", 1)))
    end = ((61, ev.FaultRecovered("payments-dark", "ok")), (62, ev.ExerciseEnded("aborted", 3, "aborted by Ada")))
    found = rules(debrief(EFFECTIVE, *undone, (60.01, ev.AbortBegan("aborted by Ada", "Ada")), *end))["aborted"]
    assert found.title == "Ada aborted the exercise, and no reason was written down"
    assert found.detail == "payments-dark: recovered 1 s after its undo was sent"


def test_an_undo_that_was_under_way_before_the_abort_took_no_time_below_zero() -> None:
    sent = (99.0, ev.UndoSent("payments-dark", 1))
    begun = (100.0, ev.AbortBegan("too many", "engine", "too many", 99.7))
    view = debrief(EFFECTIVE, sent, begun, (101.0, ev.FaultRecovered("payments-dark", "ok")), ENDED)
    said = rules(view)["aborted"].detail
    assert "payments-dark: its undo was sent before that, recovered after 1.3 s" in said
    assert "−" not in said and not any("undo sent" in name for name, _, _ in key_numbers(view))


def test_an_expectation_that_was_judged_by_another_moment_does_not_stand_beside_a_time_that_there_is_not() -> None:
    """Acknowledged without an alert or report: no time to acknowledge, and yet within five minutes of impact."""
    acknowledged = (60.0, ev.MilestoneReached("acknowledged"))
    wanted = [{"milestone": "acknowledged", "within": "5m"}]
    view = debrief(EFFECTIVE, acknowledged, *UNDONE, ENDED, expect=wanted)
    (tta,) = [row for row in view.timings if row.key == "tta"]
    assert (tta.state, tta.target) == ("not applicable", None)
    assert tta.note.endswith("that it is met stands among the expectations: it counts from impact")
    assert [one.state for one in view.expectations] == ["met"]


def test_to_whole_again_of_repeated_strikes_is_the_longest_single_one() -> None:
    again = [(n, ev.FaultRepeated("payments-dark", "deleted web-2")) for n in (60.0, 70.0)]
    breaches = [
        (at + more, ev.TargetObserved(what, "deployment shop/payments", "", None, ["payments"]))  # type: ignore[arg-type]
        for at in (50.0, 60.0, 70.0)
        for more, what in ((0.1, "not_whole"), (4.1, "whole"))
    ]
    steps = sorted([(49.5, ev.FaultInjected("payments-dark")), EFFECTIVE, *again, *breaches], key=lambda one: one[0])
    target = {**SANDBOX, "settings": {"services": {"payments": {"workload": "deployment/payments"}}}}
    view = debrief(*steps, *UNDONE, ENDED, target=target)
    (strip,) = [(value, remark) for name, value, remark in key_numbers(view) if name == "to whole again"]
    assert strip == ("4.1 s", "payments, the longest of 3 times")
    (fault,) = view.faults
    assert whole_words(fault.whole[0]) == "✓ payments whole again after each of 3 times, the longest 4.1 s"
