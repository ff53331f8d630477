"""The plain lines: one for every kind of event, on one line, in words, and no news is no line."""

from __future__ import annotations

from typing import Any

import pytest

from gameday.console.plain import follow, lines
from gameday.engine.decide import PASSES
from gameday.engine.held import ONCE_MORE
from gameday.engine.ports import BUT_UNWELL
from gameday.exercise import events as e
from gameday.exercise.fold import fold
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise, FaultState, Moment

from .journal import ZERO, Journal, running, waiting

PLAN: dict[str, Any] = {"summary": "payments refuses connections", "targets": ["proxy payments"], "objects": ["p"]}
VALUE = {"kind": "value", "value": 0.25, "detail": "", "status": None, "took": 0.1}

ONE_OF_EACH: list[tuple[e.Event, str, str]] = [
    (
        e.ExerciseStarted(
            exercise="x-1",
            name="x",
            path="x.yaml",
            scenario={"title": "Dark"},
            scenario_hash="0",
            target={"name": "shop", "environment": "staging"},
            attended=True,
            seed=1,
            boot=0.0,
            boot_id="b",
        ),
        "START",
        "Dark: exercise x-1 on shop [STAGING], attended",
    ),
    (e.EngineStarted(1, 2, "laptop"), "ENGINE", "pid 1"),
    (e.EngineLost("no heartbeat for 2 s"), "ENGINE", "GONE: no heartbeat"),
    (e.GuardianLost("killed"), "ENGINE", "guardian is GONE: killed"),
    (e.ConsolesChanged(0), "ENGINE", "no console"),
    (e.SteadyStateBegan("before"), "CHECK", "before"),
    (e.CheckAnswered("before", 0, "alive", False, VALUE, "status 200"), "CHECK", "alive does NOT hold before: 0.25"),
    (
        e.CheckAnswered("before", 0, "alive", False, {"kind": "value", "value": "true"}, "equal to true"),
        "CHECK",
        'alive does NOT hold before: "true" (wanted equal to true)',
    ),
    (e.SteadyStateJudged("after", True), "CHECK", "holds after"),
    (e.TimelineStarted(), "START", "timeline starts"),
    (e.Paused("lunch"), "PAUSE", "safety goes on: lunch"),
    (e.Continued(), "GO ON", "goes on"),
    (e.ClockJumped(95.2), "WARN", "1m35s"),
    (e.Warned("disk almost full"), "WARN", "disk almost full"),
    (e.CloseRequested(), "CLOSE", "closes"),
    (e.ExerciseEnded("leaked", 4, "payments"), "END", "LEAKED (exit 4): payments"),
    (e.EntryReleased("vp-asks"), "SCRIPT", "vp-asks is released"),
    (e.EntrySkipped("vp-asks", "manual"), "SCRIPT", "vp-asks is skipped: manual"),
    (e.InjectDelivered("vp-asks", "Hello", ["incident-commander"]), "INJECT", "to incident-commander: Hello"),
    (e.ProbeAsked("look"), "CHECK", "look is being asked"),
    (e.ProbeAnswered("look", "alive", False, VALUE, "status 200"), "CHECK", "alive does NOT hold: 0.25 (wanted status"),
    (e.HintGiven("vp-asks", "Say a range"), "HINT", "Say a range"),
    (e.FaultPlanned("payments-dark", "dependency-outage"), "FAULT", "due"),
    (e.FaultRefused("payments-dark", "no such proxy"), "FAULT", "REFUSED, nothing was touched: no such proxy"),
    (
        e.FaultArmed("payments-dark", "dependency-outage", PLAN, False, 300.0),
        "FAULT",
        "proxy payments; undo ready, due after 5m",
    ),
    (e.FaultInjecting("payments-dark"), "FAULT", "being injected"),
    (e.FaultInjected("payments-dark"), "FAULT", "returned"),
    (e.FaultFailed("payments-dark", "timed out"), "FAULT", "FAILED: timed out"),
    (e.FaultEffective("payments-dark", "refused"), "FAULT", "EFFECTIVE: refused"),
    (e.UndoFailed("payments-dark", 1, ONCE_MORE), "UNDO", "payments-dark: the injection was still alive when"),
    (e.FaultFaded("payments-dark", "toxic gone"), "FAULT", "payments-dark DOES NOT STAND any more: toxic gone"),
    (e.FaultStandsAgain("payments-dark", "there"), "FAULT", "payments-dark stands again: there"),
    (e.FaultRepeated("payments-dark", "deleted web-1"), "FAULT", "struck again: deleted web-1"),
    (e.FaultRepeated("payments-dark", "not this time: too few"), "FAULT", "dark did not strike again: too few"),
    (e.FaultStriking("payments-dark", ["web-1"]), "FAULT", "dark is about to strike again: web-1"),
    (e.FaultRepeated("payments-dark", "may have struck: web-1"), "FAULT", "dark MAY HAVE STRUCK again, which nobody"),
    (e.FaultRepeated("payments-dark", "called off: web-1"), "FAULT", "was stopped before it struck again: web-1"),
    (e.TargetObserved("restart", "pod shop/web-1", "restarted (OOMKilled)", 5.0), "TARGET", "web-1: restarted"),
    (e.FaultUndoing("payments-dark", "its time is over"), "UNDO", "its time is over"),
    (e.UndoSent("payments-dark", 2), "UNDO", "attempt 2"),
    (e.UndoFailed("payments-dark", 1, BUT_UNWELL + "deleted"), "UNDO", "payments-dark is undone: nothing of it"),
    (e.UndoFailed("payments-dark", 1, "502"), "UNDO", "attempt 1 FAILED: 502"),
    (e.FaultRecovered("payments-dark", "answers again"), "FAULT", "RECOVERED: answers again"),
    (e.FaultLeaked("payments-dark", "gave up", ["curl a", "curl b"]), "LEAK", "by hand: curl a ; curl b"),
    (e.ConditionSampled("rate", "tripped", 0.75), "WATCH", "rate has TRIPPED: 0.75"),
    (e.AbortBegan("too many", "engine", "rate", 3.0), "ABORT", "condition 'rate': too many"),
    (e.FaultUndoing("kill", f"{PASSES}: waiting"), "UNDO", "kill passes by itself: waiting"),
    (e.AlertSeen("Errors", "firing", "bad", ZERO), "ALERT", "Errors is firing since 14:30:00: bad"),
    (e.ExpectationJudged(0, "late", "slow", 130.0), "EXPECT", "LATE after 2:10"),
    (e.MilestoneReached("mitigated", partial=True), "STAMP", "mitigated PARTLY"),
    (e.MilestoneWithdrawn(3, "a mistake"), "STAMP", "stamp 3 is withdrawn: a mistake"),
    (e.NoteTaken("told them", "update", "stakeholders"), "NOTE", "[update to stakeholders] told them"),
    (e.NoteClassified(3, "observation"), "NOTE", "note 3 is an observation"),
    (e.RoleTaken("technical-lead", "sam"), "ROLE", "sam is technical-lead"),
    (e.ActionAdded("A1", "add a fallback", "sam", "2026-02-01"), "ACTION", "owner sam, due 2026-02-01"),
    (e.ActionClosed("A1", "shipped"), "ACTION", "A1 is done: shipped"),
]


