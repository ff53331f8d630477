"""The people's part of the view: detection and alerts, update cadence, notes, actions, and how long it hurt."""

from __future__ import annotations

from itertools import pairwise

from gameday.debrief.gather import Gathered
from gameday.debrief.timeline import when
from gameday.debrief.view import (
    ActionView,
    AlertView,
    Cadence,
    Detection,
    Impact,
    MilestoneView,
    NoteView,
    Silence,
)
from gameday.debrief.words import clean, line
from gameday.exercise.expectations import update_window, updates_to
from gameday.exercise.state import Exercise
from gameday.exercise.timings import is_tabletop, landmarks, milestones

BUDGET = 43.2 * 60
"""Seconds that a service may fail in 30 days at 99.9 %."""


def detection(exercise: Exercise) -> Detection | None:
    """What noticed it first, and how long after impact."""
    marks = landmarks(exercise)
    first = marks.get("detected")
    if first is None:
        return None
    impact = marks.get("impact")
    seconds = first.at.clock - impact.at.clock if impact else None
    source = first.detection or ("monitoring" if first.source == "alert" else "")
    return Detection(event=line(first.event, 300), source=line(source, 80), seconds=seconds)


def alert_views(exercise: Exercise, seen: Gathered) -> tuple[AlertView, ...]:
    impact = landmarks(exercise).get("impact")
    expected = {e.alert for e in exercise.scenario.expect if e.alert} if exercise.scenario else set()
    views = []
    for alert in exercise.alerts.values():
        views.append(
            AlertView(
                alert=line(alert.alert, 200),
                fired=when(alert.fired.wall, alert.fired.clock),
                resolved=seen.resolved_alerts.get(alert.alert),
                summary=line(alert.summary),
                after_impact=alert.fired.clock - impact.at.clock if impact else None,
                expected=alert.alert in expected,
            )
        )
    return tuple(views)


def cadences(exercise: Exercise, now: float) -> tuple[Cadence, ...]:
    """One for each expectation about updates, then one for each audience that was told and that none names."""
    expected = [e for e in exercise.scenario.expect if e.update] if exercise.scenario else []
    marks = landmarks(exercise)
    asked = tuple(
        _cadence(exercise, str(expectation.update), expectation.every, expectation.within, window)
        for expectation in expected
        for window in [update_window(exercise, marks, expectation.of, now)]
    )
    told: dict[str, tuple[str, list[float]]] = {}
    for note in exercise.notes:
        if note.category == "update":
            audience = note.audience.strip()
            told.setdefault(audience.casefold(), (audience or "everybody", []))[1].append(note.at.clock)
    # What went to everybody counts in each cadence that was asked for.
    known = {str(expectation.update).strip().casefold() for expectation in expected}
    known |= {"", "everybody"} if expected else set()
    others = tuple(_unasked(audience, sorted(sent)) for folded, (audience, sent) in told.items() if folded not in known)
    return asked + others


def _unasked(audience: str, sent: list[float]) -> Cadence:
    return Cadence(
        audience=line(audience, 80),
        every=None,
        within=None,
        window=None,
        sent=tuple(sent),
        breaches=(),
        excessive=False,
        asked=False,
    )


def _cadence(
    exercise: Exercise, audience: str, every: float | None, within: float | None, window: tuple[float, float] | None
) -> Cadence:
    sent = [note.at.clock for note in updates_to(exercise, audience)]
    breaches: list[Silence] = []
    excessive = False
    if window is not None:
        inside = [clock for clock in sent if window[0] <= clock <= window[1]]
        for start, end in pairwise([window[0], *inside, window[1]]):
            limit = every if within is None or start != window[0] else min(within, every or within)
            silence = end - start - exercise.paused_seconds(start, end)
            if limit is not None and silence > limit:
                breaches.append(Silence(start=start, end=end, seconds=round(silence, 6)))
        # Twice as often as asked for, several times over, is noise to those who read it.
        excessive = bool(every) and len(inside) > 3 and len(inside) > 2 * (window[1] - window[0]) / (every or 1) + 1
    return Cadence(
        audience=line(audience, 80),
        every=every,
        within=within,
        window=window,
        sent=tuple(sent),
        breaches=tuple(breaches),
        excessive=excessive,
        asked=True,
    )


