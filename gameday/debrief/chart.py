"""The smaller pictures: stage durations against targets, the abort close up, abort conditions as measured."""

from __future__ import annotations

import math

from gameday.debrief.chart_timeline import bounds, timeline_chart
from gameday.debrief.svg import CHAR, Scale, element, label, picture, scale_over, short, tip
from gameday.debrief.view import AbortView, ConditionView, Debrief, TimingRow
from gameday.debrief.words import number, on_clock, span

__all__ = ["abort_chart", "condition_chart", "stages_chart", "timeline_chart"]

_WIDTH, _LEFT, _RIGHT = 1080.0, 190.0, 880.0


def stages_chart(view: Debrief) -> str:
    """One bar for each timing, pauses left out, with a tick where it was expected to end."""
    rows = [row for row in view.timings if row.state != "not applicable"]
    if not any(row.running is not None for row in rows):
        return ""
    lengths = [row.running for row in rows if row.running is not None]
    ticks = [row.target.tick for row in rows if row.target and row.target.tick is not None]
    longest = max([*lengths, *ticks, 1.0])
    scale = scale_over(0.0, longest, _LEFT, _RIGHT)
    parts, y = [], 26.0
    for clock in scale.ticks(7):
        x = scale(clock)
        parts.append(element("line", class_="grid", x1=x, y1=20.0, x2=x, y2=26.0 + 34 * len(rows)))
        parts.append(label(x, 14.0, span(clock) if clock else "0", "tick", "middle"))
    for row in rows:
        parts.append(_stage(row, scale, y + 17))
        y += 34
    return picture(_WIDTH, y + 8, "".join(parts), "How long each stage took, against its target", "stages")


def _stage(row: TimingRow, scale: Scale, y: float) -> str:
    parts = [label(_LEFT - 12, y + 4, row.name, "gutter", "end")]
    reach = scale.left
    if row.running is not None and row.running >= 0:
        reach = scale(row.running)
        kind = "frozen" if row.state == "frozen" else "partial" if row.partial else "measured"
        words = tip(f"{row.name}: {row.from_event} → {row.to_event}")
        width = max(2.0, reach - scale.left)
        parts.append(
            element("rect", words, class_=f"stage {kind}", x=scale.left, y=y - 8, width=width, height=16.0, rx=2)
        )
    tick = row.target.tick if row.target else None
    if tick is not None and tick >= 0:
        x = scale(tick)
        parts.append(element("line", class_="target", x1=x, y1=y - 13, x2=x, y2=y + 13))
        parts.append(element("path", class_="target-head", d=f"M{x - 4.5:.1f} {y - 15:.1f}h9l-4.5 6z"))
        reach = max(reach, x) if abs(x - reach) < 110 or x < reach else reach
    parts.append(label(reach + 9, y + 4, _stage_words(row), "value"))
    return element("g", "".join(parts))


def _stage_words(row: TimingRow) -> str:
    words = {
        "measured": span(row.running),
        "out of order": f"{span(row.running)}, out of order",
        "frozen": f"stopped by the abort at {span(row.running)}",
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
    parts.append(label(_LEFT - 12, 14.0, "breach seen", "tick abort-name", "end"))
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
    highs = [(scale(p.clock), y_of(p.high)) for p in condition.points]
    lows = [(scale(p.clock), y_of(p.low)) for p in condition.points]
    outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*highs, *reversed(lows)])
    parts.append(element("polygon", class_="band", points=outline))
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
