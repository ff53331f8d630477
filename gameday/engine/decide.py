"""What to do next, from how things stand. Pure: no I/O, no clock, no memory of its own.

The conductor calls `decide` after every event and at every `wake`; each action starts with an event that `fold` sees,
so that nothing is asked for twice. Safety (abort conditions, the guardian) does not wait for this function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gameday.exercise.expectations import awaited_until, expectation_name
from gameday.exercise.state import Exercise, ExpectationState, FaultState, Moment
from gameday.exercise.strikes import never_again, strikes_text
from gameday.exercise.timings import landmarks
from gameday.frozen import field, frozen, slotted

if TYPE_CHECKING:
    from gameday.scenario.models import After, Entry, Scenario

HUMAN = frozenset({"acknowledged", "diagnosed", "mitigated", "resolved"})
"""Milestones that only a person can reach."""
CLOSING = "the exercise is being closed"
CLOSED_BEFORE = "the exercise was closed before it was armed"
"""Why a fault was refused that was still being planned; no failure of the exercise."""
PASSES = "it passes by itself"
"""How the reason begins why a fault without an undo is "undone": nothing is, its end is awaited."""
EFFECTIVE_WINDOW = 15.0
"""Seconds a fault is given to take hold."""
UNSEEN = "its time is over, and it was never seen to take hold"
CONSOLE_GRACE = 5.0
"""Seconds without a console after which an attended exercise with no live fault pauses."""
LAST_MOMENT = 1.0
"""Seconds before the limit of the exercise in which it ends by itself, where it only waits for an alert or a check."""


@frozen
class CheckSteadyState:
    phase: str


@frozen
class StartTimeline:
    pass


@frozen
class Deliver:
    entry: str
    text: str
    audience: tuple[str, ...]
    due: float | None


@frozen
class StartFault:
    entry: str
    due: float | None


@frozen
class Ask:
    entry: str
    due: float | None


@frozen
class Undo:
    entry: str
    reason: str


@frozen
class Skip:
    entry: str
    reason: str


@frozen
class PauseScript:
    reason: str


@frozen
class AbortAll:
    reason: str
    by: str


@frozen
class Finish:
    verdict: str
    exit_code: int
    reason: str


REFUSED = Finish("refused", 5, "the steady state does not hold, so nothing was started")

Action = CheckSteadyState | StartTimeline | Deliver | StartFault | Ask | Undo | Skip | PauseScript | AbortAll | Finish


@frozen
class Decision:
    actions: tuple[Action, ...] = ()
    wake: float | None = None
    """Clock at which to ask again even if nothing happens."""


@slotted
class _Draft:
    actions: list[Action] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)

    def done(self) -> Decision:
        return Decision(tuple(self.actions), min(self.wakes, default=None))


def decide(x: Exercise, now: float) -> Decision:
    """What the exercise `x` needs at clock `now` (seconds)."""
    scenario = x.scenario
    if scenario is None or x.phase in ("ended", "interrupted"):
        return Decision()
    draft = _Draft()
    if x.phase == "aborting":
        _after_the_faults(x, draft)
        return draft.done()
    if x.timeline_started is None:
        _before_the_timeline(x, draft)
        return draft.done()
    if any(fault.stage == "leaked" for fault in x.faults.values()):
        return Decision((AbortAll("a fault could not be undone", "engine"),))
    over = x.timeline_started.clock + scenario.limits.duration
    if now >= over:
        return Decision(
            (AbortAll(f"the exercise reached its limit of {scenario.limits.duration:g} s", "limits.duration"),)
        )
    draft.wakes.append(over)
    _faults_past_their_time(x, now, draft)
    if x.attended and _nobody_there(x, scenario, now, draft):
        return draft.done()
    if x.closing:
        _close(x, draft)
        return draft.done()
    if x.paused is None:
        _script(x, scenario, now, draft)
    if not x.attended and x.through and not draft.actions:
        _after_the_faults(x, draft, until=waits_until(x, now), now=now)
    return draft.done()


def waits_until(x: Exercise, now: float) -> float | None:
    """Clock until which an unattended exercise that is through still waits for machines; None where it waits for none.

    What is expected of them, an alert or a check, may come sooner; see `expectations.awaited`.
    """
    awaited = awaited_until(x, now)
    if awaited is None or x.scenario is None or x.timeline_started is None:
        return None
    return min(awaited, x.timeline_started.clock + x.scenario.limits.duration - LAST_MOMENT)


def _before_the_timeline(x: Exercise, draft: _Draft) -> None:
    if x.steady_before is None:
        if x.steady_phase is None:
            draft.actions.append(CheckSteadyState("before"))
    elif x.steady_before:
        draft.actions.append(StartTimeline())
    else:
        draft.actions.append(REFUSED)


def _faults_past_their_time(x: Exercise, now: float, draft: _Draft) -> None:
    for fault in x.live_faults:
        if fault.stage == "undoing":
            continue
        if fault.error:
            draft.actions.append(Undo(fault.entry, fault.error))
        elif fault.one_shot:
            if fault.effective is not None:
                draft.actions.append(Undo(fault.entry, f"{PASSES}: waiting until the target is whole again"))
        elif fault.duration is not None and (end := _end_of(fault, fault.duration)) is not None:
            through = _through(x, fault)
            if through is not None and through < end and now >= through:
                draft.actions.append(Undo(fault.entry, "what it was to last for is through"))
            elif now < end:
                draft.wakes.append(end if through is None else min(end, through))
            elif fault.effective is not None:
                draft.actions.append(Undo(fault.entry, "its time is over"))
            else:
                draft.actions.append(Undo(fault.entry, UNSEEN))


def _end_of(fault: FaultState, duration: float) -> float | None:
    """Clock at which a fault has been effective for `duration`, but no later than if it had taken hold in the window.

    An injection that does not return, or takes long to, disturbs the target all the while.
    """
    ends = []
    if fault.injecting is not None:
        ends.append(fault.injecting.clock + duration + EFFECTIVE_WINDOW)
    if fault.effective is not None:
        ends.append(fault.effective.clock + duration)
    return min(ends, default=None)


def _through(x: Exercise, fault: FaultState) -> float | None:
    """Clock at which all that the fault is to last for has come; None where some has not, or nothing is said of it.

    Like its duration this goes on in a pause. What was skipped is not waited for.
    """
    scenario = x.scenario
    if scenario is None or fault.effective is None:
        return None
    names = {scenario.entry_id(index): entry for index, entry in enumerate(scenario.timeline)}
    until = names[fault.entry].until if fault.entry in names else None
    clocks = []
    for after in until or ():
        awaited = x.entries.get(after.entry or after.effective or "")
        base = _came(x, after)
        if base is not None:
            clocks.append(max(base.clock, fault.effective.clock) + after.delay)
        elif awaited is not None and awaited.stage in ("done", "skipped"):
            clocks.append(fault.effective.clock)
        else:
            return None
    return max(clocks, default=None)


def _nobody_there(x: Exercise, scenario: Scenario, now: float, draft: _Draft) -> bool:
    """The dead-man's switch of an attended exercise; True where it acted."""
    if x.consoles > 0 or x.consoles_since is None:
        return False
    alone = x.consoles_since.clock
    if x.live_faults:
        end = alone + scenario.limits.unattended
        if now >= end:
            reason = f"no console for {scenario.limits.unattended:g} s while a fault was live"
            draft.actions.append(AbortAll(reason, "limits.unattended"))
            return True
        draft.wakes.append(end)
    elif x.paused is None and not x.closing:
        end = alone + min(CONSOLE_GRACE, scenario.limits.unattended)
        if now >= end:
            draft.actions.append(PauseScript("no console is attached"))
            return True
        draft.wakes.append(end)
    return False


