"""The exercise in one picture: a system lane, a response lane, the pauses behind them, the abort through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gameday.debrief.svg import CHAR, Scale, axis, element, label, picture, scale_over, short, tip
from gameday.debrief.view import Debrief, FaultView, Row, When, WorkloadView
from gameday.debrief.words import on_clock, span
from gameday.frozen import slotted

WIDTH, LEFT, RIGHT = 1080.0, 132.0, 968.0
"""The space right of RIGHT is for the label of what happens last (px)."""
_BAR, _ROW, _LEVEL = 14.0, 24.0, 17.0
_MARKS = 300
"""Marks of one kind; beyond that, marks that would lie on each other are drawn once."""


@slotted
class _Canvas:
    scale: Scale
    y: float
    parts: list[str]

    def row(self, name: str, height: float = _ROW) -> float:
        """Reserve one row with `name` in the gutter; the y of its middle."""
        middle = self.y + height / 2
        self.parts.append(element("g", tip(name) + label(LEFT - 12, middle + 4, short(name, 19), "gutter", "end")))
        self.y += height
        return middle

    def lane(self, name: str) -> None:
        self.y += 10
        self.parts.append(element("line", class_="lane", x1=0.0, y1=self.y, x2=WIDTH, y2=self.y))
        self.parts.append(label(0.0, self.y + 15, name, "lane-name"))
        self.y += 22


def bounds(view: Debrief) -> tuple[float, float]:
    """First and last clock second that a chart shows: from the timeline's start to the end of the run."""
    begun = next((row.at.clock for row in view.timeline if row.kind == "timeline_started"), None)
    last = view.overview.ended.clock if view.overview.ended else None
    if last is None:
        last = max((row.at.clock for row in view.timeline), default=1.0)
    start = min(begun if begun is not None else 0.0, last)
    return start, last


def timeline_chart(view: Debrief) -> str:
    """The picture as an `<svg>`; empty where nothing has begun."""
    if view.overview.started is None or not view.timeline:
        return ""
    start, end = bounds(view)
    canvas = _Canvas(scale_over(start, end, LEFT, RIGHT), 46.0, [])
    broken = [workload for workload in view.workloads if workload.breaches]
    if view.faults or view.alerts or broken:
        canvas.lane("SYSTEM")
    for fault in view.faults[:40]:
        _fault(canvas, fault, end)
    for workload in broken[:12]:
        _breaches(canvas, workload, end)
    _alerts(canvas, view, end)
    canvas.lane("RESPONSE")
    _milestones(canvas, view)
    _marks(canvas, "injects", _rows(view, "inject_delivered"), _diamond)
    _marks(canvas, "updates", _notes(view, ("update",)), _triangle)
    _marks(canvas, "decisions", _notes(view, ("decision",)), _square)
    _marks(canvas, "notes", _notes(view, ("observation", "surprise", "evidence", "role", "unclassified")), _dot)
    _marks(canvas, "hints", _rows(view, "hint_given"), _ring)
    bottom = canvas.y + (16 if view.pauses else 4)
    zero = view.overview.started.wall - view.overview.started.clock
    behind = axis(canvas.scale, 40.0, bottom, zero, beside=_aborted(view)) + _pauses(canvas.scale, view, bottom)
    body = behind + "".join(canvas.parts) + _abort(canvas.scale, view, bottom)
    return picture(WIDTH, bottom + 24, body, "Timeline of the exercise: system and response", "timeline")


def stood_of(fault: FaultView) -> list[tuple[When, When | None]]:
    """When a fault stood, until it was gone or its undo was sent; None: that has no end so far."""
    if fault.effective is None:
        return []
    begins = [fault.effective, *(gap.end for gap in fault.gaps if gap.end is not None)]
    ends = [*(gap.start for gap in fault.gaps), fault.faded or fault.undo_sent or fault.ended]
    return list(zip(begins, ends, strict=True))


