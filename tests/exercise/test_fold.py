"""The fold is total, incremental, and never lets a live fault out of sight."""

from __future__ import annotations

import types
import typing
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameday.exercise import events as ev
from gameday.exercise.fold import apply, fold
from gameday.exercise.record import Record, from_json, to_json
from gameday.exercise.state import Exercise
from gameday.scenario.models import Scenario

NAMES = st.sampled_from(["a", "b", "fault-3"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
SCENARIO = {
    "version": 1,
    "title": "t",
    "timeline": [
        {"id": "a", "at": "1s", "fault": "latency", "for": "5s"},
        {"id": "b", "after": "a", "inject": "hello"},
        {"manual": True, "fault": "pod-kill"},
    ],
    "expect": [{"milestone": "detected", "within": "5s"}, {"alert": "A", "within": "5s"}],
    "abort_when": [{"name": "a", "tcp": {"address": "h:1"}, "equals": False}],
}
DAMAGED = st.fixed_dictionaries({}, optional={key: JSON | st.just(value) for key, value in SCENARIO.items()})
PLAN = st.fixed_dictionaries({}, optional=dict.fromkeys(("summary", "targets", "objects", "commands", "undo"), JSON))


def _of(hint: Any) -> st.SearchStrategy[Any]:
    origin = get_origin(hint)
    if hint is Any:
        return JSON
    if origin is Literal:
        return st.sampled_from(get_args(hint))
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*map(_of, get_args(hint)))
    if origin is list:
        return st.lists(_of(get_args(hint)[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(st.text(max_size=8), JSON, max_size=3)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: NAMES | st.text(max_size=5),
        bool: st.booleans(),
        int: st.integers(-3, 60),
        float: st.floats(allow_nan=True),
        types.NoneType: st.none(),
    }
    return simple[hint]


def _event(cls: type[ev.Event]) -> st.SearchStrategy[ev.Event]:
    hints = get_type_hints(cls)
    special = {(ev.ExerciseStarted, "scenario"): DAMAGED | st.just(SCENARIO), (ev.FaultArmed, "plan"): PLAN}
    given_fields = {field.name: special.get((cls, field.name), _of(hints[field.name])) for field in fields(cls)}
    if "entry" in given_fields:
        given_fields["entry"] = NAMES
    return st.builds(cls, **given_fields)


EVENTS = st.one_of(*map(_event, ev.REGISTRY.values()))
FAULT_EVENTS = st.one_of(*(_event(cls) for kind, cls in ev.REGISTRY.items() if kind.startswith(("fault_", "undo_"))))


def journal_of(events: list[ev.Event], clocks: list[float] | None = None) -> list[Record]:
    times = clocks if clocks is not None else [float(n) for n in range(len(events))]
    return [
        Record(n, 1000.0 + at, at, 1000.0 + at, 1, "engine", "", event)
        for n, (event, at) in enumerate(zip(events, times, strict=True), 1)
    ]


Scenario.model_validate(SCENARIO)
STARTED = ev.ExerciseStarted("x", "n", "p", SCENARIO, "h", {}, True, 1, 0.0, "b")


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=12), st.data())
def test_no_prefix_of_any_journal_fails(events: list[ev.Event], data: st.DataObject) -> None:
    clocks = data.draw(st.lists(st.floats(), min_size=len(events), max_size=len(events)))
    records = journal_of(events, clocks)
    exercise = Exercise()
    for record in records:
        exercise = apply(exercise, record)
        assert exercise.last_seq == record.seq
        assert {f.entry for f in exercise.live_faults} <= {f.entry for f in exercise.unrecovered}


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=10).flatmap(lambda some: st.permutations([STARTED, *some])))
def test_no_order_of_events_fails_and_reading_them_from_json_changes_nothing(events: list[ev.Event]) -> None:
    records = journal_of(events)
    assert repr(fold(records)) == repr(fold([from_json(to_json(record)) for record in records]))


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=10), st.integers(0, 11))
def test_folding_on_is_the_same_as_folding_at_once(events: list[ev.Event], cut: int) -> None:
    records = journal_of([STARTED, *events])
    assert repr(fold(records)) == repr(fold(records[cut:], fold(records[:cut])))


@settings(max_examples=60, deadline=None)
@given(st.lists(FAULT_EVENTS, max_size=15))
def test_only_recovery_ends_what_may_disturb_the_target(events: list[ev.Event]) -> None:
    exercise = fold(journal_of([STARTED]))
    for n, event in enumerate(events, 2):
        before = {fault.entry for fault in exercise.unrecovered}
        exercise = apply(exercise, Record(n, 0.0, float(n), 0.0, 1, "engine", "", event))
        gone = before - {fault.entry for fault in exercise.unrecovered}
        assert not gone or (isinstance(event, ev.FaultRecovered) and gone == {event.entry})
        come = {fault.entry for fault in exercise.unrecovered} - before
        assert not come or isinstance(event, ev.FaultArmed | ev.FaultInjecting)
        for fault in exercise.live_faults:
            assert exercise.entries[fault.entry].stage == "started" or fault.ended is not None


PLANNED = ev.FaultPlanned("a", "latency", 1.0)
ARMED = ev.FaultArmed("a", "latency", {"summary": "s", "targets": ["t"], "objects": ["o"]}, False, 5.0)
INJECTING = ev.FaultInjecting("a", 7)
EFFECTIVE = ev.FaultEffective("a", "seen")
UNDOING = ev.FaultUndoing("a", "over")
RECOVERED = ev.FaultRecovered("a", "gone")
LEAKED = ev.FaultLeaked("a", "no", ["undo it"])
LIFE = [PLANNED, ARMED, INJECTING, ev.FaultInjected("a"), EFFECTIVE, UNDOING, ev.UndoSent("a", 1), RECOVERED]


