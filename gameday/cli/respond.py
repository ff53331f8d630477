"""Commands for whoever takes part: mark, note, inject, pause, continue, close, abort. They ask; the engine does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gameday.cli.options import store_option
from gameday.cli.who import user_name
from gameday.errors import Exit, UsageError

if TYPE_CHECKING:
    from gameday.engine.requests import Request
    from gameday.exercise.state import Exercise
    from gameday.store.store import Store

PATIENCE = 5.0
"""Seconds the engine is given to answer a request."""
SETTLING = 120.0
"""Seconds `abort` waits for every fault to be undone."""

id_option = click.option("--id", "exercise", metavar="ID", help="The exercise; the one that runs, if not given.")
Command = TypeVar("Command", bound=Callable[..., Any])


def which_exercise(command: Command) -> Command:
    """`[ID]`, or `--id ID` as with the commands whose argument is something else."""

    def chosen(ctx: click.Context, _: click.Parameter, said: str | None) -> str | None:
        also = ctx.params.pop("id_said", None)
        return said or also

    said = click.option("--id", "id_said", metavar="ID", is_eager=True, hidden=True)
    return said(click.argument("exercise", metavar="[ID]", required=False, callback=chosen)(command))


by_option = click.option("--by", metavar="WHO", help="Who did it; your user name, if not given.")


def _seconds(text: str | None) -> float:
    from gameday.scenario.duration import parse_duration

    if text is None:
        return 0.0
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--ago {text}: {error}") from None


def _ask(
    store: str | None,
    wanted: str | None,
    request: Request,
    by: str | None,
    look: Callable[[Store, str], None] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Put a request into the inbox and wait for the engine's answer; `look` may have a word about it before."""
    from gameday.cli.launching import reach
    from gameday.engine.control import ControlError
    from gameday.engine.requests import Close, to_json
    from gameday.store import default_url, open_store

    wall = time.time()
    with open_store(store, create=False) as opened:
        exercise = opened.resolve(wanted)
        _refuse_ended(opened, exercise)
        _refuse_before_its_start(opened, exercise, getattr(request, "ago", 0.0), wall)
        if look is not None:
            look(opened, exercise)
        row = opened.post(exercise, to_json(request), source="cli", actor=by or user_name(), wall=wall)
        control = reach(exercise, store or default_url())
        if control is not None:
            with control:
                try:
                    control.poke()
                except ControlError as error:
                    # The engine looks by itself every moment; this was only to be quicker.
                    click.echo(f"gameday: {error}", err=True)
        until = time.monotonic() + PATIENCE
        while (answer := opened.answer_of(row)) is None and time.monotonic() < until:
            time.sleep(0.02)
        if answer is None and isinstance(request, Close) and opened.summary(exercise).ended_at is not None:
            # It was closed so quickly that its engine was gone before it could say so.
            answer = {"ok": True}
    if answer is None:
        raise UsageError(
            f"no engine answers for exercise {exercise}, and the request waits for one. If the engine died: "
            f"`gameday continue {exercise}` goes on, `gameday recover {exercise}` only undoes what is left"
        )
    if not answer.get("ok"):
        raise UsageError(f"{exercise}: {answer.get('error')}")
    return exercise, answer


def _refuse_ended(store: Store, exercise: str) -> None:
    """Nobody will ever answer a request to an exercise that is over."""
    summary = store.summary(exercise)
    if summary.ended_at is not None:
        raise UsageError(f"{exercise} has ended already ({summary.verdict}); gameday list shows what runs")


def _refuse_before_its_start(store: Store, exercise: str, ago: float, wall: float) -> None:
    """The engine would refuse it too, but does not know how it was written."""
    from gameday.engine.inbox import SLACK
    from gameday.scenario.duration import format_duration

    lasted = wall - store.summary(exercise).started_at
    if ago > lasted + SLACK:
        known = format_duration(max(0, int(lasted)))
        raise UsageError(
            f"--ago {format_duration(ago)} is before the exercise: {exercise} began {known} ago. "
            f"Say at most --ago {known}, and what came before in a --note or `gameday note`"
        )


@click.command()
@click.argument("milestone")
@by_option
@click.option("--ago", metavar="DURATION", help="It happened this long ago, e.g. 2m.")
@click.option("--partial", is_flag=True, help="Only in part, e.g. mitigated for some users.")
@click.option("--note", "text", default="", help="What was seen or done.")
@click.option("--detection", type=click.Choice(["monitoring", "user", "person"]), help="For detected: what saw it.")
@id_option
@store_option
def mark(
    milestone: str,
    by: str | None,
    ago: str | None,
    partial: bool,
    text: str,
    detection: str | None,
    exercise: str | None,
    store: str | None,
) -> int:
    """Stamp MILESTONE: impact, detected, acknowledged, diagnosed, mitigated, resolved."""
    from gameday.engine.requests import Mark
    from gameday.scenario.models import MILESTONES
    from gameday.scenario.problems import nearest_word

    if milestone not in MILESTONES:
        begun = [name for name in MILESTONES if name.startswith(milestone.casefold())]
        near = begun[0] if milestone and len(begun) == 1 else nearest_word(milestone, MILESTONES)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(MILESTONES)}"
        raise UsageError(f"no milestone is called {milestone!r}: {hint}")
    if detection is not None and milestone != "detected":
        click.echo(f"hint: --detection tells something of detected only, not of {milestone}", err=True)
    ident, answer = _ask(store, exercise, Mark(milestone, _seconds(ago), partial, text, detection), by)
    click.echo(f"{milestone} stamped in {ident} (number {answer['seq']})")
    return Exit.OK


