"""The top of the debrief: the verdict in plain words, three findings, the highest risk. Pure; judges nothing anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gameday.debrief.gather import Gathered
from gameday.debrief.view import Finding, Headline
from gameday.debrief.words import count, line
from gameday.exercise.state import Exercise

Tone = Literal["good", "warn", "bad"]


def headline(exercise: Exercise, findings: Sequence[Finding], seen: Gathered) -> Headline:
    """`findings`: the most important first. What went well fills the three only after what did not."""
    verdict = exercise.verdict or ("interrupted" if exercise.phase == "interrupted" else "running")
    sentence, level = _verdict(exercise, verdict, seen)
    serious = [finding for finding in findings if finding.level in ("high", "medium")]
    chosen = [*serious, *(finding for finding in findings if finding.level == "good")]
    chosen = (chosen or list(findings))[:3]
    risk = "None that the rules know of; what is not known stands below."
    if serious:
        first = serious[0].title
        risk = f"{first}{'' if first.endswith(('.', '!', '?')) else '.'} {serious[0].advice}".strip()
    return Headline(verdict=verdict, level=level, sentence=sentence, findings=tuple(f.title for f in chosen), risk=risk)


def left_out(seen: Gathered) -> list[int]:
    """Sequence numbers of the entries that were skipped because the facilitator had closed the exercise."""
    closed = seen.seqs.get("close_requested")
    return [seq for seq in seen.seqs.get("entry_skipped", ()) if closed and seq > closed[0]]


def _verdict(exercise: Exercise, verdict: str, seen: Gathered) -> tuple[str, Tone]:
    said = line(exercise.reason, 300)
    reason = f" Reason: {said}" if said else ""
    reason = reason if not reason or reason.endswith((".", "!", "?")) else f"{reason}."
    alive = count(len(exercise.unrecovered), "fault")
    match verdict:
        case "completed" | "failed" if exercise.unrecovered:
            return f"The exercise ended, and {alive} was not seen to recover. Somebody has to look now.{reason}", "bad"
        case "completed":
            return f"{_ran(exercise, seen)}{_came_back(exercise, seen)}.", "good"
        case "failed":
            return f"{_ran(exercise, seen)}, and not everything came out as expected.{reason}", "warn"
        case "aborted":
            return _aborted(exercise, seen, said, reason)
        case "leaked" if not exercise.unrecovered:
            return f"The exercise left a fault behind, which was undone afterwards.{reason}", "warn"
        case "leaked":
            return f"The exercise left {alive} behind. Somebody has to act now.{reason}", "bad"
        case "refused":
            return f"The exercise was refused before anything was touched.{reason}", "warn"
        case _:
            if exercise.unrecovered:
                return f"The exercise is {verdict}, and {alive} may still disturb the target.", "bad"
            return f"The exercise is {verdict}; this debrief is about a part of it.", "warn"


def _ran(exercise: Exercise, seen: Gathered) -> str:
    skipped = len(left_out(seen))
    if skipped:
        entries = count(len(exercise.entries), "entry").replace("entrys", "entries")
        return f"The exercise was closed before its script was through ({skipped} of {entries} left out)"
    return "The exercise ran to its end"


def _came_back(exercise: Exercise, seen: Gathered) -> str:
    """What is known of the system afterwards; nothing where nothing was touched or asked."""
    if exercise.steady_after and any(check.phase == "after" for check in seen.checks):
        return " and the system came back"
    return " and every fault recovered" if exercise.faults else ""


def blind_afterwards(seen: Gathered) -> bool:
    """Whether what did not hold afterwards had no answer: a Prometheus that is away says nothing of a shop."""
    broken = [check.answer for check in seen.checks if check.phase == "after" and not check.held]
    return bool(broken) and all(answer.startswith("no answer") for answer in broken)


def _aborted(exercise: Exercise, seen: Gathered, said: str, reason: str) -> tuple[str, Tone]:
    # `aborted by Ada` is what stands there when nobody gave a reason.
    opening = f"The exercise was {said}" if said.startswith("aborted") else "The exercise was aborted"
    why = "" if said.startswith("aborted") else reason
    undone = "every fault was undone" if exercise.faults else "no fault had been injected"
    if exercise.unrecovered:
        alive = count(len(exercise.unrecovered), "fault")
        return f"{opening}, and {alive} was not seen to recover. Somebody has to look now.{why}", "bad"
    if exercise.steady_after is False:
        seen_to = "was not seen to" if blind_afterwards(seen) else "did not"
        back = f"but the system {seen_to} come back to its steady state"
        return f"{opening} and {undone}, {back}. Somebody has to look.{why}", "bad"
    return f"{opening} and {undone}.{why}", "warn"