def envelope(event: e.Event, **more: Any) -> Record:
    told = {"wall": ZERO + 31.0, "recorded": ZERO + 31.0, "clock": 31.0, **more}
    return Record(seq=9, epoch=1, source="engine", actor="", event=event, **told)


def test_every_kind_of_event_stands_in_the_list_below() -> None:
    assert {type(event) for event, _, _ in ONE_OF_EACH} == set(e.REGISTRY.values())


@pytest.mark.parametrize(("event", "word", "part"), ONE_OF_EACH, ids=[e.kind_of(event) for event, _, _ in ONE_OF_EACH])
def test_a_line_for_every_kind(event: e.Event, word: str, part: str) -> None:
    line = lines(envelope(event), Exercise())
    assert line is not None
    assert line.startswith(f"14:30:31 +00:31 {word:<6} ")
    assert part in line
    assert len(line.splitlines()) == 1


def test_of_what_stands_again_it_is_said_that_it_goes_with_the_fault() -> None:
    gone = FaultState("payments-dark", "dependency-outage", "effective", faded=Moment(ZERO, 0.0))
    line = lines(envelope(e.FaultStandsAgain("payments-dark", "there")), Exercise(faults={"payments-dark": gone}))
    assert line is not None
    assert line.endswith("stands again: there; whoever has set it so, it is undone with the fault")


