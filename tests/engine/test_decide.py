"""What is done next, and when: whole exercises on a clock that jumps."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameday.engine import decide as do
from gameday.exercise import events as ev

from .simulation import Behaviour, World

START = 0.3
"""Clock at which the timeline of a `World` starts: its steady state takes so long."""


def scripted(*timeline: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A scenario as a file has it; its durations may be given in seconds here."""
    return dict(_in_words({"version": 1, "title": "t", "timeline": list(timeline), **more}))


def _in_words(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _in_words(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_in_words(inner) for inner in value]
    durations = ("at", "for", "delay", "within", "duration", "unattended")
    return f"{value:g}s" if key in durations and isinstance(value, int | float) else value


def inject(name: str, **when: Any) -> dict[str, Any]:
    return {"id": name, "inject": f"{name} happened", **when}


def fault(name: str, lasts: float | None = 10, **when: Any) -> dict[str, Any]:
    return {"id": name, "fault": "latency", **({"for": lasts} if lasts is not None else {}), **when}


def here(at: float = 0.0) -> tuple[float, ev.Event]:
    return at, ev.ConsolesChanged(1)


def stamp(at: float, milestone: str) -> tuple[float, ev.Event]:
    return at, ev.MilestoneReached(milestone)


CLOSE = ev.CloseRequested()


# --- the script ----------------------------------------------------------------------------------------------------


def test_entries_are_started_when_they_are_due_and_in_order() -> None:
    world = World(scripted(inject("b", at=60), inject("a", at=5), fault("f", at=60, lasts=10))).run()
    assert world.at(ev.InjectDelivered, "a") == [START + 5]
    assert world.at(ev.InjectDelivered, "b") == [START + 60]
    assert world.at(ev.FaultPlanned, "f") == [START + 60]
    assert world.result == ("completed", 0)


def test_after_counts_from_the_fault_really_being_gone() -> None:
    world = World(
        scripted(fault("f", at=1, lasts=10), inject("i", after={"entry": "f", "delay": 4}), inject("j", after="i")),
        faults={"f": Behaviour(effective=3.0, undo=7.0)},
    ).run()
    effective = world.at(ev.FaultEffective, "f")[0]
    assert world.at(ev.FaultUndoing, "f") == [pytest.approx(effective + 10)]
    assert world.at(ev.FaultRecovered, "f") == [pytest.approx(effective + 17)]
    assert world.at(ev.InjectDelivered, "i") == [pytest.approx(effective + 21)]
    assert world.at(ev.InjectDelivered, "j") == world.at(ev.InjectDelivered, "i")


def test_after_a_milestone() -> None:
    script = scripted(inject("i", after={"milestone": "acknowledged", "delay": 120}))
    world = World(script, attended=True, inputs=[here(), stamp(50, "acknowledged"), (300, CLOSE)]).run()
    assert world.at(ev.InjectDelivered, "i") == [170.0]


def test_impact_is_a_milestone_that_the_fault_reaches_by_itself() -> None:
    world = World(scripted(fault("f", at=0), inject("i", after={"milestone": "impact", "delay": 2}))).run()
    assert world.at(ev.InjectDelivered, "i") == [pytest.approx(world.at(ev.FaultEffective)[0] + 2)]


def test_manual_entries_wait_for_the_facilitator() -> None:
    script = scripted(inject("m", manual=True), fault("f", manual=True), inject("n", manual=True))
    inputs = [here(), (70, ev.EntryReleased("m")), (90, ev.EntryReleased("f")), (500, CLOSE)]
    world = World(script, attended=True, inputs=inputs).run()
    assert world.at(ev.InjectDelivered, "m") == [70.0]
    assert world.at(ev.FaultPlanned, "f") == [90.0]
    assert world.skipped() == {"n": "closed before it was due"}


def test_an_entry_that_waits_can_be_released_before_its_time() -> None:
    world = World(
        scripted(inject("i", at=100)), attended=True, inputs=[here(), (5, ev.EntryReleased("i")), (9, CLOSE)]
    ).run()
    assert world.at(ev.InjectDelivered, "i") == [5.0]


def test_a_pause_shifts_the_rest_and_nothing_bursts() -> None:
    script = scripted(inject("a", at=10), inject("b", at=20), inject("c", at=30))
    inputs = [here(), (15, ev.Paused("coffee")), (115, ev.Continued()), (300, CLOSE)]
    world = World(script, attended=True, inputs=inputs).run()
    assert world.at(ev.InjectDelivered) == [START + 10, START + 120, START + 130]


def test_two_pauses_add_up_and_shift_what_waits_after_an_entry() -> None:
    script = scripted(inject("a", at=1), inject("b", after={"entry": "a", "delay": 30}))
    pauses = [(5, ev.Paused("p")), (15, ev.Continued()), (20, ev.Paused("p")), (40, ev.Continued())]
    world = World(script, attended=True, inputs=[here(), *pauses, (200, CLOSE)]).run()
    assert world.at(ev.InjectDelivered, "b") == [START + 1 + 30 + 10 + 20]


def test_released_entries_wait_for_the_end_of_a_pause() -> None:
    inputs = [here(), (2, ev.Paused("p")), (3, ev.EntryReleased("m")), (9, ev.Continued()), (50, CLOSE)]
    world = World(scripted(inject("m", manual=True)), attended=True, inputs=inputs).run()
    assert world.at(ev.InjectDelivered, "m") == [9.0]


def test_a_suspended_machine_undoes_what_is_over_at_once_and_bursts_nothing() -> None:
    script = scripted(fault("f", at=0, lasts=60), inject("a", at=100), inject("b", at=200))
    world = World(script, attended=True, inputs=[here()]).run(until=30.0)
    assert world.x.faults["f"].stage == "effective"
    world.sleeps(1000.0)
    world.later(100.0, lambda: world.happens(ev.Continued()))
    world.later(400.0, lambda: world.happens(CLOSE))
    world.run()
    assert world.at(ev.FaultUndoing, "f") == [1030.0], "at once on waking, not after another wait"
    continued = world.at(ev.Continued)[0]
    assert world.at(ev.InjectDelivered, "a") == [pytest.approx(continued + 100 + START - 30)]
    assert world.at(ev.InjectDelivered, "b") == [pytest.approx(continued + 200 + START - 30)]


# --- pausing is not safety -----------------------------------------------------------------------------------------


def test_a_fault_ends_in_time_while_paused() -> None:
    inputs = [here(), (5, ev.Paused("coffee")), (500, ev.Continued()), (600, CLOSE)]
    world = World(scripted(fault("f", at=1, lasts=10)), attended=True, inputs=inputs).run()
    assert world.at(ev.FaultUndoing) == [pytest.approx(world.at(ev.FaultEffective)[0] + 10)]


def test_an_abort_works_while_paused() -> None:
    inputs = [here(), (5, ev.Paused("coffee")), (8, ev.AbortBegan("breach", "condition"))]
    world = World(scripted(fault("f", at=1, lasts=100), inject("i", at=200)), attended=True, inputs=inputs).run()
    assert world.at(ev.UndoSent, "f") == [8.0]
    assert world.at(ev.InjectDelivered) == []
    assert world.result == ("aborted", 3)


# --- unattended ----------------------------------------------------------------------------------------------------


def test_unattended_what_needs_people_is_skipped_and_said() -> None:
    script = scripted(
        inject("m", manual=True),
        inject("h", after={"milestone": "diagnosed"}),
        inject("after-m", after="m"),
        inject("after-that", after={"entry": "after-m", "delay": 5}),
        inject("plain", at=50),
    )
    world = World(script).run()
    assert world.skipped() == {
        "m": "manual, and nobody attends",
        "h": "waits for people to reach 'diagnosed', and nobody attends",
        "after-m": "'m', which it waits for, was skipped",
        "after-that": "'after-m', which it waits for, was skipped",
    }
    assert world.at(ev.InjectDelivered) == [START + 50]
    assert world.result == ("completed", 0)


def test_unattended_what_waits_for_something_that_cannot_come_is_skipped() -> None:
    world = World(scripted(inject("i", after={"milestone": "detected"}), inject("j", at=30))).run()
    assert world.skipped() == {"i": "what it waits for did not happen"}
    assert world.at(ev.EntrySkipped) == [START + 30], "only when nothing else is coming"
    assert world.result == ("completed", 0)


def test_what_waits_for_a_refused_fault_is_skipped() -> None:
    script = scripted(fault("f", at=1), inject("i", after="f"))
    world = World(script, faults={"f": Behaviour(plan=None)}).run()
    assert world.skipped() == {"i": "'f', which it waits for, was refused"}
    assert world.result == ("failed", 1)


def test_attended_nothing_is_skipped_while_it_can_still_be_released() -> None:
    script = scripted(inject("m", manual=True), inject("n", after="m"), inject("h", after={"milestone": "diagnosed"}))
    world = World(script, attended=True, inputs=[here()]).run(until=1000.0)
    assert world.skipped() == {} and world.x.phase == "running"


# --- who ends what (the table of endings) --------------------------------------------------------------------------


def test_attended_it_ends_when_the_facilitator_closes_it_not_before() -> None:
    world = World(scripted(inject("i", at=1)), attended=True, inputs=[here()]).run(until=500.0)
    assert world.x.phase == "running" and world.x.through
    world.happens(CLOSE)
    assert world.run().result == ("completed", 0)
    assert world.at(ev.ExerciseEnded)[0] > 500.0


def test_closing_undoes_first() -> None:
    script = scripted(fault("f", at=1, lasts=1000), inject("i", at=900))
    world = World(script, attended=True, inputs=[here(), (50, CLOSE)], faults={"f": Behaviour(undo=5.0)}).run()
    assert world.at(ev.FaultUndoing) == [50.0] and world.at(ev.FaultRecovered) == [55.0]
    assert world.skipped() == {"i": "closed before it was due"}
    assert world.at(ev.SteadyStateBegan)[-1] == 55.0 and world.at(ev.ExerciseEnded)[0] > 55.0
    assert world.result == ("completed", 0)


def test_closing_over_a_fault_that_is_being_planned_is_no_failure() -> None:
    inputs = [here(), (3, CLOSE)]
    world = World(scripted(fault("f", at=1)), attended=True, inputs=inputs, faults={"f": Behaviour(plan=8.0)}).run()
    assert world.at(ev.FaultRefused) == [pytest.approx(START + 9)] and world.at(ev.FaultArmed) == []
    assert world.result == ("completed", 0)


def test_a_console_lost_over_a_live_fault_aborts_after_the_limit() -> None:
    script = scripted(fault("f", at=1, lasts=1000), limits={"unattended": 60})
    world = World(script, attended=True, inputs=[here(), (20, ev.ConsolesChanged(0))]).run()
    assert world.at(ev.AbortBegan) == [80.0] and world.at(ev.UndoSent, "f") == [80.0]
    assert world.result == ("aborted", 3)


def test_a_console_that_comes_back_in_time_changes_nothing() -> None:
    script = scripted(fault("f", at=1, lasts=200), limits={"unattended": 60})
    inputs = [here(), (20, ev.ConsolesChanged(0)), (79, ev.ConsolesChanged(1)), (400, CLOSE)]
    assert World(script, attended=True, inputs=inputs).run().result == ("completed", 0)


def test_the_last_console_counts_not_the_first() -> None:
    script = scripted(fault("f", at=1, lasts=200), limits={"unattended": 60})
    changes = [(0, 2), (20, 1), (100, 0)]
    world = World(script, attended=True, inputs=[(at, ev.ConsolesChanged(n)) for at, n in changes]).run()
    assert world.at(ev.AbortBegan) == [160.0]


def test_a_console_lost_without_a_live_fault_pauses() -> None:
    script = scripted(inject("i", at=100), inject("j", at=110))
    inputs = [here(), (20, ev.ConsolesChanged(0)), (500, ev.ConsolesChanged(1)), (510, ev.Continued()), (700, CLOSE)]
    world = World(script, attended=True, inputs=inputs).run()
    assert world.at(ev.Paused) == [20 + do.CONSOLE_GRACE]
    assert world.at(ev.InjectDelivered, "i") == [pytest.approx(510 + START + 100 - 25)]
    assert world.result == ("completed", 0)


def test_a_console_lost_while_paused_over_a_live_fault_still_aborts() -> None:
    script = scripted(fault("f", at=1, lasts=1000), limits={"unattended": 30})
    world = World(script, attended=True, inputs=[here(), (10, ev.Paused("coffee")), (20, ev.ConsolesChanged(0))]).run()
    assert world.at(ev.AbortBegan) == [50.0]


def test_an_attended_exercise_that_nobody_ever_joined_does_not_run_off() -> None:
    world = World(scripted(inject("i", at=60)), attended=True).run(until=1000.0)
    assert world.at(ev.Paused) != [] and world.at(ev.InjectDelivered) == []


def test_unattended_needs_no_console() -> None:
    script = scripted(fault("f", at=1, lasts=500), limits={"unattended": 10})
    world = World(script).run()
    assert world.at(ev.AbortBegan) == [] and world.at(ev.Paused) == []
    assert world.result == ("completed", 0)


def test_a_suspended_machine_aborts_what_is_unattended() -> None:
    world = World(scripted(fault("f", at=1, lasts=1000))).run(until=100.0)
    world.sleeps(3600.0)
    assert world.run().result == ("aborted", 3)
    assert world.at(ev.UndoSent) == [3700.0]


def test_the_limit_of_the_exercise_aborts_it() -> None:
    script = scripted(fault("f", at=1, lasts=1000), limits={"duration": 120})
    world = World(script, attended=True, inputs=[here()]).run()
    assert world.at(ev.AbortBegan) == [START + 120] and world.at(ev.UndoSent) == [START + 120]
    assert world.result == ("aborted", 3)
    assert "limit of 120 s" in world.x.reason


def test_the_limit_counts_through_pauses() -> None:
    script = scripted(inject("i", at=100), limits={"duration": 120})
    world = World(script, attended=True, inputs=[here(), (5, ev.Paused("p"))]).run()
    assert world.at(ev.AbortBegan) == [START + 120]


def test_nothing_starts_where_the_steady_state_does_not_hold() -> None:
    world = World(scripted(fault("f", at=0), inject("i", at=0)), before=False).run()
    assert world.result == ("refused", 5)
    assert world.at(ev.TimelineStarted) == world.at(ev.FaultPlanned) == world.at(ev.InjectDelivered) == []


def test_an_abort_before_the_timeline_ends_it_without_a_check_afterwards() -> None:
    world = World(scripted(fault("f", at=0)), inputs=[(0.1, ev.AbortBegan("SIGTERM", "SIGTERM"))]).run()
    assert world.result == ("aborted", 3)
    assert len(world.at(ev.SteadyStateBegan)) == 1 and world.at(ev.FaultPlanned) == []


def test_a_fault_that_is_planned_when_the_abort_comes_is_refused_and_waited_for() -> None:
    inputs = [(START + 1.0, ev.AbortBegan("breach", "c"))]
    world = World(scripted(fault("f", at=0.9)), inputs=inputs, faults={"f": Behaviour(plan=8.0)}).run()
    assert world.at(ev.FaultRefused) == [pytest.approx(START + 8.9)] and world.at(ev.FaultArmed) == []
    assert world.at(ev.ExerciseEnded)[0] > START + 8.9


# --- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [Behaviour(inject=None), Behaviour(effective=None)])
def test_a_fault_that_failed_is_undone_all_the_same(behaviour: Behaviour) -> None:
    world = World(scripted(fault("f", at=1, lasts=100)), faults={"f": behaviour}).run()
    assert len(world.at(ev.UndoSent)) == 1 and len(world.at(ev.FaultRecovered)) == 1
    assert world.result == ("failed", 1)
    assert "fault 'f' failed" in world.x.reason


@pytest.mark.parametrize("behaviour", [Behaviour(inject=300.0), Behaviour(inject=10.0, effective=290.0)])
def test_a_fault_that_is_never_seen_to_take_hold_is_undone_in_time_and_failed(behaviour: Behaviour) -> None:
    world = World(scripted(fault("f", at=1, lasts=2)), faults={"f": behaviour}).run()
    assert world.at(ev.FaultUndoing) == [world.at(ev.FaultInjecting)[0] + 2 + do.EFFECTIVE_WINDOW]
    assert world.at(ev.FaultEffective) == [] and world.x.faults["f"].effective is None
    assert world.result == ("failed", 1) and do.UNSEEN in world.x.reason


def test_a_fault_that_takes_hold_late_stands_no_longer_than_one_that_does_not() -> None:
    world = World(scripted(fault("f", at=1, lasts=10)), faults={"f": Behaviour(inject=20.0, effective=3.0)}).run()
    assert world.at(ev.FaultUndoing) == [world.at(ev.FaultInjecting)[0] + 10 + do.EFFECTIVE_WINDOW]
    assert world.result == ("completed", 0)


def test_the_ceiling_holds_while_paused_and_counts_from_the_injection_not_from_the_plan() -> None:
    inputs = [here(), (2, ev.Paused("coffee")), (500, ev.Continued()), (600, CLOSE)]
    slow = {"f": Behaviour(plan=30.0, inject=300.0)}
    world = World(scripted(fault("f", at=1, lasts=10)), attended=True, inputs=inputs, faults=slow).run()
    assert world.at(ev.FaultUndoing) == [pytest.approx(START + 1 + 30 + 10 + do.EFFECTIVE_WINDOW)]


def test_a_one_shot_fault_waits_for_its_recovery_only() -> None:
    world = World(scripted(fault("f", at=1, lasts=None)), faults={"f": Behaviour(one_shot=True, undo=30.0)}).run()
    effective = world.at(ev.FaultEffective)[0]
    assert world.at(ev.FaultUndoing) == [effective] and world.at(ev.FaultRecovered) == [effective + 30.0]
    assert world.result == ("completed", 0)


# --- verdicts ------------------------------------------------------------------------------------------------------


def test_a_leak_aborts_the_rest_and_names_the_verdict() -> None:
    script = scripted(fault("f", at=1, lasts=5), fault("g", at=2, lasts=1000), inject("i", at=500))
    world = World(script, faults={"f": Behaviour(undo=None)}).run()
    assert world.result == ("leaked", 4) and "f" in world.x.reason
    assert len(world.at(ev.FaultRecovered, "g")) == 1
    assert world.at(ev.FaultRecovered, "g")[0] < 500 and world.at(ev.InjectDelivered) == []


def test_leaked_beats_aborted_beats_failed() -> None:
    leaky = {"f": Behaviour(undo=None)}
    script = scripted(fault("f", at=1, lasts=100))
    abort = [(10.0, ev.AbortBegan("breach", "c"))]
    assert World(script, inputs=abort, faults=leaky, after=False).run().result == ("leaked", 4)
    assert World(script, inputs=abort, after=False).run().result == ("aborted", 3)
    assert World(script, after=False).run().result == ("failed", 1)
    assert World(script).run().result == ("completed", 0)


@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("met", ("completed", 0)),
        ("late", ("failed", 1)),
        ("missed", ("failed", 1)),
    ],
)
def test_expectations(state: Any, result: tuple[str, int]) -> None:
    script = scripted(inject("i", at=20), expect=[{"alert": "A", "within": 5}])
    assert World(script, inputs=[(10.0, ev.ExpectationJudged(0, state, "why"))]).run().result == result


