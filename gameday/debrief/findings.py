"""Findings: rules that read the exercise and point at what deserves a conversation. Pure.

Each rule names its evidence by sequence numbers of the journal. A finding describes the system and the response, never
a person. Those about the response stand in `response_findings`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gameday.debrief import response_findings as response
from gameday.debrief.finding import finding_of as _finding
from gameday.debrief.finding import seqs_of as _seqs
from gameday.debrief.gather import Gathered
from gameday.debrief.headline import blind_afterwards, left_out
from gameday.debrief.view import Debrief, ExpectationView, Finding, Level
from gameday.debrief.words import count, line, on_clock, span
from gameday.exercise import events as ev
from gameday.exercise.state import Exercise
from gameday.exercise.strikes import never_again, turns, unsure
from gameday.exercise.timings import landmarks

_ORDER: dict[Level, int] = {"high": 0, "medium": 1, "low": 2, "good": 3}
_WHO = "a response that worked, or something that works against exercises."
_ANEW = (
    "Nobody took it away: what it was in was made anew, by a rollout say, and it does not reach what came after. See "
    "whether a release went on under the exercise."
)
_NO_TIME = 0.05
"""Seconds: a pause below that is none."""

Rule = Callable[[Exercise, Debrief, Gathered], Iterator[Finding]]


def find(exercise: Exercise, view: Debrief, seen: Gathered) -> tuple[Finding, ...]:
    """All findings, the most important first; equal ones in the order of the rules."""
    found = [finding for rule in RULES for finding in rule(exercise, view, seen)]
    return tuple(sorted(found, key=lambda finding: _ORDER[finding.level]))


def _leaked(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    for fault in x.unrecovered:
        name = line(fault.entry, 80)
        evidence = _seqs(
            seen, f"fault_armed:{fault.entry}", f"undo_failed:{fault.entry}", f"fault_leaked:{fault.entry}"
        )
        if fault.stage != "leaked" and x.phase not in ("ended", "interrupted"):
            advice = "The exercise goes on: its engine undoes it, at the latest when it is aborted."
            yield _finding("live", "medium", f"Fault {name} is live", f"It is {fault.stage}.", advice, evidence)
            continue
        if fault.stage == "leaked":
            title = f"Fault {name} is not recovered"
            detail = f"{line(fault.error)} ({count(fault.attempts, 'attempt')} to undo it)"
        else:
            title = f"Fault {name} was not seen to recover"
            detail = f"The journal knows it as {fault.stage}."
        by_hand = "or by hand with the commands given; then verify"
        if not fault.commands:
            by_hand = "and where that ends in the same way, see what the target lacks: nothing can be typed for it"
        advice = f"Undo it: gameday recover {x.id}, {by_hand}."
        yield _finding("leaked", "high", title, detail, advice, evidence)


def _undone_late(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    for fault in x.faults.values():
        evidence = _seqs(seen, f"fault_leaked:{fault.entry}")
        if fault.stage == "recovered" and evidence:
            yield _finding(
                "undone-late",
                "high",
                f"Fault {line(fault.entry, 80)} was given up, and undone only afterwards",
                f"{line(fault.cleared)}" if fault.cleared else "",
                "Find out why its undo did not work at once, before the next run.",
                evidence,
            )


def _not_whole(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    if x.phase != "ended":
        return
    told: set[str] = set()
    for whole in (whole for fault in view.faults for whole in fault.whole):
        if whole.state == "not whole" and whole.thing not in told:
            told.add(whole.thing)
            names = ", ".join(whole.services) or whole.thing
            yield _finding(
                "not-whole",
                "medium",
                f"{names} was not whole again by the end",
                f"{whole.thing}: {whole.text}",
                "See how it stands now; what the fault did may go on after it was taken away.",
                _seqs(seen, f"target_observed:{whole.thing}"),
            )


def _aborted(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    if x.abort is None:
        return
    said = line(x.abort.reason)
    lost = _seqs(seen, "engine_lost", "guardian_lost")
    if x.abort.condition:
        title = f"The exercise was aborted: “{line(x.abort.condition, 200)}” tripped"
        advice = (
            "Decide whether the limit was right, and whether the system or the scenario changes before the next run."
        )
    elif lost and x.abort.by in ("guardian", "engine"):
        title, advice = f"The exercise was aborted: {said}", "Find out what stopped it before the next run."
    elif said == ev.REAL_INCIDENT:
        title = "The exercise was stopped for a real incident"
        advice = "Go on with the exercise another day; the incident has its own review."
    elif not said or said.startswith("aborted"):
        who = line(x.abort.by, 120) or "Somebody"
        title = f"{who} aborted the exercise, and no reason was written down"
        advice = "Write down what made it necessary, and what has to be different before the next run."
    else:
        title = f"The exercise was aborted: {said}"
        advice = "Decide what has to be different before the next run."
    tripped = seen.samples[x.abort.condition].tripped if x.abort.condition in seen.samples else None
    parts = [f"Breach at {tripped.utc[11:19]} UTC"] if tripped else []
    parts += _after_the_loss(x, seen)
    for row in view.abort.faults if view.abort else ():
        if row.state == "already undoing":
            over = f", recovered after {span(row.to_recovered)}" if row.to_recovered is not None else ""
            parts.append(f"{row.entry}: its undo was sent before that{over}")
        elif row.to_undo is not None:
            parts.append(f"{row.entry}: undo sent after {span(row.to_undo)}, recovered after {span(row.to_recovered)}")
        elif row.undo_to_recovered is not None:
            parts.append(f"{row.entry}: recovered {span(row.undo_to_recovered)} after its undo was sent")
        else:
            parts.append(f"{row.entry}: {row.state}")
    detail = "; ".join(parts) or "No fault was live."
    evidence = _seqs(seen, "abort_began", "engine_lost", "guardian_lost", "undo_sent")
    if said == ev.REAL_INCIDENT:
        yield _finding("aborted", "low", title, detail, advice, _seqs(seen, "abort_began"))
        return
    yield _finding("aborted", "high", title, detail, advice, evidence)


def _after_the_loss(x: Exercise, seen: Gathered) -> list[str]:
    """Nobody saw the engine die; it was alive at its last event, so the undo came at most so long after."""
    if seen.last_word is None:
        return []
    later = [f.undo_sent.clock for f in x.faults.values() if f.undo_sent and f.undo_sent.clock >= seen.last_word]
    if not later:
        return []
    return [f"the first undo was sent at most {span(min(later) - seen.last_word)} after the engine's death"]


def _steady_state(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    evidence = _seqs(seen, "steady_state_judged")
    broken = {
        phase: [c.name for c in view.steady_state if c.phase == phase and not c.held] for phase in ("before", "after")
    }
    if x.steady_before is False:
        yield _finding(
            "steady-before",
            "high",
            "The system was not in its steady state when the exercise began",
            ", ".join(broken["before"]),
            "Whatever was seen may have other causes; repair first, then repeat.",
            evidence[:1],
        )
    if x.steady_after is False:
        blind = blind_afterwards(seen)
        yield _finding(
            "steady-after",
            "high",
            f"The system {'was not seen to' if blind else 'did not'} return to its steady state",
            ", ".join(broken["after"]),
            "See what is away: the system, or what was asked."
            if blind
            else "Find out what the undo does not bring back.",
            evidence[-1:],
        )


def _not_effective(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    for fault in x.faults.values():
        if fault.effective is not None or (fault.injecting is None and not fault.error):
            continue
        word = "was refused" if fault.stage == "refused" else "did not take hold"
        title = f"Fault {line(fault.entry, 80)} {word}"
        evidence = seen.failed.get(fault.entry) or _seqs(seen, f"fault_injecting:{fault.entry}")
        advice = "What it was to show is still unknown; the response to it can't be judged."
        yield _finding("not-effective", "medium", title, line(fault.error), advice, evidence)


def _unwell(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    """Undone, and somebody else's change keeps it from being as it was."""
    for fault in x.faults.values():
        if fault.stage != "recovered" or not fault.unwell:
            continue
        title = f"After fault {line(fault.entry, 80)} it is not as it was before, by somebody else's change"
        detail = f"Nothing of the fault is left: {line(fault.unwell)}"
        advice = "See whether that was meant. It is not the exercise's to undo, and nothing will be done about it."
        yield _finding("unwell", "high", title, detail, advice, _seqs(seen, f"fault_recovered:{fault.entry}"))


