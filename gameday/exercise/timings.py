"""How long the response took: from an exercise to its timings, each with the two events it lies between.

Definitions are those of incident practice (see docs): detection counts from impact; acknowledging, diagnosing and
resolving from detection; mitigation from impact. Nothing is clamped, guessed or averaged here: a skipped milestone is
"not reached" and never 0, a negative time stays negative and is called out of order, an abort freezes every clock that
was still running. Judging against targets is the work of `expectations`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from gameday.exercise.state import Exercise, FaultState, Moment, Stamp
from gameday.frozen import frozen

Source = Literal["stamp", "fault", "inject", "alert"]
TimingState = Literal["measured", "not reached", "not applicable", "frozen", "out of order"]


@frozen
class Landmark:
    """A milestone as it counts for timings: stamped by somebody, or read from what the machines did."""

    milestone: str
    event: str
    """Name of the event, in words, e.g. `fault payments-dark confirmed effective`."""
    at: Moment
    source: Source
    stamp: Stamp | None = None
    detection: str | None = None
    """For `detected`: monitoring, user or person."""
    counts: bool = True
    """False for a partial one, and for one that another came before: shown, and in no timing."""


@frozen
class Target:
    """What the scenario expected of the moment at which a timing ends."""

    index: int
    """Place in the scenario's `expect`, from 0."""
    within: float
    """Seconds, counted from the milestone `of`."""
    of: str


@frozen
class Timing:
    """One duration. `wall` includes pauses, `running` leaves them out; both in seconds, None where there is none.

    With state `frozen` they say how long the clock had run when the exercise was aborted.
    """

    key: str
    name: str
    from_event: str
    to_event: str
    state: TimingState
    start: Moment | None = None
    end: Moment | None = None
    wall: float | None = None
    running: float | None = None
    partial: bool = False
    hinted: bool = False
    """A hint was given between the two events."""
    counts: bool = False
    """May enter a mean or a median across exercises."""
    target: Target | None = None
    note: str = ""


@frozen
class AbortTiming:
    """How one fault went away after an abort; moments on the exercise's clock, seconds."""

    entry: str
    seen: float | None
    """When the answer with the breach was in hand; where a person aborted: when that was written down. None where the
    undo went out before anything was written down, so that nobody can say."""
    seen_event: str
    undo_sent: float | None
    recovered: float | None
    state: Literal["recovered", "leaked", "not recovered", "already undoing"]
    note: str = ""

    @property
    def to_undo(self) -> float | None:
        """None too where the undo was sent before the breach was seen: no response to it."""
        sent = _between(self.seen, self.undo_sent)
        return None if sent is not None and sent < 0 else sent

    @property
    def to_recovered(self) -> float | None:
        return _between(self.seen, self.recovered)

    @property
    def undo_to_recovered(self) -> float | None:
        return _between(self.undo_sent, self.recovered)


_SPANS: tuple[tuple[str, str, str, str], ...] = (
    ("ttd", "to detect (TTD)", "impact", "detected"),
    ("tta", "to acknowledge (TTA)", "detected", "acknowledged"),
    ("diagnose", "to diagnose", "detected", "diagnosed"),
    ("ttm", "to mitigate (TTM)", "impact", "mitigated"),
    ("ttr", "to resolve (TTR)", "detected", "resolved"),
    ("impact-resolved", "impact to resolved", "impact", "resolved"),
)
_WHAT = {
    "impact": "impact",
    "detected": "first alert or report",
    "acknowledged": "first human acknowledgement",
    "diagnosed": "cause named",
    "mitigated": "impact over",
    "resolved": "verified normal",
}


def landmarks(exercise: Exercise) -> dict[str, Landmark]:
    """Every milestone that was reached, whole (partial ones are left out), by name: the one definition for all.

    `impact` is the first stamp of it; else the first fault confirmed effective; in an exercise without faults the first
    inject delivered. `detected` is the first alert or report that reached a person, as the published incident metrics
    count (PagerDuty, Atlassian: MTTD runs from the start of the impact to its detection, MTTA from the alert on): the
    earliest of its stamps and of the alerts that began to fire since the first injection. An alert of an unattended
    exercise reached nobody; timings say so beside its time.
    """
    found = {name: _stamped(stamp) for name in _names(exercise) if (stamp := exercise.milestone(name))}
    if "impact" not in found and (impact := _impact(exercise)):
        found["impact"] = impact
    alert = _first_alert(exercise)
    if alert is not None and ("detected" not in found or alert.at.clock < found["detected"].at.clock):
        found["detected"] = alert
    return found


def milestones(exercise: Exercise) -> tuple[Landmark, ...]:
    """What a list of milestones shows, oldest first: the landmarks, and beside them every stamp that does not count.

    A stamp does not count where it is partial, or where an alert or an earlier stamp reached the milestone before it.
    """
    counted = landmarks(exercise)
    used = {id(mark.stamp) for mark in counted.values() if mark.stamp is not None}
    beside = [replace(_stamped(stamp), counts=False) for stamp in exercise.stamps if id(stamp) not in used]
    return tuple(sorted([*counted.values(), *beside], key=lambda mark: mark.at.clock))