@click.command()
@click.argument("text")
@click.option(
    "--class",
    "category",
    type=click.Choice(["observation", "decision", "update", "evidence", "surprise", "role"]),
    help="What kind of note; can be said later in the console. With --to it is a status update unless said.",
)
@click.option(
    "--to", "audience", default="", metavar="AUDIENCE", help="A status update, and whom it went to, e.g. stakeholders."
)
@click.option("--ago", metavar="DURATION", help="It happened this long ago, e.g. 2m.")
@by_option
@id_option
@store_option
def note(
    text: str,
    category: str | None,
    audience: str,
    ago: str | None,
    by: str | None,
    exercise: str | None,
    store: str | None,
) -> int:
    """Write TEXT down in the exercise's journal."""
    from gameday.engine.requests import TakeNote

    text, audience = text.strip(), audience.strip()
    if not text:
        raise UsageError("the note is empty: say what was seen, decided or told, in quotes")
    if audience and category not in (None, "update"):
        click.echo(f"hint: only a status update goes --to somebody; kept as {category}", err=True)
    kind = category or ("update" if audience else "unclassified")
    request = TakeNote(text, kind, audience, _seconds(ago))  # type: ignore[arg-type]

    def question_audience(opened: Store, ident: str) -> None:
        if audience and kind == "update":
            _question_audience(opened, ident, audience)

    ident, answer = _ask(store, exercise, request, by, question_audience)
    what = f"status update to {audience or 'everybody'}" if kind == "update" else "noted"
    click.echo(f"{what} in {ident} (number {answer['seq']})")
    return Exit.OK


def _question_audience(store: Store, exercise: str, audience: str) -> None:
    """Say so where nobody in the scenario is called like that: it is kept, and counts for no expectation."""
    from gameday.exercise.fold import fold
    from gameday.scenario.problems import nearest_word

    scenario = fold(store.records(exercise, limit=1)).scenario
    if scenario is None:
        return
    expected = [entry.update for entry in scenario.expect if entry.update]
    others = [*scenario.roles, *(who for entry in scenario.timeline for who in entry.audience), "everybody"]
    known = list(dict.fromkeys([*expected, *others]))
    if known == ["everybody"] or audience.casefold() in {name.casefold() for name in known}:
        return
    near = nearest_word(audience, known)
    right = f"did you mean {near!r}?" if near else f"it knows {', '.join(known)}."
    kept = "The update is kept, and counts for nobody else; if that was a slip, send it again with the right name"
    click.echo(f"hint: the scenario knows no {audience!r}: {right} {kept}", err=True)


@click.command()
@click.argument("entry")
@click.option("--skip", is_flag=True, help="Skip the entry instead.")
@by_option
@id_option
@store_option
def inject(entry: str, skip: bool, by: str | None, exercise: str | None, store: str | None) -> int:
    """Release ENTRY of the timeline now, a manual one or one that still waits."""
    from gameday.engine.requests import Release, Skip

    ident, _ = _ask(store, exercise, Skip(entry) if skip else Release(entry), by)
    click.echo(f"{entry} {'skipped' if skip else 'released'} in {ident}")
    return Exit.OK


@click.command()
@click.option("--reason", default="", help="Why.")
@by_option
@which_exercise
@store_option
def pause(reason: str, by: str | None, exercise: str | None, store: str | None) -> int:
    """Freeze the script. Fault durations, abort conditions and the dead-man's switch go on."""
    from gameday.engine.requests import Pause

    ident, _ = _ask(store, exercise, Pause(reason), by)
    click.echo(f"{ident} is paused: the script is frozen, safety goes on")
    return Exit.OK


@click.command("continue")
@by_option
@which_exercise
@store_option
def continue_(by: str | None, exercise: str | None, store: str | None) -> int:
    """Go on after a pause, or after the engine died (its faults are undone first)."""
    from gameday.engine.requests import Continue

    _wake(store, exercise)
    ident, _ = _ask(store, exercise, Continue(), by)
    click.echo(f"{ident} goes on")
    return Exit.OK