def test_a_whole_life() -> None:
    stages = []
    exercise = fold(journal_of([STARTED]))
    for n, event in enumerate(LIFE, 2):
        exercise = apply(exercise, Record(n, 0.0, float(n), 0.0, 1, "engine", "", event))
        stages.append(exercise.faults["a"].stage)
    assert stages == [
        "planned", "armed", "injecting", "injecting", "effective", "undoing", "undoing", "recovered",
    ]  # fmt: skip
    fault = exercise.faults["a"]
    assert fault.effective is not None and fault.effective.clock == 6.0
    assert fault.undo_sent is not None and fault.undo_sent.clock == 8.0
    assert fault.ended is not None and fault.ended.clock == 9.0
    assert exercise.entries["a"].stage == "done" and exercise.entries["a"].done == fault.ended


@pytest.mark.parametrize(
    ("events", "stage"),
    [
        ([UNDOING], None),
        ([PLANNED, UNDOING], "planned"),
        ([PLANNED, INJECTING], "planned"),
        ([PLANNED, ev.FaultRefused("a", "no target")], "refused"),
        ([PLANNED, ev.FaultRefused("a", "no target"), UNDOING], "refused"),
        ([PLANNED, ARMED, ev.FaultRefused("a", "too late")], "armed"),
        ([PLANNED, ARMED, PLANNED], "armed"),
        ([PLANNED, ARMED, UNDOING, INJECTING], "undoing"),
        ([PLANNED, ARMED, UNDOING, INJECTING, EFFECTIVE], "undoing"),
        ([PLANNED, ARMED, INJECTING, LEAKED], "leaked"),
        ([PLANNED, ARMED, INJECTING, LEAKED, UNDOING], "undoing"),
        ([PLANNED, ARMED, INJECTING, LEAKED, UNDOING, RECOVERED], "recovered"),
        ([PLANNED, ARMED, INJECTING, UNDOING, RECOVERED, UNDOING], "recovered"),
        ([PLANNED, ARMED, INJECTING, EFFECTIVE, ARMED], "effective"),
    ],
)
def test_transitions(events: list[ev.Event], stage: str | None) -> None:
    fault = fold(journal_of([STARTED, *events])).faults.get("a")
    assert (fault.stage if fault else None) == stage


@pytest.mark.parametrize(
    ("events", "stage"),
    [
        ([ev.EntryReleased("b")], "released"),
        ([ev.InjectDelivered("b", "hello"), ev.EntryReleased("b")], "done"),
        ([ev.InjectDelivered("b", "hello"), ev.EntrySkipped("b", "no")], "done"),
        ([ev.EntrySkipped("b", "no"), ev.EntryReleased("b")], "skipped"),
        ([ev.EntryReleased("b"), ev.EntrySkipped("b", "no")], "skipped"),
    ],
)
def test_an_entry_goes_one_way(events: list[ev.Event], stage: str) -> None:
    assert fold(journal_of([STARTED, *events])).entries["b"].stage == stage


def test_a_running_fault_is_not_skipped() -> None:
    exercise = fold(journal_of([STARTED, PLANNED, ARMED, ev.EntrySkipped("a", "no")]))
    assert exercise.entries["a"].stage == "started" and not exercise.through


ENGINE = ev.EngineStarted(2, 1, "h", True)
RUNNING = [STARTED, ev.EngineStarted(1, 1, "h"), ev.TimelineStarted()]


def test_an_engine_that_takes_over_goes_on_paused() -> None:
    lost = fold(journal_of([*RUNNING, ev.EngineLost("killed")]))
    assert (lost.phase, lost.engine_pid) == ("interrupted", None)
    on = fold(journal_of([*RUNNING, ev.EngineLost("killed"), ENGINE]))
    assert on.phase == "running" and on.paused is not None and on.consoles == 0


@pytest.mark.parametrize("loss", [[], [ev.EngineLost("killed")]])
def test_an_abort_outlives_its_engine(loss: list[ev.Event]) -> None:
    assert fold(journal_of([*RUNNING, ev.AbortBegan("r", "b"), *loss, ENGINE])).phase == "aborting"


def test_a_check_that_an_engine_left_unfinished_is_asked_again() -> None:
    records = journal_of([STARTED, ev.SteadyStateBegan("before"), ev.EngineLost("killed"), ENGINE])
    exercise = fold(records)
    assert exercise.steady_phase is None and exercise.steady_before is None and exercise.phase == "ready"


def test_nothing_starts_an_ended_exercise_again() -> None:
    ended = [*RUNNING, ev.ExerciseEnded("aborted", 3, "r")]
    for event in (
        ENGINE,
        ev.AbortBegan("r", "b"),
        ev.SteadyStateBegan("after"),
        ev.TimelineStarted(),
        ev.EngineLost("r"),
    ):
        assert fold(journal_of([*ended, event])).phase == "ended"


def test_pauses_are_counted_once_and_only_within() -> None:
    events = [STARTED, ev.Paused("p"), ev.Paused("again"), ev.Continued(), ev.Continued(), ev.Paused("q")]
    exercise = fold(journal_of(events, [0.0, 10.0, 12.0, 20.0, 25.0, 30.0]))
    assert exercise.paused_seconds(0.0, 40.0) == 20.0
    assert exercise.paused_seconds(15.0, 16.0) == 1.0
    assert exercise.paused_seconds(21.0, 29.0) == 0.0