def participants(exercise: Exercise) -> tuple[str, ...]:
    """Whoever held a role, stamped a milestone or wrote something down, in that order."""
    people = [who for held in exercise.roles.values() for who in held]
    people += [stamp.actor for stamp in exercise.stamps if stamp.actor]
    people += [note.actor for note in exercise.notes if note.actor]
    return tuple(dict.fromkeys(line(who, 120) for who in people))


def milestone_views(exercise: Exercise) -> tuple[MilestoneView, ...]:
    return tuple(
        MilestoneView(
            milestone=line(mark.milestone, 60),
            event=line(mark.event, 300),
            at=when(mark.at.wall, mark.at.clock),
            source=mark.source,
            actor=line(mark.stamp.actor, 120) if mark.stamp else "",
            note=clean(mark.stamp.note) if mark.stamp else "",
            partial=mark.stamp is not None and mark.stamp.partial,
            counts=mark.counts,
        )
        for mark in milestones(exercise)
    )


def note_views(exercise: Exercise) -> tuple[NoteView, ...]:
    notes = sorted(exercise.notes, key=lambda note: (note.at.clock, note.seq))
    return tuple(
        NoteView(
            seq=note.seq,
            at=when(note.at.wall, note.at.clock),
            category=line(note.category, 40),
            audience=line(note.audience, 80),
            actor=line(note.actor, 120),
            text=clean(note.text),
        )
        for note in notes
    )


def action_views(exercise: Exercise) -> tuple[ActionView, ...]:
    return tuple(
        ActionView(
            action=line(item.action, 40),
            what=clean(item.what),
            owner=line(item.owner, 120),
            due=line(item.due, 40),
            verify=clean(item.verify),
            retest=line(item.retest, 120),
            open=item.closed is None,
            how=clean(item.how),
        )
        for item in exercise.actions.values()
    )


def impact_of(exercise: Exercise) -> Impact:
    """From impact until it was over: mitigated, else the last fault recovered; never guessed beyond that.

    Faults with calm between them are counted without the calm. One that did not stand any more was over then.
    """
    start = landmarks(exercise).get("impact")
    if start is None:
        return Impact(seconds=None, since="", until="", budget_share=None, stretches=0)
    lived = [
        (begin.clock, end.clock)
        for f in exercise.faults.values()
        if f.ended and f.effective and f.stage == "recovered"
        for begin, end in f.stood(f.ended)
        if end is not None
    ]
    last = max((end for _, end in lived), default=None)
    over = landmarks(exercise).get("mitigated")
    if over is not None and (last is None or over.at.clock <= last):
        seconds, until, stretches = over.at.clock - start.at.clock, "mitigated", 1
    elif last is not None and not exercise.unrecovered:
        gone = [f for f in exercise.faults.values() if f.faded is not None and f.faded.clock == last]
        until = "the last fault was gone" if gone else "the last fault recovered"
        # A stamp of impact says more than the faults: then it is one stretch, from there on.
        stamped = [(start.at.clock, last)] if start.stamp is not None else lived
        merged = _merged(stamped)
        seconds, stretches = sum(end - begin for begin, end in merged), len(merged)
    else:
        until = "not over as far as the journal knows"
        return Impact(seconds=None, since=start.event, until=until, budget_share=None, stretches=0)
    share = None if is_tabletop(exercise) else round(max(0.0, seconds) / BUDGET, 4)
    return Impact(seconds=round(seconds, 6), since=start.event, until=until, budget_share=share, stretches=stretches)


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found
