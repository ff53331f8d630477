"""Does an answer meet a tolerance, in words why not, and how far it is from the threshold. Pure.

Everything here takes the JSON forms, returns for any value whatsoever, and never raises: a judgement that crashes on
`None` or on a list where a number was due would leave a fault standing.

`matches` is the one test that could take forever. The `re` module can't be stopped and holds the interpreter while it
backtracks, so a pattern like `(a+)+$` would freeze the engine's loop, and with it every abort condition. The text is
cut to 64 kB and searched with `regex`, which stops after `LONGEST_SEARCH` seconds and lets other threads run meanwhile.
A search that was stopped is "not held", with that reason.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from gameday.exercise.values import in_short
from gameday.frozen import frozen
from gameday.patterns import pattern

LONGEST_TEXT = 64 * 1024
"""Characters of an answer that `matches` looks at."""
LONGEST_PATTERN = 4096
LONGEST_SEARCH = 0.05
"""Seconds after which a search for `matches` is given up."""
SHOWN = 80
"""Characters of a value that an explanation shows."""

_NUMBER = pattern(
    r"[+-]?(?:\d{1,64}(?:\.\d{0,64})?|\.\d{1,64})(?:[eE][+-]?\d{1,4})?|[+-]?(?:[iI]nf(?:inity)?)", re.ASCII
)


@frozen
class Verdict:
    """Whether a tolerance holds, and in words what was found against it."""

    holds: bool
    why: str


def holds(tolerance: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Whether `answer` (`Answer.to_json()`) meets all of `tolerance` (a dict of only the keys that were given)."""
    return judge(tolerance, answer).holds


def judge(tolerance: Mapping[str, Any], answer: Mapping[str, Any]) -> Verdict:
    """The same with the reason: of the first part that fails, or of all where it holds.

    Only an answer of kind `value` can hold: "no data" is neither above nor below anything.
    """
    try:
        kind = answer.get("kind", "error")
        if kind != "value":
            detail = str(answer.get("detail") or "")[:300]
            return Verdict(False, f"{str(kind).replace('_', ' ')}{': ' + detail if detail else ''}")
        found = []
        for name, part in _PARTS.items():
            if name in tolerance and (tolerance[name] is not None or name == "equals"):
                verdict = part(tolerance[name], answer)
                if not verdict.holds:
                    return verdict
                found.append(verdict.why)
        return Verdict(True, ", ".join(found) or f"{shown(answer.get('value'))}: any answer will do")
    except Exception as error:  # noqa: BLE001 - RecursionError, a hostile __eq__ …: no value may stop the engine
        return Verdict(False, f"can't be judged: {type(error).__name__}")


def explain(tolerance: Mapping[str, Any]) -> str:
    """The tolerance in words: `below 0.5`, `status 200 or 204`, `above 3 and below 7`."""
    words = []
    for name in _PARTS:
        wanted = tolerance.get(name)
        if name not in tolerance or (wanted is None and name != "equals"):
            continue
        if name == "equals":
            words.append(f"equal to {shown(wanted)}")
        elif name == "between" and isinstance(wanted, list | tuple) and len(wanted) == 2:
            words.append(f"between {shown(wanted[0])} and {shown(wanted[1])}")
        elif name == "matches":
            words.append(f"matching {str(wanted)[:SHOWN]!r}")
        elif name == "status":
            words.append("status " + " or ".join(shown(code) for code in _codes(wanted)))
        else:
            words.append(f"{name} {shown(wanted)}")
    return " and ".join(words) or "any answer"


def headroom(tolerance: Mapping[str, Any], answer: Mapping[str, Any], *, unless: bool = False) -> float | None:
    """The share of the way (0 to 1) that is still left until `tolerance` holds; 0 where it holds already.

    For `above 0.5`, a value of 0.2 has 0.6 left. The way is measured against the larger of value and threshold, so it
    also works for `below`, for zero and for negative thresholds. With `unless` it is the way until the tolerance stops
    holding. Where several thresholds are given, all must be crossed, and the farthest one counts (with `unless`: any,
    and the nearest). None where the answer or the tolerance has no number.
    """
    try:
        value = number(answer.get("value")) if answer.get("kind") == "value" else None
        if value is None:
            return None
        ways = [
            way for name in ("above", "below", "between") for way in _ways(name, tolerance.get(name), value, unless)
        ]
    except Exception:  # noqa: BLE001 - a display aid; an odd value has no headroom, and that is all
        return None
    if not ways:
        return None
    return min(ways) if unless else max(ways)


def number(value: Any) -> float | None:
    """`value` as a number; None where it is none: NaN, a boolean, a list, text that isn't a number through and through.

    Text counts where it is a number as a whole, since programs print and APIs quote their numbers; `+Inf` is one too.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return None if math.isnan(value) else float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str) and len(value) <= 200 and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return None


def shown(value: Any, longest: int = SHOWN) -> str:
    """`value` as people read it: JSON, shortened."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return in_short(value, longest + 1)
    text = text_of(value[: longest + 1] if isinstance(value, str) else value)
    text = json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text
    return text if len(text) <= longest else text[:longest] + "…"