def test_unattended_a_machine_is_given_its_time_to_show_what_is_expected() -> None:
    """A pod is back long before Prometheus has asked for it twice."""
    script = scripted(fault("f", at=1, lasts=2), expect=[{"alert": "A", "within": 60}])
    alone = World(script).run()
    (impact,) = alone.at(ev.FaultEffective, "f")
    assert alone.now == pytest.approx(impact + 60)
    came = World(script, inputs=[(30.0, ev.ExpectationJudged(0, "met", ""))]).run()
    assert came.now == pytest.approx(30.0) and came.result == ("completed", 0)
    short = World({**script, "limits": {"duration": "20s"}}).run()
    assert short.now == pytest.approx(START + 20 - do.LAST_MOMENT) and short.x.abort is None
    aborted = World(script, inputs=[(10.0, ev.AbortBegan("", "Ada"))]).run()
    assert aborted.now < 15
    closed = World(script, attended=True, inputs=[here(), (10.0, CLOSE)]).run()
    assert closed.now < 15


def test_what_a_machine_should_have_shown_and_nobody_saw_is_not_done_as_hoped() -> None:
    script = scripted(fault("f", at=1, lasts=2), expect=[{"alert": "A", "within": 60}, {"milestone": "mitigated"}])
    unseen = [(20.0, ev.ExpectationJudged(0, "not_observed", "away")), (21.0, ev.ExpectationJudged(1, "not_observed"))]
    world = World(script, inputs=unseen).run()
    assert world.result == ("failed", 1)
    assert do.verdict(world.x).reason == "alert A was not observed: away"


