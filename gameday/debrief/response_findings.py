"""Findings about the response: rules as in `findings`, silent where nobody was asked to respond. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gameday.debrief.finding import finding_of as _finding
from gameday.debrief.finding import seqs_of as _seqs
from gameday.debrief.gather import Gathered
from gameday.debrief.view import Debrief, Finding
from gameday.debrief.words import count, line, span
from gameday.exercise.state import Exercise
from gameday.exercise.timings import landmarks

TOP_LEVELS = frozenset({"SEV1", "P0", "P1"})
"""Severities at which the roles belong to different people."""


def detection(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    if view.detection is not None and view.detection.source == "user":
        evidence = _seqs(seen, "milestone_reached:detected")
        title = "A user reported it before monitoring did"
        yield _finding("user-detected", "high", title, view.detection.event, "Improve monitoring.", evidence)
    for row in view.timings:
        if row.key == "ttd" and row.target and row.target.state in ("late", "missed") and x.attended:
            title = "Detection was slow" if row.wall is not None else "Nobody noticed in time"
            detail = f"{span(row.wall)} from {row.from_event} to {row.to_event}, target {span(row.target.within)}"
            evidence = _seqs(seen, "fault_effective", "alert_seen", "milestone_reached:detected")
            yield _finding("detection-slow", "high", title, detail, "Improve monitoring.", evidence)


def milestones(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    advice = {
        "tta": "Look at paging: who was paged, how, and after how long a second person.",
        "diagnose": "Look at what was missing to see it: a dashboard, a log line, a runbook.",
        "ttm": "Prepare a mitigation that needs no diagnosis: a rollback, a flag, a switch-over.",
        "ttr": "Better runbooks.",
    }
    for row in view.timings:
        milestone = {"tta": "acknowledged", "diagnose": "diagnosed", "ttm": "mitigated", "ttr": "resolved"}.get(row.key)
        if milestone is None or row.target is None or row.target.state not in ("late", "missed"):
            continue
        late = row.target.state == "late"
        title = f"{milestone.capitalize()} {'later than expected' if late else 'was not reached in time'}"
        detail = f"target {span(row.target.within)} of {row.target.of}" + (f", took {span(row.wall)}" if late else "")
        evidence = _seqs(seen, f"milestone_reached:{milestone}")
        yield _finding(f"{row.key}-late", "medium", title, detail, advice[row.key], evidence)


def order(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    marks = landmarks(x)
    evidence = _seqs(seen, "milestone_reached:mitigated", "milestone_reached:diagnosed", "milestone_reached:resolved")
    first = [at for at in (marks.get("mitigated"), None) if at]
    partial = x.partial("mitigated")
    relief = min([mark.at.clock for mark in first] + ([partial.at.clock] if partial else []), default=None)
    diagnosed = marks.get("diagnosed")
    if diagnosed and relief is not None and diagnosed.at.clock < relief:
        gap = span(relief - diagnosed.at.clock)
        yield _finding(
            "inversion",
            "low",
            "The cause was looked for before the impact was eased",
            f"diagnosed {gap} before the first mitigation",
            "Mitigate first, investigate after.",
            evidence,
        )
    for row in view.timings:
        if row.state == "out of order":
            title = f"Out of order: {row.to_event} came before {row.from_event}"
            yield _finding(
                "out-of-order", "low", title, span(row.wall), "Check the stamps, correct what was mistaken.", evidence
            )
    resolved = marks.get("resolved")
    if resolved and (relief is None or relief > resolved.at.clock):
        yield _finding("inversion", "low", "Resolved was stamped before mitigated", "", "Resolve last.", evidence)


def updates(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    updates = tuple(note.seq for note in view.notes if note.category == "update")
    if not x.attended:
        return
    for cadence in view.cadence:
        if cadence.breaches:
            worst = max(breach.seconds for breach in cadence.breaches)
            title = f"Updates to {cadence.audience} were overdue"
            silences = count(len(cadence.breaches), "silence")
            wanted = [f"asked for every {span(cadence.every)}"] if cadence.every else []
            wanted += [f"the first within {span(cadence.within)}"] if cadence.within else []
            detail = f"{silences}, the longest {span(worst)}; {', '.join(wanted)}"
            yield _finding("updates-overdue", "medium", title, detail, "Give the countdown to one person.", updates)
        if cadence.excessive:
            title = f"More updates to {cadence.audience} than anybody asked for"
            yield _finding("updates-excessive", "low", title, count(len(cadence.sent), "update"), "", updates)


def roles(x: Exercise, view: Debrief, seen: Gathered) -> Iterator[Finding]:
    evidence = _seqs(seen, "role_taken")
    severity = ((x.scenario.severity or "") if x.scenario else "").upper()
    commanders = set(x.roles.get("incident-commander", ()))
    doubled = {
        line(who, 120): [line(role, 60) for role, people in x.roles.items() if who in people]
        for people in x.roles.values()
        for who in people
        if sum(who in others for others in x.roles.values()) > 1
    }
    if doubled and severity in TOP_LEVELS:
        detail = "; ".join(f"{who}: {', '.join(roles)}" for who, roles in doubled.items())
        yield _finding(
            "role-conflict",
            "medium",
            f"One person held several roles at {severity}",
            detail,
            "Separate them.",
            evidence,
        )
    if len(commanders) > 1:
        detail = ", ".join(sorted(line(who, 120) for who in commanders))
        yield _finding(
            "commanders", "low", "More than one person was incident commander", detail, "Hand over aloud.", evidence
        )
    opened = [n.seq for n in view.notes if n.category == "role" and "terminal" in n.text.casefold()]
    if opened:
        advice = "Coordinating and debugging at once leaves one of them undone; hand one over."
        yield _finding("commander-terminal", "medium", "The incident commander opened a terminal", "", advice, opened)
    missing = [role for role in (x.scenario.roles if x.scenario else ()) if role not in x.roles]
    if missing and x.attended and x.timeline_started:
        yield _finding(
            "role-open",
            "low",
            f"Nobody took the role{'s' if len(missing) > 1 else ''} {', '.join(line(role, 60) for role in missing)}",
            "",
            "Declare roles in the first five minutes.",
        )


# --- the exercise itself -------------------------------------------------------------------------------------------
