"""`gameday list` and `gameday show`: what the journals say, for people and as JSON. Reads only."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from gameday.cli.options import open_existing, store_option, warn_unrecovered

if TYPE_CHECKING:
    from gameday.exercise.record import Record
    from gameday.exercise.state import Exercise, FaultState, Moment, WorkloadState
    from gameday.exercise.timings import Landmark
    from gameday.exercise.wholeness import WholeAgain
    from gameday.store.summaries import Summary


@click.command(name="list", short_help="List exercises.")
@click.option("--json", "as_json", is_flag=True, help="An array of objects on stdout.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most the N newest.")
@store_option
def list_(as_json: bool, limit: int | None, store: str | None) -> None:
    """List exercises, the newest first."""
    found = open_existing(store)
    summaries: list[Summary] = []
    if found is not None:
        with found:
            warn_unrecovered(found)
            summaries = found.exercises(limit)
    if as_json:
        _print_json([_summary_json(summary) for summary in summaries])
    elif summaries:
        header = ("ID", "STATUS", "SCENARIO", "TARGET", "STARTED (UTC)", "TOOK", "TITLE")
        _print_table([header, *(_row(summary) for summary in summaries)])
    elif found is not None:
        click.echo("No exercises yet: start one with `gameday run SCENARIO`, or try `gameday demo`.", err=True)


@click.command(short_help="Show one exercise.")
@click.argument("exercise", metavar="[ID]", required=False)
@click.option("--json", "as_json", is_flag=True, help="One object on stdout.")
@click.option("--events", is_flag=True, help="Every record of the journal too.")
@store_option
def show(exercise: str | None, as_json: bool, events: bool, store: str | None) -> None:
    """Show one exercise. ID may be the beginning of one; without it, the latest."""
    from gameday.exercise.fold import fold
    from gameday.store import open_store

    with open_store(store, create=False) as found:
        warn_unrecovered(found)
        summary = found.summary(found.resolve(exercise))
        records = found.records(summary.id)
    state = fold(records)
    if as_json:
        _print_json(_exercise_json(summary, state, records if events else None))
    else:
        _print_exercise(summary, state, records, events=events)


# --- JSON: public, see docs/cli.md -----------------------------------------------------------------------------------


def _summary_json(summary: Summary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "scenario": summary.scenario,
        "title": summary.title,
        "status": summary.status,
        "target": summary.target,
        "environment": summary.environment,
        "attended": summary.attended,
        "started_at": _iso(summary.started_at),
        "ended_at": _iso(summary.ended_at),
        "verdict": summary.verdict,
        "exit_code": summary.exit_code,
        "unrecovered": summary.unrecovered,
        "engine_alive": summary.engine_alive,
    }


def _exercise_json(summary: Summary, state: Exercise, records: Sequence[Record] | None) -> dict[str, Any]:
    from gameday.exercise.record import to_json
    from gameday.exercise.timings import landmarks

    shown = {
        **_summary_json(summary),
        "phase": state.phase,
        "verdict": state.verdict,
        "reason": state.reason,
        "engine": {
            "pid": state.engine_pid,
            "guardian": state.guardian_pid,
            "host": state.host,
            "alive": summary.engine_alive,
        },
        "faults": [_fault_json(state, fault) for fault in state.faults.values()],
        "workloads": [_workload_json(workload) for workload in state.workloads.values()],
        "milestones": [
            {
                "seq": stamp.seq,
                "milestone": stamp.milestone,
                "at": _iso(stamp.at.wall),
                "clock": stamp.at.clock,
                "recorded_at": _iso(stamp.recorded),
                "partial": stamp.partial,
                "source": stamp.source,
                "actor": stamp.actor,
                "note": stamp.note,
                "detection": stamp.detection,
            }
            for stamp in state.stamps
        ],
        "reached": [
            {
                "milestone": mark.milestone,
                "at": _iso(mark.at.wall),
                "clock": mark.at.clock,
                "event": mark.event,
                "source": mark.source,
                "seq": mark.stamp.seq if mark.stamp is not None else None,
            }
            for mark in landmarks(state).values()
        ],
        "abort": None,
        "last_seq": summary.last_seq,
    }
    if state.abort is not None:
        shown["abort"] = {
            "at": _iso(state.abort.at.wall),
            "clock": state.abort.at.clock,
            "seen_clock": state.abort.seen,
            "reason": state.abort.reason,
            "by": state.abort.by,
            "condition": state.abort.condition,
        }
    if records is not None:
        shown["events"] = [to_json(record) for record in records]
    return shown


def _workload_json(workload: WorkloadState) -> dict[str, Any]:
    return {
        "name": workload.thing,
        "services": list(workload.services),
        "whole": workload.broken is None if workload.watched else None,
        "not_whole": [
            {
                "begun_at": _iso(breach.begun.wall),
                "over_at": _at(breach.over),
                "seconds": None if breach.over is None else breach.over.clock - breach.begun.clock,
                "text": breach.text,
                "outcome": breach.outcome,
            }
            for breach in workload.breaches
        ],
        "recent_rollouts": [{"at": _iso(at), "text": text} for at, text in workload.recent],
    }


def _fault_json(state: Exercise, fault: FaultState) -> dict[str, Any]:
    from gameday.exercise.strikes import unsure
    from gameday.exercise.wholeness import whole_again

    return {
        "name": fault.name,
        "entry": fault.entry,
        "state": fault.stage,
        "summary": fault.summary,
        "targets": list(fault.targets),
        "objects": list(fault.objects),
        "one_shot": fault.one_shot,
        "duration": fault.duration,
        "armed_at": _at(fault.armed),
        "effective_at": _at(fault.effective),
        "faded_at": _at(fault.faded),
        "faded_evidence": fault.faded_evidence,
        "gaps": [
            {"faded_at": _at(gap.since), "stands_again_at": _at(gap.back), "evidence": gap.evidence}
            for gap in fault.gaps
        ],
        "undo_sent_at": _at(fault.undo_sent),
        "ended_at": _at(fault.ended),
        "strikes": {
            "struck": fault.strikes,
            "may_have_struck": list(unsure(fault)),
            "refused": [{"reason": reason, "times": times} for reason, times in fault.passed.items()],
        },
        "undo_attempts": fault.attempts,
        "undo_reason": fault.undo_reason,
        "evidence": fault.evidence,
        "error": fault.error,
        "commands": list(fault.commands),
        "whole_again": [
            {
                "workload": one.thing,
                "services": list(one.services),
                "state": one.state,
                "from": one.from_event,
                "impact_at": _at(one.start),
                "whole_at": _at(one.end),
                "seconds": one.seconds,
                "text": one.text,
                "longest_of": one.longest_of,
            }
            for one in whole_again(state)
            if one.entry == fault.entry
        ],
    }


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=repr)
    sys.stdout.write("\n")


# --- tables for people ------------------------------------------------------------------------------------------------


def _row(summary: Summary) -> tuple[str, ...]:
    return (
        summary.id,
        _status(summary),
        summary.scenario,
        f"{summary.target} ({summary.environment})" if summary.environment else summary.target,
        _utc(summary.started_at),
        "" if summary.ended_at is None else _span(summary.ended_at - summary.started_at),
        summary.title,
    )


def _status(summary: Summary) -> str:
    text = summary.status
    if not summary.unrecovered:
        if text == "leaked":
            return f"{text}, recovered since"
        gone = text in ("running", "paused") and not summary.engine_alive
        return f"{text}, engine gone" if gone else text
    if summary.engine_alive:
        return f"{text}, {summary.unrecovered} live"
    engine = ", engine gone" if text in ("running", "paused") else ""
    return f"{text}{engine}, {summary.unrecovered} not recovered"


def _milestone(mark: Landmark) -> tuple[str, ...]:
    stamp = mark.stamp
    if stamp is None:
        return _clock(mark.at), mark.milestone, mark.source, "", mark.event
    beside = "partly" if stamp.partial else "" if mark.counts else "not the first"
    name = f"{mark.milestone} ({beside})" if beside else mark.milestone
    return _clock(mark.at), name, stamp.source, stamp.actor, stamp.note


def _whole(one: WholeAgain) -> str:
    """`web 5.9 s after +0:04`: from the first sign of the fault's impact on it."""
    names = ", ".join(one.services) or one.thing
    how = f"{one.seconds:.1f} s after {_clock(one.start)}" if one.seconds is not None else one.state
    return f"{names} {how}{f', the longest of {one.longest_of} times' if one.longest_of else ''}"