# --- what it costs -------------------------------------------------------------------------------------------------


def test_a_virtual_day_is_a_handful_of_decisions() -> None:
    script = scripted(inject("i", at=43_000), fault("f", at=86_000, lasts=60), limits={"duration": 90_000})
    world = World(script).run()
    assert world.now > 86_000 and world.decisions < 30


def test_with_200_entries_and_20_conditions_decide_asks_each_thing_once() -> None:
    entries = [inject(f"i{n}", at=n) if n % 2 else fault(f"f{n}", at=n, lasts=3) for n in range(200)]
    conditions = [{"name": f"c{n}", "tcp": {"address": "h:1"}, "equals": False, "no_data": "ok"} for n in range(20)]
    samples = [(n / 10, ev.ConditionSampled(f"c{n % 20}", "ok", n % 2 == 0)) for n in range(2000)]
    world = World(scripted(*entries, abort_when=conditions), inputs=samples).run()
    assert world.result == ("completed", 0)
    assert_asked_once(world)
    events = len(world.records)
    assert world.decisions <= 2 * events, "one look for each event, and one at each wake"


def assert_asked_once(world: World) -> None:
    keys = [
        (type(action).__name__, getattr(action, "entry", getattr(action, "phase", ""))) for _, action in world.asked
    ]
    again = {key: n for key, n in Counter(keys).items() if n > 1 and key[0] not in ("AbortAll", "PauseScript")}
    assert again == {}
    assert sum(key[0] == "AbortAll" for key in keys) <= 1