def _fault(canvas: _Canvas, fault: FaultView, end: float) -> None:
    middle = canvas.row(fault.entry)
    stood = stood_of(fault)
    stages = (
        ("injecting", fault.injecting or fault.armed, fault.effective or fault.undo_sent or fault.ended),
        *(("effective", begin, over) for begin, over in stood),
        ("undoing", fault.undo_sent, fault.ended),
    )
    bars = []
    for name, begin, stop in stages:
        if begin is None:
            continue
        until = stop.clock if stop else end
        x1, x2 = canvas.scale(begin.clock), canvas.scale(until)
        words = f"{fault.entry} {name}: {on_clock(begin.clock)} to {on_clock(until)} ({span(until - begin.clock)})"
        width = max(1.5, x2 - x1)
        bars.append(
            element(
                "rect",
                tip(words),
                class_=f"bar {'failing' if name == 'undoing' and fault.stage == 'leaked' else name}",
                x=x1,
                y=middle - _BAR / 2,
                width=width,
                height=_BAR,
                rx=2,
            )
        )
    canvas.parts.append(element("g", "".join(bars)))
    begin = fault.effective or fault.injecting or fault.armed
    done = fault.ended
    if begin and fault.effective:
        over = stood[0][1] or begin
        x1, x2 = canvas.scale(fault.effective.clock), canvas.scale(over.clock)
        inside = fault.summary or fault.name
        fits = int((x2 - x1 - 14) / CHAR)
        if fits >= min(len(inside), 14):
            canvas.parts.append(label(x1 + 7, middle + 4, short(inside, fits), "on-bar"))
    if done:
        mark, words = {"recovered": ("✓", "recovered"), "leaked": ("✗", "LEAKED")}.get(fault.stage, ("–", fault.stage))
        x = canvas.scale(done.clock)
        canvas.parts.append(label(x + 6, middle + 4, f"{mark} {words}", f"end {fault.stage}"))


def _breaches(canvas: _Canvas, workload: WorkloadView, end: float) -> None:
    """When a workload was not whole; a bar for each time, as long as that lasted."""
    name = ", ".join(workload.services) or workload.thing
    middle = canvas.row(name)
    bars = []
    for breach in workload.breaches[:_MARKS]:
        until = breach.end.clock if breach.end else end
        x1, x2 = canvas.scale(max(breach.start.clock, canvas.scale.start)), canvas.scale(until)
        if x2 < x1:
            continue  # over before the timeline began
        words = f"{workload.thing} not whole: {on_clock(breach.start.clock)} to {on_clock(until)}"
        words += f" ({span(until - breach.start.clock)}): {short(breach.text, 120)}"
        bars.append(
            element(
                "rect", tip(words), class_="bar broken", x=x1, y=middle - 4, width=max(1.5, x2 - x1), height=8.0, rx=2
            )
        )
    last = workload.breaches[-1]
    if last.end is not None and last.end.clock >= canvas.scale.start:
        bars.append(label(canvas.scale(last.end.clock) + 6, middle + 4, "✓ whole", "end recovered"))
    canvas.parts.append(element("g", "".join(bars)))


def _alerts(canvas: _Canvas, view: Debrief, end: float) -> None:
    for alert in view.alerts[:12]:
        middle = canvas.row(alert.alert)
        x1 = canvas.scale(alert.fired.clock)
        x2 = canvas.scale(alert.resolved.clock if alert.resolved else end)
        words = f"alert {alert.alert} fired {on_clock(alert.fired.clock)}"
        bar = element(
            "rect", tip(words), class_="bar alert", x=x1, y=middle - 4, width=max(1.5, x2 - x1), height=8.0, rx=2
        )
        canvas.parts.append(bar)
        canvas.parts.append(element("path", class_="bell", d=f"M{x1 - 5:.1f} {middle + 6:.1f}h10l-5 -12z"))


def _milestones(canvas: _Canvas, view: Debrief) -> None:
    """Flags on poles. A label stands above every pole that it would cross, so that no two things touch."""
    flags: list[tuple[float, str, bool, str]] = []
    for mark in view.milestones[:60]:
        beside = " (part)" if mark.partial else "" if mark.counts else " (later)"
        words = f"{mark.milestone}{beside} {on_clock(mark.at.clock)}"
        flags.append((canvas.scale(mark.at.clock), words, not mark.counts, mark.event))
    flags.sort(key=lambda flag: (flag[0], flag[1]))
    levels: list[int] = [0] * len(flags)
    for index in range(len(flags) - 1, -1, -1):
        x, words, _, _ = flags[index]
        reach = x + len(words) * CHAR + 14
        crossed = [levels[later] for later in range(index + 1, len(flags)) if flags[later][0] <= reach]
        levels[index] = max(crossed, default=-1) + 1
    height = (max(levels, default=0) + 1) * _LEVEL + 10
    foot = canvas.y + height
    canvas.parts.append(label(LEFT - 12, foot - 8, "milestones", "gutter", "end"))
    canvas.parts.append(element("line", class_="ground", x1=LEFT, y1=foot, x2=RIGHT, y2=foot))
    for (x, words, partial, full), level in zip(flags, levels, strict=True):
        top = foot - 10 - level * _LEVEL
        pole = element("line", class_="pole", x1=x, y1=foot, x2=x, y2=top - 9)
        flag = element("path", class_="flag part" if partial else "flag", d=f"M{x:.1f} {top - 9:.1f}l7 4l-7 4z")
        canvas.parts.append(element("g", tip(full) + pole + flag + label(x + 10, top, words, "milestone")))
    canvas.y = foot + 6


