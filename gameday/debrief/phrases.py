"""What the formats say in the same words: key numbers, cadence, impact, which rows to show. Escapes nothing."""

from __future__ import annotations

import re

from gameday.debrief.view import (
    AbortRow,
    Cadence,
    ConditionView,
    Debrief,
    Finding,
    NoteView,
    PreviousAction,
    Row,
    TimingRow,
    When,
    WholeView,
    WorkloadView,
)
from gameday.debrief.words import count, on_clock, percent, span

_TOOK = re.compile(r"^whole again after [^,]*(?:, )?")
_SENT = 30
"""Times of updates that one line names."""
STATE_MARKS = {"met": "✓", "late": "◷", "missed": "✗", "not_observed": "○", "pending": "…"}
LEVEL_MARKS = {"high": "▲", "medium": "◆", "low": "●", "good": "✓"}


def alive(view: Debrief, stage: str) -> bool:
    """The run is over and the fault is not: as bad as leaked."""
    return view.overview.ended is not None and stage in ("armed", "injecting", "effective", "undoing")


def web_address(text: str) -> str | None:
    """`text` where it is safe to link to, else None."""
    return text if text.startswith(("https://", "http://")) and not any(c.isspace() for c in text) else None


def moment(at: When | None, exact: bool = False) -> str:
    """`14:32:05 (2:05)`: wall time UTC, with milliseconds where `exact`, and exercise time."""
    return "–" if at is None else f"{at.utc[11 : 23 if exact else 19]} ({on_clock(at.clock)})"


def row_time(view: Debrief, row: Row) -> str:
    """UTC time of day; around an abort, where everything happens at once, with milliseconds."""
    near = view.abort is not None and abs(row.at.clock - view.abort.at.clock) < 3
    return row.at.utc[11 : 23 if near else 19]


def headroom_words(condition: ConditionView) -> str:
    """`72 %`, `none, it was past` or `–` where nothing can be said."""
    if condition.headroom is None:
        return "–"
    return f"{condition.headroom:.0%}".replace("%", " %") if condition.headroom > 0 else "none, it was past"


def condition_words(condition: ConditionView) -> str:
    """`39 samples, worst 16, headroom 94 %`."""
    if not condition.samples:
        return "never sampled"
    words = count(condition.samples, "sample")
    if condition.threshold:
        words += f", worst {condition.worst or '–'}"
        words += f", headroom {headroom_words(condition)}" if condition.headroom is not None else ""
    elif condition.breaching:
        words += f", {condition.breaching} in breach, the first with {condition.worst or 'no answer'}"
    else:
        words += ", none in breach"
    return words + (f", {condition.unanswered} without an answer" if condition.unanswered else "")


def impact_words(view: Debrief) -> str:
    """`25 s, from fault a confirmed effective until the last fault recovered; 1 % of a month's error budget …`."""
    impact = view.impact
    if impact.seconds is None:
        return impact.until or ("" if view.faults else "nothing was touched")
    often = f" in {impact.stretches} stretches" if impact.stretches > 1 else ""
    words = f"{span(impact.seconds)}{often}, from {impact.since} until {impact.until}"
    if impact.budget_share:
        words += (
            f"; {percent(impact.budget_share)} of a month's error budget at 99.9 % (43.2 min), had it hit everybody"
        )
    return words


def whole_words(whole: WholeView) -> str:
    """`web whole again 5.9 s after it was first not whole`, with a mark in front."""
    names = ", ".join(whole.services) or whole.thing
    if whole.state == "stayed whole":
        return f"○ {names} stayed whole"
    if whole.state == "not whole":
        return f"✗ {names} not whole again by the end"
    if whole.longest_of:
        return f"✓ {names} whole again after each of {whole.longest_of} times, the longest {span(whole.seconds)}"
    return f"✓ {names} whole again {span(whole.seconds)} after {whole_since(whole)}"


def whole_since(whole: WholeView) -> str:
    """The moment that a workload's time to whole again is counted from: not the one that the impact's is."""
    if whole.from_event.endswith("confirmed effective"):
        return "the fault was confirmed effective"
    if whole.from_event.endswith("being injected"):
        return "the injection began"
    return "it was first not whole"


def whole_detail(whole: WholeView) -> str:
    """What stands behind it: `deployment shop/web: at worst 2 of 3 pods ready`."""
    # How long it took stands before it already, and may be counted from another moment there.
    return ": ".join(part for part in (whole.thing, _TOOK.sub("", whole.text)) if part)


def workload_words(workload: WorkloadView) -> str:
    """`not whole once, for 5.5 s`; `whole all the time`."""
    if not workload.watched:
        return "not watched"
    if not workload.breaches:
        return "whole all the time"
    often = "once" if len(workload.breaches) == 1 else f"{len(workload.breaches)} times"
    known = [breach.seconds for breach in workload.breaches if breach.seconds is not None]
    longest = f", the longest {span(max(known))}" if len(known) > 1 else f", for {span(known[0])}" if known else ""
    last = workload.breaches[-1]
    return f"not whole {often}{longest}{'' if last.end else f'; not whole at the end: {last.text}'}"


def shown_timings(view: Debrief) -> tuple[list[TimingRow], str]:
    """The rows worth a line, and a sentence about the rest: unattended, nobody was asked for most of them."""
    if view.overview.attended:
        return list(view.timings), ""
    rows = [row for row in view.timings if row.state != "not applicable"]
    rest = [row.name for row in view.timings if row.state == "not applicable"]
    return rows, f"Not applicable, since nobody was there to respond: {', '.join(rest)}." if rest else ""