def _close(x: Exercise, draft: _Draft) -> None:
    undo = [fault for fault in x.live_faults if fault.stage != "undoing"]
    known = {action.entry for action in draft.actions if isinstance(action, Undo)}
    draft.actions += [Undo(fault.entry, CLOSING) for fault in undo if fault.entry not in known]
    draft.actions += [
        Skip(entry.entry, "closed before it was due")
        for entry in x.entries.values()
        if entry.stage in ("pending", "released")
    ]
    if not draft.actions:
        _after_the_faults(x, draft)


# --- the script ----------------------------------------------------------------------------------------------------


def _script(x: Exercise, scenario: Scenario, now: float, draft: _Draft) -> None:
    coming = False
    for index, entry in enumerate(scenario.timeline):
        name = scenario.entry_id(index)
        stage = x.entries[name].stage if name in x.entries else "pending"
        if stage == "released":
            draft.actions.append(_start(name, entry, None))
            continue
        if stage != "pending":
            continue
        reason = _never(x, entry)
        if reason is not None:
            draft.actions.append(Skip(name, reason))
            continue
        due = due_clock(x, entry, now)
        if due is None:
            continue
        if now >= due:
            draft.actions.append(_start(name, entry, due))
        else:
            coming = True
            draft.wakes.append(due)
    if not x.attended and not coming and not draft.actions:
        draft.actions += _stuck(x)


def _stuck(x: Exercise) -> list[Action]:
    """Unattended, and what is left waits for something that can no longer come."""
    if x.live_faults or any(e.stage == "started" for e in x.entries.values()):
        return []
    return [Skip(e.entry, "what it waits for did not happen") for e in x.entries.values() if e.stage == "pending"]


def _start(name: str, entry: Entry, due: float | None) -> Action:
    if entry.fault is not None:
        return StartFault(name, due)
    if entry.check is not None:
        return Ask(name, due)
    return Deliver(name, entry.inject or "", tuple(entry.audience), due)