def test_a_condition_speaks_only_when_its_state_changes() -> None:
    journal = Journal().start().steady()
    before = len(journal.records)
    for second, (value, state) in enumerate(
        [(0.1, "ok"), (0.2, "ok"), (0.6, "breaching"), (0.7, "breaching"), (0.9, "tripped")]
    ):
        journal.sample(value, at=10.0 + second, state=state)
    exercise, told = follow(fold(journal.records[:before]), journal.records[before:])
    assert [line.split(None, 3)[3] for line in told] == [
        "too many failed checkouts is ok: 0.1",
        "too many failed checkouts is BREACHING: 0.6",
        "too many failed checkouts has TRIPPED: 0.9",
    ]
    assert exercise.conditions["too many failed checkouts"].value == 0.9


def test_that_what_strikes_again_and_again_was_alive_when_its_undo_went_out_reads_like_no_trouble() -> None:
    fault = FaultState("kill", "pod-kill", "undoing", strikes=2)
    line = lines(envelope(e.UndoFailed("kill", 1, ONCE_MORE)), Exercise(faults={"kill": fault}))
    assert line is not None and line.endswith("UNDO   kill strikes no more; its undo is sent once more, to be sure")


def test_a_withdrawn_stamp_is_named_and_its_author_too() -> None:
    journal = running()
    stamp = next(record for record in journal.records if isinstance(record.event, e.MilestoneReached))
    journal.add(e.MilestoneWithdrawn(stamp.seq, "wrong key"), at=140.0, source="console", actor="dana")
    _, told = follow(Exercise(), journal.records)
    assert told[-1] == "14:32:20 +02:20 STAMP  detected of 14:31:10 is withdrawn: wrong key (by dana)"


def test_what_was_backdated_says_when_it_was_written_down() -> None:
    record = envelope(e.MilestoneReached("detected"), recorded=ZERO + 151.0)
    assert lines(record, Exercise()) == "14:30:31 +00:31 STAMP  detected (written down 14:32:31)"


def test_nothing_from_outside_reaches_the_terminal_raw() -> None:
    line = lines(envelope(e.Warned("red \x1b[31m\x1b]0;title\x07\nsecond \u202eline\r\n")), Exercise())
    assert line == "14:30:31 +00:31 WARN   red �[31m�]0;title� second �line"


def test_a_page_full_of_evidence_is_cut() -> None:
    line = lines(envelope(e.FaultEffective("x", "a" * 100_000)), Exercise())
    assert line is not None and len(line) < 700 and line.endswith("…")


def test_who_aborted_is_said_once_where_no_reason_was_given() -> None:
    line = lines(envelope(e.AbortBegan("aborted by ada", "ada")), Exercise())
    assert line is not None and line.endswith("aborted by ada")


def test_pods_that_are_touched_share_what_they_have_in_common() -> None:
    pods = [f"pod shop/web-{number} (ReplicaSet web-7d, on worker-1)" for number in (1, 2)]
    plan = {"summary": "web is cut off", "targets": pods}
    line = lines(envelope(e.FaultArmed("cut", "network-partition", plan, False, 10.0)), Exercise())
    assert line is not None and "touches pods shop/web-1, web-2 (ReplicaSet web-7d, on worker-1); undo" in line


def test_a_run_that_only_waits_for_an_alert_says_so_and_until_when() -> None:
    _, told = follow(Exercise(), waiting().records)
    assert told[-1] == (
        "14:31:40 +01:40 WAIT   the timeline is through; waiting for alert CheckoutErrors, orders come in\ufffd, "
        "until +02:31 at the latest"
    )
    _, told = follow(Exercise(), waiting(limit="2m").records)
    assert "until +02:00 at the latest" in told[-1], "a second before its limit, of the time since the timeline's start"


def test_nothing_is_waited_for_where_somebody_attends_or_nothing_can_come_any_more() -> None:
    told = follow(Exercise(), waiting(attended=True).records)[1]
    journal = waiting()
    journal.records.pop()
    journal.add(e.SteadyStateJudged("after", True), at=160.0)
    told += follow(Exercise(), journal.records)[1]
    assert not any(" WAIT " in line for line in told)
