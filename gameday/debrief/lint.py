"""Blameless language: suggestions about words, never a rewrite.

It looks at what people wrote down (notes, reasons, actions), leaves out quotations and owner fields, and says what
might be written instead. It knows patterns, not meaning: a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gameday.debrief.view import Suggestion
from gameday.debrief.words import clean, line
from gameday.exercise.state import Exercise

_ERROR_VERBS = (
    r"forgot|failed|missed|broke|overlooked|neglected|ignored|messed up|screwed up|caused|misread|mistyped|"
    r"misconfigured|panicked"
)
_BLAME = re.compile(rf"\b(?:he|she|they|you|i|we)\s+(?:just\s+|simply\s+)?(?:{_ERROR_VERBS})\b", re.IGNORECASE)
_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"|«[^»]*»|`[^`]*`|^\s*>.*$", re.MULTILINE)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_BLAME, "says who erred; say what made that a reasonable thing to do at the time"),
    (
        re.compile(r"\b(?:human|operator|user|pilot) error\b", re.I),
        "ends at a person; ask what let one slip get this far",
    ),
    (re.compile(r"\bfailed to\b", re.I), "judges; say what happened instead, and what was known then"),
    (
        re.compile(r"\bshould(?:n['’]t| not)? have\b|\bought to have\b|\bmust have known\b", re.I),
        "hindsight; say what was known at that moment",
    ),
    (
        re.compile(r"\b(?:could|would) have\b|\bif only\b|\bhad (?:we|they|he|she|i) (?:just |only )?\w+", re.I),
        "a counterfactual; the timeline tells what happened",
    ),
    (
        re.compile(r"\b(?:the|single|sole) root cause\b", re.I),
        "one cause is rarely enough; name the contributing factors",
    ),
    (
        re.compile(r"\b(?:careless|negligent|incompeten\w+|lazy|stupid|obvious(?:ly)?)\b", re.I),
        "a verdict on people; describe",
    ),
)
_WEAK: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"\b(?:be|being) more \w+|\bpay (?:more )?attention|\bbe careful\b", re.I),
        "not something to do; change what people work with",
    ),
    (
        re.compile(r"^\s*(?:improve|enhance|optimi[sz]e|better|strengthen)\b", re.I),
        "without an end; say what will be true when it is done",
    ),
    (
        re.compile(r"^\s*(?:re-?train|train|training|educate|remind|teach|tell|raise awareness)\b", re.I),
        "training alone fades; change the system as well",
    ),
    (
        re.compile(r"^\s*(?:investigate|look into|think about|consider|discuss|review|try to)\b", re.I),
        "an intention; say what comes out of it",
    ),
    (
        re.compile(r"\b(?:double[- ]check|make sure|remember to|don['’]t forget)\b", re.I),
        "leans on memory; let a machine check it",
    ),
)


def lint_text(text: str, names: Iterable[str] = ()) -> list[tuple[str, str]]:
    """`(words found, advice)` for each thing in `text` that reads like blame or hindsight; quotations are left out."""
    said = _QUOTED.sub(lambda quote: " " * len(quote.group()), clean(text))
    found = [(match.group(), advice) for pattern, advice in _PATTERNS for match in pattern.finditer(said)]
    known = "|".join(re.escape(name) for name in names if name.strip())
    if known:
        named = re.compile(rf"\b(?:{known})\s+(?:just\s+|simply\s+)?(?:{_ERROR_VERBS})\b", re.IGNORECASE)
        found += [
            (match.group(), "names a person beside an error; say what the system allowed")
            for match in named.finditer(said)
        ]
    return [(line(words, 80), advice) for words, advice in dict.fromkeys(found)]


def lint_action(what: str) -> list[tuple[str, str]]:
    """`(words found, advice)` for a weak action: one that nobody can finish or verify."""
    said = clean(what)
    return [(line(m.group(), 80), advice) for pattern, advice in _WEAK if (m := pattern.search(said))]


def lint_debrief(exercise: Exercise) -> tuple[Suggestion, ...]:
    """Suggestions for everything that people wrote down in the exercise."""
    names = {
        part
        for people in exercise.roles.values()
        for who in people
        for part in (who, who.split()[0] if who.split() else "")
    }
    names |= {note.actor for note in exercise.notes if note.actor} | {s.actor for s in exercise.stamps if s.actor}
    result: list[Suggestion] = []
    # Names are part of one pattern: a crowd of them would make it slow, and a room is not a crowd.
    people = sorted(name for name in names if len(name) > 1)[:40]
    for note in exercise.notes:
        for found, advice in lint_text(note.text, people):
            result.append(Suggestion(where=f"note #{note.seq}", seq=note.seq, found=found, advice=advice))
    for stamp in exercise.stamps:
        for found, advice in lint_text(stamp.note, people) if stamp.note else ():
            result.append(Suggestion(where=f"stamp #{stamp.seq}", seq=stamp.seq, found=found, advice=advice))
    for item in exercise.actions.values():
        where = f"action {line(item.action, 40)}"
        for found, advice in [*lint_text(item.what, people), *lint_action(item.what)]:
            result.append(Suggestion(where=where, seq=None, found=found, advice=advice))
    return tuple(result)
