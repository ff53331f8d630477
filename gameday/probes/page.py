"""Reading a Prometheus text page: the samples of one metric. Pure.

Takes the text format 0.0.4 and what OpenMetrics adds: exemplars, quoted names, `# EOF`. Only lines of the metric asked
for are looked at closely, so somebody else's broken line spoils nothing; a broken line of this very metric does, since
a sum without one of its parts is a wrong number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import islice

from gameday.frozen import field, slotted
from gameday.patterns import pattern

_NAME = pattern(r"[A-Za-z_:][A-Za-z0-9_:]*|\{\s*\"(?:[^\"\\\n]|\\.)*\"")
_LABEL = pattern(
    r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*|\"(?:[^\"\\\n]|\\.)*\")\s*=\s*\"(?P<value>(?:[^\"\\\n]|\\.)*)\"\s*"
)
_VALUE = pattern(r"\s+(?P<value>[^\s#]+)(?:\s+(?P<time>[-+0-9.eE]+))?\s*(?:#.*)?$")
_A_LINE = pattern(r"^[ \t]*[^#\s][^\n]*", re.MULTILINE)
_SPACE = pattern(r"\s*")
_LOOKED_AT = 200
"""Lines that are tried to see whether it is a metrics page at all."""
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


MOST_LINES = 20_000
"""Lines of one metric that are read."""


class NotAPage(ValueError):
    """No metrics page, or a line of the wanted metric that can't be read."""


@slotted
class Series:
    """The samples of one metric: labels and value, in the page's order, each series once."""

    samples: list[tuple[dict[str, str], float]] = field(default_factory=list)
    ended: bool = False
    """Another metric came after it: where a page was cut, the metric is complete all the same."""

    def having(self, labels: Mapping[str, str]) -> list[tuple[dict[str, str], float]]:
        """Those that carry all of `labels`; an empty value also means that the label is absent."""
        return [one for one in self.samples if all(one[0].get(name, "") == value for name, value in labels.items())]


def read(page: str, metric: str) -> Series:
    """The samples of `metric` on `page`.

    Raises:
        NotAPage: a line of this metric is broken, one of its series stands there twice with different values, or
            nothing on the page looks like a sample.
    """
    found, seen = Series(), {}
    # One search in C over the whole page: a page of a megabyte must not cost the loop a tenth of a second.
    lines = re.compile(rf"^[ \t]*(?:{re.escape(metric)}(?![A-Za-z0-9_:])|\{{)[^\n]*", re.MULTILINE)
    end = 0
    for count, place in enumerate(lines.finditer(page)):
        if count == MOST_LINES:
            raise NotAPage(f"more than {MOST_LINES} lines of {metric}")
        line = place[0].strip()
        start = _NAME.match(line)
        if start is None or _plain(start[0].lstrip("{ \t")) != metric:
            continue
        sample = _sample(line)
        if sample is None:
            raise NotAPage(f"line {page.count(chr(10), 0, place.start()) + 1} can't be read: {line[:120]}")
        end = place.end()
        _, labels, value = sample
        key = tuple(sorted(labels.items()))
        if key not in seen:
            seen[key] = value
            found.samples.append((labels, value))
        elif not _same(seen[key], value):
            number = page.count("\n", 0, place.start()) + 1
            raise NotAPage(f"line {number} gives a series a second time, with another value: {line[:120]}")
    if found.samples:
        found.ended = _A_LINE.search(page, end) is not None
    else:
        first = [place[0].strip() for place in islice(_A_LINE.finditer(page), _LOOKED_AT)]
        if first and not any(map(_sample, first)):
            raise NotAPage("nothing on it is a metric")
    return found


def _sample(line: str) -> tuple[str, dict[str, str], float] | None:
    """Name, labels and value of one line; None where it is broken. Timestamp and exemplar are passed over."""
    start = _NAME.match(line)
    if start is None:
        return None
    quoted = start[0].startswith("{")
    name, position, labels = _plain(start[0].lstrip("{ \t")), start.end(), {}
    if quoted or line.startswith("{", _next(line, position)):
        position = _comma(line, position) if quoted else line.index("{", position) + 1
        while not line.startswith("}", _next(line, position)):
            label = _LABEL.match(line, position)
            if label is None:
                return None
            key = _plain(label["name"])
            if key in labels:
                return None
            labels[key] = _unescaped(label["value"])
            position = _comma(line, label.end())
            if position < 0:
                return None
        position = line.index("}", position) + 1
        rest = line[position:] if line[position : position + 1].isspace() else " " + line[position:]
    else:
        rest = line[position:]
    value = _VALUE.match(rest)
    if value is None or "_" in value["value"]:
        return None
    try:
        return name, labels, float(value["value"])
    except ValueError:
        return None


def _next(line: str, position: int) -> int:
    """The place of the next character that is no space. By place, not by slicing: a line may be a megabyte long."""
    space = _SPACE.match(line, position)
    return space.end() if space else position


def _comma(line: str, position: int) -> int:
    """Where to go on after a label: behind the comma, or at the closing brace; -1 where neither comes."""
    position = _next(line, position)
    if line.startswith(",", position):
        return position + 1
    return position if line.startswith("}", position) else -1


def _plain(name: str) -> str:
    return _unescaped(name[1:-1]) if name.startswith('"') else name


def _unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), text) if "\\" in text else text


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
