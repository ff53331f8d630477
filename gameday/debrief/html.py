"""The debrief as one HTML file: no script, no request to anywhere, readable on paper.

Every value goes through Jinja's escaping; only the charts are markup already, and they escape for themselves. A content
policy in the page forbids everything but its own style, in case something slipped through all the same.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gameday.debrief.chart import abort_chart, condition_chart, stages_chart, timeline_chart
from gameday.debrief.view import ConditionView, Debrief, Finding, NoteView, Row, When
from gameday.debrief.words import clean, count, day, number, on_clock, span, time_of_day

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_BODY = 220
"""Characters of one event's fields that the page shows."""
_LONG = 3000
"""Events; in a longer journal the page does not repeat what stands in the timeline."""
STATE_MARKS = {"met": "✓", "late": "◷", "missed": "✗", "not_observed": "○", "pending": "…"}
LEVEL_MARKS = {"high": "▲", "medium": "◆", "low": "●", "good": "✓"}
STAGE_MARKS = {"recovered": "✓", "leaked": "✗", "refused": "–"}


def render_html(view: Debrief) -> str:
    """The whole page."""
    from markupsafe import Markup

    charts = {
        "timeline": Markup(timeline_chart(view)),
        "stages": Markup(stages_chart(view)),
        "abort": Markup(abort_chart(view.abort)),
        "conditions": [Markup(condition_chart(condition, view)) for condition in view.conditions],
    }
    shown = {row.seq for row in view.timeline}
    return (
        _environment()
        .get_template("debrief.html")
        .render(
            d=view,
            charts=charts,
            style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
            journal=list(journal_lines(_raw(view, shown))),
            short_journal=len(view.journal) > _LONG,
            count=count,
            shown=shown,
            link=web_address,
            marks={"state": STATE_MARKS, "level": LEVEL_MARKS, "stage": STAGE_MARKS},
            leaked=[fault for fault in view.faults if fault.stage == "leaked" or alive(view, fault.stage)],
            key_numbers=key_numbers(view),
            groups=note_groups(view),
            evidence=lambda finding: evidence(finding, shown),
            moment=moment,
            row_time=lambda row: row_time(view, row),
            condition_words=condition_words,
            file_words=file_words,
        )
    )


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(span=span, clock=on_clock, time=time_of_day, day=day, number=number)
    return environment


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
        if row.state == "measured" and row.target:
            remark = f"target {span(row.target.within)}, {row.target.state.replace('_', ' ')}"
        if (
            row.state == "measured"
            and row.running is not None
            and row.wall is not None
            and row.wall - row.running >= 0.5
        ):
            remark += f"{'; ' if remark else ''}{span(row.wall)} with pauses"
        strip.append((row.name, value, remark))
    if view.abort is not None:
        sent = [row.to_undo for row in view.abort.faults if row.to_undo is not None]
        back = [row.to_recovered for row in view.abort.faults if row.to_recovered is not None]
        if sent:
            strip.append(("breach to undo sent", span(max(sent)), "slowest fault"))
        if back:
            strip.append(("breach to recovered", span(max(back)), "slowest fault"))
        undone = [row.undo_to_recovered for row in view.abort.faults if row.undo_to_recovered is not None]
        if undone and not sent:
            strip.append(("undo to recovered", span(max(undone)), "slowest fault"))
    elif view.impact.seconds is not None:
        strip.append(("impact lasted", span(view.impact.seconds), f"until {view.impact.until}"))
    elif view.impact.until:
        strip.append(("impact lasted", "not over", "as far as the journal knows"))
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


def _raw(view: Debrief, shown: set[int]) -> Iterable[dict[str, Any]]:
    if len(view.journal) <= _LONG:
        return view.journal
    return (record for record in view.journal if record["seq"] not in shown)


def journal_lines(journal: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One line for each event; runs of samples become one line, long fields are cut."""
    run: list[dict[str, Any]] = []
    for record in journal:
        if record["kind"] == "condition_sampled" and (not run or record["body"]["state"] == run[-1]["body"]["state"]):
            run.append(record)
            continue
        yield from _samples(run)
        run = [record] if record["kind"] == "condition_sampled" else []
        if not run:
            yield _event(record)
    yield from _samples(run)


def _samples(run: list[dict[str, Any]]) -> Iterator[str]:
    if len(run) < 4:
        yield from (_event(record) for record in run)
        return
    first, last = run[0], run[-1]
    names = ", ".join(dict.fromkeys(clean(record["body"]["name"], 60) for record in run[:50]))
    yield (
        f"{first['seq']:>5}–{last['seq']}  {on_clock(first['clock'])}–{on_clock(last['clock'])}  "
        f"{len(run)} × condition_sampled  {first['body']['state']}  {names}"
    )


def _event(record: dict[str, Any]) -> str:
    said = {key: value for key, value in record["body"].items() if value not in (None, "", [], {})}
    if record["kind"] == "exercise_started":
        said.pop("scenario", None)
    # Cut before it is written out: a note may be a megabyte.
    said = {key: value[:_BODY] if isinstance(value, str) else value for key, value in said.items()}
    body = clean(json.dumps(said, ensure_ascii=False), _BODY * 2)
    body = body if len(body) <= _BODY else f"{body[:_BODY]}…"
    who = f"  by {clean(record['actor'], 60)}" if record["actor"] else ""
    return (
        f"{record['seq']:>5}  {time_of_day(record['wall'])}  {on_clock(record['clock'])}  {record['kind']}{who}  {body}"
    )
