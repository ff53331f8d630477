"""The smaller pictures: stage durations against targets, the abort close up, abort conditions as measured."""

from __future__ import annotations

import math
from bisect import bisect
from html import escape

from gameday.debrief.chart_timeline import bounds, timeline_chart
from gameday.debrief.svg import CHAR, Scale, element, label, picture, scale_over, short, tip
from gameday.debrief.view import AbortView, ConditionView, Debrief, Point, TimingRow
from gameday.debrief.words import number, on_clock, span

__all__ = ["abort_chart", "condition_chart", "stages_chart", "timeline_chart"]

_WIDTH, _LEFT, _RIGHT = 1080.0, 190.0, 880.0


def stages_chart(view: Debrief) -> str:
    """One bar for each timing, pauses left out, with a tick where it was expected to end.

    A list, since it has to fit a telephone: name and value stand beside the bar, or above it where there is no room,
    and only the bar is drawn, in shares of whatever width there is.
    """
    rows = [row for row in view.timings if row.state != "not applicable"]
    if not any(row.running is not None for row in rows):
        return ""
    lengths = [row.running for row in rows if row.running is not None]
    ticks = [row.target.tick for row in rows if row.target and row.target.tick is not None]
    scale = scale_over(0.0, max([*lengths, *ticks, 1.0]) * 1.02, 0.0, 100.0)
    items = [element("li", _axis(scale), class_="axis")]
    for row in rows:
        words = tip(f"{row.name}: {row.from_event} → {row.to_event}")
        bar = element("svg", words + _bar(row, scale), class_="lane", width="100%", height=26.0, role="img")
        name = element("span", escape(row.name), class_="name")
        value = element("span", escape(_stage_words(row)), class_="value")
        items.append(element("li", name + bar + value))
    return element("ol", "".join(items), class_="stages")


def _axis(scale: Scale) -> str:
    parts = []
    for seconds in scale.ticks(4):
        share = scale(seconds)
        anchor = "start" if share < 3 else "end" if share > 94 else "middle"
        parts.append(element("text", span(seconds) if seconds else "0", x=_share(share), y=12.0, text_anchor=anchor))
    return element("svg", "".join(parts), width="100%", height=16.0, aria_hidden="true")


def _bar(row: TimingRow, scale: Scale) -> str:
    parts = [
        element("line", class_="grid", x1=_share(scale(at)), y1=0.0, x2=_share(scale(at)), y2=26.0)
        for at in scale.ticks(4)
    ]
    if row.running is not None and row.running >= 0:
        kind = "frozen" if row.state == "frozen" else "partial" if row.partial else "measured"
        width = _share(max(0.4, scale(row.running)))
        parts.append(element("rect", class_=f"stage {kind}", x=0.0, y=6.0, width=width, height=16.0, rx=2))
    tick = row.target.tick if row.target else None
    if tick is not None and tick >= 0:
        x = _share(scale(tick))
        parts.append(element("line", class_="target", x1=x, y1=2.0, x2=x, y2=26.0))
        # A path knows no shares; a picture within the picture can be put at one.
        head = element("path", class_="target-head", d="M-4.5 0h9l-4.5 6z")
        parts.append(element("svg", head, x=x, y=0.0, overflow="visible"))
    return "".join(parts)


def _share(percent: float) -> str:
    return f"{percent:.2f}%"


def _stage_words(row: TimingRow) -> str:
    words = {
        "measured": span(row.running),
        "out of order": f"{span(row.running)}, out of order",
        "frozen": f"stopped at {span(row.running)}",
    }.get(row.state, row.state)
    if row.hinted:
        words += ", with a hint"
    return words