# --- whatever the world does ---------------------------------------------------------------------------------------

SECONDS = st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0, 40.0])
STEP = st.none() | SECONDS
BEHAVIOURS = st.builds(Behaviour, STEP, STEP, STEP, STEP, st.booleans())


@st.composite
def _scenarios(draw: st.DrawFn) -> dict[str, Any]:
    timeline: list[dict[str, Any]] = []
    for n in range(draw(st.integers(0, 5))):
        whens: list[dict[str, Any]] = [{"at": draw(SECONDS)}, {"manual": True}]
        whens.append({"after": {"milestone": draw(st.sampled_from(["impact", "detected", "diagnosed"]))}})
        whens += [{"after": {"entry": f"e{m}", "delay": draw(SECONDS)}} for m in range(n)]
        when = draw(st.sampled_from(whens))
        timeline.append(fault(f"e{n}", lasts=draw(SECONDS), **when) if draw(st.booleans()) else inject(f"e{n}", **when))
    limits = {"duration": draw(st.sampled_from([5, 100, 1000])), "unattended": draw(st.sampled_from([0.5, 20]))}
    return scripted(*timeline, limits=limits)


INPUTS = st.one_of(
    st.builds(ev.ConsolesChanged, st.integers(0, 2)),
    st.builds(ev.Paused, st.just("p")),
    st.builds(ev.Continued),
    st.builds(ev.MilestoneReached, st.sampled_from(["impact", "detected", "diagnosed"])),
    st.builds(ev.EntryReleased, st.sampled_from(["e0", "e1", "e2"])),
    st.builds(ev.EntrySkipped, st.sampled_from(["e0", "e1", "e2"]), st.just("s")),
    st.builds(ev.AbortBegan, st.just("breach"), st.just("c")),
    st.builds(ev.FaultUndoing, st.sampled_from(["e0", "e1", "e2"]), st.just("by hand")),
    st.just(CLOSE),
)