def _once_leaked(state: Exercise, records: Sequence[Record]) -> dict[str, str]:
    """The faults that a journal calls leaked and, by a later recovery, recovered; each with the moment of that."""
    from gameday.exercise.events import FaultLeaked

    leaked = {record.event.entry for record in records if isinstance(record.event, FaultLeaked)}
    recovered = (fault for fault in state.faults.values() if fault.stage == "recovered" and fault.entry in leaked)
    return {fault.entry: _clock(fault.ended) for fault in recovered}


def _print_exercise(summary: Summary, state: Exercise, records: Sequence[Record], *, events: bool) -> None:
    from gameday.exercise.strikes import strikes_text
    from gameday.exercise.timings import milestones
    from gameday.exercise.touched import together
    from gameday.exercise.wholeness import whole_again

    once = _once_leaked(state, records)
    lines = [
        ("exercise", summary.id),
        ("scenario", f"{summary.scenario}: {summary.title}"),
        ("target", f"{summary.target} ({summary.environment})" if summary.environment else summary.target),
        ("status", f"{_status(summary)} (phase: {state.phase})"),
        ("started", f"{_utc(summary.started_at)} UTC"),
    ]
    if summary.ended_at is not None:
        lines.append(("ended", f"{_utc(summary.ended_at)} UTC, after {_span(summary.ended_at - summary.started_at)}"))
        since = ", ".join(f"{entry} at {at}" for entry, at in once.items())
        verdict = f"{summary.verdict} (exit {summary.exit_code}): {state.reason}"
        lines.append(("verdict", f"{verdict}{f'; recovered since: {since}' if since else ''}"))
    if state.engine_pid is not None:
        alive = "running" if summary.engine_alive else "not running"
        lines.append(("engine", f"process {state.engine_pid} on {state.host}, {alive}"))
    if state.abort is not None:
        who = f"by {state.abort.by}"
        why = f": {state.abort.reason}" if state.abort.reason != f"aborted {who}" else ""
        lines.append(("aborted", f"{_clock(state.abort.at)} {who}{why}"))
    _print_table(lines)
    if state.faults:
        click.echo()
        again = whole_again(state)
        rows = [
            (
                fault.entry,
                fault.name,
                f"leaked, then {fault.stage}" if fault.entry in once else fault.stage,
                _clock(fault.effective),
                _clock(fault.ended),
                "; ".join(_whole(one) for one in again if one.entry == fault.entry),
                together(fault.targets),
                f"before: {fault.error}" if fault.entry in once else fault.error,
            )
            for fault in state.faults.values()
        ]
        head = ("ENTRY", "FAULT", "STATE", "EFFECTIVE", "ENDED", "WHOLE AGAIN", "TARGETS", "ERROR")
        _print_table([head, *rows])
    for fault in state.faults.values():
        for gap in fault.gaps:
            between = f"{_clock(gap.since)} to {_clock(gap.back)}: {gap.evidence}"
            click.echo(_printable(f"{fault.entry} did not stand from {between}"))
        if fault.faded is not None:
            gone = f"{fault.entry} did not stand any more at {_clock(fault.faded)}: {fault.faded_evidence}"
            click.echo(_printable(gone))
        if struck := strikes_text(fault):
            click.echo(_printable(f"{fault.entry} {struck}"))
    for fault in state.unrecovered:
        lead = "\n    " if len(fault.commands) > 1 else "  "
        if fault.commands:
            click.echo(lead.join([f"to undo {fault.entry} by hand:", *map(_printable, fault.commands)]))
    marks = [_milestone(mark) for mark in milestones(state)]
    if marks:
        click.echo()
        _print_table([("CLOCK", "MILESTONE", "FROM", "BY", "NOTE"), *marks])
    if events:
        from gameday.exercise.record import body_of

        click.echo()
        rows_of_events = [
            (str(record.seq), f"{record.clock:.3f}", record.source, record.kind, _short(body_of(record.event)))
            for record in records
        ]
        _print_table([("SEQ", "CLOCK", "FROM", "EVENT", ""), *rows_of_events])


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; empty columns are left out, the last one is not padded."""
    cells = [[_printable(cell) for cell in row] for row in rows]
    body = cells[1:] or cells
    keep = [column for column in range(len(cells[0])) if any(row[column] for row in body)]
    widths = {column: max(len(row[column]) for row in cells) for column in keep}
    for row in cells:
        click.echo("  ".join(row[column].ljust(widths[column]) for column in keep).rstrip())


def _printable(text: str) -> str:
    """What a scenario or a person wrote must not steer the terminal."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _short(body: dict[str, Any]) -> str:
    text = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False, default=repr)}" for name, value in body.items())
    return text if len(text) <= 160 else text[:159] + "…"


def _iso(wall: float | None) -> str | None:
    from datetime import UTC, datetime

    if wall is None:
        return None
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _at(moment: Moment | None) -> str | None:
    return None if moment is None else _iso(moment.wall)


def _utc(wall: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _clock(moment: Moment | None) -> str:
    # Cut off, as in the console and the debrief, so that one moment is the same in all of them.
    return "" if moment is None else f"+{_span(int(moment.clock + 1e-6))}"


def _span(seconds: float) -> str:
    """`4:07`, `1:02:33`."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