def _never(x: Exercise, entry: Entry) -> str | None:
    """Why the entry can no longer become due, or None."""
    if not x.attended and entry.manual:
        return "manual, and nobody attends"
    after = entry.after
    if after is None:
        return None
    if not x.attended and after.milestone in HUMAN:
        return f"waits for people to reach {after.milestone!r}, and nobody attends"
    if after.entry is not None and after.entry in x.entries and x.entries[after.entry].stage == "skipped":
        return f"{after.entry!r}, which it waits for, was skipped"
    if after.entry is not None and after.entry in x.faults and x.faults[after.entry].stage == "refused":
        return f"{after.entry!r}, which it waits for, was refused"
    if (awaited := x.entries.get(after.effective or "")) is not None and _came(x, after) is None:
        if awaited.stage == "skipped":
            return f"{after.effective!r}, which it waits for, was skipped"
        if awaited.stage == "done":
            return f"{after.effective!r}, which it waits for, never took hold"
    return None


def due_clock(x: Exercise, entry: Entry, now: float) -> float | None:
    """Clock at which `entry` is due, pauses so far included; None while that can't be said."""
    start = x.timeline_started
    if start is None or entry.manual:
        return None
    if entry.at is not None:
        return start.clock + entry.at + x.paused_seconds(start.clock, now)
    after = entry.after
    if after is None:
        return None
    base = _came(x, after)
    if base is None:
        return None
    return base.clock + after.delay + x.paused_seconds(max(base.clock, start.clock), now)


def _came(x: Exercise, after: After) -> Moment | None:
    """When that came which `after` names; None while it has not."""
    if after.milestone is not None:
        mark = landmarks(x).get(after.milestone)
        return mark.at if mark is not None else None
    if after.effective is not None:
        fault = x.faults.get(after.effective)
        return fault.effective if fault is not None else None
    waited = x.entries.get(after.entry or "")
    return waited.done if waited is not None and waited.stage == "done" else None


# --- the end -------------------------------------------------------------------------------------------------------


def _after_the_faults(x: Exercise, draft: _Draft, *, until: float | None = None, now: float = 0.0) -> None:
    """The steady state, and the end; that not before clock `until`: monitoring is slower than many faults are long."""
    if x.live_faults or any(fault.stage == "planned" for fault in x.faults.values()):
        return
    if x.steady_after is None and x.timeline_started is not None:
        if x.steady_phase is None:
            draft.actions.append(CheckSteadyState("after"))
        return
    if until is not None and now < until:
        draft.wakes.append(until)
        return
    draft.actions.append(verdict(x))


def verdict(x: Exercise) -> Finish:
    """What the exercise came to; the worst thing names it."""
    leaked = [fault.entry for fault in x.faults.values() if fault.stage == "leaked" or fault.live]
    if leaked:
        return Finish("leaked", 4, f"not recovered: {', '.join(leaked)}")
    if x.abort is not None:
        return Finish("aborted", 3, x.abort.reason)
    failed = _failures(x)
    if failed:
        return Finish("failed", 1, "; ".join(failed))
    # No failure: whoever took a fault away may have been asked to respond.
    told = [f"fault {fault.entry!r} did not stand to its end" for fault in x.faults.values() if fault.faded is not None]
    told += [
        f"fault {fault.entry!r} did not stand for {sum(gap.back.clock - gap.since.clock for gap in fault.gaps):.0f} s"
        for fault in x.faults.values()
        if fault.gaps
    ]
    told += [_struck(fault) for fault in x.faults.values() if strikes_text(fault)]
    return Finish("completed", 0, "; ".join(["done as hoped", *told]))


def _failures(x: Exercise) -> list[str]:
    failed = [fault for fault in x.faults.values() if fault.error and fault.stage != "leaked"]
    found = [_fault_failure(fault) for fault in failed if fault.error != CLOSED_BEFORE]
    # As one that was refused at its first strike: what was scripted did not happen. That some turns pass, since the
    # pods of the last one are not back, is how such a fault goes.
    found += [_struck(fault) for fault in x.faults.values() if not fault.error and never_again(fault)]
    found += [f"check {name!r} did not hold" for name, entry in x.entries.items() if entry.held is False]
    if x.steady_after is False:
        found.append("the steady state did not hold again afterwards")
    for state in x.expectations:
        if state.state in ("late", "missed") or _should_have_been_seen(x, state):
            name = expectation_name(x.scenario.expect[state.index]) if x.scenario is not None else "an expectation"
            found.append(f"{name} was {state.state.replace('_', ' ')}: {state.detail}".rstrip(": "))
    return found


def _should_have_been_seen(x: Exercise, state: ExpectationState) -> bool:
    """Of a machine nothing was seen, although there was something to see: that is not "done as hoped"."""
    if x.scenario is None or state.state != "not_observed" or x.closing:
        return False
    expectation = x.scenario.expect[state.index]
    return bool(expectation.alert or expectation.check) and expectation.of in landmarks(x)


def _struck(fault: FaultState) -> str:
    return f"fault {fault.entry!r} {strikes_text(fault)}"


def _fault_failure(fault: FaultState) -> str:
    if fault.unwell:
        return f"fault {fault.entry!r} is undone, and it is not as it was before: {fault.unwell}"
    return f"fault {fault.entry!r} {'was refused' if fault.stage == 'refused' else 'failed'}: {fault.error}"
