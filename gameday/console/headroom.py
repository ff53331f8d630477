"""How far an abort condition is from stopping the exercise: its limit in words, and what is left as a share.

Pure. A share exists only where the limit is a number and nearness has a meaning; otherwise the words must do.
"""

from __future__ import annotations

from gameday.console.times import value_text
from gameday.frozen import frozen
from gameday.scenario.duration import format_duration
from gameday.scenario.models import AbortCondition, Tolerance

_BARS = "▁▂▃▄▅▆▇█"


@frozen
class Headroom:
    limit: str
    """E.g. `stops above 0.5 for 5s`."""
    share: float | None
    """1.0 far away, 0.0 at the limit or past it."""


def headroom(condition: AbortCondition, value: object) -> Headroom:
    """Where `value` stands against the limit of `condition`."""
    rule, inverse = (condition.unless, True) if condition.unless is not None else (condition, False)
    return Headroom(_limit(condition, rule, inverse), _share(rule, inverse, value))


def _limit(condition: AbortCondition, rule: Tolerance, inverse: bool) -> str:
    parts = []
    if rule.above is not None:
        parts.append(f"above {rule.above:g}")
    if rule.below is not None:
        parts.append(f"below {rule.below:g}")
    if rule.between is not None:
        parts.append(f"{rule.between[0]:g} to {rule.between[1]:g}")
    if rule.matches is not None:
        parts.append(f"matching {value_text(rule.matches)}")
    if rule.status is not None:
        codes = rule.status if isinstance(rule.status, list | tuple) else [rule.status]
        parts.append(f"status {' or '.join(str(code) for code in codes)}")
    if rule.equals is not None:
        parts.append(value_text(rule.equals) if inverse else f"at {value_text(rule.equals)}")
    text = ("stops unless " if inverse else "stops ") + (" and ".join(parts) or "on any answer")
    if condition.for_ is not None:
        text += f" for {format_duration(condition.for_)}"
    if condition.consecutive is not None and condition.consecutive > 1:
        text += f", {condition.consecutive}× in a row"
    return text


def _share(rule: Tolerance, inverse: bool, value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    upper, lower = (rule.above, rule.below) if not inverse else (rule.below, rule.above)
    if rule.between is not None and inverse and upper is None and lower is None:
        lower, upper = rule.between
        half = (upper - lower) / 2
        return _clamp(min(value - lower, upper - value) / half) if half > 0 else None
    if upper is not None and lower is None and upper > 0:
        return _clamp((upper - value) / upper)
    if lower is not None and upper is None and value > 0:
        return _clamp((value - lower) / value)
    return 0.0 if lower is not None and upper is None else None


def _clamp(share: float) -> float:
    return max(0.0, min(1.0, share))


def spark(values: tuple[float | None, ...], width: int, top: float | None = None) -> str:
    """A curve of the last `width` numbers in eighths of a line, `·` where there was none; `top` is the full height."""
    shown = values[-width:] if width > 0 else ()
    numbers = [value for value in shown if value is not None]
    if not numbers:
        return "·" * len(shown)
    low = min(0.0, *numbers)
    high = max(*numbers, top if top is not None else numbers[0])
    size = high - low
    return "".join(
        "·" if value is None else _BARS[round((value - low) / size * 7) if size > 0 else 0] for value in shown
    )


def ceiling(condition: AbortCondition) -> float | None:
    """The number at the top of the curve: the limit, where it is a highest value."""
    rule = condition.unless if condition.unless is not None else condition
    return rule.below if condition.unless is not None else rule.above


def bar(share: float, width: int) -> str:
    """`████░░` of `width` cells; a share above nothing shows at least one full cell."""
    filled = max(1, round(share * width)) if share > 0 else 0
    return "█" * min(width, filled) + "░" * max(0, width - filled)
