"""The timeline as a Mermaid gantt, for Markdown.

Mermaid has no escaping: colons, semicolons, hashes and line ends are syntax. So only letters, digits and a few harmless
signs of foreign text get in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gameday.debrief.chart_timeline import bounds, stood_of
from gameday.debrief.view import Debrief, FaultView, When
from gameday.debrief.words import utc

_UNSAFE = re.compile(r"[^\w .,()/'%+-]|_{2,}|-{2,}")
_MARKS = 40
"""A gantt has one line for each mark; more can't be read."""


def safe(text: str, limit: int = 48) -> str:
    """What of `text` can stand in a gantt."""
    kept = " ".join(_UNSAFE.sub(" ", text[: limit * 4]).replace(",", " ").split())
    return kept[:limit].strip() or "unnamed"


def gantt(view: Debrief) -> str:
    """The diagram's source."""
    _, end = bounds(view)
    assert view.overview.started is not None
    zero = view.overview.started.wall - view.overview.started.clock
    lines = ["gantt", f"    title {safe(view.overview.title, 80)} (UTC)", "    dateFormat YYYY-MM-DDTHH:mm:ss"]
    lines += ["    axisFormat %H:%M:%S"]
    if view.faults or view.alerts:
        lines.append("    section System")
        for index, fault in enumerate(view.faults[:_MARKS]):
            lines += _fault(fault, index, zero + end)
        for index, alert in enumerate(view.alerts[:_MARKS]):
            stop = alert.resolved.wall if alert.resolved else zero + end
            lines.append(_bar(f"Alert {safe(alert.alert)}", f"active, alert{index}", alert.fired.wall, stop))
    flags = list(_flags(view))
    if flags:
        lines.append("    section Response")
        lines += flags
    if view.pauses:
        lines.append("    section Pauses")
        for index, pause in enumerate(view.pauses[:_MARKS]):
            stop = pause.end.wall if pause.end else zero + end
            lines.append(_bar("Paused", f"done, pause{index}", pause.start.wall, stop))
    if view.abort is not None:
        lines.append("    section Abort")
        lines.append(_flag("Abort", "crit, milestone, abort0", view.abort.at))
    return "\n".join(lines)


def _fault(fault: FaultView, index: int, end: float) -> Iterator[str]:
    name = f"Fault {safe(fault.entry, 32)}"
    begin = fault.injecting or fault.armed
    if begin is None:
        return
    stop = fault.undo_sent or fault.ended
    effective = fault.effective
    if effective is None:
        yield _bar(f"{name} not confirmed", f"fault{index}", begin.wall, stop.wall if stop else end)
    else:
        for number, (begun, gone) in enumerate(stood_of(fault)):
            tag = f"crit, fault{index}{f'again{number}' if number else ''}"
            yield _bar(f"{name} effective{' again' if number else ''}", tag, begun.wall, gone.wall if gone else end)
    if fault.undo_sent:
        over = fault.ended.wall if fault.ended else end
        word = {"recovered": "undone", "leaked": "LEAKED"}.get(fault.stage, "being undone")
        tag = "crit" if fault.stage == "leaked" else "done"
        yield _bar(f"{name} {word}", f"{tag}, undo{index}", fault.undo_sent.wall, over)


def _flags(view: Debrief) -> Iterator[str]:
    shown = ("milestone_reached", "inject_delivered")
    rows = [row for row in view.timeline if row.kind in shown and "(withdrawn)" not in row.text.partition(":")[0]]
    for index, row in enumerate(rows[:_MARKS]):
        kind = "crit, milestone" if " in part" in row.text.partition(":")[0] else "milestone"
        words = row.text.partition(":")[0] if row.kind == "milestone_reached" else row.text
        yield _flag(safe(words, 40), f"{kind}, mark{index}", row.at)


def _bar(name: str, tags: str, start: float, stop: float) -> str:
    # Shorter than a second can't be drawn; the tables have the exact times.
    return f"    {name} :{tags}, {utc(start)[:19]}, {utc(max(stop, start + 1))[:19]}"


def _flag(name: str, tags: str, at: When) -> str:
    return f"    {name} :{tags}, {at.utc[:19]}, 0s"
