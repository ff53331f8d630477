"""Every event of the journal as one sentence for people: the same words on the screen, in `--plain` and in a log.

Pure. A sentence is made from the event and from what was known *before* it, which is where the summary of a fault or
the name of a withdrawn stamp stands. Nothing here decides anything, and nothing here knows a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from gameday.console.times import clean, count_text, took_text, value_text, wall_text
from gameday.engine.decide import EFFECTIVE_WINDOW, PASSES
from gameday.engine.held import ONCE_MORE
from gameday.engine.ports import BUT_UNWELL
from gameday.engine.requests import Request
from gameday.exercise import events as e
from gameday.exercise import turns
from gameday.exercise.expectations import expectation_name
from gameday.exercise.record import Record
from gameday.exercise.state import Exercise
from gameday.exercise.strikes import refused
from gameday.exercise.touched import together
from gameday.frozen import frozen
from gameday.scenario.duration import format_duration

Tone = Literal["calm", "good", "warn", "bad", "people", "quiet"]
"""How a line is coloured where there is colour; the word in front of it says the same without."""

LONGEST = 600
"""Characters of one sentence. A probe may bring back a page; the journal keeps it, a line does not."""
LATE = 2.0
"""Seconds between happening and being written down from which a line says so."""


@frozen
class Sentence:
    word: str
    """At most six letters, capitals: FAULT, STAMP, ABORT …"""
    text: str
    tone: Tone = "calm"


def describe(record: Record, before: Exercise) -> Sentence | None:
    """What `record` says, `before` being the state without it; None for what is no news (a repeated sample)."""
    sentence = _WORDS[type(record.event)](record.event, before)
    if sentence is None:
        return None
    text = clean(sentence.text)
    if len(text) > LONGEST and not isinstance(record.event, e.FaultLeaked):
        text = text[: LONGEST - 1] + "…"
    if record.recorded - record.wall > LATE and isinstance(record.event, _BACKDATED):
        text += f" (written down {wall_text(record.recorded)})"
    return Sentence(sentence.word, text, sentence.tone)


_BACKDATED = (e.MilestoneReached, e.NoteTaken, e.RoleTaken)


def _tail(text: object, lead: str = ": ") -> str:
    return f"{lead}{text}" if text else ""


def _summary(before: Exercise, entry: str) -> str:
    fault = before.faults.get(entry)
    return f"{entry} ({fault.summary})" if fault is not None and fault.summary else entry


def _started(event: e.ExerciseStarted, before: Exercise) -> Sentence:
    title = event.scenario.get("title") or event.name
    target = event.target
    where = f"{target.get('name', 'no target')} [{str(target.get('environment', 'unknown')).upper()}]"
    how = "attended" if event.attended else "unattended"
    return Sentence("START", f"{title}: exercise {event.exercise} on {where}, {how}, seed {event.seed}")


def _engine_started(event: e.EngineStarted, before: Exercise) -> Sentence:
    verb = "took the exercise up again" if event.resumed else "started"
    return Sentence("ENGINE", f"engine {verb} (pid {event.pid}, guardian {event.guardian}) on {event.host}", "quiet")


def _consoles(event: e.ConsolesChanged, before: Exercise) -> Sentence:
    if event.count:
        return Sentence("ENGINE", f"{count_text(event.count, 'console')} attached", "quiet")
    return Sentence("ENGINE", "no console is attached any more", "warn")


def _check(event: e.CheckAnswered, before: Exercise) -> Sentence:
    kind = event.answer.get("kind", "value")
    if kind == "value":
        value = event.answer.get("value")
        # What failed may be text that looks like what was wanted: "true" is not true.
        got = f'"{value_text(value)}"' if isinstance(value, str) and not event.held else value_text(value)
    else:
        got = f"{_answer_words(str(kind))}{_tail(event.answer.get('detail'), ', ')}"
    verb = "holds" if event.held else "does NOT hold"
    return Sentence(
        "CHECK",
        f"{event.name} {verb} {event.phase}: {got} (wanted {event.wanted})",
        "good" if event.held else "bad",
    )


def _answered(event: e.ProbeAnswered, before: Exercise) -> Sentence:
    kind = event.answer.get("kind", "value")
    got = value_text(event.answer.get("value"))
    if kind != "value":
        got = f"{_answer_words(str(kind))}{_tail(event.answer.get('detail'), ', ')}"
    if event.held is None:
        return Sentence("CHECK", f"{event.name}: {got}", "calm" if kind == "value" else "warn")
    verb = "holds" if event.held else "does NOT hold"
    return Sentence("CHECK", f"{event.name} {verb}: {got} (wanted {event.wanted})", "good" if event.held else "bad")


def _judged(event: e.SteadyStateJudged, before: Exercise) -> Sentence:
    if event.held and before.scenario is not None and not before.scenario.steady_state:
        return Sentence("CHECK", f"no steady state is declared: nothing was checked {event.phase} the exercise")
    verb = "holds" if event.held else "does NOT hold"
    return Sentence("CHECK", f"steady state {verb} {event.phase} the exercise", "good" if event.held else "bad")


def _ended(event: e.ExerciseEnded, before: Exercise) -> Sentence:
    tone: Tone = "good" if event.verdict == "completed" else "warn" if event.verdict == "aborted" else "bad"
    return Sentence("END", f"{event.verdict.upper()} (exit {event.exit_code}){_tail(event.reason)}", tone)


def _inject(event: e.InjectDelivered, before: Exercise) -> Sentence:
    to = ", ".join(event.audience) if event.audience else "everybody"
    return Sentence("INJECT", f"{event.entry} to {to}: {event.text}", "people")


def _armed(event: e.FaultArmed, before: Exercise) -> Sentence:
    plan = event.plan
    targets = together([str(name) for name in plan.get("targets", ())]) or "nothing named"
    if event.one_shot:
        life = "passes by itself"
    else:
        life = "undo ready"
        if event.duration is not None:
            latest = format_duration(event.duration + EFFECTIVE_WINDOW)
            life += f", due after {format_duration(event.duration)} in effect, {latest} after injecting at the latest"
    return Sentence("FAULT", f"{event.entry} is armed: {plan.get('summary', event.fault)}; touches {targets}; {life}")


def _faded(event: e.FaultFaded, before: Exercise) -> Sentence:
    return Sentence("FAULT", f"{event.entry} DOES NOT STAND any more{_tail(event.evidence)}", "warn")


def _striking(event: e.FaultStriking, before: Exercise) -> Sentence:
    return Sentence("FAULT", f"{event.entry} is about to strike again: {together(event.targets)}", "quiet")


def _repeated(event: e.FaultRepeated, before: Exercise) -> Sentence:
    if event.evidence.startswith(turns.CALLED_OFF):
        what = event.evidence.removeprefix(turns.CALLED_OFF)
        return Sentence("FAULT", f"{event.entry} was stopped before it struck again: {what}", "quiet")
    if event.evidence.startswith(turns.MAY_HAVE):
        what = event.evidence.removeprefix(turns.MAY_HAVE)
        return Sentence("FAULT", f"{event.entry} MAY HAVE STRUCK again, which nobody heard of: {what}", "warn")
    if event.evidence.startswith(turns.NOT_THIS_TIME):
        return Sentence(
            "FAULT", f"{event.entry} did not strike again: {event.evidence.removeprefix(turns.NOT_THIS_TIME)}", "warn"
        )
    return Sentence("FAULT", f"{event.entry} struck again{_tail(event.evidence)}", "warn")


def _undoing(event: e.FaultUndoing, before: Exercise) -> Sentence:
    if event.reason.startswith(PASSES):
        return Sentence("UNDO", f"{event.entry} {event.reason.removeprefix('it ')}", "quiet")
    return Sentence("UNDO", f"{event.entry} is being undone{_tail(event.reason)}", "warn")


def _undo_failed(event: e.UndoFailed, before: Exercise) -> Sentence:
    if event.error == ONCE_MORE:
        fault = before.faults.get(event.entry)
        if fault is not None and fault.strikes + refused(fault) > 1:
            # It goes on until it is undone: that it was alive then is as it should be.
            return Sentence("UNDO", f"{event.entry} strikes no more; its undo is sent once more, to be sure", "quiet")
        return Sentence("UNDO", f"{event.entry}: {ONCE_MORE}", "quiet")
    if event.error.startswith(BUT_UNWELL):
        return Sentence("UNDO", f"{event.entry} is undone: {event.error}; looking again", "warn")
    return Sentence("UNDO", f"{event.entry}: undo attempt {event.attempt} FAILED: {event.error}; trying again", "bad")


def _again(event: e.FaultStandsAgain, before: Exercise) -> Sentence:
    fault = before.faults.get(event.entry)
    gone = fault is not None and fault.faded is not None and not fault.faded_replaced
    whose = "; whoever has set it so, it is undone with the fault" if gone else ""
    return Sentence("FAULT", f"{event.entry} stands again{_tail(event.evidence)}{whose}")


def _recovered(event: e.FaultRecovered, before: Exercise) -> Sentence:
    if event.unwell:
        left = "nothing of it is left, and it is NOT AS IT WAS BEFORE"
        return Sentence("FAULT", f"{event.entry} is UNDONE, {left}{_tail(event.unwell)}", "bad")
    return Sentence("FAULT", f"{event.entry} has RECOVERED{_tail(event.evidence)}", "good")


def on_one_line(commands: Sequence[str]) -> str:
    """Shell lines one after the other; a comment that says what the next one is for becomes words before it."""
    text = ""
    for number, command in enumerate(commands):
        said = command.startswith("# ")
        before = "" if number == 0 else " " if said or commands[number - 1].startswith("# ") else " ; "
        text += before + (command[2:] if said else command)
    return text


def _leaked(event: e.FaultLeaked, before: Exercise) -> Sentence:
    by_hand = f"; by hand: {on_one_line(event.commands)}" if event.commands else ""
    # Whatever came back from the target is cut, and the commands, which somebody has to type now, never.
    error = event.error if len(event.error) <= LONGEST else f"{event.error[: LONGEST - 1]}…"
    return Sentence("LEAK", f"{_summary(before, event.entry)} is NOT UNDONE: {error}{by_hand}", "bad")


_CONDITION_WORDS: dict[str, tuple[str, Tone]] = {
    "ok": ("is ok", "good"),
    "breaching": ("is BREACHING", "warn"),
    "tripped": ("has TRIPPED", "bad"),
    "held": ("has no number, the last judgement holds", "warn"),
}


def _answer_words(kind: str) -> str:
    return {
        "unreachable": "unreachable",
        "no_data": "no data",
        "nan": "not a number",
        "many": "more than one series",
        "error": "unreadable answer",
    }.get(kind, kind)


def _sampled(event: e.ConditionSampled, before: Exercise) -> Sentence | None:
    known = before.conditions.get(event.name)
    if known is not None and known.state == event.state:
        return None
    words, tone = _CONDITION_WORDS[event.state]
    got = value_text(event.value) if event.answer == "value" else _answer_words(event.answer)
    return Sentence("WATCH", f"{event.name} {words}: {got}{_tail(event.detail, ', ')}", tone)


def _abort(event: e.AbortBegan, before: Exercise) -> Sentence:
    cause = f"condition {event.condition!r}" if event.condition else event.by or "somebody"
    undone = "; every fault is being undone" if before.live_faults else ""
    # `aborted by Ada` is also what stands there as the reason when nobody gave one.
    why = "" if event.reason == f"aborted by {event.by}" else event.reason
    return Sentence("ABORT", f"aborted by {cause}{_tail(why)}{undone}", "bad")


_OBSERVED: dict[str, Tone] = {
    "ready": "good",
    "whole": "good",
    "unready": "warn",
    "restart": "warn",
}


def _observed(event: e.TargetObserved, before: Exercise) -> Sentence | None:
    if event.what == "new":
        # That it is ready is news, or that something isn't whole for want of it.
        return None
    if event.what == "recent":
        since = f" ({wall_text(event.at)})" if event.at is not None else ""
        return Sentence("TARGET", f"recent: {event.thing} {event.text}{since}", "calm")
    if event.what == "not_whole":
        rolling = event.text.startswith("rolling out")
        verb = "is not whole yet" if rolling else "is NOT WHOLE"
        return Sentence("TARGET", f"{_short_name(event)} {verb}: {event.text}", "calm" if rolling else "warn")
    return Sentence("TARGET", f"{_short_name(event)}: {event.text}", _OBSERVED.get(event.what, "quiet"))


def _short_name(event: e.TargetObserved) -> str:
    """A workload by its service, a pod by its name alone: the column is narrow, and the journal has the whole."""
    kind, _, name = event.thing.partition(" ")
    if kind == "pod":
        return name.rpartition("/")[2]
    return event.services[0] if len(event.services) == 1 and kind in ("deployment", "statefulset") else event.thing


def _alert(event: e.AlertSeen, before: Exercise) -> Sentence:
    since = f" since {wall_text(event.starts_at)}" if event.starts_at is not None else ""
    return Sentence(
        "ALERT",
        f"{event.alert} is {event.state}{since}{_tail(event.summary)}",
        "warn" if event.state == "firing" else "good",
    )


def _expectation(event: e.ExpectationJudged, before: Exercise) -> Sentence:
    scenario = before.scenario
    known = scenario is not None and 0 <= event.index < len(scenario.expect)
    name = expectation_name(scenario.expect[event.index]) if known and scenario else f"expectation {event.index + 1}"
    words = {"met": "met", "late": "met LATE", "missed": "MISSED", "not_observed": "not observed"}[event.state]
    took = f" after {took_text(event.took)}" if event.took is not None else ""
    tones: dict[str, Tone] = {"met": "good", "late": "warn", "missed": "bad", "not_observed": "quiet"}
    return Sentence("EXPECT", f"{name}: {words}{took}{_tail(event.detail, ', ')}", tones[event.state])


def _milestone(event: e.MilestoneReached, before: Exercise) -> Sentence:
    partly = " PARTLY" if event.partial else ""
    by = f" by {event.detection}" if event.detection else ""
    return Sentence("STAMP", f"{event.milestone}{partly}{by}{_tail(event.note)}", "people")


def _withdrawn(event: e.MilestoneWithdrawn, before: Exercise) -> Sentence:
    stamp = next((stamp for stamp in before.stamps if stamp.seq == event.stamp), None)
    which = f"{stamp.milestone} of {wall_text(stamp.at.wall)}" if stamp is not None else f"stamp {event.stamp}"
    return Sentence("STAMP", f"{which} is withdrawn{_tail(event.reason)}", "people")


def _note(event: e.NoteTaken, before: Exercise) -> Sentence:
    to = f" to {event.audience}" if event.audience else ""
    kind = "" if event.category == "unclassified" else f"[{event.category}{to}] "
    return Sentence("NOTE", f"{kind}{event.text}", "people")


def _classified(event: e.NoteClassified, before: Exercise) -> Sentence:
    note = next((note for note in before.notes if note.seq == event.note), None)
    which = f"{note.text[:80]!r}" if note is not None else f"note {event.note}"
    return Sentence("NOTE", f"{which} is {_article(event.category)}", "quiet")


def _article(category: str) -> str:
    return f"{'an' if category[:1] in 'aeiou' else 'a'} {category}"


def _action_closed(event: e.ActionClosed, before: Exercise) -> Sentence:
    known = before.actions.get(event.action)
    which = f"{event.action} ({known.what})" if known is not None else event.action
    return Sentence("ACTION", f"{which} is done{_tail(event.how)}", "good")


def wanted(request: Request) -> str:
    """What was asked for, for the sentence that says that it was refused."""
    what = {
        "Mark": "the stamp",
        "Withdraw": "taking the stamp back",
        "Move": "moving the stamp",
        "Classify": "the kind of the note",
        "Release": "releasing",
        "Skip": "skipping",
        "Improvise": "what you told everybody",
        "Hint": "the hint",
        "UndoNow": "undoing",
        "TakeRole": "the role",
        "Pause": "the pause",
        "Continue": "going on",
        "Close": "ending the exercise",
    }.get(type(request).__name__, type(request).__name__)
    name = getattr(request, "entry", "") or getattr(request, "milestone", "") or getattr(request, "role", "")
    return f"{what} {name}".strip()


_WORDS: dict[type[e.Event], Callable[[Any, Exercise], Sentence | None]] = {
    e.ExerciseStarted: _started,
    e.EngineStarted: _engine_started,
    e.EngineLost: lambda event, _: Sentence("ENGINE", f"the engine is GONE: {event.reason}", "bad"),
    e.GuardianLost: lambda event, _: Sentence("ENGINE", f"the guardian is GONE: {event.reason}", "bad"),
    e.ConsolesChanged: _consoles,
    e.SteadyStateBegan: lambda event, _: Sentence("CHECK", f"checking the steady state {event.phase} the exercise"),
    e.CheckAnswered: _check,
    e.SteadyStateJudged: _judged,
    e.TimelineStarted: lambda event, _: Sentence("START", "the timeline starts", "good"),
    e.Paused: lambda event, _: Sentence("PAUSE", f"script frozen, safety goes on{_tail(event.reason)}", "warn"),
    e.Continued: lambda event, _: Sentence("GO ON", "the script goes on", "good"),
    e.ClockJumped: lambda event, _: Sentence(
        "WARN", f"this machine was suspended for about {format_duration(round(event.seconds))}", "warn"
    ),
    e.Warned: lambda event, _: Sentence("WARN", event.text, "warn"),
    e.CloseRequested: lambda event, _: Sentence("CLOSE", "the facilitator closes the exercise"),
    e.ExerciseEnded: _ended,
    e.EntryReleased: lambda event, _: Sentence("SCRIPT", f"{event.entry} is released by hand", "people"),
    e.EntrySkipped: lambda event, _: Sentence("SCRIPT", f"{event.entry} is skipped{_tail(event.reason)}", "quiet"),
    e.InjectDelivered: _inject,
    e.ProbeAsked: lambda event, _: Sentence("CHECK", f"{event.entry} is being asked", "quiet"),
    e.ProbeAnswered: _answered,
    e.HintGiven: lambda event, _: Sentence("HINT", f"{event.entry}: {event.text}", "people"),
    e.FaultPlanned: lambda event, _: Sentence("FAULT", f"{event.entry} is due: looking up targets for {event.fault}"),
    e.FaultRefused: lambda event, _: Sentence(
        "FAULT", f"{event.entry} is REFUSED, nothing was touched: {event.error}", "bad"
    ),
    e.FaultArmed: _armed,
    e.FaultInjecting: lambda event, _: Sentence("FAULT", f"{event.entry} is being injected", "warn"),
    e.FaultInjected: lambda event, _: Sentence("FAULT", f"{event.entry}: the injection returned", "quiet"),
    e.FaultFailed: lambda event, _: Sentence(
        "FAULT", f"{event.entry} FAILED: {event.error}; it is undone all the same", "bad"
    ),
    e.FaultEffective: lambda event, _: Sentence("FAULT", f"{event.entry} is EFFECTIVE{_tail(event.evidence)}", "warn"),
    e.FaultStriking: _striking,
    e.FaultRepeated: _repeated,
    e.FaultFaded: _faded,
    e.FaultStandsAgain: _again,
    e.FaultUndoing: _undoing,
    e.UndoSent: lambda event, _: Sentence("UNDO", f"{event.entry}: undo sent, attempt {event.attempt}"),
    e.UndoFailed: _undo_failed,
    e.FaultRecovered: _recovered,
    e.FaultLeaked: _leaked,
    e.ConditionSampled: _sampled,
    e.AbortBegan: _abort,
    e.AlertSeen: _alert,
    e.TargetObserved: _observed,
    e.ExpectationJudged: _expectation,
    e.MilestoneReached: _milestone,
    e.MilestoneWithdrawn: _withdrawn,
    e.NoteTaken: _note,
    e.NoteClassified: _classified,
    e.RoleTaken: lambda event, _: Sentence("ROLE", f"{event.who} is {event.role}", "people"),
    e.ActionAdded: lambda event, _: Sentence(
        "ACTION", f"{event.action}: {event.what} (owner {event.owner}, due {event.due})", "people"
    ),
    e.ActionClosed: _action_closed,
}