@click.command()
@by_option
@which_exercise
@store_option
def close(by: str | None, exercise: str | None, store: str | None) -> int:
    """End an attended exercise: what still lives is undone, the steady state is checked once more."""
    from gameday.engine.requests import Close

    _wake(store, exercise)
    ident, _ = _ask(store, exercise, Close(), by)
    click.echo(f"{ident} is being closed")
    click.echo(f"how it ended: gameday show {ident}; debrief: gameday report {ident}", err=True)
    return Exit.OK


def _wake(store: str | None, wanted: str | None) -> None:
    """Start an engine again for an exercise whose engine died, be it with its guardian and unnoticed."""
    from gameday.cli.launching import reach
    from gameday.cli.resuming import resume
    from gameday.exercise.fold import fold
    from gameday.store import default_url, open_store

    with open_store(store, create=False) as opened:
        exercise = opened.resolve(wanted)
        state = fold(opened.records(exercise))
        alone = not opened.summary(exercise).engine_alive
    guardian = reach(exercise, store or default_url()) if alone else None
    if guardian is not None:
        # It undoes what its engine left, and will say so in the journal.
        guardian.close()
    elif state.phase == "interrupted" or (alone and state.phase != "ended"):
        click.echo(f"the engine of {exercise} had died; starting another, what is left is undone first", err=True)
        resume(exercise, store)


# --- abort ---------------------------------------------------------------------------------------------------------


@click.command()
@which_exercise
@click.option("--reason", default="", help="Why; it stands in the debrief.")
@by_option
@click.option("--no-wait", is_flag=True, help="Return once the abort is sent.")
@store_option
def abort(exercise: str | None, reason: str, by: str | None, no_wait: bool, store: str | None) -> int:
    """Stop the exercise and undo every fault, now. Says of each fault whether it is confirmed clear.

    Goes to the guardian's socket; if that does not answer by signal to the engine; if there is none by the inbox. Where
    guardian and engine were stopped (SIGSTOP) they are killed, and what is left is recovered.
    """
    from gameday.store import default_url, open_store

    url = store or default_url()
    who = by or user_name()
    with open_store(store, create=False) as opened:
        ident = opened.resolve(exercise)
        told, patience = _send_abort(opened, ident, url, reason or f"aborted by {who}", who)
        click.echo(told, err=True)
        if no_wait:
            return Exit.OK
        state = _settled(opened, ident, patience)
    for fault in state.faults.values():
        clear = "confirmed clear" if fault.stage in ("recovered", "refused") else "NOT CONFIRMED CLEAR"
        click.echo(f"{fault.entry}  {clear}  ({fault.stage}: {fault.cleared or fault.error or fault.summary})")
        for command in fault.commands if fault.stage == "leaked" else ():
            click.echo(f"    {command}")
    if state.unrecovered:
        click.echo(f"run: gameday recover {ident}", err=True)
        return Exit.NOT_RECOVERED
    return Exit.OK


def _send_abort(store: Store, exercise: str, url: str, reason: str, who: str) -> tuple[str, float]:
    """What was done, in words, and for how many seconds it is worth waiting for the faults to settle."""
    import signal

    from gameday.cli.frozen import end_frozen, recover_rest
    from gameday.cli.launching import reach
    from gameday.engine.control import ControlError
    from gameday.engine.requests import Abort, to_json
    from gameday.exercise.fold import fold
    from gameday.faults.processes import send

    control = reach(exercise, url)
    if control is not None:
        with control:
            try:
                answer = control.abort(reason, who)
                names = ", ".join(answer["undoing"]) or "no live fault"
                return f"abort sent to the guardian: undoing {names}", SETTLING
            except ControlError as error:
                click.echo(f"gameday: {error}", err=True)
    state = fold(store.records(exercise))
    if state.phase == "ended":
        raise UsageError(f"{exercise} has ended already ({state.verdict})")
    lease = store.lease(exercise)
    holder = lease.holder
    killed = end_frozen(exercise, url, holder)
    if killed:
        return f"{', '.join(killed)} stood still and was killed; {recover_rest(exercise, url)}", SETTLING
    if holder is not None and holder.runs_here() and send(holder.pid, holder.start_ticks, signal.SIGTERM):
        return f"the guardian's socket does not answer; sent SIGTERM to the engine (pid {holder.pid})", SETTLING
    store.post(exercise, to_json(Abort(reason)), source="cli", actor=who, wall=time.time())
    if holder is not None and lease.held(time.time()):
        return (
            f"the engine runs on host {holder.host}, where no signal goes from here; the abort is in its inbox",
            SETTLING,
        )
    where = f" on host {holder.host}" if holder is not None else ""
    return (
        f"the engine of {exercise} is gone, and its guardian does not answer; the abort waits in the inbox. "
        f"Run{where}: gameday recover {exercise}",
        PATIENCE,
    )


def _settled(store: Store, exercise: str, patience: float) -> Exercise:
    from gameday.exercise.fold import fold

    until = time.monotonic() + patience
    while True:
        state = fold(store.records(exercise))
        if not state.live_faults or time.monotonic() >= until:
            return state
        time.sleep(0.1)