def _faded(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    """Somebody took away what the fault had done, before it was to end."""
    for fault in x.faults.values():
        evidence = _seqs(seen, f"fault_faded:{fault.entry}", f"fault_stands_again:{fault.entry}")
        name = line(fault.entry, 80)
        if fault.gaps:
            away = span(sum(gap.back.clock - gap.since.clock for gap in fault.gaps))
            replaced = all(gap.replaced for gap in fault.gaps)
            who = "Its pods were made anew" if replaced else "Somebody or something took it away"
            times = "; ".join(
                f"gone at {on_clock(gap.since.clock)} ({line(gap.evidence)}), there again at {on_clock(gap.back.clock)}"
                for gap in fault.gaps
            )
            title = f"Fault {name} did not stand for {away}"
            advice = _ANEW if replaced else f"Find out who or what took it away for that time: {_WHO}"
            yield _finding("faded-between", "medium", title, f"{who} for {away}: {times}", advice, evidence)
        if fault.faded is None or fault.effective is None:
            continue
        title = f"Fault {name} was gone before it was undone"
        begun = fault.gaps[-1].back if fault.gaps else fault.effective
        lasted = span(fault.faded.clock - begun.clock)
        detail = f"It had stood for {lasted} at most when that was seen: {line(fault.faded_evidence)}"
        advice = _ANEW if fault.faded_replaced else f"Find out who or what took it away: {_WHO}"
        yield _finding("faded", "medium", title, detail, advice, evidence)


def _let_pass(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    """Of a fault that strikes again and again, turns in which it did not."""
    for fault in x.faults.values():
        if maybe := unsure(fault):
            title = f"Fault {line(fault.entry, 80)} may have struck {count(len(maybe), 'more time')}"
            detail = f"It was stopped while it did, or had no answer: {'; '.join(line(what) for what in maybe)}"
            advice = "See whether these were hit: what the target says of itself stands in the timeline."
            yield _finding("may-have-struck", "low", title, detail, advice, seen.maybe.get(fault.entry, [])[:50])
        if not fault.passed:
            continue
        title = f"Fault {line(fault.entry, 80)} struck {fault.strikes} of {turns(fault)} times"
        advice = "What it was to show is shown in part; see whether the limits, the rights, or the pace are the reason."
        reasons = "; ".join(f"{line(why)} ({count(times, 'time')})" for why, times in fault.passed.items())
        level: Level = "medium" if never_again(fault) else "low"
        yield _finding("let-pass", level, title, f"Refused: {reasons}", advice, seen.passed.get(fault.entry, [])[:50])


def _checks(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    """Checks of the timeline, each asked when its time had come."""
    for name, entry in x.entries.items():
        if entry.held is not False or entry.done is None:
            continue
        standing = [
            line(fault.entry, 80)
            for fault in x.faults.values()
            if fault.effective is not None
            and fault.effective.clock <= entry.done.clock
            and any(
                begin.clock <= entry.done.clock and (end is None or end.clock > entry.done.clock)
                for begin, end in fault.stood(fault.undo_sent)
            )
        ]
        when = f" while {', '.join(standing)} stood" if standing else ""
        advice = "The system does not bear this: decide whether it has to, and what would make it."
        evidence = _seqs(seen, f"probe_answered:{name}")
        yield _finding("check", "high", f"Check {line(name, 80)} did not hold{when}", "", advice, evidence)


def _machines(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    for expectation in view.expectations:
        script = x.scenario.expect[expectation.index] if x.scenario else None
        # Had there been nothing to see, that alone would not have made it fail.
        unseen = expectation.state == "not_observed" and x.verdict == "failed" and script and script.of in landmarks(x)
        if expectation.by != "machine" or not (unseen or expectation.state in ("late", "missed")):
            continue
        evidence = _seqs(seen, f"expectation_judged:{expectation.index}", *_about(x, expectation.index))
        advice = "Improve monitoring: a shorter evaluation window, a closer signal." if script and script.alert else ""
        advice = "Whatever watches for this has to be well, and quiet, before the next run." if unseen else advice
        state = {"late": "came late", "missed": "was missed"}.get(expectation.state, "could not be judged")
        yield _finding(
            "machine-expectation",
            "high",
            f"Expectation {state}: {expectation.text}",
            expectation.detail,
            advice,
            evidence,
        )


def _about(x: Exercise, index: int) -> list[str]:
    """Which events an expectation was judged by, as keys of `Gathered.seqs`."""
    expectation = x.scenario.expect[index] if x.scenario else None
    if expectation is None:
        return []
    if expectation.alert:
        return [f"alert_seen:{expectation.alert}"]
    return [f"milestone_reached:{expectation.milestone}"] if expectation.milestone else []


def _warned(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    for text, evidence in seen.warnings.items():
        advice = "See whether it changes what the rest of this debrief says."
        yield _finding("warned", "low", f"Warning: {text}", "", advice, evidence[:50])


def _close_calls(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    for condition in view.conditions:
        if condition.samples and condition.unanswered * 10 > condition.samples:
            share = round(100 * condition.unanswered / condition.samples)
            yield _finding(
                "no-data",
                "medium",
                f"Abort condition “{condition.name}” had no answer {share} % of the time",
                f"{condition.unanswered} of {condition.samples} samples",
                "A condition that can't see can't protect.",
            )
        if not condition.samples and x.timeline_started:
            yield _finding(
                "unwatched",
                "medium",
                f"Abort condition “{condition.name}” was never sampled",
                condition.rule,
                "Nothing is known about it in this exercise.",
            )
        if condition.headroom is not None and condition.tripped is None and condition.headroom <= 0.2:
            left = (
                "past its threshold, too briefly to trip"
                if condition.headroom <= 0
                else f"{condition.headroom:.0%} short of it"
            )
            yield _finding(
                "close-call",
                "low",
                f"Abort condition “{condition.name}” came close",
                f"worst {condition.worst}, {left}",
            )


def _engine(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    for kind, what in (("engine_lost", "engine"), ("guardian_lost", "guardian")):
        lost = _seqs(seen, kind)
        if not lost or (x.abort is not None and x.abort.by in ("guardian", "engine")):
            continue  # the finding about the abort says it
        title = f"The {what} was lost during the exercise"
        detail = "; ".join(_after_the_loss(x, seen)) if kind == "engine_lost" else ""
        advice = "See what stopped it; what happened then may be incomplete."
        yield _finding("engine-lost", "medium", title, detail, advice, lost)
    jumped = _seqs(seen, "clock_jumped")
    if jumped:
        yield _finding("suspended", "medium", "The machine was suspended during the exercise", "", "", jumped)


# --- the response --------------------------------------------------------------------------------------------------


def _script(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    skipped = [line(entry.entry, 80) for entry in x.entries.values() if entry.stage == "skipped"]
    if skipped:
        title = f"{len(skipped)} {'entry' if len(skipped) == 1 else 'entries'} of the script skipped"
        title += ", since the exercise was closed before that" if len(left_out(seen)) == len(skipped) else ""
        them = "It was not delivered, so nothing is scored for it."
        them = them if len(skipped) == 1 else "They were not delivered, so nothing is scored for them."
        advice = them if x.attended else ""
        yield _finding("skipped", "low", title, ", ".join(skipped[:20]), advice, _seqs(seen, "entry_skipped"))
    # A pause that took no time made no difference to any.
    pauses = [pause for pause in view.pauses if pause.seconds is None or pause.seconds >= _NO_TIME]
    if pauses:
        known = sum(pause.seconds or 0.0 for pause in pauses)
        times = {1: "once", 2: "twice"}.get(len(pauses), f"{len(pauses)} times")
        took = f", {span(known)}{' in all' if len(pauses) > 1 else ''}" if known else ""
        title = f"Paused {times}{took}{', and not continued' if pauses[-1].seconds is None else ''}"
        yield _finding(
            "paused", "low", title, "Times are shown with and without.", "", _seqs(seen, "paused", "continued")
        )
    if x.hints:
        title = f"{count(len(x.hints), 'hint')} given"
        yield _finding("hints", "low", title, "Timings that a hint helped are marked.", "", _seqs(seen, "hint_given"))


def _previous(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    """About other journals, so there is no event in this one to point at: it names exercise and action instead."""
    still = [action for action in view.previous if action.open]
    if still:
        overdue = sum(action.overdue for action in still)
        title = f"{count(len(still), 'action item')} of earlier exercises still open"
        title += f", {overdue} past {'its' if overdue == 1 else 'their'} date" if overdue else ""
        detail = "; ".join(f"{a.exercise} {a.action}: {a.what}, {a.owner}, due {a.due}" for a in still[:10])
        advice = "What was found then is likely to be found again until they are done."
        yield _finding("previous-open", "medium" if overdue else "low", title, detail, advice)


def _good(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    met = [e for e in view.expectations if e.state == "met"]
    failed = sum(e.state in ("late", "missed") for e in view.expectations)
    if len(met) > failed:
        keys = [key for e in met for key in (f"expectation_judged:{e.index}", *_about(x, e.index))]
        detail = "; ".join(f"{e.text}: {e.detail}" if e.detail else e.text for e in met)
        yield _finding("met", "good", _met(view, met), detail, "", _seqs(seen, *keys))
    whole = [fault for fault in x.faults.values() if fault.stage == "recovered"]
    if whole and not x.unrecovered and not any(fault.unwell for fault in whole):
        amount = {1: "The only fault", 2: "Both faults"}.get(len(whole), f"All {len(whole)} faults")
        title = f"{amount} recovered, and that was verified"
        detail = "; ".join(f"{line(f.entry, 80)}: {line(f.cleared, 200)}" for f in whole[:10] if f.cleared)
        yield _finding("recovered", "good", title, detail, "", _seqs(seen, "fault_recovered"))
    checks = [check.name for check in view.steady_state if check.phase == "after"]
    if x.steady_after and checks:
        evidence = _seqs(seen, "steady_state_judged")[-1:]
        yield _finding("steady", "good", "The steady state held again afterwards", ", ".join(checks), "", evidence)


def _met(view: Debrief, met: Sequence[ExpectationView]) -> str:
    failed = sum(e.state in ("late", "missed") for e in view.expectations)
    unseen = len(view.expectations) - len(met) - failed
    parts = [f"{count(len(met), 'expectation')} met, none failed"]
    if failed:
        # What was not observed is no failure, and counts in no share.
        parts = [f"{len(met)} of {len(met) + failed} expectations met, {failed} late or missed"]
    elif len(met) == 1 and met[0].by == "machine" and met[0].detail:
        parts = [f"{met[0].detail}: the one expectation that could be judged was met"]
    parts += [f"{unseen} not observed"] if unseen else []
    return ", ".join(parts)


RULES: tuple[Rule, ...] = (
    _leaked,
    _undone_late,
    _not_whole,
    _aborted,
    _steady_state,
    _checks,
    _machines,
    _not_effective,
    _unwell,
    _faded,
    _let_pass,
    response.detection,
    response.milestones,
    response.updates,
    response.roles,
    response.order,
    _engine,
    _warned,
    _close_calls,
    _previous,
    _script,
    _good,
)