@settings(max_examples=120, deadline=None)
@given(
    _scenarios(),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 60), INPUTS), max_size=6),
    st.dictionaries(st.sampled_from(["e0", "e1", "e2", "e3", "e4"]), BEHAVIOURS),
    st.booleans(),
    st.booleans(),
)
def test_it_always_ends_and_leaves_no_fault_alive(
    scenario: dict[str, Any],
    attended: bool,
    inputs: list[tuple[float, Any]],
    faults: dict[str, Behaviour],
    before: bool,
    after: bool,
) -> None:
    known = {entry["id"] for entry in scenario["timeline"]}
    inputs = [(at, event) for at, event in inputs if getattr(event, "entry", None) in {None, *known}]
    if attended:
        inputs.append((200.0, CLOSE))
    world = World(scenario, attended, inputs, faults, before, after).run()
    assert world.x.phase == "ended"
    assert world.x.live_faults == ()
    assert_asked_once(world)
    leaked = [f for f in world.x.faults.values() if f.stage == "leaked"]
    assert (world.x.verdict == "leaked") == bool(leaked)
    if world.x.abort is not None:
        begun = [r.clock for r in world.records if isinstance(r.event, ev.FaultInjecting)]
        assert all(clock <= world.x.abort.at.clock for clock in begun)
        assert world.result in (("aborted", 3), ("leaked", 4))
    for entry in world.x.entries.values():
        assert entry.stage in ("done", "skipped") or world.x.abort is not None or world.x.verdict == "refused"