def firing_since(exercise: Exercise, alert: str) -> Moment | None:
    """When `alert` first began to fire since the first injection (in a tabletop since impact), or None.

    What fired before anything was injected did not detect this. Between injecting and "confirmed effective" an alert
    may well be first: then the time to detect is negative, which is shown as it is.
    """
    known = exercise.alerts.get(alert)
    if known is None:
        return None
    begun = [fault.injecting or fault.effective for fault in exercise.faults.values()]
    since = min((at.clock for at in begun if at is not None), default=None)
    if since is None:
        impact = exercise.milestone("impact") or _impact(exercise)
        since = impact.at.clock if impact else float("-inf")
    return next((at for at in known.firings or (known.fired,) if at.clock >= since), None)


def is_tabletop(exercise: Exercise) -> bool:
    """No fault was scripted and none happened: people talk, nothing is touched."""
    scripted = exercise.scenario is not None and any(entry.fault for entry in exercise.scenario.timeline)
    return not scripted and not exercise.faults


def frozen_at(exercise: Exercise) -> float | None:
    """The clock at which an abort stopped all timings, or None."""
    abort = exercise.abort
    if abort is None:
        return None
    if abort.seen is not None:
        return abort.seen
    # Without a breach the abort is written down after the undo went out; after an engine's death much later.
    sent = [f.undo_sent.clock for f in exercise.faults.values() if f.undo_sent and f.undo_reason == abort.reason]
    return min([abort.at.clock, *sent])


def timings(exercise: Exercise) -> list[Timing]:
    """All timings in a fixed order; a partial mitigation stands directly before the whole one."""
    marks = landmarks(exercise)
    result: list[Timing] = []
    for key, name, start, end in _SPANS:
        partial = exercise.partial(end)
        if partial is not None and key in ("ttm", "ttr"):
            result.append(_timing(exercise, key, name, marks.get(start), _stamped(partial), (start, end)))
        result.append(_timing(exercise, key, name, marks.get(start), marks.get(end), (start, end)))
    return result


def abort_timings(exercise: Exercise) -> list[AbortTiming]:
    """For each fault that was live when the exercise was aborted: breach seen, first undo sent, recovered."""
    abort = exercise.abort
    if abort is None:
        return []
    seen, stopped = abort.at.clock if abort.seen is None else abort.seen, frozen_at(exercise)
    assert stopped is not None
    event = f"breach of “{abort.condition}” seen" if abort.condition else f"abort by {abort.by or 'a person'}"
    return [
        _abort_timing(fault, seen, event, certain=abort.seen is not None)
        for fault in exercise.faults.values()
        if fault.armed is not None and (fault.ended is None or fault.ended.clock >= stopped)
    ]


def _abort_timing(fault: FaultState, seen: float, event: str, *, certain: bool) -> AbortTiming:
    sent = fault.undo_sent.clock if fault.undo_sent else None
    ended = fault.ended.clock if fault.ended and fault.stage == "recovered" else None
    if sent is not None and sent < seen:
        if certain and fault.stage != "leaked":
            return AbortTiming(
                fault.entry, seen, event, sent, ended, "already undoing", "its undo was under way before the breach"
            )
        begun = None
        note = "its undo was sent before" if certain else "the undo went out first, then the abort was written down"
    else:
        begun, note = seen, "" if sent is not None else "no undo was sent"
    if fault.stage == "leaked":
        return AbortTiming(fault.entry, begun, event, sent, None, "leaked", note or fault.error)
    if ended is None:
        return AbortTiming(fault.entry, begun, event, sent, None, "not recovered", note)
    if fault.one_shot and sent is None:
        note = "one-shot: nothing to undo, recovery was verified"
    return AbortTiming(fault.entry, begun, event, sent, ended, "recovered", note)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def _names(exercise: Exercise) -> Iterable[str]:
    return dict.fromkeys(stamp.milestone for stamp in exercise.stamps)


def _stamped(stamp: Stamp) -> Landmark:
    who = f" by {stamp.actor}" if stamp.actor else ""
    partly = "partly " if stamp.partial else ""
    via = {"monitoring": ", from monitoring", "user": ", reported by a user", "person": ", noticed by a person"}
    words = f"{partly}{stamp.milestone} stamped{who}{via.get(stamp.detection or '', '')}"
    return Landmark(stamp.milestone, words, stamp.at, "stamp", stamp, stamp.detection)


def _impact(exercise: Exercise) -> Landmark | None:
    effective = [(fault.effective, fault.entry) for fault in exercise.faults.values() if fault.effective]
    if effective:
        at, entry = min(effective, key=lambda pair: pair[0].clock)
        return Landmark("impact", f"fault {entry} confirmed effective", at, "fault")
    if not is_tabletop(exercise):
        return None
    told = [(entry.done, entry.entry) for entry in exercise.entries.values() if entry.done and entry.stage == "done"]
    if not told:
        return None
    at, entry = min(told, key=lambda pair: pair[0].clock)
    return Landmark("impact", f"inject {entry} delivered", at, "inject")


