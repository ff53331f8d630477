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


def unsure(fault: FaultState) -> tuple[str, ...]:
    """What it may have struck, once for each such strike: it was begun, and nobody heard what became of it."""
    if not fault.striking or fault.stage in ("injecting", "effective"):
        # One that is under way will still be told of.
        return fault.maybe
    return (*fault.maybe, ", ".join(fault.striking))


def turns(fault: FaultState) -> int:
    """How many there were: those in which it struck, those it let pass, and those of which nobody knows."""
    return fault.strikes + refused(fault) + len(unsure(fault))


def never_again(fault: FaultState) -> bool:
    """Whether it had turns after the first and struck in none of them: what was scripted did not happen."""
    return fault.strikes <= 1 and bool(fault.passed) and not unsure(fault)


def strikes_text(fault: FaultState) -> str:
    """E.g. `struck 1 of 5 times; the others were refused: 403 Forbidden (4 times)`; "" where it struck in each turn."""
    if not fault.passed and not unsure(fault):
        return ""
    maybe = [f"may have struck {what}" for what in unsure(fault)]
    each = [f"{reason}{f' ({times} times)' if times > 1 else ''}" for reason, times in fault.passed.items()]
    passed = [f"the others were refused: {'; '.join(each)}"] if each else []
    return "; ".join([f"struck {fault.strikes} of {turns(fault)} times", *maybe, *passed])
