"""What the scenario says, in words: tolerances, expectations, kinds of entries."""

from __future__ import annotations

from gameday.debrief.words import line, number, span
from gameday.scenario.models import Expectation, Scenario, Tolerance


def tolerance_words(tolerance: Tolerance) -> str:
    """`above 0.5`, `between 1 and 3 and status 200`."""
    parts = []
    if tolerance.above is not None:
        parts.append(f"above {number(tolerance.above)}")
    if tolerance.below is not None:
        parts.append(f"below {number(tolerance.below)}")
    if tolerance.between is not None:
        parts.append(f"between {number(tolerance.between[0])} and {number(tolerance.between[1])}")
    if tolerance.matches is not None:
        parts.append(f"matching {line(tolerance.matches, 80)}")
    if tolerance.status is not None:
        parts.append(f"status {line(tolerance.status, 80)}")
    if "equals" in tolerance.model_fields_set:
        parts.append(f"equal to {line(tolerance.equals, 80)}")
    return " and ".join(parts)


def expectation_words(expectation: Expectation) -> str:
    """`Alert CheckoutErrors fires within 2 min of impact`."""
    if expectation.alert:
        text = f"alert {line(expectation.alert, 120)} fires"
    elif expectation.milestone:
        text = expectation.milestone
    elif expectation.update:
        text = f"updates to {line(expectation.update, 80)}"
    elif expectation.check:
        name = line(expectation.check.name or "", 120) or "the check"
        text = f"{name}: {tolerance_words(expectation.check.expect)}"
    else:
        text = "nothing in particular"
    if expectation.every:
        text += f" at least every {span(expectation.every)}"
    if expectation.within is not None:
        text += f" within {span(expectation.within)} of {expectation.of}"
    if expectation.name:
        text = f"{line(expectation.name, 200)} ({text})"
    return text[:1].upper() + text[1:]


def is_fault(scenario: Scenario | None, entry: str) -> bool:
    """Whether the timeline's entry of that id is a fault."""
    if scenario is None:
        return False
    return any(scenario.entry_id(i) == entry and step.fault for i, step in enumerate(scenario.timeline))