def abort_chart(abort: AbortView | None) -> str:
    """Breach seen, first undo sent, recovered, for each fault; logarithmic, from one millisecond on."""
    rows = [row for row in (abort.faults if abort else ()) if row.to_undo is not None or row.to_recovered is not None]
    if not rows:
        return ""
    times = [t for row in rows for t in (row.to_undo, row.to_recovered) if t is not None]
    top = max(3, math.ceil(math.log10(max([*times, 0.001]) * 1000)))

    def x_of(seconds: float) -> float:
        return _LEFT + 30 + min(1.0, max(0.0, math.log10(max(seconds, 0.001) * 1000) / top)) * (_RIGHT - _LEFT - 30)

    bottom = 30.0 + 30 * len(rows)
    parts = []
    for power in range(top + 1):
        x = x_of(10.0**power / 1000)
        parts.append(element("line", class_="grid", x1=x, y1=22.0, x2=x, y2=bottom))
        parts.append(label(x, 14.0, span(10.0**power / 1000), "tick", "middle"))
    parts.append(element("line", class_="abort-line", x1=_LEFT, y1=22.0, x2=_LEFT, y2=bottom))
    began = "breach seen" if abort and abort.condition else "abort asked for"
    parts.append(label(_LEFT - 12, 14.0, began, "tick abort-name", "end"))
    for index, row in enumerate(rows):
        y = 44.0 + 30 * index
        parts.append(label(_LEFT - 12, y + 4, short(row.entry, 26), "gutter", "end"))
        sent = x_of(row.to_undo) if row.to_undo is not None else None
        back = x_of(row.to_recovered) if row.to_recovered is not None else None
        if sent is not None:
            parts.append(element("line", class_="to-undo", x1=_LEFT, y1=y, x2=sent, y2=y))
        if back is not None:
            start = sent if sent is not None else _LEFT
            parts.append(element("line", class_="to-recovered", x1=start, y1=y, x2=back, y2=y))
            parts.append(element("circle", class_="recovered-dot", cx=back, cy=y, r=5.5))
            parts.append(label(back + 11, y + 4, f"✓ recovered {span(row.to_recovered)}", "value"))
        else:
            parts.append(label((sent or _LEFT) + 80, y + 4, f"✗ {row.state}", "value bad"))
        if sent is not None:
            parts.append(element("rect", class_="undo-dot", x=sent - 4.5, y=y - 4.5, width=9.0, height=9.0))
            parts.append(label(sent, y - 9, f"undo {span(row.to_undo)}", "tick strong", "middle"))
    return picture(_WIDTH, bottom + 8, "".join(parts), "The abort close up, logarithmic time", "abort")


def _without_gaps(condition: ConditionView) -> list[list[Point]]:
    """The points that belong to one line: where nothing was answered between two, nobody knows what it was."""
    gaps = sorted(condition.gaps)
    lines = [[condition.points[0]]]
    for point in condition.points[1:]:
        if bisect(gaps, point.clock) > bisect(gaps, lines[-1][-1].clock):
            lines.append([])
        lines[-1].append(point)
    return lines


def condition_chart(condition: ConditionView, view: Debrief) -> str:
    """The measured values as a band from lowest to highest with a line through the highs, and the threshold."""
    if not condition.points or not condition.threshold:
        return ""
    width, height, left, right, top, bottom = 520.0, 150.0, 46.0, 508.0, 16.0, 124.0
    start, end = bounds(view)
    first = min(start, condition.points[0].clock)
    scale = scale_over(first, max(end, condition.points[-1].clock), left, right)
    values = [value for p in condition.points for value in (p.low, p.high)] + list(condition.threshold)
    low, high = min([*values, 0.0]) if min(values) >= 0 else min(values), max(values)
    room = (high - low) or abs(high) or 1.0
    high += room * 0.08

    def y_of(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    parts = [element("line", class_="ground", x1=left, y1=bottom, x2=right, y2=bottom)]
    for value in sorted({low, max(values)}):
        parts.append(label(left - 6, y_of(value) + 4, number(value), "tick", "end"))
    for clock in scale.ticks(6):
        parts.append(label(scale(clock), bottom + 15, on_clock(clock), "tick", "middle"))
    for answered in _without_gaps(condition):
        highs = [(scale(p.clock), y_of(p.high)) for p in answered]
        lows = [(scale(p.clock), y_of(p.low)) for p in answered]
        outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*highs, *reversed(lows)])
        parts.append(element("polygon", class_="band", points=outline))
        if len(highs) == 1:
            # A line from a point to itself is not drawn.
            highs.append((highs[0][0] + 1.5, highs[0][1]))
        parts.append(element("polyline", class_="values", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in highs)))
    for bound in condition.threshold:
        y = y_of(bound)
        parts.append(element("line", class_="threshold", x1=left, y1=y, x2=right, y2=y))
        parts.append(label(left + 4, y - 4, f"threshold {number(bound)}", "tick threshold-name"))
    for gap in condition.gaps:
        x = scale(gap)
        parts.append(element("line", class_="gap", x1=x, y1=bottom - 7, x2=x, y2=bottom))
    if condition.tripped is not None:
        x = scale(condition.tripped.clock)
        parts.append(element("line", class_="abort-line", x1=x, y1=top, x2=x, y2=bottom))
        side = "end" if x > left + 20 * CHAR else None
        parts.append(
            label(
                x - 5 if side else x + 5,
                top + 2,
                f"tripped {on_clock(condition.tripped.clock)}",
                "abort-name tick",
                side,
            )
        )
    return picture(width, height, "".join(parts), f"{condition.name}: {condition.worst} at worst", "condition")