def _first_alert(exercise: Exercise) -> Landmark | None:
    fired = [(at, name) for name in exercise.alerts if (at := firing_since(exercise, name)) is not None]
    if not fired:
        return None
    at, name = min(fired, key=lambda pair: pair[0].clock)
    return Landmark("detected", _alert_event(name), at, "alert", detection="monitoring")


def _alert_event(alert: str) -> str:
    return f"alert {alert} fired"


def _timing(
    exercise: Exercise, key: str, name: str, start: Landmark | None, end: Landmark | None, ends: tuple[str, str]
) -> Timing:
    partial = end is not None and end.stamp is not None and end.stamp.partial
    key, name = (f"{key}-partial", f"{name}, partial") if partial else (key, name)
    if end is not None and end.source == "alert" and not exercise.attended:
        name = f"{name}, by the alert"
    from_event = start.event if start else f"{ends[0]} ({_WHAT[ends[0]]})"
    to_event = end.event if end else f"{ends[1]} ({_WHAT[ends[1]]})"
    target = None if partial else _target(exercise, ends[1], end)

    def made(state: TimingState, note: str, *, counts: bool = False, until: Moment | None = None) -> Timing:
        wall = None if start is None or until is None else until.clock - start.at.clock
        paused = (
            0.0 if wall is None or start is None else exercise.paused_seconds(start.at.clock, start.at.clock + wall)
        )
        return Timing(
            key=key,
            name=name,
            from_event=from_event,
            to_event=to_event,
            state=state,
            start=start.at if start else None,
            end=end.at if end else None,
            wall=wall,
            running=None if wall is None else wall - paused,
            partial=partial,
            hinted=wall is not None and state != "frozen" and _hinted(exercise, start, wall),
            counts=counts,
            target=target,
            note=note,
        )

    frozen = frozen_at(exercise)
    if end is None and not exercise.attended and ends[1] != "detected":
        return made(*_absent(exercise, ends[1]))
    if frozen is not None and start is not None and (end is None or end.at.clock > frozen) and start.at.clock <= frozen:
        after = "" if end is None else f"; {ends[1]} came {end.at.clock - frozen:.1f} s after the abort"
        wall_at = Moment(start.at.wall + frozen - start.at.clock, frozen)
        return made("frozen", f"the exercise was aborted: the clock stopped{after}", until=wall_at)
    if end is None:
        return made(*_absent(exercise, ends[1]))
    if start is None:
        missing = "no alert or report came before it" if ends[0] == "detected" else f"there was no {ends[0]}"
        return made("not applicable", missing)
    notes = [_alert_note(exercise, end), _late_note(end)]
    if end.at.clock < start.at.clock:
        return made("out of order", f"{ends[1]} came before {ends[0]}", until=end.at)
    counts = not partial and exercise.abort is None
    return made("measured", "; ".join(note for note in notes if note), counts=counts, until=end.at)


def _absent(exercise: Exercise, milestone: str) -> tuple[TimingState, str]:
    if exercise.attended:
        return "not reached", ""
    if milestone != "detected":
        return "not applicable", "unattended: nobody was asked to respond"
    script = exercise.scenario.expect if exercise.scenario is not None else []
    watched = [known for each, known in zip(script, exercise.expectations, strict=False) if each.alert]
    if not watched:
        return "not applicable", "unattended, and no alert is watched"
    return "not reached", next((known.detail for known in watched if known.state == "not_observed"), "no alert fired")


def _alert_note(exercise: Exercise, end: Landmark) -> str:
    if end.source != "alert":
        return ""
    if exercise.attended:
        return "detected by monitoring: nobody stamped it earlier"
    return "when the alert fired; it reached nobody, the exercise was unattended"


def _late_note(end: Landmark) -> str:
    if end.stamp is None or end.stamp.recorded - end.stamp.at.wall < 30:
        return ""
    return f"backdated: written down {end.stamp.recorded - end.stamp.at.wall:.0f} s later"


def _hinted(exercise: Exercise, start: Landmark | None, wall: float) -> bool:
    if start is None:
        return False
    begin, stop = sorted((start.at.clock, start.at.clock + wall))
    return any(begin <= at.clock <= stop for _, at in exercise.hints)


def _target(exercise: Exercise, milestone: str, end: Landmark | None) -> Target | None:
    """The expectation about `milestone`; for `detected` an alert's stands in where no milestone is expected, and where
    nobody is there to detect anything: the one about the alert that did fire first, if another did."""
    if exercise.scenario is None:
        return None
    wanted = [(i, e) for i, e in enumerate(exercise.scenario.expect) if e.within is not None]
    found = [(i, e) for i, e in wanted if e.milestone == milestone]
    alerts = [(i, e) for i, e in wanted if e.alert]
    if milestone == "detected" and alerts and (not found or not exercise.attended):
        fired = end.event if end is not None and end.source == "alert" else None
        found = [(i, e) for i, e in alerts if fired in (None, _alert_event(str(e.alert)))]
    if not found:
        return None
    index, expectation = min(found, key=lambda pair: pair[1].within or 0.0)
    return Target(index, expectation.within or 0.0, expectation.of)
