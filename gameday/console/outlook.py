"""What the run screen says, as rows: pure functions from an exercise and its clock to words, numbers and tones.

No widget, no colour, no clock is read. When something is due is the engine's knowledge (`due_clock`), what a milestone
or an expectation came to is the exercise's (`landmarks`, `judge_expectations`); here it is only put into rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from gameday.console.headroom import ceiling, headroom, spark
from gameday.console.times import clean, span_text, took_text, value_text, wall_text
from gameday.console.wording import Tone, on_one_line
from gameday.engine.decide import due_clock, waits_until
from gameday.exercise.expectations import awaited, expectation_name, judge_expectations, updates_to
from gameday.exercise.state import Exercise, ExpectationState, FaultState
from gameday.exercise.timings import Landmark, landmarks
from gameday.exercise.wholeness import touched
from gameday.frozen import frozen
from gameday.scenario.models import MILESTONES, Entry, Expectation

OVER = frozenset({"aborting", "after", "ended"})
"""Phases in which nothing of the script comes any more."""
SOON = 60.0
"""Seconds before something is due from which it is told in another tone."""


# --- the phase ------------------------------------------------------------------------------------------------------


@frozen
class PhaseWords:
    word: str
    more: str
    tone: Tone


def phase_words(
    exercise: Exercise, *, engine_alive: bool = True, guardian_alive: bool = True, now: float | None = None
) -> PhaseWords:
    """The state of the exercise in a word, and what it means for the room; `now` (its clock) says how long it is so."""
    phase = exercise.phase
    if phase == "ended":
        tone: Tone = "good" if exercise.verdict == "completed" else "bad" if exercise.verdict == "leaked" else "warn"
        return PhaseWords(f"ENDED, {(exercise.verdict or 'unknown').upper()}", exercise.reason, tone)
    if phase == "interrupted":
        more = _left_to(exercise, guardian_alive) if exercise.live_faults else "all undone; p goes on, e ends"
        return PhaseWords("INTERRUPTED", more, "bad")
    if not engine_alive and exercise.engine_pid is not None:
        more = _left_to(exercise, guardian_alive) if exercise.live_faults else "no fault is live"
        return PhaseWords("ENGINE GONE", more, "bad")
    if phase == "aborting":
        left = len(exercise.live_faults)
        return PhaseWords(
            "ABORTING", f"{_faults(left)} not yet confirmed clear" if left else "every fault is clear", "bad"
        )
    if exercise.closing:
        return PhaseWords("CLOSING", "what still lives is undone first", "warn")
    if exercise.paused is not None:
        since = f" for {span_text(now - exercise.paused.clock)}" if now is not None else ""
        return PhaseWords("PAUSED", f"script frozen{since}, safety goes on", "warn")
    if phase == "running" and exercise.through and not exercise.live_faults:
        return PhaseWords("OPEN", "the script is through; e ends the exercise", "warn")
    if phase == "after" and (waits_for := waiting(exercise, now or 0.0)) is not None:
        things, until = waits_for
        most = f", {span_text(until - now)} at the longest" if now is not None else ""
        return PhaseWords("WAITING", f"the timeline is through; for {things}{most}", "calm")
    return {
        "new": PhaseWords("STARTING", "waiting for the engine", "quiet"),
        "before": PhaseWords("CHECKING", "steady state before", "calm"),
        "ready": PhaseWords("READY", "nothing has been touched", "calm"),
        "running": PhaseWords("RUNNING", "", "good"),
        "after": PhaseWords("CHECKING", "steady state after", "calm"),
        "open": PhaseWords("OPEN", "the script is through; e ends the exercise", "warn"),
    }[phase]


def waiting(exercise: Exercise, now: float) -> tuple[str, float] | None:
    """What an unattended exercise whose timeline and last check are through still waits for, in words, and the clock
    until which it does; None where it waits for nothing."""
    if exercise.attended or exercise.phase != "after" or exercise.steady_after is None:
        return None
    until = waits_until(exercise, now)
    if until is None or until <= now:
        return None
    return ", ".join(clean(expectation_name(one)) for one, _ in awaited(exercise, now)), until


def _left_to(exercise: Exercise, guardian_alive: bool) -> str:
    """Who takes care of what still lives when no engine does: where nobody answers any more, whoever reads this."""
    left = _faults(len(exercise.live_faults))
    if guardian_alive:
        return f"the guardian is undoing {left}"
    return f"the guardian too, {left} NOT UNDONE: gameday recover {exercise.id}"


VERDICTS: dict[str, tuple[str, str, Tone]] = {
    "completed": ("COMPLETED", "Done as hoped.", "good"),
    "failed": ("FAILED", "The hypothesis, or an expectation that could have been met, did not hold.", "warn"),
    "aborted": ("ABORTED", "Stopped before its end; every fault was undone.", "warn"),
    "leaked": ("A FAULT IS NOT UNDONE", "Somebody has to act now.", "bad"),
    "refused": ("REFUSED", "Nothing was started.", "warn"),
}


def verdict_words(exercise: Exercise) -> tuple[str, str, Tone]:
    """How it ended: a word, a sentence, and how it is told."""
    word, told, tone = VERDICTS.get(exercise.verdict or "", ((exercise.verdict or "?").upper(), "", "warn"))
    if exercise.verdict == "aborted" and not exercise.faults:
        told = "Stopped before its end; there was no fault to undo."
    if exercise.steady_after is False:
        told = f"{told} THE SYSTEM IS NOT BACK IN ITS STEADY STATE.".strip()
    return word, told, tone


def _faults(count: int) -> str:
    return "1 fault" if count == 1 else f"{count} faults"


# --- faults ---------------------------------------------------------------------------------------------------------


@frozen
class FaultRow:
    entry: str
    stage: str
    """In capitals, as it is shown."""
    when: str
    """`3:01 left`, `undo 2, 1.4 s`, …"""
    share: float | None
    """What is left of its life, 1.0 to 0.0."""
    what: str
    tone: Tone
    live: bool


def fault_rows(exercise: Exercise, now: float) -> tuple[FaultRow, ...]:
    """Leaked ones first, then live ones, then those that are only planned. What is over is not listed."""
    order = {"leaked": 0, "undoing": 1, "effective": 2, "injecting": 3, "armed": 4, "planned": 5}
    shown = [fault for fault in exercise.faults.values() if fault.stage in order]
    rows = sorted(shown, key=lambda fault: order[fault.stage])
    return tuple(_fault_row(fault, _broken(exercise, fault, now), now) for fault in rows)


def _broken(exercise: Exercise, fault: FaultState, now: float) -> str:
    """`web not whole for 12 s, 2 of 3 pods ready`: how what it touched stands, where the target says so."""
    its = touched(exercise, fault.entry) if exercise.workloads else set()
    return "; ".join(
        f"{', '.join(workload.services)} not whole for {took_text(max(0.0, now - workload.broken.begun.clock))}"
        f"{f', {workload.broken.text}' if workload.broken.text else ''}"
        for workload in exercise.workloads.values()
        if workload.broken is not None and its & set(workload.services)
    )


def _fault_row(fault: FaultState, broken: str, now: float) -> FaultRow:
    tones: dict[str, Tone] = {"leaked": "bad", "undoing": "warn", "effective": "bad", "injecting": "warn"}
    when, share = "", None
    what = fault.summary or fault.name
    if fault.stage == "effective" and fault.effective is not None:
        when, share = _life(fault, fault.effective.clock, now)
    elif fault.stage == "undoing":
        since = fault.undo_sent.clock if fault.undo_sent is not None else now
        when = (
            f"attempt {fault.attempts}, {took_text(max(0.0, now - since))}" if fault.attempts else "undo not yet sent"
        )
        what = f"undo failed: {fault.undo_error}" if fault.undo_error else what
    elif fault.stage == "leaked":
        when = "act now"
        what = f"{fault.error}; by hand: {on_one_line(fault.commands)}" if fault.commands else fault.error
    elif fault.stage in ("armed", "injecting") and fault.duration is not None:
        when = f"for {span_text(fault.duration)}"
    if fault.faded is not None and fault.stage == "effective":
        what = f"does not stand any more: {fault.faded_evidence}"
    if broken and fault.stage in ("injecting", "effective", "undoing") and not fault.undo_error:
        what = f"{broken}; {what}"
    stage = {"leaked": "NOT UNDONE", "planned": "DUE"}.get(fault.stage, fault.stage.upper())
    return FaultRow(fault.entry, stage, when, share, clean(what), tones.get(fault.stage, "calm"), fault.live)


def _life(fault: FaultState, since: float, now: float) -> tuple[str, float | None]:
    if fault.duration is None:
        return f"{span_text(now - since)} so far", None
    left = since + fault.duration - now
    if left < 0:
        return f"{span_text(-left)} past its time", 0.0
    return f"{span_text(left)} left", left / fault.duration if fault.duration > 0 else 0.0


# --- abort conditions -----------------------------------------------------------------------------------------------


@frozen
class ConditionRow:
    name: str
    state: str
    value: str
    limit: str
    share: float | None
    curve: tuple[float | None, ...]
    top: float | None
    tone: Tone

    def spark(self, width: int) -> str:
        return spark(self.curve, width, self.top)


def condition_rows(exercise: Exercise, samples: Mapping[str, tuple[float | None, ...]]) -> tuple[ConditionRow, ...]:
    tones: dict[str, Tone] = {"ok": "good", "breaching": "warn", "tripped": "bad", "held": "warn", "unknown": "quiet"}
    rows = []
    for condition in exercise.scenario.abort_when if exercise.scenario is not None else ():
        state = exercise.conditions.get(condition.name)
        stands = state.state if state is not None else "unknown"
        answered = state is not None and state.answer == "value"
        value = (
            value_text(state.value)
            if answered and state is not None
            else (state.answer if state else "") or "no answer"
        )
        room = headroom(condition, state.value if answered and state is not None else None)
        word = {"unknown": "NO ANSWER YET"}.get(stands, stands.upper())
        rows.append(
            ConditionRow(
                clean(condition.name),
                word,
                value.replace("_", " "),
                room.limit,
                room.share,
                samples.get(condition.name, ()),
                ceiling(condition),
                tones[stands],
            )
        )
    return tuple(rows)


# --- milestones -----------------------------------------------------------------------------------------------------


@frozen
class MilestoneRow:
    key: str
    milestone: str
    when: str
    """Wall time, or `missing`."""
    after: str
    """How long after impact, with a sign; empty where there is no impact."""
    how: str
    missing: bool


def milestone_rows(exercise: Exercise) -> tuple[MilestoneRow, ...]:
    marks = landmarks(exercise)
    impact = marks.get("impact")
    return tuple(_milestone_row(exercise, str(index + 1), name, marks, impact) for index, name in enumerate(MILESTONES))


def _milestone_row(
    exercise: Exercise, key: str, name: str, marks: dict[str, Landmark], impact: Landmark | None
) -> MilestoneRow:
    mark = marks.get(name)
    if mark is None:
        partial = exercise.partial(name)
        if partial is None:
            return MilestoneRow(key, name, "missing", "", "", True)
        return MilestoneRow(key, name, "missing", "", f"partly {wall_text(partial.at.wall)}", True)
    after = ""
    if impact is not None and name != "impact":
        gap = mark.at.clock - impact.at.clock
        after = span_text(gap) if gap <= -1 else f"+{span_text(max(0.0, gap))}"
    how = mark.stamp.actor or mark.stamp.source if mark.stamp is not None else mark.source
    return MilestoneRow(key, name, wall_text(mark.at.wall), after, clean(how), False)


# --- expectations ---------------------------------------------------------------------------------------------------


@frozen
class ExpectationRow:
    name: str
    state: str
    when: str
    tone: Tone


def expectation_rows(exercise: Exercise, now: float) -> tuple[ExpectationRow, ...]:
    scenario = exercise.scenario
    if scenario is None:
        return ()
    marks = landmarks(exercise)
    judged = judge_expectations(exercise, now)
    return tuple(
        _expectation_row(exercise, expectation, state, marks, now)
        for expectation, state in zip(scenario.expect, judged, strict=True)
    )


def _expectation_row(
    exercise: Exercise, expectation: Expectation, state: ExpectationState, marks: dict[str, Landmark], now: float
) -> ExpectationRow:
    name = clean(expectation_name(expectation))
    words: dict[str, tuple[str, Tone]] = {
        "met": ("MET", "good"),
        "late": ("LATE", "warn"),
        "missed": ("MISSED", "bad"),
        "not_observed": ("NOT OBSERVED", "quiet"),
        "pending": ("OPEN", "calm"),
    }
    word, tone = words[state.state]
    if expectation.update is not None and expectation.every is not None and exercise.ended is None:
        return _update_row(exercise, expectation, name, state, marks, now)
    took = ""
    if state.took is not None:
        sign = "" if state.took > -1 else "-"
        took = f"{sign}{took_text(abs(state.took))}"
        took = f"after {took}" if expectation.of == "impact" and not sign else f"{took} from {expectation.of}"
    if state.state != "pending":
        return ExpectationRow(name, word, took, tone)
    left = _left(exercise, expectation, marks, now)
    if left is None:
        within = f"{span_text(expectation.within)} " if expectation.within is not None else ""
        return ExpectationRow(name, word, f"{within}from {expectation.of}", "quiet")
    if left < 0:
        return ExpectationRow(name, "OVERDUE", f"by {span_text(-left)}", "bad")
    return ExpectationRow(name, word, f"{span_text(left)} left", "warn" if left < SOON else "calm")


def _left(exercise: Exercise, expectation: Expectation, marks: dict[str, Landmark], now: float) -> float | None:
    base = marks.get(expectation.of)
    if base is None or expectation.within is None:
        return None
    paused = exercise.paused_seconds(base.at.clock, now) if expectation.milestone is not None else 0.0
    return base.at.clock + expectation.within + paused - now


def _update_row(
    exercise: Exercise,
    expectation: Expectation,
    name: str,
    state: ExpectationState,
    marks: dict[str, Landmark],
    now: float,
) -> ExpectationRow:
    base = marks.get(expectation.of)
    assert expectation.update is not None and expectation.every is not None
    if base is None:
        return ExpectationRow(name, "OPEN", f"every {span_text(expectation.every)} from {expectation.of}", "quiet")
    if "resolved" in marks:
        late = state.state in ("late", "missed")
        return ExpectationRow(name, "LATE" if late else "MET", "until resolved", "warn" if late else "good")
    updates = updates_to(exercise, expectation.update)
    since = max([base.at.clock, *(note.at.clock for note in updates)])
    left = since + expectation.every + exercise.paused_seconds(since, now) - now
    if left < 0:
        return ExpectationRow(name, "OVERDUE", f"by {span_text(-left)}", "bad")
    return ExpectationRow(name, f"{len(updates)} SENT", f"next in {span_text(left)}", "warn" if left < SOON else "calm")


# --- the timeline ---------------------------------------------------------------------------------------------------


@frozen
class EntryRow:
    entry: str
    kind: str
    """`fault` or `inject`."""
    state: str
    when: str
    text: str
    audience: str
    pending: bool
    next: bool
    hint: str
    """The hint that could be given; empty where there is none or it was given."""
    notes: str
    """For the facilitator only."""
    tone: Tone


def entry_rows(exercise: Exercise, now: float) -> tuple[EntryRow, ...]:
    """The script in the order of the file, each entry with where it stands."""
    scenario = exercise.scenario
    if scenario is None:
        return ()
    following = next_entry(exercise, now)
    given = {entry for entry, _ in exercise.hints}
    rows = []
    for index, entry in enumerate(scenario.timeline):
        name = scenario.entry_id(index)
        state, when, tone = _standing(exercise, name, entry, now)
        what = f"{entry.fault} {_parameters(entry)}".strip() if entry.fault else entry.inject or ""
        if entry.check is not None:
            what = entry.check.name or name
        stage = exercise.entries[name].stage if name in exercise.entries else "pending"
        rows.append(
            EntryRow(
                name,
                "fault" if entry.fault else "check" if entry.check else "inject",
                state,
                when,
                clean(what),
                ", ".join(entry.audience),
                stage == "pending",
                name == following,
                "" if name in given else clean(entry.hint or ""),
                clean(entry.notes or ""),
                tone,
            )
        )
    return tuple(rows)


def _parameters(entry: Entry) -> str:
    return " ".join(f"{name}={value}" for name, value in entry.with_.items())


def _standing(exercise: Exercise, name: str, entry: Entry, now: float) -> tuple[str, str, Tone]:
    state = exercise.entries.get(name)
    stage = state.stage if state is not None else "pending"
    fault = exercise.faults.get(name)
    if stage == "skipped":
        return "skipped", "", "quiet"
    if stage == "done":
        at = wall_text(state.done.wall) if state is not None and state.done is not None else ""
        if fault is not None and fault.stage == "leaked":
            return "NOT UNDONE", at, "bad"
        if fault is not None and fault.stage == "refused":
            return "refused", at, "bad"
        if state is not None and state.held is False:
            return "DOES NOT HOLD", at, "bad"
        return ("recovered" if entry.fault else "asked" if entry.check else "delivered"), at, "quiet"
    if stage == "started":
        return "live:", (fault.stage if fault is not None else "started"), "warn"
    if exercise.closing or exercise.phase in OVER:
        return "does not come", "", "quiet"
    if stage == "released":
        return "released", "now", "people"
    due = due_clock(exercise, entry, now)
    if due is not None:
        left = due - now
        frozen = " (frozen)" if exercise.paused is not None else ""
        return "in", f"{span_text(max(0.0, left))}{frozen}", "warn" if left < SOON else "calm"
    return _waiting(exercise, entry), "", "calm"


def _waiting(exercise: Exercise, entry: Entry) -> str:
    if entry.manual:
        return "by hand"
    if entry.after is not None:
        waits = entry.after.milestone or entry.after.entry or f"{entry.after.effective} took hold"
        delay = f" + {span_text(entry.after.delay)}" if entry.after.delay else ""
        return f"after {waits}{delay}"
    return f"{span_text(entry.at or 0.0)} into the script"


def next_entry(exercise: Exercise, now: float) -> str | None:
    """What comes next: what is due soonest; else, of what waits, the first in the file; manual ones last."""
    scenario = exercise.scenario
    if scenario is None or exercise.closing or exercise.phase in OVER:
        return None
    found: list[tuple[int, float, str]] = []
    for index, entry in enumerate(scenario.timeline):
        name = scenario.entry_id(index)
        if name in exercise.entries and exercise.entries[name].stage != "pending":
            continue
        due = due_clock(exercise, entry, now)
        if due is None and entry.at is not None:
            due = entry.at
        rank = 0 if due is not None else 2 if entry.manual else 1
        found.append((rank, due if due is not None else float(index), name))
    return min(found)[2] if found else None
