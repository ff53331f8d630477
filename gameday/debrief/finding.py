"""What every rule needs to make a finding."""

from __future__ import annotations

from collections.abc import Sequence

from gameday.debrief.gather import Gathered
from gameday.debrief.view import Finding, Level


def seqs_of(seen: Gathered, *kinds: str) -> tuple[int, ...]:
    return tuple(sorted({seq for kind in kinds for seq in seen.seqs.get(kind, ())}))[:50]


def finding_of(
    rule: str, level: Level, title: str, detail: str = "", advice: str = "", evidence: Sequence[int] = ()
) -> Finding:
    return Finding(rule=rule, level=level, title=title, detail=detail, advice=advice, evidence=tuple(evidence))


# --- the system ----------------------------------------------------------------------------------------------------