def cadence_words(cadence: Cadence, attended: bool) -> str:
    """`3 updates at 2:00, 7:10; asked for every 20 min. No silence was too long.`"""
    words = count(len(cadence.sent), "update")
    if cadence.sent:
        more = ", …" if len(cadence.sent) > _SENT else ""
        words += f" at {', '.join(on_clock(clock) for clock in cadence.sent[:_SENT])}{more}"
    if not cadence.asked:
        return f"{words}; no expectation names them"
    wanted = [f"every {span(cadence.every)}"] if cadence.every else []
    wanted += [f"the first within {span(cadence.within)}"] if cadence.within is not None else []
    words += f"; asked for {', '.join(wanted)}" if wanted else ""
    if cadence.breaches:
        return words
    if not cadence.sent and not attended:
        return f"{words}; not observed"
    return f"{words}. {_fine(cadence)}"


def _fine(cadence: Cadence) -> str:
    if cadence.window is None:
        return "There was nothing to count from."
    if any(cadence.window[0] <= clock <= cadence.window[1] for clock in cadence.sent):
        return "✓ No silence was too long."
    return "None was due before it was over."


def silences(cadence: Cadence) -> list[str]:
    """`silence of 5 min 50 s from 3:20 to 10:40`, one for each that was too long."""
    return [f"silence of {span(b.seconds)} from {on_clock(b.start)} to {on_clock(b.end)}" for b in cadence.breaches]


def undo_words(row: AbortRow) -> str:
    """`after 7 ms`; `at 0:22` where nobody can say after what."""
    if row.to_undo is not None:
        return f"after {span(row.to_undo)}"
    return "–" if row.undo_sent is None else f"at {on_clock(row.undo_sent)}"


def became_of(action: PreviousAction) -> str:
    """`open for 12 days, past its date`; `closed after 3 days: released`."""
    days = count(action.days, "day")
    if action.open:
        return f"open for {days}{', past its date' if action.overdue else ''}"
    return f"closed after {days}{f': {action.how}' if action.how else ''}"


def file_words(path: str) -> str:
    """The scenario file by its last two names: where a home folder lies is nobody's business."""
    return "/".join(path.replace("\\", "/").split("/")[-2:])


def evidence(finding: Finding, shown: set[int]) -> list[tuple[int, bool]]:
    """(sequence number, has a row in the timeline) for the first few."""
    return [(seq, seq in shown) for seq in finding.evidence[:8]]


def key_numbers(view: Debrief) -> list[tuple[str, str, str]]:
    """(name, value, remark) for the strip under the headline."""
    strip = []
    for row in view.timings:
        if row.key not in ("ttd", "tta", "ttm", "ttr"):
            continue
        if row.state == "not applicable" and not view.overview.attended:
            continue
        value = span(row.running) if row.state in ("measured", "out of order") else row.state
        remark = {"frozen": f"stopped at {span(row.running)}", "out of order": "out of order"}.get(row.state, "")
        partly = next((other for other in view.timings if other.key == f"{row.key}-partial"), None)
        if row.state == "measured" and row.target:
            remark = f"target {span(row.target.within)}, {row.target.state.replace('_', ' ')}"
        if (
            row.state == "measured"
            and row.running is not None
            and row.wall is not None
            and row.wall - row.running >= 0.5
        ):
            remark += f"{'; ' if remark else ''}{span(row.wall)} with pauses"
        if partly is not None and partly.running is not None:
            remark += f"{'; ' if remark else ''}partly after {span(partly.running)}"
        strip.append((row.name, value, remark))
    if view.abort is not None:
        began = "breach" if view.abort.condition else "abort"
        slowest = "slowest fault" if len(view.abort.faults) > 1 else ""
        sent = [row.to_undo for row in view.abort.faults if row.to_undo is not None]
        back = [row.to_recovered for row in view.abort.faults if row.to_recovered is not None]
        if sent:
            strip.append((f"{began} to undo sent", span(max(sent)), slowest))
        if back:
            strip.append((f"{began} to recovered", span(max(back)), slowest))
        undone = [row.undo_to_recovered for row in view.abort.faults if row.undo_to_recovered is not None]
        if undone and not sent:
            strip.append(("undo to recovered", span(max(undone)), slowest))
    elif view.impact.seconds is not None:
        often = f"in {view.impact.stretches} stretches, " if view.impact.stretches > 1 else ""
        if view.impact.until != "mitigated":  # that is the time to mitigate
            lasted = f"{often}from {view.impact.since} until {view.impact.until}"
            strip.append(("impact lasted", span(view.impact.seconds), lasted))
    elif view.impact.until:
        strip.append(("impact lasted", "not over", "as far as the journal knows"))
    again = [(one.seconds, one) for fault in view.faults for one in fault.whole if one.seconds is not None]
    if again:
        seconds, one = max(again, key=lambda pair: pair[0])
        counted = f"the longest of {one.longest_of} times" if one.longest_of else f"after {whole_since(one)}"
        strip.append(("to whole again", span(seconds), f"{', '.join(one.services) or one.thing}, {counted}"))
    return strip


def note_groups(view: Debrief) -> list[tuple[str, list[NoteView]]]:
    """Notes by class; decisions have a section of their own, updates belong to the cadence."""
    titles = {
        "surprise": "Surprises",
        "observation": "Observations",
        "evidence": "Evidence",
        "role": "Roles",
        "update": "Updates",
        "unclassified": "Not classified",
    }
    groups = [(title, [n for n in view.notes if n.category == category]) for category, title in titles.items()]
    return [(title, notes) for title, notes in groups if notes]
