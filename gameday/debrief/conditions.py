"""Abort conditions as measured: thousands of samples become a small series, the worst value and the headroom."""

from __future__ import annotations

from collections.abc import Sequence

from gameday.debrief.script import tolerance_words
from gameday.debrief.timeline import when
from gameday.debrief.view import ConditionView, Point, When
from gameday.debrief.words import line, number, numeric, span
from gameday.exercise import events as ev
from gameday.exercise.record import Record
from gameday.frozen import field, slotted
from gameday.scenario.models import AbortCondition, Scenario

BUCKETS = 240
"""Points of one chart; each keeps the lowest and the highest value that fell into it, so no spike is lost."""


@slotted
class Samples:
    """What one condition answered, in order."""

    values: list[tuple[float, float]] = field(default_factory=list)
    """(clock, value)"""
    gaps: list[float] = field(default_factory=list)
    total: int = 0
    text: str = ""
    """The first answer in breach."""
    breaching: int = 0
    state: str = "unknown"
    tripped: When | None = None

    def add(self, record: Record, event: ev.ConditionSampled) -> None:
        self.total += 1
        self.state = event.state
        breach = event.state in ("breaching", "tripped")
        self.breaching += breach
        if event.state == "tripped" and self.tripped is None:
            self.tripped = when(record.wall, record.clock)
        value = numeric(event.value)
        if event.answer != "value":
            self.gaps.append(record.clock)
        elif value is not None:
            self.values.append((record.clock, value))
        if event.answer == "value" and breach and not self.text:
            self.text = number(event.value)


def condition_views(scenario: Scenario | None, samples: dict[str, Samples]) -> tuple[ConditionView, ...]:
    """One view for each condition that is scripted or was sampled, in the scenario's order."""
    scripted = {condition.name: condition for condition in scenario.abort_when} if scenario else {}
    names = [*scripted, *(name for name in samples if name not in scripted)]
    return tuple(_view(name, scripted.get(name), samples.get(name, Samples())) for name in names)


def _view(name: str, rule: AbortCondition | None, seen: Samples) -> ConditionView:
    # A status code has no worst; a number without a threshold neither.
    worst = _worst(rule, seen.values) if _threshold(rule) else None
    return ConditionView(
        name=line(name, 200),
        rule=_rule(rule),
        threshold=_threshold(rule),
        every=rule.every if rule else 0.0,
        samples=seen.total,
        breaching=seen.breaching,
        unanswered=len(seen.gaps),
        worst=seen.text if worst is None else number(worst),
        headroom=_headroom(rule, worst),
        state=seen.state,
        tripped=seen.tripped,
        points=_decimate(seen.values),
        gaps=_thin(seen.gaps),
    )


def _rule(rule: AbortCondition | None) -> str:
    if rule is None:
        return ""
    words = tolerance_words(rule) if rule.unless is None else f"not {tolerance_words(rule.unless)}"
    if rule.for_:
        words += f" for {span(rule.for_)}"
    if rule.consecutive:
        words += f", {rule.consecutive} times in a row"
    return f"{words}, asked every {span(rule.every)}"


def _bounds(rule: AbortCondition | None) -> tuple[float | None, float | None]:
    """(upper, lower): the condition breaches above `upper`, or below `lower`."""
    if rule is None:
        return None, None
    if rule.unless is None:
        return rule.above, rule.below
    if rule.unless.between is not None:
        return rule.unless.between[1], rule.unless.between[0]
    return rule.unless.below, rule.unless.above


def _threshold(rule: AbortCondition | None) -> tuple[float, ...]:
    return tuple(bound for bound in _bounds(rule) if bound is not None)


def _worst(rule: AbortCondition | None, values: Sequence[tuple[float, float]]) -> float | None:
    if not values:
        return None
    upper, lower = _bounds(rule)
    numbers = [value for _, value in values]
    if upper is not None and lower is not None:
        return max(numbers, key=lambda value: max(value - upper, lower - value))
    return min(numbers) if lower is not None else max(numbers)


def _headroom(rule: AbortCondition | None, worst: float | None) -> float | None:
    """What was left to the threshold, as a share and as the console counts it.

    0.3 for 0.35 against `above: 0.5`; 0.5 for 20 against `below: 10`; 0 or less once it was past.
    """
    upper, lower = _bounds(rule)
    if worst is None or (upper is None and lower is None):
        return None
    if upper is not None and lower is not None:
        half = (upper - lower) / 2
        return round(min(worst - lower, upper - worst) / half, 4) if half > 0 else None
    if upper is not None:
        return round((upper - worst) / upper, 4) if upper > 0 else None
    assert lower is not None
    return round((worst - lower) / worst, 4) if worst > 0 else None


def _decimate(values: Sequence[tuple[float, float]]) -> tuple[Point, ...]:
    if len(values) <= BUCKETS:
        return tuple(Point(clock=clock, low=value, high=value) for clock, value in values)
    size = -(-len(values) // BUCKETS)
    buckets = [values[start : start + size] for start in range(0, len(values), size)]
    return tuple(
        Point(clock=bucket[len(bucket) // 2][0], low=min(v for _, v in bucket), high=max(v for _, v in bucket))
        for bucket in buckets
    )


def _thin(clocks: Sequence[float]) -> tuple[float, ...]:
    return tuple(clocks[:: max(1, -(-len(clocks) // BUCKETS))])
