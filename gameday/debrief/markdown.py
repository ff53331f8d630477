"""The debrief as Markdown, as GitHub and its kin show it, with the timeline as a Mermaid gantt.

Everything that people or machines wrote is escaped: it can open no table cell, no link, no mention, no HTML and no
Mermaid statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gameday.debrief.mermaid import gantt
from gameday.debrief.phrases import (
    LEVEL_MARKS,
    STATE_MARKS,
    alive,
    became_of,
    cadence_words,
    condition_words,
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
from gameday.debrief.view import AbortRow, Debrief, FaultView, Finding, NoteView, TimingRow
from gameday.debrief.words import number, on_clock, span
from gameday.exercise.touched import together

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")
_FIRST = re.compile(r"^(\d*)((?<!\d)[-+=](?=[-+=\s]|$)|(?<=\d)[.)](?=\s|$))")
"""What would begin a list, a heading's underline or a rule."""
_ROWS = 400
"""Rows of the timeline that are shown; the JSON has all."""


def md(text: object) -> str:
    """`text` as inline Markdown that shows exactly that text, on one line."""
    plain = " ".join(str(text).split())
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
    return _FIRST.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", plain))


def render_markdown(view: Debrief) -> str:
    """The whole document."""
    parts = (
        _top,
        _danger,
        _overview,
        _timings,
        _timeline,
        _system,
        _expectations,
        _response,
        _findings,
        _outcome,
    )
    blocks = [block for part in parts for block in part(view)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; nothing where there are no rows."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body]) if body else ""


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _top(view: Debrief) -> list[str]:
    head = view.headline
    strip = table(("", "", ""), ((md(name), f"**{md(value)}**", md(note)) for name, value, note in key_numbers(view)))
    return [
        f"# Debrief: {md(view.overview.title)}",
        f"**{md(head.verdict.upper())}.** {md(head.sentence)}",
        "\n".join(f"{index}. {md(text)}" for index, text in enumerate(head.findings, 1)),
        f"**Highest risk:** {md(head.risk)}",
        strip,
    ]


def _danger(view: Debrief) -> list[str]:
    blocks = []
    for fault in view.faults:
        if fault.stage != "leaked" and not alive(view, fault.stage):
            continue
        blocks.append(f"> [!CAUTION]\n> **Fault {md(fault.entry)} is not recovered.** {md(fault.error)}")
        if fault.commands:
            blocks.append("Undo it by hand:")
            blocks.append(_fenced("\n".join(fault.commands), "sh"))
    return blocks


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _overview(view: Debrief) -> list[str]:
    o = view.overview
    runbook = f"<{o.runbook}>" if web_address(o.runbook) and not set("<>`|") & set(o.runbook) else md(o.runbook)
    facts = [
        ("Exercise", md(f"{o.id} ({o.name})")),
        ("Started", md(f"{o.started.utc[:19].replace('T', ' ')} UTC") if o.started else ""),
        ("Lasted", md(span(o.duration)) if o.duration is not None else "not ended"),
        ("Target", md(f"{o.target} ({o.kind}), environment {o.environment}")),
        ("Mode", "attended" if o.attended else "unattended"),
        ("Severity", md(" – ".join(part for part in (o.severity, o.severity_why) if part))),
        ("Category", md(", ".join(part for part in (o.category, o.difficulty) if part))),
        ("Roles", md("; ".join(f"{p.role}: {', '.join(p.who)}" for p in view.people))),
        ("Took part", md(", ".join(view.participants))),
        ("Pauses", md("; ".join(f"{span(p.seconds)} ({p.reason})" for p in view.pauses))),
        ("Hints", md("; ".join(f"{h.entry} at {on_clock(h.at.clock)}" for h in view.hints))),
        ("Interruptions", md("; ".join(row.text for row in view.interruptions))),
        ("Impact", md(impact_words(view))),
        ("Parameters", md(", ".join(f"{name}={value}" for name, value in o.parameters.items()))),
        ("Runbook", runbook),
        ("Scenario", md(f"{file_words(o.scenario_path)} sha256 {o.scenario_hash[:16]}")),
    ]
    blocks = ["## Overview", md(o.description), table(("", ""), ((name, text) for name, text in facts if text))]
    if o.objectives:
        blocks.append(
            "**Objectives**, to be rated by the people who were there:"
            if o.attended
            else "**Objectives** of the scenario; nobody was there to reach them:"
        )
        blocks.append(_bullets(md(text) for text in o.objectives))
    return blocks


def _timings(view: Debrief) -> list[str]:
    shown, rest = shown_timings(view)
    rows = [(md(r.name), _took(r), _target(r), md(r.from_event), md(r.to_event), md(r.note)) for r in shown]
    blocks = ["## Timings", table(("timing", "took", "target", "from", "to", "note"), rows), md(rest)]
    if view.abort is not None:
        abort = view.abort
        whose = (
            f", because “{md(abort.condition)}” tripped"
            if abort.condition
            else f" by {md(abort.by)}"
            if abort.by
            else ""
        )
        blocks.append(f"**Abort** at {moment(abort.at)}{whose}: {md(abort.reason) or 'no reason given'}")
        blocks.append(
            table(
                ("fault", md(abort.seen_event or "breach seen"), "first undo sent", "recovered", "state"),
                (
                    (
                        md(row.entry),
                        md(on_clock(row.seen)) if row.seen is not None else "–",
                        md(undo_words(row)),
                        md(_recovered(row)),
                        md("; ".join(part for part in (row.state, row.note) if part)),
                    )
                    for row in abort.faults
                ),
            )
        )
    return blocks


def _recovered(row: AbortRow) -> str:
    if row.to_recovered is not None:
        return f"after {span(row.to_recovered)}"
    return "–" if row.undo_to_recovered is None else f"{span(row.undo_to_recovered)} after the undo"


def _took(row: TimingRow) -> str:
    if row.running is None or row.wall is None:
        return md(row.state)
    words = md(span(row.running))
    if row.state == "measured":
        words = f"**{words}**"
    elif row.state == "frozen":
        words = f"stopped at {words}"
    else:
        words = f"{words}, {md(row.state)}"
    if abs(row.wall - row.running) >= 0.5:
        words += f" ({md(span(row.wall))} with pauses)"
    return words + (", with a hint" if row.hinted else "")


def _target(row: TimingRow) -> str:
    if row.target is None:
        return ""
    state = row.target.state
    return f"{STATE_MARKS[state]} {md(span(row.target.within))} of {row.target.of}, {state.replace('_', ' ')}"


def _timeline(view: Debrief) -> list[str]:
    rows = view.timeline
    shown = rows if len(rows) <= _ROWS else (*rows[: _ROWS // 2], *rows[-_ROWS // 2 :])
    cells = (
        (
            row_time(view, row),
            on_clock(row.at.clock),
            md(row.text) if row.lane == "system" else "",
            md(f"{row.text}{f' – {row.actor}' if row.actor else ''}{_late(row.late)}")
            if row.lane == "response"
            else "",
            f"{row.seq}",
        )
        for row in shown
    )
    left_out = "" if len(shown) == len(rows) else f"{len(rows) - len(shown):,} rows in the middle are left out here."
    picture = _fenced(gantt(view), "mermaid") if view.overview.started else ""
    return ["## Timeline", picture, table(("UTC", "clock", "system", "response", "event"), cells), left_out]


def _late(seconds: float) -> str:
    return f" (written down {span(seconds)} later)" if seconds else ""


def _system(view: Debrief) -> list[str]:
    blocks = ["## The system"]
    if view.faults:
        blocks.append("### Faults")
        blocks.append(
            table(("fault", "what", "state", "effective", "undo sent", "over", "evidence"), map(_fault, view.faults))
        )
    for fault in view.faults:
        blocks.append(
            _bullets(f"{md(fault.entry)}: {md(f'{whole_words(w)} ({whole_detail(w)})')}" for w in fault.whole)
        )
    if view.workloads:
        head = ("workload", "what it is", "during the exercise", "rollouts in the two hours before")
        told = (
            (
                md(", ".join(w.services)),
                md(w.thing),
                md(workload_words(w)),
                "; ".join(md(f"{one.text}{f' ({one.utc[11:19]} UTC)' if one.utc else ''}") for one in w.recent)
                or "none",
            )
            for w in view.workloads
        )
        blocks += ["### Workloads, as the target tells", table(head, told)]
    if view.conditions:
        rows = ((md(c.name), md(c.rule), md(condition_words(c)), md(c.state)) for c in view.conditions)
        blocks += ["### Abort conditions", table(("condition", "trips when", "measured", "state"), rows)]
    if view.steady_state:
        checks = (
            (c.phase, md(c.name), md(c.wanted), md(c.answer), "✓ yes" if c.held else "✗ no") for c in view.steady_state
        )
        blocks += ["### Steady state", table(("when", "check", "wanted", "answer", "held"), checks)]
    return blocks if len(blocks) > 1 else []


def _expectations(view: Debrief) -> list[str]:
    blocks = []
    if view.expectations:
        blocks.append("## Expectations")
        judged = (
            (f"{STATE_MARKS[e.state]} {e.state.replace('_', ' ')}", md(e.text), e.by, md(e.detail))
            for e in view.expectations
        )
        blocks.append(table(("", "expectation", "judged by", "what came"), judged))
    return blocks


def _fault(fault: FaultView) -> tuple[str, ...]:
    targets = f" on {together(fault.targets, 5)}" if fault.targets else ""
    tries = f", {fault.attempts} attempts" if fault.attempts > 1 else ""
    parts = (("effective", fault.evidence), ("recovered", fault.recovered_evidence), ("error", fault.error))
    away = (f"gone {moment(gap.start)} to {moment(gap.end)}: {gap.reason}" for gap in fault.gaps)
    more = (*away, f"gone before its undo: {moment(fault.faded)}" if fault.faded else "", fault.strikes)
    said = "; ".join([*(f"{what}: {text}" for what, text in parts if text), *filter(None, more)])
    return (
        md(fault.entry),
        md(f"{fault.summary or fault.name}{targets}"),
        f"**{fault.stage}**{tries}",
        moment(fault.effective),
        moment(fault.undo_sent),
        moment(fault.ended),
        md(said),
    )


def _response(view: Debrief) -> list[str]:
    blocks = ["## The response"]
    if view.detection is not None:
        after = f", {span(view.detection.seconds)} after impact" if view.detection.seconds is not None else ""
        source = f" (source: {view.detection.source})" if view.detection.source else ""
        blocks.append(f"**Detection:** {md(view.detection.event + after + source)}")
    if view.alerts:
        head = ("alert", "fired", "resolved", "after impact", "expected")
        blocks.append(table(head, (
            (md(a.alert), moment(a.fired), moment(a.resolved), md(span(a.after_impact)), "yes" if a.expected else "no")
            for a in view.alerts
        )))  # fmt: skip
    for cadence in view.cadence:
        late = "; ".join(silences(cadence))
        words = cadence_words(cadence, view.overview.attended)
        blocks.append(f"**Updates to {md(cadence.audience)}:** {md(words)}{f'. ✗ {md(late)}' if late else ''}")
    decisions = [note for note in view.notes if note.category == "decision"]
    if decisions:
        blocks += ["### Decisions", _bullets(map(_note, decisions))]
    for title, notes in note_groups(view):
        blocks += [f"### {title}", _bullets(map(_note, notes[:100]))]
    return blocks if len(blocks) > 1 else []


def _note(note: NoteView) -> str:
    to = f" (to {md(note.audience)})" if note.audience else ""
    return f"{on_clock(note.at.clock)} {md(note.text)}{to}{f' – {md(note.actor)}' if note.actor else ''}"


def _findings(view: Debrief) -> list[str]:
    blocks = ["## Findings"]
    blocks.append(_bullets(_finding(finding) for finding in view.findings) or "None.")
    return blocks


def _finding(finding: Finding) -> str:
    seqs = ", ".join(str(seq) for seq in finding.evidence[:8])
    parts = [f"{LEVEL_MARKS[finding.level]} **{finding.level}: {md(finding.title)}**"]
    parts += [md(part) for part in (finding.detail, finding.advice) if part]
    parts += [f"Evidence: events {seqs}"] if seqs else []
    return "  \n  ".join(parts)


def _outcome(view: Debrief) -> list[str]:
    head = ("", "what", "owner", "due", "verified by", "retested by")
    actions = table(head, (
        (
            f"{'☐' if a.open else '☑'} {md(a.action)}", md(a.what), md(a.owner), md(a.due), md(a.verify),
            md(a.retest) + ("" if a.open else f" (closed: {md(a.how) or 'no reason given'})"),
        )
        for a in view.actions
    ))  # fmt: skip
    blocks = ["## Action items", actions or "None yet: `gameday action add`, with an owner and a due date."]
    if view.previous:
        head = ("", "what", "owner", "due", "from", "became of it")
        rows = (
            (
                f"{'☐' if a.open else '☑'} {md(a.action)}", md(a.what), md(a.owner), md(a.due),
                md(f"{a.exercise} ({a.scenario}, {a.held})"), md(became_of(a)),
            )
            for a in view.previous
        )  # fmt: skip
        blocks += ["### What became of the earlier ones", table(head, rows)]
    if view.language:
        blocks.append("### Words to think about")
        blocks.append(_bullets(f"{md(s.where)}: “{md(s.found)}” {md(s.advice)}" for s in view.language[:50]))
    if view.unknown:
        blocks += ["## What is not known", _bullets(md(text) for text in view.unknown)]
    samples = sum(condition.samples for condition in view.conditions)
    blocks.append("## Journal")
    blocks.append(
        f"{number(len(view.journal))} events, {number(samples)} of them samples of abort conditions. "
        "The JSON debrief holds them all."
    )
    return blocks