def _rows(view: Debrief, kind: str) -> list[Row]:
    return [row for row in view.timeline if row.kind == kind]


def _notes(view: Debrief, categories: tuple[str, ...]) -> list[Row]:
    wanted = {note.seq for note in view.notes if note.category in categories}
    return [row for row in view.timeline if row.seq in wanted]


def _marks(canvas: _Canvas, name: str, rows: Sequence[Row], shape: object) -> None:
    if not rows:
        return
    middle = canvas.row(name, 20.0)
    assert callable(shape)
    drawn = []
    for x, words in _spread(canvas.scale, rows):
        drawn.append(element("g", tip(words) + shape(x, middle)))
    canvas.parts.append("".join(drawn))


def _spread(scale: Scale, rows: Sequence[Row]) -> Iterable[tuple[float, str]]:
    """Where to draw each row; where there are too many, one per pixel column, and it says how many."""
    if len(rows) <= _MARKS:
        return [(scale(row.at.clock), f"{on_clock(row.at.clock)} {short(row.text, 160)}") for row in rows]
    columns: dict[int, list[Row]] = {}
    for row in rows:
        columns.setdefault(round(scale(row.at.clock) / 4), []).append(row)
    return [
        (column * 4.0, f"{on_clock(found[0].at.clock)} {short(found[0].text, 120)} (+{len(found) - 1})")
        for column, found in sorted(columns.items())
    ]


def _diamond(x: float, y: float) -> str:
    return element("path", class_="mark inject", d=f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z")


def _triangle(x: float, y: float) -> str:
    return element("path", class_="mark update", d=f"M{x - 6:.1f} {y + 5:.1f}h12l-6 -11z")


def _square(x: float, y: float) -> str:
    return element("rect", class_="mark decision", x=x - 4.5, y=y - 4.5, width=9.0, height=9.0)


def _dot(x: float, y: float) -> str:
    return element("circle", class_="mark note", cx=x, cy=y, r=3.5)


def _ring(x: float, y: float) -> str:
    return element("circle", class_="mark hint", cx=x, cy=y, r=4.5)


def _pauses(scale: Scale, view: Debrief, bottom: float) -> str:
    parts = []
    for pause in view.pauses[:60]:
        x1, x2 = scale(pause.start.clock), scale(pause.end.clock if pause.end else scale.end)
        if x2 <= x1:
            continue
        length = span(pause.seconds) if pause.seconds is not None else "not ended"
        shade = element(
            "rect",
            tip(f"paused {length}: {pause.reason}"),
            class_="pause",
            x=x1,
            y=40.0,
            width=x2 - x1,
            height=bottom - 40,
        )
        parts.append(shade)
        if x2 - x1 > 46:
            parts.append(label((x1 + x2) / 2, bottom - 5, "paused", "pause-name", "middle"))
    return "".join(parts)


def _aborted(view: Debrief) -> float | None:
    """Where the abort stands: at the breach or the wish; where nobody saw it begin, at its first undo."""
    if view.abort is None:
        return None
    rows = view.abort.faults
    seen = [row.seen for row in rows if row.seen is not None]
    sent = [row.undo_sent for row in rows if row.undo_sent is not None and row.state != "already undoing"]
    return min(seen or [*sent, view.abort.at.clock])


def _abort(scale: Scale, view: Debrief, bottom: float) -> str:
    abort, seen = view.abort, _aborted(view)
    if abort is None or seen is None:
        return ""
    x = scale(seen)
    sign = element("path", class_="abort-sign", d=f"M{x - 3.5:.1f} 8h7l5 5v7l-5 5h-7l-5 -5v-7z")
    words = label(x + 14, 21.0, f"ABORT {on_clock(seen)}", "abort-name")
    line = element("line", class_="abort-line", x1=x, y1=25.0, x2=x, y2=bottom)
    return element(
        "g",
        tip(f"aborted: {abort.reason or f'by {abort.by}'}") + line + sign + words,
    )