def text_of(value: Any) -> str:
    """What `matches` searches: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return f"<{type(value).__name__}>"


def _equals(wanted: Any, answer: Mapping[str, Any]) -> Verdict:
    value = answer.get("value")
    if _same(wanted, value) or (isinstance(value, str) and _same_number(wanted, value)):
        return Verdict(True, f"equal to {shown(wanted)}")
    return Verdict(False, f"{shown(value)} is not {shown(wanted)}")


def _same(one: Any, other: Any) -> bool:
    """Equality as JSON has it: `1` is `1.0`, but not `true`."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(part, other[key]) for key, part in one.items())
    return bool(one == other)


def _same_number(wanted: Any, text: str) -> bool:
    """Whether `text` is the number `wanted`: programs print theirs. To the last digit, where `wanted` is whole."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | float) or number(text) is None:
        return False
    return Decimal(text) == wanted if isinstance(wanted, int) else number(text) == wanted


def _above(wanted: Any, answer: Mapping[str, Any]) -> Verdict:
    return _compare("above", wanted, answer)


def _below(wanted: Any, answer: Mapping[str, Any]) -> Verdict:
    return _compare("below", wanted, answer)


def _compare(name: str, wanted: Any, answer: Mapping[str, Any]) -> Verdict:
    value, threshold = number(answer.get("value")), number(wanted)
    if value is None or threshold is None:
        return _no_number(answer.get("value") if value is None else wanted)
    held = value > threshold if name == "above" else value < threshold
    return Verdict(held, f"{shown(value)} is {'' if held else 'not '}{name} {shown(threshold)}")


def _between(wanted: Any, answer: Mapping[str, Any]) -> Verdict:
    value, bounds = number(answer.get("value")), _bounds(wanted)
    if value is None or bounds is None:
        return _no_number(answer.get("value") if value is None else wanted)
    held = bounds[0] <= value <= bounds[1]
    return Verdict(held, f"{shown(value)} is {'' if held else 'not '}between {shown(bounds[0])} and {shown(bounds[1])}")


def _bounds(wanted: Any) -> tuple[float, float] | None:
    if not isinstance(wanted, list | tuple) or len(wanted) != 2:
        return None
    low, high = number(wanted[0]), number(wanted[1])
    return None if low is None or high is None else (low, high)


def _no_number(value: Any) -> Verdict:
    return Verdict(False, f"{shown(value)} is not a number")


def _matches(wanted: Any, answer: Mapping[str, Any]) -> Verdict:
    if not isinstance(wanted, str) or len(wanted) > LONGEST_PATTERN:
        return Verdict(False, f"the pattern is not text of at most {LONGEST_PATTERN} characters")
    text = text_of(answer.get("value"))[:LONGEST_TEXT]
    pattern = f"the pattern {wanted[:SHOWN]!r}"
    try:
        found = _compiled(wanted).search(text, timeout=LONGEST_SEARCH)
    except TimeoutError:
        return Verdict(False, f"{pattern} took longer than {LONGEST_SEARCH * 1000:g} ms and was given up: simplify it")
    except Exception as error:  # noqa: BLE001 - regex.error, RecursionError, MemoryError: all mean "no such pattern"
        return Verdict(False, f"{pattern} can't be used: {error}")
    return Verdict(found is not None, f"{shown(text)} {'matches' if found else 'does not match'} {wanted[:SHOWN]!r}")


def prepare() -> None:
    """Load what `matches` needs, so that the first one doesn't (25 ms)."""
    _compiled("")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import regex  # 25 ms: only where a scenario says `matches`

    return regex.compile(pattern)


def _status(wanted: Any, answer: Mapping[str, Any]) -> Verdict:
    status = answer.get("status")
    if status is None:
        return Verdict(False, "the answer has no HTTP status")
    held = any(_same(code, status) for code in _codes(wanted))
    return Verdict(held, f"status {shown(status)}" + ("" if held else f", expected {explain({'status': wanted})}"))


def _codes(wanted: Any) -> list[Any]:
    return list(wanted) if isinstance(wanted, list | tuple) else [wanted]


def _ways(name: str, wanted: Any, value: float, unless: bool) -> list[float]:
    if name == "between":
        bounds = _bounds(wanted)
        if bounds is None:
            return []
        low, high = bounds
        if unless:
            return [_way(value - low, value, low), _way(high - value, value, high)]
        return [_way(low - value, value, low)] if value < low else [_way(value - high, value, high)]
    threshold = number(wanted)
    if threshold is None:
        return []
    distance = threshold - value if (name == "above") is not unless else value - threshold
    return [_way(distance, value, threshold)]


def _way(distance: float, value: float, threshold: float) -> float:
    scale = max(abs(value), abs(threshold))
    if not distance > 0 or scale == 0:
        return 0.0
    return 1.0 if math.isinf(scale) else min(distance / scale, 1.0)


_PARTS = {
    "status": _status,
    "equals": _equals,
    "above": _above,
    "below": _below,
    "between": _between,
    "matches": _matches,
}
