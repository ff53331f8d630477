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
from gameday.debrief.phrases import (
    LEVEL_MARKS,
    STATE_MARKS,
    alive,
    became_of,
    cadence_words,
    condition_words,
    evidence,
    file_words,
    impact_words,
    key_numbers,
    moment,
    note_groups,
    row_time,
    shown_timings,
    silences,
    undo_words,
    web_address,
    whole_detail,
    whole_words,
    workload_words,
)
from gameday.debrief.view import Debrief
from gameday.debrief.words import clean, count, day, number, on_clock, span, time_of_day
from gameday.exercise.touched import together

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_BODY = 220
"""Characters of one event's fields that the page shows."""
_LONG = 3000
"""Events; in a longer journal the page does not repeat what stands in the timeline."""
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
            timings=shown_timings(view),
            impact=impact_words(view),
            cadence_words=cadence_words,
            became_of=became_of,
            silences=silences,
            undo_words=undo_words,
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
            whole_words=whole_words,
            whole_detail=whole_detail,
            together=together,
            workload_words=workload_words,
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
