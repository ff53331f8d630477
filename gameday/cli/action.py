"""`gameday action`: what shall change because of an exercise: who does it, until when, and how one will know.

Action items are events like any other, appended to the journal after the exercise under a lease of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from gameday.cli.options import open_existing, store_option
from gameday.cli.who import user_name
from gameday.errors import Exit, UsageError

if TYPE_CHECKING:
    from gameday.exercise.events import Event
    from gameday.exercise.record import Record
    from gameday.exercise.state import ActionItem

_AHEAD = re.compile(r"^(\d{1,4})\s*(d|w|m)$")
_DAYS = {"d": 1, "w": 7, "m": 30}
_LISTED = 100
"""Exercises that `list` without an id looks through."""


@click.group(short_help="Add, close and list action items.")
def action() -> None:
    """Add, close and list action items.

    An action item has an owner and a due date; without them it is an error.
    """


@action.command(short_help="Add an action item to an exercise.")
@click.argument("exercise", metavar="ID")
@click.option("--what", metavar="TEXT", help="What will be true when it is done.")
@click.option("--owner", metavar="WHO", help="The one person who answers for it.")
@click.option("--due", metavar="DATE", help="2026-12-01, or from today: 10d, 2w.")
@click.option("--verify", default="", metavar="TEXT", help="How somebody will know that it is done.")
@click.option("--retest", default="", metavar="SCENARIO", help="The scenario that will show it.")
@store_option
def add(
    exercise: str, what: str | None, owner: str | None, due: str | None, verify: str, retest: str, store: str | None
) -> int:
    """Add an action item to the exercise ID; its short name (A1, A2 …) is printed."""
    from gameday.debrief.lint import lint_action, lint_text
    from gameday.exercise.events import ActionAdded

    given = {"--what": what, "--owner": owner, "--due": due}
    missing = [name for name, value in given.items() if value is None or not value.strip()]
    if missing:
        raise UsageError(f"an action item needs {', '.join(missing)}: without an owner and a due date it stays a wish")
    assert what is not None and owner is not None and due is not None
    today = datetime.now(UTC).date()
    until = due_date(due, today)
    name = ""

    def event(items: Sequence[ActionItem]) -> Event:
        nonlocal name
        numbers = [int(item.action[1:]) for item in items if re.fullmatch(r"A\d{1,9}", item.action)]
        name = f"A{max(numbers, default=0) + 1}"
        return ActionAdded(name, what.strip(), owner.strip(), until.isoformat(), verify.strip(), retest.strip())

    _append(store, exercise, event)
    click.echo(name)
    if until < today:
        click.echo(f"hint: {until} has passed already", err=True)
    for found, advice in [*lint_action(what), *lint_text(what)]:
        click.echo(f"hint: weak wording, “{found}”: {advice}", err=True)
    if not verify.strip():
        click.echo("hint: nothing says how one will know that it is done; --verify TEXT would", err=True)
    return Exit.OK


@action.command(short_help="Close an action item.")
@click.argument("exercise", metavar="ID")
@click.argument("item", metavar="ACTION")
@click.option("--how", default="", metavar="TEXT", help="What was done, or why it was dropped.")
@store_option
def close(exercise: str, item: str, how: str, store: str | None) -> int:
    """Close action item ACTION (say A1) of the exercise ID."""
    from gameday.exercise.events import ActionClosed

    def event(items: Sequence[ActionItem]) -> Event:
        known = {entry.action.casefold(): entry for entry in items}
        found = known.get(item.casefold())
        if found is None:
            names = ", ".join(entry.action for entry in items) or "none yet"
            raise UsageError(f"exercise {exercise} has no action item {item!r}; it has: {names}")
        if found.closed is not None:
            raise UsageError(f"action item {found.action} is closed already{f': {found.how}' if found.how else ''}")
        return ActionClosed(found.action, how.strip())

    _append(store, exercise, event)
    return Exit.OK


@action.command(name="list", short_help="List action items.")
@click.argument("exercise", metavar="[ID]", required=False)
@click.option("--open", "only_open", is_flag=True, help="Only those that are not closed.")
@click.option("--json", "as_json", is_flag=True, help="An array of objects on stdout.")
@store_option
def list_(exercise: str | None, only_open: bool, as_json: bool, store: str | None) -> int:
    """List the action items of the exercise ID; without it, those of the latest exercises."""
    rows: list[dict[str, Any]] = []
    found = open_existing(store)
    today = datetime.now(UTC).date().isoformat()
    if found is not None:
        with found:
            if exercise is not None:
                ids = [found.resolve(exercise)]
            else:
                ids = [summary.id for summary in found.exercises(_LISTED)]
            for id_ in ids:
                rows += [_row(id_, item, today) for item in items_of(found.records(id_))]
    if only_open:
        rows = [row for row in rows if row["open"]]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return Exit.OK
    for row in rows:
        click.echo(_line(row))
    if not rows:
        click.echo("No action items: add one with `gameday action add ID --what … --owner … --due 2w`.", err=True)
    return Exit.OK


def due_date(text: str, today: date) -> date:
    """The day meant by `2026-12-01`, `10d`, `2w` or `1m` (30 days) seen from `today`.

    Raises:
        UsageError: it is none of these; says what to write.
    """
    cleaned = text.strip().lower()
    ahead = _AHEAD.match(cleaned)
    try:
        if ahead:
            return today + timedelta(days=int(ahead[1]) * _DAYS[ahead[2]])
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", cleaned):
            return date.fromisoformat(cleaned)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--due {text}: {error}") from None
    raise UsageError(f"--due {text}: write a day, such as {today + timedelta(days=14)}, or 10d or 2w from today")


def items_of(records: Sequence[Record]) -> list[ActionItem]:
    """The action items in a journal, in order of their adding."""
    from gameday.exercise.events import ActionAdded, ActionClosed
    from gameday.exercise.fold import fold

    return list(fold(r for r in records if isinstance(r.event, ActionAdded | ActionClosed)).actions.values())


def _append(store: str | None, wanted: str, event: Any) -> None:
    """Append what `event(items)` returns."""
    from gameday.cli.follow_up import append

    append(store, wanted, lambda records: event(items_of(records)), actor=user_name())


def _row(exercise: str, item: ActionItem, today: str) -> dict[str, Any]:
    still = item.closed is None
    return {
        "exercise": exercise,
        "action": item.action,
        "what": item.what,
        "owner": item.owner,
        "due": item.due,
        "verify": item.verify,
        "retest": item.retest,
        "open": still,
        "overdue": still and item.due < today,
        "how": item.how,
    }


def _line(row: dict[str, Any]) -> str:
    from gameday.debrief.words import line

    state = "OVERDUE" if row["overdue"] else "open" if row["open"] else "closed"
    head = f"{row['exercise']}  {row['action']:<4} {state:<8} {row['due']}"
    return f"{head}  {line(row['owner'], 40)}: {line(row['what'], 300)}" + (
        f" ({line(row['how'], 200)})" if row["how"] else ""
    )
