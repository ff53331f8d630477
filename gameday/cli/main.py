"""The command line's root. Every command's module is imported only when that command is called.

`gameday --help` must stay quick, so the one-line summaries stand here and not in the modules.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from gameday import __version__
from gameday.cli.outlet import lead_nowhere, must_be_written
from gameday.errors import Exit, GamedayError, StoreError, UsageError

COMMANDS: dict[str, tuple[str, str]] = {
    # name: (module:attribute, summary)
    "demo": ("gameday.cli.demo:demo", "Run a whole game day on this machine, sandbox included."),
    "new": ("gameday.cli.new:new", "Write a new scenario file to start from."),
    "validate": (
        "gameday.cli.validate:validate",
        "Check scenario files; say what is wrong, where, and the right word.",
    ),
    "import": ("gameday.cli.import_:import_", "Turn an experiment or manifests into a scenario."),
    "export": ("gameday.cli.export:export", "Turn a scenario into a Chaos Toolkit experiment."),
    "preview": ("gameday.cli.preview:preview", "Say what exactly a scenario would touch; touch nothing."),
    "manifests": ("gameday.cli.manifests:manifests", "Print the roles that scenarios need on a cluster."),
    "run": ("gameday.cli.run:run", "Run a scenario as an exercise."),
    "watch": ("gameday.cli.watch:watch", "Open the console of a running exercise again."),
    "mark": ("gameday.cli.respond:mark", "Stamp a milestone."),
    "note": ("gameday.cli.respond:note", "Write down an observation, a decision, an update."),
    "inject": ("gameday.cli.respond:inject", "Release an entry of the timeline now."),
    "pause": ("gameday.cli.respond:pause", "Freeze the script; safety goes on."),
    "continue": ("gameday.cli.respond:continue_", "Go on after a pause or an interruption."),
    "close": ("gameday.cli.respond:close", "End an attended exercise."),
    "abort": ("gameday.cli.respond:abort", "Stop the exercise and undo every fault, now."),
    "recover": ("gameday.cli.recover:recover", "Undo whatever the journal knows of and is not recovered."),
    "list": ("gameday.cli.history:list_", "List exercises."),
    "show": ("gameday.cli.history:show", "Show one exercise."),
    "report": ("gameday.cli.report:report", "Write the debrief of an exercise."),
    "action": ("gameday.cli.action:action", "Add, close and list action items."),
    "schema": ("gameday.cli.schema:schema", "Print the JSON Schema of scenario files."),
    "sandbox": ("gameday.sandbox.commands:sandbox", "Bring the sandbox up, look at it, respond in it."),
    "doctor": ("gameday.cli.doctor:doctor", "Check this machine, the settings and the store."),
}

UNDOING = ("demo", "run", "continue", "close", "abort", "recover")
"""Commands that see to faults: where these can't get at the store, nobody can say whether one stands. For all others a
store that can't be read is invalid input."""
UNREAD = 141
"""What a shell shows for a command that nobody reads any more (128 + SIGPIPE)."""
WITHOUT_STORE = ("new", "validate", "import", "export", "preview", "manifests", "schema", "sandbox")
"""Commands that open no store, and still warn of faults that stand; the others do when they know which store."""


_MEANT = {
    word: [right]
    for right, words in {
        "--help": ("help", "?"),
        "--version": ("version",),
        "abort": ("stop", "kill", "halt", "cancel", "undo"),
        "close": ("end", "finish"),
        "continue": ("resume", "unpause"),
        "list": ("ls", "history", "exercises"),
        "mark": ("stamp", "milestone"),
        "preview": ("plan", "dry-run"),
        "recover": ("cleanup", "repair"),
        "report": ("debrief",),
        "run": ("start", "exec"),
        "show": ("status", "info"),
    }.items()
    for word in words
}
"""What somebody under pressure types, and what it is called here."""


class Root(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:
            raise _unread() from None

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _unread() from None
        except StoreError as error:
            if ctx.invoked_subcommand in UNDOING or error.exit_code != Exit.NOT_RECOVERED:
                raise
            raise UsageError(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1) or _MEANT.get(name.casefold(), [])
            hint = f" Did you mean {near[0]!r}?" if near else " `gameday --help` lists those there are."
            raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gameday")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Rehearse a bad day: script it, break it, respond, stop it, debrief it.

    Exit codes: 0 done as hoped, 1 a hypothesis or expectation failed, 2 invalid input, 3 aborted, 4 a fault is not
    recovered, 5 refused before anything was touched.
    """
    if ctx.invoked_subcommand in UNDOING:
        from gameday.cli.outlet import outlive

        outlive()
    if ctx.invoked_subcommand in WITHOUT_STORE:
        from gameday.cli.options import warn_standing
        from gameday.store.address import canonical, default_url

        warn_standing(canonical(default_url()))


def main() -> int:
    """Run the command; the exit code. Errors that are meant for people are shown without a traceback."""
    must_be_written()
    try:
        code = _outcome()
        if sys.stdout is not None:  # closed from the beginning: gameday … >&-
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _unread().exit_code
    except UsageError as error:
        return _said(error)


def _outcome() -> int:
    try:
        result = root.main(standalone_mode=False)
        return int(result) if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except GamedayError as error:
        return _said(error)


def _said(error: GamedayError) -> int:
    click.echo(f"gameday: {error}", err=True)
    return int(error.exit_code)


def _unread() -> click.exceptions.Exit:
    """The reader of our output went away (`gameday list | head`); nothing is left to say to it.

    Click would make a failure of it, and 1 means something else here.
    """
    for number in (1, 2):
        lead_nowhere(number)
    return click.exceptions.Exit(UNREAD)
