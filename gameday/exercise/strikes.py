"""A fault that strikes again and again: how often it did, how often it let its turn pass, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gameday.exercise.state import FaultState

REASONS = 3
"""So many different reasons are kept; of the rest only how many there were."""
OTHERS = "for other reasons"


def passed_once_more(so_far: Mapping[str, int], reason: str) -> dict[str, int]:
    """`so_far`, the reasons why turns passed and how often each, with one more."""
    known = reason if reason in so_far or len(so_far) < REASONS else OTHERS
    return {**so_far, known: so_far.get(known, 0) + 1}


def refused(fault: FaultState) -> int:
    """How many of its turns it let pass."""
    return sum(fault.passed.values())


def never_again(fault: FaultState) -> bool:
    """Whether it had turns after the first and struck in none of them: what was scripted did not happen."""
    return fault.strikes <= 1 and bool(fault.passed)


def strikes_text(fault: FaultState) -> str:
    """E.g. `struck 1 of 5 times; the others were refused: 403 Forbidden (4 times)`; "" where no turn passed."""
    if not fault.passed:
        return ""
    each = [f"{reason}{f' ({times} times)' if times > 1 else ''}" for reason, times in fault.passed.items()]
    return (
        f"struck {fault.strikes} of {fault.strikes + refused(fault)} times; the others were refused: {'; '.join(each)}"
    )
