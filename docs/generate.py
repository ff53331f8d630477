"""Writes docs/cli.md from the commands, docs/faults.md from the declarations; `--check` says whether they are it.

python -m docs.generate [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from docs import faults
from gameday.cli.main import COMMANDS, root
from gameday.errors import Exit

PAGE = Path(__file__).with_name("cli.md")
FAULTS = Path(__file__).with_name("faults.md")
HEAD = """# Command line

Generated from the code by `make docs`. Names, exit codes and JSON are public.

| exit code | means |
|---|---|
"""
MEANINGS = {
    Exit.OK: 'done as hoped ("not observed" is not a failure)',
    Exit.FAILED: "the hypothesis, or an expectation that could have been met, failed; or, once it ran, a fault failed "
    "or was refused",
    Exit.INVALID: "invalid input; also a store that is not there, or can't be read by a command that undoes nothing",
    Exit.ABORTED: "aborted",
    Exit.NOT_RECOVERED: "a fault is not recovered, or nobody can say",
    Exit.REFUSED: "refused before anything was touched",
}


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD + "".join(f"| {int(code)} | {text} |\n" for code, text in MEANINGS.items())]
    top = root.make_context("gameday", ["doctor"], resilient_parsing=True)
    for name in COMMANDS:
        command = root.get_command(top, name)
        assert command is not None
        parts.append(_command(command, name, top))
    return "\n".join(parts)


def _command(command: click.Command, name: str, parent: click.Context, level: int = 2) -> str:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100)
    text = f"{'#' * level} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            text += "\n" + _command(found, child, context, level + 1)
    return text


def main() -> int:
    pages = {PAGE: page(), FAULTS: faults.page()}
    if "--check" in sys.argv[1:]:
        old = [path for path, wanted in pages.items() if not path.exists() or path.read_text() != wanted]
        for path in old:
            sys.stderr.write(f"{path} is not what the code says: run `make docs`\n")
        return 1 if old else 0
    for path, wanted in pages.items():
        path.write_text(wanted)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
